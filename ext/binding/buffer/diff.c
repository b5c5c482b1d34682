/* buffer/diff.c: PageBuffer.diff: collect the ranges under the locks, then unlock and
 * make a list. */
#include "buffer/object.h"

#include "range/diff.h"

const char buffer_diff_doc[] = PyDoc_STR(
    "diff($self, other, *, exact=False)\n--\n\n"
    "Where another PageBuffer differs from this one: a list of ``(offset, size)``.\n\n"
    "By default whole pages that are not shared; with ``exact`` the bytes that differ.\n"
    "What lies past the shorter end differs.  A hole equals zeros in an exact comparison;\n"
    "in the other one it differs from a page.  The cost follows what differs where both\n"
    "are of one pool and neither had bytes taken off its front alone; else every byte is\n"
    "compared.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'hello')\n"
    ">>> snap = buf.snapshot()\n"
    ">>> buf.write(1, b'a')\n"
    "1\n"
    ">>> buf.diff(snap), buf.diff(snap, exact=True)\n"
    "([(0, 5)], [(1, 1)])\n");

typedef struct {
    uint64_t off, n;
} range;

typedef struct {
    range *at;
    size_t used, room;
} ranges;

static int
note(ranges *r, uint64_t off, uint64_t n)
{
    if (r->used == r->room) {
        size_t room = 2 * r->room + 64;
        range *at = PyMem_RawRealloc(r->at, room * sizeof *at);
        if (at == NULL) {
            return -1;
        }
        r->at = at;
        r->room = room;
    }
    r->at[r->used++] = (range){off, n};
    return 0;
}

/* *failed: there was no memory for them. */
static pb_status
note_all_locks_held(ranges *r, const pb_buf *a, const pb_buf *b, bool exact, bool *failed)
{
    pb_diff d;
    uint64_t off, n;
    pb_status st = PB_OK;
    r->used = 0;
    *failed = false;
    pb_diff_open(&d, a, b, exact);
    while (a != b && !*failed && (st = pb_diff_next(&d, &off, &n)) == PB_OK && n) {
        *failed = note(r, off, n) < 0;
    }
    return st;
}

static PyObject *
range_tuple(const range *r)
{
    PyObject *off = PyLong_FromUnsignedLongLong(r->off);
    PyObject *n = PyLong_FromUnsignedLongLong(r->n);
    PyObject *tuple = off && n ? PyTuple_New(2) : NULL;
    if (tuple == NULL) {
        Py_XDECREF(off);
        Py_XDECREF(n);
        return NULL;
    }
    PyTuple_SET_ITEM(tuple, 0, off);
    PyTuple_SET_ITEM(tuple, 1, n);
    return tuple;
}

static PyObject *
list_of(const ranges *r)
{
    PyObject *list = PyList_New((Py_ssize_t)r->used);
    for (size_t i = 0; list && i < r->used; i++) {
        PyObject *tuple = range_tuple(&r->at[i]);
        if (tuple) {
            PyList_SET_ITEM(list, (Py_ssize_t)i, tuple);
        }
        else {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *
buffer_diff(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"other", "exact", NULL};
    PyObject *other;
    int exact = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$p:diff", names, &other, &exact)) {
        return NULL;
    }
    pb_buf *a = &self->b, *b = source_buffer(a, other);
    if (b == NULL) {
        PyErr_Format(PyExc_TypeError, "diff() takes a PageBuffer, not %.200s",
                     Py_TYPE(other)->tp_name);
        return NULL;
    }
    ranges r = {NULL, 0, 0};
    pb_status st;
    bool failed;
    do {
        buffer_lock_two(a, b);
        st = note_all_locks_held(&r, a, b, exact, &failed);
        buffer_unlock_two(a, b);
    } while (transfer_again_two(a, b, &st, 0, 0));
    PyObject *list = st != PB_OK ? NULL : failed ? PyErr_NoMemory() : list_of(&r);
    PyMem_RawFree(r.at);
    return list;
}
