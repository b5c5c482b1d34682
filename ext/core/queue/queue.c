/* queue/queue.c: a tree of pages as a queue: reservations, what is pushed out, searching. */
#include "queue/queue.h"

#include "range/find.h"
#include "range/paste.h"

/* ---- out ---- */

/* What is dropped lies before everything that stays, so that of shared nodes only those
 * on the way to the first page that stays are copied. */
pb_status
pb_queue_secure_drop(pb_buf *b, uint64_t *reserved)
{
    uint64_t most = b->root.shared ? b->root.levels : 0;
    pb_status st = pb_pool_reserve(b->pool, most);
    *reserved = st == PB_OK ? most : 0;
    return st;
}

pb_status
pb_queue_drop(pb_buf *b, pb_queue *q, uint64_t n)
{
    pb_status st = n ? pb_buf_drop_front(b, n) : PB_OK;
    if (st == PB_OK) {
        q->out += n;
    }
    return st;
}

/* Push n bytes out of the front; secured before. */
static pb_status
push_out(pb_buf *b, pb_queue *q, uint64_t n, uint64_t reserved)
{
    pb_pool_unreserve(b->pool, reserved);
    pb_status st = n ? pb_buf_drop_front(b, n) : PB_OK;
    if (st == PB_OK) {
        q->pushed += n;
    }
    return st;
}

/* ---- reservations ---- */

static void
close_reservation(pb_buf *b, pb_queue *q)
{
    q->uncommitted = 0;
    q->fast = q->max_bytes;
    pb_buf_remember_tail(b);
}

/* Let the first n reserved bytes in, give up the others. */
static pb_status
keep_reserved(pb_buf *b, pb_queue *q, uint64_t n)
{
    if (q->uncommitted == 0) {
        return PB_OK;
    }
    pb_status st = pb_buf_truncate(b, pb_queue_len(b, q) + n);
    if (st == PB_OK) {
        close_reservation(b, q);
    }
    return st;
}

/* I4: nobody may see what was in these frames before. */
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

static void
open_reservation(pb_queue *q, uint64_t n)
{
    q->uncommitted = n;
    q->serial++;
    q->fast = 0;
}

pb_status
pb_queue_reserve(pb_buf *b, pb_queue *q, uint64_t n, bool zero)
{
    pb_status st = keep_reserved(b, q, 0);
    uint64_t len = b->root.size;
    if (st == PB_OK) {
        st = pb_buf_prepare(b, len, n);
    }
    if (st == PB_OK) {
        open_reservation(q, n);
        if (zero) {
            zero_range(b, len, n);
        }
        pb_buf_remember_tail(b); /* at the end of what is reserved, as with a hole */
    }
    return st;
}

pb_status
pb_queue_reserve_hole(pb_buf *b, pb_queue *q, uint64_t n)
{
    pb_status st = keep_reserved(b, q, 0);
    uint64_t end;
    if (st == PB_OK && pb_add_overflows(b->root.size, n, &end)) {
        st = PB_CAPACITY;
    }
    if (st == PB_OK) {
        st = pb_buf_truncate(b, end);
    }
    if (st == PB_OK) {
        open_reservation(q, n);
    }
    return st;
}

pb_status
pb_queue_cancel(pb_buf *b, pb_queue *q)
{
    return keep_reserved(b, q, 0);
}

void
pb_queue_clear(pb_buf *b, pb_queue *q)
{
    q->out += pb_queue_len(b, q);
    pb_buf_clear(b);
    close_reservation(b, q);
}

/* How many of the oldest bytes are too many when n more are in. */
static uint64_t
excess(const pb_buf *b, const pb_queue *q, uint64_t n)
{
    uint64_t len = pb_queue_len(b, q) + n;
    return q->overflow == PB_DROP_OLDEST && len > q->max_bytes ? len - q->max_bytes : 0;
}

pb_status
pb_queue_commit(pb_buf *b, pb_queue *q, uint64_t n)
{
    uint64_t reserved, push = excess(b, q, n);
    pb_status st = pb_queue_secure_drop(b, &reserved);
    if (st != PB_OK) {
        return st;
    }
    st = keep_reserved(b, q, n);
    if (st != PB_OK) {
        pb_pool_unreserve(b->pool, reserved);
        return st;
    }
    return push_out(b, q, push, reserved);
}

/* ---- in ---- */

/* 1. reserve what pushing out may take  2. append  3. push out.  When 2 fails nothing
 * was pushed out. */
pb_status
pb_queue_put(pb_buf *b, pb_queue *q, const void *src, uint64_t n, uint64_t push)
{
    uint64_t reserved = 0;
    pb_status st = keep_reserved(b, q, 0);
    if (st == PB_OK && push) {
        st = pb_queue_secure_drop(b, &reserved);
    }
    if (st != PB_OK) {
        return st;
    }
    st = pb_buf_extend(b, src, n);
    if (st != PB_OK) {
        pb_pool_unreserve(b->pool, reserved);
        return st;
    }
    return push_out(b, q, push, reserved);
}

/* Pages that went over whole have one name again, and nothing else was shared. */
static void
mark_unshared(pb_buf *b)
{
    if (!pb_buf_is_inline(b)) {
        b->root.shared = 0;
        pb_buf_remember_tail(b);
    }
}

/* 1. reserve what dropping may take on both sides  2. share pages, copy the other bytes
 * 3. drop them there, and what is too much here. */
pb_status
pb_queue_splice(pb_buf *b, pb_queue *q, pb_buf *from, pb_queue *from_q, uint64_t n,
                uint64_t push, pb_buf **short_of)
{
    uint64_t here = 0, there = 0;
    bool shares = b->root.shared || from->root.shared;
    pb_paste p;
    *short_of = from;
    pb_status st = pb_queue_secure_drop(from, &there);
    if (st != PB_OK) {
        return st;
    }
    *short_of = b;
    st = keep_reserved(b, q, 0);
    if (st == PB_OK && push && shares) { /* the tree may be taller by then */
        st = pb_pool_reserve(b->pool, PB_MAX_LEVELS);
        here = st == PB_OK ? PB_MAX_LEVELS : 0;
    }
    if (st == PB_OK) {
        st = pb_paste_begin(&p, b, b->root.size, from, 0, n);
    }
    if (st != PB_OK) {
        pb_pool_unreserve(b->pool, here);
        pb_pool_unreserve(from->pool, there);
        return st;
    }
    pb_paste_finish(&p);
    if (p.shared) {
        pb_buf_mark_shared(from);
    }
    pb_pool_unreserve(from->pool, there);
    (void)pb_queue_drop(from, from_q, n); /* cannot fail: secured */
    if (p.shared && !shares) {
        mark_unshared(b);
        mark_unshared(from);
    }
    return push_out(b, q, push, here);
}

/* ---- looking ---- */

/* A short separator in bytes that lie in one piece: memchr for its first byte is as fast
 * as memory goes, and asks for little. */
static const uint8_t *
find_near(const uint8_t *at, uint64_t len, const uint8_t *sep, uint64_t n)
{
    const uint8_t *last = at + len - n; /* where it may begin at the latest */
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

uint64_t
pb_queue_search(pb_buf *b, pb_queue *q, const void *sep, uint64_t n)
{
    uint64_t front = pb_queue_front(q), len = pb_queue_len(b, q);
    uint64_t from = q->searched > front ? q->searched - front : 0;
    if (len < n || from > len - n) {
        return UINT64_MAX;
    }
    uint64_t found;
    const uint8_t *at = n <= 4 ? pb_buf_peek(b, from, len - from) : NULL;
    if (PB_LIKELY(at != NULL)) {
        const uint8_t *there = find_near(at, len - from, sep, n);
        found = there ? from + (uint64_t)(there - at) : UINT64_MAX;
    }
    else {
        found = pb_buf_find(b, from, len, sep, (size_t)n);
    }
    q->searched = front + (found == UINT64_MAX ? len - n + 1 : found);
    return found == UINT64_MAX ? found : found + n;
}

bool
pb_queue_check(const pb_buf *b, const pb_queue *q, pb_fault *fault)
{
    const char *why = NULL;
    if (q->uncommitted > b->root.size) {
        why = "more is reserved than the tree holds";
    }
    else if (q->fast != (q->uncommitted ? 0 : q->max_bytes)) {
        why = "a reservation that puts do not respect";
    }
    else if (q->overflow == PB_GROW && q->max_bytes != UINT64_MAX) {
        why = "a queue that grows has a limit";
    }
    else if (q->searched > pb_queue_in(b, q)) {
        why = "bytes were searched that are not there";
    }
    *fault = (pb_fault){.why = why, .owner = &b->member};
    return why == NULL;
}
