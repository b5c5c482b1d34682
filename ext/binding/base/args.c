/* base/args.c: the arguments that several types take. */
#include "base/args.h"

/* PyNumber_AsSsize_t looks for __index__ first; an int does not need that. */
static inline Py_ssize_t
as_ssize(PyObject *obj)
{
    return PB_LIKELY(PyLong_CheckExact(obj)) ? PyLong_AsSsize_t(obj)
                                             : PyNumber_AsSsize_t(obj, PyExc_OverflowError);
}

int
arg_refused(PyObject *obj, const char *what, const char *kind)
{
    if (!PyIndex_Check(obj)) {
        PyErr_Format(PyExc_TypeError, "%s must be %s, not %.200s", what, kind,
                     Py_TYPE(obj)->tp_name);
    }
    else if (PyLong_Check(obj) && PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Format(PyExc_OverflowError, "%s must lie between -2**63 and 2**63", what);
    }
    return -1;
}

int
arg_ssize(PyObject *obj, const char *what, Py_ssize_t *out)
{
    *out = as_ssize(obj);
    return *out == -1 && PyErr_Occurred() ? arg_refused(obj, what, "an int") : 0;
}

int
arg_offset(PyObject *obj, const char *what, uint64_t *out)
{
    Py_ssize_t value = as_ssize(obj);
    if (value == -1 && PyErr_Occurred()) {
        return arg_refused(obj, what, "an int");
    }
    if (value < 0) {
        PyErr_Format(PyExc_ValueError, "%s must not be negative, not %zd", what, value);
        return -1;
    }
    *out = (uint64_t)value;
    return 0;
}

int
arg_size(PyObject *obj, const char *what, uint64_t *out)
{
    if (obj == Py_None) {
        *out = UINT64_MAX;
        return 0;
    }
    Py_ssize_t value = as_ssize(obj);
    if (value == -1 && PyErr_Occurred()) {
        return arg_refused(obj, what, "an int or None");
    }
    if (value < -1) {
        PyErr_Format(PyExc_ValueError,
                     "%s must be at least 0, or -1 or None for all, not %zd", what, value);
        return -1;
    }
    *out = value < 0 ? UINT64_MAX : (uint64_t)value;
    return 0;
}

/* A slice index. */
static int
arg_bound(PyObject *obj, Py_ssize_t *out)
{
    if (obj == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(obj)) {
        PyErr_SetString(PyExc_TypeError,
                        "slice indices must be integers or None or have "
                        "an __index__ method");
        return -1;
    }
    *out = PyNumber_AsSsize_t(obj, NULL);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

int
arg_bounds(PyObject *const *args, Py_ssize_t nargs, bounds *out)
{
    *out = (bounds){0, PY_SSIZE_T_MAX};
    if ((nargs > 1 && arg_bound(args[1], &out->start) < 0) ||
        (nargs > 2 && arg_bound(args[2], &out->end) < 0)) {
        return -1;
    }
    return 0;
}

int
arg_bytes(PyObject *obj, Py_buffer *view)
{
    if (PyBytes_CheckExact(obj)) {
        view->obj = NULL;
        view->buf = PyBytes_AS_STRING(obj);
        view->len = PyBytes_GET_SIZE(obj);
        return 0;
    }
    return PyObject_GetBuffer(obj, view, PyBUF_SIMPLE);
}

int
arg_keyword(const char *method, const char *keyword, PyObject *const *values,
            PyObject *kwnames, PyObject **out)
{
    Py_ssize_t count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(name, keyword) != 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                         method, name);
            return -1;
        }
        *out = values[i];
    }
    return 0;
}

int
check_nargs(const char *name, Py_ssize_t nargs, Py_ssize_t least, Py_ssize_t most)
{
    if (PB_LIKELY(nargs >= least && nargs <= most)) {
        return 0;
    }
    if (least == most) {
        PyErr_Format(PyExc_TypeError, "%s() takes exactly %zd argument%s (%zd given)", name,
                     least, least == 1 ? "" : "s", nargs);
    }
    else {
        PyErr_Format(PyExc_TypeError, "%s() takes from %zd to %zd arguments (%zd given)",
                     name, least, most, nargs);
    }
    return -1;
}
