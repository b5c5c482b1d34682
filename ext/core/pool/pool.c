/* pool/pool.c: the life of a pool: regions, names of frames, what was found broken. */
#include "pool/poison.h"
#include "pool/guard.h"
#include "pool/internal.h"

/* ---- life ---- */

void
pb_pool_init(pb_pool *pool, uint64_t limit)
{
    memset(pool, 0, sizeof *pool);
    pool->root = pool;
    pool->limit = limit;
    pool->keep = pool->keep_most = UINT64_MAX;
    pool->watch = 1;
    pb_lock_init(&pool->lock);
}

void
pb_pool_set_debug(pb_pool *pool, unsigned level)
{
    pool->debug = (uint8_t)level;
    pool->most_mappings = PB_MOST_MAPPINGS;
}

void
pb_pool_fini(pb_pool *pool)
{
    EACH_REGION(pool, r)
    {
        /* whoever maps it may use the memory again */
        pb_guard_set(pool, r->first, r->count, PB_OPEN);
        pb_asan_unpoison(r->base, (size_t)r->count << PB_PAGE_SHIFT);
        if (pool->map) {
            pb_map_remove_region(pool->map, &r->extent);
        }
    }
}

static size_t
map_words(uint32_t frames)
{
    return ((size_t)frames + 63) / 64;
}

size_t
pb_pool_table_bytes(uint32_t frames)
{
    return (size_t)frames * sizeof(pb_row) + 2 * map_words(frames) * sizeof(uint64_t);
}

/* What lay_tables puts behind the maps. */
static size_t
traced_bytes(uint32_t frames)
{
    return pb_pool_table_bytes(frames) + frames * (sizeof(pb_trace) + 1);
}

size_t
pb_pool_companion_bytes(const pb_pool *pool, uint32_t frames)
{
    return pool->root->debug ? traced_bytes(frames) : pb_pool_table_bytes(frames);
}

size_t
pb_pool_sample_bytes(void)
{
    return traced_bytes(PB_SAMPLE_FRAMES);
}

static inline uint32_t
slot_span(unsigned k)
{
    return k < PB_REGION0_BITS ? PB_REGION0_FRAMES : (uint32_t)1 << k;
}

/* The slot of a region of so many frames: regions get larger, numbers may be skipped. */
static unsigned
slot_for(const pb_pool *root, uint32_t frames)
{
    unsigned k = root->regions == 0 ? PB_REGION0_BITS - 1 : root->newest + 1;
    while (k < PB_REGION_SLOTS - 1 && slot_span(k) < frames) {
        k++;
    }
    return k;
}

uint32_t
pb_pool_next_region(const pb_pool *pool)
{
    unsigned k = slot_for(pool->root, 0);
    return k < PB_REGION_SLOTS - 1 ? slot_span(k) : 0;
}

/* The tables of a region lie one behind the other in its companion. */
static void
lay_tables(pb_region *r, void *table, bool traced)
{
    size_t words = map_words(r->count);
    r->table = table;
    r->free_map = (uint64_t *)(r->table + r->count);
    r->zero_map = r->free_map + words;
    memset(r->free_map, 0, 2 * words * sizeof(uint64_t));
    if (traced) {
        r->trace = (pb_trace *)(r->zero_map + words);
        r->guard = (uint8_t *)(r->trace + r->count);
        memset(r->trace, 0, r->count * (sizeof *r->trace + 1));
        memset(r->table, 0, r->count * sizeof *r->table);
    }
}

/* Region k has these addresses, in the root and in every child. */
static void
publish(pb_pool *pool, unsigned k)
{
    const pb_region *r = &pool->root->region[k];
    for (unsigned bits = r->first ? k + 1 : 0; bits <= k + 1; bits++) {
        pool->addr[bits] = (uintptr_t)r->base - ((uintptr_t)r->first << PB_PAGE_SHIFT);
        pool->rows[bits] = (uintptr_t)r->table - (uintptr_t)r->first * sizeof(pb_row);
        pool->past[bits] = r->first + r->count;
    }
}

/* A region in slot k, all of it untouched. */
static pb_region *
begin_region(pb_pool *root, unsigned k, void *base, void *table, uint32_t frames,
             bool traced)
{
    pb_region *r = &root->region[k];
    r->pool = root;
    r->first = k < PB_REGION0_BITS ? 0 : (pb_frame)1 << k;
    r->base = base;
    r->count = frames;
    r->lo = r->first == 0 ? 1 : r->first; /* frame 0 is never handed out */
    r->hi = r->first + frames;
    r->advised = r->lo;
    lay_tables(r, table, traced);
    root->untouched += r->hi - r->lo;
    root->total += r->hi - r->lo;
    root->table_bytes += pb_pool_table_bytes(frames);
    root->regions++;
    root->newest = k;
    return r;
}

static void
end_region(pb_pool *root, pb_region *r, unsigned k)
{
    publish(root, k);
    for (unsigned i = 1; root->accounts && i < PB_MOST_POOLS; i++) {
        if (root->accounts[i]) {
            publish(root->accounts[i], k);
        }
    }
    if (root->map) {
        pb_map_add_region(root->map, &r->extent, r->base,
                          (size_t)r->count << PB_PAGE_SHIFT);
    }
    pb_guard_set(root, r->first, r->count, PB_CLOSED);
}

pb_status
pb_pool_add_region(pb_pool *pool, void *base, void *table, uint32_t frames, bool fresh_zero,
                   bool discard_zeroes)
{
    pb_pool *root = pool->root;
    unsigned k = slot_for(root, frames);
    if (frames < 2 || k >= PB_REGION_SLOTS - 1) {
        return PB_RANGE;
    }
    pb_lock_take(&root->lock); /* a run that ends before this region looks into it */
    pb_region *r = begin_region(root, k, base, table, frames, root->debug != 0);
    r->fresh_zero = fresh_zero;
    r->discard_zeroes = discard_zeroes;
    end_region(root, r, k);
    out_of_bounds(root, r->first, r->count);
    pb_lock_drop(&root->lock);
    return PB_OK;
}

/* Every second frame is a guard. */
void
pb_pool_add_sample(pb_pool *root, void *base, void *table, uint32_t every)
{
    unsigned k = slot_for(root, PB_SAMPLE_FRAMES);
    pb_lock_take(&root->lock);
    pb_region *r = begin_region(root, k, base, table, PB_SAMPLE_FRAMES, true);
    root->untouched -= r->hi - r->lo;
    r->lo = r->hi;
    r->sampled = true;
    for (uint32_t i = 0; i < r->count; i++) {
        if (i % 2) {
            quarantine_add(root, r->first + i);
        }
        else {
            r->table[i].held.kind = PB_KIND_GUARD;
            root->guards += r->first + i != 0;
        }
    }
    root->sample_every = root->sample_left = every;
    root->most_mappings = PB_MOST_MAPPINGS;
    end_region(root, r, k);
    pb_lock_drop(&root->lock);
}

/* ---- what was found broken ---- */

#if PB_LOCKS
_Thread_local pb_acting pb_acting_here;
#endif

pb_fault
pb_fault_at(const pb_pool *pool, const char *why, pb_frame frame,
            const struct pb_buf *owner, uint64_t offset)
{
    return (pb_fault){why, frame, owner, offset, pb_frame_trace(pool, frame), pool->root};
}

void
pb_pool_found(pb_pool *pool, const pb_fault *fault, bool stays)
{
    pb_pool *root = pool->root;
    if (stays && root->fault.why == NULL) {
        root->fault = *fault;
    }
    if (!(root->pending & PB_PENDING_FAULT)) { /* the first is the one that is told */
        root->found = *fault;
        root->pending |= PB_PENDING_FAULT;
    }
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
pb_pool_found_bad(pb_pool *pool, const struct pb_buf *owner, pb_frame frame,
                  uint64_t offset)
{
    pb_fault fault = pb_fault_at(pool, why_bad(pool, frame), frame, owner, offset);
    pb_pool_found(pool, &fault, true);
}

/* ---- looking in ---- */

size_t
pb_pool_numbers(const pb_pool *pool)
{
    const pb_region *r = &pool->root->region[pool->root->newest];
    return pool->root->regions ? (size_t)r->first + r->count : 1;
}

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

pb_trace
pb_frame_trace(const pb_pool *pool, pb_frame frame)
{
    const pb_region *r = &pool->root->region[pb_region_of(frame)];
    bool kept = pb_frame_valid(pool, frame) && r->trace;
    return kept ? r->trace[frame - r->first] : (pb_trace){0, 0};
}

uint64_t
pb_pool_shared(const pb_pool *pool)
{
    uint64_t shared = 0;
    EACH_REGION(pool->root, r)
    {
        for (uint32_t i = 0; i < r->count; i++) {
            const pb_row *row = r->table + i;
            bool more =
                !is_untouched(r, r->first + i) && !row->free.is_free && row->held.count > 1;
            shared += more && pb_pool_within(pool_charged(pool->root, row), pool);
        }
    }
    return shared;
}
