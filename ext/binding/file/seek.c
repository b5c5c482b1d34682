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

static int
raise_no_data(void)
{
    errno = ENXIO; /* as lseek */
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* Find the first byte at or behind `off` that has a page, or that has none. */
static int
find_hole_or_data(pb_buf *b, uint64_t off, bool data, uint64_t *out)
{
    uint64_t start, end;
    buffer_lock(b);
    uint64_t size = b->root.size;
    bool found = off < size && pb_buf_next_data(b, off, &start, &end);
    buffer_unlock(b);
    if (off >= size || (data && !found)) {
        return raise_no_data();
    }
    *out = data ? start : found && start <= off ? end : off;
    return 0;
}

/* `base` + offset, or 0 if that is negative. */
static int
seek_from(uint64_t base, Py_ssize_t offset, uint64_t *out)
{
    if (offset > 0 && (uint64_t)offset > (uint64_t)PY_SSIZE_T_MAX - base) {
        PyErr_SetString(PyExc_OverflowError, "new position too large");
        return -1;
    }
    Py_ssize_t target = (Py_ssize_t)base + offset;
    *out = target < 0 ? 0 : (uint64_t)target;
    return 0;
}

static int
seek_target(pb_buf *b, const stream *s, const seek_args *to, uint64_t *out)
{
    switch (to->whence) {
    case SEEK_CUR:
        return seek_from(s->pos, to->offset, out);
    case SEEK_END:
        return seek_from(transfer_size(b), to->offset, out);
    case SEEK_SET:
    case FILE_SEEK_DATA:
    case FILE_SEEK_HOLE:
        break;
    default:
        PyErr_Format(PyExc_ValueError, "invalid whence (%i, should be 0, 1 or 2)",
                     to->whence);
        return -1;
    }
    if (to->offset < 0) {
        PyErr_Format(PyExc_ValueError, "negative seek value %zd", to->offset);
        return -1;
    }
    *out = (uint64_t)to->offset;
    return to->whence == SEEK_SET
               ? 0
               : find_hole_or_data(b, *out, to->whence == FILE_SEEK_DATA, out);
}

PyObject *
file_seek_slow(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    seek_args to;
    uint64_t target;
    if (parse_seek(args, nargs, !s->alone, &to) < 0 || stream_check_open(s) < 0 ||
        seek_target(b, s, &to, &target) < 0) {
        return NULL;
    }
    PyObject *result = PyLong_FromUnsignedLongLong(target);
    if (result) {
        buffer_lock(b);
        s->pos = target;
        buffer_unlock(b);
    }
    return result;
}

/* ---- the length ---- */

static int
cut(pb_buf *b, stream *s, uint64_t size)
{
    buffer_lock(b);
    bool changes = s->alone ? size < b->root.size : size != b->root.size;
    if (changes) {
        stream_forget(s);
    }
    buffer_unlock(b);
    return changes ? transfer_truncate(b, size) : 0;
}

/* None and no argument mean the position. */
PyObject *
file_truncate(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t asked = 0;
    int given = 0;
    if ((!s->alone && stream_check_open(s) < 0) ||
        check_nargs("truncate", nargs, 0, 1) < 0 ||
        (nargs && (given = stream_arg_optional(args[0], &asked)) < 0) ||
        stream_check_change(s) < 0) {
        return NULL;
    }
    if (asked < 0) {
        PyErr_Format(PyExc_ValueError, "negative size value %zd", asked);
        return NULL;
    }
    uint64_t size = given ? (uint64_t)asked : s->pos;
    PyObject *result = PyLong_FromUnsignedLongLong(size);
    if (result && cut(b, s, size) < 0) {
        Py_CLEAR(result);
    }
    return result;
}
