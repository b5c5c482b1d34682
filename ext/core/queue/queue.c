/* queue/queue.c: a tree of pages as a queue: in, out, reservations, dropping the oldest bytes. */
#include "queue/internal.h"

void
pb_queue_init(pb_queue *q, pb_pool *pool, uint64_t max_bytes, pb_overflow overflow)
{
    pb_buf_begin_anew(&q->b, pool, PB_MAX_LEVELS);
    q->b.root.queue = 1;
    q->fast = q->max_bytes = max_bytes;
    q->overflow = overflow;
    q->closed = false;
    q->uncommitted = q->out = q->pushed = q->refused = q->searched = q->looked = 0;
}

/* How long the tree may become by a put without checks. */
static uint64_t
fast_of(const pb_queue *q)
{
    if (q->uncommitted || q->closed || q->max_bytes == UINT64_MAX) {
        return q->uncommitted || q->closed ? 0 : UINT64_MAX;
    }
    uint64_t in_pieces = pb_pieces_bytes(&q->pieces, pb_queue_front(q));
    return q->max_bytes - pb_min(q->max_bytes, in_pieces);
}

void
pb_queue_pieces_changed(pb_queue *q)
{
    q->fast = fast_of(q);
    if (q->pieces.count && pb_buf_is_inline(&q->b) && q->b.root.size == 0) {
        (void)pb_buf_promote(&q->b); /* a pool lists trees; no frame is needed */
        pb_buf_remember_tail(&q->b);
    }
}

/* ---- off the front ---- */

/* Objects that lie before the front are kept no longer. */
static void
let_go_before(pb_queue *q, uint64_t front)
{
    uint64_t passed = pb_pieces_pass(&q->pieces, front);
    if (passed) {
        pb_pool_unlend(q->b.pool, passed);
    }
}

/* After some pieces went.  A queue with pieces has a tree, so that its pool lists it; an empty one has
 * none, unless live views keep it. */
static void
pieces_gone(pb_queue *q)
{
    pb_queue_pieces_changed(q);
    if (q->pieces.count == 0 && q->b.root.size == 0) {
        pb_buf_clear(&q->b);
    }
}

/* Drop the first n bytes, which are there.  *counter counts them.  What can fail comes first. */
static pb_status
take_front(pb_queue *q, uint64_t n, uint64_t *counter)
{
    bool pieces = q->pieces.count != 0;
    uint64_t front = pb_queue_front(q), in_tree = n;
    if (PB_UNLIKELY(pieces)) {
        in_tree = pb_pieces_tree_part(&q->pieces, front, front + n);
    }
    pb_status st = in_tree ? pb_buf_drop_front(&q->b, in_tree) : PB_OK;
    if (st != PB_OK) {
        return st;
    }
    *counter += n;
    if (PB_UNLIKELY(pieces)) {
        let_go_before(q, front + n);
        pieces_gone(q);
    }
    return PB_OK;
}

void
pb_queue_let_go(pb_queue *q)
{
    let_go_before(q, UINT64_MAX);
}

void *
pb_queue_give(pb_queue *q)
{
    pb_piece was = pb_pieces_pop(&q->pieces);
    pb_pool_unlend(q->b.pool, was.size);
    q->out += was.size;
    pieces_gone(q);
    return was.owner;
}

/* ---- frames for a later drop ---- */

pb_status
pb_queue_secure(pb_queue *q, uint64_t n, uint64_t *secured)
{
    pb_status st = n ? pb_pool_reserve(q->b.pool, n) : PB_OK;
    *secured = st == PB_OK ? n : 0;
    return st;
}

void
pb_queue_give_back(pb_queue *q, uint64_t secured)
{
    if (secured) {
        pb_pool_unreserve(q->b.pool, secured);
    }
}

/* The most frames that a drop takes.  Dropped bytes lie before everything that stays, so
 * a drop copies only the shared nodes on the way to the first page that stays. */
static uint64_t
need_to_drop(const pb_queue *q)
{
    return q->b.root.shared ? q->b.root.levels : 0;
}

uint64_t
pb_queue_excess(const pb_queue *q, uint64_t n)
{
    uint64_t len = pb_queue_len(q) + n;
    return q->overflow == PB_DROP_OLDEST && len > q->max_bytes ? len - q->max_bytes : 0;
}

/* Before n bytes come in: reserve the frames that dropping older ones for them may take. */
static pb_status
secure_push(pb_queue *q, uint64_t n, uint64_t *secured)
{
    return pb_queue_secure(q, pb_queue_excess(q, n) ? need_to_drop(q) : 0, secured);
}

/* Drop the first n bytes with frames that were reserved for it. */
static pb_status
drop_secured(pb_queue *q, uint64_t n, uint64_t *counter, uint64_t secured)
{
    pb_pool_claim(q->b.pool, secured);
    pb_status st = n ? take_front(q, n, counter) : PB_OK;
    pb_pool_end_claim(q->b.pool);
    return st;
}

pb_status
pb_queue_push_out(pb_queue *q, pb_status st, uint64_t secured)
{
    uint64_t push = st == PB_OK ? pb_queue_excess(q, 0) : 0;
    pb_status dropped =
        push || secured ? drop_secured(q, push, &q->pushed, secured) : PB_OK;
    return st == PB_OK ? dropped : st;
}

/* ---- out ---- */

pb_status
pb_queue_drop(pb_queue *q, uint64_t n)
{
    return n ? take_front(q, n, &q->out) : PB_OK;
}

pb_status
pb_queue_begin_out(pb_queue *q, uint64_t *secured)
{
    return pb_queue_secure(q, need_to_drop(q), secured);
}

void
pb_queue_end_out(pb_queue *q, uint64_t n, uint64_t secured)
{
    (void)drop_secured(q, n, &q->out, secured);
}

/* ---- reservations ---- */

static void
open_reservation(pb_queue *q, uint64_t n)
{
    q->uncommitted = n;
    q->serial++;
    q->fast = 0;
}

static void
close_reservation(pb_queue *q)
{
    q->uncommitted = 0;
    pb_queue_pieces_changed(q); /* without a byte of its own the tree has ended */
    pb_buf_remember_tail(&q->b);
}

/* Make the first n reserved bytes part of the queue, and cancel the others. */
static pb_status
keep_reserved(pb_queue *q, uint64_t n)
{
    if (q->uncommitted == 0) {
        return PB_OK;
    }
    pb_status st = pb_buf_truncate(&q->b, pb_queue_tree_end(q) + n);
    if (st == PB_OK) {
        close_reservation(q);
    }
    return st;
}

pb_status
pb_queue_cancel(pb_queue *q)
{
    return keep_reserved(q, 0);
}

/* I4: nobody may see what these frames held before. */
static void
zero_range(const pb_buf *b, uint64_t off, uint64_t n)
{
    while (n) {
        pb_stretch s = pb_buf_stretch(b, off, n);
        pb_zero(s.at, s.n);
        off += s.n;
        n -= s.n;
    }
}

pb_status
pb_queue_reserve(pb_queue *q, uint64_t n, bool zero)
{
    pb_status st = pb_queue_cancel(q);
    uint64_t at = q->b.root.size;
    if (st == PB_OK) {
        st = pb_buf_prepare(&q->b, at, n);
    }
    if (st == PB_OK) {
        open_reservation(q, n);
        if (zero) {
            zero_range(&q->b, at, n);
        }
        pb_buf_remember_tail(&q->b); /* at the end of the reservation, as in a hole */
    }
    return st;
}

pb_status
pb_queue_reserve_hole(pb_queue *q, uint64_t n, uint64_t *at)
{
    pb_status st = pb_queue_cancel(q);
    uint64_t end;
    *at = q->b.root.size;
    if (st == PB_OK && pb_add_overflows(*at, n, &end)) {
        st = PB_CAPACITY;
    }
    if (st == PB_OK) {
        st = pb_buf_truncate(&q->b, end);
    }
    if (st == PB_OK) {
        open_reservation(q, n);
    }
    return st;
}

pb_status
pb_queue_commit(pb_queue *q, uint64_t n)
{
    uint64_t secured;
    pb_status st = secure_push(q, n, &secured);
    return st == PB_OK ? pb_queue_push_out(q, keep_reserved(q, n), secured) : st;
}

void
pb_queue_close(pb_queue *q)
{
    (void)pb_queue_cancel(q); /* its pages are this tree's alone */
    q->closed = true;
    q->fast = 0;
}

void
pb_queue_clear(pb_queue *q)
{
    q->out += pb_queue_len(q);
    pb_buf_clear(&q->b);
    let_go_before(q, pb_queue_front(q));
    close_reservation(q);
}

/* ---- in ---- */

/* 1. reserve frames for dropping  2. append  3. drop the oldest.  If step 2 fails,
 * nothing was dropped. */
static pb_status
append(pb_queue *q, const void *src, uint64_t n)
{
    uint64_t secured;
    pb_status st = pb_queue_cancel(q);
    if (st == PB_OK) {
        st = secure_push(q, n, &secured);
    }
    return st == PB_OK ? pb_queue_push_out(q, pb_buf_extend(&q->b, src, n), secured) : st;
}

pb_status
pb_queue_put(pb_queue *q, const void *src, uint64_t n)
{
    uint64_t surplus = pb_queue_surplus(q, n);
    pb_status st = append(q, (const uint8_t *)src + surplus, n - surplus);
    if (st == PB_OK) {
        pb_queue_pass(q, surplus);
    }
    return st;
}

/* 1. charge the object  2. get a tree */
static pb_status
admit_object(pb_queue *q, uint64_t n)
{
    pb_status st = pb_pool_lend(q->b.pool, n, 0);
    if (st == PB_OK) {
        st = pb_buf_promote(&q->b);
        if (st != PB_OK) {
            pb_pool_unlend(q->b.pool, n);
        }
    }
    return st;
}

/* 1. reserve frames for dropping  2. all else that can fail  3. append  4. drop the oldest */
pb_status
pb_queue_keep(pb_queue *q, const pb_lender *of)
{
    uint64_t secured;
    pb_status st = pb_queue_cancel(q);
    if (st == PB_OK) {
        st = secure_push(q, of->size, &secured);
    }
    if (st != PB_OK) {
        return st;
    }
    st = admit_object(q, of->size);
    if (st == PB_OK) {
        pb_pieces_push(&q->pieces, of, pb_queue_front(q), pb_queue_in(q), q->b.root.size);
        q->fast = fast_of(q);
        pb_buf_remember_tail(&q->b);
    }
    return pb_queue_push_out(q, st, secured);
}

/* What was taken of an object must not come between the bytes and the rest of it. */
pb_status
pb_queue_unget(pb_queue *q, const void *src, uint64_t n)
{
    pb_status st = n ? pb_buf_prepend(&q->b, src, n) : PB_OK;
    if (st == PB_OK && n) {
        uint64_t trimmed = pb_pieces_trim(&q->pieces, pb_queue_front(q));
        if (trimmed) {
            pb_pool_unlend(q->b.pool, trimmed);
        }
    }
    if (st == PB_OK) {
        q->out -= n;
        q->searched = pb_min(q->searched, pb_queue_front(q));
    }
    return st;
}

pb_status
pb_queue_begin_in(pb_queue *q, uint64_t n, uint64_t *secured)
{
    pb_status st = secure_push(q, n, secured);
    if (st != PB_OK) {
        return st;
    }
    st = pb_queue_reserve(q, n, false);
    if (st != PB_OK) {
        pb_queue_give_back(q, *secured);
    }
    return st;
}

/* Cancelling the unfilled part takes no frames: no other tree shares its pages or the
 * nodes above them. */
void
pb_queue_end_in(pb_queue *q, uint64_t n, uint64_t secured)
{
    (void)pb_queue_push_out(q, keep_reserved(q, n), secured);
}

/* ---- where the bytes lie ---- */

static inline pb_segment
segment_at(const pb_queue *q, uint64_t off, uint64_t n)
{
    uint64_t front = pb_queue_front(q);
    return pb_pieces_from(&q->pieces, front, front + off, n);
}

pb_status
pb_queue_copy_at(const pb_queue *q, uint64_t off, void *dst, uint64_t n)
{
    uint8_t *to = dst;
    pb_status st = PB_OK;
    while (n && st == PB_OK) {
        pb_segment s = segment_at(q, off, n);
        if (s.at) {
            pb_copy(to, s.at, s.n);
        }
        else {
            st = pb_buf_copy_out(&q->b, s.tree, to, s.n);
        }
        to += s.n;
        off += s.n;
        n -= s.n;
    }
    return st;
}

pb_status
pb_queue_pieces(const pb_queue *q, uint64_t n, struct iovec *iov, unsigned most,
                unsigned *pieces)
{
    pb_status st = PB_OK;
    unsigned count = 0;
    for (uint64_t off = 0; off < n && count < most && st == PB_OK;) {
        pb_segment s = segment_at(q, off, n - off);
        unsigned more = 1;
        uint64_t bytes = s.n;
        if (s.at) {
            iov[count] = (struct iovec){(void *)(uintptr_t)s.at, s.n};
        }
        else {
            st = pb_iov_list(&q->b, s.tree, s.n, iov + count, most - count, &more, &bytes);
        }
        count += more;
        off += bytes;
        if (bytes < s.n) {
            break;
        }
    }
    *pieces = count;
    return st;
}

pb_queue_stretch
pb_queue_stretch_at(const pb_queue *q, uint64_t off)
{
    pb_segment s = segment_at(q, off, pb_queue_len(q) - off);
    void *owner = s.at ? pb_pieces_at(&q->pieces, s.piece)->owner : NULL;
    return (pb_queue_stretch){owner, s.at, s.n};
}

bool
pb_queue_check(const pb_queue *q, pb_fault *fault)
{
    const char *why = NULL;
    if (q->uncommitted <= q->b.root.size) {
        why = pb_pieces_check(&q->pieces, pb_queue_front(q), pb_queue_tree_end(q));
    }
    if (why) {
        ; /* the pieces say it */
    }
    else if (q->uncommitted > q->b.root.size) {
        why = "more is reserved than the tree holds";
    }
    else if (q->fast != fast_of(q)) {
        why = "a reservation or an end that puts do not respect";
    }
    else if (q->overflow == PB_GROW && q->max_bytes != UINT64_MAX) {
        why = "a queue that grows has a limit";
    }
    else if (q->searched > pb_queue_in(q)) {
        why = "bytes were searched that are not there";
    }
    *fault = (pb_fault){.why = why, .owner = &q->b.member};
    return why == NULL;
}
