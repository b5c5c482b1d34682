/* inspect/named.h: which pages of a zone do trees name?
 *
 * Somebody is about to change the memory of a zone, and keeps what is named.  He asks about some pages;
 * the others don't matter.  Each node is looked at once, however many trees share it. */
#ifndef PB_INSPECT_NAMED_H
#define PB_INSPECT_NAMED_H

#include "buffer/buf.h"

/* Pages of the zone, counted from its first one.  What lies behind its last one, less than a page, counts as one
 * more: the tail, which a frame of its own is the copy of. */
typedef struct {
    uint64_t first, past;
    uint64_t bit; /* the number of the first one among all that are asked about */
} pb_asked;

typedef struct {
    const pb_zone *zone;
    const pb_asked *asked; /* in rising order, apart */
    size_t n;
    uint8_t *named; /* a bit for each page that is asked about, zeroed */
    uint8_t *seen;  /* scratch: a bit for each number of the pool, zeroed */
} pb_naming;

static inline bool
pb_naming_says(const pb_naming *x, uint64_t bit)
{
    return x->named[bit >> 3] >> (bit & 7) & 1;
}

/* Set the bits of pages that trees of the root name, apart from `but`.  The pool is at rest.
 * O(nodes and pages that the trees reach). */
void
pb_zone_named(const pb_naming *x, const pb_pool *pool, const pb_buf *but);

/* The bytes behind the last frame of the zone change, and nobody names their copy: the zone gives it up. */
void
pb_zone_drop_tail(pb_pool *pool, pb_zone *zone);

#endif
