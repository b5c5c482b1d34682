/* on_ranges.h: calls on two buffers: trees that share, ranges put over and into others. */
#ifndef PB_FUZZ_ON_RANGES_H
#define PB_FUZZ_ON_RANGES_H

#include "on_bytes.h"

/* ---- trees that share ---- */

/* A clone or a snapshot in the place of `to`. */
static inline void
call_share(void)
{
    pb_status st;
    if (to == from) {
        return;
    }
    member_end(to);
    member_begin(to, from->b.root.max_levels);
    CALL(st, pb_buf_share(&to->b, &from->b));
    if (granted(st)) {
        plain_copy(&to->m, &from->m);
        to->b.root.frozen = flags & 1 ? PB_FROZEN_SNAPSHOT : 0;
        pb_buf_remember_tail(&to->b);
    }
    from->by_hand = false;
    agree_on_member(to);
}

static inline void
call_restore(void)
{
    pb_status st;
    if (to == from) {
        return;
    }
    CALL(st, pb_buf_restore(&to->b, &from->b));
    if (done(to, st, from->b.root.size)) {
        plain_copy(&to->m, &from->m);
        changed(to);
    }
    from->by_hand = false;
    agree_on_member(to);
}

static inline bool
hold_range(pb_range_snapshot *r, member *p, uint64_t off, uint64_t n)
{
    pb_status st;
    p->by_hand = false;
    CALL(st, pb_range_read_snapshot(r, &p->b, plain_place(&p->m, off), n));
    return granted(st);
}

static inline void
call_range_snapshot(void)
{
    taken *h = &f.taken[flags % SNAPSHOTS];
    uint64_t off = offset_inside(from), n = some_length(from, off, from->m.size - off);
    if (keeps(from)) {
        return;
    }
    if (h->of) {
        end_range_snapshot(h, flags & 4);
    }
    if (n && is_one_side(from, off, n) && hold_range(&h->r, from, off, n)) {
        h->of = from;
        h->m.size = n;
        memcpy(h->m.byte, from->m.byte + off, n);
    }
}

static inline void
call_release(void)
{
    taken *h = &f.taken[flags % SNAPSHOTS];
    if (h->of) {
        end_range_snapshot(h, false);
    }
}

/* ---- ranges ---- */

/* A range of `from` and where it goes; its bytes are kept, since both may be one buffer. */
typedef struct {
    uint64_t off, cut, from_off, n;
} transfer;

/* Where positions agree modulo the page, pages go over instead of bytes. */
static inline uint64_t
congruent(uint64_t off, uint64_t from_off)
{
    uint64_t apart =
        pb_buf_bias(&from->b) + plain_place(&from->m, from_off) - pb_buf_bias(&to->b);
    return (off & ~(uint64_t)PB_PAGE_MASK) + (apart & PB_PAGE_MASK);
}

static inline bool
next_transfer(transfer *x, bool over)
{
    x->from_off = offset_inside(from);
    x->n = some_length(from, x->from_off, from->m.size - x->from_off);
    x->off = over ? some_offset(to) : offset_inside(to);
    x->cut = over ? 0 : some_length(to, x->off, to->m.size - x->off);
    if (flags & 1) {
        x->off = pb_min(congruent(x->off, x->from_off), over ? MOST : to->m.size);
        x->cut = pb_min(x->cut, to->m.size - pb_min(x->off, to->m.size));
    }
    x->cut = flags & 4 ? 0 : x->cut;
    x->n = pb_min(x->n, MOST - (over ? x->off : to->m.size - x->cut));
    memcpy(f.bytes, from->m.byte + x->from_off, x->n);
    return is_one_side(from, x->from_off, x->n) &&
           is_one_side(to, x->off, over ? x->n : x->cut);
}

static inline bool
paste_from(const transfer *x, const pb_buf *b, uint64_t from_off, bool *shared)
{
    pb_paste p;
    pb_status st;
    uint64_t at = plain_place(&to->m, x->off);
    CALL(st, pb_paste_begin(&p, &to->b, at, b, from_off, x->n));
    *shared = false;
    if (!done(to, st, pb_max(at + x->n, to->b.root.size))) {
        return false;
    }
    pb_paste_finish(&p);
    *shared = p.shared;
    return true;
}

static inline bool
paste_held(const transfer *x)
{
    static pb_range_snapshot r;
    bool shared;
    if (!hold_range(&r, from, x->from_off, x->n)) {
        return false;
    }
    bool pasted = paste_from(x, &r.b, r.off, &shared);
    pb_range_end_snapshot(&r, &from->b, shared);
    return pasted;
}

static inline bool
paste_directly(const transfer *x)
{
    bool shared;
    bool pasted = paste_from(x, &from->b, plain_place(&from->m, x->from_off), &shared);
    if (shared) {
        from->by_hand = false;
        pb_buf_mark_shared(&from->b);
    }
    return pasted;
}

static inline void
call_paste(void)
{
    transfer x;
    if (!next_transfer(&x, true) || x.n == 0) {
        return;
    }
    bool held = to == from || flags & 2;
    if (held ? paste_held(&x) : paste_directly(&x)) {
        plain_write(&to->m, x.off, f.bytes, x.n);
        changed(to);
    }
    agree_around(to, x.off, x.n);
    agree_around(from, x.from_off, x.n);
}

static inline void
splice(const transfer *x, pb_buf *b, uint64_t from_off, bool *shared)
{
    pb_status st;
    uint64_t at = plain_place(&to->m, x->off);
    CALL(st, pb_buf_splice(&to->b, at, x->cut, b, from_off, x->n, shared));
    if (done(to, st, plain_whole_size(&to->m) - x->cut + x->n)) {
        note_splice(x->off, x->cut, b ? f.bytes : NULL, x->n);
    }
}

static inline void
call_splice(void)
{
    static pb_range_snapshot r;
    transfer x;
    bool shared;
    if (!next_transfer(&x, false)) {
        return;
    }
    if (x.n == 0 || flags & 2) {
        splice(&x, NULL, 0, &shared);
    }
    else if (hold_range(&r, from, x.from_off, x.n)) {
        splice(&x, &r.b, r.off, &shared);
        pb_range_end_snapshot(&r, &from->b, shared);
    }
    agree_around(to, x.off, x.n);
    agree_on(to, x.off + x.n, MOST);
}

static inline void
call_collapse(void)
{
    pb_status st;
    uint64_t off = offset_inside(to), n = some_length(to, off, to->m.size - off);
    if (!is_one_side(to, off, n)) {
        return;
    }
    CALL(st, pb_buf_collapse(&to->b, plain_place(&to->m, off), n));
    if (done(to, st, to->b.root.size)) {
        note_splice(off, n, NULL, 0);
    }
    agree_around(to, off, MOST);
}

static inline void
call_insert_hole(void)
{
    pb_status st;
    uint64_t off = offset_inside(to), n = some_length(to, off, MOST - to->m.size);
    CALL(st, pb_buf_insert_hole(&to->b, plain_place(&to->m, off), n));
    if (done(to, st, plain_whole_size(&to->m) + n)) {
        note_splice(off, 0, NULL, n);
    }
    agree_around(to, off, MOST);
}

#endif
