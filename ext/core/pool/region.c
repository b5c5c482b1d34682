/* pool/region.c: the life of a pool: its regions, their tables, the trees that draw from it. */
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
    pb_lock_init(&pool->fault_lock);
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
        /* whoever mapped the memory may use it for something else */
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
    return (size_t)frames * sizeof(pb_row) + 3 * map_words(frames) * sizeof(uint64_t);
}

/* Bytes that lay_tables puts behind the maps. */
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

/* The slot for a region of this many frames.  Regions get larger, so numbers may be
 * skipped. */
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
    pb_lock_take(&pool->root->lock);
    unsigned k = slot_for(pool->root, 0);
    pb_lock_drop(&pool->root->lock);
    return k < PB_REGION_SLOTS - 1 ? slot_span(k) : 0;
}

/* The tables of a region lie one behind the other in its companion. */
static void
lay_tables(pb_region *r, void *table, bool traced, bool zero)
{
    size_t words = map_words(r->count);
    r->table = table;
    r->free_map = (uint64_t *)(r->table + r->count);
    r->zero_map = r->free_map + words;
    r->resident_map = r->zero_map + words;
    if (traced) {
        r->trace = (pb_trace *)(r->resident_map + words);
        r->guard = (uint8_t *)(r->trace + r->count);
    }
    if (!zero) { /* fresh memory from the system stays untouched until its frames are used */
        memset(table, 0, traced ? traced_bytes(r->count) : pb_pool_table_bytes(r->count));
    }
}

/* Enter the addresses of region k in the root and in every child. */
static void
publish(pb_pool *pool, unsigned k)
{
    const pb_region *r = &pool->root->region[k];
    for (unsigned bits = r->first ? k + 1 : 0; bits <= k + 1; bits++) {
        pool->addr[bits] = (uintptr_t)r->base - ((uintptr_t)r->first << PB_PAGE_SHIFT);
        pool->rows[bits] = (uintptr_t)r->table - (uintptr_t)r->first * sizeof(pb_row);
        pool->resident[bits] =
            (uintptr_t)r->resident_map - r->first / 64 * sizeof(uint64_t);
        pool->past[bits] = r->first + r->count;
    }
}

/* A region in slot k, all of it untouched. */
static pb_region *
begin_region(pb_pool *root, unsigned k, void *base, void *table, uint32_t frames,
             bool traced, bool zero)
{
    pb_region *r = &root->region[k];
    r->pool = root;
    r->first = k < PB_REGION0_BITS ? 0 : (pb_frame)1 << k;
    r->base = base;
    r->count = frames;
    r->lo = r->first == 0 ? 1 : r->first; /* frame 0 is never handed out */
    r->hi = r->first + frames;
    r->advised = r->lo;
    r->fresh_zero = zero;
    lay_tables(r, table, traced, zero);
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
    pb_lock_take(&root->lock); /* whose run ends before the region reads its first row */
    unsigned k = slot_for(root, frames);
    if (frames < 2 || k >= PB_REGION_SLOTS - 1) {
        pb_lock_drop(&root->lock);
        return PB_RANGE;
    }
    pb_region *r = begin_region(root, k, base, table, frames, root->debug != 0, fresh_zero);
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
    pb_lock_take(&root->lock);
    unsigned k = slot_for(root, PB_SAMPLE_FRAMES);
    pb_region *r = begin_region(root, k, base, table, PB_SAMPLE_FRAMES, true, false);
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

/* ---- the trees that draw from it ---- */

void
pb_pool_link(pb_pool *pool, pb_member *tree)
{
    pb_pool *root = pool->root;
    if (root->link_hook) {
        root->link_hook(tree);
    }
    pb_lock_take(&root->lock);
    tree->prev = NULL;
    tree->next = root->members;
    if (tree->next) {
        tree->next->prev = tree;
    }
    root->members = tree;
    pb_lock_drop(&root->lock);
}

void
pb_pool_unlink(pb_pool *pool, pb_member *tree)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    if (tree->next) {
        tree->next->prev = tree->prev;
    }
    if (tree->prev) {
        tree->prev->next = tree->next;
    }
    else {
        root->members = tree->next;
    }
    pb_lock_drop(&root->lock);
}

/* ---- looking in ---- */

size_t
pb_pool_numbers(const pb_pool *pool)
{
    const pb_region *r = &pool->root->region[pool->root->newest];
    return pool->root->regions ? (size_t)r->first + r->count : 1;
}

/* Counts the rows of frames that were ever handed out, and the maps. */
uint64_t
pb_pool_tables(const pb_pool *pool)
{
    uint64_t bytes = 0;
    EACH_REGION(pool->root, r)
    {
        uint64_t used = r->count - (r->hi - r->lo);
        bytes += used * sizeof(pb_row) +
                 (pb_pool_table_bytes(r->count) - r->count * sizeof(pb_row));
        bytes += r->trace ? used * (sizeof *r->trace + 1) : 0;
    }
    return bytes;
}

uint64_t
pb_pool_shared(const pb_pool *pool)
{
    uint64_t shared = 0;
    EACH_REGION(pool->root, r)
    {
        for (uint32_t i = 0; i < r->count; i++) {
            const pb_row *row = r->table + i;
            bool more = has_holder(r, i) && row->held.count > 1;
            shared += more && pb_pool_within(pool_charged(pool->root, row), pool);
        }
    }
    return shared;
}
