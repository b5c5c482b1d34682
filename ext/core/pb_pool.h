/* pb_pool.h: regions, frames, the frame table, the free list.
 *
 * Regions come from outside (pb_pool_add_region).  Region k holds the frames
 * [2^k, 2^(k+1)), the first one also those below it, so that frame -> address is a
 * count-leading-zeros and an add.  A region may map fewer frames than it spans.
 * Beside each lies a companion region:
 *
 *    frame table: 8 bytes a frame     free map: 1 bit a frame   zero map: 1 bit
 *    held: count, kind, pins          1 = on the free list      1 = known zero
 *    free: next, prev
 *
 * Frames of a region that were never handed out ("virgin") lie between `lo` and `hi`:
 * data comes from the bottom, nodes from the top, so that nodes do not cut the runs
 * of data.  They are free, but neither on the list nor touched. */
#ifndef PB_POOL_H
#define PB_POOL_H

#include "pb_lock.h"
#include "pb_page.h"

#define PB_REGION0_BITS 8 /* 256 frames: 1 MiB of address space, touched as used */
#define PB_REGION0_FRAMES ((uint32_t)1 << PB_REGION0_BITS)
#define PB_REGION_SLOTS 32
#define PB_COUNT_MAX UINT32_MAX /* a count that got here stays (never freed) */
#define PB_UNLIMITED UINT64_MAX

typedef enum {
    PB_KIND_DATA = 1,
    PB_KIND_NODE = 2,
    PB_KIND_DETACHED = 3, /* under a live pin, named by no entry */
} pb_kind;

/* One row of the frame table. */
typedef union {
    struct {
        uint32_t count; /* entries that name the frame, over all trees */
        uint8_t kind;
        uint8_t flags;
        uint16_t pins; /* live pins over the frame */
    } held;
    struct {
        pb_frame next, prev;
    } free;
} pb_row;

_Static_assert(sizeof(pb_row) == 8, "a row is 8 bytes: 0.2 % of a page");

typedef struct {
    uint8_t *base; /* address of frame `first` */
    pb_row *table; /* row of frame `first` */
    uint64_t *free_map;
    uint64_t *zero_map;
    pb_frame first;
    uint32_t count;   /* frames mapped */
    pb_frame lo, hi;  /* virgin: [lo, hi) */
    pb_frame advised; /* huge pages were advised below this frame */
    bool fresh_zero;
    bool discard_zeroes;
} pb_region;

struct pb_buf;

/* Where a broken rule was found, for the message. */
typedef struct {
    const char *why;
    pb_frame frame;
    const struct pb_buf *owner;
    uint64_t offset;
} pb_fault;

typedef struct {
    /* biased, indexed by log2: address = addr[k] + (frame << PB_PAGE_SHIFT) */
    uintptr_t addr[PB_REGION_SLOTS];
    uintptr_t rows[PB_REGION_SLOTS];
    pb_region region[PB_REGION_SLOTS];
    pb_lock lock;
    pb_frame free_head; /* most recently freed first */
    unsigned newest;    /* the region to take virgin frames from; 0 = none yet */
    uint64_t total, listed, virgin;
    uint64_t promised; /* of listed + virgin: spoken for (I3) */
    uint64_t held, nodes, detached, high_water;
    uint64_t limit;    /* frames */
    uint64_t taken;    /* frames handed out so far: see pb_pool_taken */
    uint64_t asked;    /* frames that the last promise asked for */
    uint64_t short_by; /* after PB_NEED_PAGES: how many more are needed */
    uint64_t table_bytes;
    uint32_t regions;
    struct pb_buf *bufs; /* every tree that draws from the pool */
    pb_fault fault;
} pb_pool;

#if PB_LOCKS
extern _Thread_local uint64_t pb_taken_here; /* of all pools, by this thread */
#endif

/* ---- address of a frame: no loop ---- */

static inline unsigned
pb_region_of(pb_frame frame)
{
    return pb_log2(frame | (PB_REGION0_FRAMES - 1));
}

static inline uint8_t *
pb_frame_address(const pb_pool *pool, pb_frame frame)
{
    return (uint8_t *)(pool->addr[pb_region_of(frame)] +
                       ((uintptr_t)frame << PB_PAGE_SHIFT));
}

static inline pb_row *
pb_frame_row(const pb_pool *pool, pb_frame frame)
{
    return (pb_row *)(pool->rows[pb_region_of(frame)] + (uintptr_t)frame * sizeof(pb_row));
}

/* One past the last frame number that region k may hold: runs end there. */
static inline uint64_t
pb_region_end(unsigned k)
{
    return (uint64_t)2 << k;
}

/* ---- reference counts: changed under the pool's lock, read by anyone ---- */

static inline uint32_t
pb_frame_count(const pb_pool *pool, pb_frame frame)
{
    return pb_load32(&pb_frame_row(pool, frame)->held.count);
}

static inline void
pb_frame_ref(pb_pool *pool, pb_frame frame)
{
    pb_row *row = pb_frame_row(pool, frame);
    uint32_t n = row->held.count;
    if (PB_LIKELY(n != PB_COUNT_MAX)) {
        pb_store32(&row->held.count, n + 1);
    }
}

/* ---- life ---- */

/* An empty pool that may hold `limit` frames.  Cannot fail. */
void
pb_pool_init(pb_pool *pool, uint64_t limit);

/* Bytes of the companion region for `frames` frames. */
size_t
pb_pool_table_bytes(uint32_t frames);

/* How many frames the next region spans by default (as many as all before it); 0 when
 * all numbers are given out. */
uint32_t
pb_pool_next_region(const pb_pool *pool);

/* Take `frames` frames at `base`, their table at `table`; a region may be smaller than
 * its span, or larger than pb_pool_next_region says (then numbers are skipped).
 * PB_RANGE when the numbers do not reach.  Both stay mapped as long as the pool. */
pb_status
pb_pool_add_region(pb_pool *pool, void *base, void *table, uint32_t frames, bool fresh_zero,
                   bool discard_zeroes);

/* Before the regions are unmapped, or given back to whoever lent them: where free frames
 * were out of bounds they are memory again (pb_asan.h).  Elsewhere nothing. */
void
pb_pool_leave_regions(const pb_pool *pool);

/* ---- reserve, then take (I3) ---- */

/* Speak for n frames, so that taking them cannot fail.
 * PB_LIMIT, or PB_NEED_PAGES with pool->short_by set; then nothing is spoken for. */
pb_status
pb_pool_promise(pb_pool *pool, uint64_t n);

/* Give back what was spoken for and not taken. */
void
pb_pool_unpromise(pb_pool *pool, uint64_t n);

/* What a change needs is counted before it, where a frame that one tree names twice counts
 * twice; once the first of them has its copy, the second needs none.  So note what this
 * thread has taken so far, and afterwards give back what is left of n promised frames. */
static inline uint64_t
pb_pool_taken(const pb_pool *pool)
{
#if PB_LOCKS
    (void)pool;
    return pb_taken_here;
#else
    return pool->taken;
#endif
}

static inline void
pb_pool_give_rest(pb_pool *pool, uint64_t n, uint64_t taken_before)
{
    uint64_t rest = n - (pb_pool_taken(pool) - taken_before);
    if (PB_UNLIKELY(rest)) {
        pb_pool_unpromise(pool, rest);
    }
}

/* Take up to `want` promised frames with consecutive numbers, after frame `after`
 * where that is free; after == 0: from the most recently freed one on.  Returns the
 * first; *got >= 1; *zero: all known to be zeros.  Each has count 1, PB_KIND_DATA. */
pb_frame
pb_pool_take_run(pb_pool *pool, pb_frame after, uint32_t want, uint32_t *got, bool *zero);

/* Speak for one frame and take it, as pb_pool_take_run does; 0 when there is none. */
pb_frame
pb_pool_take_one(pb_pool *pool, pb_frame after, bool *zero);

/* Take one promised frame for a node.  Its bytes are not cleared. */
pb_frame
pb_pool_take_node(pb_pool *pool, bool *zero);

/* Take exactly `n` promised frames with consecutive numbers; 0 when there is no such
 * stretch (then nothing was taken and the promise stands).  O(frames) at worst. */
pb_frame
pb_pool_take_exact(pb_pool *pool, uint32_t n);

/* ---- give back ---- */

/* Drop one reference; the last one frees the frame (or detaches it under a pin). */
void
pb_frame_unref(pb_pool *pool, pb_frame frame);

/* Drop one reference where there are others.  false: the caller's is the only one, and
 * stays.  So of two trees that give up a node at once, one takes it apart. */
bool
pb_frame_unref_shared(pb_pool *pool, pb_frame frame);

/* One live pin more or less on a frame; the last one off a detached frame frees it. */
void
pb_frame_pin(pb_pool *pool, pb_frame frame);
void
pb_frame_unpin(pb_pool *pool, pb_frame frame);

static inline bool
pb_frame_pinned(const pb_pool *pool, pb_frame frame)
{
    return pb_frame_row(pool, frame)->held.pins != 0;
}

/* Give free frames back to the system, in whole system pages.  Returns bytes. */
uint64_t
pb_pool_trim(pb_pool *pool);

/* ---- looking in ---- */

/* Is the frame one of a region, and is it free?  For the checks. */
bool
pb_frame_valid(const pb_pool *pool, pb_frame frame);
bool
pb_frame_is_free(const pb_pool *pool, pb_frame frame);

/* Frames with more than one reference.  O(total). */
uint64_t
pb_pool_shared(const pb_pool *pool);

#endif
