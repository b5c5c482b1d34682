/* range/paste.h: overwrites a range of one buffer with a range of another.
 *
 * A paste shares whole pages instead of copying them, if both buffers are on one pool and the
 * two ranges have the same place within a page.  If they also have the same place within a node,
 * it shares whole subtrees.  It copies bytes at the edges, from and to pages under live views (I7,
 * I11), and everywhere if pages cannot be shared.  A hole that covers whole pages stays a hole.
 *
 *    to      | . . B B | G | G | G | P | G | B . . |
 *              edge      graft       pinned  edge
 *
 * A paste has two halves, so that the caller can give up the GIL for the second one:
 *    pb_paste_begin    does everything that can fail or that changes the tree
 *    pb_paste_finish   copies the bytes; changes neither the pool nor the tree */
#ifndef PB_RANGE_PASTE_H
#define PB_RANGE_PASTE_H

#include "buffer/buf.h"

typedef struct {
    pb_buf *to;
    const pb_buf *from;
    uint64_t off, from_off, n;
    bool grafts;    /* pages may be shared: one pool, same place within a page */
    bool shared;    /* frames of `from` were shared */
    uint64_t bytes; /* how many pb_paste_finish copies */
} pb_paste;

/* Overwrite [off, off + n) of `to` with [from_off, from_off + n) of `from`, which lies inside its
 * size.  `to` is another buffer.  It grows as by a write.  PB_NEED_PAGES, PB_LIMIT, PB_CAPACITY,
 * PB_FROZEN: nothing has changed.  If `shared` is set afterwards, call pb_buf_mark_shared for the
 * buffer that owns the frames. */
pb_status
pb_paste_begin(pb_paste *p, pb_buf *to, uint64_t off, const pb_buf *from, uint64_t from_off,
               uint64_t n);
void
pb_paste_finish(const pb_paste *p);

/* Record that another tree names frames of the buffer from now on (I2). */
void
pb_buf_mark_shared(pb_buf *b);

/* A read snapshot of a range: keeps its bytes while the buffer changes.  A buffer without live
 * views is shared whole, in O(1).  Otherwise only the range is: its pages are shared, apart from
 * those under live views, which are copied (I11). */
typedef struct {
    pb_buf b;
    uint64_t off; /* where the range begins in b */
    bool whole;   /* b holds the whole buffer */
} pb_range_snapshot;

/* Take a read snapshot of [off, off + n) of `from`, n > 0, which lies inside its size.
 * PB_NEED_PAGES, PB_LIMIT: nothing has changed.  pb_range_end_snapshot ends it; `from` must live
 * until then.  Pass `shared` if another tree has come to share frames of the range. */
pb_status
pb_range_read_snapshot(pb_range_snapshot *r, pb_buf *from, uint64_t off, uint64_t n);
void
pb_range_end_snapshot(pb_range_snapshot *r, pb_buf *from, bool shared);

#endif
