/* buffer/edit.c: set and delete items and slices, and methods that change in place.
 *
 * Growing a pool runs Python code, which may change the length.  So an edit keeps what
 * the caller asked for, and each attempt works out the offsets again. */
#include "buffer/object.h"

#include "range/edit.h"
#include "range/find.h"
#include "transfer/range.h"

/* ---- attempts ---- */

/* What the caller asked for. */
typedef struct {
    Py_ssize_t start, stop, step; /* as given */
    const void *bytes;            /* to store */
    uint64_t n;
    uint8_t byte; /* to look for */
} edit;

/* What an attempt came to: n bytes at `off`, for messages, and the byte that pop() returns. */
typedef struct {
    uint64_t off, n;
    uint8_t byte;
} edited;

/* One attempt, with the lock held.  PB_RANGE is for the method itself to raise. */
typedef pb_status
attempt(pb_buf *b, const edit *e, edited *out);

/* 0; -1 with an exception; 1 for PB_RANGE.  Inline, so that each caller has its own attempt
 * in its loop. */
static inline int
try_until_done(pb_buf *b, const edit *e, edited *out, attempt *lock_held)
{
    pb_status st;
    do {
        buffer_lock(b);
        st = lock_held(b, e, out);
        buffer_unlock(b);
        if (st == PB_RANGE) {
            return 1;
        }
    } while (transfer_again(b, &st, out->off, out->n));
    return st == PB_OK ? 0 : -1;
}

static pb_status
replace_lock_held(pb_buf *b, const edit *e, edited *out, uint64_t off, uint64_t old)
{
    out->off = off;
    out->n = e->n;
    return pb_buf_replace(b, off, old, e->bytes, e->n);
}

/* A negative index counts from the end.  false: out of range. */
static bool
resolve_index(const pb_buf *b, Py_ssize_t i, uint64_t *off)
{
    *off = (uint64_t)(i < 0 ? i + (Py_ssize_t)b->root.size : i);
    return *off < b->root.size;
}

/* ---- one item ---- */

static pb_status
set_item_lock_held(pb_buf *b, const edit *e, edited *out)
{
    out->n = 1;
    return resolve_index(b, e->start, &out->off) ? pb_buf_write(b, out->off, e->bytes, 1)
                                                 : PB_RANGE;
}

static pb_status
delete_item_lock_held(pb_buf *b, const edit *e, edited *out)
{
    uint64_t off;
    return resolve_index(b, e->start, &off) ? replace_lock_held(b, e, out, off, 1)
                                            : PB_RANGE;
}

static int
assign_item(BufferObject *self, Py_ssize_t i, PyObject *value)
{
    uint8_t byte;
    if (value && source_byte(value, &byte) < 0) {
        return -1;
    }
    edit e = {.start = i, .bytes = &byte};
    edited out = {0};
    int result = value ? try_until_done(&self->b, &e, &out, set_item_lock_held)
                       : try_until_done(&self->b, &e, &out, delete_item_lock_held);
    if (result > 0) {
        PyErr_SetString(PyExc_IndexError, "PageBuffer index out of range");
    }
    return result ? -1 : 0;
}

/* The sequence protocol has added the length to a negative index. */
int
buffer_ass_item(BufferObject *self, Py_ssize_t i, PyObject *value)
{
    return assign_item(self, i < 0 ? PY_SSIZE_T_MAX : i, value);
}

/* ---- slices ---- */

static pb_status
assign_stride_lock_held(pb_buf *b, const edit *e, edited *out, const pb_stride *s)
{
    if (e->n == 0) {
        return s->n ? pb_buf_delete_stride(b, s) : PB_OK;
    }
    out->n = s->n;
    if (e->n != s->n) {
        return PB_RANGE;
    }
    return pb_buf_set_stride(b, s, e->bytes);
}

static pb_status
assign_slice_lock_held(pb_buf *b, const edit *e, edited *out)
{
    Py_ssize_t start = e->start, stop = e->stop;
    Py_ssize_t n = PySlice_AdjustIndices((Py_ssize_t)b->root.size, &start, &stop, e->step);
    if (e->step == 1) { /* b[5:2] = ... inserts before 5 */
        return replace_lock_held(b, e, out, (uint64_t)start, (uint64_t)n);
    }
    pb_stride s = {(uint64_t)start, (uint64_t)n, e->step};
    out->off = s.start;
    return assign_stride_lock_held(b, e, out, &s);
}

static int
assign_slice(BufferObject *self, PyObject *slice, PyObject *value)
{
    edit e = {0};
    edited out = {0};
    Py_buffer view = {.obj = NULL, .buf = NULL, .len = 0};
    if (PySlice_Unpack(slice, &e.start, &e.stop, &e.step) < 0) {
        return -1;
    }
    pb_buf *from = value && e.step == 1 ? source_buffer(&self->b, value) : NULL;
    if (from) { /* share pages where possible */
        uint64_t n = UINT64_MAX;
        range_place place = {.where = RANGE_SLICE, .start = e.start, .stop = e.stop};
        return range_put(&self->b, &place, from, 0, &n);
    }
    if (value && source_bytes(&self->b, value, &view) < 0) {
        return -1;
    }
    e.bytes = view.buf;
    e.n = (uint64_t)view.len;
    int result = try_until_done(&self->b, &e, &out, assign_slice_lock_held);
    if (result > 0) {
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign bytes of size %zd to extended slice of size %zd",
                     view.len, (Py_ssize_t)out.n);
    }
    arg_release(&view);
    return result ? -1 : 0;
}

int
buffer_ass_subscript(BufferObject *self, PyObject *key, PyObject *value)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return -1;
        }
        return assign_item(self, i, value);
    }
    if (PySlice_Check(key)) {
        return assign_slice(self, key, value);
    }
    PyErr_Format(PyExc_TypeError,
                 "PageBuffer indices must be integers or slices, not %.200s",
                 Py_TYPE(key)->tp_name);
    return -1;
}

/* ---- anywhere ---- */

const char buffer_insert_doc[] =
    "insert($self, index, byte, /)\n--\n\n"
    "Insert one byte, an int from 0 to 255, before ``index``.\n\n"
    "An index from the end counts back, one past either end means that end.  Raises\n"
    "ValueError for a byte out of range, BufferError while a live view lies at or behind\n"
    "the place; at the front nothing moves.  O(bytes before it or behind it, whichever are\n"
    "fewer), holes passed over.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'ac')\n"
    ">>> buf.insert(1, 98)\n"
    ">>> buf.tobytes()\n"
    "b'abc'\n";

static pb_status
insert_lock_held(pb_buf *b, const edit *e, edited *out)
{
    Py_ssize_t size = (Py_ssize_t)b->root.size;
    Py_ssize_t at = e->start < 0 ? e->start + size : e->start;
    at = at < 0 ? 0 : at > size ? size : at;
    return replace_lock_held(b, e, out, (uint64_t)at, 0);
}

PyObject *
buffer_insert(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint8_t byte;
    edit e = {.bytes = &byte, .n = 1};
    edited out = {0};
    if (check_nargs("insert", nargs, 2, 2) < 0) {
        return NULL;
    }
    if (arg_ssize(args[0], "index", &e.start) < 0 || source_byte(args[1], &byte) < 0 ||
        try_until_done(&self->b, &e, &out, insert_lock_held) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char buffer_pop_doc[] =
    "pop($self, index=-1, /)\n--\n\n"
    "Remove the byte at ``index``, by default the last one, and return it as an int.\n\n"
    "Raises IndexError when there is none, BufferError while a live view lies at or behind\n"
    "the place.  O(1) at either end, else O(bytes to the nearer end).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'abc')\n"
    ">>> buf.pop(), buf.pop(0), buf.tobytes()\n"
    "(99, 97, b'b')\n";

static pb_status
pop_lock_held(pb_buf *b, const edit *e, edited *out)
{
    uint64_t off;
    out->n = b->root.size;
    if (!resolve_index(b, e->start, &off)) {
        return PB_RANGE;
    }
    out->off = off;
    return pb_buf_take_byte(b, off, &out->byte);
}

PyObject *
buffer_pop(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    edit e = {.start = -1};
    edited out = {0};
    if (check_nargs("pop", nargs, 0, 1) < 0) {
        return NULL;
    }
    if (nargs && arg_ssize(args[0], "index", &e.start) < 0) {
        return NULL;
    }
    int result = try_until_done(&self->b, &e, &out, pop_lock_held);
    if (result > 0) {
        PyErr_SetString(PyExc_IndexError,
                        out.n ? "pop index out of range" : "pop from empty PageBuffer");
    }
    return result ? NULL : PyLong_FromLong(out.byte); /* cannot fail: a small int (I3) */
}

const char buffer_remove_doc[] =
    "remove($self, byte, /)\n--\n\n"
    "Remove the first byte of this value, an int from 0 to 255.\n\n"
    "Raises ValueError when there is none, BufferError while a live view lies at or behind\n"
    "the place.  O(len).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'abcb')\n"
    ">>> buf.remove(98)\n"
    ">>> buf.tobytes()\n"
    "b'acb'\n";

static pb_status
remove_lock_held(pb_buf *b, const edit *e, edited *out)
{
    uint64_t off;
    pb_status st = pb_buf_find(b, 0, b->root.size, &e->byte, 1, &off);
    if (st == PB_OK && off == UINT64_MAX) {
        st = PB_RANGE;
    }
    return st == PB_OK ? replace_lock_held(b, e, out, off, 1) : st;
}

PyObject *
buffer_remove(BufferObject *self, PyObject *arg)
{
    edit e = {0};
    edited out = {0};
    if (source_byte(arg, &e.byte) < 0) {
        return NULL;
    }
    int result = try_until_done(&self->b, &e, &out, remove_lock_held);
    if (result > 0) {
        PyErr_SetString(PyExc_ValueError, "value not found in PageBuffer");
    }
    if (result) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- all of it ---- */

const char buffer_reverse_doc[] =
    "reverse($self, /)\n--\n\n"
    "Turn the bytes round, in place.  O(len), holes passed over.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'abc')\n"
    ">>> buf.reverse()\n"
    ">>> buf.tobytes()\n"
    "b'cba'\n";

static pb_status
reverse_lock_held(pb_buf *b, const edit *e, edited *out)
{
    out->n = b->root.size;
    return pb_buf_reverse(b);
}

PyObject *
buffer_reverse(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    edit e = {0};
    edited out = {0};
    if (try_until_done(&self->b, &e, &out, reverse_lock_held) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
