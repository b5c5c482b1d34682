/* tree/dense.c: leaves whose entries are one run of frames, and the entries above them, which say so
 * (I17).
 *
 * It is noted when the last entry of a leaf gets its frame, as that is how buffers grow.  Whoever owns a
 * leaf to change it takes the note back (pb_tree_own_node).  Nobody needs it: a dense leaf that no entry
 * says to be one is only read by its entries. */
#include "tree/extent.h"

pb_frame
pb_node_run(const pb_entry *node)
{
    const pb_entry span = (pb_entry)(PB_FANOUT - 1) << PB_ENTRY_SHIFT;
    pb_entry first = pb_entry_load(node);
    pb_frame frame = pb_entry_frame(first);
    bool may_be = frame && !pb_frame_in_zone(frame) &&
                  pb_entry_load(&node[PB_FANOUT - 1]) == first + span;
    return may_be && pb_run_ahead(node, first, PB_FANOUT) == PB_FANOUT ? frame : 0;
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
