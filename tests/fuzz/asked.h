/* asked.h: arguments of calls: offsets on edges, lengths, content; and the gaps that
 * some calls cannot have. */
#ifndef PB_FUZZ_ASKED_H
#define PB_FUZZ_ASKED_H

#include "family.h"

static input in;
static member *to, *from; /* of the current call; both may be the same */
static unsigned flags;

/* ---- what a call asks for ---- */

static inline uint64_t
page_border(const member *p)
{
    uint64_t bias = pb_buf_bias(&p->b), in_page = bias & PB_PAGE_MASK;
    uint64_t off = (in_page + next_part(&in, p->m.size)) & ~(uint64_t)PB_PAGE_MASK;
    return off > in_page ? off - in_page : 0;
}

/* On the edges, more often than not; past the end too. */
static inline uint64_t
some_offset(const member *p)
{
    uint64_t size = p->m.size, kind = next_byte(&in), near = kind >> 3, off = 0;
    switch (kind & 7) {
    case 0:
        off = size - pb_min(size, near);
        break;
    case 1:
        off = near;
        break;
    case 2:
        off = page_border(p) + near % 5;
        off -= pb_min(off, 2);
        break;
    case 3:
        off = size + near * (PB_PAGE_SIZE / 8);
        break;
    default:
        off = next_part(&in, size);
    }
    return pb_min(off, MOST);
}

static inline uint64_t
offset_inside(const member *p)
{
    return pb_min(some_offset(p), p->m.size);
}

/* 1 .. most; 0 only when `most` is. */
static inline uint64_t
some_length(const member *p, uint64_t off, uint64_t most)
{
    uint64_t kind = next_byte(&in), n = 1 + (kind & 15);
    switch (kind >> 6) {
    case 1: /* whole pages, give or take a byte or two */
        n = ((1 + (kind & 7)) << PB_PAGE_SHIFT) + (kind >> 3 & 3) - 1;
        break;
    case 2: /* to the end of the page, give or take a byte or two */
        n = PB_PAGE_SIZE - ((pb_buf_bias(&p->b) + off) & PB_PAGE_MASK) + (kind & 3) - 1;
        break;
    case 3:
        n = 1 + next_part(&in, (kind & 1 ? 4 : 40) * PB_PAGE_SIZE);
    }
    return pb_min(pb_max(n, 1), most);
}

static const uint8_t *
some_content(uint64_t n)
{
    next_content(&in, f.calls, f.bytes, n);
    return f.bytes;
}

static inline view *
some_view(void)
{
    return &f.view[next_byte(&in) % VIEWS];
}

static inline unsigned
some_levels(void)
{
    unsigned kind = next_byte(&in);
    return kind < 200 ? PB_MAX_LEVELS : 1 + kind % PB_MAX_LEVELS;
}

/* ---- gaps ---- */

/* Has the member no gap?  For calls that would move or make every page of it. */
static inline bool
is_flat(member *p)
{
    pb_status st;
    plain *m = &p->m;
    if (m->gap == 0) {
        return true;
    }
    CALL(st, pb_buf_collapse(&p->b, m->gap_at, m->gap));
    if (!done(p, st, m->size)) {
        return false;
    }
    m->gap = m->gap_at = 0;
    changed(p);
    return true;
}

static inline bool
is_one_side(member *p, uint64_t off, uint64_t n)
{
    return plain_one_side(&p->m, off, n) || is_flat(p);
}

/* The model of views ignores the gap, so it must lie behind all viewed pages. */
static inline bool
is_behind_views(const member *p, uint64_t off)
{
    for (unsigned k = 0; k < VIEWS; k++) {
        const view *v = &f.view[k];
        if (v->of == p && v->live < v->live_past && v->off + v->live_past > (int64_t)off) {
            return false;
        }
    }
    return true;
}

/* Insert a hole in the middle that makes the tree as tall as possible, or remove it. */
static inline void
call_gap(void)
{
    pb_status st;
    if (to->m.gap) {
        (void)is_flat(to);
        return;
    }
    uint64_t off = offset_inside(to), shift = next_byte(&in);
    uint64_t gap = ((uint64_t)1 << (PB_PAGE_SHIFT + shift % (57 - PB_PAGE_SHIFT)));
    gap += flags & 1 ? next_byte(&in) : 0;
    if (!is_behind_views(to, off)) {
        return;
    }
    CALL(st, pb_buf_insert_hole(&to->b, off, gap));
    if (done(to, st, to->m.size + gap)) {
        to->m.gap_at = off;
        to->m.gap = gap;
        changed(to);
    }
}

#endif
