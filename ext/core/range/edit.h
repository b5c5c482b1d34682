/* range/edit.h: replace a range by another number of bytes, set or delete every n-th byte, and
 * reverse all bytes.
 *
 * Each call first reserves the frames that it needs (I3): when it returns anything but PB_OK,
 * nothing has changed.  Holes that bytes move to become pages.  PB_PINNED: the call would shift
 * bytes under a live view (I7). */
#ifndef PB_RANGE_EDIT_H
#define PB_RANGE_EDIT_H

#include "range/run.h"

/* Replace [off, off + old), which lies inside the buffer, by the n bytes at `src`, which is not
 * memory of this buffer.  Moves the bytes after the range.  If the buffer becomes shorter and
 * there are fewer bytes before the range, moves those instead.  A cut off the front moves nothing;
 * it costs O(pages) of what it cuts. */
pb_status
pb_buf_replace(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n);

/* The offsets start, start + step, ..., n > 0 of them, all inside the buffer. */
typedef struct {
    uint64_t start, n;
    int64_t step; /* not 0 */
} pb_stride;

/* Set the bytes at these offsets to those at `src`, in the order of the stride. */
pb_status
pb_buf_set_stride(pb_buf *b, const pb_stride *s, const void *src);

/* Delete the bytes at these offsets. */
pb_status
pb_buf_delete_stride(pb_buf *b, const pb_stride *s);

/* Reverse the order of all bytes. */
pb_status
pb_buf_reverse(pb_buf *b);

/* Does [p, p + n) overlap memory of the buffer's pool?  Then it may change while a call moves
 * bytes. */
bool
pb_buf_is_own_memory(const pb_buf *b, const void *p, uint64_t n);

#endif
