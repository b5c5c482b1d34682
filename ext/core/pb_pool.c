/* pb_pool.c: where frames come from and where they go. */
#include "pb_pool.h"
#include "pb_advise.h"
#include "pb_asan.h"

/* How far a single-frame request may step back from the warmest free frame, so that
 * sequential growth in a fragmented pool still gets neighbours. */
#define RUN_BACK 15

/* ---- bits of the maps ---- */

static inline uint32_t
bit_index(const pb_region *r, pb_frame frame)
{
    return frame - r->first;
}

static inline bool
bit_get(const uint64_t *map, uint32_t i)
{
    return (map[i >> 6] >> (i & 63)) & 1;
}

static inline void
bit_set(uint64_t *map, uint32_t i)
{
    map[i >> 6] |= (uint64_t)1 << (i & 63);
}

static inline void
bit_clear(uint64_t *map, uint32_t i)
{
    map[i >> 6] &= ~((uint64_t)1 << (i & 63));
}

/* Length of the stretch of 1 bits (or 0 bits, with flip = ~0) that starts at i; at
 * most `most`. */
static uint32_t
bits_ahead(const uint64_t *map, uint32_t i, uint32_t most, uint64_t flip)
{
    uint32_t n = 0;
    while (n < most) {
        uint64_t rest = ~(map[(i + n) >> 6] ^ flip) >> ((i + n) & 63);
        uint32_t left = 64 - ((i + n) & 63);
        uint32_t step = rest ? pb_lowest_bit(rest) : left;
        n += step < left ? step : left;
        if (step < left) {
            break;
        }
    }
    return n < most ? n : most;
}

/* ---- life ---- */

void
pb_pool_init(pb_pool *pool, uint64_t limit)
{
    memset(pool, 0, sizeof *pool);
    pool->limit = limit;
    pb_lock_init(&pool->lock);
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

static inline uint32_t
slot_span(unsigned k)
{
    return k < PB_REGION0_BITS ? PB_REGION0_FRAMES : (uint32_t)1 << k;
}

/* The slot of a region of so many frames: regions get larger, numbers may be skipped. */
static unsigned
slot_for(const pb_pool *pool, uint32_t frames)
{
    unsigned k = pool->regions == 0 ? PB_REGION0_BITS - 1 : pool->newest + 1;
    while (k < PB_REGION_SLOTS && slot_span(k) < frames) {
        k++;
    }
    return k;
}

uint32_t
pb_pool_next_region(const pb_pool *pool)
{
    unsigned k = slot_for(pool, 0);
    return k < PB_REGION_SLOTS ? slot_span(k) : 0;
}

pb_status
pb_pool_add_region(pb_pool *pool, void *base, void *table, uint32_t frames, bool fresh_zero,
                   bool discard_zeroes)
{
    unsigned k = slot_for(pool, frames);
    if (frames < 2 || k >= PB_REGION_SLOTS) {
        return PB_RANGE;
    }
    pb_region *r = &pool->region[k];
    pb_lock_take(&pool->lock); /* a run that ends before this region looks into it */
    r->first = k < PB_REGION0_BITS ? 0 : (pb_frame)1 << k;
    r->base = base;
    r->table = table;
    r->free_map = (uint64_t *)(r->table + frames);
    r->zero_map = r->free_map + map_words(frames);
    memset(r->free_map, 0, 2 * map_words(frames) * sizeof(uint64_t));
    r->count = frames;
    r->lo = r->first == 0 ? 1 : r->first; /* frame 0 is never handed out */
    r->hi = r->first + frames;
    r->advised = r->lo;
    r->fresh_zero = fresh_zero;
    r->discard_zeroes = discard_zeroes;
    pool->addr[k] = (uintptr_t)base - ((uintptr_t)r->first << PB_PAGE_SHIFT);
    pool->rows[k] = (uintptr_t)table - (uintptr_t)r->first * sizeof(pb_row);
    pool->virgin += r->hi - r->lo;
    pool->total += r->hi - r->lo;
    pool->table_bytes += pb_pool_table_bytes(frames);
    pool->regions++;
    pool->newest = k;
    pb_asan_poison(base, (size_t)frames << PB_PAGE_SHIFT);
    pb_lock_drop(&pool->lock);
    return PB_OK;
}

void
pb_pool_leave_regions(const pb_pool *pool)
{
    for (unsigned k = 0; k < PB_REGION_SLOTS; k++) {
        const pb_region *r = &pool->region[k];
        pb_asan_unpoison(r->base, (size_t)r->count << PB_PAGE_SHIFT);
    }
}

/* ---- promises ---- */

static pb_status
promise_locked(pb_pool *pool, uint64_t n)
{
    uint64_t spoken = pool->promised + n;
    pool->asked = n;
    if (spoken < n || pool->held + spoken > pool->limit) {
        return PB_LIMIT;
    }
    if (pool->listed + pool->virgin < spoken) {
        pool->short_by = spoken - pool->listed - pool->virgin;
        return PB_NEED_PAGES;
    }
    pool->promised = spoken;
    return PB_OK;
}

pb_status
pb_pool_promise(pb_pool *pool, uint64_t n)
{
    pb_lock_take(&pool->lock);
    pb_status st = promise_locked(pool, n);
    pb_lock_drop(&pool->lock);
    return st;
}

void
pb_pool_unpromise(pb_pool *pool, uint64_t n)
{
    pb_lock_take(&pool->lock);
    pool->promised -= n;
    pb_lock_drop(&pool->lock);
}

#if PB_LOCKS
_Thread_local uint64_t pb_taken_here;
#endif

static inline void
note_taken(pb_pool *pool, uint32_t n)
{
#if PB_LOCKS
    (void)pool;
    pb_taken_here += n;
#else
    pool->taken += n;
#endif
}

/* ---- the free list: most recently freed first ---- */

static void
list_push(pb_pool *pool, pb_frame frame)
{
    pb_region *r = &pool->region[pb_region_of(frame)];
    pb_row *row = pb_frame_row(pool, frame);
    row->free.next = pool->free_head;
    row->free.prev = 0;
    if (pool->free_head) {
        pb_frame_row(pool, pool->free_head)->free.prev = frame;
    }
    pool->free_head = frame;
    pool->listed++;
    bit_set(r->free_map, bit_index(r, frame));
    pb_asan_poison(pb_frame_address(pool, frame), PB_PAGE_SIZE);
}

static void
list_remove(pb_pool *pool, pb_row *row)
{
    pb_frame next = row->free.next, prev = row->free.prev;
    if (prev) {
        pb_frame_row(pool, prev)->free.next = next;
    }
    else {
        pool->free_head = next;
    }
    if (next) {
        pb_frame_row(pool, next)->free.prev = prev;
    }
    pool->listed--;
}

/* ---- handing out ---- */

static inline void
row_start(pb_row *row, pb_kind kind)
{
    row->held.count = 1;
    row->held.kind = (uint8_t)kind;
    row->held.flags = 0;
    row->held.pins = 0;
}

static void
count_taken(pb_pool *pool, uint32_t n)
{
    pool->promised -= n;
    note_taken(pool, n);
    pool->held += n;
    if (pool->held > pool->high_water) {
        pool->high_water = pool->held;
    }
}

/* Take n listed frames from `first` on.  Returns whether all are known zeros. */
static bool
take_listed(pb_pool *pool, pb_frame first, uint32_t n, pb_kind kind)
{
    pb_region *r = &pool->region[pb_region_of(first)];
    bool zero = true;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bit = bit_index(r, first + i);
        pb_row *row = r->table + bit;
        list_remove(pool, row);
        row_start(row, kind);
        zero &= bit_get(r->zero_map, bit);
        bit_clear(r->free_map, bit);
        bit_clear(r->zero_map, bit);
    }
    pb_asan_unpoison(pb_frame_address(pool, first), (size_t)n << PB_PAGE_SHIFT);
    count_taken(pool, n);
    return zero;
}

static bool
take_virgin_low(pb_pool *pool, pb_region *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        row_start(r->table + bit_index(r, r->lo) + i, PB_KIND_DATA);
    }
    pb_asan_unpoison(pb_frame_address(pool, r->lo), (size_t)n << PB_PAGE_SHIFT);
    r->lo += n;
    pool->virgin -= n;
    count_taken(pool, n);
    pb_advise_dense(r, pool->held);
    return r->fresh_zero;
}

static pb_region *
virgin_region(pb_pool *pool)
{
    pb_region *r = &pool->region[pool->newest];
    for (unsigned k = PB_REGION0_BITS - 1; r->lo == r->hi; k++) {
        r = &pool->region[k];
    }
    return r;
}

/* Where a run that cannot follow its hint starts: a little before the warmest frame,
 * as far as `want` or RUN_BACK frames reach back over free ones. */
static pb_frame
warm_start(const pb_pool *pool, uint32_t want)
{
    const pb_region *r = &pool->region[pb_region_of(pool->free_head)];
    uint32_t i = bit_index(r, pool->free_head);
    uint32_t back = want > RUN_BACK ? want - 1 : RUN_BACK;
    while (back-- && i && bit_get(r->free_map, i - 1)) {
        i--;
    }
    return r->first + i;
}

static pb_frame
take_run_locked(pb_pool *pool, pb_frame after, uint32_t want, uint32_t *got, bool *zero)
{
    pb_frame first = after + 1;
    pb_region *r = &pool->region[pb_region_of(first)];
    uint32_t bit = bit_index(r, first);
    bool inside = after && bit < r->count;
    /* 1. the neighbour, freed before;  2. the neighbour, never used */
    bool listed = inside && bit_get(r->free_map, bit);
    bool bump = inside && !listed && first == r->lo && r->lo < r->hi;
    if (!listed && !bump && pool->free_head) { /* 3. the warmest, or a run around it */
        first = after ? warm_start(pool, want) : pool->free_head;
        r = &pool->region[pb_region_of(first)];
        bit = bit_index(r, first);
        listed = true;
    }
    if (listed) {
        uint32_t most = want < r->count - bit ? want : r->count - bit;
        *got = bits_ahead(r->free_map, bit, most, 0);
        *zero = take_listed(pool, first, *got, PB_KIND_DATA);
        return first;
    }
    if (!bump) { /* 4. fresh ground */
        r = virgin_region(pool);
    }
    first = r->lo;
    *got = want < r->hi - r->lo ? want : r->hi - r->lo;
    *zero = take_virgin_low(pool, r, *got);
    return first;
}

pb_frame
pb_pool_take_run(pb_pool *pool, pb_frame after, uint32_t want, uint32_t *got, bool *zero)
{
    pb_lock_take(&pool->lock);
    pb_frame first = take_run_locked(pool, after, want, got, zero);
    pb_lock_drop(&pool->lock);
    return first;
}

pb_frame
pb_pool_take_one(pb_pool *pool, pb_frame after, bool *zero)
{
    uint32_t got;
    pb_frame frame = 0;
    pb_lock_take(&pool->lock);
    if (promise_locked(pool, 1) == PB_OK) {
        frame = take_run_locked(pool, after, 1, &got, zero);
    }
    pb_lock_drop(&pool->lock);
    return frame;
}

pb_frame
pb_pool_take_node(pb_pool *pool, bool *zero)
{
    pb_frame frame;
    pb_lock_take(&pool->lock);
    if (pool->free_head) {
        frame = pool->free_head;
        *zero = take_listed(pool, frame, 1, PB_KIND_NODE);
    }
    else {
        pb_region *r = virgin_region(pool);
        frame = --r->hi;
        row_start(r->table + bit_index(r, frame), PB_KIND_NODE);
        pb_asan_unpoison(pb_frame_address(pool, frame), PB_PAGE_SIZE);
        pool->virgin--;
        count_taken(pool, 1);
        *zero = r->fresh_zero;
    }
    pool->nodes++;
    pb_lock_drop(&pool->lock);
    return frame;
}

/* The first stretch of n free frames on the list of region r; 0 when there is none. */
static pb_frame
find_listed(const pb_region *r, uint32_t n)
{
    uint32_t i = 0;
    while (i < r->count) {
        i += bits_ahead(r->free_map, i, r->count - i, ~(uint64_t)0);
        uint32_t run = i < r->count ? bits_ahead(r->free_map, i, r->count - i, 0) : 0;
        if (run >= n) {
            return r->first + i;
        }
        i += run;
    }
    return 0;
}

/* The stretch around the most recently freed frame when it has n; else 0.  Who asks for a
 * run again and again finds the one it gave back, without a search. */
static pb_frame
find_warm(const pb_pool *pool, uint32_t n)
{
    if (pool->free_head == 0) {
        return 0;
    }
    pb_frame first = warm_start(pool, n);
    const pb_region *r = &pool->region[pb_region_of(first)];
    uint32_t bit = bit_index(r, first);
    return n <= r->count - bit && bits_ahead(r->free_map, bit, n, 0) == n ? first : 0;
}

static pb_frame
take_exact_locked(pb_pool *pool, uint32_t n)
{
    pb_frame warm = find_warm(pool, n);
    if (warm) {
        take_listed(pool, warm, n, PB_KIND_DATA);
        return warm;
    }
    for (unsigned k = PB_REGION0_BITS - 1; k <= pool->newest; k++) {
        pb_region *r = &pool->region[k];
        pb_frame first = pool->listed >= n ? find_listed(r, n) : 0;
        if (first) {
            take_listed(pool, first, n, PB_KIND_DATA);
            return first;
        }
        if (r->hi - r->lo >= n) {
            first = r->lo;
            take_virgin_low(pool, r, n);
            return first;
        }
    }
    return 0;
}

pb_frame
pb_pool_take_exact(pb_pool *pool, uint32_t n)
{
    pb_lock_take(&pool->lock);
    pb_frame first = take_exact_locked(pool, n);
    pb_lock_drop(&pool->lock);
    return first;
}

/* ---- giving back ---- */

static void
fault(pb_pool *pool, const char *why, pb_frame frame)
{
    if (pool->fault.why == NULL) {
        pool->fault = (pb_fault){.why = why, .frame = frame};
    }
}

static void
release_locked(pb_pool *pool, pb_frame frame, pb_row *row)
{
    if (row->held.kind == PB_KIND_NODE) {
        pool->nodes--;
    }
    pool->held--;
    list_push(pool, frame);
}

static void
unref_locked(pb_pool *pool, pb_frame frame)
{
    pb_row *row = pb_frame_row(pool, frame);
    if (PB_UNLIKELY(pb_frame_is_free(pool, frame))) {
        fault(pool, "I1: frame freed twice", frame);
    }
    else if (PB_UNLIKELY(row->held.count == 0)) {
        fault(pool, "I1: reference count underflow", frame);
    }
    else if (row->held.count != PB_COUNT_MAX) {
        pb_store32(&row->held.count, row->held.count - 1);
        if (row->held.count == 0) {
            if (row->held.pins == 0) {
                release_locked(pool, frame, row);
            }
            else { /* I7: lives on with its view */
                row->held.kind = PB_KIND_DETACHED;
                pool->detached++;
            }
        }
    }
}

void
pb_frame_unref(pb_pool *pool, pb_frame frame)
{
    pb_lock_take(&pool->lock);
    unref_locked(pool, frame);
    pb_lock_drop(&pool->lock);
}

bool
pb_frame_unref_shared(pb_pool *pool, pb_frame frame)
{
    pb_lock_take(&pool->lock);
    bool shared = pb_frame_count(pool, frame) > 1;
    if (shared) {
        unref_locked(pool, frame);
    }
    pb_lock_drop(&pool->lock);
    return shared;
}

/* A number of pins that got to its highest value stays there, as a count does: the frame
 * is never freed. */
void
pb_frame_pin(pb_pool *pool, pb_frame frame)
{
    pb_lock_take(&pool->lock);
    pb_row *row = pb_frame_row(pool, frame);
    row->held.pins += row->held.pins != UINT16_MAX;
    pb_lock_drop(&pool->lock);
}

void
pb_frame_unpin(pb_pool *pool, pb_frame frame)
{
    pb_lock_take(&pool->lock);
    pb_row *row = pb_frame_row(pool, frame);
    if (PB_UNLIKELY(row->held.pins == 0)) {
        fault(pool, "I1: more pins taken off a frame than it had", frame);
    }
    else if (row->held.pins != UINT16_MAX && --row->held.pins == 0 &&
             row->held.kind == PB_KIND_DETACHED) {
        pool->detached--;
        release_locked(pool, frame, row);
    }
    pb_lock_drop(&pool->lock);
}

/* Discard the free frames [i, i + n) of a region that are not known zeros. */
static uint64_t
trim_stretch(pb_region *r, uint32_t i, uint32_t n)
{
    uint32_t from = i, to = i + n;
    uint64_t bytes = pb_advise_discard(r, &from, &to);
    for (uint32_t j = from; bytes && r->discard_zeroes && j < to; j++) {
        bit_set(r->zero_map, j);
    }
    return bytes;
}

static uint64_t
trim_region(pb_region *r)
{
    uint64_t bytes = 0;
    uint32_t i = 0;
    while (i < r->count) {
        i += bits_ahead(r->free_map, i, r->count - i, ~(uint64_t)0);
        uint32_t run = i < r->count ? bits_ahead(r->free_map, i, r->count - i, 0) : 0;
        if (run && bits_ahead(r->zero_map, i, run, 0) < run) {
            bytes += trim_stretch(r, i, run);
        }
        i += run;
    }
    return bytes;
}

uint64_t
pb_pool_trim(pb_pool *pool)
{
    uint64_t bytes = 0;
    pb_lock_take(&pool->lock);
    for (unsigned k = PB_REGION0_BITS - 1; pool->regions && k <= pool->newest; k++) {
        bytes += trim_region(&pool->region[k]);
    }
    pb_lock_drop(&pool->lock);
    return bytes;
}

/* ---- looking in ---- */

bool
pb_frame_valid(const pb_pool *pool, pb_frame frame)
{
    const pb_region *r = &pool->region[pb_region_of(frame)];
    return frame != 0 && r->base != NULL && frame - r->first < r->count;
}

bool
pb_frame_is_free(const pb_pool *pool, pb_frame frame)
{
    const pb_region *r = &pool->region[pb_region_of(frame)];
    return (frame >= r->lo && frame < r->hi) || bit_get(r->free_map, bit_index(r, frame));
}

uint64_t
pb_pool_shared(const pb_pool *pool)
{
    uint64_t shared = 0;
    for (unsigned k = PB_REGION0_BITS - 1; pool->regions && k <= pool->newest; k++) {
        const pb_region *r = &pool->region[k];
        for (pb_frame f = r->first ? r->first : 1; f < r->first + r->count; f++) {
            shared += !pb_frame_is_free(pool, f) && pb_frame_count(pool, f) > 1;
        }
    }
    return shared;
}
