/* lock/lock.h: one lock per buffer, a byte large.
 *
 * Free-threaded CPython: the byte is a PyMutex.  With a GIL: the thread that holds the
 * GIL holds the lock, unless another one copies without the GIL.  The byte marks such a
 * copy; others give up the GIL and wait for it.  So an uncontended lock is one test of a
 * byte. */
#ifndef PAGEBUF_LOCK_LOCK_H
#define PAGEBUF_LOCK_LOCK_H

#include "lock/readers.h"

#include "range/paste.h"

/* ---- what an interpreter keeps ---- */

/* Work that a thread does without the GIL, so that the child of a fork can finish it
 * (lock/fork.h). */
typedef struct {
    const void *src; /* n bytes to store from `off` on, or NULL */
    uint64_t off, n;
    pb_paste paste;    /* paste.to: a paste that is not finished, or NULL */
    uint64_t reserved; /* frames of the buffer's pool that it has reserved */
} copy_job;

/* Where other threads wait for a copy without the GIL. */
typedef struct {
    PyThread_type_lock lock; /* held by the copying thread */
    pb_buf *buffer;          /* that it copies from or to; NULL: not in use */
    int waiting;
    copy_job job;
} copy_gate;

#define COPY_GATES 16

typedef struct {
    copy_gate gates[COPY_GATES];
    struct inflight_tree *inflight; /* lock/fork.h */
    pb_lock inflight_lock;          /* of both */
#ifdef Py_GIL_DISABLED
    reader_slots readers;
#endif
    uint64_t forks; /* since which this process is a child: threads of before are gone */
} lock_state;

static inline lock_state *
locks_of(const module_state *state)
{
    return state->locks;
}

/* Make the lock_state of an interpreter (-1 with an exception), and free it. */
int
locks_begin(module_state *state);
void
locks_end(module_state *state);

/* ---- the lock of a buffer ---- */

/* Copies of at least so many bytes give up the GIL. */
#define COPY_WITHOUT_GIL ((uint64_t)1 << 18)

#ifdef Py_GIL_DISABLED

static inline PyMutex *
mutex_of(pb_buf *b)
{
    return (PyMutex *)&b->word.lock;
}

/* Somebody looks at the pool (pool/pause.c): give the lock back, and take it when that is over. */
void
buffer_lock_again(pb_buf *b);

static inline bool
may_change(const pb_buf *b)
{
    return PB_LIKELY(!pb_load8(&b->pool->root->paused));
}

static inline bool
try_lock(pb_buf *b)
{
    uint8_t none = 0;
    return __atomic_compare_exchange_n(&b->word.lock, &none, 1, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* Others may still read apart.  Was the lock taken? */
static inline bool
lock_beside_readers(pb_buf *b)
{
    bool taken = !try_lock(b);
    if (PB_UNLIKELY(taken)) {
        mutex_wait(state_of_buf(b), mutex_of(b));
    }
    if (!may_change(b)) {
        buffer_lock_again(b);
    }
    return taken;
}

static inline void
buffer_lock(pb_buf *b)
{
    (void)lock_beside_readers(b);
    if (PB_UNLIKELY(readers_are_apart(b))) {
        readers_gather(b);
    }
}

static inline void
buffer_unlock(pb_buf *b)
{
    PyMutex_Unlock(mutex_of(b));
}

/* The lock for a small read: the next one may be apart. */
static inline void
buffer_lock_to_read(pb_buf *b)
{
    bool taken = lock_beside_readers(b);
    if (PB_UNLIKELY(readers_are_apart(b))) {
        readers_gather(b);
    }
    else {
        readers_met(b, taken);
    }
}

#else

/* Wait until no thread copies.  Gives up the GIL. */
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

static inline void
buffer_lock_to_read(pb_buf *b)
{
    buffer_lock(b);
}

#endif

/* The lock of those who only look at a field.  With a GIL they need none, and wait for no copy. */
static inline void
buffer_lock_to_look(pb_buf *b)
{
#ifdef Py_GIL_DISABLED
    buffer_lock(b);
#else
    (void)b;
#endif
}

static inline void
buffer_unlock_after_look(pb_buf *b)
{
#ifdef Py_GIL_DISABLED
    buffer_unlock(b);
#else
    (void)b;
#endif
}

/* In the child of a fork: whoever had the lock is gone. */
static inline void
buffer_free_lock(pb_buf *b)
{
#ifdef Py_GIL_DISABLED
    *mutex_of(b) = (PyMutex){0};
#else
    b->root.lock = 0;
#endif
}

/* Lock two buffers, which may be the same one, in the order of their addresses. */
#ifdef Py_GIL_DISABLED
void
buffer_lock_two(pb_buf *a, pb_buf *b);
#else
static inline void
buffer_lock_two(pb_buf *a, pb_buf *b)
{
    pb_buf *first = a < b ? a : b, *second = a < b ? b : a;
    buffer_lock(first);
    if (second != first) {
        buffer_lock(second);
    }
    while (first->root.lock || second->root.lock) { /* waiting for one gives up the GIL */
        buffer_lock(first);
        buffer_lock(second);
    }
}
#endif

static inline void
buffer_unlock_two(pb_buf *a, pb_buf *b)
{
    buffer_unlock(a);
    if (a != b) {
        buffer_unlock(b);
    }
}

/* Give up the GIL, but keep the lock: others wait for it at a gate.  For copies, and for
 * system calls that do not wait.  If no gate is free the GIL stays.  The gate copies
 * `job`: the child of a fork finishes it. */
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
