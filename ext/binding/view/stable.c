/* view/stable.c: what keeps the memory of a stable view: a tree that shares the frames. */
#include "view/stable.h"

#include "view/run.h"

#include "pool/trace.h"

/* Up to so many bytes a stable view is a copy: sharing takes longer, and keeps at least a page. */
#define COPY_SMALL ((uint64_t)PB_PAGE_SIZE / 8)

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

/* One attempt at a share, or a copy. */
typedef struct {
    view_range range;
    bool whole; /* no frames can be had for the nodes of a part: share all */
    bool small; /* copied instead */
} attempt;

/* A range without bytes shares nothing and has no pool, nor does a copy. */
static pb_status
share_lock_held(StableObject *stable, pb_buf *b, const stable_wish *w, attempt *a)
{
    a->range = w->range;
    view_range *r = &a->range;
    pb_status st = view_find_lock_held(b, r);
    if (st == PB_OK) {
        r->n = pb_buf_first_runs(b, r->off, r->n, w->most);
    }
    if (st != PB_OK || r->n == 0) {
        return st;
    }
    a->small = w->few && r->n <= COPY_SMALL;
    if (a->small) {
        st = copy_out_lock_held(b, r->off, w->few, r->n);
    }
    else {
        view_part part = {r->off, r->n, !a->whole, 0};
        st = view_hold_part_lock_held(&stable->b, b, &part, &stable->pool);
        stable->at = part.at;
        stable->exact = !a->whole;
    }
    if (st != PB_OK) {
        view_undo_lock_held(b, r);
    }
    return st;
}

/* Share all where the part asks for frames that nobody has. */
static bool
share_all_instead(attempt *a, bool refused)
{
    if (a->whole || a->small || !refused) {
        return false;
    }
    PyErr_Clear();
    return a->whole = true;
}

/* Look at what an attempt gave.  true: try again. */
static bool
again(pb_buf *b, pb_status *st, attempt *a)
{
    if (*st == PB_RANGE) {
        return false;
    }
    if (*st == PB_LIMIT && share_all_instead(a, true)) {
        return true;
    }
    bool short_of_pages = *st == PB_NEED_PAGES;
    if (transfer_retry_if(b, st, a->range.off, a->range.n, !a->small)) {
        return true;
    }
    return short_of_pages &&
           share_all_instead(a, PyErr_ExceptionMatches(PyExc_MemoryError));
}

static void
undo(pb_buf *b, const view_range *r)
{
    if (r->undo) {
        buffer_lock(b);
        r->undo(b, r);
        buffer_unlock(b);
    }
}

/* Fill it in.  false with an exception. */
static bool
share(StableObject *stable, pb_buf *b, stable_wish *w)
{
    attempt a = {0};
    pb_status done, st;
    do {
        buffer_lock(b);
        done = st = share_lock_held(stable, b, w, &a);
        buffer_unlock(b);
    } while (again(b, &st, &a));
    w->range = a.range;
    if (done == PB_OK && st != PB_OK) { /* a copy found damage */
        undo(b, &a.range);
    }
    if (st == PB_RANGE) {
        view_raise_range(&a.range);
    }
    return st == PB_OK;
}

StableObject *
stable_new(pb_buf *b, stable_wish *w)
{
    StableObject *stable = PyObject_GC_New(StableObject, state_of_buf(b)->stable_type);
    if (stable == NULL) {
        return NULL;
    }
    stable->pool = NULL;
    stable->parts = (pb_parts){0};
    if (share(stable, b, w)) {
        PyObject_GC_Track(stable);
    }
    else {
        Py_CLEAR(stable);
    }
    return stable;
}

/* Takes the reference; NULL stays NULL. */
static PyObject *
view_of_bytes(PyObject *bytes)
{
    PyObject *view = bytes ? PyMemoryView_FromObject(bytes) : NULL;
    Py_XDECREF(bytes);
    return view;
}

PyObject *
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
    return view_of_bytes(bytes);
}

/* A view of what was shared, or copied. */
static PyObject *
view_of(StableObject *stable, module_state *state, const stable_wish *w)
{
    uint64_t n = w->range.n;
    if (n && stable->pool == NULL) {
        return view_of_bytes(
            PyBytes_FromStringAndSize((const char *)w->few, (Py_ssize_t)n));
    }
    uint8_t *address = n ? pb_buf_one_run(&stable->b, stable->at, n) : (uint8_t *)"";
    return address ? run_view(state, Py_NewRef(stable), address, n, 1)
                   : view_copy(&stable->b, stable->at, n);
}

PyObject *
view_stable(pb_buf *b, const view_range *asked)
{
    uint8_t few[COPY_SMALL];
    stable_wish w = {*asked, UINT64_MAX, few};
    StableObject *stable = stable_new(b, &w);
    PyObject *view = stable ? view_of(stable, state_of_buf(b), &w) : NULL;
    if (stable && view == NULL) {
        undo(b, &w.range);
    }
    Py_XDECREF(stable);
    return view;
}
