/* pool/poison.h: what debug pools do with frames that nobody holds, and with memory that
 * callers hand in (level 1).
 *
 *    free and quarantined frames   0x6b ... 0x6b 0xa5, or zeros where that is known
 *    the tail past the end         0x5a (buffer/tail.c)
 *
 * A freed frame waits in the quarantine until PB_QUARANTINE others were freed after it.
 * Whoever wrote to one meanwhile is found when it leaves, when it is reserved or taken,
 * and by pb_pool_check.  The damage is reported once, and mended.
 *
 * Functions without a word about the lock are called with that of the root held. */
#ifndef PB_POOL_POISON_H
#define PB_POOL_POISON_H

#include "pool/pool.h"

#define PB_POISON 0x6b
#define PB_POISON_END 0xa5
#define PB_TAIL_FILL 0x5a

/* Call the trace hook, and keep the number it returns where frames are traced. */
void
pb_debug_tell(pb_pool *root, pb_frame first, uint32_t n, bool taken);

/* Free frames [first, first + n) are about to be handed out: they become writable, and
 * damage is noted. */
void
pb_debug_taken(pb_pool *root, pb_frame first, uint32_t n);

/* A frame was freed.  false: put it on the free list, as other pools do. */
bool
pb_debug_released(pb_pool *root, pb_frame frame);

/* Check the next n free frames for writes; note and mend what was written.  false: there
 * was damage. */
bool
pb_debug_verify_free(pb_pool *root, uint64_t n);

/* Frames are short: empty the quarantine. */
void
pb_debug_end_quarantine(pb_pool *root);

/* May a copy use this foreign memory?  Not if it touches pages of a debug pool without
 * lying inside one view that was handed out: then note that.  Called without a lock. */
bool
pb_debug_foreign(pb_pool *pool, const void *mem, uint64_t n);

/* The names of the kinds of damage. */
#define PB_WHY_POISON "I1: a free frame was written to"
#define PB_WHY_ZEROS "I4: a free frame that was zeros is not"
#define PB_WHY_TAIL "I4: a byte past the end was written"
#define PB_WHY_FOREIGN \
    "I9: memory handed in lies among pages, but in no view that was handed out"

/* The first of n bytes that is not `byte`; n: none. */
size_t
pb_debug_first_other(const uint8_t *at, uint8_t byte, size_t n);

/* Damage to a frame that nobody holds, as a fault; false: none, or level 2 makes it
 * unreadable. */
bool
pb_debug_find(pb_pool *root, pb_frame frame, pb_fault *fault);

/* The region around an extent of a map's regions, and the frame at an address in it. */
static inline const pb_region *
pb_debug_region(const pb_interval *x)
{
    return (const pb_region *)((const char *)x - offsetof(pb_region, extent));
}

static inline pb_frame
pb_debug_frame_at(const pb_region *r, uintptr_t address)
{
    return r->first + (pb_frame)((address - (uintptr_t)r->base) >> PB_PAGE_SHIFT);
}

#endif
