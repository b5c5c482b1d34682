/* queue/internal.h: what the files of this folder share. */
#ifndef PB_QUEUE_INTERNAL_H
#define PB_QUEUE_INTERNAL_H

#include "queue/queue.h"

/* Reserve n frames for a later drop.  *secured counts those to give back. */
pb_status
pb_queue_secure(pb_queue *q, uint64_t n, uint64_t *secured);
void
pb_queue_give_back(pb_queue *q, uint64_t secured);

/* How many of the oldest bytes exceed the bound once n more bytes are in. */
uint64_t
pb_queue_excess(const pb_queue *q, uint64_t n);

/* After bytes came in, or did not (`st`): give back the reserved frames, and drop the
 * oldest bytes that exceed the bound.  Their frames were reserved, so that cannot fail. */
pb_status
pb_queue_push_out(pb_queue *q, pb_status st, uint64_t secured);

/* The pieces have changed: how long may the tree become without checks? */
void
pb_queue_pieces_changed(pb_queue *q);

#endif
