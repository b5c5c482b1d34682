/* buffer/range.c: copy a range from a buffer; make a hole, remove one, insert one. */
#include "buffer/object.h"

#include "transfer/range.h"

const char buffer_copy_range_doc[] = PyDoc_STR(
    "copy_range($self, offset, source, source_offset=0, size=None)\n--\n\n"
    "Put ``size`` bytes of another PageBuffer (to its end by default) over those from\n"
    "``offset`` on; returns how many.\n\n"
    "The source stays as it is; it may be this buffer, then the bytes go where they are\n"
    "told as if they had been copied out first.  As a write it may lengthen the buffer.\n"
    "Where both are of one pool and the positions are at the same place within a page,\n"
    "whole pages and subtrees are shared, which costs next to nothing; bytes are copied\n"
    "elsewhere, as are pages under live views.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf, source = PageBuffer(b'hello world'), PageBuffer(b'HELLO')\n"
    ">>> buf.copy_range(6, source, 1, 3)\n"
    "3\n"
    ">>> buf.copy_range(1, buf, size=4), buf.tobytes()\n"
    "(4, b'hhell ELLld')\n");

typedef struct {
    range_place place;
    pb_buf *from;
    uint64_t from_off, n;
} copy_args;

static int
parse_copy(BufferObject *self, PyObject *args, PyObject *kwargs, copy_args *out)
{
    static char *names[] = {"offset", "source", "source_offset", "size", NULL};
    PyObject *off, *source, *from_off = NULL, *size = NULL;
    *out = (copy_args){.place = {.where = RANGE_OVER}, .n = UINT64_MAX};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OO:copy_range", names, &off, &source,
                                     &from_off, &size) ||
        arg_offset(off, "offset", &out->place.off) < 0 ||
        (from_off && arg_offset(from_off, "source_offset", &out->from_off) < 0) ||
        (size && arg_size(size, "size", &out->n) < 0)) {
        return -1;
    }
    out->from = source_buffer(&self->b, source);
    if (out->from == NULL) {
        PyErr_Format(PyExc_TypeError, "copy_range() takes a PageBuffer, not %.200s",
                     Py_TYPE(source)->tp_name);
        return -1;
    }
    return 0;
}

PyObject *
buffer_copy_range(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    copy_args a;
    if (parse_copy(self, args, kwargs, &a) < 0) {
        return NULL;
    }
    uint64_t size = transfer_size(a.from);
    uint64_t n = a.from_off >= size ? 0 : pb_min(a.n, size - a.from_off);
    PyObject *result = PyLong_FromUnsignedLongLong(n); /* make the result first (I3) */
    if (result && range_put(&self->b, &a.place, a.from, a.from_off, &n) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

/* ---- holes ---- */

/* A method that takes (offset, size).  The three below differ in their core call alone. */
static PyObject *
change_method(BufferObject *self, const char *name, PyObject *const *args, Py_ssize_t nargs,
              pb_status change(pb_buf *, uint64_t, uint64_t))
{
    uint64_t off, n;
    if (check_nargs(name, nargs, 2, 2) < 0 || arg_offset(args[0], "offset", &off) < 0 ||
        arg_offset(args[1], "size", &n) < 0 ||
        transfer_change(&self->b, change, off, n) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char buffer_punch_doc[] = PyDoc_STR(
    "punch($self, offset, size, /)\n--\n\n"
    "Make ``size`` bytes from ``offset`` on zeros; whole pages go back to the pool.\n\n"
    "The length stays; what lies past the end is ignored.  O(pages dropped).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'abcd')\n"
    ">>> buf.punch(1, 2)\n"
    ">>> buf.tobytes()\n"
    "b'a\\x00\\x00d'\n");

PyObject *
buffer_punch(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return change_method(self, "punch", args, nargs, pb_buf_punch);
}

const char buffer_collapse_doc[] = PyDoc_STR(
    "collapse($self, offset, size, /)\n--\n\n"
    "Remove ``size`` bytes from ``offset`` on; what lies behind moves down.\n\n"
    "What lies past the end is ignored.  A size that is a multiple of PAGE_SIZE moves\n"
    "pages and subtrees, any other one bytes.  BufferError while a live view lies at or\n"
    "behind ``offset``, but where only an end of the buffer is taken off.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'hello world')\n"
    ">>> buf.collapse(1, 6)\n"
    ">>> buf.tobytes()\n"
    "b'horld'\n");

PyObject *
buffer_collapse(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return change_method(self, "collapse", args, nargs, pb_buf_collapse);
}

const char buffer_insert_hole_doc[] = PyDoc_STR(
    "insert_hole($self, offset, size, /)\n--\n\n"
    "Insert ``size`` zeros at ``offset``, at the end when that lies past it; what lies\n"
    "behind moves up.\n\n"
    "Whole pages of the zeros take no memory.  A size that is a multiple of PAGE_SIZE\n"
    "moves pages and subtrees, any other one bytes.  BufferError while a live view lies at\n"
    "or behind ``offset``.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'ad')\n"
    ">>> buf.insert_hole(1, 2)\n"
    ">>> buf.tobytes()\n"
    "b'a\\x00\\x00d'\n");

PyObject *
buffer_insert_hole(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return change_method(self, "insert_hole", args, nargs, pb_buf_insert_hole);
}
