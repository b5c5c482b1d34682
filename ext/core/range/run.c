/* range/run.c: the contiguous stretches of a range, forwards and backwards. */
#include "range/run.h"

/* The pages around one page: its leaf, and the part of it that a range touches. */
typedef struct {
    pb_leaf leaf;
    uint64_t page, first, last; /* the page, and the pages of leaf and range */
} place;

static place
place_of(const pb_buf *b, uint64_t pos, uint64_t end, uint64_t page)
{
    place p = {.page = page};
    pb_tree_leaf(b->pool, &b->root, page, &p.leaf);
    p.first = pb_max(pos >> PB_PAGE_SHIFT, p.leaf.first);
    p.last = pb_min((end - 1) >> PB_PAGE_SHIFT, p.leaf.end - 1);
    return p;
}

/* Do the entries of two neighbouring pages belong to one stretch?  Runs end where a
 * region may end. */
static inline bool
follows(pb_entry a, pb_entry b)
{
    if (a == PB_HOLE || b == PB_HOLE) {
        return a == b;
    }
    pb_frame next = pb_entry_frame(a) + 1;
    return pb_entry_frame(b) == next &&
           pb_region_of(next) == pb_region_of(pb_entry_frame(a));
}

static uint64_t
last_of_stretch(const place *p)
{
    const pb_entry *leaf = p->leaf.entry;
    uint64_t page = p->page;
    while (page < p->last && follows(pb_entry_load(&leaf[page - p->leaf.first]),
                                     pb_entry_load(&leaf[page + 1 - p->leaf.first]))) {
        page++;
    }
    return page;
}

static uint64_t
first_of_stretch(const place *p)
{
    const pb_entry *leaf = p->leaf.entry;
    uint64_t page = p->page;
    while (page > p->first && follows(pb_entry_load(&leaf[page - 1 - p->leaf.first]),
                                      pb_entry_load(&leaf[page - p->leaf.first]))) {
        page--;
    }
    return page;
}

/* The stretch of pages [first, last], clipped to the positions [pos, end). */
static pb_run
run_of(const pb_buf *b, const place *p, uint64_t pos, uint64_t end, uint64_t last)
{
    uint64_t from = pb_max(pos, p->first << PB_PAGE_SHIFT);
    uint64_t to = pb_min(end, (last + 1) << PB_PAGE_SHIFT);
    pb_run run = {NULL, from - b->root.bias, to - from};
    pb_entry e =
        p->leaf.entry ? pb_entry_load(&p->leaf.entry[p->first - p->leaf.first]) : PB_HOLE;
    if (e == PB_HOLE) {
        return run;
    }
    if (PB_LIKELY(pb_run_readable(b->pool, pb_entry_frame(e), last - p->first + 1))) {
        run.at = pb_frame_address(b->pool, pb_entry_frame(e)) + (from & PB_PAGE_MASK);
    }
    else { /* told when the call is over; until then it is like a hole */
        pb_pool_found_bad(b->pool, &b->member, pb_entry_frame(e), run.start);
    }
    return run;
}

/* The bytes of a tiny buffer lie in the object, in one piece. */
static pb_run
run_inline(const pb_buf *b, uint64_t off, uint64_t end)
{
    return (pb_run){pb_buf_peek((pb_buf *)(uintptr_t)b, off, end - off), off, end - off};
}

pb_run
pb_run_first(const pb_buf *b, uint64_t off, uint64_t end)
{
    if (b->root.levels == 0) {
        return run_inline(b, off, end);
    }
    uint64_t pos = b->root.bias + off;
    end += b->root.bias;
    place p = place_of(b, pos, end, pos >> PB_PAGE_SHIFT);
    return run_of(b, &p, pos, end, p.leaf.entry ? last_of_stretch(&p) : p.last);
}

pb_run
pb_run_last(const pb_buf *b, uint64_t off, uint64_t end)
{
    if (b->root.levels == 0) {
        return run_inline(b, off, end);
    }
    uint64_t pos = b->root.bias + off;
    end += b->root.bias;
    place p = place_of(b, pos, end, (end - 1) >> PB_PAGE_SHIFT);
    if (p.leaf.entry) {
        p.first = first_of_stretch(&p);
    }
    return run_of(b, &p, pos, end, p.last);
}

/* How far a piece reaches to either side: looking it up must not cost more than going
 * through it. */
#define AROUND (16 * (uint64_t)PB_PAGE_SIZE)

pb_run
pb_run_around(const pb_buf *b, uint64_t off)
{
    pb_run run = pb_run_last(b, off < AROUND ? 0 : off - AROUND, off + 1);
    pb_run ahead = pb_run_first(b, off, pb_min(b->root.size, off + AROUND));
    run.n = ahead.start + ahead.n - run.start;
    return run;
}
