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

/* Highest first, as everywhere: then the lists hand the frames out in rising order. */
static void
free_special(pb_pool *root, pb_region *r, pb_frame first, uint32_t n)
{
    set_resident(r, bit_index(r, first), n, false);
    for (pb_frame frame = first + n; frame-- > first;) {
        pb_store32(&pb_frame_row(root, frame)->held.count, 0);
        if (!pb_debug_released(root, frame)) {
            list_push(root, frame);
        }
    }
}

/* The last references to a run are gone.  All of its rows are like the first one. */
static inline void
release_run(pb_pool *root, pb_frame first, uint32_t n, const pb_row *row)
{
    pb_region *r = region_of(root, first);
    discharge(pool_charged(root, row), n, row->held.kind == PB_KIND_NODE);
    if (PB_UNLIKELY(root->traced)) {
        pb_debug_tell(root, first, n, false);
    }
    if (PB_UNLIKELY(is_special(root))) {
        free_special(root, r, first, n);
    }
    else {
        list_push_run(root, r, first, n);
    }
    if (PB_UNLIKELY(pb_pool_warm(root) >= root->keep + PB_BATCH &&
                    root->keep < PB_UNLIMITED)) {
        pb_give_back_locked(root);
    }
}

PB_NOINLINE static void
unref_tail(pb_pool *root, pb_frame frame);

/* No entry names the zone any more: its numbers are free, and its owner is to be told. */
static void
end_zone(pb_pool *root, pb_zone *z)
{
    uint32_t chunk = (z->first - PB_ZONE_FIRST) >> PB_ZONE_CHUNK_BITS;
    for (uint32_t i = 0; i <= z->count >> PB_ZONE_CHUNK_BITS; i++) {
        root->zones[chunk + i] = NULL;
    }
    root->zone_chunk = chunk < root->zone_chunk ? chunk : root->zone_chunk;
    pb_store32(&root->fetched, root->fetched - (z->here != NULL));
    *(z->prev ? &z->prev->next : &root->open_zones) = z->next;
    if (z->next) {
        z->next->prev = z->prev;
    }
    z->next = root->ended_zones;
    root->ended_zones = z;
    pb_set_bits8(&root->pending, PB_PENDING_ZONE);
    if (z->tail) {
        unref_tail(root, z->tail);
    }
}

/* The last entry that named a frame of a counted zone is gone (I13).  Whoever has the bytes is told at once of
 * one in memory, and of others when they are many. */
static void
give_up(pb_pool *root, pb_zone *z, uint32_t i)
{
    bool here = pb_load64(&z->here[i >> 6]) >> (i & 63) & 1;
    pb_store32(&z->given_up, z->given_up + 1);
    if (z->given_up == pb_zone_many(z) || here) {
        z->told = true;
        pb_store8(&root->told, 1);
        pb_set_bits8(&root->pending, PB_PENDING_ZONE);
    }
}

/* Drop a reference to a frame of a zone (I12).  false: there is none. */
static bool
unref_zone(pb_pool *root, pb_frame frame)
{
    pb_zone *z = pb_zone_of(root, frame);
    if (z == NULL || z->entries == 0) {
        return false;
    }
    if (PB_UNLIKELY(z->named != NULL)) {
        uint32_t *named = &z->named[frame - z->first];
        pb_store32(named, *named - 1);
        if (*named == 0) {
            give_up(root, z, frame - z->first);
        }
    }
    if (--z->entries == 0) {
        end_zone(root, z);
    }
    return true;
}

/* Drop a reference to a frame of a zone, or note that somebody dropped one that does not exist. */
PB_NOINLINE static void
found_undroppable(pb_pool *root, pb_frame frame)
{
    if (unref_zone(root, frame)) {
        return;
    }
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
        release_run(root, frame, 1, row);
    }
    else { /* I7: it lives on with its view */
        pb_region *r = region_of(root, frame);
        set_resident(r, bit_index(r, frame), 1, false);
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

/* Apart from the others, so that the compiler may inline those. */
static void
unref_tail(pb_pool *root, pb_frame frame)
{
    unref_locked(root, frame);
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

/* Add references to a frame, if a zone has it. */
PB_NOINLINE static void
ref_zone(pb_pool *root, pb_frame frame, uint64_t n)
{
    pb_zone *z = pb_zone_of(root, frame);
    if (z) {
        z->entries += n;
        if (z->named) { /* no huge entry names it */
            uint32_t *named = &z->named[frame - z->first];
            pb_store32(named, *named + (uint32_t)n);
        }
    }
}

void
pb_frame_spill_locked(pb_pool *root, pb_frame frame, pb_frame to)
{
    ref_zone(root, to, 1);
    unref_locked(root, frame);
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
        else if (PB_UNLIKELY(row == NULL && frame)) {
            ref_zone(root, (pb_frame)frame, 1);
        }
    }
    pb_lock_drop(&root->lock);
}

/* How many of the n entries before `end` name a run that nobody else holds, of frames with rows like
 * that of the last one?  0: others hold that, or a live view shows it. */
static uint32_t
run_before(const near_rows *near, const pb_entry *end, uint32_t n, uint64_t frame)
{
    const pb_row *row = near->rows + frame;
    uint32_t most = (uint32_t)pb_min(n, frame - near->first + 1), i = 1;
    if (row->held.count != 1 || row->held.pins) {
        return 0;
    }
    while (i < most && pb_entry_number(pb_entry_load(end - 1 - i)) == frame - i &&
           memcmp(row - i, row, sizeof *row) == 0) {
        i++;
    }
    return i;
}

/* Drop the last reference to what the last of n entries names, and to the run that it ends.  Returns
 * how many entries that were. */
PB_NOINLINE static uint32_t
release_last(pb_pool *root, const near_rows *near, const pb_entry *entries, uint32_t n,
             uint64_t frame)
{
    pb_row *row = near->rows + frame;
    uint32_t run = run_before(near, entries + n, n, frame);
    if (run) {
        release_run(root, (pb_frame)frame + 1 - run, run, row + 1 - run);
        return run;
    }
    unref_row(root, (pb_frame)frame, row);
    return 1;
}

/* The same for any reference.  Nodes that several trees shared name frames with more than one. */
static inline uint32_t
unref_last(pb_pool *root, near_rows *near, const pb_entry *entries, uint32_t n)
{
    uint64_t frame = pb_entry_number(pb_entry_load(&entries[n - 1]));
    pb_row *row = row_near(near, root, frame);
    if (PB_UNLIKELY(row == NULL)) {
        found_undroppable(root, (pb_frame)frame);
    }
    else if (is_one_of_some(row->held.count)) {
        pb_store32(&row->held.count, row->held.count - 1);
    }
    else {
        return release_last(root, near, entries, n, frame);
    }
    return 1;
}

void
pb_zone_ref(pb_pool *pool, pb_frame frame, uint64_t n)
{
    pb_lock_take(&pool->root->lock);
    ref_zone(pool->root, frame, n);
    pb_lock_drop(&pool->root->lock);
}

void
pb_entries_unref(pb_pool *pool, const pb_entry *entries, uint32_t n)
{
    pb_pool *root = pool->root;
    near_rows near = {0};
    pb_lock_take(&root->lock);
    while (n) {
        n = PB_LIKELY(entries[n - 1] != PB_HOLE) ? n - unref_last(root, &near, entries, n)
                                                 : pb_live_entries(entries, n - 1);
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
        release_run(root, frame, 1, row);
    }
    pb_lock_drop(&root->lock);
}
