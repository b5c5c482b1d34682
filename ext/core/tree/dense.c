/* tree/dense.c: leaves whose entries are one run of frames, and the entries above them, which say so
 * (I17).
 *
 * It is noted when the last entry of a leaf gets its frame, as that is how buffers grow.  Whoever owns a
 * leaf to change it takes the note back (pb_tree_own_node).  Nobody needs it: a dense leaf that no entry
 * says to be one is only read by its entries. */
#include "tree/tree.h"

/* Does each entry of a node name the frame after that of the one before?  Without a branch, so that
 * compilers take several at a time. */
static bool
follow(const pb_entry *node, pb_entry first)
{
    uint64_t other = 0;
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        other |= pb_entry_load(&node[i]) ^ (first + ((pb_entry)i << PB_ENTRY_SHIFT));
    }
    return other == 0;
}

pb_frame
pb_node_run(const pb_entry *node)
{
    pb_entry first = pb_entry_load(node);
    pb_frame frame = pb_entry_frame(first), last = frame + PB_FANOUT - 1;
    bool may_be = frame && !pb_frame_in_zone(last) &&
                  pb_region_of(frame) == pb_region_of(last) &&
                  pb_entry_frame(pb_entry_load(&node[PB_FANOUT - 1])) == last;
    return may_be && follow(node, first) ? frame : 0;
}

/* The entry above a leaf, on a path that belongs to this tree. */
static pb_entry *
above(const pb_pool *pool, pb_root *root, uint64_t page)
{
    pb_entry *at = &root->slot[pb_root_index(page, root->levels)];
    for (unsigned h = root->levels - 1u; h > 1; h--) {
        at = pb_node_of(pool, pb_entry_load(at)) + pb_child_index(page, h - 1);
    }
    return at;
}

void
pb_tree_note_run(const pb_pool *pool, pb_root *root, const pb_leaf *leaf)
{
    pb_frame run = root->levels > 1 && !pool->debug ? pb_node_run(leaf->entry) : 0;
    if (run) {
        pb_entry *at = above(pool, root, leaf->first);
        pb_tree_set(at, pb_entry_with_run(pb_entry_load(at), run));
    }
}

void
pb_tree_forget_run(const pb_pool *pool, pb_root *root, uint64_t page)
{
    pb_entry *at = root->levels > 1 ? above(pool, root, page) : NULL;
    pb_entry e = at ? pb_entry_load(at) : PB_HOLE;
    if (PB_UNLIKELY(e != pb_entry_with_run(e, 0))) {
        pb_tree_set(at, pb_entry_with_run(e, 0));
    }
}
