/* range/find.h: bytes sought and compared where they lie, across pages and holes.
 *
 * Nothing is changed.  Holes count as runs of zeros and are passed over whole.  Every call is
 * PB_OK: what is damaged is noted, and read as zeros. */
#ifndef PB_RANGE_FIND_H
#define PB_RANGE_FIND_H

#include "range/run.h"

/* *at: the offset of the first needle of n bytes that lies in [from, to), UINT64_MAX when
 * there is none; n == 0: from.  `to` is clipped to the size.  O(to - from + n) at worst,
 * the speed of memchr at best. */
pb_status
pb_buf_find(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
            uint64_t *at);

/* The last one; n == 0: to. */
pb_status
pb_buf_rfind(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
             uint64_t *at);

/* *found: how many lie in [from, to), none over another; n == 0: one at each place.  The speed of
 * memory for single bytes. */
pb_status
pb_buf_count(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
             uint64_t *found);

/* As memcmp of [off, off + n), which lies inside the buffer, with n bytes: *order < 0, 0, > 0. */
pb_status
pb_buf_compare(const pb_buf *b, uint64_t off, const void *bytes, uint64_t n, int *order);

/* As memcmp of n bytes of two buffers (of any pools, or one and the same).  What they
 * share is not looked at. */
pb_status
pb_buf_compare_buf(const pb_buf *a, uint64_t a_off, const pb_buf *b, uint64_t b_off,
                   uint64_t n, int *order);

#endif
