/* buffer/write.c: write a PageBuffer, lengthen it at either end, and set its length. */
#include "buffer/object.h"

#include "transfer/range.h"

/* ---- in ---- */

const char buffer_write_doc[] = PyDoc_STR(
    "write($self, offset, data, /)\n--\n\n"
    "Store the bytes of ``data`` at ``offset``; returns how many.\n\n"
    "Writing past the end leaves a hole, which reads as zeros and costs nothing.\n"
    "Raises CapacityError past what the levels reach, PoolLimitError or MemoryError\n"
    "when pages are short; then nothing has changed.  O(len(data)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'abc')\n"
    ">>> buf.write(5, b'x')\n"
    "1\n"
    ">>> buf.tobytes()\n"
    "b'abc\\x00\\x00x'\n");

PyObject *
buffer_write(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t off;
    Py_buffer view;
    if (buffer_check_both(nargs, "write(offset, data)", "to append buf.extend()") < 0 ||
        arg_offset(args[0], "offset", &off) < 0 || arg_bytes(args[1], &view) < 0) {
        return NULL;
    }
    PyObject *result = PyLong_FromSsize_t(view.len); /* make the result first (I3) */
    if (result && transfer_write(&self->b, off, view.buf, (uint64_t)view.len) < 0) {
        Py_CLEAR(result);
    }
    arg_release(&view);
    return result;
}

/* ---- at the end ---- */

int
buffer_extend_from(pb_buf *b, PyObject *obj)
{
    Py_buffer view;
    if (transfer_extend_fast(b, obj)) {
        return 0;
    }
    pb_buf *from = source_buffer(b, obj);
    if (from) { /* share pages where possible */
        uint64_t n = UINT64_MAX;
        return range_put(b, &(range_place){.where = RANGE_END}, from, 0, &n);
    }
    if (source_bytes(b, obj, &view) < 0) {
        return -1;
    }
    int result = transfer_extend(b, view.buf, (uint64_t)view.len);
    arg_release(&view);
    return result;
}

const char buffer_append_doc[] =
    "append($self, byte, /)\n--\n\n"
    "Append one byte, an int from 0 to 255; else ValueError.  O(1).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer()\n"
    ">>> buf.append(65)\n"
    ">>> buf[0]\n"
    "65\n";

PyObject *
buffer_append(BufferObject *self, PyObject *arg)
{
    uint8_t byte;
    if (source_byte(arg, &byte) < 0 || transfer_extend(&self->b, &byte, 1) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char buffer_extend_doc[] =
    "extend($self, data, /)\n--\n\n"
    "Append the bytes of ``data``: a C-contiguous bytes-like object, a PageBuffer, or an\n"
    "iterable of ints from 0 to 255.\n\n"
    "All of ``data`` is read before the first byte is appended.  Raises TypeError for\n"
    "anything else, ValueError for an int out of range.  O(len(data)); no byte that is\n"
    "there moves.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'ab')\n"
    ">>> buf.extend(b'cd')\n"
    ">>> buf.extend(range(101, 103))\n"
    ">>> buf += memoryview(b'gh')\n"
    ">>> buf.tobytes()\n"
    "b'abcdefgh'\n";

PyObject *
buffer_extend(BufferObject *self, PyObject *data)
{
    if (buffer_extend_from(&self->b, data) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* As with bytearray, += takes bytes only; extend() takes iterables of ints. */
PyObject *
buffer_inplace_concat(BufferObject *self, PyObject *data)
{
    Py_buffer view;
    if (transfer_extend_fast(&self->b, data)) {
        return Py_NewRef(self);
    }
    if (source_buffer(&self->b, data)) {
        if (buffer_extend_from(&self->b, data) < 0) {
            return NULL;
        }
    }
    else {
        if (source_bytes_like(&self->b, data, &view) < 0) {
            return NULL;
        }
        int result = transfer_extend(&self->b, view.buf, (uint64_t)view.len);
        arg_release(&view);
        if (result < 0) {
            return NULL;
        }
    }
    return Py_NewRef(self);
}

/* ---- at the front ---- */

static pb_status
prepend_once(pb_buf *b, const Py_buffer *view)
{
    buffer_lock(b);
    pb_status st = pb_buf_prepend(b, view->buf, (uint64_t)view->len);
    buffer_unlock(b);
    return st;
}

const char buffer_prepend_doc[] =
    "prepend($self, data, /)\n--\n\n"
    "Put the bytes of ``data`` before the first one: a C-contiguous bytes-like object, a\n"
    "PageBuffer, or an iterable of ints from 0 to 255.\n\n"
    "Where bytes were taken off the front it reuses their place; else it takes pages in\n"
    "front.  Live views stay, as no byte changes its place in memory.  Raises TypeError\n"
    "or ValueError for other data, CapacityError past what the levels reach,\n"
    "PoolLimitError or MemoryError when pages are short; then nothing has changed.\n"
    "O(len(data)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'body')\n"
    ">>> buf.prepend(b'%d ' % len(buf))\n"
    ">>> buf.tobytes()\n"
    "b'4 body'\n";

PyObject *
buffer_prepend(BufferObject *self, PyObject *data)
{
    Py_buffer view;
    pb_status st;
    if (source_bytes(&self->b, data, &view) < 0) {
        return NULL;
    }
    do {
        st = prepend_once(&self->b, &view);
    } while (transfer_again(&self->b, &st, 0, (uint64_t)view.len));
    arg_release(&view);
    if (st != PB_OK) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- away ---- */

const char buffer_truncate_doc[] = PyDoc_STR(
    "truncate($self, size, /)\n--\n\n"
    "Make the buffer ``size`` bytes long; returns the size, as that of files does.\n\n"
    "Cutting gives pages back, growing leaves a hole.  O(pages dropped).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'abc')\n"
    ">>> buf.truncate(1), buf.truncate(3), buf.tobytes()\n"
    "(1, 3, b'a\\x00\\x00')\n");

PyObject *
buffer_truncate(BufferObject *self, PyObject *arg)
{
    uint64_t size;
    if (arg_offset(arg, "size", &size) < 0) {
        return NULL;
    }
    PyObject *result = PyLong_FromUnsignedLongLong(size);
    if (result && transfer_truncate(&self->b, size) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

const char buffer_clear_doc[] = PyDoc_STR(
    "clear($self, /)\n--\n\n"
    "Drop all bytes; every page goes back to the pool.  Cannot fail.  O(pages).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'abc')\n"
    ">>> buf.clear()\n"
    ">>> len(buf)\n"
    "0\n");

PyObject *
buffer_clear(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    buffer_lock(&self->b);
    bool frozen = pb_buf_frozen(&self->b);
    if (!frozen) {
        pb_buf_clear(&self->b);
    }
    buffer_unlock(&self->b);
    if (frozen) {
        raise_status(&self->b, PB_FROZEN, 0, 0);
        return NULL;
    }
    if (pool_report_pending(pool_object(&self->b), true) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char buffer_resize_doc[] =
    "resize($self, size, /)\n--\n\n"
    "Make the buffer ``size`` bytes long: as bytearray's of Python 3.14, which returns\n"
    "None, where ``truncate`` returns the size, as that of files does.\n\n"
    "What is added is zeros, which take no memory.  Raises ValueError for a negative size,\n"
    "CapacityError past what the levels reach.  O(pages dropped).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'abc')\n"
    ">>> buf.resize(5)\n"
    ">>> buf.tobytes()\n"
    "b'abc\\x00\\x00'\n";

PyObject *
buffer_resize(BufferObject *self, PyObject *arg)
{
    uint64_t size;
    if (arg_offset(arg, "size", &size) < 0 || transfer_truncate(&self->b, size) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
