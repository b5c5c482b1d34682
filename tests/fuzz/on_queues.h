/* on_queues.h: calls on a queue.  What it should be: a buffer whose last `reserved` bytes are
 * not in the queue yet. */
#ifndef PB_FUZZ_ON_QUEUES_H
#define PB_FUZZ_ON_QUEUES_H

#include "looking.h"

static inline uint64_t
queue_len(const member *p)
{
    return p->m.size - p->uncommitted;
}

/* The reservation was given up.  `before`: bytes that the same call took off the front
 * afterwards. */
static inline void
give_up(member *p, uint64_t before)
{
    if (p->uncommitted) {
        uint64_t len = queue_len(p);
        p->uncommitted = 0;
        plain_resize(&p->m, len);
        detach_views(p, (int64_t)(pb_buf_bias(&p->b) - before), len);
    }
}

/* A refused call may have cancelled a reservation, nothing else. */
static inline void
after_refusal(member *p)
{
    if (p->q.uncommitted == 0) {
        give_up(p, 0);
    }
    changed(p);
    agree_on_member(p);
}

static inline void
take_front(member *p, uint64_t n)
{
    plain_drop_front(&p->m, n);
    p->front += n;
    move_views(p, n);
    changed(p);
}

/* Note that n bytes arrived at the end and `push` were dropped from the front. */
static inline void
note_put(const uint8_t *src, uint64_t n, uint64_t push)
{
    give_up(to, push);
    plain_write(&to->m, to->m.size, src, n);
    refresh_views(to);
    take_front(to, push);
    agree_around(to, to->m.size - pb_min(to->m.size, n), n);
}

/* How many of the oldest bytes are too many when there are len + n. */
static inline uint64_t
too_many(uint64_t len, uint64_t n)
{
    uint64_t most = to->q.overflow == PB_DROP_OLDEST ? to->q.max_bytes : UINT64_MAX;
    return len + n - pb_min(len + n, most);
}

/* The same for n bytes of which the first ones are dropped by the rest: those never arrive, so no
 * view shows them. */
static inline void
note_long_put(const uint8_t *src, uint64_t len, uint64_t n)
{
    uint64_t surplus = pb_queue_surplus(&to->q, n);
    to->front += surplus;
    note_put(src + surplus, n - surplus, too_many(len, n - surplus));
}

/* The limit of a pool that has so many frames left. */
static inline uint64_t
full_but_for(uint64_t frames)
{
    return f.mem.pool.held + pb_pool_lent_frames(&f.mem.pool) + frames;
}

/* A put in two steps, as transfers make it: more may be reserved than arrives, and the
 * end cannot fail, whatever the pool has left. */
static inline pb_status
put_by_hand(const uint8_t *src, uint64_t n)
{
    uint64_t secured, limit = f.mem.pool.limit;
    uint64_t left = pb_min(MOST, pb_buf_capacity(&to->b)) - queue_len(to);
    uint64_t most = pb_max(n, pb_min(left, pb_queue_room(&to->q)));
    uint64_t asked = pb_min(n + (flags >> 2) * (PB_PAGE_SIZE / 2), most);
    pb_status st = pb_queue_begin_in(&to->q, asked, &secured);
    if (st == PB_OK) {
        f.mem.pool.limit = full_but_for(secured);
        pb_queue_fill(&to->q, src, n);
        pb_queue_end_in(&to->q, n, secured);
        f.mem.pool.limit = limit;
    }
    return st;
}

static inline pb_status
some_put(const uint8_t *src, uint64_t n)
{
    if (flags & 1 && pb_queue_put_fast(&to->q, src, n)) {
        return PB_OK;
    }
    bool by_hand = flags & 2 && pb_queue_surplus(&to->q, n) == 0;
    return by_hand ? put_by_hand(src, n) : pb_queue_put(&to->q, src, n);
}

static inline void
call_put(void)
{
    pb_status st = PB_OK;
    uint64_t len = queue_len(to);
    uint64_t n = some_length(to, len, MOST - len);
    if (n == 0 || !pb_queue_admits(&to->q, n)) {
        return;
    }
    const uint8_t *src = some_content(n);
    CALL_LOOSE(st, some_put(src, n));
    if (done(to, st, len + n - pb_queue_surplus(&to->q, n))) {
        note_long_put(src, len, n);
    }
    else {
        after_refusal(to);
    }
}

/* Keep an object instead of its bytes. */
static inline pb_status
some_keep(kept *object)
{
    if (!pb_queue_has_records(&to->q, 1)) {
        set_records(to, pb_queue_records_wanted(&to->q, 1));
    }
    if (flags & 1 && pb_queue_keep_fast(&to->q, object, object->byte, object->n)) {
        return PB_OK;
    }
    return pb_queue_keep(&to->q, &(pb_lender){object, object->byte, object->n, true});
}

static inline void
call_keep(void)
{
    pb_status st;
    uint64_t len = queue_len(to), n = some_length(to, len, MOST - len);
    if (f.mem.pool.debug || is_viewed(to) || pb_queue_surplus(&to->q, n)) {
        call_put();
        return;
    }
    if (n == 0 || !pb_queue_admits(&to->q, n)) {
        return;
    }
    kept *object = malloc(sizeof *object + n);
    *object = (kept){1, n};
    memcpy(object->byte, some_content(n), n);
    CALL_LOOSE(st, some_keep(object));
    if (done(to, st, len + n)) {
        note_put(f.bytes, n, too_many(len, n));
    }
    else {
        free(object);
        after_refusal(to);
    }
}

/* Pieces are the first n bytes, up to the first hole: a reservation without pages that was
 * committed as it was. */
static inline void
agree_on_pieces(uint64_t n)
{
    struct iovec iov[4];
    uint64_t at = 0;
    unsigned count;
    CHECK_OK(pb_queue_pieces(&to->q, n, iov, 4, &count));
    for (unsigned i = 0; i < count; i++) {
        CHECK(iov[i].iov_len && iov[i].iov_len <= n - at);
        CHECK_BYTES(iov[i].iov_base, to->m.byte + at, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    if (at < n && count < 4 && !keeps(to)) {
        CHECK(pb_buf_stretch(&to->b, at, 1).at == NULL);
    }
}

/* Once a transfer has begun it cannot fail, whatever the pool has left. */
static inline void
take_by_hand(uint64_t n)
{
    uint64_t secured;
    pb_status st;
    do {
        st = pb_queue_begin_out(&to->q, &secured);
    } while (st == PB_NEED_PAGES && family_grow());
    if (granted(st)) {
        agree_on_pieces(n);
        f.mem.pool.limit = full_but_for(secured);
        pb_queue_end_out(&to->q, n, secured);
        take_front(to, n);
    }
}

/* The object that the queue begins with, if nobody has taken or put back a part of it. */
static inline void
take_object(void)
{
    const pb_piece *first = pb_pieces_at(&to->q.pieces, 0);
    kept *object = pb_queue_first_object(&to->q, first->size);
    if (object && object->n == first->size) {
        CHECK_BYTES(object->byte, to->m.byte, object->n);
        CHECK(pb_queue_give(&to->q) == object);
        take_front(to, object->n);
        let_go(object);
    }
}

static inline void
call_take(void)
{
    pb_status st;
    if (keeps(to) && flags & 4) {
        take_object();
    }
    uint64_t n = some_length(to, 0, queue_len(to));
    const uint8_t *at = n ? pb_queue_ready(&to->q, n) : NULL;
    if (at && flags & 1) {
        CHECK_BYTES(at, to->m.byte, n);
        pb_queue_take_ready(&to->q, n);
        take_front(to, n);
    }
    else if (flags & 2) {
        take_by_hand(n);
    }
    else if (n) {
        CALL(st, pb_queue_drop(&to->q, n));
        if (done(to, st, to->b.root.size)) {
            take_front(to, n);
        }
    }
    agree_around(to, 0, PB_PAGE_SIZE);
}

/* Other bytes than those that were taken may come back, as many at most. */
static inline void
call_unget(void)
{
    pb_status st;
    uint64_t n = some_length(to, 0, pb_min(MOST - to->m.size, to->q.out));
    if (n == 0) {
        return;
    }
    const uint8_t *src = some_content(n);
    CALL(st, pb_queue_unget(&to->q, src, n));
    if (done(to, st, to->m.size + n)) {
        plain_prepend(&to->m, src, n);
        to->front -= n;
        move_views(to, 0 - n);
        changed(to);
    }
    agree_around(to, 0, n);
}

/* Memory that is not zeroed is filled at once: nobody knows what it holds. */
static inline void
call_reserve(void)
{
    pb_status st;
    bool hole = flags & 1, zero = flags & 2;
    uint64_t len = queue_len(to), end = pb_queue_copied(&to->q), at = end;
    uint64_t n = some_length(to, len, pb_min(MOST - len, MOST / 4));
    if (n == 0) {
        return;
    }
    CALL_LOOSE(st, hole ? pb_queue_reserve_hole(&to->q, n, &at)
                        : pb_queue_reserve(&to->q, n, zero));
    if (!done(to, st, len + n)) {
        after_refusal(to);
        return;
    }
    CHECK_EQ(at, end);
    give_up(to, 0);
    to->uncommitted = n;
    to->by_hand = !hole;
    plain_resize(&to->m, len + n);
    if (!hole && !zero) {
        const uint8_t *src = some_content(n);
        pb_queue_fill(&to->q, src, n);
        plain_write(&to->m, len, src, n);
    }
    changed(to);
    agree_around(to, len, n);
}

static inline void
call_fill(void)
{
    uint64_t len = queue_len(to);
    if (to->uncommitted && to->by_hand) {
        const uint8_t *src = some_content(to->uncommitted);
        pb_queue_fill(&to->q, src, to->uncommitted);
        plain_write(&to->m, len, src, to->uncommitted);
        changed(to);
    }
}

static inline void
call_commit(void)
{
    pb_status st;
    uint64_t len = queue_len(to), n = next_part(&in, to->uncommitted);
    uint64_t push = too_many(len, n);
    CALL_LOOSE(st, pb_queue_commit(&to->q, n));
    if (!done(to, st, len + n)) {
        after_refusal(to);
        return;
    }
    to->uncommitted -= n;
    give_up(to, push);
    to->uncommitted = 0;
    take_front(to, push);
    agree_around(to, 0, MOST);
}

static inline void
call_cancel(void)
{
    pb_status st;
    CALL(st, pb_queue_cancel(&to->q));
    if (done(to, st, to->b.root.size)) {
        give_up(to, 0);
        changed(to);
    }
}

static inline void
call_queue_splice(void)
{
    pb_status st;
    pb_queue *short_of;
    void *both;
    uint64_t len = queue_len(to);
    from = to == &f.member[PLAIN_BUFFERS] ? to + 1 : to - 1;
    uint64_t n = some_length(from, 0, pb_min(queue_len(from), MOST - len));
    if (n == 0 || !pb_queue_admits(&to->q, n) || (keeps(from) && is_viewed(to))) {
        return;
    }
    uint32_t records = pb_queue_splice_records(&from->q, n);
    if (!pb_queue_has_records(&to->q, records)) {
        set_records(to, pb_queue_records_wanted(&to->q, records));
    }
    CALL_LOOSE(st, pb_queue_splice(&to->q, &from->q, n, &short_of, &both));
    if (!done(to, st, len + n - pb_queue_surplus(&to->q, n))) {
        after_refusal(to);
        agree_on_member(from);
        return;
    }
    if (both) {
        ((kept *)both)->references++;
    }
    memcpy(f.bytes, from->m.byte, n);
    take_front(from, n);
    note_long_put(f.bytes, len, n);
    agree_around(from, 0, MOST);
}

static inline void
call_search(void)
{
    uint64_t n = 1 + flags % 3, len = queue_len(to);
    uint8_t byte = next_byte(&in) & 3, sep[3] = {byte, byte, byte};
    uint8_t kind = (uint8_t)(byte | n << 4);
    if (to->sep != kind) {
        pb_queue_search_anew(&to->q, 0);
        to->sep = kind;
    }
    uint64_t at = find_plainly(to->m.byte, 0, len, sep, n);
    uint64_t want = at < len ? at + n : UINT64_MAX;
    for (int again = 0; again < 2; again++) {
        uint64_t end;
        CHECK_OK(pb_queue_search(&to->q, sep, n, &end));
        CHECK_EQ(end, want);
    }
}

static inline void
call_queue_clear(void)
{
    to->front += queue_len(to);
    to->uncommitted = 0;
    pb_queue_clear(&to->q);
    plain_empty(&to->m);
    changed(to);
}

static inline void
call_queue_renew(void)
{
    member_end(to);
    member_begin(to, some_levels());
    if (flags & 1) {
        to->q.max_bytes = to->q.fast = 1 + next_part(&in, MOST / 2);
        to->q.overflow = flags & 2 ? PB_RAISE : PB_DROP_OLDEST;
    }
}

#endif
