/* lock/lock.c: large copies without the GIL, and waiting for them. */
#include "lock/lock.h"
#include "lock/inflight.h"
#include "buffer/share.h"

#include <sched.h>

#ifdef Py_GIL_DISABLED

copy_gate *
buffer_leave_gil(pb_buf *b, const copy_job *job, PyThreadState **saved)
{
    *saved = PyEval_SaveThread();
    return NULL;
}

void
buffer_enter_gil(pb_buf *b, copy_gate *gate, PyThreadState *saved)
{
    PyEval_RestoreThread(saved);
}

void
copy_in_lock_held(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    pb_buf_copy_in(b, off, src, n);
}

void
copy_out_lock_held(pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    (void)pb_buf_copy_out(b, off, dst, n);
}

#else

/* Values of root.lock other than 0. */
#define COPYING 1 /* somebody copies without the GIL */
#define WANTED 2  /* free, but those who waited at the gate come first */

/* How often a newcomer lets others have the GIL for them before it goes ahead itself: they
 * wake up within some ten microseconds. */
#define MOST_TURNS 1000

/* A gate that nobody copies or waits behind; NULL when all are in use. */
static copy_gate *
free_gate(module_state *state)
{
    for (int i = 0; i < COPY_GATES; i++) {
        copy_gate *gate = &state->gates[i];
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
    copy_gate *gate = free_gate(state_of_buf(b));
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

/* A small copy is over sooner than the GIL is given up.  src: what is stored, or NULL. */
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

void
copy_out_lock_held(pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    PyThreadState *saved = NULL;
    copy_gate *gate = leave_gil(b, off, NULL, n, &saved);
    (void)pb_buf_copy_out(b, off, dst, n);
    buffer_enter_gil(b, gate, saved);
}

static copy_gate *
gate_of(module_state *state, const pb_buf *b)
{
    copy_gate *gate = state->gates;
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

static void
let_others_run(void)
{
    Py_BEGIN_ALLOW_THREADS
    sched_yield();
    Py_END_ALLOW_THREADS
}

/* Without the turns a thread that writes in a loop would take the lock again before those
 * who wait for it have the GIL, for ever. */
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

/* ---- reads beside everything ---- */

/* A read snapshot is worth its while for a large copy, and cheap where no live view makes it copy
 * pages (I11).  NULL: none is to be had. */
static inflight_tree *
snapshot_for_copy(pb_buf *b, uint64_t n)
{
    if (n < COPY_WITHOUT_GIL || pb_buf_is_inline(b) || pb_buf_viewed(b)) {
        return NULL;
    }
    inflight_tree *h = inflight_new(b);
    if (h && pb_range_read_snapshot(&h->r, b, 0, b->root.size) != PB_OK) {
        inflight_free(h); /* the buffer's reference to the pool remains */
        return NULL;
    }
    if (h) {
        inflight_note(h);
    }
    return h;
}

void
copy_out_beside(pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    inflight_tree *h = snapshot_for_copy(b, n);
    if (h == NULL) {
        copy_out_lock_held(b, off, dst, n);
        return;
    }
    buffer_unlock(b);
    Py_BEGIN_ALLOW_THREADS(void)
    pb_buf_copy_out(&h->r.b, off, dst, n);
    Py_END_ALLOW_THREADS
    buffer_lock(b);
    inflight_forget(h);
    pb_range_end_snapshot(&h->r, b, false);
    buffer_unlock(b);
    inflight_free(h);
    buffer_lock(b);
}
