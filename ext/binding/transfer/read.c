/* transfer/read.c: bytes out of a tree. */
#include "transfer/transfer.h"

#include "base/errors.h"
#include "buffer/share.h"
#include "lock/fork.h"

/* ---- beside everything ---- */

/* A read snapshot pays for large copies only.  It is cheap as long as no live view makes
 * it copy pages (I11).  NULL if there is none. */
static inflight_tree *
snapshot_for_copy(pb_buf *b, uint64_t n)
{
    bool may_go = pb_pool_fetches(b->pool); /* pages may go while nobody has the lock */
    if (n < COPY_WITHOUT_GIL || may_go || pb_buf_is_inline(b) || pb_buf_viewed(b)) {
        return NULL;
    }
    inflight_tree *h = inflight_new(b);
    if (h && pb_range_read_snapshot(&h->r, b, 0, b->root.size) != PB_OK) {
        inflight_free(h); /* the buffer's reference to the pool remains */
        return NULL;
    }
    if (h) {
        inflight_note(h);
    }
    return h;
}

/* Copy a large range from a read snapshot, without the lock: beside other reads and
 * beside writes, and never torn.  The lock is held again on return, but others may have
 * changed the buffer. */
static pb_status
copy_out_beside(pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    inflight_tree *h = snapshot_for_copy(b, n);
    pb_status st;
    if (h == NULL) {
        /* what is there is not to be copied at each attempt; what has left memory is read */
        bool looks = n >= COPY_WITHOUT_GIL && !pb_buf_pool(b)->root->spills;
        return looks && pb_buf_note_absent(b, off, n) ? PB_ABSENT
                                                      : copy_out_lock_held(b, off, dst, n);
    }
    buffer_unlock(b);
    Py_BEGIN_ALLOW_THREADS
    st = pb_buf_copy_out(&h->r.b, off, dst, n);
    Py_END_ALLOW_THREADS
    buffer_lock_two(b, &h->r.b);
    inflight_forget(h);
    pb_range_end_snapshot(&h->r, b, false);
    buffer_unlock_two(b, &h->r.b);
    inflight_free(h);
    buffer_lock(b);
    return st;
}

/* ---- out ---- */

static inline uint64_t
clip_lock_held(const pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t size = b->root.size;
    return off >= size ? 0 : pb_min(n, size - off);
}

static pb_status
find_clipped(pb_buf *b, transfer_range *r)
{
    r->n = clip_lock_held(b, r->off, r->n);
    return PB_OK;
}

/* Copy what was asked for, if it still is `len` bytes. */
static pb_status
copy_asked_lock_held(pb_buf *b, const transfer_range *asked, void *dst, uint64_t len,
                     bool *same)
{
    transfer_range r = *asked;
    pb_status st = r.find(b, &r);
    *same = st == PB_OK && r.n == len;
    return *same ? copy_out_beside(b, r.off, dst, len) : PB_OK;
}

/* ---- more than may be in memory ---- */

/* So many bytes at a time, from multiples of that on: a piece that is fetched is not fetched again. */
#define WINDOW ((uint64_t)1 << 16)

static int
copy_window(pb_buf *b, uint64_t off, uint8_t *to, uint64_t n)
{
    pb_status st;
    do {
        st = copy_out_lock_held(b, off, to, n); /* nobody else has this tree */
    } while (transfer_again(b, &st, off, n));
    return st == PB_OK ? 0 : -1;
}

/* Copy a range window by window, from a read snapshot, so that it is of one moment.  -1 with an
 * exception. */
static int
copy_by_windows(pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    uint8_t *to = dst;
    inflight_tree *h = inflight_new(b);
    pb_status st = PB_OK;
    if (h == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    do {
        buffer_lock(b);
        st = pb_range_read_snapshot(&h->r, b, 0, b->root.size);
        if (st == PB_OK) {
            inflight_note(h);
            n = pb_min(n, clip_lock_held(&h->r.b, off, n));
        }
        buffer_unlock(b);
    } while (transfer_acquire_again(b, &st, off, n));
    int result = st == PB_OK ? 0 : -1;
    for (uint64_t len; result == 0 && n; off += len, to += len, n -= len) {
        len = pb_min(n, WINDOW - (off & (WINDOW - 1)));
        result = copy_window(&h->r.b, off, to, len);
    }
    if (st == PB_OK) {
        buffer_lock_two(b, &h->r.b);
        inflight_forget(h);
        pb_range_end_snapshot(&h->r, b, false);
        buffer_unlock_two(b, &h->r.b);
    }
    inflight_free(h);
    return result;
}

/* A copy failed because it needs more at once than may be in memory: may it go by windows? */
static bool
goes_by_windows(pb_buf *b, pb_status st, uint64_t n)
{
    bool may = PB_UNLIKELY(st == PB_ABSENT) && n > WINDOW && PyErr_Occurred() &&
               PyErr_ExceptionMatches(state_of_buf(b)->pool_limit_error);
    if (may) {
        PyErr_Clear();
    }
    return may;
}

/* Make the object outside the lock.  If the length has changed meanwhile, start over. */
static PyObject *
read_pages(pb_buf *b, const transfer_range *asked)
{
    for (;;) {
        transfer_range r = *asked;
        bool same;
        buffer_lock(b);
        pb_status st = r.find(b, &r);
        buffer_unlock(b);
        PyObject *out = st == PB_OK ? new_bytes(r.n) : NULL;
        if (out == NULL) {
            return NULL;
        }
        buffer_lock(b);
        st = copy_asked_lock_held(b, asked, PyBytes_AS_STRING(out), r.n, &same);
        buffer_unlock(b);
        if (same && !transfer_again(b, &st, r.off, r.n)) {
            if (goes_by_windows(b, st, r.n)) {
                st =
                    copy_by_windows(b, r.off, PyBytes_AS_STRING(out), r.n) < 0 ? st : PB_OK;
            }
            if (st != PB_OK) {
                Py_CLEAR(out);
            }
            return out;
        }
        Py_DECREF(out);
    }
}

/* ---- beside other readers (lock/readers.h) ---- */

#ifdef Py_GIL_DISABLED

/* Copy without the lock; false: take it. */
static bool
copy_out_apart(pb_buf *b, uint64_t off, void *dst, uint64_t n, uint64_t *got, pb_status *st)
{
    reader_slot *slot = n <= READ_APART ? readers_enter(b) : NULL;
    if (slot) {
        *got = clip_lock_held(b, off, n);
        *st = pb_buf_copy_out(b, off, dst, *got);
        readers_leave(slot);
    }
    return slot != NULL;
}

/* NULL without an exception: take the lock.  Nobody allocates in a slot, so the object is made
 * as long as it can become. */
static PyObject *
read_apart(pb_buf *b, uint64_t off, uint64_t n)
{
    PyObject *out = n <= READ_APART && readers_are_apart(b) ? new_bytes(n) : NULL;
    if (out == NULL) {
        return NULL;
    }
    uint64_t got;
    pb_status st = PB_OK;
    bool whole = copy_out_apart(b, off, PyBytes_AS_STRING(out), n, &got, &st) && got == n;
    if (whole) {
        (void)transfer_again(b, &st, off, n);
    }
    if (!whole || st != PB_OK) {
        Py_CLEAR(out);
    }
    return out;
}

#endif

/* Few bytes in one run; *found is false where they are not that. */
static inline PyObject *
read_run_lock_held(pb_buf *b, uint64_t off, uint64_t len, bool *found)
{
    bool small = len && len < COPY_WITHOUT_GIL;
    const uint8_t *at = small ? pb_buf_peek(b, off, len) : NULL;
    *found = at != NULL;
    return at ? PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)len) : NULL;
}

static inline PyObject *
read_small(pb_buf *b, uint64_t off, uint64_t n)
{
    bool found;
    buffer_lock_to_read(b);
    PyObject *out = read_run_lock_held(b, off, clip_lock_held(b, off, n), &found);
    buffer_unlock(b);
    if (PB_LIKELY(found)) {
        return out;
    }
    pool_forget_noted(pool_object(b)); /* without a GIL it may have come meanwhile */
    return read_pages(b, &(transfer_range){off, n, find_clipped, NULL});
}

PyObject *
transfer_read_range(pb_buf *b, const transfer_range *asked)
{
    transfer_range r = *asked;
    bool found = false;
    PyObject *out = NULL;
    buffer_lock(b);
    pb_status st = r.find(b, &r);
    if (st == PB_OK) {
        out = read_run_lock_held(b, r.off, r.n, &found);
    }
    buffer_unlock(b);
    if (found || st != PB_OK) {
        return out;
    }
    pool_forget_noted(pool_object(b)); /* as above */
    return read_pages(b, asked);
}

PyObject *
transfer_read(pb_buf *b, uint64_t off, uint64_t n)
{
#ifdef Py_GIL_DISABLED
    PyObject *out = read_apart(b, off, n);
    if (out || PyErr_Occurred()) {
        return out;
    }
#endif
    return read_small(b, off, n);
}

int
transfer_read_into(pb_buf *b, uint64_t off, void *dst, uint64_t n, uint64_t *got)
{
    if (transfer_may_use(b, dst, n) < 0) {
        return -1;
    }
    pb_status st = PB_OK;
#ifdef Py_GIL_DISABLED
    if (copy_out_apart(b, off, dst, n, got, &st) && !transfer_again(b, &st, off, *got)) {
        return st == PB_OK ? 0 : -1;
    }
#endif
    do {
        buffer_lock(b);
        *got = clip_lock_held(b, off, n);
        st = copy_out_beside(b, off, dst, *got);
        buffer_unlock(b);
    } while (transfer_again(b, &st, off, *got));
    if (goes_by_windows(b, st, *got)) {
        return copy_by_windows(b, off, dst, *got);
    }
    return st == PB_OK ? 0 : -1;
}

/* ---- off the front ---- */

/* How many bytes that is; more than `size` for more than there are. */
static inline uint64_t
how_many(Py_ssize_t n, bool all, uint64_t size)
{
    if (PB_LIKELY(n > 0)) {
        return (uint64_t)n;
    }
    return all ? size : n ? size + (uint64_t)n : 0;
}

/* Copy them if they still are `len`, then drop them.  PB_RANGE: they are not. */
static pb_status
take_lock_held(pb_buf *b, Py_ssize_t n, bool all, void *dst, uint64_t len)
{
    uint64_t size = b->root.size;
    if (len > size || how_many(n, all, size) != len) {
        return PB_RANGE;
    }
    pb_status st = copy_out_lock_held(b, 0, dst, len);
    return st == PB_OK ? pb_buf_drop_front(b, len) : st;
}

/* Make the object outside the lock.  If the length has changed meanwhile, start over. */
static PyObject *
take_pages(pb_buf *b, Py_ssize_t n, bool all, uint64_t *size)
{
    for (;;) {
        uint64_t len = how_many(n, all, *size);
        PyObject *out = len <= *size ? new_bytes(len) : NULL;
        pb_status st;
        if (out == NULL) {
            return NULL;
        }
        do {
            buffer_lock(b);
            st = take_lock_held(b, n, all, PyBytes_AS_STRING(out), len);
            buffer_unlock(b);
        } while (st != PB_RANGE && transfer_again(b, &st, 0, len));
        if (st == PB_OK) {
            return out;
        }
        Py_DECREF(out);
        if (st != PB_RANGE) {
            return NULL;
        }
        *size = transfer_size(b);
    }
}

PyObject *
transfer_take(pb_buf *b, Py_ssize_t n, bool all, uint64_t *size)
{
    buffer_lock(b);
    *size = b->root.size;
    uint64_t len = how_many(n, all, *size);
    const uint8_t *at = pb_buf_ready(b, len);
    PyObject *out =
        at ? PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)len) : NULL;
    if (PB_LIKELY(out != NULL)) {
        pb_buf_take_ready(b, len);
    }
    buffer_unlock(b);
    return PB_LIKELY(at != NULL) ? out : take_pages(b, n, all, size);
}
