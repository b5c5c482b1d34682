/* lock/fork.h: what the child of os.fork() must clean up.
 *
 * Only the forking thread goes on in the child.  The other threads are gone, maybe in the
 * middle of work without the GIL, and their stacks may be reused.  So whoever gives up the
 * GIL first notes in the module's state what it does:
 *
 *    a copy behind a gate   the child finishes a store, and unlocks the buffer
 *    a read snapshot        the child ends it
 *    a thread that waits    the child forgets it
 *
 * An object stays for good if only a thread of the parent had a reference to it, as
 * everywhere in CPython. */
#ifndef PAGEBUF_LOCK_INFLIGHT_H
#define PAGEBUF_LOCK_INFLIGHT_H

#include "pool/object.h"

#include "range/paste.h"

/* A read snapshot that somebody uses without the GIL.  It is one of the trees of its
 * pool, so it must not lie on a stack that the child reuses. */
typedef struct inflight_tree {
    struct inflight_tree *next, *prev;
    unsigned long thread; /* who made it */
    PoolObject *pool;     /* a reference: __init__ may give `from` another one */
    pb_buf *from;
    bool shared; /* another tree may share frames of it */
    pb_range_snapshot r;
} inflight_tree;

/* Memory for a read snapshot of `from`; NULL without an exception if there is none. */
inflight_tree *
inflight_new(pb_buf *from);

/* List a snapshot that has been taken.  It keeps a reference to its pool from now on.
 * The lock of `from` is held. */
void
inflight_note(inflight_tree *h);

/* Unlist it, before it ends. */
void
inflight_forget(inflight_tree *h);

/* Free the memory, and drop the reference to the pool, with no lock held. */
void
inflight_free(inflight_tree *h);

/* Register the cleaning up with os.register_at_fork.  -1 with an exception. */
int
fork_register(PyObject *module);

#endif
