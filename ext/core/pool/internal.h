/* pool/internal.h: what the files behind pool/pool.h share: the maps, the free lists, the
 * accounts.  All of it runs under the lock of the root. */
#ifndef PB_POOL_INTERNAL_H
#define PB_POOL_INTERNAL_H

#include "base/asan.h"
#include "pool/pool.h"

/* ---- AddressSanitizer: debug pools look at their free frames themselves ---- */

static inline void
out_of_bounds(const pb_pool *root, pb_frame frame, uint32_t n)
{
    if (!root->debug) {
        pb_asan_poison(pb_frame_address(root, frame), (size_t)n << PB_PAGE_SHIFT);
    }
}

static inline void
within_bounds(const pb_pool *root, pb_frame frame, uint32_t n)
{
    if (!root->debug) {
        pb_asan_unpoison(pb_frame_address(root, frame), (size_t)n << PB_PAGE_SHIFT);
    }
}

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

/* The bits of one word that n > 0 bits from i on reach, and how many they are. */
static inline uint64_t
bits_in_word(uint32_t i, uint32_t n, uint32_t *some)
{
    uint32_t at = i & 63;
    *some = n <= 64 - at ? n : 64 - at;
    return ~(uint64_t)0 >> (64 - *some) << at;
}

static inline void
bits_set(uint64_t *map, uint32_t i, uint32_t n)
{
    for (uint32_t some; n; i += some, n -= some) {
        map[i >> 6] |= bits_in_word(i, n, &some);
    }
}

/* The frames of n > 0 bits of a region are named by entries from now on, or no longer.  Others look at
 * the map without the lock. */
static inline void
set_resident(pb_region *r, uint32_t i, uint32_t n, bool resident)
{
    uint32_t some;
    if (n == 1) { /* mostly */
        uint64_t *at = &r->resident_map[i >> 6], bit = (uint64_t)1 << (i & 63);
        pb_store64(at, resident ? *at | bit : *at & ~bit);
        return;
    }
    do {
        uint64_t *at = &r->resident_map[i >> 6], bits = bits_in_word(i, n, &some);
        pb_store64(at, resident ? *at | bits : *at & ~bits);
        i += some;
        n -= some;
    } while (n);
}

/* The frames of n > 0 bits of a region are on a list, so no entry names them. */
static inline void
set_free(pb_region *r, uint32_t i, uint32_t n)
{
    uint32_t some;
    do {
        uint64_t bits = bits_in_word(i, n, &some), *resident = &r->resident_map[i >> 6];
        r->free_map[i >> 6] |= bits;
        pb_store64(resident, *resident & ~bits);
        i += some;
        n -= some;
    } while (n);
}

/* Length of the stretch of 1 bits (or 0 bits, with flip = ~0) that starts at i; at
 * most `most`. */
static inline uint32_t
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

static inline pb_region *
region_of(pb_pool *root, pb_frame frame)
{
    return &root->region[pb_region_of(frame)];
}

/* Was the frame never handed out?  Then its row says nothing. */
static inline bool
is_untouched(const pb_region *r, pb_frame frame)
{
    return frame >= r->lo && frame < r->hi;
}

/* What a row says is of use only where its frame was ever handed out:
 *
 *    free     on a list: is_free, links; the free map says so, too
 *    held     count > 0, or detached under pins
 *    kept     count 0, in quarantine or as a guard */
static inline bool
has_holder(const pb_region *r, uint32_t i)
{
    return !is_untouched(r, r->first + i) && !r->table[i].free.is_free;
}

/* Every region of a root, from the first on. */
#define EACH_REGION(root, r)                                                       \
    for (pb_region *r = (root)->region; r < (root)->region + PB_REGION_SLOTS; r++) \
        if (r->base)

/* ---- the free lists ---- */

/* Make a row that of a listed frame. */
static inline void
row_link(pb_row *row, pb_frame next, pb_frame prev, bool cold)
{
    row->free.next = next;
    row->free.is_free = 1;
    row->free.prev = prev;
    row->free.cold = cold;
}

/* Put frames [first, first + n) of region r, n > 0, in front of a list, the lowest first. */
static inline void
list_link(pb_pool *root, pb_region *r, pb_frame *head, pb_frame first, uint32_t n,
          bool cold)
{
    pb_row *row = r->table + bit_index(r, first);
    for (uint32_t i = 0; i < n; i++) {
        row_link(row + i, first + i + 1, first + i - 1, cold);
    }
    row[n - 1].free.next = *head;
    row[0].free.prev = 0;
    if (*head) {
        pb_frame_row(root, *head)->free.prev = first + n - 1;
    }
    *head = first;
    root->listed += n;
    set_free(r, bit_index(r, first), n);
    out_of_bounds(root, first, n);
}

/* Put a run of frames of region r at the front of the warm list. */
static inline void
list_push_run(pb_pool *root, pb_region *r, pb_frame first, uint32_t n)
{
    list_link(root, r, &root->free_head, first, n, false);
    if (root->free_tail == 0) {
        root->free_tail = first + n - 1;
    }
}

static inline void
list_push(pb_pool *root, pb_frame frame)
{
    list_push_run(root, region_of(root, frame), frame, 1);
}

/* Put a frame at the end of the warm list: others get it last. */
static inline void
list_append(pb_pool *root, pb_frame frame)
{
    pb_frame tail = root->free_tail, none = 0;
    if (tail == 0) {
        list_push(root, frame);
        return;
    }
    list_link(root, region_of(root, frame), &none, frame, 1, false);
    pb_frame_row(root, frame)->free.prev = tail;
    pb_frame_row(root, tail)->free.next = frame;
    root->free_tail = frame;
}

/* Put a run of frames at the front of the cold list. */
static inline void
list_push_cold(pb_pool *root, pb_frame first, uint32_t n)
{
    list_link(root, region_of(root, first), &root->cold_head, first, n, true);
    root->cold += n;
}

/* Take the frames of n rows, which follow one another on a list, off it. */
static inline void
list_unlink(pb_pool *root, const pb_row *row, uint32_t n)
{
    pb_frame next = row[n - 1].free.next, prev = row[0].free.prev;
    bool cold = row[0].free.cold;
    if (prev) {
        pb_frame_row(root, prev)->free.next = next;
    }
    else {
        *(cold ? &root->cold_head : &root->free_head) = next;
    }
    if (next) {
        pb_frame_row(root, next)->free.prev = prev;
    }
    else if (!cold) {
        root->free_tail = prev;
    }
    root->listed -= n;
    root->cold -= cold ? n : 0;
}

/* How many of n listed frames, from `first` on, follow one another on a list. */
static inline uint32_t
linked_ahead(const pb_row *row, pb_frame first, uint32_t n)
{
    uint32_t i = 1;
    while (i < n && row[i - 1].free.next == first + i) {
        i++;
    }
    return i;
}

/* Take frames [first, first + n) of one region, all of which are listed, off their lists.  The
 * caller clears their bits in the free map. */
static inline void
list_remove_run(pb_pool *root, pb_frame first, uint32_t n)
{
    const pb_row *row = pb_frame_row(root, first);
    for (uint32_t i = 0, some; i < n; i += some) {
        some = linked_ahead(row + i, first + i, n - i);
        list_unlink(root, row + i, some);
    }
}

/* The same for one frame. */
static inline void
list_remove(pb_pool *root, const pb_row *row)
{
    list_unlink(root, row, 1);
}

/* The frame to take when any will do; 0: both lists are empty. */
static inline pb_frame
list_first(const pb_pool *root)
{
    return root->free_head ? root->free_head : root->cold_head;
}

/* ---- the quarantine: a ring, the oldest in front ---- */

/* The quarantine has room. */
static inline void
quarantine_add(pb_pool *root, pb_frame frame)
{
    pb_region *r = region_of(root, frame);
    r->table[bit_index(r, frame)].held.kind = PB_KIND_QUARANTINED;
    root->quarantine[(root->oldest + root->quarantined++) % PB_QUARANTINE] = frame;
}

/* The quarantine is not empty. */
static inline pb_frame
quarantine_next(pb_pool *root)
{
    pb_frame frame = root->quarantine[root->oldest];
    root->oldest = (root->oldest + 1) % PB_QUARANTINE;
    root->quarantined--;
    return frame;
}

/* ---- accounts ---- */

/* The pool that is charged for a frame. */
static inline pb_pool *
pool_charged(pb_pool *root, const pb_row *row)
{
    return row->held.account ? root->accounts[row->held.account] : root;
}

/* So many more frames of the pool are on the move (modulo 2^64). */
void
pb_add_moving(pb_pool *pool, uint64_t n);

/* Call when what an account holds has reached `watch` or fallen below `rearm`. */
void
account_moved(pb_pool *pool);

/* Count n reserved frames as taken. */
static inline void
charge(pb_pool *pool, uint64_t n)
{
    for (; pool; pool = pool->parent) {
        pool->reserved -= n;
        pool->held += n;
        if (pool->held >= pool->watch && !pb_acting_of(pool)->trying) {
            account_moved(pool);
        }
    }
}

/* Count n frames as freed. */
static inline void
discharge(pb_pool *pool, uint64_t n, bool nodes)
{
    for (; pool; pool = pool->parent) {
        pool->held -= n;
        pool->nodes -= nodes ? n : 0;
        if (PB_UNLIKELY(pool->held < pool->rearm)) {
            account_moved(pool);
        }
    }
}

static inline void
count_detached(pb_pool *pool, int by)
{
    for (; pool; pool = pool->parent) {
        pool->detached += (uint64_t)(int64_t)by;
    }
}

/* pb_pool_reserve, under the lock. */
pb_status
pb_reserve_locked(pb_pool *pool, uint64_t n);

/* pb_pool_give_back, under the lock: until three quarters of `keep` are left. */
void
pb_give_back_locked(pb_pool *root);

/* ---- debug pools (pool/poison.c, pool/guard.c) ---- */

/* Does the root do more than level 0 when frames are taken and freed? */
static inline bool
is_special(const pb_pool *root)
{
    return root->debug || root->sample_every;
}

#endif
