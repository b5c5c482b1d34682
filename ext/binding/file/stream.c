/* file/stream.c: reading, writing and moving a cursor, where no remembered page does. */
#include "file/stream.h"
#include "view/object.h"

#include <errno.h>

/* ---- arguments ---- */

/* An int or None, in the words of io: -1 with an exception, 0 for None. */
static int
arg_optional(PyObject *arg, Py_ssize_t *out)
{
    if (arg == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "argument should be integer or None, not '%.200s'",
                     Py_TYPE(arg)->tp_name);
        return -1;
    }
    *out = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    return *out == -1 && PyErr_Occurred() ? -1 : 1;
}

int
stream_arg_size(const char *name, PyObject *const *args, Py_ssize_t nargs, uint64_t *out)
{
    Py_ssize_t size = -1;
    if (check_nargs(name, nargs, 0, 1) < 0 || (nargs && arg_optional(args[0], &size) < 0)) {
        return -1;
    }
    *out = size < 0 ? UINT64_MAX : (uint64_t)size;
    return 0;
}

/* ---- checks ---- */

int
stream_refuse_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    return -1;
}

static int
raise_unsupported(const char *what)
{
    PyObject *io = PyImport_ImportModule("io");
    PyObject *error = io ? PyObject_GetAttrString(io, "UnsupportedOperation") : NULL;
    if (error) {
        PyErr_SetString(error, what);
    }
    Py_XDECREF(io);
    Py_XDECREF(error);
    return -1;
}

int
stream_refuse_read(const stream *s)
{
    return s->closed ? stream_refuse_closed() : raise_unsupported("not readable");
}

int
stream_check_change(const stream *s)
{
    if (PB_UNLIKELY(s->closed)) {
        return stream_refuse_closed();
    }
    if (PB_LIKELY(!s->blocks)) {
        return 0;
    }
    if (!s->alone) {
        return raise_unsupported("not writable");
    }
    PyErr_SetString(PyExc_BufferError,
                    "Existing exports of data: object cannot be re-sized");
    return -1;
}

static inline bool
may_change(const stream *s)
{
    return !s->closed && !s->blocks;
}

/* ---- what lies ahead ---- */

/* Bytes from the position to the end, at most n. */
static inline uint64_t
ahead_lock_held(const pb_buf *b, const stream *s, uint64_t n)
{
    uint64_t size = b->root.size;
    return s->pos >= size ? 0 : pb_min(n, size - s->pos);
}

/* Where the file is read on, a window reaches over pages that follow each other in memory:
 * they are common, and so are lines that cross pages.  A jump remembers one page, which is
 * quicker. */
static inline bool
reads_on(const stream *s)
{
    return s->at == NULL || s->pos - s->lo <= s->len + (uint64_t)PB_PAGE_SIZE;
}

/* The window of the page under the position. */
static void
remember_lock_held(pb_buf *b, stream *s)
{
    uint64_t in_page = s->pos & PB_PAGE_MASK, lo = s->pos - in_page;
    uint64_t len = pb_min(b->root.size - lo, PB_PAGE_SIZE);
    uint8_t *at;
    if (reads_on(s)) {
        pb_stretch x = pb_buf_stretch(b, lo, pb_min(b->root.size - lo, STREAM_LEN_MAX));
        at = x.at;
        len = x.n;
    }
    else {
        at = (uint8_t *)(uintptr_t)pb_buf_peek(b, s->pos, 1);
        at = at ? at - in_page : NULL;
    }
    if (at && lo <= UINT32_MAX &&
        !b->pool->debug) { /* there every copy goes the long way */
        s->at = at;
        s->lo = (uint32_t)lo;
        s->len = (uint32_t)pb_min(len, STREAM_LEN_MAX) & STREAM_LEN_MAX;
    }
}

/* The address of the next n bytes, 0 < n <= ahead, when they are found in one piece. */
static inline uint8_t *
look_lock_held(pb_buf *b, stream *s, uint64_t n)
{
    if (!s->alone) {
        return (uint8_t *)(uintptr_t)pb_buf_peek(b, s->pos, n);
    }
    remember_lock_held(b, s);
    return stream_window(s, n);
}

/* ---- out ---- */

/* The object is made outside the lock, so the stream may change under it: then anew. */
static PyObject *
read_pages(pb_buf *b, stream *s, uint64_t n)
{
    for (;;) {
        buffer_lock(b);
        uint64_t len = ahead_lock_held(b, s, n);
        buffer_unlock(b);
        PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
        if (out == NULL) {
            return NULL;
        }
        buffer_lock(b);
        bool open = !s->closed, same = ahead_lock_held(b, s, n) == len;
        if (open && same) {
            copy_out_lock_held(b, s->pos, PyBytes_AS_STRING(out), len);
            s->pos += len;
        }
        buffer_unlock(b);
        if (open && same) {
            return unless_damaged(b, out);
        }
        Py_DECREF(out);
        if (!open) {
            stream_refuse_closed();
            return NULL;
        }
    }
}

PyObject *
stream_read_slow(pb_buf *b, stream *s, uint64_t n)
{
    const uint8_t *at = NULL;
    PyObject *out = NULL;
    buffer_lock(b);
    uint64_t len = ahead_lock_held(b, s, n);
    if (len && !s->closed) {
        at = look_lock_held(b, s, len);
        out = at ? stream_bytes_lock_held(s, at, len) : NULL;
    }
    buffer_unlock(b);
    return PB_LIKELY(at != NULL) ? out : read_pages(b, s, n);
}

/* How far to look for a newline before what was found is searched. */
#define SEARCH_STEP (4 * (uint64_t)PB_PAGE_SIZE)

/* Bytes up to and with the first newline of [pos, pos + most), or all of them.  Holes
 * have no newline. */
static uint64_t
line_length_lock_held(const pb_buf *b, uint64_t pos, uint64_t most)
{
    for (uint64_t done = 0; done < most;) {
        pb_stretch s = pb_buf_stretch(b, pos + done, pb_min(most - done, SEARCH_STEP));
        const uint8_t *newline = s.at ? memchr(s.at, '\n', s.n) : NULL;
        if (newline) {
            return done + (uint64_t)(newline + 1 - s.at);
        }
        done += s.n;
    }
    return most;
}

PyObject *
stream_readline_slow(pb_buf *b, stream *s, uint64_t limit)
{
    const uint8_t *at = NULL;
    PyObject *out = NULL;
    buffer_lock(b);
    uint64_t n = s->closed ? 0 : ahead_lock_held(b, s, limit);
    if (n) {
        n = line_length_lock_held(b, s->pos, n);
        at = look_lock_held(b, s, n);
        out = at ? stream_bytes_lock_held(s, at, n) : NULL;
    }
    buffer_unlock(b);
    return at ? out : read_pages(b, s, n);
}

PyObject *
stream_next_slow(pb_buf *b, stream *s)
{
    PyObject *line = stream_readline_slow(b, s, UINT64_MAX);
    if (line && PyBytes_GET_SIZE(line) == 0) {
        Py_CLEAR(line);
    }
    return line;
}

static int
arg_hint(PyObject *hint, uint64_t *out)
{
    if (hint != Py_None && !PyLong_Check(hint)) {
        PyErr_Format(PyExc_TypeError, "integer argument expected, got '%.200s'",
                     Py_TYPE(hint)->tp_name);
        return -1;
    }
    if (arg_size(hint, out) < 0) {
        return -1;
    }
    *out = *out ? *out : UINT64_MAX; /* 0 is no hint either */
    return 0;
}

PyObject *
stream_readlines(pb_buf *b, stream *s, PyObject *hint)
{
    uint64_t most, total = 0, start = s->pos;
    if (stream_check_open(s) < 0 || arg_hint(hint, &most) < 0) {
        return NULL;
    }
    PyObject *lines = PyList_New(0);
    while (lines && total < most) {
        PyObject *line = stream_next(b, s);
        if (line == NULL) {
            break;
        }
        total += (uint64_t)PyBytes_GET_SIZE(line);
        if (PyList_Append(lines, line) < 0) {
            Py_CLEAR(lines);
        }
        Py_DECREF(line);
    }
    if (PyErr_Occurred()) {
        s->pos = start; /* I3 */
        Py_CLEAR(lines);
    }
    return lines;
}

/* All n bytes, from one piece of memory; NULL with *done false where there is none. */
static PyObject *
read_into_fast(pb_buf *b, stream *s, void *dst, uint64_t n, bool *done)
{
    PyObject *result = PyLong_FromUnsignedLongLong(n);
    buffer_lock(b);
    const uint8_t *at = stream_window(s, n);
    if (at == NULL && !s->closed && n && ahead_lock_held(b, s, n) == n && !b->pool->debug) {
        at = look_lock_held(b, s, n);
    }
    *done = result == NULL || at != NULL;
    if (result && at) {
        memmove(dst, at, n); /* it may be a view of this very file */
        s->pos += n;
    }
    buffer_unlock(b);
    if (!*done) {
        Py_CLEAR(result);
    }
    return result;
}

/* Copy up to n bytes to dst; returns the count as an object, had before a byte moves. */
static PyObject *
read_into(pb_buf *b, stream *s, void *dst, uint64_t n)
{
    for (;;) {
        buffer_lock(b);
        uint64_t len = ahead_lock_held(b, s, n);
        buffer_unlock(b);
        PyObject *result = PyLong_FromUnsignedLongLong(len);
        if (result == NULL) {
            return NULL;
        }
        buffer_lock(b);
        bool open = !s->closed, same = ahead_lock_held(b, s, n) == len;
        if (open && same) {
            copy_out_lock_held(b, s->pos, dst, len);
            s->pos += len;
        }
        buffer_unlock(b);
        if (open && same) {
            return unless_damaged(b, result);
        }
        Py_DECREF(result);
        if (!open) {
            stream_refuse_closed();
            return NULL;
        }
    }
}

PyObject *
stream_readinto(pb_buf *b, stream *s, PyObject *dst, const char *name)
{
    Py_buffer view;
    if (PyObject_GetBuffer(dst, &view, PyBUF_WRITABLE) < 0) {
        PyErr_Format(PyExc_TypeError,
                     "%s() argument must be read-write bytes-like object, not %.200s", name,
                     Py_TYPE(dst)->tp_name);
        return NULL;
    }
    if (transfer_may_use(b, view.buf, (uint64_t)view.len) < 0) {
        PyBuffer_Release(&view);
        return NULL;
    }
    bool done;
    PyObject *result = read_into_fast(b, s, view.buf, (uint64_t)view.len, &done);
    if (!done) {
        result = read_into(b, s, view.buf, (uint64_t)view.len);
    }
    PyBuffer_Release(&view);
    return result;
}

PyObject *
stream_read_buffer(pb_buf *b, stream *s, uint64_t n)
{
    if (stream_check_open(s) < 0) {
        return NULL;
    }
    buffer_lock(b);
    uint64_t pos = s->pos, len = ahead_lock_held(b, s, n);
    buffer_unlock(b);
    PyObject *view = view_stable(b, pos, len);
    if (view) {
        buffer_lock(b);
        s->pos = pos + len;
        buffer_unlock(b);
    }
    return view;
}

PyObject *
stream_peek(pb_buf *b, stream *s, uint64_t n)
{
    if (stream_check_open(s) < 0) {
        return NULL;
    }
    buffer_lock(b);
    uint64_t pos = s->pos;
    buffer_unlock(b);
    return transfer_read(b, pos, n);
}

/* ---- in ---- */

/* Over bytes that are there, in pages that no other tree names. */
static bool
overwrite_lock_held(pb_buf *b, stream *s, const void *src, uint64_t n)
{
    if (!s->alone || b->root.shared || ahead_lock_held(b, s, n) < n) {
        return false;
    }
    uint8_t *at = look_lock_held(b, s, n);
    if (at) {
        pb_copy(at, src, n);
        s->pos += n;
    }
    return at != NULL;
}

static pb_status
write_lock_held(pb_buf *b, stream *s, const void *src, uint64_t n)
{
    if (overwrite_lock_held(b, s, src, n)) {
        return PB_OK;
    }
    uint64_t pos = s->append ? b->root.size : s->pos;
    if (b->root.shared || pb_buf_is_inline(b)) {
        stream_forget(s); /* its pages may be others afterwards */
    }
    pb_status st = pos == b->root.size && n < COPY_WITHOUT_GIL
                       ? pb_buf_extend(b, src, n)
                       : transfer_write_lock_held(b, pos, src, n);
    if (st == PB_OK) {
        s->pos = pos + n;
    }
    return st;
}

/* Growing the pool runs Python code, which may do anything to the stream: each attempt
 * begins anew. */
static int
write_bytes(pb_buf *b, stream *s, const void *src, uint64_t n)
{
    pb_status st;
    bool may;
    do {
        buffer_lock(b);
        may = may_change(s);
        st = may && n ? write_lock_held(b, s, src, n) : PB_OK;
        buffer_unlock(b);
    } while (transfer_again(b, &st, s->pos, n));
    return !may ? stream_check_change(s) : st == PB_OK ? 0 : -1;
}

PyObject *
stream_write_slow(pb_buf *b, stream *s, PyObject *data)
{
    Py_buffer view;
    /* before the conversion for the sake of the message, after it for safety (I6) */
    if (stream_check_change(s) < 0 || arg_bytes(data, &view) < 0) {
        return NULL;
    }
    PyObject *result = PyLong_FromSsize_t(view.len);
    if (result && write_bytes(b, s, view.buf, (uint64_t)view.len) < 0) {
        Py_CLEAR(result);
    }
    if (view.obj) {
        PyBuffer_Release(&view);
    }
    return result;
}

PyObject *
stream_writelines(pb_buf *b, stream *s, PyObject *lines)
{
    PyObject *line;
    if (stream_check_open(s) < 0) {
        return NULL;
    }
    PyObject *iterator = PyObject_GetIter(lines);
    if (iterator == NULL) {
        return NULL;
    }
    while ((line = PyIter_Next(iterator)) != NULL) {
        PyObject *count = stream_write(b, s, line);
        Py_DECREF(line);
        if (count == NULL) {
            break;
        }
        Py_DECREF(count);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

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

/* The system's numbers of SEEK_DATA and SEEK_HOLE, where it has them. */
static int
own_whence(int whence)
{
#if defined(SEEK_DATA) && defined(SEEK_HOLE)
    return whence == SEEK_DATA   ? STREAM_SEEK_DATA
           : whence == SEEK_HOLE ? STREAM_SEEK_HOLE
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

/* The first byte at or behind `off` that has a page, or that has none. */
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

/* `base` + offset, 0 where that is negative. */
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
    case STREAM_SEEK_DATA:
    case STREAM_SEEK_HOLE:
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
               : find_hole_or_data(b, *out, to->whence == STREAM_SEEK_DATA, out);
}

PyObject *
stream_seek_slow(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs, bool holes)
{
    seek_args to;
    uint64_t target;
    if (parse_seek(args, nargs, holes, &to) < 0 || stream_check_open(s) < 0 ||
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

/* None and no argument: the position. */
PyObject *
stream_truncate(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t asked = 0;
    int given = 0;
    if ((!s->alone && stream_check_open(s) < 0) ||
        check_nargs("truncate", nargs, 0, 1) < 0 ||
        (nargs && (given = arg_optional(args[0], &asked)) < 0) ||
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
