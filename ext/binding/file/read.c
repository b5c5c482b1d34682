/* file/read.c: reading where no window does. */
#include "file/stream.h"

#include "view/object.h"

/* The object is made outside the lock, so the stream may change under it: then anew. */
static PyObject *
read_pages(pb_buf *b, stream *s, uint64_t n)
{
    for (;;) {
        buffer_lock(b);
        uint64_t len = stream_ahead_lock_held(b, s, n);
        buffer_unlock(b);
        PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
        if (out == NULL) {
            return NULL;
        }
        buffer_lock(b);
        bool open = !s->closed, same = stream_ahead_lock_held(b, s, n) == len;
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
    uint64_t len = stream_ahead_lock_held(b, s, n);
    if (len && !s->closed) {
        at = stream_look_lock_held(b, s, len);
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
    uint64_t n = s->closed ? 0 : stream_ahead_lock_held(b, s, limit);
    if (n) {
        n = line_length_lock_held(b, s->pos, n);
        at = stream_look_lock_held(b, s, n);
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
    if (at == NULL && !s->closed && n && stream_ahead_lock_held(b, s, n) == n &&
        !b->pool->debug) {
        at = stream_look_lock_held(b, s, n);
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
        uint64_t len = stream_ahead_lock_held(b, s, n);
        buffer_unlock(b);
        PyObject *result = PyLong_FromUnsignedLongLong(len);
        if (result == NULL) {
            return NULL;
        }
        buffer_lock(b);
        bool open = !s->closed, same = stream_ahead_lock_held(b, s, n) == len;
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
    uint64_t pos = s->pos, len = stream_ahead_lock_held(b, s, n);
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
