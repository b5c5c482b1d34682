/* buffer/iter.c: iterate over the bytes.
 *
 * An iterator keeps its buffer until it is exhausted, and stays exhausted, like that of
 * bytearray.  The buffer may change meanwhile: only the index counts. */
#include "buffer/object.h"

typedef struct {
    PyObject_HEAD
    BufferObject *buffer; /* NULL: exhausted */
    uint64_t next;
} IterObject;

PyObject *
buffer_iter(BufferObject *self)
{
    PyTypeObject *type = state_of((PyObject *)self)->buffer_iter_type;
    IterObject *it = PyObject_GC_New(IterObject, type);
    if (it) {
        it->buffer = (BufferObject *)Py_NewRef(self);
        it->next = 0;
        PyObject_GC_Track(it);
    }
    return (PyObject *)it;
}

static int
iter_traverse(IterObject *it, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(it));
    Py_VISIT(it->buffer);
    return 0;
}

static int
iter_clear(IterObject *it)
{
    Py_CLEAR(it->buffer);
    return 0;
}

static void
iter_dealloc(IterObject *it)
{
    PyObject_GC_UnTrack(it);
    iter_clear(it);
    object_free(it);
}

static PyObject *
iter_next(IterObject *it)
{
    if (it->buffer == NULL) {
        return NULL;
    }
    BufferObject *buffer =
        (BufferObject *)Py_NewRef(it->buffer); /* another thread may exhaust it */
    pb_buf *b = &buffer->b;
    uint8_t byte = 0;
    PyObject *out = NULL;
    buffer_lock(b);
    bool inside = it->next < b->root.size;
    if (PB_LIKELY(inside)) {
        const uint8_t *at = pb_buf_peek(b, it->next++, 1);
        byte = at ? *at : 0;
    }
    buffer_unlock(b);
    if (inside) {
        out = pool_report_pending(pool_object(b), true) < 0 ? NULL : PyLong_FromLong(byte);
    }
    else {
        Py_CLEAR(it->buffer);
    }
    Py_DECREF(buffer);
    return out;
}

PyDoc_STRVAR(hint_doc, "Private method returning an estimate of len(list(it)).");

static PyObject *
iter_length_hint(IterObject *it, PyObject *Py_UNUSED(ignored))
{
    BufferObject *buffer = (BufferObject *)Py_XNewRef(it->buffer);
    uint64_t size = buffer ? transfer_size(&buffer->b) : 0;
    Py_XDECREF(buffer);
    return PyLong_FromUnsignedLongLong(size > it->next ? size - it->next : 0);
}

PyDoc_STRVAR(reduce_doc, "Return state information for pickling.");

static PyObject *
iter_reduce(IterObject *it, PyObject *Py_UNUSED(ignored))
{
    PyObject *builtins = PyImport_ImportModule("builtins"); /* may run Python code (I6) */
    PyObject *iter = builtins ? PyObject_GetAttrString(builtins, "iter") : NULL;
    Py_XDECREF(builtins);
    if (iter == NULL) {
        return NULL;
    }
    return it->buffer
               ? Py_BuildValue("N(O)K", iter, it->buffer, (unsigned long long)it->next)
               : Py_BuildValue("N(())", iter);
}

PyDoc_STRVAR(setstate_doc, "Set state information for unpickling.");

static PyObject *
iter_setstate(IterObject *it, PyObject *state)
{
    Py_ssize_t index = PyLong_AsSsize_t(state);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    it->next = index < 0 ? 0 : (uint64_t)index;
    Py_RETURN_NONE;
}

static PyMethodDef iter_methods[] = {
    {"__length_hint__", (PyCFunction)iter_length_hint, METH_NOARGS, hint_doc},
    {"__reduce__", (PyCFunction)iter_reduce, METH_NOARGS, reduce_doc},
    {"__setstate__", (PyCFunction)iter_setstate, METH_O, setstate_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot iter_slots[] = {
    {Py_tp_traverse, iter_traverse},
    {Py_tp_clear, iter_clear},
    {Py_tp_dealloc, iter_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iter_next},
    {Py_tp_methods, iter_methods},
    {0, NULL},
};

PyType_Spec buffer_iter_spec = {
    .name = "pagebuf._core.PageBufferIterator",
    .basicsize = sizeof(IterObject),
    .flags = INTERNAL_TYPE_FLAGS,
    .slots = iter_slots,
};
