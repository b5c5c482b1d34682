/* pool/frame.h: frame numbers, and the word that names a frame.  A frame is a page-sized
 * place in a region.  The nodes of a tree name frames by entries: 8 bytes each,
 * little-endian in memory. */
#ifndef PB_POOL_FRAME_H
#define PB_POOL_FRAME_H

#include "base/bits.h"
#include "base/status.h"

typedef uint32_t pb_frame; /* 0 means none */
typedef uint64_t pb_entry; /* frame << 12 | flags; all zero is a hole */

#define PB_ENTRY_SHIFT 12
#define PB_ENTRY_PRESENT ((uint64_t)1)
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

/* Equal entries mean equal subtrees (I5).  Bits 44-63 are checksums: left out. */
static inline bool
pb_entry_same(pb_entry a, pb_entry b)
{
    return ((a ^ b) & PB_ENTRY_ADDRESS) == 0;
}

#endif
