/* inspect/layout.h: the state of each frame of a pool, and of each stretch of a tree:
 * data for pictures.
 *
 * One function reads the state of a frame: state_of_frame in
 * inspect/layout.c.  Everything below a shared node is shared too, even if its own count
 * is 1: more than one tree reaches it. */
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
    PB_STATE_DETACHED, /* under a live view, but no entry names it any more */
    PB_STATE_QUARANTINED,
    PB_STATE_GUARD,
    PB_STATE_MAPPED, /* of a zone: an entry may be huge then, and no level is below */
    PB_STATES,       /* how many there are */
} pb_state;

/* "unused", "free", "given back", ... */
const char *
pb_state_name(pb_state state);

/* ---- the frames of a pool ---- */

/* One more than the highest frame number in use. */
size_t
pb_layout_frames(const pb_pool *pool);

/* The first region at or after frame `from`, in the order of frame numbers; false when
 * there is none.  Frame 0, which is never handed out, is left out. */
bool
pb_layout_region(const pb_pool *pool, size_t from, pb_frame *first, uint32_t *count);

/* Set state[f] for all f < n.  Numbers that belong to no region are unused.  No other
 * thread changes the pool meanwhile.  O(n + views). */
void
pb_layout_pool(pb_pool *pool, uint8_t *state, size_t n);

/* ---- the entries of a tree ---- */

/* Neighbouring entries of one level in the same state.  Page numbers are the buffer's:
 * page 0 holds offset 0.  Level 1 is the root; the entries of the last level name the
 * data pages.  An entry that reaches past an end of the buffer is clipped there. */
typedef struct {
    unsigned level;
    uint64_t first, past; /* pages */
    pb_state state;
} pb_layout_run;

typedef struct {
    const pb_buf *b;
    unsigned level;               /* the level being read */
    uint64_t page;                /* where to go on, a page of the tree */
    uint64_t begin;               /* first page of the buffer */
    uint64_t end;                 /* one past its last */
    uint64_t pin_first, pin_past; /* the next pages under a live view */
} pb_layout;

/* Begin at the root.  A tiny buffer has no runs: its bytes lie in the object.  Keep the
 * buffer locked until the last run is read. */
void
pb_layout_open(pb_layout *c, const pb_buf *b);

/* The next run, level by level, each from its first page on; false after the last one.
 * Between two runs of a level there are holes.  O(levels) for each entry. */
bool
pb_layout_next(pb_layout *c, pb_layout_run *run);

#endif
