/* tree/extent.c: what lies at a page of a tree. */
#include "tree/extent.h"

pb_extent
pb_tree_extent(const pb_pool *pool, const pb_root *root, uint64_t page, uint64_t past)
{
    pb_leaf leaf;
    pb_tree_leaf(pool, root, page, &leaf);
    return pb_leaf_extent(pool, &leaf, page, past);
}

pb_extent
pb_tree_shape(const pb_pool *pool, const pb_root *root, uint64_t page, uint64_t past)
{
    pb_leaf leaf;
    pb_tree_leaf(pool, root, page, &leaf);
    return pb_leaf_shape(&leaf, page, past);
}

/* Do the entries of two neighbouring pages belong to one extent?  A run ends where a
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

pb_extent
pb_tree_extent_back(const pb_pool *pool, const pb_root *root, uint64_t first, uint64_t past)
{
    pb_leaf leaf;
    pb_tree_leaf(pool, root, past - 1, &leaf);
    first = pb_max(first, leaf.first);
    if (leaf.entry == NULL || leaf.flat) {
        return pb_leaf_extent(pool, &leaf, first, past);
    }
    const pb_entry *at = leaf.entry + (past - 1 - leaf.first);
    uint64_t most = past - first, n = 1;
    while (n < most && follows(pb_entry_load(at - 1), pb_entry_load(at))) {
        at--;
        n++;
    }
    pb_extent x = {PB_EXTENT_HOLE, pb_entry_frame(pb_entry_load(at)), n};
    if (x.frame) {
        bool good = pb_pages_readable(pool, x.frame, n);
        x.kind = good ? PB_EXTENT_PRESENT : PB_EXTENT_BAD;
    }
    return x;
}

pb_frame
pb_tree_frame(const pb_pool *pool, const pb_root *root, uint64_t page)
{
    return pb_tree_shape(pool, root, page, page + 1).frame;
}
