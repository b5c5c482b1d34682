/* range/splice.h: a range of a buffer exchanged for another one: what lies behind moves.
 *
 *    before    | front | cut      | behind           |
 *    after     | front | n bytes of `from` | behind           |
 *
 * What lies behind moves by whole pages and subtrees where n and the cut are congruent
 * modulo the page, byte by byte elsewhere.  All of it or nothing (I3): the new tree is made
 * beside the old one, sharing its frames, and takes its place when nothing can fail any
 * more.  So it takes some frames on the way, which it gives back: a path of nodes, or, where
 * bytes move, the pages that they move to. */
#ifndef PB_RANGE_SPLICE_H
#define PB_RANGE_SPLICE_H

#include "range/paste.h"

/* Put [from_off, from_off + n) of `from`, another buffer, or a hole of n bytes (from ==
 * NULL) in the place of [off, off + cut), inside the size.  *shared: frames of `from` were
 * shared.  PB_PINNED when a live view lies where offsets would shift (I7). */
pb_status
pb_buf_splice(pb_buf *b, uint64_t off, uint64_t cut, const pb_buf *from, uint64_t from_off,
              uint64_t n, bool *shared);

/* Remove a range; what lies behind moves down.  Past the end there is nothing to remove. */
pb_status
pb_buf_collapse(pb_buf *b, uint64_t off, uint64_t n);

/* Insert a hole; what lies behind moves up.  Past the end the hole begins at the end. */
pb_status
pb_buf_insert_hole(pb_buf *b, uint64_t off, uint64_t n);

#endif
