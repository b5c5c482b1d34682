/* pool/free.c: frames given back to the pool. */
#include "pool/poison.h"
#include "pool/guard.h"
#include "pool/internal.h"

static void
found(pb_pool *root, const char *why, pb_frame frame)
{
    pb_fault fault = pb_fault_at(root, why, frame, pb_acting_of(root)->tree, 0);
    pb_pool_found(root, &fault, true);
}

static void
release_special(pb_pool *root, pb_frame frame)
{
    if (root->trace_hook) {
        pb_debug_tell(root, frame, 1, false);
    }
    if (!pb_debug_released(root, frame)) {
        list_push(root, frame);
    }
}

static void
release_locked(pb_pool *root, pb_frame frame, pb_row *row)
{
    discharge(pool_charged(root, row), row->held.kind == PB_KIND_NODE);
    if (PB_UNLIKELY(root->trace_hook || is_special(root))) {
        release_special(root, frame);
    }
    else {
        list_push(root, frame);
    }
    if (PB_UNLIKELY(pb_pool_warm(root) >= root->keep + PB_BATCH &&
                    root->keep < PB_UNLIMITED)) {
        pb_give_back_locked(root);
    }
}

/* Note that somebody dropped a reference that does not exist. */
PB_NOINLINE static void
found_undroppable(pb_pool *root, pb_frame frame)
{
    bool freed = pb_frame_valid(root, frame) &&
                 (pb_frame_is_free(root, frame) ||
                  pb_frame_row(root, frame)->held.kind == PB_KIND_QUARANTINED);
    found(root,
          !pb_frame_valid(root, frame) ? "I1: a frame of no region was freed"
          : freed                      ? "I1: frame freed twice"
                                       : "I1: reference count underflow",
          frame);
}

/* The last reference is gone. */
static void
end_frame(pb_pool *root, pb_frame frame, pb_row *row)
{
    if (row->held.pins == 0) {
        release_locked(root, frame, row);
    }
    else { /* I7: it lives on with its view */
        row->held.kind = PB_KIND_DETACHED;
        count_detached(pool_charged(root, row), 1);
    }
}

/* Does a reference of this count go without freeing the frame?  Not the last one, not
 * one that does not exist, and not one of a count that stays for ever. */
static inline bool
is_one_of_some(uint32_t count)
{
    return count - 2 < PB_COUNT_MAX - 2;
}

static inline void
unref_row(pb_pool *root, pb_frame frame, pb_row *row)
{
    uint32_t n = row->held.count;
    if (PB_LIKELY(is_one_of_some(n))) {
        pb_store32(&row->held.count, n - 1);
    }
    else if (n == 1) {
        pb_store32(&row->held.count, 0);
        end_frame(root, frame, row);
    }
    else if (n != PB_COUNT_MAX) {
        found_undroppable(root, frame);
    }
}

static inline void
unref_locked(pb_pool *root, pb_frame frame)
{
    if (PB_UNLIKELY(!pb_frame_in_region(root, frame))) {
        found_undroppable(root, frame);
        return;
    }
    unref_row(root, frame, pb_frame_row(root, frame));
}

void
pb_frame_unref(pb_pool *pool, pb_frame frame)
{
    pb_lock_take(&pool->root->lock);
    unref_locked(pool->root, frame);
    pb_lock_drop(&pool->root->lock);
}

/* Whoever paid for the page goes on paying: else a pool would get frames that its limit never saw.
 * What is held and on the move falls together, so that limits are right in the middle of a move, too. */
bool
pb_pool_move_frame(pb_pool *pool, pb_frame old, pb_frame to)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    pb_row *row = pb_frame_in_region(root, old) ? pb_frame_row(root, old) : NULL;
    bool last = row && row->held.count == 1 && row->held.pins == 0;
    if (last) {
        pb_row *target = pb_frame_row(root, to);
        uint16_t account = row->held.account;
        row->held.account = target->held.account;
        target->held.account = account & (PB_MOST_POOLS - 1);
        root->spare++;
    }
    unref_locked(root, old);
    if (last) {
        pb_add_moving(pool, (uint64_t)-1);
    }
    pb_lock_drop(&root->lock);
    return last;
}

/* The rows of the region looked up last.  Only a frame outside of it is looked up and
 * checked anew, so neighbours cost nothing extra. */
typedef struct {
    uint64_t first, span; /* frames */
    pb_row *rows;
} near_rows;

static void
move_near(near_rows *near, const pb_pool *root, pb_frame frame)
{
    unsigned bits = pb_frame_bits(frame), k = pb_region_of(frame);
    uint64_t past = PB_CHECKS ? root->past[bits] : pb_region_end(k);
    near->first = pb_region_begin(k);
    near->span = past > near->first ? past - near->first : 0;
    near->rows = (pb_row *)root->rows[bits];
}

/* NULL: it is no frame. */
static inline pb_row *
row_near(near_rows *near, const pb_pool *root, uint64_t frame)
{
    if (PB_UNLIKELY(frame - near->first >= near->span)) {
        move_near(near, root, (pb_frame)frame);
        if (frame - near->first >= near->span) {
            return NULL;
        }
    }
    return near->rows + frame;
}

void
pb_entries_ref(pb_pool *pool, const pb_entry *entries, uint32_t n)
{
    pb_pool *root = pool->root;
    near_rows near = {0};
    pb_lock_take(&root->lock);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t frame = pb_entry_number(pb_entry_load(&entries[i]));
        pb_row *row = frame ? row_near(&near, root, frame) : NULL;
        if (row && row->held.count - 1 < PB_COUNT_MAX - 1) {
            pb_store32(&row->held.count, row->held.count + 1);
        }
    }
    pb_lock_drop(&root->lock);
}

void
pb_entries_unref(pb_pool *pool, const pb_entry *entries, uint32_t n)
{
    pb_pool *root = pool->root;
    near_rows near = {0};
    pb_lock_take(&root->lock);
    while (n-- > 0) {
        pb_entry e = pb_entry_load(&entries[n]);
        uint64_t frame = pb_entry_number(e);
        pb_row *row = e == PB_HOLE ? NULL : row_near(&near, root, frame);
        if (row) {
            unref_row(root, (pb_frame)frame, row);
        }
        else if (e != PB_HOLE) {
            found_undroppable(root, (pb_frame)frame);
        }
    }
    pb_lock_drop(&root->lock);
}

bool
pb_frame_unref_shared(pb_pool *pool, pb_frame frame)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    bool good = pb_frame_readable(root, frame);
    bool shared = !good || pb_frame_count(root, frame) > 1;
    if (shared) { /* notes what is broken, and does not follow it */
        unref_locked(root, frame);
    }
    pb_lock_drop(&root->lock);
    return shared;
}

/* ---- pins ---- */

/* A number of pins that reached its highest value stays there, as a count does: the
 * frame is never freed. */
void
pb_frame_pin(pb_pool *pool, pb_frame frame)
{
    pb_lock_take(&pool->root->lock);
    pb_row *row = pb_frame_row(pool, frame);
    row->held.pins += row->held.pins != UINT16_MAX;
    pb_lock_drop(&pool->root->lock);
}

void
pb_frame_unpin(pb_pool *pool, pb_frame frame)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    pb_row *row = pb_frame_row(root, frame);
    if (PB_UNLIKELY(row->held.pins == 0)) {
        found(root, "I1: more pins taken off a frame than it had", frame);
    }
    else if (row->held.pins != UINT16_MAX && --row->held.pins == 0 &&
             row->held.kind == PB_KIND_DETACHED) {
        count_detached(pool_charged(root, row), -1);
        release_locked(root, frame, row);
    }
    pb_lock_drop(&root->lock);
}
