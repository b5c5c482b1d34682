/* inspect/layout.h: what each frame of a pool and each stretch of a tree is: data for pictures.
 *
 * Everything that is known about one frame is read in one place, state_of_frame in
 * inspect/layout.c.  What lies below a shared node is shared as well, whatever its own count:
 * more than one tree reaches it. */
#ifndef PB_INSPECT_LAYOUT_H
#define PB_INSPECT_LAYOUT_H

#include "buffer/buf.h"

typedef enum {
    PB_STATE_UNUSED = 0, /* untouched: never handed out, or no frame at all */
    PB_STATE_FREE,
    PB_STATE_GIVEN_BACK, /* free and known to be zero: the system has the memory */
    PB_STATE_DATA,
    PB_STATE_SHARED_DATA,
    PB_STATE_NODE,
    PB_STATE_SHARED_NODE,
    PB_STATE_PINNED,   /* data under a live view */
    PB_STATE_DETACHED, /* under a live view, named by no entry */
    PB_STATE_QUARANTINED,
    PB_STATE_GUARD,
    PB_STATES, /* how many there are */
} pb_state;

/* "unused", "free", "given back", ... */
const char *
pb_state_name(pb_state state);

/* ---- the frames of a pool ---- */

/* How many frame numbers are given out: every frame is below it. */
size_t
pb_layout_frames(const pb_pool *pool);

/* The frames of a region, in the order of the numbers: the next region from frame `from`
 * on; false when there is none.  Frame 0, which is never handed out, is left out. */
bool
pb_layout_region(const pb_pool *pool, size_t from, pb_frame *first, uint32_t *count);

/* state[f] = what frame f is, for all f < n.  Numbers of no region are unused.  The pool
 * is at rest.  O(n), and the views. */
void
pb_layout_pool(pb_pool *pool, uint8_t *state, size_t n);

/* ---- the entries of a tree ---- */

/* Neighbouring entries of one level that are in the same state.  Pages are those of the
 * buffer: page 0 holds offset 0.  Level 1 is the root; the entries of the last level name
 * the data pages.  An entry that reaches past an end of the buffer is cut there. */
typedef struct {
    unsigned level;
    uint64_t first, past; /* pages */
    pb_state state;
} pb_layout_run;

typedef struct {
    const pb_buf *b;
    unsigned level;               /* that is being read */
    uint64_t page;                /* of the tree, where to go on */
    uint64_t begin;               /* first page of the buffer */
    uint64_t end;                 /* one past its last */
    uint64_t pin_first, pin_past; /* the next pages under a live view */
} pb_layout;

/* Begin with the root.  A tiny buffer, whose bytes lie in the object, has no runs.  The
 * buffer stays locked, and as it is, until the last run is read. */
void
pb_layout_open(pb_layout *c, const pb_buf *b);

/* The next run: level by level, from the first page on; false after the last one.  What
 * lies between two runs of a level are holes.  O(levels) an entry. */
bool
pb_layout_next(pb_layout *c, pb_layout_run *run);

#endif
