/* range/splice.h: replaces a range of a buffer by a range of another length.
 *
 *    before    | front | cut      | behind           |
 *    after     | front | n bytes of `from` | behind           |
 *
 * If n and the cut differ by whole pages, the bytes behind the cut move by whole pages and subtrees;
 * else they are copied.  A splice does all or nothing (I3): it builds a new tree beside the old one,
 * which shares its frames.  The new tree takes the old one's place when nothing can fail any more.
 * So a splice takes some more frames for a while: a path of nodes, or the pages that bytes are
 * copied to. */
#ifndef PB_RANGE_SPLICE_H
#define PB_RANGE_SPLICE_H

#include "range/paste.h"

/* Replace [off, off + cut), which lies inside the size, by [from_off, from_off + n) of `from`,
 * another buffer, or by a hole of n bytes (from == NULL).  Sets *shared if it shared frames of
 * `from`.  PB_PINNED if it would shift bytes under a live view (I7). */
pb_status
pb_buf_splice(pb_buf *b, uint64_t off, uint64_t cut, const pb_buf *from, uint64_t from_off,
              uint64_t n, bool *shared);

/* Remove a range; the bytes behind it move down.  The part past the end is ignored. */
pb_status
pb_buf_collapse(pb_buf *b, uint64_t off, uint64_t n);

/* Insert a hole; the bytes behind it move up.  If `off` is past the end, the hole begins at the
 * end. */
pb_status
pb_buf_insert_hole(pb_buf *b, uint64_t off, uint64_t n);

#endif
