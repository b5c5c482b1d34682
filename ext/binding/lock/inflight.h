/* lock/inflight.h: what a child of os.fork() puts right.
 *
 * Only the thread that forked goes on in the child.  The others are gone in the middle of
 * what they did without the GIL, and their stacks are free to be reused: so what they leave
 * behind is noted in the module's state.
 *
 *    a copy behind a gate   finished by the child where it is a store, the lock given back
 *    a held tree            dropped by the child
 *    who waits for a lock   no longer does
 *
 * Objects that only a thread of the parent had a reference to stay for good, as they do
 * everywhere in CPython. */
#ifndef PAGEBUF_LOCK_INFLIGHT_H
#define PAGEBUF_LOCK_INFLIGHT_H

#include "pool/object.h"

#include "range/paste.h"

/* A read snapshot that outlives a stretch without the GIL.  Not on the stack: it is one of the trees
 * of its pool. */
typedef struct inflight_tree {
    struct inflight_tree *next, *prev;
    unsigned long thread; /* whose it is */
    PoolObject *pool;     /* a reference: __init__ may give `from` another one */
    pb_buf *from;
    bool shared; /* somebody may share frames of it by now */
    pb_range_snapshot r;
} inflight_tree;

/* Memory for a read snapshot of `from`; NULL: no memory. */
inflight_tree *
inflight_new(pb_buf *from);

/* The snapshot stands: it has a reference to its pool from now on.  The lock of `from` is held. */
void
inflight_note(inflight_tree *h);

/* It is about to end. */
void
inflight_forget(inflight_tree *h);

/* Free the memory, drop the pool.  No lock is held. */
void
inflight_free(inflight_tree *h);

/* Have the children of this interpreter put themselves right. */
int
fork_register(PyObject *module);

#endif
