/* view/live.c: what keeps the memory of a live view: a pin. */
#include "view/run.h"

typedef struct {
    PyObject_HEAD
    PoolObject *pool;
    pb_pin pin;
} LiveObject;

static int
live_traverse(LiveObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->pool);
    return 0;
}

static void
live_dealloc(LiveObject *self)
{
    PyObject_GC_UnTrack(self);
    if (self->pool) {
        view_unpin(self->pool, &self->pin);
        Py_DECREF(self->pool);
    }
    object_free(self);
}

static PyType_Slot live_slots[] = {
    {Py_tp_dealloc, live_dealloc},
    {Py_tp_traverse, live_traverse},
    {Py_tp_doc, "A live pin."},
    {0, NULL},
};

PyType_Spec live_spec = {
    .name = "pagebuf._core._Live",
    .basicsize = sizeof(LiveObject),
    .flags = INTERNAL_TYPE_FLAGS,
    .slots = live_slots,
};

PyObject *
view_live(pb_buf *b, const view_range *asked)
{
    module_state *state = state_of_buf(b);
    LiveObject *live = PyObject_GC_New(LiveObject, state->live_type);
    if (live == NULL) {
        return NULL;
    }
    live->pool = NULL;
    live->pin = (pb_pin){0};
    pinning p = {.pin = &live->pin};
    if (view_pin(b, asked, &p) < 0) {
        Py_DECREF(live);
        return NULL;
    }
    live->pool = p.pool;
    PyObject_GC_Track(live);
    return run_view(state, (PyObject *)live, p.pool ? p.address : (void *)"", p.range.n, 0);
}
