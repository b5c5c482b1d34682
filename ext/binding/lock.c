/* lock.c: large copies without the GIL, and waiting for them. */
#include "lock.h"
#include "pb_view.h"

#ifdef Py_GIL_DISABLED

copy_gate *
buffer_leave_gil(pb_buf *b, PyThreadState **saved)
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
    pb_buf_copy_out(b, off, dst, n);
}

#else

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
buffer_leave_gil(pb_buf *b, PyThreadState **saved)
{
    copy_gate *gate = free_gate(state_of_buf(b));
    if (gate) {
        PyThread_acquire_lock(gate->lock, WAIT_LOCK);
        gate->buffer = b;
        b->root.lock = 1;
        *saved = PyEval_SaveThread();
    }
    return gate;
}

void
buffer_enter_gil(pb_buf *b, copy_gate *gate, PyThreadState *saved)
{
    if (gate) {
        PyEval_RestoreThread(saved);
        b->root.lock = 0;
        gate->buffer = NULL;
        PyThread_release_lock(gate->lock);
    }
}

/* A small copy is over sooner than the GIL is given up. */
static copy_gate *
leave_gil(pb_buf *b, uint64_t n, PyThreadState **saved)
{
    return n < COPY_WITHOUT_GIL ? NULL : buffer_leave_gil(b, saved);
}

void
copy_in_lock_held(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    PyThreadState *saved = NULL;
    copy_gate *gate = leave_gil(b, n, &saved);
    pb_buf_copy_in(b, off, src, n);
    buffer_enter_gil(b, gate, saved);
}

void
copy_out_lock_held(pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    PyThreadState *saved = NULL;
    copy_gate *gate = leave_gil(b, n, &saved);
    pb_buf_copy_out(b, off, dst, n);
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

void
buffer_lock_wait(pb_buf *b)
{
    module_state *state = state_of_buf(b);
    while (b->root.lock) {
        copy_gate *gate = gate_of(state, b);
        gate->waiting++;
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(gate->lock, WAIT_LOCK);
        PyThread_release_lock(gate->lock);
        Py_END_ALLOW_THREADS
        gate->waiting--;
    }
}

#endif

/* ---- reads beside everything ---- */

/* A hold is worth its while for a large copy, and cheap where no live view makes it copy
 * pages (I11). */
static bool
hold_for_copy(pb_buf *hold, pb_buf *b, uint64_t n)
{
    if (n < COPY_WITHOUT_GIL || pb_buf_is_inline(b) || pb_buf_viewed(b)) {
        return false;
    }
    pb_buf_init(hold, b->pool, PB_MAX_LEVELS);
    hold->root.frozen = PB_FROZEN_INTERNAL;
    if (pb_buf_hold(hold, b) != PB_OK) {
        pb_buf_fini(hold);
        return false;
    }
    return true;
}

void
copy_out_beside(pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    pb_buf hold;
    if (!hold_for_copy(&hold, b, n)) {
        copy_out_lock_held(b, off, dst, n);
        return;
    }
    PyObject *pool = Py_NewRef(pool_object(b)); /* __init__ may give the buffer another */
    buffer_unlock(b);
    Py_BEGIN_ALLOW_THREADS
    pb_buf_copy_out(&hold, off, dst, n);
    Py_END_ALLOW_THREADS
    buffer_lock(b);
    pb_buf_unhold(&hold, b);
    buffer_unlock(b);
    Py_DECREF(pool);
    buffer_lock(b);
}
