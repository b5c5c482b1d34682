/* range/edit.h: bytes exchanged for more or fewer, a stride of them set or taken out, and
 * all of them turned round.
 *
 * Each call reserves what it needs first (I3): when it returns anything but PB_OK,
 * nothing has changed.  Holes that bytes are moved into become pages.  PB_PINNED: a live
 * view lies where offsets would be shifted (I7). */
#ifndef PB_RANGE_EDIT_H
#define PB_RANGE_EDIT_H

#include "range/run.h"

/* Put the n bytes at `src`, which are not this buffer's, in the place of [off, off + old),
 * a range inside the buffer.  Whichever is less is moved: what lies behind, or (when the
 * buffer becomes shorter) what lies in front.  Off the front costs what is taken off. */
pb_status
pb_buf_replace(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n);

/* The places start, start + step, ..., n > 0 of them, all inside the buffer. */
typedef struct {
    uint64_t start, n;
    int64_t step; /* not 0 */
} pb_stride;

/* Set them to the bytes at `src`, in the order of the stride. */
pb_status
pb_buf_set_stride(pb_buf *b, const pb_stride *s, const void *src);

/* Take them out. */
pb_status
pb_buf_delete_stride(pb_buf *b, const pb_stride *s);

/* The last byte becomes the first. */
pb_status
pb_buf_reverse(pb_buf *b);

/* Does [p, p + n) touch memory of the buffer's pool?  Then it may change while bytes are
 * moved. */
bool
pb_buf_is_own_memory(const pb_buf *b, const void *p, uint64_t n);

#endif
