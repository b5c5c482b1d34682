/* file/stream.h: a cursor over a tree: what PageFile and BytesIO share.
 *
 * The hot calls are inline and test once what the stream remembers.  The slow ones are
 * in the .c files.  Functions return NULL or -1 with an exception set and nothing
 * changed (I3); only writelines keeps the lines before the one that failed, as in
 * io.BytesIO. */
#ifndef PAGEBUF_FILE_STREAM_H
#define PAGEBUF_FILE_STREAM_H

#include "base/args.h"
#include "buffer/share.h"
#include "file/object.h"
#include "transfer/transfer.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The window: bytes [lo, lo + len) of the file lie at `at`.  Only a stream that is alone
 * with its tree has one, in the first 4 GiB.  It forgets the window before anything that
 * may move pages.  A closed stream has none, so a hit also means that the stream is
 * open. */
typedef struct {
    uint64_t pos; /* of the next byte to read or write, below 2^63 */
    uint8_t *at;  /* NULL: no window */
    uint32_t lo;
    uint32_t len : 15;
    uint32_t blocks
        : 13; /* how many things forbid a change: the exports of a BytesIO, or 1 for
                           * a PageFile that is open for reading only */
    uint32_t closed : 1;
    uint32_t readable : 1;
    uint32_t append : 1; /* writes go to the end */
    uint32_t alone : 1;  /* nobody else changes the tree; its bias is 0 (BytesIO) */
} stream;

#define STREAM_BLOCKS_MAX (((uint32_t)1 << 13) - 1)
#define STREAM_LEN_MAX (((uint32_t)1 << 15) - 1)

static inline void
stream_forget(stream *s)
{
    s->at = NULL;
    s->len = 0;
}

/* ---- file/checks.c ---- */

/* An int or None, in the words of io: 1, 0 for None, -1 with an exception. */
int
stream_arg_optional(PyObject *arg, Py_ssize_t *out);

/* The size argument of read and its kin, as io.BytesIO takes it: UINT64_MAX for None,
 * negative numbers and no argument.  -1 with an exception. */
int
stream_arg_size(const char *name, PyObject *const *args, Py_ssize_t nargs, uint64_t *out);

/* Why a call is refused.  Only the lock tells whether it is, and under it nobody may raise: so the
 * reason is noted there, and raised when the lock is free. */
typedef enum {
    STREAM_FINE,
    STREAM_CLOSED,
    STREAM_NOT_READABLE, /* opened for writing only */
    STREAM_NOT_WRITABLE, /* opened for reading only */
    STREAM_EXPORTED,     /* a BytesIO with exports */
} stream_refusal;

static inline stream_refusal
stream_may_use(const stream *s)
{
    return s->closed ? STREAM_CLOSED : STREAM_FINE;
}

static inline stream_refusal
stream_may_read(const stream *s)
{
    return s->closed ? STREAM_CLOSED : s->readable ? STREAM_FINE : STREAM_NOT_READABLE;
}

stream_refusal
stream_may_change(const stream *s);

/* Is it a BytesIO's?  The flag never changes, but shares its word with others that do, so it is read
 * under the lock. */
static inline bool
stream_is_alone(pb_buf *b, const stream *s)
{
    buffer_lock_to_look(b);
    bool alone = s->alone;
    buffer_unlock_after_look(b);
    return alone;
}

/* Raise it.  -1; 0 where nothing is refused. */
int
stream_refuse(stream_refusal why);

/* Ask one of these for an answer in time: before arguments are converted, which may run anything.
 * -1 with an exception. */
int
stream_check(pb_buf *b, const stream *s, stream_refusal may(const stream *));

/* ---- the window ---- */

/* Where the next n bytes lie, if all of them lie in the window; else NULL.  Without a
 * window the test may pass for n == 0; the result is NULL then, too. */
static inline uint8_t *
stream_window(const stream *s, uint64_t n)
{
    uint64_t from = s->pos - s->lo;
    return PB_LIKELY(from <= s->len && n <= s->len - from) ? s->at + from : NULL;
}

/* ---- file/lent.c: a file that is alone may be lent its bytes.  Its tree is empty then ---- */

static inline uint64_t
stream_size_lock_held(const pb_buf *b)
{
    return PB_UNLIKELY(pb_buf_is_lent(b)) ? pb_buf_lender(b)->size : b->root.size;
}

/* Drop all bytes, and lend the file an exact bytes object that is not empty. */
void
stream_lend_lock_held(pb_buf *b, stream *s, PyObject *bytes);

/* The same with an object that it has made of all its bytes: they count against limits as its pages did.
 * false, and nothing is changed: a limit does not allow that. */
bool
stream_lend_value_lock_held(pb_buf *b, stream *s, PyObject *value);

/* The file is empty and not lent anything.  Returns what it was lent, which the caller drops when the
 * lock is free, or NULL. */
PyObject *
stream_unlend_lock_held(pb_buf *b, stream *s);

/* Before a change: copy the first `keep` bytes of what it is lent into pages, cut the rest.  Then
 * *owner is what the caller drops when the lock is free.  May need frames, and then has changed
 * nothing. */
pb_status
stream_settle_lock_held(pb_buf *b, stream *s, uint64_t keep, PyObject **owner);

/* [off, off + n) of what it is lent: the object itself if that is all of it. */
PyObject *
lent_bytes_lock_held(const pb_buf *b, uint64_t off, uint64_t n);

/* pb_buf_stretch and copy_out_lock_held, for any file. */
pb_stretch
stream_stretch_lock_held(const pb_buf *b, uint64_t off, uint64_t n);
pb_status
stream_copy_out_lock_held(pb_buf *b, uint64_t off, void *dst, uint64_t n);

/* read_buffer of a file that is lent its bytes; NULL and *lent is false where it is not. */
PyObject *
lent_view(pb_buf *b, stream *s, uint64_t n, bool *lent);

/* Bytes from the position to the end, at most n. */
static inline uint64_t
stream_ahead_lock_held(const pb_buf *b, const stream *s, uint64_t n)
{
    uint64_t size = stream_size_lock_held(b);
    return s->pos >= size ? 0 : pb_min(n, size - s->pos);
}

/* Remember the window of the page under the position, which lies before the end. */
void
stream_remember_lock_held(pb_buf *b, stream *s);

/* Where the next n bytes lie, 0 < n <= ahead, if in one piece; else NULL.  Remembers a
 * window. */
static inline uint8_t *
stream_look_lock_held(pb_buf *b, stream *s, uint64_t n)
{
    if (!s->alone) {
        return (uint8_t *)(uintptr_t)pb_buf_peek(b, s->pos, n);
    }
    stream_remember_lock_held(b, s);
    return stream_window(s, n);
}

/* A bytes object of the n bytes at `at`; moves the position behind them. */
static inline PyObject *
stream_bytes_lock_held(stream *s, const uint8_t *at, uint64_t n)
{
    PyObject *out = PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)n);
    if (PB_LIKELY(out != NULL)) {
        s->pos += n;
    }
    return out;
}

/* ---- reading ---- */

/* The next n bytes, fewer at the end. */
PyObject *
stream_read_slow(pb_buf *b, stream *s, uint64_t n);

static inline PyObject *
stream_read(pb_buf *b, stream *s, uint64_t n)
{
    buffer_lock(b);
    const uint8_t *at = stream_window(s, n);
    PyObject *out = at ? stream_bytes_lock_held(s, at, n) : NULL;
    buffer_unlock(b);
    return PB_LIKELY(at != NULL) ? out : stream_read_slow(b, s, n);
}

/* The first newline of n bytes, or NULL.  Most lines are short, and then calling memchr
 * costs more than the search. */
static inline const uint8_t *
stream_newline(const uint8_t *at, uint64_t n)
{
#ifdef __SSE2__
    const __m128i newlines = _mm_set1_epi8('\n');
    for (int i = 0; i < 4 && n >= 16; i++, at += 16, n -= 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)at);
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, newlines));
        if (found) {
            return at + pb_lowest_bit(found);
        }
    }
#endif
    return memchr(at, '\n', n);
}

/* A line that ends in the window, its newline included.  If none does, NULL and *found
 * is false. */
static inline PyObject *
stream_line_in_window(pb_buf *b, stream *s, bool *found)
{
    PyObject *out = NULL;
    buffer_lock(b);
    uint64_t from = s->pos - s->lo;
    const uint8_t *at = s->at + from;
    const uint8_t *end =
        PB_LIKELY(from < s->len) ? stream_newline(at, s->len - from) : NULL;
    *found = end != NULL;
    if (PB_LIKELY(end != NULL)) {
        out = stream_bytes_lock_held(s, at, (uint64_t)(end + 1 - at));
    }
    buffer_unlock(b);
    return out;
}

/* A line, at most `limit` bytes of it; empty at the end. */
PyObject *
stream_readline_slow(pb_buf *b, stream *s, uint64_t limit);

static inline PyObject *
stream_readline(pb_buf *b, stream *s, uint64_t limit)
{
    bool found = false;
    PyObject *line = limit == UINT64_MAX ? stream_line_in_window(b, s, &found) : NULL;
    return PB_LIKELY(found) ? line : stream_readline_slow(b, s, limit);
}

/* The next line, or NULL without an exception at the end. */
PyObject *
stream_next_slow(pb_buf *b, stream *s);

static inline PyObject *
stream_next(pb_buf *b, stream *s)
{
    bool found;
    PyObject *line = stream_line_in_window(b, s, &found);
    return PB_LIKELY(found) ? line : stream_next_slow(b, s);
}

/* ---- writing ---- */

/* Store n bytes at the remembered tail or in the window.  false: nothing has changed.
 * Never writes to pages that another tree may name (I2). */
static inline bool
stream_put_lock_held(pb_buf *b, stream *s, const void *src, uint64_t n)
{
    if (PB_UNLIKELY(s->closed || s->blocks)) {
        return false;
    }
    if (s->pos == b->root.size && n - 1 < pb_buf_tail_room(b)) { /* not for n == 0 */
        pb_buf_extend_here(b, src, n);
        s->pos += n;
        return true;
    }
    uint8_t *at = b->root.shared || s->append ? NULL : stream_window(s, n);
    if (at == NULL) {
        return false;
    }
    pb_copy(at, src, n);
    s->pos += n;
    return true;
}

/* ---- the methods ----
 *
 * Each takes the tree and the stream of a file, then what Python passes to the method. */

PyObject *
file_read_slow(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs);

/* The common case is an int.  If it is too large, file_read_slow raises in the words of
 * io. */
static inline PyObject *
file_read(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    if (PB_UNLIKELY(nargs != 1 || !PyLong_CheckExact(args[0]))) {
        return file_read_slow(b, s, args, nargs);
    }
    Py_ssize_t size = PyLong_AsSsize_t(args[0]);
    if (PB_UNLIKELY(size < 0)) {
        PyErr_Clear();
        return file_read_slow(b, s, args, 1);
    }
    return stream_read(b, s, (uint64_t)size);
}

PyObject *
file_readline_slow(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs);

static inline PyObject *
file_readline(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    return PB_LIKELY(nargs == 0) ? stream_readline(b, s, UINT64_MAX)
                                 : file_readline_slow(b, s, args, nargs);
}

PyObject *
file_readlines(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs);
PyObject *
file_readinto(pb_buf *b, stream *s, PyObject *dst);
PyObject *
file_readinto1(pb_buf *b, stream *s, PyObject *dst);
PyObject *
file_peek(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs);
PyObject *
file_read_buffer(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs);

/* The bytes from `off` on, at most n of them; the position stays. */
PyObject *
stream_read_at(pb_buf *b, stream *s, uint64_t off, uint64_t n);

PyObject *
file_read_at(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs);

/* Make the result first: a call that raises has changed nothing (I3). */
PyObject *
file_write_slow(pb_buf *b, stream *s, PyObject *data);

/* The same for a bytes object.  Takes the reference to the result. */
PyObject *
file_write_far(pb_buf *b, stream *s, PyObject *bytes, PyObject *result);

static inline PyObject *
file_write(pb_buf *b, stream *s, PyObject *data)
{
    if (PB_UNLIKELY(!PyBytes_CheckExact(data))) {
        return file_write_slow(b, s, data);
    }
    Py_ssize_t n = PyBytes_GET_SIZE(data);
    PyObject *result = PyLong_FromSsize_t(n);
    if (PB_UNLIKELY(result == NULL)) {
        return NULL;
    }
    buffer_lock(b);
    bool done = stream_put_lock_held(b, s, PyBytes_AS_STRING(data), (uint64_t)n);
    buffer_unlock(b);
    return PB_LIKELY(done) ? result : file_write_far(b, s, data, result);
}

PyObject *
file_writelines(pb_buf *b, stream *s, PyObject *lines);

/* Takes os.SEEK_DATA and os.SEEK_HOLE as well, unless the stream is alone: io.BytesIO
 * refuses them. */
PyObject *
file_seek_slow(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs);

/* The common case is an exact int, which is the result as well. */
static inline PyObject *
file_seek(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs)
{
    if (PB_LIKELY(nargs == 1 && PyLong_CheckExact(args[0]))) {
        Py_ssize_t pos = PyLong_AsSsize_t(args[0]);
        if (PB_LIKELY(pos >= 0)) {
            buffer_lock(b);
            bool open = PB_LIKELY(!s->closed);
            if (open) {
                s->pos = (uint64_t)pos;
            }
            buffer_unlock(b);
            return PB_LIKELY(open) ? Py_NewRef(args[0]) : file_seek_slow(b, s, args, nargs);
        }
        PyErr_Clear(); /* file_seek_slow raises */
    }
    return file_seek_slow(b, s, args, nargs);
}

static inline PyObject *
file_tell(pb_buf *b, stream *s)
{
    buffer_lock(b);
    stream_refusal why = stream_may_use(s);
    uint64_t pos = s->pos;
    buffer_unlock(b);
    return PB_UNLIKELY(why) ? (stream_refuse(why), NULL)
                            : PyLong_FromSsize_t((Py_ssize_t)pos);
}

PyObject *
file_truncate(pb_buf *b, stream *s, PyObject *const *args, Py_ssize_t nargs);

PyObject *
file_readable(pb_buf *b, stream *s);
PyObject *
file_writable(pb_buf *b, stream *s);
PyObject *
file_seekable(pb_buf *b, stream *s);
PyObject *
file_isatty(pb_buf *b, stream *s);
PyObject *
file_flush(pb_buf *b, stream *s);

#endif
