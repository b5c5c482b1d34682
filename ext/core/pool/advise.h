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

/* Give back the part of a huge page that lies behind `lo`: the system has filled the
 * page, but no frame there was handed out.  Returns the bytes given back. */
uint64_t
pb_advise_rest(pb_region *r);

/* Hand the frames [*from, *to) of a region back to the system, narrowed to whole
 * system pages.  Returns the bytes given back. */
uint64_t
pb_advise_discard(pb_region *r, uint32_t *from, uint32_t *to);

#endif
