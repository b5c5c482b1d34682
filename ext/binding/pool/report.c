/* pool/report.c: damage and refusals as exceptions. */
#include "pool/report.h"
#include "pool/trace.h"

/* "the pool 'inbox'", or "a pool": a new str. */
static PyObject *
pool_called(const pb_pool *pool)
{
    PoolObject *self = pool_around(pool);
    PyObject *name = PyObject_GetAttr((PyObject *)self, self->state->str_name);
    if (name == NULL) { /* only PagePool has a name */
        PyErr_Clear();
    }
    PyObject *text = name && name != Py_None ? PyUnicode_FromFormat("the pool %R", name)
                                             : PyUnicode_FromString("a pool");
    Py_XDECREF(name);
    return text;
}

PyObject *
tree_called(const pb_buf *b)
{
    if (pb_buf_is_internal(b)) {
        return PyUnicode_FromString("a view");
    }
    PyObject *obj = holder_of(b);
    PyObject *name = state_of_buf(b)->name_of(state_of_buf(b), obj);
    PyObject *text = name ? PyUnicode_FromFormat("%R", name)
                          : PyUnicode_FromFormat("this %s", trace_type_name(Py_TYPE(obj)));
    Py_XDECREF(name);
    return text;
}

void
raise_limit(const pb_buf *b)
{
    pb_pool *root = pb_buf_pool(b)->root;
    const pb_refusal *refusal = pb_refusal_of(root);
    module_state *state = pool_around(root)->state;
    const pb_pool *pool = refusal->refused ? refusal->refused : root;
    unsigned long long asked = refusal->asked;
    pb_lock_take(&root->lock);
    unsigned long long limit = pool->limit, held = pool->held + pb_pool_lent_frames(pool);
    pb_lock_drop(&root->lock);
    PyObject *who = tree_called(b);
    PyObject *called = who ? pool_called(pool) : NULL; /* runs Python code */
    if (called) {
        PyErr_Format(
            state->pool_limit_error,
            "%U needs %llu more bytes (%llu page%s), but %U holds %llu and may hold "
            "%llu (limit): free some, or set its limit",
            who, asked << PB_PAGE_SHIFT, asked, asked == 1 ? "" : "s", called,
            held << PB_PAGE_SHIFT, limit << PB_PAGE_SHIFT);
    }
    Py_XDECREF(who);
    Py_XDECREF(called);
}

static int
set_attribute(PyObject *error, const char *name, PyObject *value)
{
    int result = value ? PyObject_SetAttrString(error, name, value) : -1;
    Py_XDECREF(value);
    return result;
}

/* The object around the tree; if there is none, who freed the frame, or who took it.  A new
 * reference. */
static PyObject *
owner_of(PyObject *obj, PyObject *took, PyObject *freed)
{
    return Py_NewRef(obj ? obj : freed != Py_None ? freed : took);
}

/* ", freed by PageBuffer 'inbox' (server.py:31)", or an empty str. */
static PyObject *
clause(const char *what, PyObject *who)
{
    return who == Py_None ? PyUnicode_FromString("")
                          : PyUnicode_FromFormat(", %s by %U", what, who);
}

/* "frame 7, offset 4100 of <PageBuffer ...>", or "byte 3 of frame 7" if no object owns
 * it. */
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

/* While the interpreter ends, the module may have dropped its exceptions before its objects go. */
static PyObject *
error_type(const module_state *state)
{
    return state->corruption_error ? state->corruption_error : PyExc_RuntimeError;
}

/* A CorruptionError with its attributes; NULL with another exception. */
static PyObject *
error_of(PoolObject *pool, const pb_fault *fault, PyObject *obj, PyObject *took,
         PyObject *freed)
{
    PyObject *owner = owner_of(obj, took, freed);
    PyObject *message = message_of(pool, fault, owner, took, freed);
    PyObject *error =
        message ? PyObject_CallOneArg(error_type(pool->state), message) : NULL;
    if (error &&
        (set_attribute(error, "frame", PyLong_FromUnsignedLong(fault->frame)) < 0 ||
         set_attribute(error, "offset", PyLong_FromUnsignedLongLong(fault->offset)) < 0 ||
         set_attribute(error, "owner", Py_NewRef(owner)) < 0)) {
        Py_CLEAR(error);
    }
    Py_XDECREF(message);
    Py_DECREF(owner);
    return error;
}

/* Reprs run Python code, so the pool that is named needs a reference; one in its dealloc
 * must not get any. */
void
raise_fault(PoolObject *reported, const pb_fault *fault, PyObject *owner)
{
    PoolObject *pool = fault->pool ? pool_around(fault->pool) : reported;
    bool going = Py_REFCNT(pool) == 0;
    pool = (PoolObject *)Py_NewRef(going ? reported : pool);
    PyObject *took = trace_text(pool, going ? 0 : fault->trace.took);
    PyObject *freed = trace_text(pool, going ? 0 : fault->trace.freed);
    PyObject *error = took && freed ? error_of(pool, fault, owner, took, freed) : NULL;
    if (error) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    Py_XDECREF(error);
    Py_XDECREF(took);
    Py_XDECREF(freed);
    Py_XDECREF(owner);
    Py_DECREF(pool);
}
