/* base/names.c: what buffers and queues are called in reports. */
#include "base/names.h"

int
name_check(PyObject *name)
{
    if (name == NULL || name == Py_None) {
        return 0;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "name must be a str or None, not %.200s",
                     Py_TYPE(name)->tp_name);
        return -1;
    }
    /* A str keeps its UTF-8.  Make it now: reports need it where nothing may fail. */
    return PyUnicode_AsUTF8(name) ? 0 : -1;
}

int
name_set(PyObject **at, PyObject *name)
{
    if (name_check(name) < 0) {
        return -1;
    }
    PyObject *old = *at;
    *at = name == Py_None ? NULL : Py_XNewRef(name);
    Py_XDECREF(old);
    return 0;
}

PyObject *
name_get(PyObject *name)
{
    return Py_NewRef(name ? name : Py_None);
}

PyObject *
name_in_repr(PyObject *name)
{
    return name ? PyUnicode_FromFormat(" %R", name) : PyUnicode_FromString("");
}
