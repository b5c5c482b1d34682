/* pool/events.h: pending events.
 *
 * A call may find damage, may cross marks of pressure and may end a zone while it holds locks, where
 * no Python code may run.  All of that waits in the pool until the call ends.  Then damage becomes
 * an exception, crossed marks become calls of on_pressure, and the memory of the zone is let go. */
#ifndef PAGEBUF_POOL_EVENTS_H
#define PAGEBUF_POOL_EVENTS_H

#include "pool/object.h"

/* Report pending events after a call, with no lock held.  Calls on_pressure, and raises
 * damage if `damage` is true: then -1 with an exception. */
int
pool_report_pending_slow(PoolObject *self, bool damage);

static inline int
pool_report_pending(PoolObject *self, bool damage)
{
    return PB_LIKELY(!pb_pending(&self->pool)) ? 0 : pool_report_pending_slow(self, damage);
}

/* The call of this thread is over, or has failed: others may have the pages go that it had fetched.
 * An exception that is raised stays. */
void
pool_let_go(PoolObject *self);

/* A call needed less than it has noted as absent. */
static inline void
pool_forget_noted(PoolObject *self)
{
    pb_frames noted[PB_ABSENT_RUNS];
    if (PB_UNLIKELY(pb_pool_met_absent(&self->pool))) {
        (void)pb_pool_take_absent(&self->pool, noted);
    }
}

/* The result of a call on a tree, or NULL with an exception if it found damage. */
static inline PyObject *
unless_damaged(const pb_buf *b, PyObject *made)
{
    if (made && pool_report_pending(pool_object(b), true) < 0) {
        Py_CLEAR(made);
    }
    return made;
}

/* Report damage, and release zones, where nothing can be raised: in the dealloc of an object. */
void
pool_report_unraisable(PoolObject *self);

PyObject *
pool_set_marks(PoolObject *self, PyObject *marks);
extern const char pool_set_marks_doc[];

#endif
