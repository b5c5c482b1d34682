/* transfer/read.c: bytes out of a tree. */
#include "transfer/transfer.h"

#include "buffer/share.h"
#include "lock/fork.h"

/* ---- beside everything ---- */

/* A read snapshot pays for large copies only.  It is cheap as long as no live view makes
 * it copy pages (I11).  NULL if there is none. */
static inflight_tree *
snapshot_for_copy(pb_buf *b, uint64_t n)
{
    if (n < COPY_WITHOUT_GIL || pb_buf_is_inline(b) || pb_buf_viewed(b)) {
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
        return copy_out_lock_held(b, off, dst, n);
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

/* A bytes object for n bytes; MemoryError if none can be so large. */
static PyObject *
new_bytes(uint64_t n)
{
    if (n > (uint64_t)PY_SSIZE_T_MAX) {
        return PyErr_NoMemory();
    }
    return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
}

/* Make the object outside the lock.  If the length has changed meanwhile, start over. */
static PyObject *
read_pages(pb_buf *b, uint64_t off, uint64_t n)
{
    for (;;) {
        buffer_lock(b);
        uint64_t len = clip_lock_held(b, off, n);
        buffer_unlock(b);
        PyObject *out = new_bytes(len);
        if (out == NULL) {
            return NULL;
        }
        pb_status st = PB_OK;
        buffer_lock(b);
        bool same = clip_lock_held(b, off, n) == len;
        if (same) {
            st = copy_out_beside(b, off, PyBytes_AS_STRING(out), len);
        }
        buffer_unlock(b);
        if (same && !transfer_again(b, &st, off, len)) {
            if (st != PB_OK) {
                Py_CLEAR(out);
            }
            return out;
        }
        Py_DECREF(out);
    }
}

PyObject *
transfer_read(pb_buf *b, uint64_t off, uint64_t n)
{
    buffer_lock(b);
    uint64_t len = clip_lock_held(b, off, n);
    bool small = len && len < COPY_WITHOUT_GIL;
    const uint8_t *at = small ? pb_buf_peek(b, off, len) : NULL;
    PyObject *out =
        at ? PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)len) : NULL;
    buffer_unlock(b);
    return PB_LIKELY(at != NULL) ? out : read_pages(b, off, n);
}

int
transfer_read_into(pb_buf *b, uint64_t off, void *dst, uint64_t n, uint64_t *got)
{
    if (transfer_may_use(b, dst, n) < 0) {
        return -1;
    }
    pb_status st;
    do {
        buffer_lock(b);
        *got = clip_lock_held(b, off, n);
        st = copy_out_beside(b, off, dst, *got);
        buffer_unlock(b);
    } while (transfer_again(b, &st, off, *got));
    return st == PB_OK ? 0 : -1;
}

/* ---- off the front ---- */

/* Copy n bytes to dst, then drop them; PB_RANGE if there are fewer. */
static pb_status
take_lock_held(pb_buf *b, void *dst, uint64_t n)
{
    if (n > b->root.size) {
        return PB_RANGE;
    }
    pb_status st = copy_out_lock_held(b, 0, dst, n);
    return st == PB_OK ? pb_buf_drop_front(b, n) : st;
}

static PyObject *
take_pages(pb_buf *b, uint64_t n)
{
    PyObject *out = new_bytes(n);
    pb_status st = PB_OK;
    if (out == NULL) {
        return NULL;
    }
    do {
        buffer_lock(b);
        st = take_lock_held(b, PyBytes_AS_STRING(out), n);
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, n));
    if (st != PB_OK) {
        Py_CLEAR(out);
    }
    return out;
}

PyObject *
transfer_take(pb_buf *b, uint64_t n)
{
    buffer_lock(b);
    const uint8_t *at = pb_buf_ready(b, n);
    PyObject *out = at ? PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)n) : NULL;
    if (PB_LIKELY(out != NULL)) {
        pb_buf_take_ready(b, n);
    }
    buffer_unlock(b);
    return PB_LIKELY(at != NULL) ? out : take_pages(b, n);
}
