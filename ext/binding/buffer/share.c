/* buffer/share.c: views, snapshots, clones and files of a PageBuffer. */
#include "buffer/object.h"

#include "base/names.h"
#include "file/object.h"
#include "view/object.h"

/* ---- view and views ---- */

typedef struct {
    view_range range;
    uint64_t most;
    int writable;
} view_args;

/* (offset=0, size=None, *, writable), and of views() `most`. */
static int
parse_view(BufferObject *self, const char *format, char **names, PyObject *args,
           PyObject *kwargs, view_args *out)
{
    PyObject *off = NULL, *size = NULL, *most = NULL;
    out->range = (view_range){.n = TO_THE_END};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &off, &size,
                                     &out->writable, &most) ||
        (off && arg_offset(off, "offset", &out->range.off) < 0) ||
        (size && arg_size(size, "size", &out->range.n) < 0) ||
        (most && most != Py_None && arg_offset(most, "most", &out->most) < 0)) {
        return -1;
    }
    out->writable = out->writable && !pb_buf_frozen(&self->b);
    return 0;
}

const char buffer_view_doc[] = PyDoc_STR(
    "view($self, offset=0, size=None, *, writable=True)\n--\n\n"
    "A contiguous memoryview of ``size`` bytes from ``offset`` on, to the end by\n"
    "default.\n\n"
    "A writable view is live: buffer and view see each other's writes, and it blocks\n"
    "neither growth nor cuts.  Where its pages are scattered they are gathered into\n"
    "one run, once; BufferError where other live views are in the way.  A read-only\n"
    "view is stable: it shows the bytes of this moment, while the buffer goes on.\n"
    "On a snapshot every view is read-only.  IndexError when the range does not lie\n"
    "in the buffer.  O(1) when the run is known, else O(pages).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'hello')\n"
    ">>> live, stable = buf.view(), buf.view(writable=False)\n"
    ">>> live[0] = ord('J')\n"
    ">>> buf.extend(b' and more')\n"
    ">>> buf.tobytes(), bytes(stable)\n"
    "(b'Jello and more', b'hello')\n");

PyObject *
buffer_view(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"offset", "size", "writable", NULL};
    view_args a = {.writable = 1};
    if (parse_view(self, "|OO$p:view", names, args, kwargs, &a) < 0) {
        return NULL;
    }
    return a.writable ? view_live(&self->b, &a.range) : view_stable(&self->b, &a.range);
}

const char buffer_views_doc[] = PyDoc_STR(
    "views($self, offset=0, size=None, *, writable=False, most=None)\n--\n\n"
    "One memoryview per run of pages, in order: an iovec list for ``sendmsg`` and\n"
    "``writev``, or, writable, for ``recvmsg_into`` and ``preadv``.\n\n"
    "At most ``most`` of them, the first ones: system calls take 1024 at a time\n"
    "(``os.sysconf('SC_IOV_MAX')``).  None: all.\n\n"
    "Read-only views are stable and show holes as slices of one shared run of zeros, a\n"
    "piece a GiB: O(pages + nodes).  Writable ones are live and make holes pages: O(size).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'hello')\n"
    ">>> b''.join(buf.views(1))\n"
    "b'ello'\n");

PyObject *
buffer_views(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"offset", "size", "writable", "most", NULL};
    view_args a = {.writable = 0, .most = UINT64_MAX};
    if (parse_view(self, "|OO$pO:views", names, args, kwargs, &a) < 0) {
        return NULL;
    }
    return a.writable ? views_live(&self->b, &a.range, a.most)
                      : views_stable(&self->b, &a.range, a.most);
}

const char buffer_gather_doc[] = PyDoc_STR(
    "gather($self, /)\n--\n\n"
    "Bring all bytes into one run of pages now, as a view of all would.\n\n"
    "Nobody has to: whatever asks for one piece gathers, and leaves room to grow.\n"
    "Holes become pages, shared pages are copied.  BufferError where live views keep\n"
    "pages apart.  O(1) when the run is known, else O(pages); ``stats().runs`` tells.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> one, other = PageBuffer(), PageBuffer()\n"
    ">>> for _ in range(40):\n"
    "...     one.extend(bytes(1000))\n"
    "...     other.extend(bytes(1000))\n"
    ">>> one.gather()\n"
    ">>> one.stats().runs\n"
    "1\n");

PyObject *
buffer_gather(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    if (view_gather(&self->b) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char buffer_data_views_doc[] = PyDoc_STR(
    "data_views($self, offset=0, size=None)\n--\n\n"
    "The runs of pages without the holes: a list of (offset, memoryview).\n\n"
    "Views are stable, as those of views(); what lies between them reads as zeros.\n"
    "IndexError when the range does not lie in the buffer.  O(pages + nodes).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer()\n"
    ">>> buf.resize(1 << 40)\n"
    ">>> buf.write(1 << 30, b'far')\n"
    "3\n"
    ">>> [(offset, bytes(view[:3])) for offset, view in buf.data_views()]\n"
    "[(1073741824, b'far')]\n");

PyObject *
buffer_data_views(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"offset", "size", NULL};
    view_args a = {.writable = 0};
    if (parse_view(self, "|OO:data_views", names, args, kwargs, &a) < 0) {
        return NULL;
    }
    return views_data(&self->b, &a.range);
}

/* ---- snapshots and clones ---- */

/* Give a copy a name, a new one or that of the buffer where `name` is NULL, and its source. */
static int
name_copy(BufferObject *self, BufferObject *copy, PyObject *name)
{
    PyObject *called = name ? Py_NewRef(name) : buffer_name(self);
    PyObject *source = buffer_source(self);
    int result = buffer_set_name(copy, called);
    if (result == 0 && source) {
        result = buffer_set_source(copy, source);
    }
    Py_XDECREF(called);
    Py_XDECREF(source);
    return result;
}

static unsigned
max_levels_of(pb_buf *b)
{
    buffer_lock_to_look(b);
    unsigned most = pb_buf_max_levels(b);
    buffer_unlock_after_look(b);
    return most;
}

/* A new buffer that holds what this one holds.  Makes it outside the lock; if __init__ gives this
 * one another pool or bound meanwhile, starts over. */
static BufferObject *
share_as(BufferObject *self, PyTypeObject *type, uint8_t frozen, PyObject *name)
{
    pb_buf *b = &self->b;
    BufferObject *copy = NULL;
    pb_status st = PB_OK;
    uint64_t size;
    bool moved;
    do {
        Py_XDECREF(copy);
        copy = buffer_new(type, pool_object(b), max_levels_of(b));
        if (copy == NULL || name_copy(self, copy, name) < 0) {
            Py_XDECREF(copy);
            return NULL;
        }
        buffer_lock(b);
        moved =
            copy->b.pool != b->pool || pb_buf_max_levels(&copy->b) != pb_buf_max_levels(b);
        size = b->root.size;
        st = moved ? PB_OK : pb_buf_share(&copy->b, b);
        if (!moved && st == PB_OK) {
            pb_buf_freeze(&copy->b, frozen);
            pb_buf_remember_tail(&copy->b);
        }
        buffer_unlock(b);
    } while (moved || transfer_acquire_again(b, &st, 0, size));
    if (st != PB_OK) {
        Py_DECREF(copy);
        return NULL;
    }
    return copy;
}

/* name=, the only argument: NULL where there is none, or None. */
static int
parse_name(const char *method, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
           PyObject **name)
{
    *name = NULL;
    if (check_nargs(method, nargs, 0, 0) < 0 ||
        arg_keyword(method, "name", args + nargs, kwnames, name) < 0) {
        return -1;
    }
    *name = *name == Py_None ? NULL : *name;
    return name_check(*name);
}

const char buffer_snapshot_doc[] = PyDoc_STR(
    "snapshot($self, /, *, name=None)\n--\n\n"
    "A frozen PageBuffer that holds what this one holds now.\n\n"
    "Pages are shared, and copied when this buffer writes to them.  It is called as this\n"
    "buffer, or ``name``.  O(1) in the size, plus the pages under live views.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'old')\n"
    ">>> snap = buf.snapshot()\n"
    ">>> buf.write(0, b'new')\n"
    "3\n"
    ">>> snap.tobytes(), snap.frozen\n"
    "(b'old', True)\n");

PyObject *
buffer_snapshot(BufferObject *self, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    PyObject *name;
    if (parse_name("snapshot", args, nargs, kwnames, &name) < 0) {
        return NULL;
    }
    return (PyObject *)share_as(self, state_of_buf(&self->b)->buffer_type,
                                PB_FROZEN_SNAPSHOT, name);
}

const char buffer_clone_doc[] = PyDoc_STR(
    "clone($self, /, *, name=None)\n--\n\n"
    "A PageBuffer that holds what this one holds now, and goes its own way.\n\n"
    "Pages are shared until either writes to them.  It is called as this buffer, or\n"
    "``name``.  O(1) in the size, plus the pages under live views.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'one')\n"
    ">>> other = buf.clone()\n"
    ">>> other.extend(b' more')\n"
    ">>> buf.tobytes(), other.tobytes()\n"
    "(b'one', b'one more')\n");

const char buffer_list_copy_doc[] =
    "copy($self, /)\n--\n\n"
    "A PageBuffer of its own with the same bytes: ``clone()`` by the name that lists and\n"
    "bytearrays have for it, for code that is written for those.\n\n"
    "Pages are shared until either writes to them.  O(1), plus the pages under live views.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'one')\n"
    ">>> other = buf.copy()\n"
    ">>> other[0] = 79\n"
    ">>> buf.tobytes(), other.tobytes()\n"
    "(b'one', b'One')\n";

PyObject *
buffer_clone(BufferObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *name;
    if (parse_name("clone", args, nargs, kwnames, &name) < 0) {
        return NULL;
    }
    return (PyObject *)share_as(self, state_of_buf(&self->b)->buffer_type, 0, name);
}

PyObject *
buffer_list_copy(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    return (PyObject *)share_as(self, state_of_buf(&self->b)->buffer_type, 0, NULL);
}

/* A clone of the same type, with the attributes of a subclass. */
static PyObject *
copy_with_dict(BufferObject *self)
{
    PyObject *copy = (PyObject *)share_as(self, Py_TYPE(self), 0, NULL);
    if (copy == NULL || Py_TYPE(self) == state_of_buf(&self->b)->buffer_type) {
        return copy;
    }
    PyObject *from = PyObject_GetAttrString((PyObject *)self, "__dict__");
    PyObject *to = from ? PyObject_GetAttrString(copy, "__dict__") : NULL;
    if (from == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear(); /* the subclass has only __slots__ */
    }
    else if (to == NULL || PyDict_Update(to, from) < 0) {
        Py_CLEAR(copy);
    }
    Py_XDECREF(from);
    Py_XDECREF(to);
    return copy;
}

const char buffer_copy_doc[] =
    PyDoc_STR("__copy__($self, /)\n--\n\nAs clone(), of the same type.");
const char buffer_deepcopy_doc[] =
    PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\nAs clone(), of the same type.");

PyObject *
buffer_copy(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    return copy_with_dict(self);
}

PyObject *
buffer_deepcopy(BufferObject *self, PyObject *Py_UNUSED(memo))
{
    return copy_with_dict(self);
}

const char buffer_restore_doc[] = PyDoc_STR(
    "restore($self, snapshot, /)\n--\n\n"
    "Hold again what ``snapshot`` (or any buffer of the same pool) holds.\n\n"
    "BufferError while this buffer has live views, ValueError when the pools differ.\n"
    "O(pages given up).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'good')\n"
    ">>> snap = buf.snapshot()\n"
    ">>> buf.write(0, b'evil')\n"
    "4\n"
    ">>> buf.restore(snap)\n"
    ">>> buf.tobytes()\n"
    "b'good'\n");

PyObject *
buffer_restore(BufferObject *self, PyObject *arg)
{
    if (!PyObject_TypeCheck(arg, state_of_buf(&self->b)->buffer_type)) {
        PyErr_Format(PyExc_TypeError, "restore() takes a PageBuffer, not %.200s",
                     Py_TYPE(arg)->tp_name);
        return NULL;
    }
    pb_buf *from = &((BufferObject *)arg)->b, *b = &self->b;
    pb_status st = PB_OK;
    uint64_t size;
    bool foreign;
    do {
        buffer_lock_two(b, from);
        foreign = !pb_pool_same(from->pool, b->pool);
        size = from->root.size;
        st = foreign || b == from ? PB_OK : pb_buf_restore(b, from);
        buffer_unlock_two(b, from);
    } while (transfer_again(b, &st, 0, size));
    if (foreign) {
        PyErr_SetString(PyExc_ValueError, "restore() takes a buffer of the same pool");
    }
    if (foreign || st != PB_OK) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- files ---- */

const char buffer_open_doc[] =
    "open($self, mode=None, /)\n--\n\n"
    "A PageFile over this buffer, with a position of its own.\n\n"
    "``mode`` is one of 'r', 'w' (empties the buffer), 'a' (writes at the end), 'x'\n"
    "(wants it empty), then '+' and 'b'; None is 'r+b', for a frozen buffer 'rb'.  O(1).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'hello')\n"
    ">>> with buf.open('ab') as f:\n"
    "...     f.write(b' world')\n"
    "6\n"
    ">>> buf.tobytes()\n"
    "b'hello world'\n";

static const char *
mode_of(PyObject *obj)
{
    if (!PyUnicode_Check(obj)) {
        PyErr_Format(PyExc_TypeError, "mode must be a str or None, not %.200s",
                     Py_TYPE(obj)->tp_name);
        return NULL;
    }
    return PyUnicode_AsUTF8(obj);
}

PyObject *
buffer_open(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    const char *mode = pb_buf_frozen(&self->b) ? "rb" : "r+b";
    if (check_nargs("open", nargs, 0, 1) < 0 ||
        (nargs && args[0] != Py_None && (mode = mode_of(args[0])) == NULL)) {
        return NULL;
    }
    return pagefile_open((Holder *)self, mode);
}
