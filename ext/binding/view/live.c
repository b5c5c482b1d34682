/* view/live.c: live views, and what keeps their memory: a pin. */
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

/* Without a pin yet, and unknown to the collector. */
static LiveObject *
live_new(module_state *state)
{
    LiveObject *live = PyObject_GC_New(LiveObject, state->live_type);
    if (live) {
        live->pool = NULL;
        live->pin = (pb_pin){0};
    }
    return live;
}

static LiveObject *
live_around(pb_pin *pin)
{
    return (LiveObject *)((char *)pin - offsetof(LiveObject, pin));
}

/* Its pin has been made: it keeps the pool from now on. */
static void
live_begin(const pinning *p)
{
    LiveObject *live = live_around(p->pin);
    live->pool = p->pool;
    PyObject_GC_Track(live);
}

/* Takes the reference to the object around the pin. */
static PyObject *
live_view(module_state *state, const pinning *p)
{
    return run_view(state, (PyObject *)live_around(p->pin),
                    p->pool ? p->address : (void *)"", p->range.n, 0);
}

PyObject *
view_live(pb_buf *b, const view_range *asked)
{
    module_state *state = state_of_buf(b);
    LiveObject *live = live_new(state);
    if (live == NULL) {
        return NULL;
    }
    pinning p = {.pin = &live->pin};
    if (view_pin(b, asked, &p) < 0) {
        Py_DECREF(live);
        return NULL;
    }
    live_begin(&p);
    return live_view(state, &p);
}

/* ---- one for each run ---- */

/* Objects for so many pins.  No lock is held.  -1 with an exception. */
static int
make_room(run_pins *w, module_state *state, size_t room)
{
    pinning *each = PyMem_Realloc(w->each, room * sizeof *each);
    if (each == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (w->each = each; w->room < room; w->room++) {
        LiveObject *live = live_new(state);
        if (live == NULL) {
            return -1;
        }
        each[w->room] = (pinning){.pin = &live->pin};
    }
    return 0;
}

/* A list of views.  They take the references to the first n objects; `pin` becomes NULL there. */
static PyObject *
list_views(run_pins *w, module_state *state)
{
    for (size_t i = 0; i < w->n; i++) {
        live_begin(&w->each[i]);
    }
    PyObject *list = PyList_New((Py_ssize_t)w->n);
    for (size_t i = 0; list && i < w->n; i++) {
        PyObject *view = live_view(state, &w->each[i]);
        w->each[i].pin = NULL;
        if (view == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, view);
    }
    return list;
}

static void
free_room(run_pins *w)
{
    for (size_t i = 0; i < w->room; i++) {
        if (w->each[i].pin) {
            Py_DECREF(live_around(w->each[i].pin));
        }
    }
    PyMem_Free(w->each);
}

PyObject *
views_live(pb_buf *b, const view_range *asked, uint64_t most)
{
    module_state *state = state_of_buf(b);
    run_pins w = {.most = most};
    int result;
    do {
        w.range = *asked;
        result = view_pin_runs(b, &w);
    } while (result == 0 && w.n > w.room && (result = make_room(&w, state, w.n)) == 0);
    PyObject *list = result == 0 ? list_views(&w, state) : NULL;
    free_room(&w);
    return list;
}
