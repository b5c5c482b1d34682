/* view/stable.c: what keeps the memory of a stable view: a tree that shares the frames. */
#include "view/stable.h"

#include "view/run.h"

#include "pool/trace.h"

static int
stable_traverse(StableObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->pool);
    return 0;
}

static void
stable_dealloc(StableObject *self)
{
    PyObject_GC_UnTrack(self);
    if (self->pool) {
        buffer_lock(&self->b); /* somebody may look at the pool */
        pb_buf_fini(&self->b);
        trace_forget(&self->b);
        buffer_unlock(&self->b);
        pool_report_unraisable(self->pool);
        Py_DECREF(self->pool);
    }
    object_free(self);
}

static PyType_Slot stable_slots[] = {
    {Py_tp_dealloc, stable_dealloc},
    {Py_tp_traverse, stable_traverse},
    {Py_tp_doc, "What a buffer held when a stable view was made."},
    {0, NULL},
};

PyType_Spec stable_spec = {
    .name = "pagebuf._core._Stable",
    .basicsize = sizeof(StableObject),
    .flags = INTERNAL_TYPE_FLAGS,
    .slots = stable_slots,
};

/* Make `stable` share what the buffer holds now, and resolve *r.  A range without bytes
 * shares nothing and has no pool. */
static pb_status
share_lock_held(StableObject *stable, pb_buf *b, view_range *r)
{
    pb_status st = view_find_lock_held(b, r);
    if (st == PB_OK && r->n) {
        st = view_hold_lock_held(&stable->b, b, pb_buf_share, &stable->pool);
        if (st != PB_OK) {
            view_undo_lock_held(b, r);
        }
    }
    return st;
}

StableObject *
stable_new(pb_buf *b, const view_range *asked, view_range *r)
{
    StableObject *stable = PyObject_GC_New(StableObject, state_of_buf(b)->stable_type);
    pb_status st = PB_OK;
    if (stable == NULL) {
        return NULL;
    }
    stable->pool = NULL;
    do {
        *r = *asked;
        buffer_lock(b);
        st = share_lock_held(stable, b, r);
        buffer_unlock(b);
    } while (st != PB_RANGE && transfer_acquire_again(b, &st, 0, 0));
    if (st == PB_RANGE) {
        view_raise_range(r);
    }
    if (st != PB_OK) {
        Py_CLEAR(stable);
    }
    else {
        PyObject_GC_Track(stable);
    }
    return stable;
}

/* A memoryview of a copy of [off, off + n). */
static PyObject *
view_copy(pb_buf *b, uint64_t off, uint64_t n)
{
    PyObject *bytes = transfer_read(b, off, n);
    if (bytes == NULL && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Format(
            PyExc_MemoryError,
            "%llu bytes in one piece asked of the system: their pages are scattered, and a "
            "stable view of such is a copy; views() takes none",
            (unsigned long long)n);
    }
    PyObject *view = bytes ? PyMemoryView_FromObject(bytes) : NULL;
    Py_XDECREF(bytes);
    return view;
}

/* Takes the reference to `stable`. */
static PyObject *
view_of(StableObject *stable, module_state *state, const view_range *r)
{
    uint8_t *address = r->n ? pb_buf_one_run(&stable->b, r->off, r->n) : (uint8_t *)"";
    if (address) {
        return run_view(state, (PyObject *)stable, address, r->n, 1);
    }
    PyObject *view = view_copy(&stable->b, r->off, r->n);
    Py_DECREF(stable);
    return view;
}

PyObject *
view_stable(pb_buf *b, const view_range *asked)
{
    view_range r = *asked;
    StableObject *stable = stable_new(b, asked, &r);
    PyObject *view = stable ? view_of(stable, state_of_buf(b), &r) : NULL;
    if (stable && view == NULL && r.undo) {
        buffer_lock(b);
        r.undo(b, &r);
        buffer_unlock(b);
    }
    return view;
}
