/* pb_census.c: who holds what. */
#include "pb_census.h"
#include "pb_pool_impl.h"

/* ---- shares ---- */

size_t
pb_census_words(const pb_pool *pool)
{
    return 2 * pb_pool_numbers(pool);
}

/* Is it the first time that this tree comes by?  *before: did any tree, in this round? */
static bool
come_by(pb_census *c, pb_frame frame, bool *before)
{
    *before = c->seen[frame] != 0;
    bool first = c->seen[frame] != c->tree;
    c->seen[frame] = c->tree;
    return first;
}

/* What one of the trees that reach a frame has of its bytes. */
static uint64_t
part_of_frame(const pb_census *c, pb_frame frame, bool first)
{
    const pb_row *row = pb_frame_row(c->pool, frame);
    uint64_t n = c->reach[frame], even = PB_PAGE_SIZE / n;
    if (!pb_pool_within(pool_charged(c->pool->root, row), c->pool)) {
        return 0;
    }
    return even + (first ? PB_PAGE_SIZE - n * even : 0);
}

static void
add_frame(pb_census *c, pb_frame frame, bool node, bool first, pb_share *share)
{
    share->frames++;
    share->nodes += node;
    share->own += c->reach[frame] == 1;
    share->proportional += part_of_frame(c, frame, first);
}

/* Round 1 without a share, round 2 with one. */
static void
visit_below(pb_census *c, pb_entry e, unsigned h, pb_share *share)
{
    bool before;
    pb_frame frame = pb_entry_frame(e);
    if (e == PB_HOLE || !pb_frame_readable(c->pool, frame) || !come_by(c, frame, &before)) {
        return;
    }
    if (share) {
        add_frame(c, frame, h > 0, !before, share);
    }
    else {
        c->reach[frame]++;
    }
    const pb_entry *node = h ? pb_node_of(c->pool, e) : NULL;
    for (uint32_t i = 0; node && i < PB_FANOUT; i++) {
        visit_below(c, pb_entry_load(&node[i]), h - 1, share);
    }
}

static void
visit(pb_census *c, const pb_buf *b, pb_share *share)
{
    c->tree++;
    for (unsigned i = 0; !pb_buf_is_inline(b) && i < PB_ROOT_SLOTS; i++) {
        visit_below(c, pb_entry_load(&b->root.slot[i]), b->root.levels - 1u, share);
    }
}

void
pb_census_begin(pb_census *c, pb_pool *pool, uint32_t *scratch)
{
    size_t n = pb_pool_numbers(pool);
    *c = (pb_census){pool, scratch, scratch + n, 0};
    for (const pb_buf *b = pool->root->bufs; b; b = b->next) {
        visit(c, b, NULL);
    }
    memset(c->seen, 0, n * sizeof *c->seen);
    c->tree = 0;
}

void
pb_census_of(pb_census *c, const pb_buf *b, pb_share *share)
{
    *share = (pb_share){0};
    visit(c, b, share);
}

/* ---- whose is it? ---- */

static bool
find_below(const pb_pool *pool, pb_entry e, unsigned h, pb_frame frame, uint64_t *page)
{
    pb_frame here = pb_entry_frame(e);
    if (here == frame) {
        return true;
    }
    if (e == PB_HOLE || h == 0 || !pb_frame_readable(pool, here)) {
        return false;
    }
    const pb_entry *node = pb_node_of(pool, e);
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        uint64_t at = *page + ((uint64_t)i << pb_span_bits(h - 1));
        if (node[i] != PB_HOLE &&
            find_below(pool, pb_entry_load(&node[i]), h - 1, frame, &at)) {
            *page = at;
            return true;
        }
    }
    return false;
}

static bool
owns(const pb_buf *b, pb_frame frame, uint64_t in_page, uint64_t *offset)
{
    bool node = pb_frame_row(b->pool, frame)->held.kind == PB_KIND_NODE;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        uint64_t page = (uint64_t)i << pb_span_bits(b->root.levels - 1u);
        pb_entry e = pb_entry_load(&b->root.slot[i]);
        if (e != PB_HOLE && find_below(b->pool, e, b->root.levels - 1u, frame, &page)) {
            uint64_t pos = (page << PB_PAGE_SHIFT) + (node ? 0 : in_page);
            *offset = pos > b->root.bias ? pos - b->root.bias : 0;
            return true;
        }
    }
    return false;
}

/* One that an object is around rather than a hold inside the library. */
const pb_buf *
pb_owner_of(const pb_pool *pool, pb_frame frame, uint64_t in_page, uint64_t *offset)
{
    const pb_buf *owner = NULL;
    for (const pb_buf *b = pool->root->bufs; b; b = b->next) {
        uint64_t at;
        if (owns(b, frame, in_page, &at)) {
            owner = b;
            *offset = at;
            if (b->root.frozen != PB_FROZEN_INTERNAL) {
                break;
            }
        }
    }
    return owner;
}
