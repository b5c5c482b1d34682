/* lock/lock.c: large copies without the GIL, and waiting for them. */
#include "lock/lock.h"

/* ---- what an interpreter keeps ---- */

int
locks_begin(module_state *state)
{
    state->locks = PyMem_Calloc(1, sizeof(lock_state));
    if (state->locks == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    pb_lock_init(&locks_of(state)->inflight_lock);
    return 0;
}

void
locks_end(module_state *state)
{
    lock_state *locks = locks_of(state);
    for (int i = 0; locks && i < COPY_GATES; i++) {
        if (locks->gates[i].lock) {
            PyThread_free_lock(locks->gates[i].lock);
        }
    }
    PyMem_Free(locks);
    state->locks = NULL;
}

/* ---- copies ---- */

#ifdef Py_GIL_DISABLED

/* The note of a copy that gives up the thread state; NULL when all are in use: then it keeps it.
 * A gate is only a note here: others wait for the lock of the buffer. */
static copy_gate *
note_copy(lock_state *locks, pb_buf *b, const copy_job *job)
{
    copy_gate *gate = NULL;
    pb_lock_take(&locks->inflight_lock);
    for (int i = 0; i < COPY_GATES && gate == NULL; i++) {
        gate = locks->gates[i].buffer ? NULL : &locks->gates[i];
    }
    if (gate) {
        gate->buffer = b;
        gate->job = *job;
    }
    pb_lock_drop(&locks->inflight_lock);
    return gate;
}

copy_gate *
buffer_leave_gil(pb_buf *b, const copy_job *job, PyThreadState **saved)
{
    copy_gate *gate = note_copy(locks_of(state_of_buf(b)), b, job);
    if (gate) {
        *saved = PyEval_SaveThread();
    }
    return gate;
}

void
buffer_enter_gil(pb_buf *b, copy_gate *gate, PyThreadState *saved)
{
    if (gate) {
        PyEval_RestoreThread(saved);
        lock_state *locks = locks_of(state_of_buf(b));
        pb_lock_take(&locks->inflight_lock);
        gate->buffer = NULL;
        pb_lock_drop(&locks->inflight_lock);
    }
}

void
buffer_lock_again(pb_buf *b)
{
    do {
        PoolObject *pool =
            (PoolObject *)Py_NewRef(pool_object(b)); /* __init__ may replace it */
        buffer_unlock(b);
        rest_wait(pool);
        Py_DECREF(pool);
        if (!try_lock(b)) {
            mutex_wait(state_of_buf(b), mutex_of(b));
        }
    } while (!may_change(b));
}

/* Nobody waits with a lock held: neither does a looker wait for it in vain, nor is it left to the
 * child of a fork. */
void
buffer_lock_two(pb_buf *a, pb_buf *b)
{
    pb_buf *first = a < b ? a : b, *second = a < b ? b : a;
    for (;;) {
        buffer_lock(first);
        if (second == first) {
            return;
        }
        if (try_lock(second)) {
            if (may_change(second) && may_change(first)) {
                if (readers_are_apart(second)) {
                    readers_gather(second);
                }
                return;
            }
            buffer_unlock(second);
        }
        buffer_unlock(first);
        buffer_lock(second);
        buffer_unlock(second);
    }
}

#else

/* Values of root.lock other than 0. */
#define COPYING 1 /* somebody copies without the GIL */
#define WANTED 2  /* free, but threads at the gate come first */

/* How often a newcomer yields the GIL to the threads at the gate, before it goes ahead
 * itself.  They wake up within some ten microseconds. */
#define MOST_TURNS 1000

/* A gate that no thread copies or waits behind; NULL if all are in use. */
static copy_gate *
free_gate(module_state *state)
{
    for (int i = 0; i < COPY_GATES; i++) {
        copy_gate *gate = &locks_of(state)->gates[i];
        if (gate->buffer == NULL && gate->waiting == 0) {
            if (gate->lock == NULL) {
                gate->lock = PyThread_allocate_lock();
            }
            return gate->lock ? gate : NULL;
        }
    }
    return NULL;
}

copy_gate *
buffer_leave_gil(pb_buf *b, const copy_job *job, PyThreadState **saved)
{
    /* where pages may leave memory, that happens while no thread copies: with the GIL */
    copy_gate *gate = pb_pool_fetches(b->pool) ? NULL : free_gate(state_of_buf(b));
    if (gate) {
        PyThread_acquire_lock(gate->lock, WAIT_LOCK);
        gate->buffer = b;
        gate->job = *job;
        b->root.lock = COPYING;
        *saved = PyEval_SaveThread();
    }
    return gate;
}

void
buffer_enter_gil(pb_buf *b, copy_gate *gate, PyThreadState *saved)
{
    if (gate) {
        PyEval_RestoreThread(saved);
        b->root.lock = gate->waiting ? WANTED : 0;
        gate->buffer = NULL;
        PyThread_release_lock(gate->lock);
    }
}

static copy_gate *
gate_of(module_state *state, const pb_buf *b)
{
    copy_gate *gate = locks_of(state)->gates;
    while (gate->buffer != b) {
        gate++;
    }
    return gate;
}

static void
wait_at_gate(copy_gate *gate)
{
    gate->waiting++;
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(gate->lock, WAIT_LOCK);
    PyThread_release_lock(gate->lock);
    Py_END_ALLOW_THREADS
    gate->waiting--;
}

/* Yield to the threads at the gate.  Otherwise a thread that writes in a loop takes the
 * lock again before they get the GIL, for ever. */
void
buffer_lock_wait(pb_buf *b)
{
    module_state *state = state_of_buf(b);
    bool waited = false;
    for (int turns = 0; b->root.lock == COPYING || (b->root.lock == WANTED && !waited);) {
        if (b->root.lock == COPYING) {
            wait_at_gate(gate_of(state, b));
            waited = true;
        }
        else if (turns++ < MOST_TURNS) {
            let_others_run();
        }
        else {
            break;
        }
    }
    b->root.lock = 0;
}

#endif

/* A small copy takes less time than giving up the GIL.  src: what is stored, or NULL. */
static copy_gate *
leave_gil(pb_buf *b, uint64_t off, const void *src, uint64_t n, PyThreadState **saved)
{
    if (n < COPY_WITHOUT_GIL) {
        return NULL;
    }
    return buffer_leave_gil(b, &(copy_job){.src = src, .off = off, .n = n}, saved);
}

void
copy_in_lock_held(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    PyThreadState *saved = NULL;
    copy_gate *gate = leave_gil(b, off, src, n, &saved);
    pb_buf_copy_in(b, off, src, n);
    buffer_enter_gil(b, gate, saved);
}

pb_status
copy_out_lock_held(pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    PyThreadState *saved = NULL;
    copy_gate *gate = leave_gil(b, off, NULL, n, &saved);
    pb_status st = pb_buf_copy_out(b, off, dst, n);
    buffer_enter_gil(b, gate, saved);
    return st;
}
