/* lock/retired.h: pools that __init__ has replaced.
 *
 * Without a GIL another thread may have read the pool of a buffer before it began anew, and use it
 * after.  So a buffer keeps the pools that it had until it goes: such a thread sees an old pool,
 * never a freed one. */
#ifndef PAGEBUF_LOCK_RETIRED_H
#define PAGEBUF_LOCK_RETIRED_H

#include "pool/object.h"

/* `b` has another pool now: its reference to `old` is given up, or kept until it goes.  No lock is
 * held. */
void
retire_pool(pb_buf *b, PoolObject *old);

#ifdef Py_GIL_DISABLED
/* The buffer goes: so do the pools that it had. */
void
drop_retired(const pb_buf *b, module_state *state);

/* For tp_traverse. */
int
traverse_retired(const pb_buf *b, visitproc visit, void *arg);
#endif

#endif
