/* inspect/named.c: which pages of a zone do trees name? */
#include "inspect/named.h"

#include "tree/visit.h"

/* ---- the bits ---- */

static void
set_bit(uint8_t *bits, uint64_t i)
{
    bits[i >> 3] |= (uint8_t)(1u << (i & 7));
}

/* Set the bits [from, to). */
static void
set_bits(uint8_t *bits, uint64_t from, uint64_t to)
{
    while (from < to && from & 7) {
        set_bit(bits, from++);
    }
    uint64_t whole = from < to ? (to - from) >> 3 : 0;
    memset(bits + (from >> 3), 0xff, whole);
    for (from += whole << 3; from < to; from++) {
        set_bit(bits, from);
    }
}

/* The first of the ranges that ends behind a page. */
static size_t
range_behind(const pb_naming *x, uint64_t page)
{
    size_t lo = 0, hi = x->n;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (x->asked[middle].past > page) {
            hi = middle;
        }
        else {
            lo = middle + 1;
        }
    }
    return lo;
}

static void
mark(const pb_naming *x, uint64_t first, uint64_t past)
{
    for (size_t i = range_behind(x, first); i < x->n && x->asked[i].first < past; i++) {
        const pb_asked *a = &x->asked[i];
        uint64_t from = pb_max(first, a->first), to = pb_min(past, a->past);
        set_bits(x->named, a->bit + from - a->first, a->bit + to - a->first);
    }
}

/* ---- the walk ---- */

/* Entries that follow one another are marked together. */
typedef struct {
    const pb_naming *x;
    uint64_t first, past;
} found;

static void
add(found *f, uint64_t first, uint64_t n)
{
    if (first != f->past) {
        mark(f->x, f->first, f->past);
        f->first = first;
    }
    f->past = first + n;
}

static bool
seen_before(const pb_naming *x, pb_frame frame)
{
    bool before = x->seen[frame >> 3] >> (frame & 7) & 1;
    set_bit(x->seen, frame);
    return before;
}

static pb_visit
look(void *arg, const pb_place *at)
{
    found *f = arg;
    const pb_zone *z = f->x->zone;
    if (at->zone && at->frame - z->first < z->count) {
        add(f, at->frame - z->first, (uint64_t)1 << pb_span_bits(at->h));
    }
    else if (at->good && at->h == 0 && at->frame == z->tail) {
        add(f, z->count, 1);
    }
    return at->good && at->h && seen_before(f->x, at->frame) ? PB_VISIT_PAST
                                                             : PB_VISIT_BELOW;
}

void
pb_zone_named(const pb_naming *x, const pb_pool *pool, const pb_buf *but)
{
    found f = {x, 0, 0};
    EACH_TREE(pool->root, b)
    {
        if (b != but && !pb_buf_is_inline(b)) {
            (void)pb_tree_visit(pool, &b->root, look, &f);
        }
    }
    mark(x, f.first, f.past);
}

void
pb_zone_drop_tail(pb_pool *pool, pb_zone *zone)
{
    pb_lock_take(&pool->root->lock);
    pb_frame tail = zone->tail;
    zone->tail = 0;
    pb_lock_drop(&pool->root->lock);
    if (tail) {
        pb_frame_unref(pool, tail);
    }
}
