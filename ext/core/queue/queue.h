/* queue/queue.h: a tree of pages as a first-in, first-out queue of bytes.
 *
 *    stream position:   out + pushed          in
 *                            v                v
 *    ... taken, pushed out | in the queue     | reserved |
 *                          ^ offset 0 of the tree        ^ its size
 *
 * Positions count every byte that was ever put, so they only grow; in = out + pushed +
 * length always.  A reservation makes the tree longer than the queue by the bytes that
 * somebody is about to fill: they are no part of the queue until they are committed.
 *
 * Every function is called with the buffer's lock held.  Those that may need frames
 * return PB_NEED_PAGES or PB_LIMIT with nothing changed (I3). */
#ifndef PB_QUEUE_QUEUE_H
#define PB_QUEUE_QUEUE_H

#include "buffer/buf.h"

typedef enum {
    PB_GROW,
    PB_RAISE,
    PB_DROP_OLDEST,
    PB_DROP_NEWEST,
} pb_overflow;

typedef struct {
    uint64_t fast;        /* puts that make the tree no longer than this need no thought:
                        * max_bytes, or 0 while something is reserved */
    uint64_t uncommitted; /* bytes at the end of the tree that are not in the queue yet */
    uint64_t max_bytes;
    uint64_t out;      /* taken */
    uint64_t pushed;   /* pushed out of the front by newer bytes */
    uint64_t refused;  /* turned away */
    uint64_t searched; /* no separator begins before this stream position */
    uint64_t serial;   /* reservations so far: tells one from another */
    pb_overflow overflow;
} pb_queue;

/* Begin, or begin anew: *q is zeros, or a queue.  Reservations are counted on, so that none
 * of before is taken for one of now. */
static inline void
pb_queue_init(pb_queue *q, uint64_t max_bytes, pb_overflow overflow)
{
    *q = (pb_queue){.fast = max_bytes,
                    .max_bytes = max_bytes,
                    .overflow = overflow,
                    .serial = q->serial};
}

static inline uint64_t
pb_queue_len(const pb_buf *b, const pb_queue *q)
{
    return b->root.size - q->uncommitted;
}

/* The stream position of the first byte. */
static inline uint64_t
pb_queue_front(const pb_queue *q)
{
    return q->out + q->pushed;
}

static inline uint64_t
pb_queue_in(const pb_buf *b, const pb_queue *q)
{
    return pb_queue_front(q) + pb_queue_len(b, q);
}

/* ---- in ---- */

/* What becomes of a put of n bytes: whether it is let in, and how many of the oldest
 * bytes make room for it. */
static inline bool
pb_queue_admits(const pb_buf *b, const pb_queue *q, uint64_t n, uint64_t *push)
{
    uint64_t room = q->max_bytes - pb_min(q->max_bytes, pb_queue_len(b, q));
    *push = n > room ? n - room : 0;
    return n <= room || (q->overflow == PB_DROP_OLDEST && n <= q->max_bytes);
}

/* How many bytes may come in from elsewhere: what is there need not be turned away. */
static inline uint64_t
pb_queue_room(const pb_buf *b, const pb_queue *q)
{
    uint64_t len = q->overflow == PB_DROP_OLDEST ? 0 : pb_queue_len(b, q);
    return q->max_bytes - pb_min(q->max_bytes, len);
}

/* Make the tree n bytes longer, memory that is this tree's alone, to be filled by
 * pb_buf_copy_in or by hand.  An older reservation is given up.  n > 0.  The bytes are
 * whatever they were: zeros only if `zero`. */
pb_status
pb_queue_reserve(pb_buf *b, pb_queue *q, uint64_t n, bool zero);

/* The same without pages: a hole, for a live view that will make pages of it. */
pb_status
pb_queue_reserve_hole(pb_buf *b, pb_queue *q, uint64_t n);

/* Let the first n reserved bytes in, give up the others; push out as many of the oldest
 * as are too many then, where that is the policy. */
pb_status
pb_queue_commit(pb_buf *b, pb_queue *q, uint64_t n);

/* Give a reservation up. */
pb_status
pb_queue_cancel(pb_buf *b, pb_queue *q);

/* Append n admitted bytes, n > 0, and push out `push`. */
pb_status
pb_queue_put(pb_buf *b, pb_queue *q, const void *src, uint64_t n, uint64_t push);

/* Move the first n bytes of another queue to the end of this one, n > 0, whole pages as
 * they are where that goes (range/paste.h), and push out `push` here.  Both are locked.
 * *short_of: whose pool a refusal is about. */
pb_status
pb_queue_splice(pb_buf *b, pb_queue *q, pb_buf *from, pb_queue *from_q, uint64_t n,
                uint64_t push, pb_buf **short_of);

/* The common put: it fits the remembered tail page, and nothing forbids it. */
static inline bool
pb_queue_put_fast(pb_buf *b, const pb_queue *q, const void *src, uint64_t n)
{
    bool fits = PB_LIKELY(n - 1 < b->root.tail_room && b->root.size + n <= q->fast);
    if (fits) {
        (void)pb_buf_extend(b, src, n);
    }
    return fits;
}

/* ---- out ---- */

/* Take n bytes off the front; there are as many. */
pb_status
pb_queue_drop(pb_buf *b, pb_queue *q, uint64_t n);

/* Take everything, give up a reservation.  Cannot fail. */
void
pb_queue_clear(pb_buf *b, pb_queue *q);

/* Frames reserved, so that a later drop of any number of bytes cannot fail for want
 * of them; to be given back right before it (pb_pool_unreserve). */
pb_status
pb_queue_secure_drop(pb_buf *b, uint64_t *reserved);

/* Where the first n bytes lie when taking them cannot fail and is quickly done: they lie
 * inline, or in the first page and do not use it up.  Else NULL. */
static inline const uint8_t *
pb_queue_ready(const pb_buf *b, const pb_queue *q, uint64_t n)
{
    if (pb_buf_is_inline(b)) {
        return n <= b->root.size - q->uncommitted ? pb_buf_inline(b) : NULL;
    }
    const uint8_t *at = pb_buf_ready(b, n);
    return PB_LIKELY(n < b->root.size - q->uncommitted) ? at : NULL;
}

static inline void
pb_queue_take_ready(pb_buf *b, pb_queue *q, uint64_t n)
{
    if (pb_buf_is_inline(b)) {
        (void)pb_buf_drop_front(b, n); /* cannot fail: no pages */
    }
    else {
        pb_buf_take_ready(b, n);
    }
    q->out += n;
}

/* ---- looking ---- */

/* The offset one past the first `sep` of n > 0 bytes, UINT64_MAX when there is none.
 * What was searched is remembered: forget it (pb_queue_search_anew) when another
 * separator is asked for. */
uint64_t
pb_queue_search(pb_buf *b, pb_queue *q, const void *sep, uint64_t n);

static inline void
pb_queue_search_anew(pb_queue *q)
{
    q->searched = 0;
}

/* The sums of a queue, beside pb_buf_check. */
bool
pb_queue_check(const pb_buf *b, const pb_queue *q, pb_fault *fault);

#endif
