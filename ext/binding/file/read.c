/* file/read.c: reads that the window cannot answer. */
#include "file/stream.h"

#include "view/object.h"

/* ---- bytes ---- */

/* Copy the next n bytes to dst and go on behind them, if there still are `len` of them.
 * 1: done; 0: the stream has changed; -1: an exception. */
static int
copy_ahead(pb_buf *b, stream *s, uint64_t n, void *dst, uint64_t len)
{
    pb_status st = PB_OK;
    bool may, same;
    do {
        buffer_lock(b);
        may = stream_may_read(s);
        same = stream_ahead_lock_held(b, s, n) == len;
        if (may && same) {
            st = copy_out_lock_held(b, s->pos, dst, len);
            s->pos += st == PB_OK ? len : 0;
        }
        buffer_unlock(b);
    } while (may && same && st != PB_OK && transfer_again(b, &st, s->pos, len));
    if (!may) {
        return stream_refuse_read(s);
    }
    return st == PB_OK ? same : -1;
}

/* Read the next n bytes: into dst, or where that is NULL into a new bytes object.
 * Returns the number of bytes, or the bytes object.  Makes it outside the lock; if
 * another thread moves the stream meanwhile, starts over. */
static PyObject *
read_ahead(pb_buf *b, stream *s, uint64_t n, void *dst)
{
    for (;;) {
        buffer_lock(b);
        uint64_t len = stream_ahead_lock_held(b, s, n);
        buffer_unlock(b);
        PyObject *out = dst ? PyLong_FromUnsignedLongLong(len)
                            : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
        if (out == NULL) {
            return NULL;
        }
        int copied = copy_ahead(b, s, n, dst ? dst : PyBytes_AS_STRING(out), len);
        if (copied > 0) {
            return unless_damaged(b, out);
        }
        Py_DECREF(out);
        if (copied < 0) {
            return NULL;
        }
    }
}

/* So many contiguous bytes are found before they are searched. */
#define SEARCH_STEP (4 * (uint64_t)PB_PAGE_SIZE)

/* How many bytes of [pos, pos + most) go up to the first newline, itself included;
 * `most` if there is none.  Holes have no newline. */
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

/* The next bytes, at most n of them, or the next line of them. */
static inline PyObject *
read_next(pb_buf *b, stream *s, uint64_t n, bool line)
{
    buffer_lock(b);
    uint64_t len = stream_may_read(s) ? stream_ahead_lock_held(b, s, n) : 0;
    if (line) {
        n = len = line_length_lock_held(b, s->pos, len);
    }
    const uint8_t *at = len ? stream_look_lock_held(b, s, len) : NULL;
    PyObject *out = at ? stream_bytes_lock_held(s, at, len) : NULL;
    buffer_unlock(b);
    return PB_LIKELY(at != NULL) ? out : read_ahead(b, s, n, NULL);
}

PyObject *
stream_read_slow(pb_buf *b, stream *s, uint64_t n)
{
    return read_next(b, s, n, false);
}

PyObject *
file_read_slow(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    return stream_arg_size("read", args, nargs, &n) < 0 ? NULL : stream_read(b, s, n);
}

/* ---- lines ---- */

PyObject *
stream_readline_slow(pb_buf *b, stream *s, uint64_t limit)
{
    return read_next(b, s, limit, true);
}

PyObject *
file_readline_slow(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t limit;
    return stream_arg_size("readline", args, nargs, &limit) < 0
               ? NULL
               : stream_readline(b, s, limit);
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
    *out = *out ? *out : UINT64_MAX; /* 0 means no hint */
    return 0;
}

PyObject *
file_readlines(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t most, total = 0, start = s->pos;
    if (check_nargs("readlines", nargs, 0, 1) < 0 || stream_check_read(s) < 0 ||
        stream_check_open(s) < 0 || arg_hint(nargs ? args[0] : Py_None, &most) < 0) {
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
        s->pos = start; /* a call that raises has changed nothing (I3) */
        Py_CLEAR(lines);
    }
    return lines;
}

/* ---- into memory of the caller ---- */

/* Read n bytes that lie in one piece.  If they do not, NULL and *done is false. */
static PyObject *
read_into_fast(pb_buf *b, stream *s, void *dst, uint64_t n, bool *done)
{
    PyObject *result = PyLong_FromUnsignedLongLong(n);
    buffer_lock(b);
    const uint8_t *at = stream_window(s, n);
    if (at == NULL && !s->closed && n && stream_ahead_lock_held(b, s, n) == n &&
        !b->pool->debug) {
        at = stream_look_lock_held(b, s, n);
    }
    *done = result == NULL || at != NULL;
    if (result && at) {
        memmove(dst, at, n); /* dst may be a view of this very file */
        s->pos += n;
    }
    buffer_unlock(b);
    if (!*done) {
        Py_CLEAR(result);
    }
    return result;
}

/* `name` is that of the method, for messages. */
static PyObject *
read_into(pb_buf *b, stream *s, PyObject *dst, const char *name)
{
    Py_buffer view;
    bool done = false;
    PyObject *result = NULL;
    if (stream_check_read(s) < 0) {
        return NULL;
    }
    if (PyObject_GetBuffer(dst, &view, PyBUF_WRITABLE) < 0) {
        PyErr_Format(PyExc_TypeError,
                     "%s() argument must be read-write bytes-like object, not %.200s", name,
                     Py_TYPE(dst)->tp_name);
        return NULL;
    }
    if (transfer_may_use(b, view.buf, (uint64_t)view.len) == 0) {
        result = read_into_fast(b, s, view.buf, (uint64_t)view.len, &done);
        if (!done) { /* an exporter of no bytes may give no address */
            result = read_ahead(b, s, (uint64_t)view.len, view.len ? view.buf : "");
        }
    }
    PyBuffer_Release(&view);
    return result;
}

PyObject *
file_readinto(pb_buf *b, stream *s, PyObject *dst)
{
    return read_into(b, s, dst, "readinto");
}

PyObject *
file_readinto1(pb_buf *b, stream *s, PyObject *dst)
{
    return read_into(b, s, dst, "readinto1");
}

/* ---- in other ways ---- */

/* The next bytes of a stream, at most r->n of them; it goes on behind them. */
static pb_status
find_next(pb_buf *b, view_range *r)
{
    stream *s = r->of;
    r->off = pb_min(s->pos, b->root.size);
    r->n = stream_may_read(s) ? stream_ahead_lock_held(b, s, r->n) : 0;
    s->pos += r->n;
    return PB_OK;
}

/* There is no view: back again, unless somebody has moved on from there. */
static void
step_back(pb_buf *Py_UNUSED(b), const view_range *r)
{
    stream *s = r->of;
    s->pos = s->pos == r->off + r->n ? r->off : s->pos;
}

PyObject *
file_read_buffer(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    view_range next = {.find = find_next, .undo = step_back, .of = s};
    if (stream_arg_size("read_buffer", args, nargs, &next.n) < 0 ||
        stream_check_read(s) < 0 || stream_check_open(s) < 0) {
        return NULL;
    }
    return view_stable(b, &next);
}

PyObject *
file_peek(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    if (stream_arg_size("peek", args, nargs, &n) < 0 || stream_check_read(s) < 0 ||
        stream_check_open(s) < 0) {
        return NULL;
    }
    return transfer_read(b, stream_position(b, s), nargs ? n : 1);
}

PyObject *
file_read_at(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n, off;
    if (check_nargs("read_at", nargs, 2, 2) < 0 || arg_offset(args[0], "nbytes", &n) < 0 ||
        arg_offset(args[1], "offset", &off) < 0 || stream_check_open(s) < 0 ||
        stream_check_read(s) < 0) {
        return NULL;
    }
    return transfer_read(b, off, n);
}
