/* view/pins.h: the live views of a tree, and the pages under them (I7, I11).
 *
 * A live view is a run of frames under a writable memoryview.  A pin describes it.  The pin is in
 * the pin list of its buffer, which the first live view creates.
 *
 *    pages of the tree   .. 7 | 8 | 9 | 10 | 11 | 12 ..
 *    a pin                    [ page ........ + live )     still under its buffer
 *                             [ frame ............. + count )  as it was made
 *
 * Each frame of the live part has one reference (I11).  Pages that the buffer drops are detached:
 * no entry names them, their pins keep them, and the last pin to go frees them.  A cut takes pages
 * off the front or the end of a pin, never out of its middle, where a punch writes zeros in place.
 * So the live part stays one range.
 *
 * The pin list also remembers the last run that was found or gathered, so that the next view of it
 * costs nothing.  The caller owns the memory of pins and pin lists. */
#ifndef PB_VIEW_PINS_H
#define PB_VIEW_PINS_H

#include "tree/extent.h"

typedef struct pb_pin {
    struct pb_pin *next, **link; /* in its pin list; link == NULL: the buffer is gone */
    uint64_t page, live;         /* pages of the tree still under the view */
    pb_frame frame;              /* the run as it was made */
    uint32_t count;
    bool detached; /* no entry names some of its frames */
#if PB_LOCKS
    struct pb_pin_list *list; /* stays set when the buffer is gone */
#endif
} pb_pin;

typedef struct pb_pin_list {
    pb_pin *first;
    uint64_t run_page, run_count; /* pages known to be one run, whoever shares them */
    pb_frame run_frame;
    uint64_t copied;   /* pages that one piece has cost since somebody came to share them */
    bool tail_written; /* a view may have written past the end */
} pb_pin_list;

/* The first pages from `page` on under a live view; false when there are none. */
bool
pb_pins_next(const pb_pin_list *pins, uint64_t page, uint64_t *first, uint64_t *past);

/* Is the page under a live view? */
bool
pb_pins_cover(const pb_pin_list *pins, uint64_t page);

/* How many live views have pages from `page` on. */
uint64_t
pb_pins_behind(const pb_pin_list *pins, uint64_t page);

/* How many pages are under live views.  Counts each once. */
uint64_t
pb_pins_pages(const pb_pin_list *pins);

/* How many of n pages, from the first on, are in the remembered run. */
uint64_t
pb_pins_known(const pb_pin_list *pins, uint64_t first, uint64_t n);

/* Pages before `page` leave the tree: the remembered run begins there at the earliest. */
void
pb_pins_run_from(pb_pin_list *pins, uint64_t page);

/* Pages from `page` on may get other frames: the remembered run ends there at the latest. */
void
pb_pins_run_to(pb_pin_list *pins, uint64_t page);

/* Put a pin over `n` pages of the remembered run into the list. */
void
pb_pins_add(pb_pin_list *pins, pb_pin *pin, uint64_t first, uint64_t n);

/* Remove the pin of a view that is gone.  Frees its detached frames that no other pin keeps. */
void
pb_pin_release(pb_pool *pool, pb_pin *pin);

/* Detach the pages [first, last], which the tree is about to drop: the pins keep them. */
void
pb_pins_detach(pb_pool *pool, const pb_root *root, pb_pin_list *pins, uint64_t first,
               uint64_t last);

/* Move all pins, because the tree's positions fall by this number of pages. */
void
pb_pins_shift(pb_pin_list *pins, uint64_t pages);

/* Take all pins off the list, because the tree ends.  Its pages were detached before. */
void
pb_pins_close(pb_pin_list *pins);

#endif
