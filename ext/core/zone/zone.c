/* zone/zone.c: numbers for memory of somebody else. */
#include "zone/zone.h"

bool
pb_pool_offer_zones(pb_pool *root, pb_zone **table)
{
    pb_lock_take(&root->lock);
    bool taken = root->zones == NULL;
    root->zones = taken ? table : root->zones;
    pb_lock_drop(&root->lock);
    return taken;
}

/* ---- numbers ---- */

/* How many chunks from `chunk` on are free: up to n. */
static uint32_t
free_chunks(const pb_pool *root, uint32_t chunk, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && root->zones[chunk + i] == NULL) {
        i++;
    }
    return i;
}

/* The first of n free chunks that follow one another; PB_ZONE_CHUNKS: there are none. */
static uint32_t
find_chunks(pb_pool *root, uint32_t n)
{
    uint32_t chunk = root->zone_chunk;
    while (chunk < PB_ZONE_CHUNKS && root->zones[chunk]) {
        chunk++;
    }
    root->zone_chunk = chunk;
    while (n <= PB_ZONE_CHUNKS - chunk) {
        uint32_t there = free_chunks(root, chunk, n);
        if (there == n) {
            return chunk;
        }
        chunk += there + 1;
    }
    return PB_ZONE_CHUNKS;
}

static void
enter(pb_pool *root, pb_zone *zone)
{
    zone->prev = NULL;
    zone->next = root->open_zones;
    if (zone->next) {
        zone->next->prev = zone;
    }
    root->open_zones = zone;
}

pb_status
pb_zone_open(pb_pool *pool, pb_zone *zone, const void *base, uint64_t count)
{
    pb_pool *root = pool->root;
    uint64_t chunks = (count >> PB_ZONE_CHUNK_BITS) + 1; /* the last frame stays free */
    pb_lock_take(&root->lock);
    uint32_t chunk =
        chunks > PB_ZONE_CHUNKS ? PB_ZONE_CHUNKS : find_chunks(root, (uint32_t)chunks);
    if (chunk != PB_ZONE_CHUNKS) {
        pb_frame first = PB_ZONE_FIRST + ((pb_frame)chunk << PB_ZONE_CHUNK_BITS);
        *zone = (pb_zone){.base = base, .first = first, .count = (uint32_t)count};
        for (uint32_t i = 0; i < chunks; i++) {
            root->zones[chunk + i] = zone;
        }
        enter(root, zone);
    }
    pb_lock_drop(&root->lock);
    return chunk == PB_ZONE_CHUNKS ? PB_RANGE : PB_OK;
}

void
pb_zone_cancel(pb_pool *pool, pb_zone *zone)
{
    pb_zone_ref(pool, zone->first, 1);
    pb_frame_unref(pool, zone->first);
}

pb_zone *
pb_zone_take_ended(pb_pool *pool)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    pb_zone *ended = root->ended_zones;
    root->ended_zones = NULL;
    pb_clear_bits8(&root->pending, PB_PENDING_ZONE);
    pb_lock_drop(&root->lock);
    return ended;
}

/* ---- frames that may be absent (I14) ---- */

void
pb_zone_make_absent(pb_pool *pool, pb_zone *zone, uint64_t *here)
{
    pb_lock_take(&pool->root->lock);
    zone->here = here;
    pb_store32(&pool->root->fetched, pool->root->fetched + 1);
    pb_lock_drop(&pool->root->lock);
}

void
pb_zone_count_names(pb_pool *pool, pb_zone *zone, uint32_t *named,
                    bool (*read)(const pb_zone *z, uint64_t at, uint64_t n, void *dst))
{
    pb_lock_take(&pool->root->lock);
    zone->named = named;
    zone->read = read;
    pb_lock_drop(&pool->root->lock);
}

static inline bool
is_here(const pb_zone *z, uint64_t i)
{
    return pb_load64(&z->here[i >> 6]) >> (i & 63) & 1;
}

uint64_t
pb_zone_alike(const pb_zone *zone, pb_frame frame, uint64_t n, bool *here)
{
    uint64_t first = frame - zone->first, i = 1;
    *here = zone->here == NULL || is_here(zone, first);
    if (zone->here == NULL) {
        return n;
    }
    const uint64_t full = *here ? ~(uint64_t)0 : 0;
    while (i < n) {
        uint64_t at = first + i;
        if ((at & 63) == 0 && n - i >= 64 && pb_load64(&zone->here[at >> 6]) == full) {
            i += 64;
        }
        else if (is_here(zone, at) == *here) {
            i++;
        }
        else {
            break;
        }
    }
    return i;
}

bool
pb_zone_reads(const pb_pool *pool, pb_frame frame, uint64_t n)
{
    bool here = false;
    const pb_zone *z = pb_zone_of(pool, frame);
    return z && n <= z->count - (frame - z->first) &&
           pb_zone_alike(z, frame, n, &here) == n && here;
}

void
pb_zone_set_here(pb_zone *zone, uint64_t page, uint64_t n, bool here)
{
    for (uint64_t i = page; i < page + n; i++) {
        uint64_t bit = (uint64_t)1 << (i & 63), word = pb_load64(&zone->here[i >> 6]);
        pb_store64(&zone->here[i >> 6], here ? word | bit : word & ~bit);
    }
}

/* Of one call so many pages are noted at most: more could be more than may be in memory. */
#define NOTED_MOST ((uint64_t)1 << (22 - PB_PAGE_SHIFT))

static uint64_t
noted(const pb_refusal *r)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->absents; i++) {
        n += r->absent[i].count;
    }
    return n;
}

static void
note(pb_pool *root, pb_frame frame, uint64_t n)
{
    pb_refusal *r = pb_refusal_of(root);
    if (r->absents == 0 || r->absent_in != root) {
        r->absents = 0;
        r->absent_in = root;
        pb_lock_take(&root->fault_lock);
        root->absent++;
        pb_set_bits8(&root->pending, PB_PENDING_ABSENT);
        pb_lock_drop(&root->fault_lock);
    }
    n = pb_min(n, NOTED_MOST - noted(r));
    pb_frames *last = r->absents ? &r->absent[r->absents - 1] : NULL;
    if (last && frame >= last->first && frame <= last->first + last->count) {
        last->count = (uint32_t)pb_max(last->count, frame - last->first + n);
    }
    else if (n && r->absents < PB_ABSENT_RUNS) {
        r->absent[r->absents++] = (pb_frames){frame, (uint32_t)n};
    }
}

bool
pb_zone_note_absent(const pb_pool *pool, pb_frame frame, uint64_t n)
{
    const pb_zone *z = pb_zone_of(pool, frame);
    bool any = false, here;
    if (z == NULL || z->here == NULL || n > z->count - (frame - z->first)) {
        return false;
    }
    for (uint64_t alike; n; frame += (pb_frame)alike, n -= alike) {
        alike = pb_zone_alike(z, frame, n, &here);
        if (!here) {
            note(((pb_pool *)(uintptr_t)pool)->root, frame, alike);
            any = true;
        }
    }
    return any;
}

/* ---- frames ---- */

uint8_t *
pb_zone_address(const pb_pool *pool, pb_frame frame)
{
    const pb_zone *z = pb_zone_of(pool, frame);
    uint64_t at = z ? (uint64_t)(frame - z->first) << PB_PAGE_SHIFT : 0;
    return z ? (uint8_t *)(uintptr_t)z->base + at : NULL;
}

bool
pb_zone_has_entry(const pb_pool *pool, pb_entry e, unsigned h)
{
    const pb_entry mask = PB_ENTRY_ADDRESS | (((pb_entry)1 << PB_ENTRY_SHIFT) - 1);
    pb_frame frame = pb_entry_frame(e);
    return h <= PB_ENTRY_HEIGHT_MOST && h * PB_NODE_BITS < 31 &&
           (e & mask) == pb_entry_of_zone(frame, h) &&
           (h == 0 || !pb_frame_is_counted(pool, frame)) &&
           pb_zone_has(pool, frame, (uint64_t)1 << (h * PB_NODE_BITS));
}
