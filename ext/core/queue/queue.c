/* queue/queue.c: a tree of pages as a queue: reservations, dropping the oldest bytes,
 * searching. */
#include "queue/queue.h"

#include "range/find.h"
#include "range/paste.h"

void
pb_queue_init(pb_queue *q, pb_pool *pool, uint64_t max_bytes, pb_overflow overflow)
{
    pb_buf_begin_anew(&q->b, pool, PB_MAX_LEVELS);
    q->fast = q->max_bytes = max_bytes;
    q->overflow = overflow;
    q->closed = false;
    q->uncommitted = q->out = q->pushed = q->refused = q->searched = q->looked = 0;
}

/* ---- frames for a later drop ---- */

/* Reserve n frames.  *secured counts those to give back later. */
static pb_status
secure(pb_queue *q, uint64_t n, uint64_t *secured)
{
    pb_status st = n ? pb_pool_reserve(q->b.pool, n) : PB_OK;
    *secured = st == PB_OK ? n : 0;
    return st;
}

static void
give_back(pb_queue *q, uint64_t secured)
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

/* How many of the oldest bytes exceed the bound once n more bytes are in. */
static uint64_t
excess(const pb_queue *q, uint64_t n)
{
    uint64_t len = pb_queue_len(q) + n;
    return q->overflow == PB_DROP_OLDEST && len > q->max_bytes ? len - q->max_bytes : 0;
}

/* Before n bytes come in: reserve the frames that dropping older ones for them may take. */
static pb_status
secure_push(pb_queue *q, uint64_t n, uint64_t *secured)
{
    return secure(q, excess(q, n) ? need_to_drop(q) : 0, secured);
}

/* After bytes came in, or did not (`st`): give back the reserved frames, and drop the
 * oldest bytes that exceed the bound.  Their frames were reserved, so that cannot fail. */
static pb_status
push_out(pb_queue *q, pb_status st, uint64_t secured)
{
    uint64_t push = excess(q, 0);
    give_back(q, secured);
    if (st == PB_OK && push) {
        st = pb_buf_drop_front(&q->b, push);
        q->pushed += st == PB_OK ? push : 0;
    }
    return st;
}

/* ---- out ---- */

pb_status
pb_queue_drop(pb_queue *q, uint64_t n)
{
    pb_status st = n ? pb_buf_drop_front(&q->b, n) : PB_OK;
    if (st == PB_OK) {
        q->out += n;
    }
    return st;
}

pb_status
pb_queue_begin_out(pb_queue *q, uint64_t *secured)
{
    return secure(q, need_to_drop(q), secured);
}

void
pb_queue_end_out(pb_queue *q, uint64_t n, uint64_t secured)
{
    give_back(q, secured);
    (void)pb_queue_drop(q, n);
}

/* ---- reservations ---- */

static void
open_reservation(pb_queue *q, uint64_t n)
{
    q->uncommitted = n;
    q->serial++;
    q->fast = 0;
}

static uint64_t
fast_of(const pb_queue *q)
{
    return q->uncommitted || q->closed ? 0 : q->max_bytes;
}

static void
close_reservation(pb_queue *q)
{
    q->uncommitted = 0;
    q->fast = fast_of(q);
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
    return st == PB_OK ? push_out(q, keep_reserved(q, n), secured) : st;
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
    return st == PB_OK ? push_out(q, pb_buf_extend(&q->b, src, n), secured) : st;
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

pb_status
pb_queue_unget(pb_queue *q, const void *src, uint64_t n)
{
    pb_status st = n ? pb_buf_prepend(&q->b, src, n) : PB_OK;
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
        give_back(q, *secured);
    }
    return st;
}

/* Cancelling the unfilled part takes no frames: no other tree shares its pages or the
 * nodes above them. */
void
pb_queue_end_in(pb_queue *q, uint64_t n, uint64_t secured)
{
    (void)push_out(q, keep_reserved(q, n), secured);
}

/* ---- from another queue ---- */

/* Pages that moved whole have one reference again, and the move shared nothing else. */
static void
mark_unshared(pb_buf *b)
{
    if (!pb_buf_is_inline(b)) {
        b->root.shared = 0;
        pb_buf_remember_tail(b);
    }
}

/* Do everything on this side that can be refused, for bytes [surplus, n) of `from`.
 * Shared pages may arrive below shared nodes, and the tree may become taller, so reserve
 * frames for the tallest tree. */
static pb_status
begin_splice(pb_queue *q, pb_queue *from, uint64_t surplus, uint64_t n, pb_paste *p,
             uint64_t *secured)
{
    bool shares = q->b.root.shared || from->b.root.shared;
    pb_status st = pb_queue_cancel(q);
    if (st == PB_OK) {
        st = secure(q, shares && excess(q, n) ? PB_MAX_LEVELS : 0, secured);
    }
    if (st != PB_OK) {
        return st;
    }
    st = pb_paste_begin(p, &q->b, q->b.root.size, &from->b, surplus, n - surplus);
    if (st != PB_OK) {
        give_back(q, *secured);
    }
    return st;
}

/* 1. reserve frames for dropping on both sides  2. share whole pages, copy the other
 * bytes  3. drop the bytes there, and here the oldest that exceed the bound. */
pb_status
pb_queue_splice(pb_queue *q, pb_queue *from, uint64_t n, pb_queue **short_of)
{
    uint64_t here, there, surplus = pb_queue_surplus(q, n);
    bool shares = q->b.root.shared || from->b.root.shared;
    pb_paste p;
    *short_of = from;
    pb_status st = pb_queue_begin_out(from, &there);
    if (st != PB_OK) {
        return st;
    }
    *short_of = q;
    st = begin_splice(q, from, surplus, n, &p, &here);
    if (st != PB_OK) {
        pb_queue_end_out(from, 0, there);
        return st;
    }
    pb_paste_finish(&p);
    if (p.shared) {
        pb_buf_mark_shared(&from->b);
    }
    pb_queue_end_out(from, n, there);
    if (p.shared && !shares) {
        mark_unshared(&q->b);
        mark_unshared(&from->b);
    }
    pb_queue_pass(q, surplus);
    return push_out(q, PB_OK, here);
}

/* ---- looking ---- */

/* Find a short separator in bytes that lie in one piece.  memchr finds its first byte at
 * the speed of memory, and needs no preparation. */
static const uint8_t *
find_near(const uint8_t *at, uint64_t len, const uint8_t *sep, uint64_t n)
{
    const uint8_t *last = at + len - n; /* the last place where it may begin */
    while (at <= last) {
        at = memchr(at, sep[0], (size_t)(last - at) + 1);
        uint64_t same = 1;
        while (at && same < n && at[same] == sep[same]) {
            same++;
        }
        if (at == NULL || same == n) {
            return at;
        }
        at++;
    }
    return NULL;
}

pb_status
pb_queue_search_from(pb_queue *q, const void *sep, uint64_t n, uint64_t *searched,
                     uint64_t *end)
{
    uint64_t front = pb_queue_front(q), len = pb_queue_len(q);
    uint64_t from = *searched > front ? *searched - front : 0;
    pb_status st = PB_OK;
    *end = UINT64_MAX;
    if (len < n || from > len - n) {
        return PB_OK;
    }
    uint64_t found;
    const uint8_t *at = n <= 4 ? pb_buf_peek(&q->b, from, len - from) : NULL;
    if (PB_LIKELY(at != NULL)) {
        const uint8_t *there = find_near(at, len - from, sep, n);
        found = there ? from + (uint64_t)(there - at) : UINT64_MAX;
    }
    else {
        st = pb_buf_find(&q->b, from, len, sep, (size_t)n, &found);
    }
    if (st == PB_OK) {
        uint64_t none_before = found == UINT64_MAX ? len - n + 1 : found;
        *searched = front + none_before;
        *end = found == UINT64_MAX ? found : found + n;
        q->looked += none_before + n - 1 - from;
    }
    return st;
}

pb_status
pb_queue_find(const pb_queue *q, uint64_t from, uint64_t to, const void *sub, uint64_t n,
              uint64_t *at)
{
    return pb_buf_find(&q->b, from, pb_min(to, pb_queue_len(q)), sub, (size_t)n, at);
}

bool
pb_queue_check(const pb_queue *q, pb_fault *fault)
{
    const char *why = NULL;
    if (q->uncommitted > q->b.root.size) {
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
