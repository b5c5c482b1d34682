/* inspect/usage.c: who holds what. */
#include "inspect/usage.h"
#include "pool/internal.h"

/* ---- one tree ---- */

static void
count_below(const pb_pool *pool, pb_entry e, unsigned h, pb_tree_stats *use)
{
    pb_frame frame = pb_entry_frame(e);
    if (!pb_frame_readable(pool, frame)) {
        return;
    }
    use->shared += pb_frame_count(pool, frame) > 1;
    if (h == 0) {
        use->pages++;
        return;
    }
    use->nodes++;
    const pb_entry *node = pb_node_of(pool, e);
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        if (node[i] != PB_HOLE) {
            count_below(pool, pb_entry_load(&node[i]), h - 1, use);
        }
    }
}

static uint64_t
pages_spanned(const pb_root *root)
{
    uint64_t head = root->bias & PB_PAGE_MASK;
    return root->size ? (head + root->size + PB_PAGE_MASK) >> PB_PAGE_SHIFT : 0;
}

void
pb_buf_stats(const pb_buf *b, pb_tree_stats *use)
{
    *use = (pb_tree_stats){0};
    if (pb_buf_is_inline(b)) {
        return;
    }
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        if (b->root.slot[i] != PB_HOLE) {
            count_below(b->pool, pb_entry_load(&b->root.slot[i]), b->root.levels - 1u, use);
        }
    }
    use->holes = pages_spanned(&b->root) - use->pages;
    use->pinned = b->pins ? pb_pins_pages(b->pins) : 0;
}

/* ---- shares ---- */

size_t
pb_usage_words(const pb_pool *pool)
{
    return 2 * pb_pool_numbers(pool);
}

/* Is it the first time that this tree comes by?  *before: did any tree, in this round? */
static bool
come_by(pb_usage *c, pb_frame frame, bool *before)
{
    *before = c->seen[frame] != 0;
    bool first = c->seen[frame] != c->tree;
    c->seen[frame] = c->tree;
    return first;
}

/* What one of the trees that reach a frame has of its bytes. */
static uint64_t
part_of_frame(const pb_usage *c, pb_frame frame, bool first)
{
    const pb_row *row = pb_frame_row(c->pool, frame);
    uint64_t n = c->reach[frame], even = PB_PAGE_SIZE / n;
    if (!pb_pool_within(pool_charged(c->pool->root, row), c->pool)) {
        return 0;
    }
    return even + (first ? PB_PAGE_SIZE - n * even : 0);
}

static void
add_frame(pb_usage *c, pb_frame frame, bool node, bool first, pb_share *share)
{
    share->frames++;
    share->nodes += node;
    share->uss += c->reach[frame] == 1;
    share->pss += part_of_frame(c, frame, first);
}

/* Round 1 without a share, round 2 with one. */
static void
visit_below(pb_usage *c, pb_entry e, unsigned h, pb_share *share)
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
visit(pb_usage *c, const pb_buf *b, pb_share *share)
{
    c->tree++;
    for (unsigned i = 0; !pb_buf_is_inline(b) && i < PB_ROOT_SLOTS; i++) {
        visit_below(c, pb_entry_load(&b->root.slot[i]), b->root.levels - 1u, share);
    }
}

void
pb_usage_begin(pb_usage *c, pb_pool *pool, uint32_t *scratch)
{
    size_t n = pb_pool_numbers(pool);
    *c = (pb_usage){pool, scratch, scratch + n, 0};
    EACH_TREE(pool->root, b)
    {
        visit(c, b, NULL);
    }
    memset(c->seen, 0, n * sizeof *c->seen);
    c->tree = 0;
}

void
pb_usage_of(pb_usage *c, const pb_buf *b, pb_share *share)
{
    *share = (pb_share){0};
    visit(c, b, share);
}

uint64_t
pb_pool_pinned(const pb_pool *pool)
{
    uint64_t n = pool->detached;
    EACH_TREE(pool->root, b)
    {
        n += b->pins && pb_pool_within(b->pool, pool) ? pb_pins_pages(b->pins) : 0;
    }
    return n;
}

/* ---- whose is it? ---- */

/* `o` is about the page that the entry begins with. */
static bool
find_below(pb_owner *o, pb_entry e, unsigned h, pb_frame frame, uint64_t page)
{
    const pb_pool *pool = o->tree->pool;
    pb_frame here = pb_entry_frame(e);
    bool found = here == frame;
    if (e == PB_HOLE || (!found && (h == 0 || !pb_frame_readable(pool, here)))) {
        return false;
    }
    const pb_entry *node = found ? NULL : pb_node_of(pool, e);
    for (uint32_t i = 0; !found && i < PB_FANOUT; i++) {
        uint64_t at = page + ((uint64_t)i << pb_span_bits(h - 1));
        found = find_below(o, pb_entry_load(&node[i]), h - 1, frame, at);
    }
    if (here == frame) {
        o->offset = page << PB_PAGE_SHIFT;
    }
    o->shared |= found && pb_frame_count(pool, here) > 1;
    return found;
}

static bool
find_in(pb_owner *o, const pb_buf *b, pb_frame frame)
{
    *o = (pb_owner){.tree = b};
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        unsigned h = b->root.levels - 1u;
        uint64_t page = (uint64_t)i << pb_span_bits(h);
        if (find_below(o, pb_entry_load(&b->root.slot[i]), h, frame, page)) {
            return true;
        }
    }
    return false;
}

/* One that an object is around rather than a read snapshot inside the library. */
pb_owner
pb_owner_of(const pb_pool *pool, pb_frame frame, uint64_t in_page)
{
    pb_owner owner = {0}, o;
    EACH_TREE(pool->root, b)
    {
        if (find_in(&o, b, frame)) {
            owner = o;
            if (b->root.frozen != PB_FROZEN_INTERNAL) {
                break;
            }
        }
    }
    if (owner.tree) {
        bool node = pb_frame_row(pool, frame)->held.kind == PB_KIND_NODE;
        uint64_t pos = owner.offset + (node ? 0 : in_page), bias = owner.tree->root.bias;
        owner.offset = pos > bias ? pos - bias : 0;
    }
    return owner;
}

void
pb_fault_find_owner(pb_fault *fault)
{
    const pb_pool *pool = fault->pool;
    if (fault->owner || pool == NULL || !pb_frame_valid(pool, fault->frame) ||
        pb_frame_is_free(pool, fault->frame)) {
        return;
    }
    pb_owner owner = pb_owner_of(pool, fault->frame, fault->offset);
    if (owner.tree) {
        fault->owner = &owner.tree->member;
        fault->offset = owner.offset;
    }
}
