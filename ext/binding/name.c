/* name.c: what buffers and queues are called in reports. */
#include "bytesio.h"
#include "queue.h"

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
    /* reports are made where nothing may fail: they find the text made */
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

PyObject *
name_of_holder(module_state *state, PyObject *obj)
{
    if (PyObject_TypeCheck(obj, state->buffer_type)) {
        return ((BufferObject *)obj)->name;
    }
    if (PyObject_TypeCheck(obj, state->queue_type)) {
        return ((QueueObject *)obj)->name;
    }
    if (!PyObject_TypeCheck(obj, state->bytesio_type)) {
        return NULL; /* the interpreter is ending, and the types are gone */
    }
    PyObject *dict = ((BytesIOObject *)obj)->dict; /* a file has attributes of its own */
    PyObject *name = dict ? PyDict_GetItem(dict, state->str_name) : NULL;
    return name && PyUnicode_CheckExact(name) && PyUnicode_IS_COMPACT_ASCII(name) ? name
                                                                                  : NULL;
}
