/* buffer/iter.c: iterate over the bytes.
 *
 * An iterator keeps its buffer until it is exhausted, and stays exhausted, like that of
 * bytearray.  The buffer may change meanwhile: only the index counts, which the buffer's lock
 * guards.  A critical section of the iterator guards which buffer it is. */
#include "buffer/object.h"

typedef struct {
    PyObject_HEAD
    BufferObject *buffer; /* NULL: exhausted */
    uint64_t next;        /* or EXHAUSTED */
} IterObject;

#define EXHAUSTED UINT64_MAX

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

/* A new reference, since another thread may exhaust the iterator; or NULL. */
static BufferObject *
buffer_of(IterObject *it)
{
    BufferObject *buffer;
#ifdef Py_GIL_DISABLED
    Py_BEGIN_CRITICAL_SECTION(it);
    buffer = (BufferObject *)Py_XNewRef(it->buffer);
    Py_END_CRITICAL_SECTION();
#else
    buffer = (BufferObject *)Py_XNewRef(it->buffer);
#endif
    return buffer;
}

static void
give_up_buffer(IterObject *it)
{
#ifdef Py_GIL_DISABLED
    BufferObject *buffer;
    Py_BEGIN_CRITICAL_SECTION(it);
    buffer = it->buffer;
    it->buffer = NULL;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(buffer);
#else
    Py_CLEAR(it->buffer);
#endif
}

static int
iter_clear(IterObject *it)
{
    give_up_buffer(it);
    return 0;
}

static void
iter_dealloc(IterObject *it)
{
    PyObject_GC_UnTrack(it);
    iter_clear(it);
    object_free(it);
}

/* The next byte; if its page is absent, it stays the next one.  false: there is none. */
static inline bool
take_next(IterObject *it, pb_buf *b, uint8_t *byte)
{
    buffer_lock(b);
    bool inside = it->next < b->root.size;
    const uint8_t *at = PB_LIKELY(inside) ? pb_buf_peek(b, it->next, 1) : NULL;
    *byte = at ? *at : 0;
    if (!inside) {
        it->next = EXHAUSTED;
    }
    else if (PB_LIKELY(at != NULL) || !transfer_met_absent(b)) {
        it->next++;
    }
    buffer_unlock(b);
    return inside;
}

/* Something is to be done before the byte is returned.  If its page was absent, it is read again; *inside
 * says whether it still is there. */
PB_NOINLINE static PyObject *
next_pending(IterObject *it, pb_buf *b, uint8_t byte, bool *inside)
{
    for (int again; (again = transfer_fetch_met(b)) != 0;) {
        if (again < 0) {
            return NULL;
        }
        *inside = take_next(it, b, &byte);
        if (!*inside) {
            return NULL;
        }
    }
    return pool_report_pending(pool_object(b), true) < 0 ? NULL : PyLong_FromLong(byte);
}

static PyObject *
iter_next(IterObject *it)
{
    BufferObject *buffer = buffer_of(it);
    if (buffer == NULL) {
        return NULL;
    }
    pb_buf *b = &buffer->b;
    uint8_t byte;
    PyObject *out = NULL;
    bool inside = take_next(it, b, &byte);
    if (inside) {
        out = PB_LIKELY(!pb_pending(pb_buf_pool(b))) ? PyLong_FromLong(byte)
                                                     : next_pending(it, b, byte, &inside);
    }
    if (!inside) {
        give_up_buffer(it);
    }
    Py_DECREF(buffer);
    return out;
}

/* How it stands: the index, and the length of the buffer at the same moment.  NULL: exhausted;
 * else a reference to the buffer. */
static BufferObject *
iter_stand(IterObject *it, uint64_t *next, uint64_t *size)
{
    BufferObject *buffer = buffer_of(it);
    if (buffer) {
        buffer_lock(&buffer->b);
        *next = it->next;
        *size = buffer->b.root.size;
        buffer_unlock(&buffer->b);
        if (*next == EXHAUSTED) {
            Py_CLEAR(buffer);
        }
    }
    return buffer;
}

PyDoc_STRVAR(hint_doc, "Private method returning an estimate of len(list(it)).");

static PyObject *
iter_length_hint(IterObject *it, PyObject *Py_UNUSED(ignored))
{
    uint64_t next, size, left = 0;
    BufferObject *buffer = iter_stand(it, &next, &size);
    if (buffer) {
        left = size > next ? size - next : 0;
        Py_DECREF(buffer);
    }
    return PyLong_FromUnsignedLongLong(left);
}

PyDoc_STRVAR(reduce_doc, "Return state information for pickling.");

static PyObject *
iter_reduce(IterObject *it, PyObject *Py_UNUSED(ignored))
{
    uint64_t next, size;
    PyObject *builtins = PyImport_ImportModule("builtins"); /* may run Python code (I6) */
    PyObject *iter = builtins ? PyObject_GetAttrString(builtins, "iter") : NULL;
    Py_XDECREF(builtins);
    if (iter == NULL) {
        return NULL;
    }
    BufferObject *buffer = iter_stand(it, &next, &size);
    return buffer ? Py_BuildValue("N(N)K", iter, buffer, (unsigned long long)next)
                  : Py_BuildValue("N(())", iter);
}

PyDoc_STRVAR(setstate_doc, "Set state information for unpickling.");

/* An exhausted iterator stays so. */
static PyObject *
iter_setstate(IterObject *it, PyObject *state)
{
    Py_ssize_t index = PyLong_AsSsize_t(state);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    BufferObject *buffer = buffer_of(it);
    if (buffer) {
        buffer_lock(&buffer->b);
        if (it->next != EXHAUSTED) {
            it->next = index < 0 ? 0 : (uint64_t)index;
        }
        buffer_unlock(&buffer->b);
        Py_DECREF(buffer);
    }
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
