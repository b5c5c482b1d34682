/* buffer/share.h: live views, stable views, and trees that share frames (I2, I7, I11).
 *
 * A live view is a run of frames under a writable memoryview.  Its record, the pin, is
 * listed in the pin list of its buffer, which is made with the first live view.
 *
 *    pages of the tree   .. 7 | 8 | 9 | 10 | 11 | 12 ..
 *    a pin                    [ page ........ + live )     still under its buffer
 *                             [ frame ............. + count )  as it was made
 *
 * While the pin is live its frames have one reference (I11).  Pages that the buffer drops
 * are detached: named by no entry, kept by their pins, freed with the last of them.  A
 * dropped range cuts a pin at its front or at its end, never in the middle (zeros are
 * written in place), so what is live of it stays one range.
 *
 * The pin list also remembers one run that was found or gathered, so that the next view of
 * it costs nothing.  Pins and pin lists are the caller's memory. */
#ifndef PB_BUFFER_SHARE_H
#define PB_BUFFER_SHARE_H

#include "buffer/buf.h"

typedef struct pb_pin {
    struct pb_pin *next, **link; /* in its pin list; link == NULL: the buffer is gone */
    uint64_t page, live;         /* pages of the tree still under the view */
    pb_frame frame;              /* the run as it was made */
    uint32_t count;
    bool detached; /* some of its frames are named by no entry */
} pb_pin;

typedef struct pb_pin_list {
    pb_pin *first;
    uint64_t run_page, run_count; /* pages known to be one run of owned frames */
    pb_frame run_frame;
    bool tail_written; /* a view may have written past the end */
} pb_pin_list;

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

/* The view is gone.  Frees what was detached and under no other view. */
void
pb_buf_unpin(pb_pool *pool, pb_pin *pin);

/* Has the buffer any live view? */
bool
pb_buf_viewed(const pb_buf *b);

/* Does a live view lie at or behind `off`?  Then nothing behind it may be shifted. */
bool
pb_buf_pinned_behind(const pb_buf *b, uint64_t off);

/* ---- for buffer/trim.c and buffer/buf.c ---- */

/* The first pages from `page` on under a live view; false when there are none. */
bool
pb_pins_next(const pb_pin_list *pins, uint64_t page, uint64_t *first, uint64_t *past);

/* Is the page under a live view? */
bool
pb_pins_cover(const pb_pin_list *pins, uint64_t page);

/* The pages [first, last] are about to be dropped: they live on with their views. */
void
pb_pins_detach(pb_buf *b, uint64_t first, uint64_t last);

/* Does foreign memory [mem, mem + n) touch a live view of this very buffer, a tree with a
 * pin list? */
bool
pb_pins_touch(const pb_buf *b, const void *mem, uint64_t n);

/* Copy between [off, off + n) and such memory, as if the source were copied first. */
void
pb_pins_move(const pb_buf *b, uint64_t off, uint8_t *mem, uint64_t n, bool in);

/* Tree positions fall by so many pages. */
void
pb_pins_shift(pb_pin_list *pins, uint64_t pages);

/* The buffer goes, after all its pages were detached. */
void
pb_pins_close(pb_buf *b);

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
