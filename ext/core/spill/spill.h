/* spill/spill.h: frames that leave memory.
 *
 * A pool with a limit may put cold pages elsewhere: the bytes of a frame go to a place of a zone whose frames
 * may be absent (I14), and the entry names that place from then on.
 *
 *    before   entry ---> frame of a region: private, written and read in place
 *    after    entry ---> frame of a zone: absent; shared by rule (I12), so a change copies it
 *
 * So nothing else knows of it.  Here is chosen what goes, and here the entries change.  Writing the bytes
 * is the caller's: between the two steps no tree changes, nobody reads one, and the root's lock is held. */
#ifndef PB_SPILL_SPILL_H
#define PB_SPILL_SPILL_H

#include "buffer/buf.h"

/* A page that may go: of a buffer, and to which frame of a zone. */
typedef struct {
    pb_buf *b;
    uint64_t page;
    pb_frame frame, to;
} pb_cold;

/* The hand of a clock over all pages of a pool.  The tree may be gone, so it is only compared. */
typedef struct {
    const pb_buf *tree;
    uint64_t page;
} pb_hand;

/* Choose up to `most` pages of a pool, from the hand on, and move the hand behind them.  Those go which only one
 * entry names, on a path that no other tree shares, under no live view, and not the last page of a tree; of trees
 * that `may` go.  Returns how many.  O(pages looked at). */
size_t
pb_spill_choose(pb_pool *pool, pb_hand *hand, bool (*may)(const pb_buf *b), pb_cold *out,
                size_t most);

/* The entries name the frames `to`, which hold the same bytes. */
void
pb_spill_move(pb_cold *cold, size_t n);

#endif
