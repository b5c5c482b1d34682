/* queue/init.c: ByteQueue's constructor, which may be called again. */
#include "queue/object.h"

#include "base/names.h"
#include "lock/retired.h"

/* ---- arguments ---- */

typedef struct {
    PoolObject *pool; /* borrowed; NULL: keep the pool */
    PyObject *name;   /* borrowed, or NULL */
    uint64_t max_bytes;
    pb_overflow overflow;
    bool said; /* the caller said what `overflow` is */
} make_args;

const char *const queue_overflow_names[5] = {"grow", "raise", "drop_oldest", "drop_newest",
                                             "block"};

static int
convert_overflow(PyObject *obj, make_args *out)
{
    if (obj == NULL || obj == Py_None) {
        return 0;
    }
    out->said = true;
    for (int i = 0; PyUnicode_Check(obj) && i < (int)Py_ARRAY_LENGTH(queue_overflow_names);
         i++) {
        if (PyUnicode_CompareWithASCIIString(obj, queue_overflow_names[i]) == 0) {
            out->overflow = (pb_overflow)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "overflow must be 'grow', 'raise', 'block', 'drop_oldest' or "
                 "'drop_newest', not %R",
                 obj);
    return -1;
}

/* A bound alone raises.  Refuse one that cannot hold, and a policy without a bound: such a mistake
 * would show only when memory is full, or when bytes are lost. */
static int
convert_limit(PyObject *obj, make_args *out)
{
    if (obj && obj != Py_None && arg_offset(obj, "max_bytes", &out->max_bytes) < 0) {
        return -1;
    }
    bool bounded = out->max_bytes != UINT64_MAX;
    if (bounded && !out->said) {
        out->overflow = PB_RAISE;
    }
    if (bounded == (out->overflow != PB_GROW)) {
        return 0;
    }
    if (bounded) {
        PyErr_SetString(
            PyExc_ValueError,
            "overflow='grow' has no bound: leave max_bytes out, or say 'raise', "
            "'block', 'drop_oldest' or 'drop_newest'");
    }
    else {
        PyErr_Format(PyExc_ValueError, "overflow='%s' needs max_bytes",
                     queue_overflow_names[out->overflow]);
    }
    return -1;
}

static int
parse_make(QueueObject *self, PyObject *args, PyObject *kwargs, make_args *out)
{
    static char *names[] = {"pool", "max_bytes", "overflow", "name", NULL};
    PyObject *pool = NULL, *limit = NULL, *overflow = NULL;
    *out = (make_args){.max_bytes = UINT64_MAX, .overflow = PB_GROW};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:ByteQueue", names, &pool, &limit,
                                     &overflow, &out->name) ||
        name_check(out->name) < 0 ||
        arg_pool(state_of((PyObject *)self), pool, &out->pool) < 0 ||
        convert_overflow(overflow, out) < 0 || convert_limit(limit, out) < 0) {
        return -1;
    }
    return 0;
}

/* ---- __init__ ---- */

/* A second call makes the queue a new, empty one. */
int
queue_init(QueueObject *self, PyObject *args, PyObject *kwargs)
{
    make_args made;
    if (parse_make(self, args, kwargs, &made) < 0) {
        return -1;
    }
    name_set(&state_of_buf(&self->q.b)->lists, &self->name, made.name);
    queue_lock(self);
    PoolObject *old = pool_object(&self->q.b);
    PoolObject *now = (PoolObject *)Py_NewRef(made.pool ? made.pool : old);
    holder_fini(&self->q.b);
    pb_queue_init(&self->q, &now->pool, made.max_bytes, made.overflow);
    queue_search_again_lock_held(self, 0);
    queue_unlock(self);
    retire_pool(&self->q.b, old);
    return 0;
}
