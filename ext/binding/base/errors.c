/* base/errors.c: the exceptions of the package, made with the module. */
#include "base/errors.h"
#include "base/state.h"

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
    state->corruption_error = add_error(
        module, "CorruptionError",
        "A structure is damaged.\n\n"
        "``frame``, ``owner`` and ``offset`` (bytes in it) say where, each None when\n"
        "unknown.  The owner is the object, or for one that is gone its name as a\n"
        "str; where a frame that nobody holds was written to it is who freed it.",
        PyExc_RuntimeError, dict);
    Py_DECREF(dict);
    return state->pool_limit_error && state->capacity_error && state->corruption_error ? 0
                                                                                       : -1;
}

PyObject *
new_bytes(uint64_t n)
{
    bool possible = n <= (uint64_t)PY_SSIZE_T_MAX;
    PyObject *made = possible ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n) : NULL;
    if (PB_UNLIKELY(made == NULL)) { /* OverflowError for what no bytes object can be */
        PyErr_Clear();
        PyErr_Format(PyExc_MemoryError,
                     "no memory for a bytes object of %llu bytes: ask for less at a time",
                     (unsigned long long)n);
    }
    return made;
}
