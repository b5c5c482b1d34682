/* pool/fault.c: notes of damage, and questions that may be asked about any frame,
 * damaged or not. */
#include "pool/internal.h"

/* ---- what was found ---- */

#if PB_LOCKS
_Thread_local pb_acting pb_acting_here;
_Thread_local pb_refusal pb_refusal_here;
#endif

pb_fault
pb_fault_at(const pb_pool *pool, const char *why, pb_frame frame, const pb_member *owner,
            uint64_t offset)
{
    return (pb_fault){
        .why = why,
        .frame = frame,
        .owner = owner,
        .offset = offset,
        .trace = pb_frame_trace(pool, frame),
        .pool = pool->root,
    };
}

void
pb_pool_found(pb_pool *pool, const pb_fault *fault, bool stays)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->fault_lock);
    pb_store8(&root->blamed, 1);
    if (stays && root->fault.why == NULL) {
        root->fault = *fault;
    }
    if (!(root->pending & PB_PENDING_FAULT)) { /* the first one is reported */
        root->found = *fault;
        pb_set_bits8(&root->pending, PB_PENDING_FAULT);
    }
    pb_lock_drop(&root->fault_lock);
}

bool
pb_pool_take_fault(pb_pool *pool, pb_fault *fault)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->fault_lock);
    bool mine = root->pending & PB_PENDING_FAULT;
    if (mine) {
        *fault = root->found;
        pb_clear_bits8(&root->pending, PB_PENDING_FAULT);
    }
    pb_lock_drop(&root->fault_lock);
    return mine;
}

uint32_t
pb_pool_take_absent(pb_pool *pool, pb_frames out[PB_ABSENT_RUNS])
{
    pb_pool *root = pool->root;
    pb_refusal *r = pb_refusal_of(pool);
    uint32_t n = r->absent_in == root ? r->absents : 0;
    if (n == 0) {
        return 0;
    }
    memcpy(out, r->absent, n * sizeof *out);
    r->absents = 0;
    pb_lock_take(&root->fault_lock);
    if (--root->absent == 0) {
        pb_clear_bits8(&root->pending, PB_PENDING_ABSENT);
    }
    pb_lock_drop(&root->fault_lock);
    return n;
}

static const char *
why_bad(const pb_pool *pool, pb_frame frame)
{
    if (!pb_frame_valid(pool, frame)) {
        return "I1: an entry names a frame of no region";
    }
    if (pb_frame_is_free(pool, frame)) {
        return "I1: an entry names a free frame";
    }
    return pb_frame_count(pool, frame) ? "I2: a shared frame was about to be written"
                                       : "I1: an entry names a frame with no reference";
}

void
pb_pool_found_bad(pb_pool *pool, const pb_member *owner, pb_frame frame, uint64_t offset)
{
    pb_fault fault = pb_fault_at(pool, why_bad(pool, frame), frame, owner, offset);
    pb_pool_found(pool, &fault, true);
}

/* Whoever names a tree has its lock, or the pool's while the tree is listed.  So a tree that ends sees
 * `blamed` if it was named: most end without the lock. */
void
pb_pool_forget(pb_pool *pool, const pb_member *tree)
{
    pb_pool *root = pool->root;
    if (pb_acting_of(root)->tree == tree) {
        pb_acting_of(root)->tree = NULL;
    }
    if (PB_LIKELY(!pb_load8(&root->blamed))) {
        return;
    }
    pb_lock_take(&root->fault_lock);
    if (root->found.owner == tree) {
        root->found.owner = NULL;
    }
    if (root->fault.owner == tree) {
        root->fault.owner = NULL;
    }
    pb_lock_drop(&root->fault_lock);
}

/* ---- what a frame is ---- */

bool
pb_frame_valid(const pb_pool *pool, pb_frame frame)
{
    const pb_region *r = &pool->root->region[pb_region_of(frame)];
    return frame != 0 && r->base != NULL && frame - r->first < r->count;
}

bool
pb_frame_is_free(const pb_pool *pool, pb_frame frame)
{
    const pb_region *r = &pool->root->region[pb_region_of(frame)];
    return is_untouched(r, frame) || bit_get(r->free_map, bit_index(r, frame));
}

pb_kind
pb_frame_kind(const pb_region *r, pb_frame frame)
{
    if (frame == 0 || is_untouched(r, frame)) {
        return PB_KIND_NONE;
    }
    const pb_row *row = r->table + bit_index(r, frame);
    if (row->free.is_free) {
        return PB_KIND_FREE;
    }
    return row->held.kind < PB_KIND_FREE ? (pb_kind)row->held.kind
                                         : PB_KIND_NONE; /* damaged */
}

void
pb_pool_set_trace(pb_pool *root, pb_trace_hook *hook, bool (*is_traced)(void))
{
    pb_lock_take(&root->lock);
    root->trace_hook = hook;
    root->is_traced = is_traced;
    root->traced = is_traced == NULL;
    pb_lock_drop(&root->lock);
}

pb_trace
pb_frame_trace(const pb_pool *pool, pb_frame frame)
{
    const pb_region *r = &pool->root->region[pb_region_of(frame)];
    bool kept = pb_frame_valid(pool, frame) && r->trace;
    return kept ? r->trace[frame - r->first] : (pb_trace){0, 0};
}
