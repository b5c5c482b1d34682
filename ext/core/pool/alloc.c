/* pool/alloc.c: take frames: the warmest, neighbours, whole runs. */
#include "pool/advise.h"
#include "pool/poison.h"
#include "pool/guard.h"
#include "pool/internal.h"

/* How far a single-frame request may step back from the warmest free frame, so that
 * sequential growth in a fragmented pool still gets neighbours. */
#define RUN_BACK 15

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

/* The rows of the n frames of a region from frame `i` of it on are those of frames that a pool has
 * taken.  The caller notes that they are resident. */
static inline void
start(pb_region *r, uint32_t i, uint32_t n, pb_kind kind, const pb_pool *pool)
{
    pb_row *row = r->table + i;
    pb_row taken = {0};
    taken.held.count = 1;
    taken.held.kind = (uint16_t)kind;
    taken.held.account = pool->account & (PB_MOST_POOLS - 1);
    uint64_t bits; /* as one word: compilers put the fields together anew in each row */
    memcpy(&bits, &taken, sizeof bits);
    for (uint32_t k = 0; k < n; k++) {
        memcpy(row + k, &bits, sizeof bits);
    }
}

/* Nobody tells when tracing begins, so it is asked whenever frames are taken.  Frames that are freed need
 * no question: as long as nobody traced when frames were taken, the hook knows of none. */
static inline bool
is_traced_now(pb_pool *root)
{
    if (PB_LIKELY(root->is_traced != NULL)) {
        root->traced = root->is_traced();
    }
    return root->traced;
}

/* The pool holds the frames [first, first + n) from now on. */
static void
count_taken(pb_pool *pool, pb_frame first, uint32_t n)
{
    charge(pool, n);
    note_taken(pool, n);
    within_bounds(pool->root, first, n);
    if (PB_UNLIKELY(is_traced_now(pool->root))) {
        pb_debug_tell(pool->root, first, n, true);
    }
}

/* ---- from the lists, from untouched frames ---- */

/* The pool takes back n frames that it had given to the system: keep that many more next
 * time.  Frames that gathers freed do not count: a buffer that moves needs no more memory. */
static void
keep_more(pb_pool *root, uint64_t n)
{
    uint64_t spare = pb_min(n, pb_min(root->spare, root->cold + n));
    root->spare -= spare;
    n -= spare;
    if (root->keep < root->keep_most) {
        root->keep = pb_min(root->keep + n, root->keep_most);
    }
}

/* The frames of n bits of the maps, n > 0, are no longer free, but resident.  Returns whether all were
 * known zeros.  One loop for three maps: a request is mostly for one frame. */
static inline bool
take_bits(pb_region *r, uint32_t i, uint32_t n)
{
    bool zero = true;
    uint32_t some;
    do {
        uint64_t bits = bits_in_word(i, n, &some), *zeros = &r->zero_map[i >> 6];
        uint64_t *resident = &r->resident_map[i >> 6];
        zero &= (*zeros & bits) == bits;
        *zeros &= ~bits;
        r->free_map[i >> 6] &= ~bits;
        pb_store64(resident, *resident | bits);
        i += some;
        n -= some;
    } while (n);
    return zero;
}

static inline bool
take_listed_run(pb_pool *pool, pb_frame first, uint32_t n, pb_kind kind)
{
    pb_pool *root = pool->root;
    pb_region *r = region_of(root, first);
    uint32_t bit = bit_index(r, first);
    uint64_t cold = root->cold;
    if (PB_UNLIKELY(root->debug)) {
        pb_debug_taken(root, first, n);
    }
    list_remove_run(root, first, n);
    start(r, bit, n, kind, pool);
    bool zero = take_bits(r, bit, n);
    if (root->cold != cold) {
        keep_more(root, cold - root->cold);
        pb_advise_again(r, bit, n);
    }
    count_taken(pool, first, n);
    return zero;
}

/* Take n listed frames from `first` on.  Returns whether all are known zeros.  Most requests are for
 * one frame, for which the compiler leaves the loops out. */
static bool
take_listed(pb_pool *pool, pb_frame first, uint32_t n, pb_kind kind)
{
    return n == 1 ? take_listed_run(pool, first, 1, kind)
                  : take_listed_run(pool, first, n, kind);
}

static inline bool
take_untouched_low(pb_pool *pool, pb_region *r, uint32_t n)
{
    pb_pool *root = pool->root;
    pb_frame first = r->lo;
    if (PB_UNLIKELY(root->debug)) {
        pb_debug_taken(root, first, n);
    }
    start(r, bit_index(r, first), n, PB_KIND_DATA, pool);
    set_resident(r, bit_index(r, first), n, true);
    r->lo += n;
    root->untouched -= n;
    count_taken(pool, first, n);
    pb_advise_dense(r, root->held);
    if (PB_UNLIKELY(r->lo > r->backed) && !root->debug) {
        pb_advise_ahead(r, first, root->held);
    }
    return r->fresh_zero;
}

static pb_frame
take_untouched_high(pb_pool *pool, pb_region *r, bool *zero)
{
    pb_pool *root = pool->root;
    pb_frame frame = r->hi - 1;
    if (PB_UNLIKELY(root->debug)) {
        pb_debug_taken(root, frame, 1);
    }
    r->hi = frame;
    start(r, bit_index(r, frame), 1, PB_KIND_NODE, pool);
    set_resident(r, bit_index(r, frame), 1, true);
    root->untouched--;
    count_taken(pool, frame, 1);
    *zero = r->fresh_zero;
    return frame;
}

static pb_region *
untouched_region(pb_pool *root)
{
    pb_region *r = &root->region[root->newest];
    for (unsigned k = PB_REGION0_BITS - 1; r->lo == r->hi; k++) {
        r = &root->region[k];
    }
    return r;
}

/* ---- a run for data ---- */

/* Where to start a run that cannot follow its hint: a little before the warmest frame,
 * up to `want` or RUN_BACK free frames back. */
static pb_frame
warm_start(pb_pool *root, uint32_t want)
{
    pb_frame warmest = list_first(root);
    const pb_region *r = region_of(root, warmest);
    uint32_t i = bit_index(r, warmest);
    uint32_t back = want > RUN_BACK ? want - 1 : RUN_BACK;
    while (back-- && i && bit_get(r->free_map, i - 1)) {
        i--;
    }
    return r->first + i;
}

static pb_frame
take_run_locked(pb_pool *pool, pb_frame after, uint32_t want, uint32_t *got, bool *zero)
{
    pb_pool *root = pool->root;
    pb_frame first = after + 1;
    pb_region *r = region_of(root, first);
    uint32_t bit = bit_index(r, first);
    bool inside = after && bit < r->count;
    /* 1. the neighbour, freed before;  2. the neighbour, untouched */
    bool listed = inside && bit_get(r->free_map, bit);
    bool bump = inside && !listed && first == r->lo && r->lo < r->hi;
    if (!listed && !bump && root->listed) { /* 3. the warmest, or a run around it */
        first = after ? warm_start(root, want) : list_first(root);
        r = region_of(root, first);
        bit = bit_index(r, first);
        listed = true;
    }
    if (listed) {
        uint32_t most = want < r->count - bit ? want : r->count - bit;
        *got = bits_ahead(r->free_map, bit, most, 0);
        *zero = take_listed(pool, first, *got, PB_KIND_DATA);
        return first;
    }
    if (!bump) { /* 4. untouched frames */
        r = untouched_region(root);
    }
    first = r->lo;
    *got = want < r->hi - r->lo ? want : r->hi - r->lo;
    *zero = take_untouched_low(pool, r, *got);
    return first;
}

/* In pools that do more than level 0: a frame of the sample, or a run of its own with a
 * guard behind it. */
static pb_frame
take_run_special(pb_pool *pool, pb_frame after, uint32_t want, uint32_t *got, bool *zero)
{
    pb_pool *root = pool->root;
    pb_frame frame = root->sample_every ? pb_guard_sample(root) : 0;
    if (frame) {
        pb_region *r = region_of(root, frame);
        start(r, bit_index(r, frame), 1, PB_KIND_DATA, pool);
        set_resident(r, bit_index(r, frame), 1, true);
        count_taken(pool, frame, 1);
        *got = 1;
        *zero = false;
        return frame;
    }
    bool guarded = pb_guard_wanted(root);
    if (root->sample_every) { /* stop before the frame that comes from the sample */
        want = want < root->sample_left - 1 ? want : root->sample_left - 1;
    }
    frame = take_run_locked(pool, guarded ? 0 : after, want, got, zero);
    root->sample_left -= root->sample_every ? *got : 0;
    if (guarded) {
        pb_guard_behind(root, frame + *got);
    }
    return frame;
}

static pb_frame
take_run(pb_pool *pool, pb_frame after, uint32_t want, uint32_t *got, bool *zero)
{
    return PB_UNLIKELY(is_special(pool->root))
               ? take_run_special(pool, after, want, got, zero)
               : take_run_locked(pool, after, want, got, zero);
}

pb_frame
pb_pool_take_run(pb_pool *pool, pb_frame after, uint32_t want, uint32_t *got, bool *zero)
{
    pb_lock_take(&pool->root->lock);
    pb_frame first = take_run(pool, after, want, got, zero);
    pb_lock_drop(&pool->root->lock);
    return first;
}

pb_frame
pb_pool_take_one(pb_pool *pool, pb_frame after, bool *zero)
{
    uint32_t got;
    pb_frame frame = 0;
    pb_lock_take(&pool->root->lock);
    if (pb_reserve_locked(pool, 1) == PB_OK) {
        frame = take_run(pool, after, 1, &got, zero);
    }
    pb_lock_drop(&pool->root->lock);
    return frame;
}

/* ---- a node ---- */

pb_frame
pb_pool_take_node(pb_pool *pool, bool *zero)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    pb_frame frame = list_first(root);
    if (frame) {
        *zero = take_listed(pool, frame, 1, PB_KIND_NODE);
    }
    else {
        frame = take_untouched_high(pool, untouched_region(root), zero);
    }
    for (pb_pool *p = pool; p; p = p->parent) {
        p->nodes++;
    }
    pb_lock_drop(&root->lock);
    return frame;
}

/* ---- a run of exactly so many ---- */

/* The first n consecutive frames of region r that are all on the free lists; 0 when
 * there are none. */
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

/* The free frames around the most recently freed one, if they are n; else 0.  Whoever
 * takes and frees runs in turn gets the same one back, without a search. */
static pb_frame
find_warm(pb_pool *root, uint32_t n)
{
    if (root->listed == 0) {
        return 0;
    }
    pb_frame first = warm_start(root, n);
    const pb_region *r = region_of(root, first);
    uint32_t bit = bit_index(r, first);
    return n <= r->count - bit && bits_ahead(r->free_map, bit, n, 0) == n ? first : 0;
}

static pb_frame
take_exact_locked(pb_pool *pool, uint32_t n)
{
    pb_pool *root = pool->root;
    pb_frame warm = find_warm(root, n);
    if (warm) {
        take_listed(pool, warm, n, PB_KIND_DATA);
        return warm;
    }
    EACH_REGION(root, r)
    {
        pb_frame first = root->listed >= n ? find_listed(r, n) : 0;
        if (first) {
            take_listed(pool, first, n, PB_KIND_DATA);
            return first;
        }
        if (r->hi - r->lo >= n) {
            first = r->lo;
            take_untouched_low(pool, r, n);
            return first;
        }
    }
    return 0;
}

/* ---- a run with room behind it ---- */

/* Others get the listed frames [first, first + n) last. */
static void
put_last(pb_pool *root, pb_frame first, uint32_t n)
{
    for (pb_frame frame = first; frame < first + n; frame++) {
        pb_row *row = pb_frame_row(root, frame);
        if (!row->free.cold) {
            list_remove(root, row);
            list_append(root, frame);
        }
    }
}

/* The same for the lowest n untouched frames, which get onto the list that way. */
static void
put_last_untouched(pb_pool *root, pb_region *r, uint32_t n)
{
    for (; n; n--) {
        list_append(root, r->lo);
        if (r->fresh_zero) {
            bit_set(r->zero_map, bit_index(r, r->lo));
        }
        r->lo++;
        root->untouched--;
    }
}

/* The run goes to the end of a stretch of listed frames: what the stretch begins with may be the
 * room of another run. */
static pb_frame
take_with_room_locked(pb_pool *pool, uint32_t n, uint32_t room)
{
    pb_pool *root = pool->root;
    EACH_REGION(root, r)
    {
        pb_frame first = root->listed >= (uint64_t)n + room ? find_listed(r, n + room) : 0;
        if (first) {
            uint32_t bit = bit_index(r, first);
            first += bits_ahead(r->free_map, bit, r->count - bit, 0) - n - room;
            take_listed(pool, first, n, PB_KIND_DATA);
            put_last(root, first + n, room);
            return first;
        }
        if (r->hi - r->lo >= n + room && (r->fresh_zero || !root->debug)) {
            first = r->lo;
            take_untouched_low(pool, r, n);
            put_last_untouched(root, r, room);
            root->spare += room;
            return first;
        }
    }
    return 0;
}

pb_frame
pb_pool_take_with_room(pb_pool *pool, uint32_t n, uint32_t room)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    pb_frame first = 0;
    if (room == 0) {
        first = take_exact_locked(pool, n);
    }
    else if (room < UINT32_MAX - n) {
        first = take_with_room_locked(pool, n, room);
    }
    if (first && pb_guard_wanted(root)) {
        pb_guard_behind(root, first + n);
    }
    pb_lock_drop(&root->lock);
    return first;
}

pb_frame
pb_pool_take_exact(pb_pool *pool, uint32_t n)
{
    return pb_pool_take_with_room(pool, n, 0);
}

bool
pb_pool_ask_for_room(pb_pool *pool, uint64_t n)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    bool ask = root->asked_for_room != root->regions;
    root->asked_for_room = root->regions;
    if (ask) {
        pb_refusal *refusal = pb_refusal_of(pool);
        refusal->short_by = n;
        refusal->short_of_run = refusal->for_room = true;
    }
    pb_lock_drop(&root->lock);
    return ask;
}

/* ---- the place behind a frame ---- */

PB_NOINLINE static bool
take_behind_locked(pb_pool *pool, pb_frame after, uint32_t n)
{
    pb_region *r = region_of(pool->root, after);
    uint32_t bit = bit_index(r, after) + 1;
    if (bit >= r->count || n > r->count - bit) {
        return false;
    }
    uint32_t listed = bits_ahead(r->free_map, bit, n, 0), fresh = n - listed;
    pb_frame first = after + 1;
    if (fresh && (first + listed != r->lo || r->hi - r->lo < fresh)) {
        return false;
    }
    if (listed) {
        take_listed(pool, first, listed, PB_KIND_DATA);
    }
    if (fresh) {
        take_untouched_low(pool, r, fresh);
    }
    return true;
}

/* Is one of the frames behind in quarantine, and none held?  Then it is free once that ends. */
static bool
quarantined_behind(pb_pool *root, pb_frame after, uint32_t n)
{
    const pb_region *r = region_of(root, after);
    uint32_t bit = bit_index(r, after) + 1;
    bool found = false;
    if (root->quarantined == 0 || bit >= r->count || n > r->count - bit) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const pb_row *row = r->table + bit + i;
        if (!row->free.is_free && row->held.count) {
            return false;
        }
        found |= !row->free.is_free && row->held.kind == PB_KIND_QUARANTINED;
    }
    return found;
}

bool
pb_pool_take_behind(pb_pool *pool, pb_frame after, uint32_t n)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    if (root->debug) { /* the guard moves on with the end of the run */
        pb_guard_left(root, after + 1);
    }
    if (quarantined_behind(root, after, n)) {
        pb_debug_end_quarantine(root);
    }
    bool taken = take_behind_locked(pool, after, n);
    if (pb_guard_wanted(root)) {
        pb_guard_behind(root, after + 1 + (taken ? n : 0));
    }
    pb_lock_drop(&root->lock);
    return taken;
}
