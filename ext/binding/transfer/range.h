/* transfer/range.h: put a range of one buffer into another one, and share pages where
 * possible. */
#ifndef PAGEBUF_TRANSFER_RANGE_H
#define PAGEBUF_TRANSFER_RANGE_H

#include "transfer/transfer.h"
#include "range/splice.h"

/* Where a range goes. */
typedef struct {
    enum {
        RANGE_OVER,  /* over the bytes from `off` on */
        RANGE_END,   /* at the end */
        RANGE_SLICE, /* in place of the slice start:stop */
    } where;
    uint64_t off;
    Py_ssize_t start, stop;
} range_place;

/* Put [from_off, from_off + *n) of `from`, clipped to its end, into `b`.  If both are
 * the same buffer the result is as if the range were copied out first.  Sets *n to the
 * number of bytes.  The caller keeps both objects alive.  -1 with an exception and
 * nothing changed. */
int
range_put(pb_buf *b, const range_place *place, pb_buf *from, uint64_t from_off,
          uint64_t *n);

#endif
