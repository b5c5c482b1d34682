/* range/find.h: search and compare bytes in place, across pages and holes.
 *
 * These calls change nothing.  A hole counts as zeros, and takes one step however long it is.  Every
 * call returns PB_OK: damaged pages are reported to the pool and read as zeros. */
#ifndef PB_RANGE_FIND_H
#define PB_RANGE_FIND_H

#include "range/run.h"

/* Set *at to the offset of the first needle of n bytes in [from, to), or to UINT64_MAX if there is
 * none.  An empty needle (n == 0) is found at `from`.  `to` is clipped to the size.  O(to - from + n)
 * at worst, the speed of memchr at best. */
pb_status
pb_buf_find(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
            uint64_t *at);

/* The same for the last needle.  An empty one is found at `to`. */
pb_status
pb_buf_rfind(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
             uint64_t *at);

/* Set *found to the number of needles in [from, to) that do not overlap.  An empty needle counts
 * once at each offset, `to` included.  A single byte is counted at the speed of memory. */
pb_status
pb_buf_count(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
             uint64_t *found);

/* Compare [off, off + n), which lies inside the buffer, with n bytes, as memcmp does.  *order is
 * < 0, 0 or > 0. */
pb_status
pb_buf_compare(const pb_buf *b, uint64_t off, const void *bytes, uint64_t n, int *order);

/* Compare n bytes of two buffers, as memcmp does.  They may have different pools, or be the same
 * buffer.  Skips frames that both share. */
pb_status
pb_buf_compare_buf(const pb_buf *a, uint64_t a_off, const pb_buf *b, uint64_t b_off,
                   uint64_t n, int *order);

#endif
