/* range/run.h: the contiguous stretches of a range, forwards and backwards.
 *
 * A stretch is a run of pages that lie side by side in memory, or a hole, or the bytes of
 * a tiny buffer.  It ends with its leaf node at the latest, so finding one is
 * O(levels + FANOUT).  Nothing is changed or remembered: readers may run side by side. */
#ifndef PB_RANGE_RUN_H
#define PB_RANGE_RUN_H

#include "buffer/buf.h"

typedef struct {
    pb_extent_kind kind;
    const uint8_t *at; /* of its first byte, where it is PRESENT */
    uint64_t start, n; /* offset and length */
} pb_run;

/* The stretch that [off, end) begins with; off < end <= size. */
pb_run
pb_run_first(const pb_buf *b, uint64_t off, uint64_t end);

/* The stretch that [off, end) ends with; off < end <= size. */
pb_run
pb_run_last(const pb_buf *b, uint64_t off, uint64_t end);

/* The bytes around `off` that lie in one piece with it, a few pages to either side;
 * off < size.  For those who go from byte to byte. */
pb_run
pb_run_around(const pb_buf *b, uint64_t off);

#endif
