/* base/stream.h: copies that pass the caches by.
 *
 * A store to a line that is in no cache reads the line from memory first, and then overwrites it.
 * Streaming stores do not: the line goes to memory whole.  So an append to a buffer that is much
 * larger than the caches moves a third less.  Everywhere else they lose: a line that is in a cache
 * leaves it, and whoever reads the bytes soon waits for memory. */
#ifndef PB_BASE_STREAM_H
#define PB_BASE_STREAM_H

#include "base/config.h"

/* In shorter pieces the two ends and the wait at the end cost what the rest wins. */
#define PB_STREAM_LEAST ((size_t)8 << 10)

/* How many bytes a buffer holds before its appends stream: then the frames that it takes were used
 * so long ago that they are in no cache.  UINT64_MAX on processors on which nobody has measured a
 * gain.  Asks the system once. */
uint64_t
pb_stream_from(void);

/* Move n bytes that way, as fits the processor.  The ranges may overlap. */
void
pb_copy_stream(void *dst, const void *src, size_t n);

/* The same with so many pages side by side, 1 or 4. */
void
pb_copy_stream_by(unsigned sides, void *dst, const void *src, size_t n);

#endif
