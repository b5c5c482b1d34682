/* lock/lock.h: one real lock per buffer, a byte large.
 *
 * Free-threaded CPython: a PyMutex.  With a GIL: whoever holds the GIL has the lock, save
 * while somebody copies without the GIL; the byte says so then, and others wait for that
 * copy, giving up the GIL.  The uncontended lock is one test of a byte. */
#ifndef PAGEBUF_LOCK_LOCK_H
#define PAGEBUF_LOCK_LOCK_H

#include "pool/object.h"

#include "range/paste.h"

/* ---- what an interpreter keeps ---- */

/* What goes on without the GIL, so that the child of a fork can finish it (lock/inflight.h). */
typedef struct {
    const void *src; /* n bytes that are stored from `off` on, or NULL */
    uint64_t off, n;
    pb_paste paste;    /* paste.to: a paste that is not finished, or NULL */
    uint64_t reserved; /* frames of the buffer's pool reserved meanwhile */
} copy_job;

/* Where threads wait for a copy that goes on without the GIL. */
typedef struct {
    PyThread_type_lock lock; /* held by the copying thread */
    pb_buf *buffer;          /* what it copies from or to; NULL: not in use */
    int waiting;
    copy_job job;
} copy_gate;

#define COPY_GATES 16

typedef struct {
    copy_gate gates[COPY_GATES];
    struct inflight_tree *inflight; /* lock/inflight.h */
#ifdef Py_GIL_DISABLED
    PyMutex inflight_lock;
#endif
} lock_state;

static inline lock_state *
locks_of(const module_state *state)
{
    return state->locks;
}

/* Make and free what the module's state keeps for this folder.  -1 with an exception. */
int
locks_begin(module_state *state);
void
locks_end(module_state *state);

/* ---- the lock of a buffer ---- */

/* From so many bytes on a copy gives up the GIL. */
#define COPY_WITHOUT_GIL ((uint64_t)1 << 18)

#ifdef Py_GIL_DISABLED

static inline void
buffer_lock(pb_buf *b)
{
    PyMutex_Lock((PyMutex *)&b->root.lock);
}

static inline void
buffer_unlock(pb_buf *b)
{
    PyMutex_Unlock((PyMutex *)&b->root.lock);
}

#else

/* Wait until nobody copies.  Gives up the GIL. */
void
buffer_lock_wait(pb_buf *b);

static inline void
buffer_lock(pb_buf *b)
{
    if (PB_UNLIKELY(b->root.lock)) {
        buffer_lock_wait(b);
    }
}

static inline void
buffer_unlock(pb_buf *b)
{
    (void)b;
}

#endif

/* Two buffers, which may be one: in the order of their addresses. */
static inline void
buffer_lock_two(pb_buf *a, pb_buf *b)
{
    pb_buf *first = a < b ? a : b, *second = a < b ? b : a;
    buffer_lock(first);
    if (second != first) {
        buffer_lock(second);
    }
#ifndef Py_GIL_DISABLED
    while (first->root.lock || second->root.lock) { /* waiting for one gave up the GIL */
        buffer_lock(first);
        buffer_lock(second);
    }
#endif
}

static inline void
buffer_unlock_two(pb_buf *a, pb_buf *b)
{
    buffer_unlock(a);
    if (a != b) {
        buffer_unlock(b);
    }
}

/* Give up the GIL while the lock is held: others wait for it at a gate, the GIL theirs.
 * For copies and system calls that do not wait.  When no gate is free the GIL stays.
 * `job` is copied: what a child that is forked meanwhile has to finish. */
copy_gate *
buffer_leave_gil(pb_buf *b, const copy_job *job, PyThreadState **saved);
void
buffer_enter_gil(pb_buf *b, copy_gate *gate, PyThreadState *saved);

/* Copies of payload with the lock held, without the GIL where they are large. */
void
copy_in_lock_held(pb_buf *b, uint64_t off, const void *src, uint64_t n);
pb_status
copy_out_lock_held(pb_buf *b, uint64_t off, void *dst, uint64_t n);

#endif
