/* pool/type.c: the type of pools.  pagebuf.PagePool derives from it, and maps the
 * regions. */
#include "pool/object.h"

#include "inspect/check.h"
#include "pool/events.h"
#include "pool/report.h"
#include "pool/segv.h"
#include "pool/trace.h"

/* Accounts by number, for a root with children. */
#define ACCOUNTS_BYTES (PB_MOST_POOLS * sizeof(pb_pool *))

#ifdef Py_GIL_DISABLED
/* Lookers and views find the object by its tree, and may only get a reference to one that was told
 * of that before.  The thread that has the tree linked has a reference. */
static void
expect_references(pb_member *tree)
{
    const pb_buf *b = pb_buf_of(tree);
    if (!pb_buf_is_internal(b)) {
        PyUnstable_EnableTryIncRef(holder_of(b));
    }
}
#endif

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
#ifdef Py_GIL_DISABLED
    PyUnstable_EnableTryIncRef((PyObject *)self); /* of who finds it by an address */
    self->pool.link_hook = expect_references;
#endif
    /* The collector must not clear this list.  In a cycle of pool and buffer it would
     * unmap the regions before the buffer has given its frames back. */
    PyObject_GC_UnTrack(self->regions);
    return (PyObject *)self;
}

/* Visit the pool once for each export that keeps it.  Export keeps object keeps pool;
 * but once __init__ has moved the object to another pool, the reference is an outside
 * one. */
static int
exports_traverse(PoolObject *self, visitproc visit, void *arg)
{
    for (pool_export *e = self->exports; e; e = e->next) {
        if (e->of->pool == &self->pool) {
            Py_VISIT(self);
        }
    }
    return 0;
}

static int
pool_traverse(PoolObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self)); /* but not the regions: see pool_new */
    Py_VISIT(self->parent);
    Py_VISIT(self->module);
    return exports_traverse(self, visit, arg);
}

/* Free the memory that file/bytesio.c has kept for new files. */
static void
drop_spares(PoolObject *self)
{
    while (self->spares) {
        PyObject_GC_Del(self->spare[--self->spares]);
    }
}

/* Every buffer holds a reference to its pool, so none is left.  Others may still hold
 * frames that a child took. */
static void
pool_dealloc(PoolObject *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    drop_spares(self);
    if (self->parent) {
        pb_pool_leave(&self->pool);
        Py_DECREF(self->parent);
    }
    else {
        pool_release_zones(self);
        pb_pool_fini(&self->pool);
        PyMem_Free(self->pool.accounts);
        PyMem_RawFree(self->pool.zones);
    }
    trace_end(self);
    Py_XDECREF(self->regions);
    Py_XDECREF(self->module);
    object_free(self);
}

/* ---- children ---- */

PyDoc_STRVAR(join_doc, "_join($self, parent, /)\n--\n\n"
                       "Become a child of another pool.  Nothing was taken yet.");

/* -1 with an exception. */
static int
make_accounts(pb_pool *root)
{
    pb_pool **table = PyMem_Calloc(1, ACCOUNTS_BYTES);
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (!pb_pool_offer_accounts(root, table)) {
        PyMem_Free(table); /* another child was quicker */
    }
    return 0;
}

static PyObject *
pool_join(PoolObject *self, PyObject *obj)
{
    module_state *state = self->state;
    if (!PyObject_TypeCheck(obj, state->pool_type)) {
        PyErr_Format(PyExc_TypeError, "parent must be a PagePool, not %.200s",
                     Py_TYPE(obj)->tp_name);
        return NULL;
    }
    PoolObject *parent = (PoolObject *)obj;
    pb_pool *root = parent->pool.root;
    if (PB_LOCKS || root->accounts == NULL) { /* without a GIL the lock is needed to look */
        if (make_accounts(root) < 0) {
            return NULL;
        }
    }
    if (self->parent || self->pool.regions ||
        !pb_pool_join(&self->pool, &parent->pool, 1)) {
        PyErr_Format(PyExc_ValueError, "a pool has at most %d children", PB_MOST_POOLS - 1);
        return NULL;
    }
    self->parent = (PoolObject *)Py_NewRef(parent);
    Py_RETURN_NONE;
}

/* ---- settings ---- */

/* A number of frames; a negative one means no limit. */
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
    pb_lock_take(&self->pool.root->lock);
    self->pool.limit = frames_of(frames);
    pb_lock_drop(&self->pool.root->lock);
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
    pb_lock_take(&self->pool.root->lock); /* a second __init__, beside others that free */
    self->pool.keep = frames_of(keep);
    self->pool.keep_most = frames_of(keep_most);
    pb_lock_drop(&self->pool.root->lock);
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

/* Scratch memory is had outside of the rest; *words becomes what is needed by then. */
static bool
check_at_rest(PoolObject *self, uint32_t *scratch, size_t *words, bool *good,
              pb_fault *fault, PyObject **owner)
{
    rest_begin(self);
    size_t needed = pb_pool_check_words(&self->pool);
    bool done = scratch && needed <= *words;
    if (done) {
        *good = pb_pool_check(&self->pool, scratch, fault);
        *owner = *good ? NULL : object_around(pb_buf_of(fault->owner));
    }
    *words = needed;
    rest_end(self);
    return done;
}

static PyObject *
pool_check(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_fault fault;
    PyObject *owner = NULL;
    uint32_t *scratch = NULL;
    size_t words = 0;
    bool good = false;
    while (!check_at_rest(self, scratch, &words, &good, &fault, &owner)) {
        PyMem_Free(scratch);
        scratch = PyMem_Calloc(words, sizeof *scratch);
        if (scratch == NULL) {
            return PyErr_NoMemory();
        }
    }
    PyMem_Free(scratch);
    if (!good) {
        raise_fault(pool_around(self->pool.root), &fault, owner);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef pool_methods[] = {
    {"_add_region", (PyCFunction)pool_add_region, METH_VARARGS, pool_add_region_doc},
    {"_next_region", (PyCFunction)pool_next_region, METH_NOARGS, pool_next_region_doc},
    {"_companion_bytes", (PyCFunction)pool_companion_bytes, METH_O, pool_companion_doc},
    {"_add_sample", (PyCFunction)pool_add_sample, METH_VARARGS, pool_add_sample_doc},
    {"_set_limit", (PyCFunction)pool_set_limit, METH_O, set_limit_doc},
    {"_configure", (PyCFunction)pool_configure, METH_VARARGS, configure_doc},
    {"_call_unraisable", (PyCFunction)pool_call_unraisable, METH_O, call_doc},
    {"_is_root", (PyCFunction)pool_is_root, METH_NOARGS, is_root_doc},
    {"_short_of_run", (PyCFunction)pool_short_of_run, METH_NOARGS, pool_short_of_run_doc},
    {"_join", (PyCFunction)pool_join, METH_O, join_doc},
    {"_set_marks", (PyCFunction)pool_set_marks, METH_O, pool_set_marks_doc},
    {"_frame_states", (PyCFunction)pool_frame_states, METH_NOARGS, pool_frame_states_doc},
    {"_usage", (PyCFunction)pool_usage, METH_NOARGS, pool_usage_doc},
    {"_zone_named", (PyCFunction)pool_zone_named, METH_VARARGS, pool_zone_named_doc},
    {"_zone_keeps", (PyCFunction)pool_zone_keeps, METH_VARARGS, pool_zone_keeps_doc},
    {"_zone_here", (PyCFunction)pool_zone_here, METH_VARARGS, pool_zone_here_doc},
    {"_zone_charge", (PyCFunction)pool_zone_charge, METH_VARARGS, pool_zone_charge_doc},
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
    .flags = TYPE_FLAGS,
    .slots = pool_slots,
};

/* ---- the default pool ---- */

/* A pool from pagebuf.PagePool, a new reference. */
static PyObject *
make_default(module_state *state)
{
    if (state->pool_factory == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "import pagebuf, not pagebuf._core");
        return NULL;
    }
    PyObject *pool = PyObject_CallNoArgs(state->pool_factory);
    if (pool && !PyObject_TypeCheck(pool, state->pool_type)) {
        PyErr_SetString(PyExc_TypeError, "the pool factory made no pool");
        Py_CLEAR(pool);
    }
    return pool;
}

PoolObject *
pool_default_seen(module_state *state)
{
    PyObject *pool = state_seen(&state->default_pool);
    if (PB_UNLIKELY(pool == NULL)) {
        PyObject *made = make_default(state);
        if (made == NULL) {
            return NULL;
        }
        pool = state_once(&state->default_pool, made);
    }
    return (PoolObject *)pool;
}

PoolObject *
pool_default(module_state *state)
{
    return (PoolObject *)Py_XNewRef(pool_default_seen(state));
}

PoolObject *
pool_default_for(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &pagebuf_module);
    return module ? pool_default(state_of_module(module)) : NULL;
}

int
arg_pool(module_state *state, PyObject *obj, PoolObject **out)
{
    *out = NULL;
    if (obj == NULL || obj == Py_None) {
        return 0;
    }
    if (!PyObject_TypeCheck(obj, state->pool_type)) {
        PyErr_Format(PyExc_TypeError, "pool must be a PagePool or None, not %.200s",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    *out = (PoolObject *)obj;
    return 0;
}

/* ---- exports ---- */

void
pool_add_export(PoolObject *self, pool_export *e, const pb_buf *of)
{
    pb_lock *lock = &self->pool.root->lock;
    pb_lock_take(lock);
    e->of = of;
    e->next = self->exports;
    e->link = &self->exports;
    self->exports = e;
    if (e->next) {
        e->next->link = &e->next;
    }
    pb_lock_drop(lock);
}

void
pool_remove_export(PoolObject *self, pool_export *e)
{
    pb_lock *lock = &self->pool.root->lock;
    pb_lock_take(lock);
    if (e->link) {
        *e->link = e->next;
        if (e->next) {
            e->next->link = e->link;
        }
        e->link = NULL;
    }
    pb_lock_drop(lock);
}
