/* tree/extent.c: what lies at a page of a tree. */
#include "tree/extent.h"

pb_extent
pb_extent_other(const pb_pool *pool, pb_extent x, bool back)
{
    bool here;
    if (!pb_zone_has(pool, x.frame, x.pages)) {
        x.kind = PB_EXTENT_BAD;
        return x;
    }
    const pb_zone *z = pb_zone_of(pool, x.frame);
    uint64_t n = pb_zone_alike(z, x.frame, x.pages, &here);
    while (back && n < x.pages) {
        x.frame += (pb_frame)n;
        x.pages -= n;
        n = pb_zone_alike(z, x.frame, x.pages, &here);
    }
    return (pb_extent){here ? PB_EXTENT_PRESENT : PB_EXTENT_ABSENT, x.frame, n};
}

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
        pb_extent all = pb_leaf_shape(&leaf, first, past);
        bool bad = all.kind == PB_EXTENT_PRESENT &&
                   !pb_leaf_readable(pool, &leaf, all.frame, all.pages);
        return bad ? pb_extent_other(pool, all, true) : all;
    }
    const pb_entry *at = leaf.entry + (past - 1 - leaf.first);
    uint64_t most = past - first, n = 1;
    while (n < most && follows(pb_entry_load(at - 1), pb_entry_load(at))) {
        at--;
        n++;
    }
    pb_extent x = {PB_EXTENT_HOLE, pb_entry_frame(pb_entry_load(at)), n};
    if (x.frame) {
        x.kind = PB_EXTENT_PRESENT;
        return pb_pages_readable(pool, x.frame, n) ? x : pb_extent_other(pool, x, true);
    }
    return x;
}

pb_frame
pb_tree_frame(const pb_pool *pool, const pb_root *root, uint64_t page)
{
    return pb_tree_shape(pool, root, page, page + 1).frame;
}
