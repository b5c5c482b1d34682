/* range/diff.h: where two buffers differ.
 *
 * Trees of one pool whose offsets lie at the same place of a page are compared entry by
 * entry: equal ones, however tall, are skipped (I5), so the cost follows what differs.
 * Others are compared byte by byte.  Changes nothing; both are locked. */
#ifndef PB_RANGE_DIFF_H
#define PB_RANGE_DIFF_H

#include "buffer/buf.h"

typedef struct {
    const pb_buf *a, *b;
    bool exact;      /* to the byte; else whole pages, of a's tree */
    bool by_entry;   /* entries tell what is equal */
    uint64_t at;     /* equal or reported, up to here */
    uint64_t common; /* the shorter size */
    uint64_t size;   /* the longer one */
    pb_leaf leaf_a, leaf_b;
} pb_diff;

void
pb_diff_open(pb_diff *d, const pb_buf *a, const pb_buf *b, bool exact);

/* The next range that differs, not adjacent to the last; *n is 0 when there is none.  PB_OK.  What
 * lies past the shorter end differs.  A hole equals zeros in an exact comparison; in the
 * other one it differs from a page. */
pb_status
pb_diff_next(pb_diff *d, uint64_t *off, uint64_t *n);

#endif
