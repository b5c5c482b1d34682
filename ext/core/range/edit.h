/* range/edit.h: replace a range by another number of bytes, set or delete every n-th byte, and
 * reverse all bytes.
 *
 * Each call first reserves the frames that it needs (I3): when it returns anything but PB_OK,
 * nothing has changed.  Holes stay holes: bytes of a hole that move make no page (pb_buf_shift), and a
 * page of zeros that nobody needs is dropped.  PB_PINNED: the call would shift bytes under a live view
 * (I7). */
#ifndef PB_RANGE_EDIT_H
#define PB_RANGE_EDIT_H

#include "range/run.h"

/* Replace [off, off + old), which lies inside the buffer, by the n bytes at `src`, which is not
 * memory of this buffer.  Moves the bytes after the range.  If the buffer becomes shorter and
 * there are fewer bytes before the range, moves those instead.  A cut off the front moves nothing;
 * it costs O(pages) of what it cuts. */
pb_status
pb_buf_replace(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n);

/* Take the byte at `off`, which lies inside the buffer, out of it. */
pb_status
pb_buf_take_byte(pb_buf *b, uint64_t off, uint8_t *byte);

/* The offsets start, start + step, ..., n > 0 of them, all inside the buffer. */
typedef struct {
    uint64_t start, n;
    int64_t step; /* not 0 */
} pb_stride;

/* Set the bytes at these offsets to those at `src`, in the order of the stride.  Where that takes
 * fewer pages, holes between them stay holes. */
pb_status
pb_buf_set_stride(pb_buf *b, const pb_stride *s, const void *src);

/* Delete the bytes at these offsets. */
pb_status
pb_buf_delete_stride(pb_buf *b, const pb_stride *s);

/* Reverse the order of all bytes (range/reverse.c). */
pb_status
pb_buf_reverse(pb_buf *b);

/* Does [p, p + n) overlap memory of the buffer's pool?  Then it may change while a call moves
 * bytes. */
bool
pb_buf_is_own_memory(const pb_buf *b, const void *p, uint64_t n);

/* ---- bytes that move to another place of their buffer (range/shift.c) ----
 *
 *    before    | front            | old | behind   . . . . . |      . . a hole
 *    after     | front            | n bytes | behind   . . . . . |
 *
 * Where the distance is no multiple of the page, no page can go to its new place: bytes move, and
 * pages are made where bytes go.  pb_buf_shift makes none where only zeros of a hole go, and
 * drops what lies there.  So it costs pages of data, whatever the length of a hole. */

/* Move the bytes that stay when those at the offsets of `s` go, and `done` to `past` of them, counted
 * from s->start on.  s->step > 0; where they go is prepared. */
void
pb_buf_close_gaps(const pb_buf *b, const pb_stride *s, uint64_t done, uint64_t past);

/* Move n bytes from src to dst, which is prepared.  The two ranges may overlap. */
void
pb_buf_move(const pb_buf *b, uint64_t dst, uint64_t src, uint64_t n);

typedef struct pb_shift pb_shift;

/* Replace [off, off + old), which lies inside the buffer, by n bytes. */
struct pb_shift {
    uint64_t off, old, n; /* n != old */
    bool
        front; /* move the bytes before the range, and cut the front off.  Else: those behind */
    const void *with;      /* the n bytes */
    const pb_stride *gaps; /* or NULL: the `old` bytes lie at these offsets, and n is 0 */
};

/* Is a hole among the bytes that pb_buf_shift would move? */
bool
pb_buf_shifts_hole(const pb_buf *b, const pb_shift *s);

/* The buffer is a tree, and no live view covers bytes that move or are cut off.  Frames are reserved
 * first: when it returns anything but PB_OK, nothing has changed (I3). */
pb_status
pb_buf_shift(pb_buf *b, const pb_shift *s);

#endif
