/* pool/trace.h: who took a frame and who freed it, for tracemalloc and for reports.
 *
 * The pool calls a hook for each frame that is taken or freed.  The hook returns the
 * number of an event, and the frame table keeps it. */
#ifndef PAGEBUF_POOL_TRACE_H
#define PAGEBUF_POOL_TRACE_H

#include "pool/object.h"

/* Set the hook.  It reports frames to tracemalloc, and records events if the pool is
 * debugged or sampled.  -1 with an exception. */
int
trace_begin(PoolObject *self);
void
trace_end(PoolObject *self);

/* The tree goes away or gets another name: what its address does next is a new event. */
void
trace_forget(const pb_buf *b);

/* How many events the root of a pool has recorded.  When `now` takes the place of `old`,
 * trace_replace assigns to it the events that `old` caused since that count. */
uint32_t
trace_count(PoolObject *self);
void
trace_replace(uint32_t since, const pb_buf *old, const pb_buf *now);

/* The name of a type, without its module. */
const char *
trace_type_name(const PyTypeObject *type);

/* "PageBuffer 'inbox' (server.py:31)" for an event, a new str; None if it was not
 * recorded, or too long ago. */
PyObject *
trace_text(PoolObject *self, uint32_t number);

/* The same in parts, without making an object, for a signal handler; NULL if not known. */
const char *
trace_who(const PoolObject *pool, uint32_t number);
const char *
trace_where(const PoolObject *pool, uint32_t number, int *line);

#endif
