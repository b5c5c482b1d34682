/* file/read.c: reads that the window cannot answer. */
#include "file/stream.h"

#include "base/errors.h"
#include "view/object.h"

/* ---- bytes ---- */

/* So many contiguous bytes are found before they are searched. */
#define SEARCH_STEP (4 * (uint64_t)PB_PAGE_SIZE)

/* How many bytes of [pos, pos + most) go up to the first newline, itself included;
 * `most` if there is none.  Holes have no newline. */
static uint64_t
line_length_lock_held(const pb_buf *b, uint64_t pos, uint64_t most, bool *absent)
{
    for (uint64_t done = 0; done < most;) {
        pb_stretch s =
            stream_stretch_lock_held(b, pos + done, pb_min(most - done, SEARCH_STEP));
        if (PB_UNLIKELY(s.kind == PB_EXTENT_ABSENT)) {
            *absent = true; /* to be fetched; then somebody looks again */
            return done + 1;
        }
        if (s.at == NULL) {
            s = stream_stretch_lock_held(b, pos + done, most - done); /* all of the hole */
        }
        const uint8_t *newline = s.at ? memchr(s.at, '\n', s.n) : NULL;
        if (newline) {
            return done + (uint64_t)(newline + 1 - s.at);
        }
        done += s.n;
    }
    return most;
}

/* What to read from the position on: bytes, a line, or lines until they have `hint` bytes; at most
 * n bytes.  How many that is only the lock tells. */
typedef struct {
    enum { NEXT_BYTES, NEXT_LINE, NEXT_LINES } what;
    uint64_t n, hint;
    bool stays; /* the position does */
} next_read;

/* *absent: it may be more, as bytes that were noted have to be looked at first. */
static inline uint64_t
next_length_lock_held(const pb_buf *b, const stream *s, const next_read *next, bool *absent)
{
    uint64_t ahead = stream_ahead_lock_held(b, s, next->n), n = 0;
    *absent = false;
    if (PB_LIKELY(next->what == NEXT_BYTES)) {
        return ahead;
    }
    do {
        n += line_length_lock_held(b, s->pos + n, ahead - n, absent);
    } while (next->what == NEXT_LINES && n < ahead && n < next->hint && !*absent);
    return n;
}

/* Copy what is next to dst, and go on behind it, if it still is `len` bytes. */
static pb_status
copy_next_lock_held(pb_buf *b, stream *s, const next_read *next, void *dst, uint64_t len,
                    bool *same)
{
    bool absent;
    *same = next_length_lock_held(b, s, next, &absent) == len;
    if (absent) {
        return PB_ABSENT;
    }
    pb_status st = *same ? stream_copy_out_lock_held(b, s->pos, dst, len) : PB_OK;
    s->pos += *same && st == PB_OK && !next->stays ? len : 0;
    return st;
}

/* 1: done; 0: the stream has changed; -1: an exception. */
static int
copy_next(pb_buf *b, stream *s, const next_read *next, void *dst, uint64_t len)
{
    pb_status st = PB_OK;
    stream_refusal why;
    bool same = false;
    do {
        buffer_lock(b);
        why = stream_may_read(s);
        st = why ? PB_OK : copy_next_lock_held(b, s, next, dst, len, &same);
        buffer_unlock(b);
    } while (st != PB_OK && transfer_again(b, &st, 0, len));
    return stream_refuse(why) < 0 || st != PB_OK ? -1 : same;
}

/* Read into dst, or where that is NULL into a new bytes object.  Returns the number of bytes, or
 * the bytes object.  Makes it outside the lock; if another thread moves the stream meanwhile,
 * starts over. */
static PyObject *
read_ahead(pb_buf *b, stream *s, const next_read *next, void *dst)
{
    for (;;) {
        bool absent; /* copy_next sees to that */
        buffer_lock(b);
        uint64_t len = stream_may_read(s) ? 0 : next_length_lock_held(b, s, next, &absent);
        buffer_unlock(b);
        PyObject *out = dst ? PyLong_FromUnsignedLongLong(len) : new_bytes(len);
        if (out == NULL) {
            return NULL;
        }
        int copied = copy_next(b, s, next, dst ? dst : PyBytes_AS_STRING(out), len);
        if (copied > 0) {
            pool_forget_noted(pool_object(b)); /* a look may go farther than a line */
            return unless_damaged(b, out);
        }
        Py_DECREF(out);
        if (copied < 0) {
            return NULL;
        }
    }
}

/* Are the next bytes all that the file is lent? */
static inline bool
reads_all_lent(const pb_buf *b, const stream *s, uint64_t len)
{
    return s->pos == 0 && pb_buf_is_lent(b) && len == pb_buf_lender(b)->size;
}

/* The same as a bytes object, the quick way where they lie in one piece. */
static inline PyObject *
read_next(pb_buf *b, stream *s, next_read next)
{
    PyObject *out = NULL;
    bool absent; /* then there is no address */
    buffer_lock(b);
    uint64_t len = stream_may_read(s) ? 0 : next_length_lock_held(b, s, &next, &absent);
    const uint8_t *at = len ? stream_look_lock_held(b, s, len) : NULL;
    if (len && reads_all_lent(b, s, len)) {
        at = pb_buf_lender(b)->at;
        out = lent_bytes_lock_held(b, 0, len);
        s->pos = len;
    }
    else if (at) {
        out = stream_bytes_lock_held(s, at, len);
    }
    if (next.stays && out) {
        s->pos -= len;
    }
    buffer_unlock(b);
    return PB_LIKELY(at != NULL) ? out : read_ahead(b, s, &next, NULL);
}

PyObject *
stream_read_slow(pb_buf *b, stream *s, uint64_t n)
{
    return read_next(b, s, (next_read){.what = NEXT_BYTES, .n = n});
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
    return read_next(b, s, (next_read){.what = NEXT_LINE, .n = limit});
}

PyObject *
file_readline_slow(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t limit;
    if (stream_arg_size("readline", args, nargs, &limit) < 0) {
        return NULL;
    }
    if (limit == 0 &&
        !stream_is_alone(b, s)) { /* a real file need not be readable for that */
        return stream_check(b, s, stream_may_use) < 0 ? NULL
                                                      : PyBytes_FromStringAndSize(NULL, 0);
    }
    return stream_readline(b, s, limit);
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
    Py_ssize_t n = 0;
    if (hint != Py_None && arg_ssize(hint, "hint", &n) < 0) {
        return -1;
    }
    *out = n > 0 ? (uint64_t)n : UINT64_MAX; /* 0 and negative numbers mean no hint */
    return 0;
}

/* The same as real files have it: checked before the file is, and the lines may have so many bytes
 * before the last one. */
static int
arg_hint_of_file(PyObject *hint, uint64_t *out)
{
    Py_ssize_t n = 0;
    if (stream_arg_optional(hint, &n) < 0) {
        return -1;
    }
    *out = n > 0 ? (uint64_t)n + 1 : UINT64_MAX;
    return 0;
}

/* The lines of a bytes object as a list. */
static PyObject *
split_lines(PyObject *bytes)
{
    const char *at = PyBytes_AS_STRING(bytes), *end = at + PyBytes_GET_SIZE(bytes);
    PyObject *lines = PyList_New(0);
    while (lines && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *next = newline ? newline + 1 : end;
        PyObject *line = PyBytes_FromStringAndSize(at, next - at);
        if (line == NULL || PyList_Append(lines, line) < 0) {
            Py_CLEAR(lines);
        }
        Py_XDECREF(line);
        at = next;
    }
    return lines;
}

/* A call that raises has changed nothing (I3): it takes its step back. */
static void
step_back(pb_buf *b, stream *s, uint64_t n)
{
    buffer_lock(b);
    s->pos -= pb_min(n, s->pos);
    buffer_unlock(b);
}

/* All lines are of one moment: they are read as they lie, and split outside the lock. */
PyObject *
file_readlines(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    next_read next = {.what = NEXT_LINES, .n = UINT64_MAX};
    PyObject *hint = nargs ? args[0] : Py_None;
    bool alone = stream_is_alone(b, s);
    if (check_nargs("readlines", nargs, 0, 1) < 0 ||
        (!alone && arg_hint_of_file(hint, &next.hint) < 0) ||
        stream_check(b, s, stream_may_read) < 0 ||
        (alone && arg_hint(hint, &next.hint) < 0)) {
        return NULL;
    }
    PyObject *bytes = read_next(b, s, next);
    PyObject *lines = bytes ? split_lines(bytes) : NULL;
    if (bytes && lines == NULL) {
        step_back(b, s, (uint64_t)PyBytes_GET_SIZE(bytes));
    }
    Py_XDECREF(bytes);
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
    if (at == NULL && !stream_may_read(s) && n && stream_ahead_lock_held(b, s, n) == n &&
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

/* A closed file is refused once the argument is known to be good, as in io.BytesIO. */
static stream_refusal
may_read_into(const stream *s)
{
    return s->readable ? STREAM_FINE : stream_may_read(s);
}

/* `name` is that of the method, for messages. */
static PyObject *
read_into(pb_buf *b, stream *s, PyObject *dst, const char *name)
{
    Py_buffer view;
    bool done = false;
    PyObject *result = NULL;
    if (stream_check(b, s, may_read_into) < 0) {
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
            next_read next = {.what = NEXT_BYTES, .n = (uint64_t)view.len};
            result = read_ahead(b, s, &next, view.len ? view.buf : "");
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

/* A stream, and why it refuses. */
typedef struct {
    stream *s;
    stream_refusal why;
    bool lent; /* it is lent its bytes by now: ask again, in another way */
} asking;

/* The next bytes of a stream, at most r->n of them; it goes on behind them. */
static pb_status
find_next(pb_buf *b, view_range *r)
{
    asking *ask = r->of;
    stream *s = ask->s;
    ask->why = stream_may_read(s);
    ask->lent = pb_buf_is_lent(b);
    r->off = pb_min(s->pos, b->root.size);
    r->n = ask->why || ask->lent ? 0 : stream_ahead_lock_held(b, s, r->n);
    s->pos += r->n;
    return PB_OK;
}

/* There is no view: back again, unless somebody has moved on from there. */
static void
undo_next(pb_buf *Py_UNUSED(b), const view_range *r)
{
    stream *s = ((asking *)r->of)->s;
    s->pos = s->pos == r->off + r->n ? r->off : s->pos;
}

PyObject *
file_read_buffer(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    asking ask = {.s = s};
    uint64_t n;
    if (stream_arg_size("read_buffer", args, nargs, &n) < 0) {
        return NULL;
    }
    for (;;) {
        view_range next = {.n = n, .find = find_next, .undo = undo_next, .of = &ask};
        bool lent;
        PyObject *view = lent_view(b, s, n, &lent);
        if (lent) {
            return view;
        }
        view = view_stable(b, &next);
        if (view && stream_refuse(ask.why) < 0) {
            Py_CLEAR(view);
        }
        if (view == NULL || !ask.lent) {
            return view;
        }
        Py_DECREF(view);
    }
}

/* As many as the buffer of io.BufferedReader holds.  Who asks for many times that wants what is at
 * hand: pickle asks for 128 KiB at each frame, however little it reads then. */
#define PEEK_MOST ((uint64_t)8192)
#define PEEK_AT_HAND ((uint64_t)2048)

static inline uint64_t
peek_size(uint64_t asked)
{
    return asked > 8 * PEEK_MOST && asked != UINT64_MAX ? PEEK_AT_HAND
                                                        : pb_min(asked, PEEK_MOST);
}

PyObject *
file_peek(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    next_read next = {.what = NEXT_BYTES, .stays = true};
    if (stream_arg_size("peek", args, nargs, &next.n) < 0) {
        return NULL;
    }
    next.n = nargs ? peek_size(next.n) : 1;
    buffer_lock(b);
    const uint8_t *at = stream_window(s, next.n);
    PyObject *out =
        at ? PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)next.n) : NULL;
    buffer_unlock(b);
    return at ? out : read_next(b, s, next);
}

/* [r->off, r->off + r->n), clipped to the end, of a file that may be read. */
static pb_status
find_at(pb_buf *b, transfer_range *r)
{
    asking *ask = r->of;
    uint64_t size = b->root.size;
    ask->why = stream_may_read(ask->s);
    ask->lent = pb_buf_is_lent(b);
    r->n = r->off >= size ? 0 : pb_min(r->n, size - r->off);
    return ask->why || ask->lent ? PB_RANGE : PB_OK;
}

/* stream_read_at of a file that is lent its bytes; NULL and *lent is false where it is not. */
static PyObject *
read_lent_at(pb_buf *b, const stream *s, uint64_t off, uint64_t n, bool *lent)
{
    PyObject *out = NULL;
    buffer_lock(b);
    *lent = pb_buf_is_lent(b) && stream_may_read(s) == STREAM_FINE;
    if (*lent) {
        uint64_t size = pb_buf_lender(b)->size;
        n = off >= size ? 0 : pb_min(n, size - off);
        out = lent_bytes_lock_held(b, off, n);
    }
    buffer_unlock(b);
    return out;
}

PyObject *
stream_read_at(pb_buf *b, stream *s, uint64_t off, uint64_t n)
{
    asking ask = {.s = s};
    bool lent;
    PyObject *out;
    do {
        out = read_lent_at(b, s, off, n, &lent);
        if (lent) {
            return out;
        }
        out = transfer_read_range(b, &(transfer_range){off, n, find_at, &ask});
    } while (out == NULL && !ask.why && ask.lent);
    if (out == NULL && ask.why) {
        stream_refuse(ask.why);
    }
    return out;
}

PyObject *
file_read_at(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n, off;
    if (check_nargs("read_at", nargs, 2, 2) < 0 ||
        arg_offset(args[0], "offset", &off) < 0 || arg_size(args[1], "size", &n) < 0) {
        return NULL;
    }
    return stream_read_at(b, s, off, n);
}
