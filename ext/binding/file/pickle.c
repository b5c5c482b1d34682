/* file/pickle.c: pickle a BytesIO, by way of copyreg.__newobj__. */
#include "file/bytesio.h"

/* The attributes, a new reference.  NULL if there are none, or with an exception.  CPython guards
 * __dict__ itself. */
static PyObject *
attributes(PyObject *self)
{
    bool some = __atomic_load_n(bytesio_dict(self), __ATOMIC_ACQUIRE) != NULL;
    return some ? PyObject_GenericGetDict(self, NULL) : NULL;
}

/* A copy of them, or None. */
static PyObject *
copied_attributes(PyObject *self)
{
    PyObject *own = attributes(self);
    PyObject *copy = own ? PyDict_Copy(own) : PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    Py_XDECREF(own);
    return copy;
}

PyObject *
bytesio_getstate(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    uint64_t pos;
    PyObject *value = bytesio_value(part_of(self), &pos);
    if (value == NULL) {
        return NULL;
    }
    PyObject *dict = copied_attributes(self);
    PyObject *state =
        dict ? Py_BuildValue("OKO", value, (unsigned long long)pos, dict) : NULL;
    Py_DECREF(value);
    Py_XDECREF(dict);
    return state;
}

static int
check_state(PyObject *self, PyObject *state)
{
    bytesio_part *f = part_of(self);
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) < 3) {
        PyErr_Format(PyExc_TypeError,
                     "%.200s.__setstate__ argument should be 3-tuple, got %.200s",
                     Py_TYPE(self)->tp_name, Py_TYPE(state)->tp_name);
        return -1;
    }
    if (stream_check(&f->b, &f->s, stream_may_change) < 0) {
        return -1;
    }
    PyObject *position = PyTuple_GET_ITEM(state, 1), *dict = PyTuple_GET_ITEM(state, 2);
    if (!PyLong_Check(position)) {
        PyErr_Format(PyExc_TypeError, "second item of state must be an integer, not %.200s",
                     Py_TYPE(position)->tp_name);
        return -1;
    }
    if (dict != Py_None && !PyDict_Check(dict)) {
        PyErr_Format(PyExc_TypeError, "third item of state should be a dict, got a %.200s",
                     Py_TYPE(dict)->tp_name);
        return -1;
    }
    return 0;
}

/* The attributes, updated from those of a state: a new reference.  NULL if there are
 * none, or with an exception. */
static PyObject *
merged_dict(PyObject *self, PyObject *added)
{
    PyObject *own = attributes(self);
    if (own == NULL) {
        return added == Py_None || PyErr_Occurred() ? NULL : Py_NewRef(added);
    }
    PyObject *dict = PyDict_Copy(own);
    Py_DECREF(own);
    if (dict && added != Py_None && PyDict_Update(dict, added) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

static int
set_state(PyObject *self, PyObject *state, Py_ssize_t pos)
{
    Py_buffer view;
    PyObject *dict = merged_dict(self, PyTuple_GET_ITEM(state, 2));
    if ((dict == NULL && PyErr_Occurred()) ||
        arg_bytes(PyTuple_GET_ITEM(state, 0), &view) < 0) {
        Py_XDECREF(dict);
        return -1;
    }
    int result = bytesio_set_bytes(part_of(self), PyTuple_GET_ITEM(state, 0), &view,
                                   (uint64_t)pos, CLOSED_REFUSES);
    arg_release(&view);
    if (result == 0 && dict) {
        result = PyObject_GenericSetDict(self, dict, NULL);
    }
    Py_XDECREF(dict);
    return result;
}

PyObject *
bytesio_setstate(PyObject *self, PyObject *state)
{
    if (check_state(self, state) < 0) {
        return NULL;
    }
    Py_ssize_t pos = PyLong_AsSsize_t(PyTuple_GET_ITEM(state, 1));
    if (pos < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "position value cannot be negative");
        }
        return NULL;
    }
    if (set_state(self, state, pos) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
