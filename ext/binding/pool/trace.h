/* pool/trace.h: who took a frame and who freed it: for tracemalloc and for reports.
 *
 * An event is a tree and a line of Python; the frame table keeps its number. */
#ifndef PAGEBUF_POOL_TRACE_H
#define PAGEBUF_POOL_TRACE_H

#include "pool/object.h"

/* Report frames to tracemalloc from now on, and keep events where the pool is debugged or
 * sampled.  -1 with an exception. */
int
trace_begin(PoolObject *self);
void
trace_end(PoolObject *self);

/* The tree goes, or gets another name: what is at its address next is another event. */
void
trace_forget(const pb_buf *b);

/* How many events the root of a pool has seen.  trace_replace gives those that `old` caused since
 * then to `now`, which takes its place. */
uint32_t
trace_count(const PoolObject *self);
void
trace_replace(uint32_t since, const pb_buf *old, const pb_buf *now);

/* Who that was and where, a new str; None where that is not known (any more). */
PyObject *
trace_text(PoolObject *self, uint32_t number);

/* The same without an object, for a signal handler: "PageBuffer 'inbox'", and file and line.
 * NULL where it is not known. */
const char *
trace_who(const PoolObject *pool, uint32_t number);
const char *
trace_where(const PoolObject *pool, uint32_t number, int *line);

#endif
