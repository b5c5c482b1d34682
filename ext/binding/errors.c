/* errors.c: the one place where a status becomes an exception. */
#include "binding.h"

static PyObject *
add_error(PyObject *module, const char *name, const char *doc, PyObject *base,
          PyObject *dict)
{
    char full[64];
    PyOS_snprintf(full, sizeof full, "pagebuf.%s", name);
    PyObject *error = PyErr_NewExceptionWithDoc(full, doc, base, dict);
    if (error && PyModule_AddObjectRef(module, name, error) < 0) {
        Py_CLEAR(error);
    }
    return error;
}

int
errors_add(PyObject *module)
{
    module_state *state = state_of_module(module);
    PyObject *dict =
        Py_BuildValue("{sOsOsO}", "frame", Py_None, "owner", Py_None, "offset", Py_None);
    if (dict == NULL) {
        return -1;
    }
    state->pool_limit_error =
        add_error(module, "PoolLimitError",
                  "A pool was asked for more frames than its limit allows.\n\n"
                  "Nothing has changed.",
                  PyExc_MemoryError, NULL);
    state->capacity_error =
        add_error(module, "CapacityError",
                  "A buffer was asked to hold more bytes than its levels reach.\n\n"
                  "Nothing has changed.",
                  PyExc_OverflowError, NULL);
    state->corruption_error =
        add_error(module, "CorruptionError",
                  "A structure is damaged.\n\n"
                  "``frame``, ``owner`` (a PageBuffer) and ``offset`` (bytes in it) say\n"
                  "where, each None when unknown.",
                  PyExc_RuntimeError, dict);
    Py_DECREF(dict);
    return state->pool_limit_error && state->capacity_error && state->corruption_error ? 0
                                                                                       : -1;
}

static void
raise_limit(module_state *state, const pb_pool *pool)
{
    PyErr_Format(state->pool_limit_error,
                 "%llu more pages asked of a pool that holds %llu and may hold %llu "
                 "(limit=%llu bytes)",
                 (unsigned long long)pool->asked, (unsigned long long)pool->held,
                 (unsigned long long)pool->limit,
                 (unsigned long long)pool->limit << PB_PAGE_SHIFT);
}

void
raise_status(const pb_buf *b, pb_status st, uint64_t off, uint64_t n)
{
    module_state *state = state_of_buf(b);
    switch (st) {
    case PB_CAPACITY:
        PyErr_Format(state->capacity_error,
                     "%llu bytes at offset %llu asked of a buffer that reaches %llu bytes "
                     "(max_levels=%d)",
                     (unsigned long long)n, (unsigned long long)off,
                     (unsigned long long)pb_buf_capacity(b), (int)b->root.max_levels);
        break;
    case PB_LIMIT:
        raise_limit(state, b->pool);
        break;
    case PB_RANGE:
        PyErr_Format(PyExc_IndexError, "%llu bytes at offset %llu asked of %llu",
                     (unsigned long long)n, (unsigned long long)off,
                     (unsigned long long)b->root.size);
        break;
    case PB_FROZEN:
        PyErr_SetString(PyExc_TypeError, "a snapshot never changes; clone() it");
        break;
    case PB_PINNED:
        PyErr_SetString(PyExc_BufferError, "live views forbid this change");
        break;
    default:
        PyErr_Format(PyExc_SystemError, "pagebuf: unexpected status %d", (int)st);
    }
}

static int
set_attribute(PyObject *error, const char *name, PyObject *value)
{
    int result = value ? PyObject_SetAttrString(error, name, value) : -1;
    Py_XDECREF(value);
    return result;
}

/* The object around a pb_buf, None for none. */
static PyObject *
owner_of(const pb_fault *fault)
{
    if (fault->owner == NULL || fault->owner->root.frozen == PB_FROZEN_INTERNAL) {
        Py_RETURN_NONE;
    }
    return Py_NewRef(holder_of(fault->owner));
}

void
raise_fault(module_state *state, const pb_fault *fault)
{
    PyObject *owner = owner_of(fault);
    PyObject *message =
        fault->owner
            ? PyUnicode_FromFormat("%s (frame %u, offset %llu of %R)", fault->why,
                                   (unsigned)fault->frame,
                                   (unsigned long long)fault->offset, owner)
            : PyUnicode_FromFormat("%s (frame %u)", fault->why, (unsigned)fault->frame);
    PyObject *error =
        message ? PyObject_CallOneArg(state->corruption_error, message) : NULL;
    Py_XDECREF(message);
    if (error &&
        set_attribute(error, "frame", PyLong_FromUnsignedLong(fault->frame)) == 0 &&
        set_attribute(error, "offset", PyLong_FromUnsignedLongLong(fault->offset)) == 0 &&
        set_attribute(error, "owner", Py_NewRef(owner)) == 0) {
        PyErr_SetObject(state->corruption_error, error);
    }
    Py_DECREF(owner);
    Py_XDECREF(error);
}
