/* lock/fork.c: read snapshots in flight, and what the child of a fork does with
 * them. */
#include "lock/fork.h"

#include "lock/lock.h"

/* ---- read snapshots ---- */

inflight_tree *
inflight_new(pb_buf *from)
{
    inflight_tree *h = PyMem_Malloc(sizeof *h);
    if (h) {
        h->thread = PyThread_get_thread_ident();
        h->pool = NULL;
        h->from = from;
        h->shared = false;
    }
    return h;
}

void
inflight_note(inflight_tree *h)
{
    h->pool = (PoolObject *)Py_NewRef(pool_object(h->from));
    lock_state *locks = locks_of(h->pool->state);
    pb_lock_take(&locks->inflight_lock);
    h->prev = NULL;
    h->next = locks->inflight;
    if (h->next) {
        h->next->prev = h;
    }
    locks->inflight = h;
    pb_lock_drop(&locks->inflight_lock);
}

void
inflight_forget(inflight_tree *h)
{
    lock_state *locks = locks_of(h->pool->state);
    pb_lock_take(&locks->inflight_lock);
    if (h->next) {
        h->next->prev = h->prev;
    }
    if (h->prev) {
        h->prev->next = h->next;
    }
    else {
        locks->inflight = h->next;
    }
    pb_lock_drop(&locks->inflight_lock);
}

void
inflight_free(inflight_tree *h)
{
    PoolObject *pool = h->pool;
    PyMem_Free(h);
    Py_XDECREF(pool);
}

/* ---- in the child ---- */

/* Finish what the copying thread had begun.  It held references to source and target, so
 * both are still there.  Storing all bytes once more makes the write whole, not torn. */
static void
finish_copy(copy_gate *gate)
{
    const copy_job *job = &gate->job;
    pb_buf *b = gate->buffer;
    if (job->src) {
        pb_buf_copy_in(b, job->off, job->src, job->n);
        pb_buf_write_end(b);
    }
    if (job->paste.to) {
        pb_paste_finish(&job->paste);
    }
    if (job->reserved) {
        pb_pool_unreserve(b->pool, job->reserved);
    }
    buffer_free_lock(b);
}

/* Nobody can release a lock that a thread of the parent holds.  Abandon it; a gate makes
 * another one when it needs it. */
static void
open_gates(lock_state *locks)
{
    for (int i = 0; i < COPY_GATES; i++) {
        if (locks->gates[i].buffer) {
            finish_copy(&locks->gates[i]);
        }
        memset(&locks->gates[i], 0, sizeof locks->gates[i]);
    }
}

/* Keep those of the forking thread: it goes on with its call. */
static void
drop_snapshots(lock_state *locks)
{
    unsigned long me = PyThread_get_thread_ident();
    inflight_tree *next = locks->inflight;
    while (next) {
        inflight_tree *h = next;
        next = h->next;
        if (h->thread != me) {
            inflight_forget(h);
            pb_range_end_snapshot(&h->r, h->from, h->shared);
            inflight_free(h);
        }
    }
}

static PyObject *
after_in_child(PyObject *ref, PyObject *Py_UNUSED(ignored))
{
    PyObject *module = PyObject_CallNoArgs(ref);
    if (module && module != Py_None) {
#ifdef Py_GIL_DISABLED
        rest_after_fork(state_of_module(module));
        readers_after_fork(state_of_module(module));
#endif
        locks_of(state_of_module(module))->forks++;
        open_gates(locks_of(state_of_module(module)));
        drop_snapshots(locks_of(state_of_module(module)));
    }
    return module;
}

static PyMethodDef after_in_child_def = {
    "_after_in_child",
    after_in_child,
    METH_NOARGS,
    NULL,
};

/* The interpreter keeps registered functions to its end.  This one has a weak reference,
 * and so does not keep the module alive. */
int
fork_register(PyObject *module)
{
    int result = -1;
    PyObject *ref = PyWeakref_NewRef(module, NULL);
    PyObject *function = ref ? PyCFunction_New(&after_in_child_def, ref) : NULL;
    PyObject *names = function ? Py_BuildValue("{s:O}", "after_in_child", function) : NULL;
    PyObject *os = names ? PyImport_ImportModule("os") : NULL;
    PyObject *call = NULL, *none = NULL, *empty = NULL;
    if (os == NULL) {
        goto done;
    }
    if (!PyObject_HasAttrString(os, "register_at_fork")) {
        result = 0; /* a system without fork */
        goto done;
    }
    call = PyObject_GetAttrString(os, "register_at_fork");
    empty = call ? PyTuple_New(0) : NULL;
    none = empty ? PyObject_Call(call, empty, names) : NULL;
    result = none ? 0 : -1;
done:
    Py_XDECREF(none);
    Py_XDECREF(empty);
    Py_XDECREF(call);
    Py_XDECREF(os);
    Py_XDECREF(names);
    Py_XDECREF(function);
    Py_XDECREF(ref);
    return result;
}
