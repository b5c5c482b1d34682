/* tree/drop.c: pages and subtrees given up. */
#include "tree/internal.h"

/* Release from the back: then the free list hands the frames out in rising order. */
static void
release_node(pb_pool *pool, const pb_entry *node, unsigned h)
{
    for (uint32_t i = PB_FANOUT; i-- > 0;) {
        pb_entry child = pb_entry_load(&node[i]);
        if (child != PB_HOLE) {
            pb_tree_release_entry(pool, child, h - 1);
        }
    }
}

void
pb_tree_release_entry(pb_pool *pool, pb_entry e, unsigned h)
{
    pb_frame frame = pb_entry_frame(e);
    if (h > 0) {
        if (pb_frame_unref_shared(pool, frame)) {
            return;
        }
        if (h == 1) {
            pb_entries_unref(pool, pb_node_of(pool, e), PB_FANOUT);
        }
        else {
            release_node(pool, pb_node_of(pool, e), h);
        }
    }
    pb_frame_unref(pool, frame);
}

static bool
covers(unsigned h, uint64_t lo, uint64_t hi)
{
    return lo == 0 && hi == ((uint64_t)1 << pb_span_bits(h)) - 1;
}

static uint64_t
drop_need_below(const pb_pool *pool, pb_entry e, unsigned h, uint64_t lo, uint64_t hi,
                bool shared)
{
    bool huge = pb_entry_is_huge(e); /* is split */
    if (e == PB_HOLE || covers(h, lo, hi) || !(huge || pb_node_good(pool, e))) {
        return 0;
    }
    shared = huge || shared || pb_frame_count(pool, pb_entry_frame(e)) > 1;
    children c = children_of(h, lo, hi);
    uint64_t n = shared;
    n += drop_need_below(pool, pb_tree_child(pool, e, c.from), h - 1, child_lo(&c, c.from),
                         child_hi(&c, c.from), shared);
    if (c.to != c.from) {
        n += drop_need_below(pool, pb_tree_child(pool, e, c.to), h - 1, child_lo(&c, c.to),
                             child_hi(&c, c.to), shared);
    }
    return n;
}

uint64_t
pb_tree_drop_need(const pb_pool *pool, const pb_root *root, uint64_t first, uint64_t last)
{
    if (!root->shared || first > last) {
        return 0;
    }
    children c = children_of(root->levels, first, last);
    uint64_t n = 0;
    for (uint32_t i = c.from; i <= c.to; i++) {
        n += drop_need_below(pool, pb_entry_load(&root->slot[i]), root->levels - 1u,
                             child_lo(&c, i), child_hi(&c, i), false);
    }
    return n;
}

/* The entries [from, to] of a leaf become holes. */
static void
drop_pages(pb_pool *pool, pb_entry *leaf, uint32_t from, uint32_t to)
{
    pb_entries_unref(pool, leaf + from, to - from + 1);
    for (uint32_t i = from; i <= to; i++) {
        pb_tree_set(&leaf[i], PB_HOLE);
    }
}

/* 1. release a subtree that goes as a whole  2. else own the node  3. drop in its
 * children, from the back  4. release the node if that leaves it empty. */
static void
drop_below(pb_pool *pool, const pb_root *root, pb_entry *at, unsigned h, uint64_t lo,
           uint64_t hi)
{
    pb_entry e = pb_entry_load(at);
    if (e == PB_HOLE) {
        return;
    }
    if (covers(h, lo, hi)) {
        pb_tree_set(at, PB_HOLE);
        pb_tree_release_entry(pool, e, h);
        return;
    }
    pb_entry *node = pb_tree_own_node(pool, root, at);
    children c = children_of(h, lo, hi);
    if (h == 1) {
        drop_pages(pool, node, c.from, c.to);
    }
    for (uint32_t i = c.to + 1; h > 1 && i-- > c.from;) {
        drop_below(pool, root, &node[i], h - 1, child_lo(&c, i), child_hi(&c, i));
    }
    if (pb_node_is_empty(node, c.to)) {
        pb_frame frame = pb_entry_frame(pb_entry_load(at));
        pb_tree_set(at, PB_HOLE);
        pb_frame_unref(pool, frame);
    }
}

void
pb_tree_drop(pb_pool *pool, pb_root *root, uint64_t first, uint64_t last)
{
    if (first > last) {
        return;
    }
    children c = children_of(root->levels, first, last);
    for (uint32_t i = c.to + 1; i-- > c.from;) {
        drop_below(pool, root, &root->slot[i], root->levels - 1u, child_lo(&c, i),
                   child_hi(&c, i));
    }
    pb_pool_keep(pool);
}

void
pb_tree_release(pb_pool *pool, pb_root *root)
{
    for (unsigned i = PB_ROOT_SLOTS; i-- > 0;) {
        pb_entry e = pb_entry_load(&root->slot[i]);
        if (e != PB_HOLE) {
            pb_tree_set(&root->slot[i], PB_HOLE);
            pb_tree_release_entry(pool, e, root->levels - 1u);
        }
    }
    root->size = root->bias = 0;
    root->levels = 1;
    root->shared = 0;
    pb_pool_keep(pool);
}
