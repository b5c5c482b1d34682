/* buffer/search.c: find and its kin, `in`, and comparison.
 *
 * They look at the bytes in their pages, without a copy.  A method and its docstring
 * stand together; methods that are alike share a function and differ in one argument. */
#include "buffer/object.h"

#include "range/find.h"

/* ---- arguments ---- */

/* What to search for: a byte, or bytes. */
typedef struct {
    Py_buffer view;
    uint8_t byte;
} needle;

static int
needle_from(const pb_buf *b, PyObject *obj, needle *x)
{
    if (PyBytes_CheckExact(obj) || PyObject_CheckBuffer(obj) ||
        PyObject_TypeCheck(obj, state_of_buf(b)->buffer_type)) {
        return source_bytes_like(b, obj, &x->view);
    }
    if (!PyIndex_Check(obj)) {
        PyErr_Format(PyExc_TypeError,
                     "argument should be integer or bytes-like object, not '%.200s'",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    x->view = (Py_buffer){.buf = &x->byte, .len = 1};
    return source_byte(obj, &x->byte);
}

/* ---- find and index ---- */

typedef pb_status
search(const pb_buf *b, uint64_t from, uint64_t to, const void *bytes, size_t n,
       uint64_t *found);

/* Search, or count, within bounds as they are under the lock; *found is `none` where the bounds
 * hold nothing.  -1 with an exception. */
static int
search_in(pb_buf *b, const bounds *given, const needle *x, search *call, uint64_t none,
          uint64_t *found)
{
    pb_status st;
    do {
        buffer_lock(b);
        bounds r = bounds_in(given, b->root.size);
        st = PB_OK;
        *found = none;
        if (r.start <= r.end) {
            st = call(b, (uint64_t)r.start, (uint64_t)r.end, x->view.buf,
                      (size_t)x->view.len, found);
        }
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, 0));
    return st == PB_OK ? 0 : -1;
}

/* The offset, or -1; -2 with an exception. */
static Py_ssize_t
seek(BufferObject *self, const char *name, PyObject *const *args, Py_ssize_t nargs,
     search *find)
{
    needle x;
    bounds given;
    if (check_nargs(name, nargs, 1, 3) < 0 || arg_bounds(args, nargs, &given) < 0 ||
        needle_from(&self->b, args[0], &x) < 0) {
        return -2;
    }
    uint64_t at;
    int failed = search_in(&self->b, &given, &x, find, UINT64_MAX, &at);
    arg_release(&x.view);
    if (failed < 0) {
        return -2;
    }
    return at == UINT64_MAX ? -1 : (Py_ssize_t)at;
}

static PyObject *
offset_object(Py_ssize_t at)
{
    return at == -2 ? NULL : PyLong_FromSsize_t(at);
}

static PyObject *
offset_or_error(Py_ssize_t at)
{
    if (at == -1) {
        PyErr_SetString(PyExc_ValueError, "subsection not found");
        return NULL;
    }
    return offset_object(at);
}

#define BOUNDS_TEXT                                                                       \
    "``sub`` is a bytes-like object or an int from 0 to 255; ``start`` and ``end`` are\n" \
    "offsets as in a slice.  "

const char buffer_find_doc[] =
    "find($self, sub, start=None, end=None, /)\n--\n\n"
    "The offset of the first ``sub`` that lies in [start, end), -1 when there is none.\n\n" BOUNDS_TEXT
    "Holes are passed over.  O(end - start + len(sub)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'one two one')\n"
    ">>> buf.find(b'one', 1), buf.find(b'three')\n"
    "(8, -1)\n";

PyObject *
buffer_find(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return offset_object(seek(self, "find", args, nargs, pb_buf_find));
}

const char buffer_rfind_doc[] =
    "rfind($self, sub, start=None, end=None, /)\n--\n\n"
    "The offset of the last ``sub`` that lies in [start, end), -1 when there is none.\n\n" BOUNDS_TEXT
    "Holes are passed over.  O(end - start + len(sub)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(b'one two one').rfind(b'one')\n"
    "8\n";

PyObject *
buffer_rfind(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return offset_object(seek(self, "rfind", args, nargs, pb_buf_rfind));
}

const char buffer_index_doc[] =
    "index($self, sub, start=None, end=None, /)\n--\n\n"
    "As ``find``, but raises ValueError when there is none.\n\n" BOUNDS_TEXT
    "O(end - start + len(sub)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(b'one two one').index(b'two')\n"
    "4\n";

PyObject *
buffer_index(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return offset_or_error(seek(self, "index", args, nargs, pb_buf_find));
}

const char buffer_rindex_doc[] =
    "rindex($self, sub, start=None, end=None, /)\n--\n\n"
    "As ``rfind``, but raises ValueError when there is none.\n\n" BOUNDS_TEXT
    "O(end - start + len(sub)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(b'one two one').rindex(110)\n"
    "9\n";

PyObject *
buffer_rindex(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return offset_or_error(seek(self, "rindex", args, nargs, pb_buf_rfind));
}

/* ---- count ---- */

const char buffer_count_doc[] =
    "count($self, sub, start=None, end=None, /)\n--\n\n"
    "How many times ``sub`` lies in [start, end), without overlap.\n\n" BOUNDS_TEXT
    "O(end - start + len(sub)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(b'aaaa').count(b'aa')\n"
    "2\n";

PyObject *
buffer_count(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    needle x;
    bounds given;
    if (check_nargs("count", nargs, 1, 3) < 0 || arg_bounds(args, nargs, &given) < 0 ||
        needle_from(&self->b, args[0], &x) < 0) {
        return NULL;
    }
    uint64_t count;
    int failed = search_in(&self->b, &given, &x, pb_buf_count, 0, &count);
    arg_release(&x.view);
    return failed < 0 ? NULL : PyLong_FromUnsignedLongLong(count);
}

/* ---- startswith and endswith ---- */

static pb_status
matches_lock_held(const pb_buf *b, const bounds *given, const Py_buffer *part, bool at_end,
                  bool *match)
{
    bounds r = bounds_in(given, b->root.size);
    *match = false;
    if (r.start > r.end || part->len > r.end - r.start) {
        return PB_OK;
    }
    int order;
    uint64_t off = (uint64_t)(at_end ? r.end - part->len : r.start);
    pb_status st = pb_buf_compare(b, off, part->buf, (uint64_t)part->len, &order);
    *match = order == 0;
    return st;
}

/* With one of n parts, in one moment?  1, 0, or -1 with an exception. */
static int
matches(BufferObject *self, const Py_buffer *parts, Py_ssize_t n, const bounds *given,
        bool at_end)
{
    pb_status st;
    bool match;
    do {
        match = false;
        st = PB_OK;
        buffer_lock(&self->b);
        for (Py_ssize_t i = 0; i < n && !match && st == PB_OK; i++) {
            st = matches_lock_held(&self->b, given, &parts[i], at_end, &match);
        }
        buffer_unlock(&self->b);
    } while (transfer_again(&self->b, &st, 0, 0));
    return st == PB_OK ? match : -1;
}

static int
matches_one(BufferObject *self, PyObject *obj, const bounds *given, bool at_end)
{
    Py_buffer part;
    if (source_bytes_like(&self->b, obj, &part) < 0) {
        return -1;
    }
    int result = matches(self, &part, 1, given, at_end);
    arg_release(&part);
    return result;
}

/* As bytes does it: what comes behind a part that matches may be anything. */
static int
matches_before(BufferObject *self, const Py_buffer *parts, Py_ssize_t n,
               const bounds *given, bool at_end)
{
    PyObject *type, *value, *traceback; /* for the part behind these, if there is one */
    PyErr_Fetch(&type, &value, &traceback);
    int result = matches(self, parts, n, given, at_end);
    if (result == 0 && type) {
        PyErr_Restore(type, value, traceback);
        return -1;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return result;
}

static int
matches_any(BufferObject *self, PyObject *tuple, const bounds *given, bool at_end)
{
    Py_ssize_t all = PyTuple_GET_SIZE(tuple), n = 0;
    Py_buffer *parts = PyMem_Calloc(all ? (size_t)all : 1, sizeof *parts);
    if (parts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    while (n < all &&
           source_bytes_like(&self->b, PyTuple_GET_ITEM(tuple, n), &parts[n]) == 0) {
        n++;
    }
    int result = matches_before(self, parts, n, given, at_end);
    while (n) {
        arg_release(&parts[--n]);
    }
    PyMem_Free(parts);
    return result;
}

static PyObject *
ends_match(BufferObject *self, const char *name, PyObject *const *args, Py_ssize_t nargs,
           bool at_end)
{
    bounds given;
    if (check_nargs(name, nargs, 1, 3) < 0 || arg_bounds(args, nargs, &given) < 0) {
        return NULL;
    }
    int result = PyTuple_Check(args[0]) ? matches_any(self, args[0], &given, at_end)
                                        : matches_one(self, args[0], &given, at_end);
    if (result < 0) {
        if (!PyTuple_Check(args[0]) && PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "%s first arg must be bytes or a tuple of bytes, not %.200s", name,
                         Py_TYPE(args[0])->tp_name);
        }
        return NULL;
    }
    return PyBool_FromLong(result);
}

const char buffer_startswith_doc[] =
    "startswith($self, prefix, start=None, end=None, /)\n--\n\n"
    "Does [start, end) begin with ``prefix``, a bytes-like object, or with one of a tuple\n"
    "of them?\n\n"
    "``start`` and ``end`` are offsets as in a slice.  O(len(prefix)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'GET / HTTP/1.1')\n"
    ">>> buf.startswith((b'GET', b'HEAD')), buf.startswith(b'/', 4)\n"
    "(True, True)\n";

PyObject *
buffer_startswith(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return ends_match(self, "startswith", args, nargs, false);
}

const char buffer_endswith_doc[] =
    "endswith($self, suffix, start=None, end=None, /)\n--\n\n"
    "Does [start, end) end with ``suffix``, a bytes-like object, or with one of a tuple of\n"
    "them?\n\n"
    "``start`` and ``end`` are offsets as in a slice.  O(len(suffix)).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(b'line\\r\\n').endswith((b'\\r\\n', b'\\n'))\n"
    "True\n";

PyObject *
buffer_endswith(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return ends_match(self, "endswith", args, nargs, true);
}

/* ---- in ---- */

int
buffer_contains(BufferObject *self, PyObject *arg)
{
    needle x;
    if (!PyIndex_Check(arg) && !PyObject_CheckBuffer(arg) &&
        !PyObject_TypeCheck(arg, state_of((PyObject *)self)->buffer_type)) {
        PyErr_Format(PyExc_TypeError, "a bytes-like object is required, not '%.100s'",
                     Py_TYPE(arg)->tp_name);
        return -1;
    }
    if (needle_from(&self->b, arg, &x) < 0) {
        return -1;
    }
    uint64_t at;
    bounds all = {0, PY_SSIZE_T_MAX};
    int failed = search_in(&self->b, &all, &x, pb_buf_find, UINT64_MAX, &at);
    arg_release(&x.view);
    return failed < 0 ? -1 : at != UINT64_MAX;
}

/* ---- comparison ---- */

/* The result of `op`, from the order of the common bytes and from both lengths. */
static PyObject *
answer(int order, uint64_t a, uint64_t b, int op)
{
    if (order == 0) {
        order = (a > b) - (a < b);
    }
    Py_RETURN_RICHCOMPARE(order, 0, op);
}

static PyObject *
compare_buffers(pb_buf *a, pb_buf *b, int op)
{
    uint64_t x, y;
    pb_status st;
    int order;
    do {
        buffer_lock_two(a, b);
        x = a->root.size;
        y = b->root.size;
        bool lengths_tell = x != y && (op == Py_EQ || op == Py_NE);
        st = PB_OK;
        order = 0;
        if (!lengths_tell) {
            st = pb_buf_compare_buf(a, 0, b, 0, pb_min(x, y), &order);
        }
        buffer_unlock_two(a, b);
    } while (transfer_again_two(a, b, &st, 0, x));
    if (st != PB_OK || pool_report_pending(pool_object(b), true) < 0) {
        return NULL;
    }
    return answer(order, x, y, op);
}

static PyObject *
compare_bytes(pb_buf *a, const Py_buffer *view, int op)
{
    uint64_t x, y = (uint64_t)view->len;
    pb_status st;
    int order;
    do {
        buffer_lock(a);
        x = a->root.size;
        bool lengths_tell = x != y && (op == Py_EQ || op == Py_NE);
        st = PB_OK;
        order = 0;
        if (!lengths_tell) {
            st = pb_buf_compare(a, 0, view->buf, pb_min(x, y), &order);
        }
        buffer_unlock(a);
    } while (transfer_again(a, &st, 0, x));
    return st == PB_OK ? answer(order, x, y, op) : NULL;
}

PyObject *
buffer_richcompare(BufferObject *self, PyObject *other, int op)
{
    Py_buffer view;
    if (PyObject_TypeCheck(other, state_of((PyObject *)self)->buffer_type)) {
        return compare_buffers(&self->b, &((BufferObject *)other)->b, op);
    }
    if (!PyBytes_CheckExact(other) && !PyObject_CheckBuffer(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (arg_bytes(other, &view) < 0) { /* strided or released: as with bytearray */
        PyErr_Clear();
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *result = compare_bytes(&self->b, &view, op);
    arg_release(&view);
    return result;
}
