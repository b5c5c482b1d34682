/* pool/type.c: the pool as a Python object.  pagebuf.PagePool derives from it and makes
 * the regions. */
#include "base/common.h"
#include "pool/layout.h"
#include "pool/segv.h"

/* Accounts by number, for a root with children. */
#define ACCOUNTS_BYTES (PB_MOST_POOLS * sizeof(pb_pool *))

static PyObject *
pool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PoolObject *self = (PoolObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    pb_pool_init(&self->pool, PB_UNLIMITED);
    self->module = Py_XNewRef(PyType_GetModuleByDef(type, &pagebuf_module));
    self->regions = self->module ? PyList_New(0) : NULL;
    if (self->regions == NULL || trace_begin(self) < 0) {
        Py_CLEAR(self);
        return NULL;
    }
    self->state = state_of_module(self->module);
    self->pool.map = &self->state->map;
    /* The collector must not empty it: in a cycle of pool and buffer the regions would be
     * unmapped before the buffer has given its frames back. */
    PyObject_GC_UnTrack(self->regions);
    return (PyObject *)self;
}

static int
pool_traverse(PoolObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self)); /* not the regions: see pool_new */
    Py_VISIT(self->parent);
    Py_VISIT(self->module);
    return exports_traverse(self, visit, arg);
}

/* No buffer is left: each holds a reference to its pool.  What a child took others may still
 * hold. */
static void
pool_dealloc(PoolObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    bytesio_drop_spares(self);
    if (self->parent) {
        pb_pool_leave(&self->pool);
        Py_DECREF(self->parent);
    }
    else {
        pb_pool_fini(&self->pool);
        PyMem_Free(self->pool.accounts);
    }
    trace_end(self);
    Py_XDECREF(self->regions);
    Py_XDECREF(self->module);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- children ---- */

PyDoc_STRVAR(join_doc, "_join($self, parent, /)\n--\n\n"
                       "Become a child of another pool.  Nothing was taken yet.");

static PyObject *
pool_join(PoolObject *self, PyObject *obj)
{
    module_state *state = self->state;
    if (!PyObject_TypeCheck(obj, state->pool_type)) {
        PyErr_Format(PyExc_TypeError, "parent must be a PagePool, not %.200s",
                     Py_TYPE(obj)->tp_name);
        return NULL;
    }
    PoolObject *parent = (PoolObject *)obj, *root = pool_around(parent->pool.root);
    unsigned account = 1;
    if (root->pool.accounts == NULL) {
        root->pool.accounts = PyMem_Calloc(1, ACCOUNTS_BYTES);
        if (root->pool.accounts == NULL) {
            return PyErr_NoMemory();
        }
    }
    while (account < PB_MOST_POOLS && root->pool.accounts[account]) {
        account++;
    }
    if (account == PB_MOST_POOLS || self->parent || self->pool.regions) {
        PyErr_Format(PyExc_ValueError, "a pool has at most %d children", PB_MOST_POOLS - 1);
        return NULL;
    }
    self->parent = (PoolObject *)Py_NewRef(parent);
    pb_pool_join(&self->pool, &parent->pool, (uint16_t)account);
    Py_RETURN_NONE;
}

/* ---- regions ---- */

int
pool_grow(PoolObject *self)
{
    self = pool_around(self->pool.root);
    uint64_t before = self->pool.total;
    PyObject *needed = PyLong_FromUnsignedLongLong(self->pool.short_by);
    module_state *state = self->state;
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
    size_t least = pb_pool_companion_bytes(&self->pool, frames);
    Py_buffer *rows = memory ? keep_export(self, table, least) : NULL;
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

PyDoc_STRVAR(companion_doc,
             "_companion_bytes($self, frames, /)\n--\n\n"
             "Bytes of the companion region for so many frames; of the sample's for 0.");

static PyObject *
pool_companion_bytes(PoolObject *self, PyObject *arg)
{
    unsigned long frames = PyLong_AsUnsignedLong(arg);
    if (frames == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromSize_t(frames ? pb_pool_companion_bytes(&self->pool, (uint32_t)frames)
                                    : pb_pool_sample_bytes());
}

/* ---- settings ---- */

/* Frames; a negative number is none at all. */
static uint64_t
frames_of(long long frames)
{
    return frames < 0 ? PB_UNLIMITED : (uint64_t)frames;
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
    self->pool.limit = frames_of(frames);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(configure_doc,
             "_configure($self, keep, keep_most, debug, /)\n--\n\n"
             "Set what is kept, in frames (-1: all), and the debug level, before anything is\n"
             "taken.");

static PyObject *
pool_configure(PoolObject *self, PyObject *args)
{
    long long keep, keep_most;
    unsigned int debug;
    if (!PyArg_ParseTuple(args, "LLI:_configure", &keep, &keep_most, &debug)) {
        return NULL;
    }
    self->pool.keep = frames_of(keep);
    self->pool.keep_most = frames_of(keep_most);
    if (debug && self->pool.regions == 0 && self->parent == NULL) {
        pb_pool_set_debug(&self->pool, debug);
        self->state->debugging = true;
        if (trace_begin(self) < 0) {
            return NULL;
        }
        if (debug > 1) {
            segv_watch(self->pool.map);
        }
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(add_sample_doc,
             "_add_sample($self, payload, table, every, /)\n--\n\n"
             "Have one frame in ``every`` come from a small guarded region.");

static PyObject *
pool_add_sample(PoolObject *self, PyObject *args)
{
    PyObject *payload, *table;
    unsigned int every;
    if (!PyArg_ParseTuple(args, "OOI:_add_sample", &payload, &table, &every)) {
        return NULL;
    }
    Py_buffer *memory =
        keep_export(self, payload, (uint64_t)PB_SAMPLE_FRAMES << PB_PAGE_SHIFT);
    Py_buffer *rows = memory ? keep_export(self, table, pb_pool_sample_bytes()) : NULL;
    if (rows == NULL) {
        return NULL;
    }
    pb_pool_add_sample(&self->pool, memory->buf, rows->buf, every ? every : 1);
    if (trace_begin(self) < 0) {
        return NULL;
    }
    segv_watch(self->pool.map);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(call_doc, "_call_unraisable($self, callback, /)\n--\n\n"
                       "Call it with the pool; its errors are unraisable.");

static PyObject *
pool_call_unraisable(PoolObject *self, PyObject *callback)
{
    PyObject *result = PyObject_CallOneArg(callback, (PyObject *)self);
    if (result == NULL) {
        PyErr_WriteUnraisable(callback);
    }
    Py_XDECREF(result);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(short_of_run_doc,
             "_short_of_run($self, /)\n--\n\n"
             "Whether the frames that were missing last have to be one run.");

static PyObject *
pool_short_of_run(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(self->pool.root->short_of_run);
}

PyDoc_STRVAR(is_root_doc, "_is_root($self, /)\n--\n\nWhether it is no child.");

static PyObject *
pool_is_root(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(self->parent == NULL);
}

/* ---- giving back, checking ---- */

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
        raise_fault(pool_around(self->pool.root), &fault);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef pool_methods[] = {
    {"_add_region", (PyCFunction)pool_add_region, METH_VARARGS, add_region_doc},
    {"_next_region", (PyCFunction)pool_next_region, METH_NOARGS, next_region_doc},
    {"_companion_bytes", (PyCFunction)pool_companion_bytes, METH_O, companion_doc},
    {"_add_sample", (PyCFunction)pool_add_sample, METH_VARARGS, add_sample_doc},
    {"_set_limit", (PyCFunction)pool_set_limit, METH_O, set_limit_doc},
    {"_configure", (PyCFunction)pool_configure, METH_VARARGS, configure_doc},
    {"_call_unraisable", (PyCFunction)pool_call_unraisable, METH_O, call_doc},
    {"_is_root", (PyCFunction)pool_is_root, METH_NOARGS, is_root_doc},
    {"_short_of_run", (PyCFunction)pool_short_of_run, METH_NOARGS, short_of_run_doc},
    {"_join", (PyCFunction)pool_join, METH_O, join_doc},
    {"_set_marks", (PyCFunction)pool_set_marks, METH_O, pool_set_marks_doc},
    {"_frame_states", (PyCFunction)pool_frame_states, METH_NOARGS, pool_frame_states_doc},
    {"_usage", (PyCFunction)pool_usage, METH_NOARGS, pool_usage_doc},
    {"stats", (PyCFunction)pool_stats, METH_NOARGS, pool_stats_doc},
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
