/* buffer/init.c: PageBuffer's constructor, which may be called again. */
#include "buffer/object.h"

#include "base/names.h"
#include "lock/retired.h"
#include "buffer/share.h"
#include "pool/trace.h"

/* ---- arguments ---- */

typedef struct {
    PyObject *data, *name; /* borrowed, or NULL */
    PoolObject *pool;      /* borrowed; NULL: keep the pool */
    unsigned max_levels;
} make_args;

static int
convert_levels(PyObject *obj, unsigned *out)
{
    *out = PB_MAX_LEVELS;
    if (obj == NULL || obj == Py_None) {
        return 0;
    }
    Py_ssize_t levels = PyNumber_AsSsize_t(obj, NULL);
    if (levels == -1 && PyErr_Occurred()) {
        return arg_refused(obj, "max_levels", "an int or None");
    }
    if (levels < 1 || levels > PB_MAX_LEVELS) {
        PyErr_Format(PyExc_ValueError, "max_levels must be 1 to %d, not %zd", PB_MAX_LEVELS,
                     levels);
        return -1;
    }
    *out = (unsigned)levels;
    return 0;
}

static int
parse_make(BufferObject *self, PyObject *args, PyObject *kwargs, make_args *out)
{
    static char *names[] = {"data", "pool", "max_levels", "name", NULL};
    PyObject *pool = NULL, *levels = NULL;
    *out = (make_args){0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOO:PageBuffer", names, &out->data,
                                     &pool, &levels, &out->name) ||
        name_check(out->name) < 0 ||
        arg_pool(state_of((PyObject *)self), pool, &out->pool) < 0 ||
        convert_levels(levels, &out->max_levels) < 0) {
        return -1;
    }
    return 0;
}

/* ---- __init__ ---- */

/* A buffer with the data and the name; NULL with an exception. */
static BufferObject *
make_fresh(PyTypeObject *type, PoolObject *pool, const make_args *made)
{
    BufferObject *fresh = buffer_new(type, pool, made->max_levels);
    if (fresh && (buffer_set_name(fresh, made->name) < 0 ||
                  (made->data && buffer_extend_from(&fresh->b, made->data) < 0))) {
        Py_CLEAR(fresh);
    }
    return fresh;
}

/* Take over what `fresh` holds, its pool, and the events that it has caused `since`.
 * Cannot fail.  The lock and the count of readers stay as they are: threads wait for the
 * one, exports know the other. */
static void
begin_anew(BufferObject *self, BufferObject *fresh, uint32_t since)
{
    pb_buf *from = &fresh->b;
    Py_INCREF(pool_object(from));
    buffer_move_name(self, fresh);
    buffer_lock_two(&self->b, from);
    PoolObject *old = pool_object(&self->b);
    holder_fini(&self->b);
    pb_buf_begin_anew(&self->b, from->pool, pb_buf_max_levels(from));
    pb_buf_adopt(&self->b, from);
    buffer_unlock_two(&self->b, from);
    trace_replace(since, from, &self->b);
    retire_pool(&self->b, old);
}

/* A second call begins anew, as with bytearray.  A call that raises has changed nothing
 * (I3). */
int
buffer_init(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    make_args made;
    if (parse_make(self, args, kwargs, &made) < 0) {
        return -1;
    }
    if (pb_buf_frozen(&self->b)) {
        raise_status(&self->b, PB_FROZEN, 0, 0);
        return -1;
    }
    PoolObject *pool = made.pool ? made.pool : pool_object(&self->b);
    uint32_t since = trace_count(pool);
    BufferObject *fresh = make_fresh(pool->state->buffer_type, pool, &made);
    if (fresh == NULL) {
        return -1;
    }
    begin_anew(self, fresh, since);
    Py_DECREF(fresh);
    return 0;
}

/* ---- the vectorcall ---- */

static PyObject *
keywords_of(PyObject *names, PyObject *const *values)
{
    PyObject *kwargs = PyDict_New();
    for (Py_ssize_t i = 0; kwargs && i < PyTuple_GET_SIZE(names); i++) {
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(names, i), values[i]) < 0) {
            Py_CLEAR(kwargs);
        }
    }
    return kwargs;
}

/* __new__, then __init__, as any type does it. */
static PyObject *
call_type(PyObject *type, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    PyObject *kwargs = names ? keywords_of(names, args + nargs) : NULL;
    PyObject *tuple = names && kwargs == NULL ? NULL : PyTuple_New(nargs);
    for (Py_ssize_t i = 0; tuple && i < nargs; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    PyObject *result = tuple ? PyType_Type.tp_call(type, tuple, kwargs) : NULL;
    Py_XDECREF(tuple);
    Py_XDECREF(kwargs);
    return result;
}

static bool
names_pool_only(PyObject *names)
{
    return PyTuple_GET_SIZE(names) == 1 &&
           PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "pool") == 0;
}

/* PageBuffer(data) and PageBuffer(data, pool=pool) need neither a tuple nor a second call. */
static PyObject *
buffer_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs > 1 || (names && !names_pool_only(names))) {
        return call_type(type, args, nargs, names);
    }
    module_state *state = state_of_module(((PyHeapTypeObject *)type)->ht_module);
    PoolObject *pool = NULL;
    if (names && arg_pool(state, args[nargs], &pool) < 0) {
        return NULL;
    }
    pool = pool ? pool : pool_default_seen(state);
    BufferObject *self =
        pool ? buffer_new((PyTypeObject *)type, pool, PB_MAX_LEVELS) : NULL;
    if (self && nargs && buffer_extend_from(&self->b, args[0]) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

void
buffer_type_ready(PyTypeObject *type)
{
    type->tp_vectorcall = buffer_vectorcall;
}
