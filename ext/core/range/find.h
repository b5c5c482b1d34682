/* range/find.h: bytes sought and compared where they lie, across pages and holes.
 *
 * Nothing is changed.  Holes count as runs of zeros and are passed over whole. */
#ifndef PB_RANGE_FIND_H
#define PB_RANGE_FIND_H

#include "range/run.h"

/* The offset of the first needle of n bytes that lies in [from, to), UINT64_MAX when
 * there is none; n == 0: from.  `to` is clipped to the size.  O(to - from + n) at worst,
 * the speed of memchr at best. */
uint64_t
pb_buf_find(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n);

/* The last one; n == 0: to. */
uint64_t
pb_buf_rfind(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n);

/* How many lie in [from, to), none over another; n == 0: one at each place.  The speed of
 * memory for single bytes. */
uint64_t
pb_buf_count(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n);

/* As memcmp of [off, off + n), which lies inside the buffer, with n bytes: < 0, 0, > 0. */
int
pb_buf_compare(const pb_buf *b, uint64_t off, const void *bytes, uint64_t n);

/* As memcmp of n bytes of two buffers (of any pools, or one and the same).  What they
 * share is not looked at. */
int
pb_buf_compare_buf(const pb_buf *a, uint64_t a_off, const pb_buf *b, uint64_t b_off,
                   uint64_t n);

#endif
