/* range/diff.h: where two buffers differ.
 *
 * Two trees of one pool are compared entry by entry, if an offset has the same place within a
 * page in both.  Equal entries of any height are skipped (I5), so the cost follows what differs.
 * Other buffers are compared byte by byte.  Changes nothing.  The caller holds both locks. */
#ifndef PB_RANGE_DIFF_H
#define PB_RANGE_DIFF_H

#include "buffer/buf.h"

typedef struct {
    const pb_buf *a, *b;
    bool exact;    /* ranges are exact to the byte; else they are whole pages of a's tree */
    bool by_entry; /* compares entries before bytes */
    uint64_t at;   /* where the next call goes on */
    uint64_t common; /* the shorter size */
    uint64_t size;   /* the longer one */
    pb_leaf leaf_a, leaf_b;
} pb_diff;

void
pb_diff_open(pb_diff *d, const pb_buf *a, const pb_buf *b, bool exact);

/* The next range that differs, not adjacent to the last; *n is 0 when there is none.  Always PB_OK.
 * Bytes past the end of the shorter buffer differ.  A hole equals zeros, except where whole pages
 * are compared by entry: there it differs from a page. */
pb_status
pb_diff_next(pb_diff *d, uint64_t *off, uint64_t *n);

#endif
