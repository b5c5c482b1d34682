/* buffer/read.c: read a PageBuffer by index or offset, and take bytes off the front. */
#include "buffer/object.h"

#include "base/errors.h"

/* ---- index and slice ---- */

/* The byte at an index, of which a negative one counts from the end if `signed_index`.  false: it lies
 * outside. */
static inline bool
peek_item(BufferObject *self, Py_ssize_t i, bool signed_index, uint8_t *byte)
{
    buffer_lock(&self->b);
    Py_ssize_t at = i < 0 && signed_index ? i + (Py_ssize_t)self->b.root.size : i;
    bool inside = at >= 0 && (uint64_t)at < self->b.root.size;
    if (inside) {
        const uint8_t *found = pb_buf_peek(&self->b, (uint64_t)at, 1);
        *byte = found ? *found : 0;
    }
    buffer_unlock(&self->b);
    return inside;
}

static PyObject *
no_such_index(void)
{
    PyErr_SetString(PyExc_IndexError, "PageBuffer index out of range");
    return NULL;
}

/* Something is to be done before the byte is returned.  If its page was absent, it is read again. */
PB_NOINLINE static PyObject *
item_pending(BufferObject *self, Py_ssize_t i, bool signed_index, uint8_t byte)
{
    for (int again; (again = transfer_fetch_met(&self->b)) != 0;) {
        if (again < 0) {
            return NULL;
        }
        if (!peek_item(self, i, signed_index, &byte)) {
            return no_such_index();
        }
    }
    return pool_report_pending(pool_object(&self->b), true) < 0 ? NULL
                                                                : PyLong_FromLong(byte);
}

static PyObject *
read_item(BufferObject *self, Py_ssize_t i, bool signed_index)
{
    uint8_t byte;
    if (!peek_item(self, i, signed_index, &byte)) {
        return no_such_index();
    }
    return PB_LIKELY(!pb_pending(pb_buf_pool(&self->b)))
               ? PyLong_FromLong(byte)
               : item_pending(self, i, signed_index, byte);
}

/* The sequence protocol has added the length to a negative index. */
PyObject *
buffer_item(BufferObject *self, Py_ssize_t i)
{
    return read_item(self, i, false);
}

/* A slice as it was given.  Which bytes it means only the lock tells. */
typedef struct {
    Py_ssize_t start, stop, step;
} slice;

/* Sets `start`, and returns how many bytes it is. */
static inline Py_ssize_t
resolve_slice_lock_held(const pb_buf *b, slice *s)
{
    return PySlice_AdjustIndices((Py_ssize_t)b->root.size, &s->start, &s->stop, s->step);
}

static pb_status
find_slice(pb_buf *b, transfer_range *r)
{
    slice s = *(slice *)r->of;
    r->n = (uint64_t)resolve_slice_lock_held(b, &s);
    r->off = (uint64_t)s.start;
    return PB_OK;
}

/* How many steps from `off` on, that one included, stay in its page. */
static Py_ssize_t
steps_in_page(const pb_buf *b, uint64_t off, Py_ssize_t step)
{
    uint64_t in_page = (pb_buf_bias(b) + off) & PB_PAGE_MASK;
    uint64_t more = step > 0 ? (PB_PAGE_SIZE - 1 - in_page) / (uint64_t)step
                             : in_page / (0 - (uint64_t)step);
    return (Py_ssize_t)more + 1;
}

/* Every step-th byte, page by page, if they still are n. */
static bool
copy_strided_lock_held(pb_buf *b, slice s, char *to, Py_ssize_t n)
{
    bool same = resolve_slice_lock_held(b, &s) == n;
    for (Py_ssize_t i = 0, here; same && i < n; i += here) {
        uint64_t off = (uint64_t)(s.start + i * s.step);
        const uint8_t *at = pb_buf_peek(b, off, 1);
        here = Py_MIN(steps_in_page(b, off, s.step), n - i);
        for (Py_ssize_t j = 0; j < here; j++) {
            to[i + j] = at ? (char)at[j * s.step] : 0;
        }
    }
    return same;
}

/* Make the object outside the lock.  If the length has changed meanwhile, start over. */
static PyObject *
read_strided(BufferObject *self, const slice *given)
{
    for (;;) {
        slice s = *given;
        buffer_lock(&self->b);
        Py_ssize_t n = resolve_slice_lock_held(&self->b, &s);
        buffer_unlock(&self->b);
        PyObject *out = new_bytes((uint64_t)n);
        if (out == NULL) {
            return NULL;
        }
        buffer_lock(&self->b);
        bool same = copy_strided_lock_held(&self->b, *given, PyBytes_AS_STRING(out), n);
        buffer_unlock(&self->b);
        int again = transfer_fetch_met(&self->b);
        if (same && again == 0) {
            return unless_damaged(&self->b, out);
        }
        Py_DECREF(out);
        if (again < 0) {
            return NULL;
        }
    }
}

PyObject *
buffer_subscript(BufferObject *self, PyObject *key)
{
    slice s;
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return read_item(self, i, true);
    }
    if (!PySlice_Check(key)) {
        PyErr_Format(PyExc_TypeError,
                     "PageBuffer indices must be integers or slices, not %.200s",
                     Py_TYPE(key)->tp_name);
        return NULL;
    }
    if (PySlice_Unpack(key, &s.start, &s.stop, &s.step) < 0) {
        return NULL;
    }
    if (s.step == 1) {
        return transfer_read_range(&self->b,
                                   &(transfer_range){.find = find_slice, .of = &s});
    }
    return read_strided(self, &s);
}

/* ---- out ---- */

int
buffer_refuse_file_call(const char *call, Py_ssize_t nargs, const char *instead)
{
    PyErr_Format(PyExc_TypeError,
                 "PageBuffer.%s takes both (%zd given); for a file use buf.open(), %s",
                 call, nargs, instead);
    return -1;
}

const char buffer_read_doc[] = PyDoc_STR(
    "read($self, offset, size, /)\n--\n\n"
    "The bytes from ``offset`` on, at most ``size`` of them.\n\n"
    "None or -1 reads to the end; short at the end, empty past it.  O(size).\n\n"
    "Takes both, always: with one it would pass for the read(size) of a file.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(b'hello world').read(6, 3)\n"
    "b'wor'\n");

PyObject *
buffer_read(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t off, n;
    if (buffer_check_both(nargs, "read(offset, size)", "for all bytes buf.tobytes()") < 0 ||
        arg_offset(args[0], "offset", &off) < 0 || arg_size(args[1], "size", &n) < 0) {
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
    if (buffer_check_both(nargs, "readinto(offset, dst)", "for a part buf.read()") < 0 ||
        arg_offset(args[0], "offset", &off) < 0 ||
        PyObject_GetBuffer(args[1], &view, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    uint64_t size = transfer_size(&self->b);
    uint64_t len = off >= size ? 0 : pb_min((uint64_t)view.len, size - off);
    PyObject *result = PyLong_FromUnsignedLongLong(len); /* make the result first (I3) */
    if (result) {
        uint64_t now;
        if (transfer_read_into(&self->b, off, view.buf, (uint64_t)view.len, &now) < 0) {
            Py_CLEAR(result);
        }
        else if (now != len) { /* another thread has changed the length */
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

const char buffer_take_doc[] = PyDoc_STR(
    "take_bytes($self, n=None, /)\n--\n\n"
    "Remove the first ``n`` bytes and return them.\n\n"
    "As bytearray's of Python 3.15: None takes all, a negative number counts from the end,\n"
    "and IndexError says that there are fewer.  Pages left behind go back to the pool.\n"
    "O(n).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'head tail')\n"
    ">>> buf.take_bytes(5), buf.tobytes()\n"
    "(b'head ', b'tail')\n");

PyObject *
buffer_take(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    bool all = nargs == 0 || args[0] == Py_None;
    Py_ssize_t n = 0;
    uint64_t size;
    if (check_nargs("take_bytes", nargs, 0, 1) < 0) {
        return NULL;
    }
    if (!all) {
        n = PyNumber_AsSsize_t(args[0], PyExc_IndexError);
        if (n == -1 && PyErr_Occurred()) {
            arg_refused(args[0], "n", "an int or None");
            return NULL;
        }
    }
    PyObject *out = transfer_take(&self->b, n, all, &size);
    if (out == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_IndexError, "can't take %zd bytes of %llu", n,
                     (unsigned long long)size);
    }
    return out;
}
