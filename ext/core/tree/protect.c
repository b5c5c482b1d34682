/* tree/protect.c: the pages of a snapshot made read-only (level 2). */
#include "pool/guard.h"
#include "tree/tree.h"

/* The pages below an entry of height h. */
static void
freeze_below(pb_pool *root, pb_entry e, unsigned h)
{
    pb_frame frame = pb_entry_frame(e);
    if (e == PB_HOLE || !pb_frame_readable(root, frame)) {
        return;
    }
    if (h == 0) {
        pb_guard_set(root, frame, 1, PB_READ_ONLY);
        return;
    }
    const pb_entry *node = pb_node_of(root, e);
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        freeze_below(root, pb_entry_load(&node[i]), h - 1);
    }
}

void
pb_tree_freeze(pb_pool *pool, const pb_root *root)
{
    if (pool->debug < 2 || root->levels == 0) {
        return;
    }
    pb_lock_take(&pool->root->lock);
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        freeze_below(pool->root, pb_entry_load(&root->slot[i]), root->levels - 1u);
    }
    pb_lock_drop(&pool->root->lock);
}
