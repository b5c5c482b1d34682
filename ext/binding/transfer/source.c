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

/* Room for bytes that come one by one. */
typedef struct {
    PyObject *bytes; /* a bytearray, of which `used` are in use */
    Py_ssize_t used, room;
    uint8_t *at;
} collected;

static int
make_room(collected *c, Py_ssize_t room)
{
    if (PyByteArray_Resize(c->bytes, room) < 0) {
        return -1;
    }
    c->room = room;
    c->at = (uint8_t *)PyByteArray_AS_STRING(c->bytes);
    return 0;
}

/* Most items are ints, which need no conversion. */
static inline int
item_byte(PyObject *item, uint8_t *out)
{
    int overflow;
    long value = PyLong_CheckExact(item) ? PyLong_AsLongAndOverflow(item, &overflow) : -1;
    if (PB_UNLIKELY((unsigned long)value > 255)) {
        return source_byte(item, out);
    }
    *out = (uint8_t)value;
    return 0;
}

static inline int
collect_byte(collected *c, PyObject *item)
{
    uint8_t byte;
    if (item_byte(item, &byte) < 0 ||
        (c->used == c->room && make_room(c, c->room + c->room / 2 + 64) < 0)) {
        return -1;
    }
    c->at[c->used++] = byte;
    return 0;
}

static int
collect_all(collected *c, PyObject *iterator)
{
    iternextfunc next = Py_TYPE(iterator)->tp_iternext;
    PyObject *item;
    while ((item = next(iterator)) != NULL) {
        int result = collect_byte(c, item);
        Py_DECREF(item);
        if (result < 0) {
            return -1;
        }
    }
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return -1;
    }
    PyErr_Clear();
    return PyByteArray_Resize(c->bytes, c->used);
}

/* The ints of an iterator as a bytearray; NULL with an exception.  `many`: how many there may be. */
static PyObject *
collect(PyObject *iterator, Py_ssize_t many)
{
    collected c = {.bytes = PyByteArray_FromStringAndSize(NULL, 0)};
    if (c.bytes && (make_room(&c, many) < 0 || collect_all(&c, iterator) < 0)) {
        Py_CLEAR(c.bytes);
    }
    return c.bytes;
}

/* A list may change meanwhile. */
static Py_ssize_t
how_many(PyObject *obj)
{
    return PyList_CheckExact(obj) || PyTuple_CheckExact(obj) ? Py_SIZE(obj) : 0;
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
    int result = view_of(collect(iterator, how_many(obj)), view);
    Py_DECREF(iterator);
    return result;
}
