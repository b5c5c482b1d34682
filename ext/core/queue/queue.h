/* queue/queue.h: a first-in, first-out queue of bytes, kept in a tree of pages.
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
 * Bytes that are put as an object which never changes may stay where they are: the queue keeps the
 * object instead (queue/pieces.h).  So offsets of the tree are offsets of the queue only where it
 * keeps no piece.
 *
 * The queue owns its bytes.  Whoever uses it counts bytes from the front, and gets at them
 * through these functions alone:
 *    in    put | keep | reserve, then fill or space, then commit | unget
 *    out   ready | give | copy_out or pieces, then drop
 * Only this folder knows where they lie.  tests/house/test_queue_seam.py reads the
 * binding's sources and fails where one goes round them.
 *
 * Every function is called with the buffer's lock held.  Those that may need frames
 * return PB_NEED_PAGES or PB_LIMIT with nothing changed (I3), except that an older reservation
 * may be given up. */
#ifndef PB_QUEUE_QUEUE_H
#define PB_QUEUE_QUEUE_H

#include "queue/pieces.h"
#include "queue/iovec.h"

typedef enum {
    PB_GROW,
    PB_RAISE,
    PB_DROP_OLDEST,
    PB_DROP_NEWEST,
    PB_BLOCK, /* as PB_RAISE, but a put waits for room */
} pb_overflow;

typedef struct {
    pb_buf b; /* the tree; others only lock it, view it and end it */
    /* A put that makes the tree no longer than this needs no checks: max_bytes without what pieces
     * hold, or 0 with a reservation or when closed. */
    uint64_t fast;
    pb_pieces pieces;
    uint64_t uncommitted; /* reserved bytes at the end of the tree, not in the queue yet */
    uint64_t max_bytes;
    uint64_t out;      /* bytes taken */
    uint64_t pushed;   /* bytes dropped for newer ones */
    uint64_t refused;  /* bytes refused */
    uint64_t searched; /* no separator in use begins before this stream position */
    uint64_t looked;   /* how many bytes searches for separators have looked at */
    uint64_t serial;   /* the number of the last reservation */
    pb_overflow overflow;
    bool closed; /* puts are refused; the callers of a put check it */
} pb_queue;

/* Begin an empty queue on a pool, which must outlive it.  Cannot fail.  *q is zeros, or
 * a queue whose tree has ended (pb_buf_fini): then it begins anew under the lock that
 * the caller holds.  The numbers of reservations go on, so that an old one is not taken
 * for a new one. */
void
pb_queue_init(pb_queue *q, pb_pool *pool, uint64_t max_bytes, pb_overflow overflow);

/* Where the bytes in the queue end in its tree, and a reservation begins. */
static inline uint64_t
pb_queue_tree_end(const pb_queue *q)
{
    return q->b.root.size - q->uncommitted;
}

/* The stream position of the first byte. */
static inline uint64_t
pb_queue_front(const pb_queue *q)
{
    return q->out + q->pushed;
}

/* How many bytes are in the queue. */
static inline uint64_t
pb_queue_len(const pb_queue *q)
{
    return pb_queue_tree_end(q) + pb_pieces_bytes(&q->pieces, pb_queue_front(q));
}

/* How many of them lie in the tree. */
static inline uint64_t
pb_queue_copied(const pb_queue *q)
{
    return pb_queue_tree_end(q);
}

/* How many bytes are kept in objects, those of a piece that is taken in part among them. */
static inline uint64_t
pb_queue_kept(const pb_queue *q)
{
    return q->pieces.kept;
}

static inline uint64_t
pb_queue_in(const pb_queue *q)
{
    return pb_queue_front(q) + pb_queue_len(q);
}

/* ---- in ---- */

/* The most bytes that a reservation may have. */
static inline uint64_t
pb_queue_room(const pb_queue *q)
{
    uint64_t len = q->overflow == PB_DROP_OLDEST ? 0 : pb_queue_len(q);
    return q->max_bytes - pb_min(q->max_bytes, len);
}

/* Does the bound admit a put of n bytes?  Where the oldest bytes are dropped it admits
 * any number: the newest max_bytes stay. */
static inline bool
pb_queue_admits(const pb_queue *q, uint64_t n)
{
    return q->overflow == PB_DROP_OLDEST || n <= pb_queue_room(q);
}

/* How many of n bytes put at once the rest of them would drop again.  Those need not be
 * copied, only counted (pb_queue_pass). */
static inline uint64_t
pb_queue_surplus(const pb_queue *q, uint64_t n)
{
    uint64_t most = q->overflow == PB_DROP_OLDEST ? q->max_bytes : UINT64_MAX;
    return n - pb_min(n, most);
}

/* After the rest came in: count n bytes that came before it and are dropped. */
static inline void
pb_queue_pass(pb_queue *q, uint64_t n)
{
    q->pushed += n;
    if (n) {
        pb_pieces_shift(&q->pieces, n);
    }
}

/* Append n > 0 bytes.  If that is the policy, drop the oldest bytes that then exceed the
 * bound; of more than max_bytes the last ones stay. */
pb_status
pb_queue_put(pb_queue *q, const void *src, uint64_t n);

/* ---- kept pieces ----
 *
 * A lender is an object whose bytes never change.  Shorter ones are copied: they take no more memory
 * so, and a page holds many. */
#define PB_QUEUE_KEEP_FROM 512

/* Would the queue keep an object of n bytes?  Debug pools watch over copies only, so they copy.  What
 * is longer than a bound keeps its end, in a copy. */
static inline bool
pb_queue_keeps(const pb_queue *q, uint64_t n)
{
    return n >= PB_QUEUE_KEEP_FROM && !q->b.pool->debug && pb_queue_surplus(q, n) == 0;
}

/* Memory for records about pieces.  Where there is no room for `more`, or where few are in use, the
 * caller allocates as many as pb_queue_records_wanted says, hands them in, and frees what comes back. */
typedef pb_piece pb_queue_record;

/* Rings up to this size stay. */
#define PB_QUEUE_RECORDS_KEPT 64

static inline bool
pb_queue_has_records(const pb_queue *q, uint32_t more)
{
    return pb_pieces_have_room(&q->pieces, more);
}

static inline uint32_t
pb_queue_records_wanted(const pb_queue *q, uint32_t more)
{
    uint64_t least = (uint64_t)q->pieces.count + q->pieces.released + more, room = 8;
    while (room < least) {
        room *= 2;
    }
    return room > UINT32_MAX / 2 ? 0 : (uint32_t)room;
}

/* How many places there should be instead, where less than an eighth is in use; else 0.  At least half
 * of those are left over, so a ring is moved O(1) times a record. */
static inline uint32_t
pb_queue_fewer_records(const pb_queue *q)
{
    uint32_t used = q->pieces.count + q->pieces.released, room = q->pieces.room;
    bool few = PB_UNLIKELY(room > PB_QUEUE_RECORDS_KEPT) && used < room / 8;
    return few ? pb_queue_records_wanted(q, used) : 0;
}

static inline pb_queue_record *
pb_queue_set_records(pb_queue *q, pb_queue_record *records, uint32_t room)
{
    return pb_pieces_move(&q->pieces, records, room);
}

/* Append an object for which there is a record, as pb_queue_put does its bytes.  PB_OK: the queue owns
 * a reference to it. */
pb_status
pb_queue_keep(pb_queue *q, const pb_lender *of);

/* The common case of it: nothing forbids it, and no old byte is dropped. */
static inline bool
pb_queue_keep_fast(pb_queue *q, void *owner, const void *at, uint64_t n)
{
    uint64_t in_tree = q->b.root.size;
    if (in_tree + n > q->fast || !pb_pieces_have_room(&q->pieces, 1) || q->b.pool->debug ||
        pb_buf_is_inline(&q->b) || pb_pool_lend(q->b.pool, n, 0) != PB_OK) {
        return false;
    }
    uint64_t front = pb_queue_front(q), end = pb_queue_in(q);
    pb_pieces_push(&q->pieces, &(pb_lender){owner, at, n, true}, front, end, in_tree);
    q->fast -= q->fast == UINT64_MAX ? 0 : n;
    return true;
}

/* The object that the queue begins with, if the first n bytes are all that it was put for; else NULL. */
static inline void *
pb_queue_first_object(const pb_queue *q, uint64_t n)
{
    uint64_t front = pb_queue_front(q);
    const pb_piece *first = pb_pieces_front(&q->pieces, front);
    return first && first->pos == front && first->size == n ? first->owner : NULL;
}

/* Take it; the caller gets the reference. */
void *
pb_queue_give(pb_queue *q);

/* Where the first n bytes lie, if that is inside the first object. */
static inline const uint8_t *
pb_queue_peek_object(const pb_queue *q, uint64_t n)
{
    uint64_t front = pb_queue_front(q);
    const pb_piece *first = pb_pieces_front(&q->pieces, front);
    uint64_t taken = first ? front - first->pos : 0;
    return first && n <= first->size - taken ? first->at + taken : NULL;
}

/* Objects that the queue has let go.  Release them after the unlock.  NULL is none. */
static inline bool
pb_queue_has_released(const pb_queue *q)
{
    return PB_UNLIKELY(q->pieces.released != 0);
}

static inline void *
pb_queue_next_released(pb_queue *q)
{
    return pb_pieces_next_released(&q->pieces);
}

/* ---- bytes in front ---- */

/* Put back n bytes, no more than were taken, before the first one.  The bound is not asked.  The
 * caller takes back what other separators remember (pb_queue_search_from). */
pb_status
pb_queue_unget(pb_queue *q, const void *src, uint64_t n);

/* The common put: it fits the remembered tail page, and nothing forbids it. */
static inline bool
pb_queue_put_fast(pb_queue *q, const void *src, uint64_t n)
{
    bool fits = PB_LIKELY(n - 1 < pb_buf_tail_room(&q->b) && q->b.root.size + n <= q->fast);
    if (fits) {
        pb_buf_extend_here(&q->b, src, n);
    }
    return fits;
}

/* Reserve n > 0 bytes behind the last one, in pages that no other tree shares.  Fill
 * them by pb_queue_fill, or by hand where pb_queue_space says.  Cancels an older
 * reservation.  The bytes are not cleared unless `zero`. */
pb_status
pb_queue_reserve(pb_queue *q, uint64_t n, bool zero);

/* The same without pages: a hole that a live view will make pages of.  *at: where in the
 * tree it begins. */
pb_status
pb_queue_reserve_hole(pb_queue *q, uint64_t n, uint64_t *at);

/* Store the first n reserved bytes.  Touches neither pool nor shape. */
static inline void
pb_queue_fill(const pb_queue *q, const void *src, uint64_t n)
{
    pb_buf_copy_in(&q->b, pb_queue_tree_end(q), src, n);
}

/* List where the reserved bytes lie, in up to `most` pieces; *pieces: how many. */
static inline pb_status
pb_queue_space(const pb_queue *q, struct iovec *iov, unsigned most, unsigned *pieces)
{
    uint64_t bytes, at = pb_queue_tree_end(q);
    return pb_iov_list(&q->b, at, q->uncommitted, iov, most, pieces, &bytes);
}

/* Make the first n reserved bytes part of the queue, and cancel the others.  If that is
 * the policy, drop the oldest bytes that then exceed the bound. */
pb_status
pb_queue_commit(pb_queue *q, uint64_t n);

/* Cancel a reservation. */
pb_status
pb_queue_cancel(pb_queue *q);

/* End the stream: cancel a reservation, and make every put take the slow path, which
 * checks. */
void
pb_queue_close(pb_queue *q);

/* Move the first n > 0 bytes of another queue to the end of this one.  Shares whole
 * pages where it can (range/paste.h), moves kept objects, and drops the oldest bytes as pb_queue_put
 * does.  Both are locked, and there are records for pb_queue_splice_records.  *short_of: the queue
 * whose pool refused.  *both: an object that has become part of both queues and needs one more
 * reference, or NULL. */
pb_status
pb_queue_splice(pb_queue *q, pb_queue *from, uint64_t n, pb_queue **short_of, void **both);

/* How many records that takes. */
uint32_t
pb_queue_splice_records(const pb_queue *from, uint64_t n);

/* ---- out ---- */

/* Copy n bytes from `off` on, which are there, to dst.  PB_OK.  Touches neither pool nor shape. */
pb_status
pb_queue_copy_at(const pb_queue *q, uint64_t off, void *dst, uint64_t n);

/* The same from the front. */
static inline pb_status
pb_queue_copy_out(const pb_queue *q, void *dst, uint64_t n)
{
    return q->pieces.count ? pb_queue_copy_at(q, 0, dst, n)
                           : pb_buf_copy_out(&q->b, 0, dst, n);
}

/* List where the first n bytes lie, in up to `most` pieces; *pieces: how many. */
pb_status
pb_queue_pieces(const pb_queue *q, uint64_t n, struct iovec *iov, unsigned most,
                unsigned *pieces);

/* The stretch from `off` on, which is in the queue: bytes of an object (`owner`), or of the tree. */
typedef struct {
    void *owner;       /* NULL: in the tree */
    const uint8_t *at; /* in the object */
    uint64_t n;
} pb_queue_stretch;

pb_queue_stretch
pb_queue_stretch_at(const pb_queue *q, uint64_t off);

/* Take n bytes, which are there, off the front. */
pb_status
pb_queue_drop(pb_queue *q, uint64_t n);

/* Take everything and cancel a reservation.  Cannot fail. */
void
pb_queue_clear(pb_queue *q);

/* Let all objects go, before the tree ends or the queue begins anew. */
void
pb_queue_let_go(pb_queue *q);

/* Where the first n bytes lie, if taking them is quick and cannot fail: they lie inline,
 * or in the first page without using it up.  Else NULL. */
static inline const uint8_t *
pb_queue_ready(const pb_queue *q, uint64_t n)
{
    uint64_t in_tree = pb_queue_tree_end(q);
    if (PB_UNLIKELY(q->pieces.count != 0)) {
        in_tree = pb_min(in_tree, pb_pieces_lead(&q->pieces, pb_queue_front(q)));
    }
    if (pb_buf_is_inline(&q->b)) {
        return n <= in_tree ? pb_buf_inline(&q->b) : NULL;
    }
    const uint8_t *at = pb_buf_ready(&q->b, n);
    return PB_LIKELY(n < in_tree) ? at : NULL;
}

static inline void
pb_queue_take_ready(pb_queue *q, uint64_t n)
{
    if (pb_buf_is_inline(&q->b)) {
        (void)pb_buf_drop_front(&q->b, n); /* cannot fail: no pages */
    }
    else {
        pb_buf_take_ready(&q->b, n);
    }
    q->out += n;
}

/* ---- transfers ----
 *
 * Somebody else moves the bytes, between begin and end, with the lock held all the time: the
 * kernel, or a copy without the GIL.  Begin reserves all that end may need (*secured frames of
 * the pool), so that end cannot fail: what was sent has left the queue, what came is in it.
 * End gives back what was reserved.  When begin fails there is nothing to give back. */

/* Reserve n > 0 bytes.  Fill them by pb_queue_fill, or where pb_queue_space says. */
pb_status
pb_queue_begin_in(pb_queue *q, uint64_t n, uint64_t *secured);

/* The first n reserved bytes have come. */
void
pb_queue_end_in(pb_queue *q, uint64_t n, uint64_t secured);

/* Before sending any number of bytes, which pb_queue_pieces lists. */
pb_status
pb_queue_begin_out(pb_queue *q, uint64_t *secured);

/* The first n bytes have been sent. */
void
pb_queue_end_out(pb_queue *q, uint64_t n, uint64_t secured);

/* ---- looking ---- */

/* *end: the distance from the front to the end of the first `sep` of n > 0 bytes;
 * UINT64_MAX if there is none.  *searched belongs to this separator and is 0 at first.
 * None begins before that stream position, so all searches together look at each byte
 * once. */
pb_status
pb_queue_search_from(pb_queue *q, const void *sep, uint64_t n, uint64_t *searched,
                     uint64_t *end);

/* The same for the separator in use.  Before another one comes into use, call
 * pb_queue_search_anew with how far that one has been searched for. */
static inline pb_status
pb_queue_search(pb_queue *q, const void *sep, uint64_t n, uint64_t *end)
{
    return pb_queue_search_from(q, sep, n, &q->searched, end);
}

static inline void
pb_queue_search_anew(pb_queue *q, uint64_t searched)
{
    q->searched = searched;
}

/* *at: the distance from the front to the first `sub` of n bytes that lies in [from,
 * to); UINT64_MAX if there is none.  Remembers nothing. */
pb_status
pb_queue_find(const pb_queue *q, uint64_t from, uint64_t to, const void *sub, uint64_t n,
              uint64_t *at);

/* Check the sums of a queue.  pb_buf_check checks its tree. */
bool
pb_queue_check(const pb_queue *q, pb_fault *fault);

#endif
