/* pool_type.c: the pool as a Python object.  pagebuf.PagePool derives from it and makes
 * the regions. */
#include "binding.h"

static PyObject *
pool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PoolObject *self = (PoolObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    pb_pool_init(&self->pool, PB_UNLIMITED);
    self->regions = PyList_New(0);
    if (self->regions == NULL) {
        Py_CLEAR(self);
        return NULL;
    }
    /* The collector must not empty it: in a cycle of pool and buffer the regions would be
     * unmapped before the buffer has given its frames back. */
    PyObject_GC_UnTrack(self->regions);
    return (PyObject *)self;
}

static int
pool_traverse(PoolObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self)); /* not the regions: see pool_new */
    return 0;
}

/* No buffer is left: each holds a reference to its pool. */
static void
pool_dealloc(PoolObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    bytesio_drop_spares(self);
    pb_pool_leave_regions(&self->pool);
    Py_XDECREF(self->regions);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- regions ---- */

int
pool_grow(PoolObject *self)
{
    uint64_t before = self->pool.total;
    PyObject *needed = PyLong_FromUnsignedLongLong(self->pool.short_by);
    module_state *state = state_of((PyObject *)self);
    if (needed == NULL) {
        return -1;
    }
    Py_INCREF(self); /* Python code runs, which may drop whoever holds the pool */
    PyObject *result = PyObject_CallMethodOneArg((PyObject *)self, state->str_grow, needed);
    bool grown = self->pool.total > before;
    if (result && !grown) {
        PyErr_SetString(PyExc_MemoryError, "the pool added no region");
    }
    bool good = result && grown;
    Py_DECREF(needed);
    Py_XDECREF(result);
    Py_DECREF(self);
    return good ? 0 : -1;
}

/* Keep an export of the mmap for as long as the pool lives, and return its memory. */
static Py_buffer *
keep_export(PoolObject *self, PyObject *obj, uint64_t least)
{
    PyObject *memory = PyMemoryView_GetContiguous(obj, PyBUF_WRITE, 'C');
    if (memory == NULL) {
        return NULL;
    }
    Py_buffer *view = PyMemoryView_GET_BUFFER(memory);
    if ((uint64_t)view->len < least) {
        PyErr_Format(PyExc_ValueError, "a region of %zd bytes where %llu are needed",
                     view->len, (unsigned long long)least);
        view = NULL;
    }
    else if (PyList_Append(self->regions, memory) < 0) {
        view = NULL;
    }
    Py_DECREF(memory);
    return view;
}

PyDoc_STRVAR(add_region_doc,
             "_add_region($self, payload, table, frames, fresh_zero, discard_zeroes, /)\n"
             "--\n\n"
             "Take a region of ``frames`` frames and its companion for the frame table.");

static PyObject *
pool_add_region(PoolObject *self, PyObject *args)
{
    PyObject *payload, *table;
    unsigned int frames;
    int fresh_zero, discard_zeroes;
    if (!PyArg_ParseTuple(args, "OOIpp:_add_region", &payload, &table, &frames, &fresh_zero,
                          &discard_zeroes)) {
        return NULL;
    }
    Py_buffer *memory = keep_export(self, payload, (uint64_t)frames << PB_PAGE_SHIFT);
    Py_buffer *rows = memory ? keep_export(self, table, pb_pool_table_bytes(frames)) : NULL;
    if (rows == NULL) {
        return NULL;
    }
    if (pb_pool_add_region(&self->pool, memory->buf, rows->buf, frames, fresh_zero,
                           discard_zeroes) != PB_OK) {
        PyErr_Format(PyExc_MemoryError, "no frame numbers left for %u frames", frames);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(next_region_doc,
             "_next_region($self, /)\n--\n\n"
             "How many frames the next region spans by default.");

static PyObject *
pool_next_region(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLong(pb_pool_next_region(&self->pool));
}

PyDoc_STRVAR(set_limit_doc,
             "_set_limit($self, frames, /)\n--\n\n"
             "Set how many frames the pool may hold; -1 for no limit.");

static PyObject *
pool_set_limit(PoolObject *self, PyObject *arg)
{
    long long frames = PyLong_AsLongLong(arg);
    if (frames == -1 && PyErr_Occurred()) {
        return NULL;
    }
    self->pool.limit = frames < 0 ? PB_UNLIMITED : (uint64_t)frames;
    Py_RETURN_NONE;
}

/* ---- looking in, giving back ---- */

PyDoc_STRVAR(stats_doc,
             "stats($self, /)\n--\n\n"
             "How the pool stands: a PoolStats, counted in frames.  O(frames).");

static PyObject *
pool_stats(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    const pb_pool *p = &self->pool;
    long long limit = p->limit == PB_UNLIMITED ? -1 : (long long)p->limit;
    const long long values[] = {
        (long long)PB_PAGE_SIZE,      (long long)p->total,
        (long long)p->held,           (long long)(p->listed + p->virgin),
        (long long)p->nodes,          (long long)pb_pool_pinned(p),
        (long long)pb_pool_shared(p), (long long)p->promised,
        (long long)p->high_water,     (long long)p->regions,
        (long long)pb_pool_tables(p), limit,
    };
    PyObject *stats = PyStructSequence_New(state_of((PyObject *)self)->pool_stats_type);
    for (Py_ssize_t i = 0; stats && i < (Py_ssize_t)Py_ARRAY_LENGTH(values); i++) {
        PyObject *value = PyLong_FromLongLong(values[i]);
        if (value == NULL) {
            Py_CLEAR(stats);
            break;
        }
        PyStructSequence_SetItem(stats, i, value);
    }
    return stats;
}

PyDoc_STRVAR(bufs_doc, "_bufs($self, /)\n--\n\nThe buffers that draw from the pool.");

static PyObject *
pool_bufs(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *list = PyList_New(0);
    for (const pb_buf *b = self->pool.bufs; list && b; b = b->next) {
        PyObject *obj = holder_of(b);
        /* one that is being deallocated must not be brought back */
        if (b->root.frozen != PB_FROZEN_INTERNAL && Py_REFCNT(obj) > 0 &&
            PyList_Append(list, obj) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyDoc_STRVAR(trim_doc,
             "trim($self, /)\n--\n\n"
             "Give free memory back to the system; returns the bytes.  O(frames / 64).");

static PyObject *
pool_trim(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(pb_pool_trim(&self->pool));
}

PyDoc_STRVAR(check_doc,
             "check($self, /)\n--\n\n"
             "Recount every frame from all trees; CorruptionError names the first broken\n"
             "rule.  O(frames).");

static PyObject *
pool_check(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_fault fault;
    size_t words = pb_pool_check_words(&self->pool);
    uint32_t *scratch = PyMem_Calloc(words, sizeof *scratch);
    if (scratch == NULL) {
        return PyErr_NoMemory();
    }
    bool good = pb_pool_check(&self->pool, scratch, &fault);
    PyMem_Free(scratch);
    if (!good) {
        raise_fault(state_of((PyObject *)self), &fault);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef pool_methods[] = {
    {"_add_region", (PyCFunction)pool_add_region, METH_VARARGS, add_region_doc},
    {"_next_region", (PyCFunction)pool_next_region, METH_NOARGS, next_region_doc},
    {"_set_limit", (PyCFunction)pool_set_limit, METH_O, set_limit_doc},
    {"_bufs", (PyCFunction)pool_bufs, METH_NOARGS, bufs_doc},
    {"stats", (PyCFunction)pool_stats, METH_NOARGS, stats_doc},
    {"trim", (PyCFunction)pool_trim, METH_NOARGS, trim_doc},
    {"check", (PyCFunction)pool_check, METH_NOARGS, check_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef pool_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PoolObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(pool_doc, "The frames behind pagebuf.PagePool, which makes the regions.");

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, (void *)pool_doc},
    {Py_tp_new, pool_new},
    {Py_tp_traverse, pool_traverse},
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_methods, pool_methods},
    {Py_tp_members, pool_members},
    {0, NULL},
};

PyType_Spec pool_spec = {
    .name = "pagebuf._core.Pool",
    .basicsize = sizeof(PoolObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pool_slots,
};

PoolObject *
pool_default(module_state *state)
{
    if (state->default_pool == NULL) {
        if (state->pool_factory == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "import pagebuf, not pagebuf._core");
            return NULL;
        }
        PyObject *pool = PyObject_CallNoArgs(state->pool_factory);
        if (pool == NULL) {
            return NULL;
        }
        if (!PyObject_TypeCheck(pool, state->pool_type)) {
            PyErr_SetString(PyExc_TypeError, "the pool factory made no pool");
            Py_DECREF(pool);
            return NULL;
        }
        if (state->default_pool == NULL) { /* the factory ran Python code */
            state->default_pool = Py_NewRef(pool);
        }
        Py_DECREF(pool);
    }
    return (PoolObject *)Py_NewRef(state->default_pool);
}
