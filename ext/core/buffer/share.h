/* buffer/share.h: live views, stable views, and trees that share frames (I2, I7, I11).
 *
 * A live view is a run of frames under a writable memoryview, and has a pin in the list of its
 * buffer (view/pins.h).  The list is made with the first live view. */
#ifndef PB_BUFFER_SHARE_H
#define PB_BUFFER_SHARE_H

#include "buffer/buf.h"

/* ---- live views ---- */

/* The buffer moves to pages and gets a pin list (zeroed, the caller's memory). */
pb_status
pb_buf_open_pins(pb_buf *b, pb_pin_list *pins);

/* Pin [off, off + n), n > 0, inside the size: holes become pages, shared pages become its
 * own, and scattered pages are gathered into one run.  *address is where it starts.
 * PB_PINNED when other live views are in the way of gathering.  O(1) when the run is
 * remembered, else O(pages). */
pb_status
pb_buf_pin(pb_buf *b, uint64_t off, uint64_t n, pb_pin *pin, uint8_t **address);

/* Has the buffer any live view? */
bool
pb_buf_viewed(const pb_buf *b);

/* Does a live view lie at or behind `off`?  Then nothing behind it may be shifted. */
bool
pb_buf_pinned_behind(const pb_buf *b, uint64_t off);

/* ---- trees that share ---- */

/* Make `to`, an empty buffer on the same pool, hold what `from` holds now: O(1), and the
 * pages under live views, which are copied (I11).  PB_NEED_PAGES, PB_LIMIT: nothing has
 * changed. */
pb_status
pb_buf_share(pb_buf *to, pb_buf *from);

/* A read snapshot: `to` shares what `from` holds until pb_buf_end_snapshot.  When the last one is
 * gone and nothing else was shared meanwhile, writes to `from` need no look at counts
 * again.  `from` may not go before. */
pb_status
pb_buf_read_snapshot(pb_buf *to, pb_buf *from);
void
pb_buf_end_snapshot(pb_buf *to, pb_buf *from);

/* Let `b`, which has no live views, hold what `from` holds, too.  Both are of one pool. */
pb_status
pb_buf_restore(pb_buf *b, pb_buf *from);

/* Let `b` hold what `from`, of the same pool, holds, and `from` nothing.  Where `b` has a
 * pin list `from` is a tree.  Cannot fail. */
void
pb_buf_adopt(pb_buf *b, pb_buf *from);

/* Is [off, off + n) one run of pages (or inline)?  Its address, else NULL. */
uint8_t *
pb_buf_one_run(const pb_buf *b, uint64_t off, uint64_t n);

#endif
