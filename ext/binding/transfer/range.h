/* transfer/range.h: ranges of one buffer put into another one, by sharing pages where that goes. */
#ifndef PAGEBUF_TRANSFER_RANGE_H
#define PAGEBUF_TRANSFER_RANGE_H

#include "transfer/transfer.h"
#include "range/splice.h"

/* Where a range goes. */
typedef struct {
    enum {
        RANGE_OVER,  /* over what is there from `off` on */
        RANGE_END,   /* to the end */
        RANGE_SLICE, /* in the place of the slice start:stop */
    } where;
    uint64_t off;
    Py_ssize_t start, stop;
} range_place;

/* Put [from_off, from_off + *n) of `from`, clipped to its end, into `b`, which may be the
 * same buffer: as if the range were copied out first.  *n becomes what was put.  Both
 * objects are kept alive by the caller.  -1 with an exception and nothing changed. */
int
range_put(pb_buf *b, const range_place *place, pb_buf *from, uint64_t from_off,
          uint64_t *n);

#endif
