/* pool/advise.h: what the system is told about the memory of a region.
 *
 * The core maps nothing; it only gives advice on what it was handed.  Where the
 * system knows no such advice these do nothing. */
#ifndef PB_POOL_ADVISE_H
#define PB_POOL_ADVISE_H

#include "pool/pool.h"

/* Huge pages for the ground that untouched frames are about to take, once the pool is
 * large enough that a half-used huge page is a small part of it. */
void
pb_advise_dense(pb_region *r, uint64_t held);

/* Give back what lies of a huge page behind `lo`: the system has filled all of it, and none
 * of it was handed out.  Returns bytes. */
uint64_t
pb_advise_rest(pb_region *r);

/* Hand the frames [*from, *to) of a region back to the system, narrowed to whole
 * system pages.  Returns the bytes given back. */
uint64_t
pb_advise_discard(pb_region *r, uint32_t *from, uint32_t *to);

#endif
