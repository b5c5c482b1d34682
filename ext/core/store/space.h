/* store/space.h: which frames of a file are in use, in memory that the caller hands over.
 *
 *    FREE --take--> FRESH --commit--> HELD --last reference--> PENDING --its commit is old--> FREE
 *                     |                                           ^
 *                     +--last reference, before the commit--> FREE
 *
 * A count says how many entries of the newest commit and of named snapshots name a frame.  Older
 * commits are not counted: a frame that commit j gave up stays PENDING until no superblock that may
 * still be believed, and no reader, is older than j (S7).
 *
 * Whatever changes is *touched*, and linked in the order of the first touch.  The commit logs the
 * touched frames. */
#ifndef PB_STORE_SPACE_H
#define PB_STORE_SPACE_H

#include "store/super.h"

typedef enum {
    PB_SPACE_FREE = 0,
    PB_SPACE_FRESH,   /* taken since the last commit */
    PB_SPACE_HELD,    /* the last commit names it */
    PB_SPACE_PENDING, /* no commit names it any more, but an older one does */
    PB_SPACE_STATE = 3,
    PB_SPACE_TOUCHED = 4,
    PB_SPACE_LISTED = 8, /* the verify list names it */
    PB_SPACE_QUEUED = 16 /* in the queue of the PENDING ones */
} pb_space_state;

/* What a frame is taken for: nodes lie in runs of their own, so that they do not cut those of the
 * pages. */
typedef enum { PB_SPACE_PAGE = 0, PB_SPACE_NODE, PB_SPACE_KINDS } pb_space_kind;

typedef struct {
    pb_frame first, last; /* 0: empty */
} pb_space_queue;

typedef struct {
    uint32_t
        *count; /* of a PENDING frame: the low half of the sequence number that freed it */
    uint32_t *link;
    uint8_t *state;
    uint8_t *dirty; /* by page of the rows: they do not say what the counts say */
    uint64_t room;  /* frames that the memory is for */
    uint64_t frames, held, pending;
    pb_space_queue touched, freed; /* freed: PENDING, the oldest first */
    pb_frame next[PB_SPACE_KINDS], end[PB_SPACE_KINDS]; /* the run to take from */
    pb_frame search;                                    /* where to look for the next run */
    uint64_t took; /* frames since the search last began anew */
} pb_space;

#define PB_ROWS_PER_PAGE (PB_PAGE_SIZE / 4)

/* How many pages of rows that many frames take. */
static inline uint64_t
pb_space_row_pages(uint64_t frames)
{
    return (frames + PB_ROWS_PER_PAGE - 1) / PB_ROWS_PER_PAGE;
}

static inline pb_space_state
pb_space_of(const pb_space *space, pb_frame frame)
{
    return (pb_space_state)(space->state[frame] & PB_SPACE_STATE);
}

/* How many entries name a frame. */
static inline uint32_t
pb_space_count(const pb_space *space, pb_frame frame)
{
    return pb_space_of(space, frame) == PB_SPACE_PENDING ? 0 : space->count[frame];
}

/* Bytes of memory, aligned to 8, for the books of that many frames. */
size_t
pb_space_bytes(uint64_t frames);

/* Begin with a file of `frames` frames, all of them free but the superblocks.  There is room for
 * them in the memory. */
void
pb_space_begin(pb_space *space, void *memory, uint64_t room, uint64_t frames);

/* Go on in larger memory.  The caller frees the old. */
void
pb_space_move(pb_space *space, void *memory, uint64_t room);

/* Take a free frame, which one entry is about to name; 0: there is none. */
pb_frame
pb_space_take(pb_space *space, pb_space_kind kind);

/* One entry more names the frame, or one less.  pb_space_unref returns how many are left.  The
 * frame is FRESH or HELD. */
void
pb_space_ref(pb_space *space, pb_frame frame);
uint32_t
pb_space_unref(pb_space *space, pb_frame frame);

/* Take the frame that was touched first off their list; 0: there is none. */
pb_frame
pb_space_untouch(pb_space *space);

/* The touched frames are part of the commit with this sequence number.  Call it for each. */
void
pb_space_settle(pb_space *space, pb_frame frame, uint64_t sequence);

/* Commit `sequence` freed the frame, as the log says; then it is PENDING, unless that is so
 * long ago that it is free. */
void
pb_space_replay(pb_space *space, pb_frame frame, uint32_t count, uint64_t sequence,
                uint64_t free_up_to);
void
pb_space_queue_pending(pb_space *space, pb_frame frame, uint64_t sequence);

/* What the commits up to `sequence` freed is free. */
void
pb_space_release(pb_space *space, uint64_t sequence);

#endif
