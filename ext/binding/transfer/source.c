/* transfer/source.c: convert objects to bytes. */
#include "transfer/source.h"

#include "range/edit.h"

pb_buf *
source_buffer(const pb_buf *b, PyObject *obj)
{
    bool is_buffer = PyObject_TypeCheck(obj, state_of_buf(b)->buffer_type);
    return is_buffer ? &((Holder *)obj)->b : NULL;
}

int
source_byte(PyObject *obj, uint8_t *out)
{
    Py_ssize_t value = PyNumber_AsSsize_t(obj, NULL);
    if (value == -1 && PyErr_Occurred()) {
        arg_refused(obj, "byte", "an int");
        return -1;
    }
    if (value < 0 || value > 255) {
        PyErr_SetString(PyExc_ValueError, "byte must be in range(0, 256)");
        return -1;
    }
    *out = (uint8_t)value;
    return 0;
}

/* A view of an object that was made here.  Takes the reference, which may be NULL. */
static int
view_of(PyObject *made, Py_buffer *view)
{
    int result = made ? PyObject_GetBuffer(made, view, PyBUF_SIMPLE) : -1;
    Py_XDECREF(made);
    return result;
}

/* Copy memory of the pool: it may be a live view of the very bytes that are about to
 * change.  A check for foreign memory must happen here, as it cannot tell where the
 * bytes of the copy came from. */
static int
copy_own_memory(const pb_buf *b, Py_buffer *view)
{
    if (!pb_buf_is_own_memory(b, view->buf, (uint64_t)view->len)) {
        return 0;
    }
    if (transfer_may_use(b, view->buf, (uint64_t)view->len) < 0) {
        PyBuffer_Release(view);
        return -1;
    }
    PyObject *copy = PyBytes_FromStringAndSize(view->buf, view->len);
    PyBuffer_Release(view);
    return view_of(copy, view);
}

int
source_bytes_like(const pb_buf *b, PyObject *obj, Py_buffer *view)
{
    pb_buf *from = source_buffer(b, obj);
    if (from) {
        return view_of(transfer_read(from, 0, UINT64_MAX), view);
    }
    if (arg_bytes(obj, view) < 0) {
        return -1;
    }
    return view->obj ? copy_own_memory(b, view) : 0;
}

/* ---- iterables of ints ---- */

/* Append one byte to a bytearray of which `used` are in use. */
static int
collect_byte(PyObject *into, Py_ssize_t used, PyObject *item)
{
    uint8_t byte;
    if (source_byte(item, &byte) < 0) {
        return -1;
    }
    Py_ssize_t room = PyByteArray_GET_SIZE(into);
    if (used == room && PyByteArray_Resize(into, room + room / 2 + 64) < 0) {
        return -1;
    }
    PyByteArray_AS_STRING(into)[used] = (char)byte;
    return 0;
}

/* The ints of an iterator as a bytearray; NULL with an exception. */
static PyObject *
collect(PyObject *iterator)
{
    PyObject *into = PyByteArray_FromStringAndSize(NULL, 0), *item;
    Py_ssize_t used = 0;
    while (into && (item = PyIter_Next(iterator)) != NULL) {
        if (collect_byte(into, used, item) < 0) {
            Py_CLEAR(into);
        }
        used++;
        Py_DECREF(item);
    }
    if (into && (PyErr_Occurred() || PyByteArray_Resize(into, used) < 0)) {
        Py_CLEAR(into);
    }
    return into;
}

int
source_bytes(const pb_buf *b, PyObject *obj, Py_buffer *view)
{
    if (PyBytes_CheckExact(obj) || PyObject_CheckBuffer(obj) || source_buffer(b, obj)) {
        return source_bytes_like(b, obj, view);
    }
    PyObject *iterator = PyUnicode_Check(obj) ? NULL : PyObject_GetIter(obj);
    if (iterator == NULL) {
        if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "expected a bytes-like object or an iterable of ints, not %.200s",
                         Py_TYPE(obj)->tp_name);
        }
        return -1;
    }
    int result = view_of(collect(iterator), view);
    Py_DECREF(iterator);
    return result;
}
