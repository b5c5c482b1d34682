/* tree/protect.c: make the pages of a snapshot read-only (debug level 2). */
#include "pool/guard.h"
#include "tree/visit.h"

static pb_visit
freeze_entry(void *arg, const pb_place *at)
{
    if (at->good && at->h == 0) {
        pb_guard_set(arg, at->frame, 1, PB_READ_ONLY);
    }
    return PB_VISIT_BELOW;
}

void
pb_tree_freeze(pb_pool *pool, const pb_root *root)
{
    if (pool->debug < 2 || root->levels == 0) {
        return;
    }
    pb_lock_take(&pool->root->lock);
    (void)pb_tree_visit(pool->root, root, freeze_entry, pool->root);
    pb_lock_drop(&pool->root->lock);
}
