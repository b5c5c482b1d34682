/* view/pins.h: the live views of a tree, and what is under them (I7, I11).
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
 * The pin list also remembers one run that was found or gathered, so that the next view of it
 * costs nothing.  Pins and pin lists are the caller's memory. */
#ifndef PB_VIEW_PINS_H
#define PB_VIEW_PINS_H

#include "tree/extent.h"

typedef struct pb_pin {
    struct pb_pin *next, **link; /* in its pin list; link == NULL: the buffer is gone */
    uint64_t page, live;         /* pages of the tree still under the view */
    pb_frame frame;              /* the run as it was made */
    uint32_t count;
    bool detached; /* some of its frames are named by no entry */
#if PB_LOCKS
    struct pb_pin_list *list; /* also when the buffer is gone */
#endif
} pb_pin;

typedef struct pb_pin_list {
    pb_pin *first;
    uint64_t run_page, run_count; /* pages known to be one run of owned frames */
    pb_frame run_frame;
    bool tail_written; /* a view may have written past the end */
} pb_pin_list;

/* The first pages from `page` on under a live view; false when there are none. */
bool
pb_pins_next(const pb_pin_list *pins, uint64_t page, uint64_t *first, uint64_t *past);

/* Is the page under a live view? */
bool
pb_pins_cover(const pb_pin_list *pins, uint64_t page);

/* Pages under live views, each once. */
uint64_t
pb_pins_pages(const pb_pin_list *pins);

/* How many of n pages, from the first on, are in the run that is remembered. */
uint64_t
pb_pins_known(const pb_pin_list *pins, uint64_t first, uint64_t n);

/* Put a pin over `n` pages of the remembered run into the list. */
void
pb_pins_add(pb_pin_list *pins, pb_pin *pin, uint64_t first, uint64_t n);

/* The view is gone.  Frees what was detached and under no other view. */
void
pb_pin_release(pb_pool *pool, pb_pin *pin);

/* The pages [first, last] of a tree are about to be dropped: they live on with their views. */
void
pb_pins_detach(pb_pool *pool, const pb_root *root, pb_pin_list *pins, uint64_t first,
               uint64_t last);

/* Tree positions fall by this number of pages. */
void
pb_pins_shift(pb_pin_list *pins, uint64_t pages);

/* The tree goes, after all its pages were detached. */
void
pb_pins_close(pb_pin_list *pins);

#endif
