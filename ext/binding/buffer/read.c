/* buffer/read.c: read a PageBuffer by index or offset, and take bytes off the front. */
#include "buffer/object.h"

/* ---- index and slice ---- */

PyObject *
buffer_item(BufferObject *self, Py_ssize_t i)
{
    uint8_t byte;
    buffer_lock(&self->b);
    bool inside = i >= 0 && (uint64_t)i < self->b.root.size;
    if (inside) {
        const uint8_t *at = pb_buf_peek(&self->b, (uint64_t)i, 1);
        byte = at ? *at : 0;
    }
    buffer_unlock(&self->b);
    if (!inside) {
        PyErr_SetString(PyExc_IndexError, "PageBuffer index out of range");
        return NULL;
    }
    if (pool_report_pending(pool_object(&self->b), true) < 0) {
        return NULL;
    }
    return PyLong_FromLong(byte);
}

/* Read every step-th byte, one by one. */
static PyObject *
read_strided(BufferObject *self, Py_ssize_t start, Py_ssize_t step, Py_ssize_t n)
{
    PyObject *out = PyBytes_FromStringAndSize(NULL, n);
    if (out == NULL) {
        return NULL;
    }
    char *to = PyBytes_AS_STRING(out);
    buffer_lock(&self->b);
    for (Py_ssize_t i = 0; i < n; i++) {
        uint64_t off = (uint64_t)(start + i * step);
        const uint8_t *at = off < self->b.root.size ? pb_buf_peek(&self->b, off, 1) : NULL;
        to[i] = at ? (char)*at : 0;
    }
    buffer_unlock(&self->b);
    return unless_damaged(&self->b, out);
}

PyObject *
buffer_subscript(BufferObject *self, PyObject *key)
{
    Py_ssize_t start, stop, step;
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return buffer_item(self, i < 0 ? i + (Py_ssize_t)self->b.root.size : i);
    }
    if (!PySlice_Check(key)) {
        PyErr_Format(PyExc_TypeError,
                     "PageBuffer indices must be integers or slices, not %.200s",
                     Py_TYPE(key)->tp_name);
        return NULL;
    }
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return NULL;
    }
    Py_ssize_t n =
        PySlice_AdjustIndices((Py_ssize_t)self->b.root.size, &start, &stop, step);
    if (step == 1 || n <= 1) {
        return transfer_read(&self->b, (uint64_t)start, (uint64_t)n);
    }
    return read_strided(self, start, step, n);
}

/* ---- out ---- */

const char buffer_read_doc[] = PyDoc_STR(
    "read($self, offset, size=-1, /)\n--\n\n"
    "The bytes from ``offset`` on, at most ``size`` of them.\n\n"
    "None or a negative size reads to the end; short at the end, empty past it.\n"
    "O(size).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(b'hello world').read(6, 3)\n"
    "b'wor'\n");

PyObject *
buffer_read(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t off, n = UINT64_MAX;
    if (check_nargs("read", nargs, 1, 2) < 0 || arg_offset(args[0], "offset", &off) < 0 ||
        (nargs > 1 && arg_size(args[1], &n) < 0)) {
        return NULL;
    }
    return transfer_read(&self->b, off, n);
}

const char buffer_readinto_doc[] = PyDoc_STR(
    "readinto($self, offset, dst, /)\n--\n\n"
    "Copy bytes from ``offset`` on into ``dst``, a writable C-contiguous buffer;\n"
    "returns how many.  O(len(dst)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> into = bytearray(3)\n"
    ">>> PageBuffer(b'hello').readinto(1, into), into\n"
    "(3, bytearray(b'ell'))\n");

PyObject *
buffer_readinto(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t off;
    Py_buffer view;
    if (check_nargs("readinto", nargs, 2, 2) < 0 ||
        arg_offset(args[0], "offset", &off) < 0 ||
        PyObject_GetBuffer(args[1], &view, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    uint64_t size = transfer_size(&self->b);
    uint64_t len = off >= size ? 0 : pb_min((uint64_t)view.len, size - off);
    PyObject *result = PyLong_FromUnsignedLongLong(len); /* make the result first (I3) */
    if (result) {
        uint64_t now = len;
        if (transfer_read_into(&self->b, off, view.buf, len, &now) < 0) {
            Py_CLEAR(result);
        }
        else if (now != len) { /* another thread has cut the buffer */
            Py_SETREF(result, PyLong_FromUnsignedLongLong(now));
        }
    }
    PyBuffer_Release(&view);
    return result;
}

const char buffer_tobytes_doc[] = PyDoc_STR(
    "tobytes($self, /)\n--\n\n"
    "All bytes, as one bytes object.  O(len).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(b'abc').tobytes()\n"
    "b'abc'\n");

PyObject *
buffer_tobytes(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    return transfer_read(&self->b, 0, UINT64_MAX);
}

/* ---- off the front ---- */

static int
arg_take(BufferObject *self, PyObject *arg, uint64_t *out)
{
    Py_ssize_t n = 0;
    if (arg != Py_None) {
        n = PyNumber_AsSsize_t(arg, PyExc_IndexError);
        if (n == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    uint64_t size = transfer_size(&self->b);
    if (arg == Py_None) {
        *out = size;
    }
    else if (n < 0 ? (uint64_t)-(n + 1) + 1 > size : (uint64_t)n > size) {
        PyErr_Format(PyExc_IndexError, "can't take %zd bytes of %llu", n,
                     (unsigned long long)size);
        return -1;
    }
    else {
        *out = n < 0 ? size - (uint64_t)-n : (uint64_t)n;
    }
    return 0;
}

const char buffer_take_doc[] = PyDoc_STR(
    "take_bytes($self, n=None, /)\n--\n\n"
    "Remove the first ``n`` bytes and return them.\n\n"
    "None takes all, a negative number counts from the end.  Raises IndexError when\n"
    "there are fewer.  Pages left behind go back to the pool.  O(n).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'head tail')\n"
    ">>> buf.take_bytes(5), buf.tobytes()\n"
    "(b'head ', b'tail')\n");

PyObject *
buffer_take(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    if (check_nargs("take_bytes", nargs, 0, 1) < 0 ||
        arg_take(self, nargs ? args[0] : Py_None, &n) < 0) {
        return NULL;
    }
    return transfer_take(&self->b, n);
}
