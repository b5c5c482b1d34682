/* file/seek.c: the position and the length. */
#include "file/stream.h"

#include <errno.h>

/* ---- the position ---- */

typedef struct {
    Py_ssize_t offset;
    int whence;
} seek_args;

static int
arg_int(PyObject *obj, int *out)
{
    PyObject *index = PyNumber_Index(obj);
    long value = index ? PyLong_AsLong(index) : -1;
    Py_XDECREF(index);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (value != (int)value) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
        return -1;
    }
    *out = (int)value;
    return 0;
}

/* Translate the system's numbers of SEEK_DATA and SEEK_HOLE, if it has any. */
static int
own_whence(int whence)
{
#if defined(SEEK_DATA) && defined(SEEK_HOLE)
    return whence == SEEK_DATA   ? FILE_SEEK_DATA
           : whence == SEEK_HOLE ? FILE_SEEK_HOLE
                                 : whence;
#else
    return whence;
#endif
}

static int
parse_seek(PyObject *const *args, Py_ssize_t nargs, bool holes, seek_args *out)
{
    *out = (seek_args){0, SEEK_SET};
    if (check_nargs("seek", nargs, 1, 2) < 0) {
        return -1;
    }
    PyObject *index = PyNumber_Index(args[0]);
    out->offset = index ? PyLong_AsSsize_t(index) : -1;
    Py_XDECREF(index);
    if ((out->offset == -1 && PyErr_Occurred()) ||
        (nargs > 1 && arg_int(args[1], &out->whence) < 0)) {
        return -1;
    }
    if (holes) {
        out->whence = own_whence(out->whence);
    }
    return 0;
}

/* Where a seek goes to, or why it does not. */
typedef enum {
    SEEK_FINE,
    SEEK_CLOSED,
    SEEK_TOO_LARGE,
    SEEK_BEFORE, /* the beginning: real files refuse, io.BytesIO goes to it */
    SEEK_NO_DATA
} seek_outcome;

static int
raise_no_seek(seek_outcome why)
{
    switch (why) {
    case SEEK_FINE:
        return 0;
    case SEEK_CLOSED:
        return stream_refuse(STREAM_CLOSED);
    case SEEK_TOO_LARGE:
        PyErr_SetString(PyExc_OverflowError, "new position too large");
        return -1;
    case SEEK_BEFORE:
    case SEEK_NO_DATA:
        errno = why == SEEK_BEFORE ? EINVAL : ENXIO; /* as lseek */
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return -1;
}

/* The first byte at or behind `off` that has a page, or that has none. */
static seek_outcome
find_hole_or_data_lock_held(const pb_buf *b, uint64_t off, bool data, uint64_t *out)
{
    uint64_t start = off, end, size = end = stream_size_lock_held(b);
    bool found =
        off < size && (pb_buf_is_lent(b) || pb_buf_next_data(b, off, &start, &end));
    if (off >= size || (data && !found)) {
        return SEEK_NO_DATA;
    }
    *out = data ? start : found && start <= off ? end : off;
    return SEEK_FINE;
}

/* `base` + offset.  Before the beginning a BytesIO goes to it. */
static seek_outcome
seek_from(const stream *s, uint64_t base, Py_ssize_t offset, uint64_t *out)
{
    if (offset > 0 && (uint64_t)offset > (uint64_t)PY_SSIZE_T_MAX - base) {
        return SEEK_TOO_LARGE;
    }
    Py_ssize_t target = (Py_ssize_t)base + offset;
    *out = target < 0 ? 0 : (uint64_t)target;
    return target < 0 && !s->alone ? SEEK_BEFORE : SEEK_FINE;
}

static seek_outcome
seek_target_lock_held(const pb_buf *b, const stream *s, const seek_args *to, uint64_t *out)
{
    if (s->closed) {
        return SEEK_CLOSED;
    }
    switch (to->whence) {
    case SEEK_CUR:
        return seek_from(s, s->pos, to->offset, out);
    case SEEK_END:
        return seek_from(s, stream_size_lock_held(b), to->offset, out);
    case FILE_SEEK_DATA:
    case FILE_SEEK_HOLE:
        return find_hole_or_data_lock_held(b, (uint64_t)to->offset,
                                           to->whence == FILE_SEEK_DATA, out);
    default:
        return seek_from(s, 0, to->offset, out);
    }
}

static int
check_seek(bool alone, const seek_args *to)
{
    bool from_start = to->whence == SEEK_SET || to->whence == FILE_SEEK_DATA ||
                      to->whence == FILE_SEEK_HOLE;
    if (!from_start && to->whence != SEEK_CUR && to->whence != SEEK_END) {
        PyErr_Format(PyExc_ValueError, "invalid whence (%i, should be 0, 1 or 2)",
                     to->whence);
        return -1;
    }
    if (from_start && to->offset < 0 && alone) {
        PyErr_Format(PyExc_ValueError, "negative seek value %zd", to->offset);
        return -1;
    }
    return 0;
}

/* Make the result first (I3).  If it leads elsewhere by then, start over. */
PyObject *
file_seek_slow(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    seek_args to;
    uint64_t target = 0, now = 0;
    bool alone = stream_is_alone(b, s);
    if (parse_seek(args, nargs, !alone, &to) < 0 ||
        stream_check(b, s, stream_may_use) < 0 || check_seek(alone, &to) < 0) {
        return NULL;
    }
    for (;;) {
        buffer_lock(b);
        seek_outcome why = seek_target_lock_held(b, s, &to, &target);
        buffer_unlock(b);
        PyObject *result =
            raise_no_seek(why) < 0 ? NULL : PyLong_FromUnsignedLongLong(target);
        if (result == NULL) {
            return NULL;
        }
        buffer_lock(b);
        bool same = seek_target_lock_held(b, s, &to, &now) == SEEK_FINE && now == target;
        s->pos = same ? target : s->pos;
        buffer_unlock(b);
        if (same) {
            return result;
        }
        Py_DECREF(result);
    }
}

/* ---- the length ---- */

static pb_status
cut_lock_held(pb_buf *b, stream *s, uint64_t size, PyObject **owner)
{
    uint64_t now = stream_size_lock_held(b);
    bool changes = s->alone ? size < now : size != now;
    if (!changes) {
        return PB_OK;
    }
    stream_forget(s);
    if (pb_buf_is_lent(b)) {
        return stream_settle_lock_held(b, s, size, owner);
    }
    return pb_buf_truncate(b, size);
}

/* Cut to `size`, if the position still is there, where that is what counts.  1: done; 0: it is
 * not; -1: an exception. */
static int
cut(pb_buf *b, stream *s, uint64_t size, bool given)
{
    pb_status st;
    stream_refusal why;
    bool there;
    do {
        PyObject *owner = NULL;
        buffer_lock(b);
        why = stream_may_change(s);
        there = given || s->pos == size;
        st = why || !there ? PB_OK : cut_lock_held(b, s, size, &owner);
        buffer_unlock(b);
        Py_XDECREF(owner);
    } while (transfer_again(b, &st, 0, size));
    return stream_refuse(why) < 0 || st != PB_OK ? -1 : there;
}

static uint64_t
position(pb_buf *b, const stream *s)
{
    buffer_lock(b);
    uint64_t pos = s->pos;
    buffer_unlock(b);
    return pos;
}

/* The argument, if there is one.  Converting it may run anything, so the file is asked before whether it
 * may be cut.  -1 with an exception. */
static int
parse_truncate(pb_buf *b, const stream *s, PyObject *arg, Py_ssize_t *size)
{
    int given = stream_arg_optional(arg, size);
    if (given < 0 || stream_check(b, s, stream_may_change) < 0) {
        return -1;
    }
    if (*size < 0) {
        PyErr_Format(PyExc_ValueError, "negative size value %zd", *size);
        return -1;
    }
    return given;
}

/* None and no argument mean the position. */
PyObject *
file_truncate(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t asked = 0;
    int given = 0;
    if (nargs && ((!stream_is_alone(b, s) && stream_check(b, s, stream_may_use) < 0) ||
                  check_nargs("truncate", nargs, 0, 1) < 0 ||
                  (given = parse_truncate(b, s, args[0], &asked)) < 0)) {
        return NULL;
    }
    for (;;) {
        uint64_t size = given ? (uint64_t)asked : position(b, s);
        PyObject *result = PyLong_FromUnsignedLongLong(size);
        int done = result ? cut(b, s, size, given) : -1;
        if (done > 0) {
            return result;
        }
        Py_XDECREF(result);
        if (done < 0) {
            return NULL;
        }
    }
}
