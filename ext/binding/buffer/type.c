/* buffer/type.c: PageBuffer, from its making to bytes in and bytes out.
 *
 * States of a buffer: empty (no page), or a tree of pages.  It always has a pool. */
#include "base/common.h"
#include "pool/layout.h"
#include "buffer/container.h"
#include "view/object.h"

/* ---- life ---- */

BufferObject *
buffer_new(PyTypeObject *type, PoolObject *pool, unsigned max_levels)
{
    Py_INCREF(pool); /* the collector may run, and take away the object that lent it */
    BufferObject *self = (BufferObject *)type->tp_alloc(type, 0);
    if (self) {
        pb_buf_init(&self->b, &pool->pool, max_levels);
    }
    else {
        Py_DECREF(pool);
    }
    return self;
}

static PyObject *
buffer_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *module = PyType_GetModuleByDef(type, &pagebuf_module);
    PoolObject *pool = module ? pool_default(state_of_module(module)) : NULL;
    if (pool == NULL) {
        return NULL;
    }
    BufferObject *self = buffer_new(type, pool, PB_MAX_LEVELS);
    Py_DECREF(pool);
    return (PyObject *)self;
}

static int
buffer_traverse(BufferObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    if (self->b.pool) {
        Py_VISIT(pool_object(&self->b));
    }
    return 0;
}

static void
buffer_dealloc(BufferObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    PyObject *module = self->b.pool ? Py_NewRef(pool_object(&self->b)->module) : NULL;
    holder_release(&self->b); /* reports still name it */
    if (module) {
        buffer_drop_name(self, state_of_module(module));
        Py_DECREF(module);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- arguments of the constructor ---- */

typedef struct {
    PyObject *data;
    PoolObject *pool; /* borrowed; NULL: the default */
    unsigned max_levels;
} make_args;

static int
convert_pool(module_state *state, PyObject *obj, make_args *out)
{
    if (obj == NULL || obj == Py_None) {
        return 0;
    }
    if (!PyObject_TypeCheck(obj, state->pool_type)) {
        PyErr_Format(PyExc_TypeError, "pool must be a PagePool or None, not %.200s",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    out->pool = (PoolObject *)obj;
    return 0;
}

static int
convert_levels(PyObject *obj, make_args *out)
{
    out->max_levels = PB_MAX_LEVELS;
    if (obj == NULL || obj == Py_None) {
        return 0;
    }
    Py_ssize_t levels = PyNumber_AsSsize_t(obj, NULL);
    if (levels == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (levels < 1 || levels > PB_MAX_LEVELS) {
        PyErr_Format(PyExc_ValueError, "max_levels must be 1 to %d, not %zd", PB_MAX_LEVELS,
                     levels);
        return -1;
    }
    out->max_levels = (unsigned)levels;
    return 0;
}

/* Take over what `fresh` holds, its pool, and what was noted of it since.  Cannot fail. */
static void
begin_anew(BufferObject *self, BufferObject *fresh, uint32_t since)
{
    pb_buf *from = &fresh->b;
    Py_INCREF(pool_object(from));
    buffer_lock(&self->b);
    PoolObject *old = pool_object(&self->b);
    uint8_t readers = self->b.root.readers; /* exports that are out know this object */
    holder_fini(&self->b);
    pb_buf_init(&self->b, from->pool, from->root.max_levels);
    pb_buf_adopt(&self->b, from);
    self->b.root.readers = readers;
    buffer_unlock(&self->b);
    trace_replace(since, from, &self->b);
    Py_DECREF(old);
}

/* A second call begins anew, as bytearray does; one that raises has changed nothing. */
static int
buffer_init(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "pool", "max_levels", "name", NULL};
    PyObject *data = NULL, *pool = NULL, *levels = NULL, *name = NULL;
    make_args made = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOO:PageBuffer", names, &data, &pool,
                                     &levels, &name) ||
        name_check(name) < 0 || convert_pool(state_of((PyObject *)self), pool, &made) < 0 ||
        convert_levels(levels, &made) < 0) {
        return -1;
    }
    PoolObject *now = made.pool ? made.pool : pool_object(&self->b);
    BufferObject *fresh =
        buffer_new(state_of((PyObject *)self)->buffer_type, now, made.max_levels);
    int result = fresh ? 0 : -1;
    uint32_t since = fresh ? trace_count(&fresh->b) : 0;
    if (result == 0) {
        result = buffer_set_name(fresh, name);
    }
    if (result == 0 && self->b.root.frozen) {
        raise_status(&self->b, PB_FROZEN, 0, 0);
        result = -1;
    }
    if (result == 0 && data) {
        result = source_extend(&fresh->b, data);
    }
    if (result == 0) {
        buffer_move_name(self, fresh);
        begin_anew(self, fresh, since);
    }
    Py_XDECREF(fresh);
    return result;
}

/* PageBuffer(data), without a tuple and a second call. */
static PyObject *
buffer_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (names != NULL || nargs > 1) {
        PyObject *tuple = PyTuple_New(nargs);
        PyObject *kwargs = names ? PyDict_New() : NULL;
        PyObject *result = NULL;
        if (tuple == NULL || (names && kwargs == NULL)) {
            goto done;
        }
        for (Py_ssize_t i = 0; i < nargs; i++) {
            PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
        }
        for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
            if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(names, i), args[nargs + i]) < 0) {
                goto done;
            }
        }
        result = buffer_tp_new((PyTypeObject *)type, tuple, kwargs);
        if (result && buffer_init((BufferObject *)result, tuple, kwargs) < 0) {
            Py_CLEAR(result);
        }
    done:
        Py_XDECREF(tuple);
        Py_XDECREF(kwargs);
        return result;
    }
    PyObject *self = buffer_tp_new((PyTypeObject *)type, NULL, NULL);
    if (self && nargs && source_extend(&((BufferObject *)self)->b, args[0]) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

int
buffer_type_ready(PyTypeObject *type)
{
    type->tp_vectorcall = buffer_vectorcall;
    return 0;
}

/* ---- in ---- */

PyDoc_STRVAR(write_doc,
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

static PyObject *
buffer_write_method(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t off;
    Py_buffer view;
    if (check_nargs("write", nargs, 2, 2) < 0 || arg_offset(args[0], "offset", &off) < 0 ||
        arg_bytes(args[1], &view) < 0) {
        return NULL;
    }
    /* I3: the integer to return is had before the first byte changes */
    PyObject *result = PyLong_FromSsize_t(view.len);
    if (result && transfer_write(&self->b, off, view.buf, (uint64_t)view.len) < 0) {
        Py_CLEAR(result);
    }
    if (view.obj) {
        PyBuffer_Release(&view);
    }
    return result;
}

/* ---- out ---- */

PyDoc_STRVAR(read_doc,
             "read($self, offset, size=-1, /)\n--\n\n"
             "The bytes from ``offset`` on, at most ``size`` of them.\n\n"
             "None or a negative size reads to the end; short at the end, empty past it.\n"
             "O(size).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> PageBuffer(b'hello world').read(6, 3)\n"
             "b'wor'\n");

static PyObject *
buffer_read_method(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t off, n = UINT64_MAX;
    if (check_nargs("read", nargs, 1, 2) < 0 || arg_offset(args[0], "offset", &off) < 0 ||
        (nargs > 1 && arg_size(args[1], &n) < 0)) {
        return NULL;
    }
    return transfer_read(&self->b, off, n);
}

PyDoc_STRVAR(readinto_doc,
             "readinto($self, offset, dst, /)\n--\n\n"
             "Copy bytes from ``offset`` on into ``dst``, a writable C-contiguous buffer;\n"
             "returns how many.  O(len(dst)).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> into = bytearray(3)\n"
             ">>> PageBuffer(b'hello').readinto(1, into), into\n"
             "(3, bytearray(b'ell'))\n");

static PyObject *
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
    PyObject *result = PyLong_FromUnsignedLongLong(len); /* I3: had before any byte moves */
    if (result) {
        uint64_t now = len;
        if (transfer_read_into(&self->b, off, view.buf, len, &now) < 0) {
            Py_CLEAR(result);
        }
        else if (now != len) { /* cut meanwhile, by another thread */
            Py_SETREF(result, PyLong_FromUnsignedLongLong(now));
        }
    }
    PyBuffer_Release(&view);
    return result;
}

PyDoc_STRVAR(tobytes_doc,
             "tobytes($self, /)\n--\n\n"
             "All bytes, as one bytes object.  O(len).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> PageBuffer(b'abc').tobytes()\n"
             "b'abc'\n");

static PyObject *
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

PyDoc_STRVAR(take_doc,
             "take_bytes($self, n=None, /)\n--\n\n"
             "Remove the first ``n`` bytes and return them.\n\n"
             "None takes all, a negative number counts from the end.  Raises IndexError when\n"
             "there are fewer.  Pages left behind go back to the pool.  O(n).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> buf = PageBuffer(b'head tail')\n"
             ">>> buf.take_bytes(5), buf.tobytes()\n"
             "(b'head ', b'tail')\n");

static PyObject *
buffer_take(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    if (check_nargs("take_bytes", nargs, 0, 1) < 0 ||
        arg_take(self, nargs ? args[0] : Py_None, &n) < 0) {
        return NULL;
    }
    return transfer_take(&self->b, n);
}

/* ---- away ---- */

PyDoc_STRVAR(truncate_doc,
             "truncate($self, size, /)\n--\n\n"
             "Make the buffer ``size`` bytes long; returns the size.\n\n"
             "Cutting gives pages back, growing leaves a hole.  O(pages dropped).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> buf = PageBuffer(b'abc')\n"
             ">>> buf.truncate(1), buf.truncate(3), buf.tobytes()\n"
             "(1, 3, b'a\\x00\\x00')\n");

static PyObject *
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

PyDoc_STRVAR(punch_doc,
             "punch($self, offset, size, /)\n--\n\n"
             "Make ``size`` bytes from ``offset`` on zeros; whole pages go back to the pool.\n\n"
             "The length stays; what lies past the end is ignored.  O(pages dropped).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> buf = PageBuffer(b'abcd')\n"
             ">>> buf.punch(1, 2)\n"
             ">>> buf.tobytes()\n"
             "b'a\\x00\\x00d'\n");

static PyObject *
buffer_punch(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t off, n;
    if (check_nargs("punch", nargs, 2, 2) < 0 || arg_offset(args[0], "offset", &off) < 0 ||
        arg_offset(args[1], "size", &n) < 0 || transfer_punch(&self->b, off, n) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(clear_doc,
             "clear($self, /)\n--\n\n"
             "Drop all bytes; every page goes back to the pool.  Cannot fail.  O(pages).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> buf = PageBuffer(b'abc')\n"
             ">>> buf.clear()\n"
             ">>> len(buf)\n"
             "0\n");

static PyObject *
buffer_clear(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    buffer_lock(&self->b);
    bool frozen = self->b.root.frozen;
    if (!frozen) {
        pb_buf_clear(&self->b);
    }
    buffer_unlock(&self->b);
    if (frozen) {
        raise_status(&self->b, PB_FROZEN, 0, 0);
        return NULL;
    }
    if (pool_tell(pool_object(&self->b), true) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- the type ---- */

static Py_ssize_t
buffer_length(BufferObject *self)
{
    return (Py_ssize_t)self->b.root.size; /* at most 2^59 */
}

PyDoc_STRVAR(bytes_doc, "__bytes__($self, /)\n--\n\nAll bytes, as one bytes object.");

#define METHOD(name, function, flags, doc) \
    {name, (PyCFunction)(void (*)(void))(function), flags, doc}

static PyMethodDef buffer_methods[] = {
    METHOD("write", buffer_write_method, METH_FASTCALL, write_doc),
    METHOD("extend", buffer_extend_method, METH_O, buffer_extend_doc),
    METHOD("append", buffer_append, METH_O, buffer_append_doc),
    METHOD("insert", buffer_insert, METH_FASTCALL, buffer_insert_doc),
    METHOD("pop", buffer_pop, METH_FASTCALL, buffer_pop_doc),
    METHOD("remove", buffer_remove, METH_O, buffer_remove_doc),
    METHOD("copy", buffer_clone, METH_NOARGS, buffer_list_copy_doc),
    METHOD("reverse", buffer_reverse, METH_NOARGS, buffer_reverse_doc),
    METHOD("resize", buffer_resize, METH_O, buffer_resize_doc),
    METHOD("find", buffer_find, METH_FASTCALL, buffer_find_doc),
    METHOD("rfind", buffer_rfind, METH_FASTCALL, buffer_rfind_doc),
    METHOD("index", buffer_index, METH_FASTCALL, buffer_index_doc),
    METHOD("rindex", buffer_rindex, METH_FASTCALL, buffer_rindex_doc),
    METHOD("count", buffer_count, METH_FASTCALL, buffer_count_doc),
    METHOD("startswith", buffer_startswith, METH_FASTCALL, buffer_startswith_doc),
    METHOD("endswith", buffer_endswith, METH_FASTCALL, buffer_endswith_doc),
    METHOD("read", buffer_read_method, METH_FASTCALL, read_doc),
    METHOD("readinto", buffer_readinto, METH_FASTCALL, readinto_doc),
    METHOD("tobytes", buffer_tobytes, METH_NOARGS, tobytes_doc),
    METHOD("__bytes__", buffer_tobytes, METH_NOARGS, bytes_doc),
    METHOD("take_bytes", buffer_take, METH_FASTCALL, take_doc),
    METHOD("truncate", buffer_truncate, METH_O, truncate_doc),
    METHOD("punch", buffer_punch, METH_FASTCALL, punch_doc),
    METHOD("clear", buffer_clear, METH_NOARGS, clear_doc),
    METHOD("open", buffer_open, METH_FASTCALL, buffer_open_doc),
    METHOD("view", buffer_view, METH_VARARGS | METH_KEYWORDS, buffer_view_doc),
    METHOD("views", buffer_views, METH_VARARGS | METH_KEYWORDS, buffer_views_doc),
    METHOD("snapshot", buffer_snapshot, METH_NOARGS, buffer_snapshot_doc),
    METHOD("clone", buffer_clone, METH_NOARGS, buffer_clone_doc),
    METHOD("__copy__", buffer_copy, METH_NOARGS, buffer_copy_doc),
    METHOD("__deepcopy__", buffer_deepcopy, METH_O, buffer_deepcopy_doc),
    METHOD("restore", buffer_restore, METH_O, buffer_restore_doc),
    METHOD("copy_range", buffer_copy_range, METH_VARARGS | METH_KEYWORDS,
           buffer_copy_range_doc),
    METHOD("collapse", buffer_collapse, METH_FASTCALL, buffer_collapse_doc),
    METHOD("insert_hole", buffer_insert_hole, METH_FASTCALL, buffer_insert_hole_doc),
    METHOD("diff", buffer_diff, METH_VARARGS | METH_KEYWORDS, buffer_diff_doc),
    METHOD("delta", buffer_delta, METH_O, buffer_delta_doc),
    METHOD("apply", buffer_apply, METH_O, buffer_apply_doc),
    METHOD("as_array", buffer_as_array, METH_VARARGS | METH_KEYWORDS, buffer_as_array_doc),
    METHOD("__reduce_ex__", buffer_reduce, METH_VARARGS, buffer_reduce_doc),
    METHOD("extents", buffer_extents, METH_NOARGS, buffer_extents_doc),
    METHOD("stats", buffer_stats, METH_NOARGS, buffer_stats_doc),
    METHOD("walk", buffer_walk, METH_O, buffer_walk_doc),
    METHOD("check", buffer_check, METH_NOARGS, buffer_check_doc),
    METHOD("_tree_runs", holder_tree_runs, METH_NOARGS, holder_tree_runs_doc),
    METHOD("_repr_svg_", buffer_repr_svg, METH_NOARGS, buffer_repr_svg_doc),
    {NULL, NULL, 0, NULL},
};

static PyMemberDef buffer_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(BufferObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(buffer_doc,
             "PageBuffer(data=b'', *, pool=None, max_levels=None, name=None)\n--\n\n"
             "A growable run of bytes in pages.\n\n"
             "It grows without moving a byte, gives memory back page by page, and has no\n"
             "cursor: ``read(offset, size)``, ``write(offset, data)``, ``extend(data)``,\n"
             "``take_bytes(n)``.  Pages come from ``pool`` (default: the shared one);\n"
             "``max_levels`` bounds what it may hold: 3 levels reach 4 GiB, 6 (the most)\n"
             "2**59 bytes; ``name`` is what reports call it.\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> buf = PageBuffer(b'hello')\n"
             ">>> buf.extend(b' world')\n"
             ">>> buf.read(6, 5)\n"
             "b'world'\n"
             ">>> len(buf)\n"
             "11\n");

static PyType_Slot buffer_slots[] = {
    {Py_tp_doc, (void *)buffer_doc},
    {Py_tp_new, buffer_tp_new},
    {Py_tp_init, buffer_init},
    {Py_tp_traverse, buffer_traverse},
    {Py_tp_dealloc, buffer_dealloc},
    {Py_tp_methods, buffer_methods},
    {Py_tp_members, buffer_members},
    {Py_tp_getset, buffer_getset},
    {Py_tp_repr, buffer_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_bf_getbuffer, holder_getbuffer},
    {Py_bf_releasebuffer, holder_releasebuffer},
    {Py_sq_length, buffer_length},
    {Py_sq_item, buffer_item},
    {Py_sq_ass_item, buffer_ass_item},
    {Py_sq_contains, buffer_contains},
    {Py_sq_inplace_concat, buffer_inplace_concat},
    {Py_mp_length, buffer_length},
    {Py_mp_subscript, buffer_subscript},
    {Py_mp_ass_subscript, buffer_ass_subscript},
    {Py_tp_iter, buffer_iter},
    {Py_tp_richcompare, buffer_richcompare},
    {0, NULL},
};

PyType_Spec buffer_spec = {
    .name = "pagebuf.PageBuffer",
    .basicsize = sizeof(BufferObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_SEQUENCE,
    .slots = buffer_slots,
};
