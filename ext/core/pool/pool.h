/* pool/pool.h: regions, frames, the frame table, the free lists, accounts.
 *
 * Regions come from outside (pb_pool_add_region).  Region k holds the frames
 * [2^k, 2^(k+1)), the first one also those below it, so that frame -> address is a
 * count-leading-zeros and an add.  A region may map fewer frames than it spans.
 * Beside each lies a companion region:
 *
 *    frame table: 8 bytes a frame           free map: 1 bit a frame   zero map: 1 bit
 *    held: count, kind, account, pins       1 = on a free list        1 = known zero
 *    free: next, prev, cold                 resident map: 1 bit
 *                                           1 = an entry names it, and its bytes are in memory
 *
 * In debug pools also: who took a frame and who freed it (8 bytes), how it is protected (1 byte).
 *
 * Frames of a region that were never handed out ("untouched") lie between `lo` and `hi`:
 * data comes from the bottom, nodes from the top, so that nodes do not cut the runs
 * of data.  They are free, but neither on a list nor touched.  Of those that were, the
 * warm ones are on one list, the most recently freed first, and the cold ones, whose memory
 * the system has back, on another.
 *
 * A child is a pool without regions: it draws from those of its root and keeps an account
 * of its own.  What it holds is charged to it and to all pools above it. */
#ifndef PB_POOL_POOL_H
#define PB_POOL_POOL_H

#include "base/lock.h"
#include "base/address_map.h"
#include "pool/frame.h"

#define PB_REGION0_BITS 8 /* 256 frames: 1 MiB of address space, touched as used */
#define PB_REGION0_FRAMES ((uint32_t)1 << PB_REGION0_BITS)
#define PB_REGION_SLOTS 32 /* the last stays empty: frames of regions have 31 bits, 8 TiB */
#define PB_FRAME_BITS 32   /* bits of the type; those of zones use all of them */
#define PB_COUNT_MAX ((uint32_t)INT32_MAX) /* a count that reaches this never falls */
#define PB_UNLIMITED UINT64_MAX
#define PB_QUARANTINE 64   /* freed frames that wait before they are used again */
#define PB_MOST_POOLS 8192 /* accounts of one root */
#define PB_MARKS 8

typedef enum {
    PB_KIND_NONE = 0, /* never handed out */
    PB_KIND_DATA = 1,
    PB_KIND_NODE = 2,
    PB_KIND_DETACHED = 3,    /* under a live pin, but no entry names it any more */
    PB_KIND_QUARANTINED = 4, /* freed, not to be used again for a while (debug) */
    PB_KIND_GUARD = 5,       /* kept empty behind a run (debug) */
    PB_KIND_FREE = 6,        /* on a free list; never stored in a row */
    PB_KINDS,                /* how many there are */
} pb_kind;

/* One row of the frame table.  The count of a free frame is negative as a signed number,
 * and 0 for a frame never handed out.  So `count > 0` says that a frame may be read, and
 * `count == 1` that it may be written. */
typedef union {
    struct {
        uint32_t count; /* entries that name the frame, over all trees */
        uint16_t kind : 3;
        uint16_t account : 13; /* the pool that took it */
        uint16_t pins;         /* live pins over the frame */
    } held;
    struct {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        uint32_t is_free : 1, next : 31; /* is_free overlays the sign of count */
#else
        uint32_t next : 31, is_free : 1;
#endif
        uint32_t prev : 31, cold : 1;
    } free;
} pb_row;

_Static_assert(sizeof(pb_row) == 8, "a row is 8 bytes: 0.2 % of a page");

/* Who took a frame and who freed it last, as numbers from the trace hook. */
typedef struct {
    uint32_t took, freed;
} pb_trace;

typedef struct {
    uint8_t *base; /* address of frame `first` */
    pb_row *table; /* row of frame `first` */
    uint64_t *free_map;
    uint64_t *zero_map;
    uint64_t *resident_map;
    pb_trace *trace; /* NULL unless frames are traced */
    uint8_t *guard;  /* how each frame is protected (pool/guard.h); NULL: not at all */
    pb_frame first;
    uint32_t count;   /* frames mapped */
    pb_frame lo, hi;  /* untouched: [lo, hi) */
    pb_frame advised; /* huge pages were advised below this frame */
    pb_frame backed;  /* the system was asked to back untouched frames below this one */
    pb_frame rested;  /* lo, when pb_advise_rest was last called */
    bool fresh_zero;
    bool discard_zeroes;
    bool by_touch; /* the system backs a page when that is touched, and cannot be asked */
    bool sampled;  /* the region of the sample (pool/guard.h) */
    struct pb_pool *pool;
    pb_interval extent; /* in the map */
} pb_region;

/* A tree as its pool knows it: somebody who takes frames.  The structure around it
 * belongs to whoever linked it (pb_buf_of). */
typedef struct pb_member {
    struct pb_member *next, *prev;
} pb_member;

/* Where a broken rule was found, for the message.  Without an owner, `offset` counts
 * from the start of the frame. */
typedef struct {
    const char *why;
    pb_frame frame;
    const pb_member *owner;
    bool
        look_up; /* the frame is held: who reports it looks up whose it is (inspect/usage.h) */
    uint64_t offset;
    pb_trace trace; /* of the frame, in traced pools */
    const struct pb_pool
        *pool; /* the root whose frame it is; NULL: the one that reports it */
} pb_fault;

/* Frames that are memory of somebody else, read where it lies (zone/zone.h).  Its owner keeps this
 * structure and the memory, as long as an entry names a frame of it. */
typedef struct pb_zone {
    const uint8_t *base; /* address of frame `first`; need not be aligned */
    pb_frame first;
    uint32_t count;
    uint64_t
        entries; /* that name frames of it, over all trees; a huge one counts once (I12) */
    uint64_t *here;    /* a bit for each frame: in memory (I14); NULL: all are, always */
    uint32_t *named;   /* how many entries name each frame (I13); NULL: nobody asks */
    uint32_t given_up; /* frames that no entry names any more, since somebody looked */
    bool told;         /* and of which one is in memory, or that are many */
    /* Read bytes that are not in memory; they lie in one frame after the other from byte `at` on.  false:
     * they must be fetched.  NULL: always. */
    bool (*read)(const struct pb_zone *z, uint64_t at, uint64_t n, void *dst);
    pb_frame
        tail; /* a copy of the bytes behind the last frame, less than a page; 0: none */
    uint32_t tail_bytes;   /* how many those are */
    struct pb_pool *payer; /* who is lent the bytes that ... */
    uint64_t kept;         /* ... the zone keeps of what its source had */
    struct pb_zone *prev, *next;
    uint64_t seen, seen_sum; /* pb_pool_check's */
} pb_zone;

/* So many frames of a zone that nobody names any more are worth a look. */
static inline uint32_t
pb_zone_many(const pb_zone *z)
{
    return (z->count >> 4) + 1;
}

/* The numbers of a zone are whole chunks, the last frame of which it leaves free.  A table leads
 * from a chunk to its zone: whoever copies without a lock may look there, as only the places of
 * zones that no entry names change. */
#define PB_ZONE_FIRST ((pb_frame)1 << 31)
#define PB_ZONE_CHUNK_BITS 14
#define PB_ZONE_CHUNKS (PB_ZONE_FIRST >> PB_ZONE_CHUNK_BITS)

/* Frames of a zone that follow one another. */
typedef struct {
    pb_frame first;
    uint32_t count;
} pb_frames;

#define PB_ABSENT_RUNS 8 /* that are noted; of more the next attempt learns */

/* Why the last reservation was refused, and what the thread could not read (I14). */
typedef struct {
    uint64_t asked;          /* after PB_LIMIT: frames that the reservation asked for */
    uint64_t short_by;       /* after PB_NEED_PAGES: how many more are needed */
    bool short_of_run;       /* and in one piece */
    bool for_room;           /* and do without if they cannot be had */
    struct pb_pool *refused; /* after PB_LIMIT: whose limit it was */
    /* with PB_PENDING_ABSENT: which frames of zones a call met that are not in memory */
    const struct pb_pool *absent_in; /* the root whose frames they are */
    uint32_t absents;
    pb_frames absent[PB_ABSENT_RUNS];
} pb_refusal;

/* The tree that takes or frees frames: the one that changes, or the one on whose behalf
 * it does. */
typedef struct {
    const pb_member *tree, *on_behalf;
    unsigned trying;  /* see pb_account_begin_trial */
    uint64_t claimed; /* see pb_pool_claim */
} pb_acting;

/* Called for frames that were taken or freed, with the tree that does it; returns a number that stands for
 * that.  Runs under the pool's lock: no Python code. */
typedef uint32_t
pb_trace_hook(struct pb_pool *root, const pb_member *actor, pb_frame first, uint32_t n,
              bool taken);

typedef struct pb_pool {
    /* By the bit length of a frame's number, biased: address = addr[bits] + (frame <<
     * PB_PAGE_SHIFT).  A child has a copy. */
    uintptr_t addr[PB_FRAME_BITS + 1];
    uintptr_t rows[PB_FRAME_BITS + 1];
    uintptr_t resident[PB_FRAME_BITS + 1]; /* of the word with the bit of frame 0 */
    uint32_t past[PB_FRAME_BITS + 1];      /* one past the last frame of the region */
    struct pb_pool *root; /* whose frames these are: itself, unless it is a child */
    uint8_t debug;        /* 0, 1 or 2, the same in all pools of a root */
    uint8_t pending;      /* of a root: what waits to be reported (PB_PENDING_*) */
    uint8_t paused;       /* of a root: no lock of a tree may be taken, somebody looks */
    uint8_t blamed;       /* of a root: damage was found that may name a tree */
    uint16_t account;     /* its number; 0 is the root */

#if PB_LOCKS
    char apart
        [64]; /* every call reads what is above, every page taken changes what is below */
#endif

    /* ---- its account, with those of its children ---- */
    struct pb_pool *parent;
    uint64_t held, nodes, detached, high_water;
    uint64_t reserved;    /* of listed + untouched: reserved (I3) */
    uint64_t moving;      /* of held and reserved: frames that a move will free again */
    uint64_t limit;       /* frames */
    uint64_t lent;        /* bytes of others that only its buffers keep (pb_pool_lend) */
    uint64_t lent_frames; /* what they count for */
    uint64_t taken;       /* frames handed out since the beginning: see pb_pool_taken */
    uint64_t watch;       /* holding this many calls account_moved */
    uint64_t rearm;       /* and so does holding fewer than this */
    uint64_t marks[PB_MARKS]; /* rising; reaching one is reported (pb_pool_set_marks) */
    uint32_t mark_count;
    uint32_t reached; /* marks that are not above `held` */
    uint32_t crossed; /* bit i: marks[i] was reached since the last report */

    /* ---- the frames: of a root ---- */
    pb_lock lock;
    unsigned newest;         /* the region to take untouched frames from; 0 = none yet */
    bool traced;             /* is the trace hook called? */
    bool (*is_traced)(void); /* asked for `traced`; NULL: that stays as it is */
    pb_frame free_head, free_tail;           /* warm: most recently freed first */
    pb_frame cold_head;                      /* given back to the system */
    uint64_t total, listed, cold, untouched; /* listed: on either list */
    uint64_t keep;      /* warm frames that stay; the pool gives back the rest */
    uint64_t keep_most; /* `keep` grows up to this as frames are taken back */
    uint64_t spare;     /* of the cold frames: those that gathers freed or left as room */
    uint64_t quarantined, guards;
    pb_refusal refusal; /* see pb_refusal_of */
    uint64_t table_bytes;
    uint32_t regions;
    uint32_t asked_for_room;   /* regions when a gather last asked for a place with room */
    struct pb_pool **accounts; /* children by number; the caller's memory */
    pb_zone **zones;      /* by chunk, the caller's memory; NULL: none was ever opened */
    pb_zone *open_zones;  /* named by an entry, or about to be */
    pb_zone *ended_zones; /* with PB_PENDING_ZONE: named by none any more */
    uint32_t zone_chunk;  /* no chunk before this one is free */
    uint32_t
        fetched; /* zones with frames that may be absent, and one more if it spills: see pb_pool_fetches */
    bool spills;        /* frames may leave memory (spill/spill.h) */
    uint8_t told;       /* with PB_PENDING_ZONE: so is a zone */
    uint32_t absent;    /* threads that have noted some */
    pb_member *members; /* every tree that draws from the root or a child */
    pb_map *map;        /* where regions and views are listed; may be NULL */
    pb_fault fault;     /* the first broken rule; it stays */
    pb_fault found;     /* with PB_PENDING_FAULT: what to report */
    pb_lock fault_lock; /* of both; innermost, as damage is noted under any lock */
    /* Called for each tree that is linked, in the thread that links it. */
    void (*link_hook)(pb_member *tree);
    pb_trace_hook *trace_hook;          /* see pb_pool_set_trace */
    pb_acting acting;                   /* see pb_set_actor */
    pb_frame quarantine[PB_QUARANTINE]; /* a ring of `quarantined` frames */
    uint32_t oldest;
    uint32_t sample_every;  /* one frame in this many comes from the sample; 0: none */
    uint32_t sample_left;   /* 1: the next one comes from there */
    uint32_t mappings;      /* pieces that protection has cut the regions into */
    uint32_t most_mappings; /* past this number no protection is added */
    pb_region region[PB_REGION_SLOTS];
} pb_pool;

#define PB_PENDING_FAULT 1
#define PB_PENDING_PRESSURE 2
#define PB_PENDING_ZONE 4
#define PB_PENDING_ABSENT 8
#define PB_PENDING_HELD 16 /* the caller's: a call holds pages that it has fetched */

#if PB_LOCKS
extern _Thread_local uint64_t pb_taken_here; /* by this thread, for all pools */
extern _Thread_local pb_acting pb_acting_here;
extern _Thread_local pb_refusal pb_refusal_here;
#endif

/* ---- address of a frame: no loop, no branch ---- */

/* The bit length of a number, 0 to 32, which leads to its region: region k has those of k + 1
 * bits, and the first one all that are shorter as well.  Numbers of 32 bits are in none. */
static inline unsigned
pb_frame_bits(uint64_t frame)
{
    return pb_log2(2 * frame + 1);
}

static inline unsigned
pb_region_of(pb_frame frame)
{
    return pb_log2(frame | (PB_REGION0_FRAMES - 1));
}

static inline uint8_t *
pb_frame_address(const pb_pool *pool, pb_frame frame)
{
    return (uint8_t *)(pool->addr[pb_frame_bits(frame)] +
                       ((uintptr_t)frame << PB_PAGE_SHIFT));
}

static inline pb_row *
pb_frame_row(const pb_pool *pool, pb_frame frame)
{
    return (pb_row *)(pool->rows[pb_frame_bits(frame)] + (uintptr_t)frame * sizeof(pb_row));
}

/* The first frame number that region k may hold; 0 is none. */
static inline uint64_t
pb_region_begin(unsigned k)
{
    uint64_t first = (uint64_t)1 << k;
    return first < PB_REGION0_FRAMES ? 1 : first;
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

/* ---- level 0: what every copy asks of a page before it touches it ---- */

#ifndef PB_CHECKS
#define PB_CHECKS 1 /* 0 only to measure the cost of the checks */
#endif

/* Is it a frame of a region?  Any number may be asked about. */
static inline bool
pb_frame_in_region(const pb_pool *pool, pb_frame frame)
{
    return !PB_CHECKS || frame < pool->past[pb_frame_bits(frame)];
}

/* Is it a frame of a region, and held?  Any number may be asked about. */
static inline bool
pb_frame_readable(const pb_pool *pool, uint64_t frame)
{
    unsigned bits = pb_frame_bits(frame);
    return !PB_CHECKS ||
           PB_LIKELY(frame < pool->past[bits] &&
                     (int32_t)pb_load32(
                         &((const pb_row *)pool->rows[bits])[frame].held.count) > 0);
}

/* And does one entry only name it (I2)? */
static inline bool
pb_frame_writable(const pb_pool *pool, uint64_t frame)
{
    unsigned bits = pb_frame_bits(frame);
    return !PB_CHECKS ||
           PB_LIKELY(frame < pool->past[bits] &&
                     pb_load32(&((const pb_row *)pool->rows[bits])[frame].held.count) == 1);
}

/* The same for n > 0 consecutive frames of one region: are all of them held (`once`: by
 * one entry each)? */
static inline bool
pb_run_held(const pb_pool *pool, uint64_t frame, uint64_t n, bool once)
{
    unsigned bits = pb_frame_bits(frame);
    uint64_t past = frame + n;
    if (!PB_CHECKS || past > pool->past[bits]) {
        return !PB_CHECKS;
    }
    const pb_row *rows = (const pb_row *)pool->rows[bits];
    do {
        int32_t count = (int32_t)pb_load32(&rows[frame].held.count);
        if (once ? count != 1 : count <= 0) {
            return false;
        }
    } while (++frame < past);
    return true;
}

static inline bool
pb_run_readable(const pb_pool *pool, uint64_t frame, uint64_t n)
{
    return pb_run_held(pool, frame, n, false);
}

static inline bool
pb_run_writable(const pb_pool *pool, uint64_t frame, uint64_t n)
{
    return pb_run_held(pool, frame, n, true);
}

/* Is it a frame of a region that an entry names, and in memory?  Any number may be asked about.  The map has
 * one word for 64 frames, so it is in the caches where rows are not. */
static inline bool
pb_frame_resident(const pb_pool *pool, uint64_t frame)
{
    unsigned bits = pb_frame_bits(frame);
    const uint64_t *map = (const uint64_t *)pool->resident[bits];
    return !PB_CHECKS || (PB_LIKELY(frame < pool->past[bits]) &&
                          (pb_load64(&map[frame >> 6]) >> (frame & 63) & 1));
}

/* The same for n > 0 consecutive frames of one region. */
static inline bool
pb_run_resident(const pb_pool *pool, uint64_t frame, uint64_t n)
{
    unsigned bits = pb_frame_bits(frame);
    uint64_t past = frame + n;
    if (!PB_CHECKS || PB_UNLIKELY(past > pool->past[bits])) {
        return !PB_CHECKS;
    }
    const uint64_t *map = (const uint64_t *)pool->resident[bits];
    uint64_t here = pb_load64(&map[frame >> 6]) >> (frame & 63);
    while (PB_UNLIKELY((frame | 63) < past - 1)) {
        if (here != ~(uint64_t)0 >> (frame & 63)) {
            return false;
        }
        frame = (frame | 63) + 1;
        here = pb_load64(&map[frame >> 6]);
    }
    uint64_t wanted = ~(uint64_t)0 >> (64 - (past - frame));
    return (here & wanted) == wanted;
}

/* A fault at a frame: `offset` counts in the owner, or in the frame if there is no
 * owner. */
pb_fault
pb_fault_at(const pb_pool *pool, const char *why, pb_frame frame, const pb_member *owner,
            uint64_t offset);

/* Note damage.  It is reported after the call (PB_PENDING_FAULT); if it `stays`,
 * pool->fault keeps it, too. */
void
pb_pool_found(pb_pool *pool, const pb_fault *fault, bool stays);

/* The same for an entry whose frame must not be touched. */
void
pb_pool_found_bad(pb_pool *pool, const pb_member *owner, pb_frame frame, uint64_t offset);

static inline pb_acting *
pb_acting_of(pb_pool *pool)
{
#if PB_LOCKS
    (void)pool;
    return &pb_acting_here;
#else
    return &pool->root->acting;
#endif
}

/* The last refusal in this thread. */
static inline pb_refusal *
pb_refusal_of(pb_pool *pool)
{
#if PB_LOCKS
    (void)pool;
    return &pb_refusal_here;
#else
    return &pool->root->refusal;
#endif
}

/* Which of PB_PENDING_* wait to be reported for the pool's root. */
static inline uint8_t
pb_pending(const pb_pool *pool)
{
    return pb_load8(&pool->root->pending);
}

/* Has the pool's family zones with frames that may be absent?  It changes under the pool's lock, and is
 * looked at without: the zone of a frame that the caller's tree names is among them. */
static inline bool
pb_pool_fetches(const pb_pool *pool)
{
    return pb_load32(&pool->root->fetched) != 0;
}

/* ---- what a call could not read (I14): noted by the thread that met it ---- */

/* Has this thread noted absent frames of the pool's root? */
static inline bool
pb_pool_met_absent(pb_pool *pool)
{
    return PB_UNLIKELY(pb_pending(pool) & PB_PENDING_ABSENT) &&
           pb_refusal_of(pool)->absents && pb_refusal_of(pool)->absent_in == pool->root;
}

/* The status of a read: PB_OK, or PB_ABSENT where it met such frames, so that its result is void. */
static inline pb_status
pb_pool_read_status(pb_pool *pool)
{
    return pb_pool_met_absent(pool) ? PB_ABSENT : PB_OK;
}

/* The same of a read of two trees, whose pools may differ. */
static inline pb_status
pb_pool_read_status_two(pb_pool *a, pb_pool *b)
{
    pb_status st = pb_pool_read_status(a);
    return st == PB_OK ? pb_pool_read_status(b) : st;
}

/* Why nothing may change now: damage that waits to be reported, or absent frames.  Else PB_OK. */
static inline pb_status
pb_pool_trouble(pb_pool *pool)
{
    if (PB_UNLIKELY(pb_pending(pool) & PB_PENDING_FAULT)) {
        return PB_CORRUPT;
    }
    return pb_pool_read_status(pool);
}

/* Take what this thread has noted: returns how many runs, which `out` has room for. */
uint32_t
pb_pool_take_absent(pb_pool *pool, pb_frames out[PB_ABSENT_RUNS]);

/* Take the noted damage for reporting, so that it is reported once.  false: another
 * thread has taken it. */
bool
pb_pool_take_fault(pb_pool *pool, pb_fault *fault);

/* Say which tree is about to take or free frames, or to be walked: reports name it. */
static inline void
pb_set_actor(pb_pool *pool, const pb_member *tree)
{
    pb_acting *acting = pb_acting_of(pool);
    acting->tree = acting->on_behalf ? acting->on_behalf : tree;
}

/* Begin a change that may still be refused.  Frames it takes may be given back, so
 * neither high_water nor marks see them until it is decided (I3).  Calls nest. */
static inline void
pb_account_begin_trial(pb_pool *pool)
{
    pb_acting_of(pool)->trying++;
}

/* The change is decided: update high_water and marks of the pool and those above it. */
void
pb_account_end_trial(pb_pool *pool);

/* ---- life ---- */

/* Begin an empty pool that may hold `limit` frames.  Cannot fail.  Do not move it
 * afterwards. */
void
pb_pool_init(pb_pool *pool, uint64_t limit);

/* Set the debug level, before the first region is added. */
void
pb_pool_set_debug(pb_pool *pool, unsigned level);

/* Give the root a table for its children: PB_MOST_POOLS NULL pointers that stay valid as
 * long as the root.  false: it has one already. */
bool
pb_pool_offer_accounts(pb_pool *root, pb_pool **table);

/* Make a new pool a child of `parent`.  It gets the first free number from `from` on (1
 * to PB_MOST_POOLS - 1).  false: there is none. */
bool
pb_pool_join(pb_pool *child, pb_pool *parent, unsigned from);

/* End a child.  Frames of it that others still hold are charged to its parent; O(frames)
 * if there are any. */
void
pb_pool_leave(pb_pool *child);

/* End a root: its regions leave the map. */
void
pb_pool_fini(pb_pool *pool);

/* A tree begins, or ends, to take frames from the pool. */
void
pb_pool_link(pb_pool *pool, pb_member *tree);
void
pb_pool_unlink(pb_pool *pool, pb_member *tree);

/* A tree ends, linked or not: reports must not name it any more. */
void
pb_pool_forget(pb_pool *pool, const pb_member *tree);

/* Do two pools draw from the same regions, so that their trees may share frames? */
static inline bool
pb_pool_same(const pb_pool *a, const pb_pool *b)
{
    return a->root == b->root;
}

/* Is `pool` this one or below it? */
static inline bool
pb_pool_within(const pb_pool *pool, const pb_pool *above)
{
    while (pool && pool != above) {
        pool = pool->parent;
    }
    return pool != NULL;
}

/* Bytes of the companion region for `frames` frames; the second function is for debug
 * pools. */
size_t
pb_pool_table_bytes(uint32_t frames);
size_t
pb_pool_companion_bytes(const pb_pool *pool, uint32_t frames);

/* How many frames the next region should have: as many as all before it together; 0 when
 * no numbers are left. */
uint32_t
pb_pool_next_region(const pb_pool *pool);

/* Note (PB_PENDING_PRESSURE, pool->crossed) whenever the account reaches marks[i] frames
 * from below.  Marks rise; there are at most PB_MARKS. */
void
pb_pool_set_marks(pb_pool *pool, const uint64_t *marks, uint32_t n);

/* Take `frames` frames at `base`, their table at `table`, both zeros where `fresh_zero` says so; a
 * region may be smaller than its span, or larger than pb_pool_next_region says (then numbers are skipped).
 * PB_RANGE when the numbers do not reach.  Both stay mapped as long as the pool. */
pb_status
pb_pool_add_region(pb_pool *pool, void *base, void *table, uint32_t frames, bool fresh_zero,
                   bool discard_zeroes);

/* The sample (pool/guard.h), before any region: PB_SAMPLE_FRAMES frames at `base`, of a pool at
 * level 0; one frame in `every` will come from it. */
#define PB_SAMPLE 16
#define PB_SAMPLE_FRAMES (2 * PB_SAMPLE + 1)

size_t
pb_pool_sample_bytes(void); /* bytes of its companion region */
void
pb_pool_add_sample(pb_pool *root, void *base, void *table, uint32_t every);

/* ---- reserve, then take (I3) ---- */

/* Reserve n frames, so that taking them cannot fail.
 * PB_CORRUPT where damage was found that is not reported yet (so whoever counts what a change
 * needs has only to note it), or a free frame was written to (debug); PB_LIMIT, or
 * PB_NEED_PAGES with pb_refusal_of(pool)->short_by set; then nothing is reserved. */
pb_status
pb_pool_reserve(pb_pool *pool, uint64_t n);

/* Reserve n frames, and `moved` more: those take the place of frames that the same tree frees by
 * pb_pool_move_frame before pb_pool_end_move.  Limits, marks and high_water do not see a move, as it
 * holds no more frames in the end.  Otherwise as pb_pool_reserve. */
pb_status
pb_pool_reserve_move(pb_pool *pool, uint64_t n, uint64_t moved);

/* Drop a reference to frame `old`, whose page went to frame `to`.  true: it was the last one; then `to`
 * is charged to whom `old` was, and one frame less is on the move. */
bool
pb_pool_move_frame(pb_pool *pool, pb_frame old, pb_frame to);

/* The move is done.  `left` of its frames were not freed by pb_pool_move_frame. */
void
pb_pool_end_move(pb_pool *pool, uint64_t left);

/* Give back reserved frames that were not taken. */
void
pb_pool_unreserve(pb_pool *pool, uint64_t n);

/* A change that is to use frames which this thread reserved long before it: n of a pool.  Until the end
 * of the claim a reservation that the pool refuses for want of room is made of those.  So a limit that
 * was lowered meanwhile refuses nothing, nor does another thread that is quick (I3). */
static inline void
pb_pool_claim(pb_pool *pool, uint64_t n)
{
    pb_acting_of(pool)->claimed = n;
}

/* Give back what is left of the claim. */
static inline void
pb_pool_end_claim(pb_pool *pool)
{
    uint64_t left = pb_acting_of(pool)->claimed;
    if (left) {
        pb_acting_of(pool)->claimed = 0;
        pb_pool_unreserve(pool, left);
    }
}

/* Bytes outside of all frames, which nobody but a buffer of this pool keeps alive, count against
 * limits as well: as many frames as they would fill, all together.  The pool that holds them is
 * charged, and all above it.
 *
 * PB_LIMIT: n more are too many, even if `frames` of the pool are freed at once; nothing is charged. */
pb_status
pb_pool_lend(pb_pool *pool, uint64_t n, uint64_t frames);

/* The same without asking the limits: for bytes that were charged a moment ago. */
void
pb_pool_lend_again(pb_pool *pool, uint64_t n);

/* So many of them are kept no longer. */
void
pb_pool_unlend(pb_pool *pool, uint64_t n);

/* How many frames the lent bytes count for. */
static inline uint64_t
pb_pool_lent_frames(const pb_pool *pool)
{
    return pool->lent_frames;
}

/* Counting before a change may count too much: a frame that one tree names twice counts
 * twice, but needs one copy only.  So note before the change how many frames this thread
 * has taken, and afterwards give back the rest of the n reserved ones. */
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
        pb_pool_unreserve(pool, rest);
    }
}

/* Take up to `want` reserved frames with consecutive numbers, after frame `after`
 * where that is free; after == 0: from the most recently freed one on.  Returns the
 * first; *got >= 1; *zero: all known to be zeros.  Each has count 1, PB_KIND_DATA. */
pb_frame
pb_pool_take_run(pb_pool *pool, pb_frame after, uint32_t want, uint32_t *got, bool *zero);

/* Reserve one frame and take it, as pb_pool_take_run does; 0 when there is none. */
pb_frame
pb_pool_take_one(pb_pool *pool, pb_frame after, bool *zero);

/* Take one reserved frame for a node.  Its bytes are not cleared. */
pb_frame
pb_pool_take_node(pb_pool *pool, bool *zero);

/* Take exactly `n` reserved frames with consecutive numbers; 0 when there is no such
 * stretch (then nothing was taken and the reservation stands).  O(frames) at worst. */
pb_frame
pb_pool_take_exact(pb_pool *pool, uint32_t n);

/* The same, with `room` free frames right behind the run.  They stay free, but others get them last,
 * so that the run can grow where it is.  0 if no place has both. */
pb_frame
pb_pool_take_with_room(pb_pool *pool, uint32_t n, uint32_t room);

/* No place has a run and its room, n frames together: ask for a region that has, once for each number
 * of regions.  true: PB_NEED_PAGES is due.  The caller of that goes on without room if there is no
 * memory for more. */
bool
pb_pool_ask_for_room(pb_pool *pool, uint64_t n);

/* Take all of the `n` reserved frames right behind frame `after`.  false: one of them is
 * not free, or in another region; then nothing was taken. */
bool
pb_pool_take_behind(pb_pool *pool, pb_frame after, uint32_t n);

/* ---- zones: frames that are nobody's to write, free or count one by one (I12) ---- */

/* The zone that has the frame; NULL: none.  Any number may be asked about. */
static inline pb_zone *
pb_zone_of(const pb_pool *pool, pb_frame frame)
{
    pb_zone **zones = pb_frame_in_zone(frame) ? pool->root->zones : NULL;
    pb_zone *z = zones ? zones[(frame - PB_ZONE_FIRST) >> PB_ZONE_CHUNK_BITS] : NULL;
    return z && frame - z->first < z->count ? z : NULL;
}

/* Count n > 0 more entries that name frames of the zone of `frame`. */
void
pb_zone_ref(pb_pool *pool, pb_frame frame, uint64_t n);

/* An entry that named a frame names one of a zone from now on.  The root's lock is held. */
void
pb_frame_spill_locked(pb_pool *root, pb_frame frame, pb_frame to);

/* Does more than one entry name the frame, which is held, or is it a zone's? */
static inline bool
pb_frame_is_shared(const pb_pool *pool, pb_frame frame)
{
    return pb_frame_in_zone(frame) || pb_frame_count(pool, frame) > 1;
}

/* ---- give back ---- */

/* Drop one reference; the last one frees the frame (or detaches it under a pin). */
void
pb_frame_unref(pb_pool *pool, pb_frame frame);

/* Add a reference to each frame that one of n entries names.  An entry that names no
 * held frame is skipped: whoever reads the page finds it. */
void
pb_entries_ref(pb_pool *pool, const pb_entry *entries, uint32_t n);

/* Drop one reference of each, from the back: then the free list hands the frames out in
 * rising order. */
void
pb_entries_unref(pb_pool *pool, const pb_entry *entries, uint32_t n);

/* Drop one reference if there are others.  false: the caller's is the only one, and
 * stays.  So if two trees release a node at once, exactly one of them takes it apart. */
bool
pb_frame_unref_shared(pb_pool *pool, pb_frame frame);

/* Add or remove a live pin of a frame; removing the last one of a detached frame frees
 * it. */
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

static inline uint64_t
pb_pool_warm(const pb_pool *root)
{
    return root->listed - root->cold;
}

/* When many frames are freed at once, they go back to the system in batches, of whole
 * huge pages if possible.  pb_pool_keep gives back the remainder at the end. */
#define PB_BATCH ((uint64_t)8 << (20 - PB_PAGE_SHIFT))

/* If more than root->keep frames are warm, give those freed first back to the system, in
 * long stretches. */
void
pb_pool_give_back(pb_pool *pool);

/* Call at the end of everything that frees frames. */
static inline void
pb_pool_keep(pb_pool *pool)
{
    /* without a GIL only the lock makes the test safe */
    if (PB_LOCKS || PB_UNLIKELY(pb_pool_warm(pool->root) > pool->root->keep)) {
        pb_pool_give_back(pool);
    }
}

/* ---- looking in ---- */

/* Bytes of the frame tables that were ever touched.  O(regions). */
uint64_t
pb_pool_tables(const pb_pool *pool);

/* One past the highest frame number. */
size_t
pb_pool_numbers(const pb_pool *pool);

/* Does a region have the frame, and is it free?  For the checks. */
bool
pb_frame_valid(const pb_pool *pool, pb_frame frame);
bool
pb_frame_is_free(const pb_pool *pool, pb_frame frame);

/* The kind of a frame of a region. */
pb_kind
pb_frame_kind(const pb_region *r, pb_frame frame);

/* Call a hook for each run of frames that a root takes or frees.  Not while `is_traced` says no, which is
 * asked when frames are taken: it then knows of no frame taken before.  NULL: call the hook always. */
void
pb_pool_set_trace(pb_pool *root, pb_trace_hook *hook, bool (*is_traced)(void));

/* The numbers the trace hook gave for a frame; zeros unless frames are traced. */
pb_trace
pb_frame_trace(const pb_pool *pool, pb_frame frame);

/* Frames with more than one reference that the pool or a child took.  O(total). */
uint64_t
pb_pool_shared(const pb_pool *pool);

#endif
