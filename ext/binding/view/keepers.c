/* view/keepers.c: the objects behind memoryviews: a run, and what keeps its memory alive.
 *
 *    memoryview -> Run (address, length) -> Live   (a pin and its pool)
 *                                        -> Stable (a tree that shares the frames)
 *                                        -> bytes  (zeros, or a copy)
 *
 * None of them keeps the buffer: views pin pages, never the buffer (I7).  The collector
 * must see the way from a view to its pool, since a callback of on_pressure may hold the
 * view.  They have no tp_clear, as they never change: some other object in the cycle has
 * one.
 *
 * Live and Stable look alike, but differ in what they keep and how they give it back. */
#include "view/object.h"

#include "pool/trace.h"
#include "view/zeros.h"

typedef struct {
    PyObject_HEAD
    PyObject *owner;
    void *address;
    Py_ssize_t len;
    int readonly;
    mapped_view in_map;
} RunObject;

typedef struct {
    PyObject_HEAD
    PoolObject *pool;
    pb_pin pin;
} LiveObject;

typedef struct {
    PyObject_HEAD
    pb_buf b; /* a Holder */
    PoolObject *pool;
} StableObject;

/* ---- Run ---- */

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
run_dealloc(RunObject *self)
{
    PyObject_GC_UnTrack(self);
    unmap_view(&self->in_map);
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

/* A memoryview of [address, address + n).  Takes the reference to `owner`, which keeps
 * the memory. */
static PyObject *
run_view(module_state *state, PyObject *owner, void *address, uint64_t n, int readonly)
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
    map_view(&run->in_map, state, address, n);
    PyObject_GC_Track(run);
    PyObject *view = PyMemoryView_FromObject((PyObject *)run);
    Py_DECREF(run);
    return view;
}

/* ---- Live ---- */

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

PyObject *
views_live(pb_buf *b, const view_range *asked, uint64_t most)
{
    view_range r = *asked;
    buffer_lock(b);
    pb_status st = view_find_lock_held(b, &r);
    buffer_unlock(b);
    if (st != PB_OK) {
        view_raise_range(&r);
        return NULL;
    }
    uint64_t off = r.off, n = r.n;
    PyObject *list = PyList_New(0);
    for (; list && n && most; most--) {
        buffer_lock(b);
        bool inside = off <= b->root.size && n <= b->root.size - off;
        uint64_t len = inside ? pb_buf_stretch(b, off, n).n : 0;
        buffer_unlock(b);
        if (!inside) { /* growing the pool runs Python code, which may cut the buffer */
            raise_status(b, PB_RANGE, off, n);
            Py_CLEAR(list);
            break;
        }
        PyObject *view = view_live(b, &(view_range){.off = off, .n = len});
        if (view == NULL || PyList_Append(list, view) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(view);
        off += len;
        n -= len;
    }
    return list;
}

/* ---- Stable ---- */

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

/* An object that shares what the buffer holds now, of which *r becomes the range that was asked
 * for.  Of a range without bytes there is no share, and no pool. */
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

static StableObject *
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

/* ---- lists of views ---- */

/* A list of views in the making: what is left of the range, and how a hole is shown. */
typedef struct {
    StableObject *stable;
    uint64_t off, n;
    bool data_only; /* rows of offset and view, without holes */
} view_list;

/* What is left begins with a hole of *n bytes: a view of as much of it as there are zeros. */
static PyObject *
hole_view(module_state *state, const view_list *v, uint64_t *n)
{
    zero_run zeros;
    if (zeros_get(state, &zeros) < 0) {
        return NULL;
    }
    pb_stretch next = {.n = *n};
    for (*n = 0; next.at == NULL;
         next = pb_buf_stretch(&v->stable->b, v->off + *n, v->n - *n)) {
        *n += next.n;
        if (*n == v->n || *n >= zeros.n) {
            break;
        }
    }
    *n = pb_min(*n, zeros.n);
    return run_view(state, zeros.owner, zeros.address, *n, 1);
}

/* Put the next stretch into the list, of a long hole a part.  false with an exception. */
static bool
list_next(view_list *v, module_state *state, PyObject *list)
{
    pb_stretch s = pb_buf_stretch(&v->stable->b, v->off, v->n);
    bool added = true;
    if (s.at || !v->data_only) {
        PyObject *item = s.at ? run_view(state, Py_NewRef(v->stable), s.at, s.n, 1)
                              : hole_view(state, v, &s.n);
        if (item && v->data_only) {
            item = Py_BuildValue("(KN)", (unsigned long long)v->off, item);
        }
        added = item && PyList_Append(list, item) == 0;
        Py_XDECREF(item);
    }
    v->off += s.n;
    v->n -= s.n;
    return added;
}

static PyObject *
list_stable(pb_buf *b, const view_range *asked, uint64_t most, bool data_only)
{
    view_range r = *asked;
    module_state *state = state_of_buf(b);
    StableObject *stable = stable_new(b, asked, &r);
    PyObject *list = stable ? PyList_New(0) : NULL;
    view_list v = {stable, r.off, r.n, data_only};
    while (list && v.n && (uint64_t)PyList_GET_SIZE(list) < most) {
        if (!list_next(&v, state, list)) {
            Py_CLEAR(list);
        }
    }
    Py_XDECREF(stable);
    return list;
}

PyObject *
views_stable(pb_buf *b, const view_range *asked, uint64_t most)
{
    return list_stable(b, asked, most, false);
}

PyObject *
views_data(pb_buf *b, const view_range *asked)
{
    return list_stable(b, asked, UINT64_MAX, true);
}
