/* range/paste.h: a range of one buffer put over a range of another.
 *
 * Whole pages are shared where tree positions are congruent modulo the page and the pool is
 * one (whole subtrees where they are congruent modulo more), bytes are copied elsewhere:
 * at the edges, from and to pages under live views (I7, I11), and everything where
 * positions are not congruent.  A hole stays a hole as far as whole pages go.
 *
 *    to      | . . B B | G | G | G | P | G | B . . |
 *              edge      graft       pinned  edge
 *
 * A paste has two halves, so that the caller may do without the GIL in the second one:
 *    pb_paste_begin    all that can fail, and all that changes the shape of the tree
 *    pb_paste_finish   the copies; touches neither pool nor shape */
#ifndef PB_RANGE_PASTE_H
#define PB_RANGE_PASTE_H

#include "buffer/buf.h"

typedef struct {
    pb_buf *to;
    const pb_buf *from;
    uint64_t off, from_off, n;
    bool grafts;    /* the two are congruent and of one pool */
    bool shared;    /* and frames of `from` were shared */
    uint64_t bytes; /* that pb_paste_finish copies */
} pb_paste;

/* Put [from_off, from_off + n) of `from`, inside its size, over [off, off + n) of `to`,
 * which is another buffer and grows as a write would make it.  PB_NEED_PAGES, PB_LIMIT,
 * PB_CAPACITY, PB_FROZEN: nothing has changed.  When `shared` is set, somebody has to tell
 * the owner of the frames (pb_buf_mark_shared). */
pb_status
pb_paste_begin(pb_paste *p, pb_buf *to, uint64_t off, const pb_buf *from, uint64_t from_off,
               uint64_t n);
void
pb_paste_finish(const pb_paste *p);

/* Frames of the buffer are named by another tree as well, from now on (I2). */
void
pb_buf_mark_shared(pb_buf *b);

/* What a range of a buffer holds, kept while the buffer goes on: O(1), and the pages of the
 * range under live views, which are copied (I11). */
typedef struct {
    pb_buf b;
    uint64_t off; /* where the range begins in it */
    bool whole;   /* it holds the whole buffer */
} pb_range_snapshot;

/* Hold [off, off + n) of `from`, inside its size, n > 0.  PB_NEED_PAGES, PB_LIMIT: nothing
 * has changed.  Ends with pb_range_end_snapshot; `from` may not go before.  `shared`: somebody
 * shares frames of the range by now. */
pb_status
pb_range_read_snapshot(pb_range_snapshot *r, pb_buf *from, uint64_t off, uint64_t n);
void
pb_range_end_snapshot(pb_range_snapshot *r, pb_buf *from, bool shared);

#endif
