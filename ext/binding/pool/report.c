/* pool/report.c: damage and refusals as exceptions. */
#include "pool/report.h"
#include "pool/trace.h"

/* "the pool 'inbox'": what a pool is called in messages; a new reference. */
static PyObject *
pool_called(const pb_pool *pool)
{
    PoolObject *self = pool_around(pool);
    PyObject *name = PyObject_GetAttr((PyObject *)self, self->state->str_name);
    if (name == NULL) { /* a Pool that is no PagePool */
        PyErr_Clear();
    }
    PyObject *text = name && name != Py_None ? PyUnicode_FromFormat("the pool %R", name)
                                             : PyUnicode_FromString("a pool");
    Py_XDECREF(name);
    return text;
}

void
raise_limit(const pb_pool *root)
{
    module_state *state = pool_around(root)->state;
    const pb_pool *pool = root->refused ? root->refused : root;
    unsigned long long asked = root->asked, held = pool->held, limit = pool->limit;
    PyObject *called = pool_called(pool); /* runs Python code */
    if (called == NULL) {
        return;
    }
    PyErr_Format(state->pool_limit_error,
                 "%llu more pages asked of %U that holds %llu and may hold %llu "
                 "(limit=%llu bytes)",
                 asked, called, held, limit, limit << PB_PAGE_SHIFT);
    Py_DECREF(called);
}

static int
set_attribute(PyObject *error, const char *name, PyObject *value)
{
    int result = value ? PyObject_SetAttrString(error, name, value) : -1;
    Py_XDECREF(value);
    return result;
}

/* The object around the tree, else what the report says of it; a new reference. */
static PyObject *
owner_of(const pb_fault *fault, PyObject *took, PyObject *freed)
{
    PyObject *obj = object_around(pb_buf_of(fault->owner));
    return Py_NewRef(obj ? obj : freed != Py_None ? freed : took);
}

/* ", freed by PageBuffer 'inbox' (server.py:31)", or nothing. */
static PyObject *
clause(const char *what, PyObject *who)
{
    return who == Py_None ? PyUnicode_FromString("")
                          : PyUnicode_FromFormat(", %s by %U", what, who);
}

/* "frame 7, offset 4100 of <PageBuffer ...>", or "byte 3 of frame 7" where nobody has it. */
static PyObject *
place_of(const pb_fault *fault, PyObject *owner)
{
    if (fault->owner && owner != Py_None && !PyUnicode_Check(owner)) {
        return PyUnicode_FromFormat("frame %u, offset %llu of %S", (unsigned)fault->frame,
                                    (unsigned long long)fault->offset, owner);
    }
    return PyUnicode_FromFormat("byte %llu of frame %u", (unsigned long long)fault->offset,
                                (unsigned)fault->frame);
}

static PyObject *
message_of(PoolObject *pool, const pb_fault *fault, PyObject *owner, PyObject *took,
           PyObject *freed)
{
    PyObject *message = NULL;
    PyObject *place = place_of(fault, owner);
    PyObject *first = clause("taken", took), *last = clause("freed", freed);
    if (place && first && last) {
        message = PyUnicode_FromFormat("%s (%U%U%U, in %R)", fault->why, place, first, last,
                                       pool);
    }
    Py_XDECREF(place);
    Py_XDECREF(first);
    Py_XDECREF(last);
    return message;
}

void
raise_fault(PoolObject *reported, const pb_fault *fault)
{
    PoolObject *pool = fault->pool ? pool_around(fault->pool) : reported;
    bool going = Py_REFCNT(pool) == 0; /* it must not be brought back */
    pool = (PoolObject *)Py_NewRef(going ? reported : pool); /* Python code runs: reprs */
    module_state *state = pool->state;
    PyObject *message = NULL, *error = NULL, *owner = NULL;
    PyObject *took = trace_text(pool, going ? 0 : fault->trace.took);
    PyObject *freed = trace_text(pool, going ? 0 : fault->trace.freed);
    if (took && freed) {
        owner = owner_of(fault, took, freed);
        message = message_of(pool, fault, owner, took, freed);
    }
    error = message ? PyObject_CallOneArg(state->corruption_error, message) : NULL;
    if (error &&
        set_attribute(error, "frame", PyLong_FromUnsignedLong(fault->frame)) == 0 &&
        set_attribute(error, "offset", PyLong_FromUnsignedLongLong(fault->offset)) == 0 &&
        set_attribute(error, "owner", Py_NewRef(owner)) == 0) {
        PyErr_SetObject(state->corruption_error, error);
    }
    Py_XDECREF(took);
    Py_XDECREF(freed);
    Py_XDECREF(owner);
    Py_XDECREF(message);
    Py_XDECREF(error);
    Py_DECREF(pool);
}
