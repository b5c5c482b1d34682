/* pool/guard.h: memory that nobody may touch is made untouchable (level 2), so that a foreign
 * store stops at the very instruction.
 *
 *    free, quarantined, never used   PB_CLOSED      no access
 *    frames of a snapshot            PB_READ_ONLY
 *    a guard, behind each run        PB_CLOSED      kept free while the frame before is held
 *
 * Each change of protection cuts a mapping of the system in pieces, of which it has only so
 * many; past root->most_mappings frames stay open, or are opened with those around them, and
 * then level 1 is what is left.  Below the system's page size nothing is protected at all.
 *
 * The sample, for production: a region of its own with PB_SAMPLE places, each between two
 * guards (pb_pool_add_sample).  One frame in root->sample_every comes from there, and stays
 * closed for as long as possible after it was freed.
 *
 * All of it runs under the lock of the root. */
#ifndef PB_POOL_GUARD_H
#define PB_POOL_GUARD_H

#include "pool/pool.h"

#define PB_MOST_MAPPINGS 16384 /* of the 65530 that Linux grants a process by default */

typedef enum {
    PB_OPEN = 0,
    PB_READ_ONLY = 1,
    PB_CLOSED = 2,
} pb_protection;

/* Can this system protect single frames? */
bool
pb_guard_possible(void);

/* Does the pool keep runs apart? */
bool
pb_guard_wanted(const pb_pool *root);

/* Protect [first, first + n), frames of one region.  Does nothing where that is
 * impossible or the debug level does not ask for it.  Opening never fails. */
void
pb_guard_set(pb_pool *root, pb_frame first, uint32_t n, pb_protection how);

/* The one tree that still names a formerly shared frame is about to write it: make it
 * writable.  Takes the lock itself. */
void
pb_guard_thaw(pb_pool *pool, pb_frame frame);

/* The protection of a frame. */
pb_protection
pb_guard_of(const pb_pool *root, pb_frame frame);

/* Make the frame behind a run a guard, if it is free and not needed. */
void
pb_guard_behind(pb_pool *root, pb_frame frame);

/* The frame before this one is free again: if this one was its guard, free it. */
void
pb_guard_left(pb_pool *root, pb_frame frame);

/* ---- the sample ---- */

/* The next frame of the sample, open; 0: this request is not one of the sample's, or all
 * of its frames are in use. */
pb_frame
pb_guard_sample(pb_pool *root);

/* A frame of the sample was freed. */
void
pb_guard_retire(pb_pool *root, pb_frame frame);

#endif
