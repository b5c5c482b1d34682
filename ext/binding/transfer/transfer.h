/* transfer/transfer.h: bytes between Python and a tree.
 *
 * Each function locks, makes one core call and unlocks.  If the pool was short, it lets
 * the pool grow and tries again.  The tree belongs to a Holder, so its object is found
 * by an offset.  Functions return -1 or NULL with an exception set and nothing changed
 * (I3). */
#ifndef PAGEBUF_TRANSFER_TRANSFER_H
#define PAGEBUF_TRANSFER_TRANSFER_H

#include "lock/lock.h"
#include "pool/events.h"

/* ---- transfer/status.c ---- */

/* An offset: where the buffer ends, which only its lock tells. */
#define AT_THE_END UINT64_MAX

/* Raise the exception for a refusal, for bytes [off, off + n) of a buffer.  No lock is held. */
void
raise_status(pb_buf *b, pb_status st, uint64_t off, uint64_t n);

/* What to do after an attempt at [off, off + n) that the core refused, or that left events
 * pending.  Runs Python code, so no lock may be held.
 *     1   the pool has grown: try again
 *     0   done, and the events are reported
 *    -1   an exception: the refusal, or damage that the attempt found
 * A call that `acquires` has got something that must not be lost, so damage waits for
 * the next call. */
int
transfer_retry(pb_buf *b, pb_status st, uint64_t off, uint64_t n, bool acquires);

/* Have the pages fetched that this thread's call met absent (I14).  Runs Python code.  1: try again;
 * -1 with an exception, what the fetch raised. */
int
transfer_fetch(pb_buf *b);

/* Has this thread's call met absent pages of this buffer's pool? */
static inline bool
transfer_met_absent(const pb_buf *b)
{
    return pb_pool_met_absent(pb_buf_pool(b));
}

/* After a call that may have met absent pages and has no status: 1, 0: it met none, or -1. */
static inline int
transfer_fetch_met(pb_buf *b)
{
    return PB_UNLIKELY(pb_pool_met_absent(pb_buf_pool(b))) ? transfer_fetch(b) : 0;
}

/* Try again?  If a call was done but found damage, *st becomes PB_CORRUPT. */
static inline bool
transfer_retry_if(pb_buf *b, pb_status *st, uint64_t off, uint64_t n, bool acquires)
{
    if (PB_LIKELY(*st == PB_OK && !pb_pending(pb_buf_pool(b)))) {
        return false;
    }
    int next = transfer_retry(b, *st, off, n, acquires);
    *st = next < 0 && *st == PB_OK ? PB_CORRUPT : *st;
    return next > 0;
}

static inline bool
transfer_again(pb_buf *b, pb_status *st, uint64_t off, uint64_t n)
{
    return transfer_retry_if(b, st, off, n, false);
}

/* The same for a call that reads two buffers: either may have met absent pages. */
static inline bool
transfer_again_two(pb_buf *a, pb_buf *b, pb_status *st, uint64_t off, uint64_t n)
{
    bool other = PB_UNLIKELY(*st == PB_ABSENT) && !pb_pool_met_absent(pb_buf_pool(a));
    return transfer_again(other ? b : a, st, off, n);
}

/* The same for a call that pins, snapshots or shares. */
static inline bool
transfer_acquire_again(pb_buf *b, pb_status *st, uint64_t off, uint64_t n)
{
    return transfer_retry_if(b, st, off, n, true);
}

/* May a copy use this memory of the caller (pb_buf_may_use)?  -1 with an exception. */
int
transfer_may_use(const pb_buf *b, const void *mem, uint64_t n);

/* ---- transfer/write.c ---- */

int
transfer_write(pb_buf *b, uint64_t off, const void *src, uint64_t n);

/* One attempt at it, n > 0; transfer_again is next. */
pb_status
transfer_write_lock_held(pb_buf *b, uint64_t off, const void *src, uint64_t n);

int
transfer_extend(pb_buf *b, const void *src, uint64_t n);

int
transfer_truncate(pb_buf *b, uint64_t size);

/* A core call that changes [off, off + n), whatever it does there. */
int
transfer_change(pb_buf *b, pb_status change(pb_buf *, uint64_t, uint64_t), uint64_t off,
                uint64_t n);

/* ---- transfer/read.c ---- */

/* Bytes [off, off + n), clipped to the end; a new bytes object. */
PyObject *
transfer_read(pb_buf *b, uint64_t off, uint64_t n);

/* Copy [off, off + n), clipped to the end, to dst; *got: how many were there. */
int
transfer_read_into(pb_buf *b, uint64_t off, void *dst, uint64_t n, uint64_t *got);

/* Bytes that only the lock tells: `find` sets `off` and `n`, which lie in the buffer, from what it
 * knows in `of`.  What is no PB_OK is for the caller to raise: then a function returns NULL without
 * an exception. */
typedef struct transfer_range transfer_range;
struct transfer_range {
    uint64_t off, n;
    pb_status (*find)(pb_buf *b, transfer_range *r);
    void *of;
};

PyObject *
transfer_read_range(pb_buf *b, const transfer_range *asked);

/* Take bytes off the front: all, or n of them, or so many less than all where n is negative.  NULL
 * without an exception: there are not as many; *size says how many there are. */
PyObject *
transfer_take(pb_buf *b, Py_ssize_t n, bool all, uint64_t *size);

/* ---- the hot ways ---- */

/* The common append: bytes that fit the remembered tail page.  false: nothing has
 * changed. */
static inline bool
transfer_extend_fast(pb_buf *b, PyObject *data)
{
    if (PB_UNLIKELY(!PyBytes_CheckExact(data))) {
        return false;
    }
    uint64_t n = (uint64_t)PyBytes_GET_SIZE(data);
    buffer_lock(b);
    bool fits = PB_LIKELY(n - 1 < pb_buf_tail_room(b)); /* not for n == 0 */
    if (fits) {
        pb_buf_extend_here(b, PyBytes_AS_STRING(data), n);
    }
    buffer_unlock(b);
    return fits;
}

/* A length that is read under the lock. */
static inline uint64_t
transfer_size(pb_buf *b)
{
#ifdef Py_GIL_DISABLED
    reader_slot *slot = readers_enter(b);
    if (slot) {
        uint64_t now = b->root.size;
        readers_leave(slot);
        return now;
    }
#endif
    buffer_lock(b);
    uint64_t size = b->root.size;
    buffer_unlock(b);
    return size;
}

/* A length for those who only look. */
static inline uint64_t
transfer_size_now(pb_buf *b)
{
    buffer_lock_to_look(b);
    uint64_t size = b->root.size;
    buffer_unlock_after_look(b);
    return size;
}

#endif
