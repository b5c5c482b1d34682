/* on_views.h: live views opened and closed, stores through them, and copies between them
 * and buffers, their own too. */
#ifndef PB_FUZZ_ON_VIEWS_H
#define PB_FUZZ_ON_VIEWS_H

#include "asked.h"

static inline bool
has_pins(member *p)
{
    pb_status st;
    if (!pb_buf_is_inline(&p->b) && p->b.pins) {
        return true;
    }
    p->pins = (pb_pin_list){0};
    CALL(st, pb_buf_open_pins(&p->b, &p->pins));
    return granted(st);
}

static inline void
note_view(view *v, uint64_t off, uint64_t n)
{
    uint64_t skip = (pb_buf_bias(&to->b) + off) & PB_PAGE_MASK;
    v->of = to;
    v->n = n;
    v->off = (int64_t)off;
    v->live = -(int64_t)skip;
    v->live_past = (int64_t)(((skip + n + PB_PAGE_MASK) & ~(uint64_t)PB_PAGE_MASK) - skip);
    memcpy(v->shadow, to->m.byte + off, n);
}

/* Of a queue a live view shows what is reserved. */
static inline void
call_view(void)
{
    pb_status st;
    view *v = some_view();
    if (keeps(to)) {
        return;
    }
    uint64_t off = is_queue(to) ? to->m.size - to->uncommitted : offset_inside(to);
    uint64_t most = pb_min(to->m.size - off, (LONGEST - 1) * PB_PAGE_SIZE);
    uint64_t n = some_length(to, off, most);
    close_view(v);
    if (n == 0 || to->b.root.frozen || !is_flat(to) || !has_pins(to)) {
        return;
    }
    CALL(st, pb_buf_pin(&to->b, off, n, &v->pin, &v->at));
    if (done(to, st, to->m.size)) {
        note_view(v, off, n);
    }
    agree_around(to, off, n);
}

/* All bytes as one piece, as a reader gets them: where they are one run, that shows them. */
static inline void
call_export(void)
{
    pb_status st;
    uint8_t *at;
    if (to->m.size == 0 || to->b.root.frozen || !is_flat(to) || !has_pins(to)) {
        return;
    }
    CALL(st, pb_buf_unite(&to->b, &at));
    if (granted(st) && at) {
        CHECK_BYTES(at, to->m.byte, to->m.size);
    }
    agree_around(to, 0, to->m.size);
}

/* A tree for a part of a buffer. */
static inline void
call_part(void)
{
    pb_status st;
    pb_buf part;
    uint64_t at, off = offset_inside(from), n = some_length(from, off, from->m.size - off);
    if (n == 0 || !is_flat(from)) {
        return;
    }
    pb_buf_init_internal(&part, &f.mem.pool);
    CALL(st, pb_buf_share_part(&part, &from->b, off, n, &at));
    if (granted(st)) {
        pb_fault fault = {0};
        CHECK(pb_buf_check(&part, &fault));
        CHECK_OK(pb_buf_copy_out(&part, at, f.bytes, n));
        CHECK_BYTES(f.bytes, from->m.byte + off, n);
        agree_around(from, off, n);
    }
    pb_buf_fini(&part);
}

static inline void
call_close_view(void)
{
    close_view(some_view());
}

/* Bytes of a view, n > 0 of them; false when it is not open. */
static inline bool
next_bytes(const view *v, uint64_t *i, uint64_t *n)
{
    if (v->of == NULL) {
        return false;
    }
    *i = next_part(&in, v->n - 1);
    *n = 1 + next_part(&in, v->n - *i - 1);
    return true;
}

static inline void
call_store(void)
{
    view *v = some_view();
    uint64_t i, n;
    if (!next_bytes(v, &i, &n)) {
        return;
    }
    agree_on_view(v);
    memcpy(v->at + i, some_content(n), n);
    note_store(v->at + i, n);
    pb_queue_search_anew(&v->of->q, 0); /* what was searched may have changed */
}

/* Of the very buffer that is written to, bytes beside it may be cleared on the way. */
static inline bool
may_be_source(const view *v, uint64_t i, uint64_t n)
{
    for (uint64_t k = i; k < i + n; k++) {
        if (is_beside(v, k) && v->of == to) {
            return false;
        }
    }
    return true;
}

/* The bytes are those from before the call. */
static inline void
call_write_from_view(void)
{
    pb_status st;
    view *v = some_view();
    uint64_t i, n, off = some_offset(to);
    if (!next_bytes(v, &i, &n)) {
        return;
    }
    n = pb_min(n, MOST - off);
    if (n == 0 || !is_one_side(to, off, n) || !may_be_source(v, i, n)) {
        return;
    }
    memcpy(f.bytes, v->at + i, n);
    uint64_t at = plain_place(&to->m, off);
    CALL(st, pb_buf_write(&to->b, at, v->at + i, n));
    if (done(to, st, pb_max(at + n, to->b.root.size))) {
        plain_write(&to->m, off, f.bytes, n);
        changed(to);
    }
    agree_around(to, off, n);
}

static inline void
call_read_into_view(void)
{
    view *v = some_view();
    uint64_t i, n, off = offset_inside(from);
    if (!next_bytes(v, &i, &n) || keeps(from)) {
        return;
    }
    n = pb_min(n, from->m.size - off);
    if (n == 0 || !plain_one_side(&from->m, off, n)) {
        return;
    }
    agree_on_view(v);
    memcpy(f.bytes, from->m.byte + off, n);
    pb_buf_copy_out(&from->b, plain_place(&from->m, off), v->at + i, n);
    CHECK_BYTES(v->at + i, f.bytes, n);
    note_store(v->at + i, n);
    pb_queue_search_anew(&v->of->q, 0);
}

#endif
