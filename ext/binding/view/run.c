/* view/run.c: the objects behind memoryviews.  Each is a run of memory, and knows what keeps it.
 *
 *    memoryview -> Run (address, length) -> Live   (a pin and its pool)
 *                                        -> Stable (a tree that shares the frames)
 *                                        -> bytes  (zeros, or a copy)
 *
 * None of them keeps the buffer: views pin pages, never the buffer (I7).  The collector
 * must see the way from a view to its pool, since a callback of on_pressure may hold the
 * view.  They have no tp_clear, as they never change: some other object in the cycle has
 * one. */
#include "view/run.h"

typedef struct {
    PyObject_HEAD
    PyObject *owner;
    void *address;
    Py_ssize_t len;
    int readonly;
    bool is_part; /* the owner is a Stable, which knows what this run shows */
    pb_part part;
    mapped_view in_map;
} RunObject;

static int
run_getbuffer(RunObject *self, Py_buffer *view, int flags)
{
    return PyBuffer_FillInfo(view, (PyObject *)self, self->address, self->len,
                             self->readonly, flags);
}

static int
run_traverse(RunObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->owner);
    return 0;
}

static void
give_up_part(StableObject *stable, pb_part *part)
{
    buffer_lock(&stable->b);
    pb_parts_remove(&stable->parts, &stable->b, part);
    buffer_unlock(&stable->b);
    pool_report_unraisable(stable->pool);
}

static void
run_dealloc(RunObject *self)
{
    PyObject_GC_UnTrack(self);
    unmap_view(&self->in_map);
    if (self->is_part) {
        give_up_part((StableObject *)self->owner, &self->part);
    }
    Py_XDECREF(self->owner);
    object_free(self);
}

static PyType_Slot run_slots[] = {
    {Py_tp_dealloc, run_dealloc},
    {Py_tp_traverse, run_traverse},
    {Py_bf_getbuffer, run_getbuffer},
    {Py_tp_doc, "Memory of one run, behind a memoryview."},
    {0, NULL},
};

PyType_Spec run_spec = {
    .name = "pagebuf._core._Run",
    .basicsize = sizeof(RunObject),
    .flags = INTERNAL_TYPE_FLAGS,
    .slots = run_slots,
};

/* Takes the reference to `owner`. */
static RunObject *
run_new(module_state *state, PyObject *owner, void *address, uint64_t n, int readonly)
{
    RunObject *run = PyObject_GC_New(RunObject, state->run_type);
    if (run == NULL) {
        Py_DECREF(owner);
        return NULL;
    }
    run->owner = owner;
    run->address = address;
    run->len = (Py_ssize_t)n;
    run->readonly = readonly;
    run->is_part = false;
    map_view(&run->in_map, state, address, n);
    PyObject_GC_Track(run);
    return run;
}

/* Takes the reference to `run`; NULL stays NULL. */
static PyObject *
view_of_run(RunObject *run)
{
    PyObject *view = run ? PyMemoryView_FromObject((PyObject *)run) : NULL;
    Py_XDECREF(run);
    return view;
}

PyObject *
run_view(module_state *state, PyObject *owner, void *address, uint64_t n, int readonly)
{
    return view_of_run(run_new(state, owner, address, n, readonly));
}

PyObject *
run_view_part(module_state *state, StableObject *stable, void *address, uint64_t off,
              uint64_t n)
{
    RunObject *run = run_new(state, Py_NewRef(stable), address, n, 1);
    if (run) {
        run->is_part = true;
        buffer_lock(&stable->b);
        pb_parts_add(&stable->parts, &stable->b, &run->part, off, n);
        buffer_unlock(&stable->b);
    }
    return view_of_run(run);
}
