/* pool/advise.h: advice to the system about the memory of a region.  The core maps
 * nothing; it only gives advice about memory it was handed.  Where the system knows no
 * such advice, these functions do nothing. */
#ifndef PB_POOL_ADVISE_H
#define PB_POOL_ADVISE_H

#include "pool/pool.h"

/* Ask for huge pages for the untouched frames that come next, once the pool is so large
 * that a half-used huge page is a small part of it. */
void
pb_advise_dense(pb_region *r, uint64_t held);

/* Frames that the system backs in one call: 256 KiB, so that its zeros are still in the second-level
 * cache when bytes are copied over them.  Also what others wait for at most, as the pool's lock is
 * held; larger copies, and their page faults, go on without it. */
#define PB_AHEAD_MOST 64

/* The frames [first, lo) were untouched until now, and their bytes are about to be written: have the
 * system back them, and up to a quarter of what is held behind them, in one call, which takes less time
 * than a page fault for each. */
void
pb_advise_ahead(pb_region *r, pb_frame first, uint64_t held);

/* The n frames from `first` on were handed out a moment ago, too many to be backed under the pool's lock:
 * have the system back the first of them, PB_AHEAD_MOST at most, if they were untouched until then. */
void
pb_advise_run(pb_pool *pool, pb_frame first, uint64_t n);

/* The same for n > 0 frames from the i-th of a region on that the system had back. */
void
pb_advise_again(pb_region *r, uint32_t i, uint32_t n);

/* Give back what lies behind `lo` and no frame of which was handed out, although the system backs it:
 * the end of a huge page, and what pb_advise_ahead was ahead.  Returns the bytes given back. */
uint64_t
pb_advise_rest(pb_region *r);

/* Hand the frames [*from, *to) of a region back to the system, narrowed to whole
 * system pages.  Returns the bytes given back. */
uint64_t
pb_advise_discard(pb_region *r, uint32_t *from, uint32_t *to);

#endif
