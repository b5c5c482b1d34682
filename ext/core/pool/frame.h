/* pool/frame.h: frame numbers, and the word that names a frame.  A frame is a page-sized
 * place in a region.  The nodes of a tree name frames by entries: 8 bytes each,
 * little-endian in memory. */
#ifndef PB_POOL_FRAME_H
#define PB_POOL_FRAME_H

#include "base/bits.h"
#include "base/status.h"

typedef uint32_t pb_frame; /* 0 means none; with bit 31, of a zone (zone/zone.h) */
typedef uint64_t pb_entry; /* frame << 12 | flags; all zero is a hole */

/* The flags of an entry:
 *    PRESENT              it names a page or a node
 *    a run                a hint: first frame of a dense leaf, in bits 1-11 and 44-63 (I17)
 *    HUGE, height << 2    it names 512^height frames of a zone that follow one another, where a
 *                         node of that height could stand */
#define PB_ENTRY_SHIFT 12
#define PB_ENTRY_PRESENT ((uint64_t)1)
#define PB_ENTRY_HUGE ((uint64_t)2)
#define PB_ENTRY_HEIGHT_SHIFT 2
#define PB_ENTRY_HEIGHT_MOST 31
#define PB_ENTRY_ADDRESS (((uint64_t)0xffffffff) << PB_ENTRY_SHIFT)
#define PB_HOLE ((pb_entry)0)

static inline uint64_t
pb_le64(uint64_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(v);
#else
    return v;
#endif
}

static inline pb_entry
pb_entry_load(const pb_entry *at)
{
    return pb_le64(*at);
}

static inline void
pb_entry_store(pb_entry *at, pb_entry e)
{
    *at = pb_le64(e);
}

static inline pb_entry
pb_entry_of(pb_frame frame)
{
    return ((pb_entry)frame << PB_ENTRY_SHIFT) | PB_ENTRY_PRESENT;
}

/* ---- dense leaves (I17) ----
 *
 * A leaf is dense if its entries name frames that follow one another in one region.  The entry above
 * it may say so: then it has the number of the first frame in its spare bits.  So whoever looks for a
 * page need not look at the leaf.
 *
 *    63      44 43     12 11       1   0
 *    | run >> 11 | frame  | run      | PRESENT | */
#define PB_RUN_HIGH_SHIFT (PB_ENTRY_SHIFT + 32)
#define PB_RUN_LOW_BITS (PB_ENTRY_SHIFT - 1)
#define PB_RUN_LOW_MASK (((pb_frame)1 << PB_RUN_LOW_BITS) - 1)

/* The first frame of the leaf that a present entry of height 1 names, if it says that the leaf is
 * dense; else 0. */
static inline pb_frame
pb_entry_run(pb_entry e)
{
    return (pb_frame)(e >> PB_RUN_HIGH_SHIFT << PB_RUN_LOW_BITS) |
           ((pb_frame)(e >> 1) & PB_RUN_LOW_MASK);
}

/* The same entry, saying that its leaf begins with the frame `run`; 0: saying nothing. */
static inline pb_entry
pb_entry_with_run(pb_entry e, pb_frame run)
{
    return (e & (PB_ENTRY_ADDRESS | PB_ENTRY_PRESENT)) |
           ((pb_entry)(run >> PB_RUN_LOW_BITS) << PB_RUN_HIGH_SHIFT) |
           ((pb_entry)(run & PB_RUN_LOW_MASK) << 1);
}

/* Are these eight entries holes? */
static inline bool
pb_eight_holes(const pb_entry *at)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < 8; i++) {
        any |= at[i];
    }
    return any == PB_HOLE;
}

/* How many of n entries are left without the holes at the end? */
static inline uint32_t
pb_live_entries(const pb_entry *entries, uint32_t n)
{
    while (n >= 8 && pb_eight_holes(entries + n - 8)) {
        n -= 8;
    }
    while (n && entries[n - 1] == PB_HOLE) {
        n--;
    }
    return n;
}

/* The frame an entry names, 0 for a hole. */
static inline pb_frame
pb_entry_frame(pb_entry e)
{
    return (pb_frame)(e >> PB_ENTRY_SHIFT);
}

/* The same for use as an index: 64 bits wide, so the compiler need not clear the upper
 * half again. */
static inline uint64_t
pb_entry_number(pb_entry e)
{
    return (e & PB_ENTRY_ADDRESS) >> PB_ENTRY_SHIFT;
}

/* ---- frames of zones, and huge entries (I12) ---- */

static inline bool
pb_frame_in_zone(pb_frame frame)
{
    return frame >> 31;
}

/* PRESENT and a number of a region would be damage. */
static inline bool
pb_entry_is_huge(pb_entry e)
{
    const pb_entry zone = (pb_entry)1 << (PB_ENTRY_SHIFT + 31);
    return (e & (zone | PB_ENTRY_HUGE | PB_ENTRY_PRESENT)) == (zone | PB_ENTRY_HUGE);
}

/* The entry of height h for frames of a zone, from `frame` on. */
static inline pb_entry
pb_entry_of_zone(pb_frame frame, unsigned h)
{
    return h ? ((pb_entry)frame << PB_ENTRY_SHIFT) | (h << PB_ENTRY_HEIGHT_SHIFT) |
                   PB_ENTRY_HUGE
             : pb_entry_of(frame);
}

static inline unsigned
pb_entry_height(pb_entry e)
{
    return (unsigned)(e >> PB_ENTRY_HEIGHT_SHIFT) & PB_ENTRY_HEIGHT_MOST;
}

/* What entry i would be in a node that stands for a huge entry. */
static inline pb_entry
pb_entry_child(pb_entry e, uint32_t i)
{
    unsigned h = (pb_entry_height(e) - 1) & PB_ENTRY_HEIGHT_MOST;
    return pb_entry_of_zone(pb_entry_frame(e) + (i << (h * PB_NODE_BITS & 31)), h);
}

/* Equal entries mean equal subtrees (I5).  Bits 44-63 are checksums: left out. */
static inline bool
pb_entry_same(pb_entry a, pb_entry b)
{
    return ((a ^ b) & PB_ENTRY_ADDRESS) == 0;
}

#endif
