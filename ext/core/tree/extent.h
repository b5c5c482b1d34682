/* tree/extent.h: what lies at a page of a tree, and how many pages go on like that.
 *
 *    HOLE       no page, zeros: as far as there is no node, or no entry in the leaf
 *    PRESENT    frames that follow one another in one region or zone, side by side in memory
 *    ABSENT     frames of a zone that are not in memory (I14); who asks notes them
 *    BAD        an entry names what must not be touched; who asks notes it
 *
 * Leaves are read here and nowhere else; what a buffer remembers of them is a cache of it
 * (buffer/hints.c). */
#ifndef PB_TREE_EXTENT_H
#define PB_TREE_EXTENT_H

#include "tree/tree.h"

typedef enum {
    PB_EXTENT_HOLE = 0,
    PB_EXTENT_PRESENT,
    PB_EXTENT_ABSENT,
    PB_EXTENT_BAD,
} pb_extent_kind;

typedef struct {
    pb_extent_kind kind;
    pb_frame frame; /* of the first page; 0: a hole */
    uint64_t pages; /* at least one */
} pb_extent;

/* ---- in a leaf that is at hand ---- */

/* How many entries from `at` on are holes, `most` at most. */
static inline uint64_t
pb_holes_ahead(const pb_entry *at, uint64_t most)
{
    uint64_t n = 0;
    while (n < most && at[n] == PB_HOLE) {
        n++;
    }
    return n;
}

/* How many entries from `at`, which is e, on name frames that follow one another in one
 * region: 1 to `most`. */
static inline uint64_t
pb_run_ahead(const pb_entry *at, pb_entry e, uint64_t most)
{
    pb_frame frame = pb_entry_frame(e);
    most = pb_min(most, pb_region_end(pb_region_of(frame)) - frame);
    uint64_t n = 1;
    while (n < most && pb_entry_load(&at[n]) == e + (n << PB_ENTRY_SHIFT)) {
        n++;
    }
    return n;
}

/* The extent at `page`, up to `past` and within the leaf, by the entries alone: HOLE or
 * PRESENT, even where a frame must not be touched. */
static inline pb_extent
pb_leaf_shape(const pb_leaf *leaf, uint64_t page, uint64_t past)
{
    uint64_t most = pb_min(past, leaf->end) - page;
    if (leaf->entry == NULL || leaf->flat) {
        pb_frame frame = pb_entry_frame(pb_leaf_flat(leaf, page));
        return (pb_extent){frame ? PB_EXTENT_PRESENT : PB_EXTENT_HOLE, frame, most};
    }
    const pb_entry *at = leaf->entry + (page - leaf->first);
    pb_entry e = pb_entry_load(at);
    if (e == PB_HOLE) {
        return (pb_extent){PB_EXTENT_HOLE, 0, pb_holes_ahead(at, most)};
    }
    return (pb_extent){PB_EXTENT_PRESENT, pb_entry_frame(e), pb_run_ahead(at, e, most)};
}

/* What frames are that a look found not to be readable, all of them: BAD, or where they are a zone's
 * PRESENT or ABSENT, and then as many as are alike from the first one on, or up to the last one. */
pb_extent
pb_extent_other(const pb_pool *pool, pb_extent x, bool back);

/* The same, but PRESENT only after a look at every frame (I1). */
static inline pb_extent
pb_leaf_extent(const pb_pool *pool, const pb_leaf *leaf, uint64_t page, uint64_t past)
{
    pb_extent x = pb_leaf_shape(leaf, page, past);
    if (x.kind == PB_EXTENT_PRESENT && !pb_leaf_readable(pool, leaf, x.frame, x.pages)) {
        return pb_extent_other(pool, x, false);
    }
    return x;
}

/* ---- in a tree; [page, past) is not empty, and the tree reaches it.  O(levels + pages) ---- */

/* The extent that [page, past) begins with.  It ends at the latest with its leaf, or
 * with the missing subtree. */
pb_extent
pb_tree_extent(const pb_pool *pool, const pb_root *root, uint64_t page, uint64_t past);

/* The same without a look at the frames. */
pb_extent
pb_tree_shape(const pb_pool *pool, const pb_root *root, uint64_t page, uint64_t past);

/* The extent that [first, past) ends with.  Its `frame` is that of its first page. */
pb_extent
pb_tree_extent_back(const pb_pool *pool, const pb_root *root, uint64_t first,
                    uint64_t past);

/* The frame that a page's entry names; 0: a hole. */
pb_frame
pb_tree_frame(const pb_pool *pool, const pb_root *root, uint64_t page);

#endif
