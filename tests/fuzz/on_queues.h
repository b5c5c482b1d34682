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

/* A call that was refused may have given up a reservation, nothing else. */
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

/* n bytes came to the end, `push` were pushed out of the front. */
static inline void
note_put(const uint8_t *src, uint64_t n, uint64_t push)
{
    give_up(to, push);
    plain_write(&to->m, to->m.size, src, n);
    refresh_views(to);
    take_front(to, push);
    agree_around(to, to->m.size - pb_min(to->m.size, n), n);
}

static inline void
call_put(void)
{
    pb_status st = PB_OK;
    uint64_t len = queue_len(to), push = 0;
    uint64_t most =
        to->q.overflow == PB_GROW ? MOST - len : pb_min(to->q.max_bytes, MOST - len);
    uint64_t n = some_length(to, len, most);
    if (n == 0 || !pb_queue_admits(&to->b, &to->q, n, &push)) {
        return;
    }
    const uint8_t *src = some_content(n);
    if ((flags & 1) == 0 || !pb_queue_put_fast(&to->b, &to->q, src, n)) {
        CALL_LOOSE(st, pb_queue_put(&to->b, &to->q, src, n, push));
    }
    if (done(to, st, len + n)) {
        note_put(src, n, push);
    }
    else {
        after_refusal(to);
    }
}

/* Once a drop is secured it cannot fail, whatever the pool has left. */
static inline void
drop_secured(uint64_t n)
{
    uint64_t reserved;
    pb_status st;
    do {
        st = pb_queue_secure_drop(&to->b, &reserved);
    } while (st == PB_NEED_PAGES && family_grow());
    if (granted(st)) {
        f.mem.pool.limit = f.mem.pool.held + reserved;
        pb_pool_unreserve(&f.mem.pool, reserved);
        CHECK_OK(pb_queue_drop(&to->b, &to->q, n));
        take_front(to, n);
    }
}

static inline void
call_take(void)
{
    pb_status st;
    uint64_t n = some_length(to, 0, queue_len(to));
    const uint8_t *at = n ? pb_queue_ready(&to->b, &to->q, n) : NULL;
    if (at && flags & 1) {
        CHECK_BYTES(at, to->m.byte, n);
        pb_queue_take_ready(&to->b, &to->q, n);
        take_front(to, n);
    }
    else if (flags & 2) {
        drop_secured(n);
    }
    else if (n) {
        CALL(st, pb_queue_drop(&to->b, &to->q, n));
        if (done(to, st, to->b.root.size)) {
            take_front(to, n);
        }
    }
    agree_around(to, 0, PB_PAGE_SIZE);
}

/* Memory that is not zeroed is filled at once: nobody knows what it holds. */
static inline void
call_reserve(void)
{
    pb_status st;
    bool hole = flags & 1, zero = flags & 2;
    uint64_t len = queue_len(to), n = some_length(to, len, pb_min(MOST - len, MOST / 4));
    if (n == 0) {
        return;
    }
    CALL_LOOSE(st, hole ? pb_queue_reserve_hole(&to->b, &to->q, n)
                        : pb_queue_reserve(&to->b, &to->q, n, zero));
    if (!done(to, st, len + n)) {
        after_refusal(to);
        return;
    }
    give_up(to, 0);
    to->uncommitted = n;
    to->by_hand = !hole;
    plain_resize(&to->m, len + n);
    if (!hole && !zero) {
        const uint8_t *src = some_content(n);
        pb_buf_copy_in(&to->b, len, src, n);
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
        pb_buf_copy_in(&to->b, len, src, to->uncommitted);
        plain_write(&to->m, len, src, to->uncommitted);
        changed(to);
    }
}

static inline void
call_commit(void)
{
    pb_status st;
    uint64_t len = queue_len(to), n = next_part(&in, to->uncommitted);
    uint64_t most = to->q.overflow == PB_DROP_OLDEST ? to->q.max_bytes : UINT64_MAX;
    uint64_t push = len + n - pb_min(len + n, most);
    CALL_LOOSE(st, pb_queue_commit(&to->b, &to->q, n));
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
    CALL(st, pb_queue_cancel(&to->b, &to->q));
    if (done(to, st, to->b.root.size)) {
        give_up(to, 0);
        changed(to);
    }
}

static inline void
call_queue_splice(void)
{
    pb_status st;
    pb_buf *short_of;
    uint64_t len = queue_len(to), push = 0;
    from = to == &f.member[PLAIN_BUFFERS] ? to + 1 : to - 1;
    uint64_t n = some_length(from, 0, pb_min(queue_len(from), MOST - len));
    if (n == 0 || !pb_queue_admits(&to->b, &to->q, n, &push)) {
        return;
    }
    CALL_LOOSE(st, pb_queue_splice(&to->b, &to->q, &from->b, &from->q, n, push, &short_of));
    if (!done(to, st, len + n)) {
        after_refusal(to);
        agree_on_member(from);
        return;
    }
    memcpy(f.bytes, from->m.byte, n);
    take_front(from, n);
    note_put(f.bytes, n, push);
    agree_around(from, 0, MOST);
}

static inline void
call_search(void)
{
    uint64_t n = 1 + flags % 3, len = queue_len(to);
    uint8_t byte = next_byte(&in) & 3, sep[3] = {byte, byte, byte};
    uint8_t kind = (uint8_t)(byte | n << 4);
    if (to->sep != kind) {
        pb_queue_search_anew(&to->q);
        to->sep = kind;
    }
    uint64_t at = find_plainly(to->m.byte, 0, len, sep, n);
    uint64_t want = at < len ? at + n : UINT64_MAX;
    CHECK_EQ(pb_queue_search(&to->b, &to->q, sep, n), want);
    CHECK_EQ(pb_queue_search(&to->b, &to->q, sep, n), want);
}

static inline void
call_queue_clear(void)
{
    to->front += queue_len(to);
    to->uncommitted = 0;
    pb_queue_clear(&to->b, &to->q);
    plain_empty(&to->m);
    changed(to);
}

static inline void
call_queue_renew(void)
{
    member_end(to);
    member_begin(to, some_levels());
    if (flags & 1) {
        to->q = (pb_queue){0};
        pb_queue_init(&to->q, 1 + next_part(&in, MOST / 2),
                      flags & 2 ? PB_RAISE : PB_DROP_OLDEST);
    }
}

#endif
