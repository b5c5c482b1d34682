/* queue/type.c: the type ByteQueue: its life and its tables. */
#include "queue/object.h"

#include "base/names.h"
#include "lock/retired.h"

/* ---- life ---- */

static PyObject *
queue_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PoolObject *pool = pool_default_for(type);
    if (pool == NULL) {
        return NULL;
    }
    QueueObject *self = (QueueObject *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_DECREF(pool);
        return NULL;
    }
    pb_queue_init(&self->q, &pool->pool, UINT64_MAX, PB_GROW); /* keeps the reference */
    return (PyObject *)self;
}

static int
queue_traverse(QueueObject *self, visitproc visit, void *arg)
{
    Py_VISIT(self->stream); /* it may hold an exception, and with it frames */
    return holder_traverse((PyObject *)self, visit, arg);
}

static void
queue_dealloc(QueueObject *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    queue_end_pieces(self);
    holder_release(&self->q.b);
    queue_forget_separators(self);
    Py_XDECREF(self->stream);
    Py_XDECREF(self->staging);
    Py_XDECREF(self->name);
    object_free(self);
}

bool
queue_is_exact(PyObject *obj)
{
    return Py_TYPE(obj)->tp_dealloc ==
           (destructor)queue_dealloc; /* a subclass has its own */
}

/* ---- arguments ---- */

typedef struct {
    PoolObject *pool; /* borrowed; NULL: keep the pool */
    PyObject *name;   /* borrowed, or NULL */
    uint64_t max_bytes;
    pb_overflow overflow;
    bool said; /* the caller said what `overflow` is */
} make_args;

const char *const queue_overflow_names[5] = {"grow", "raise", "drop_oldest", "drop_newest",
                                             "block"};

static int
convert_overflow(PyObject *obj, make_args *out)
{
    if (obj == NULL || obj == Py_None) {
        return 0;
    }
    out->said = true;
    for (int i = 0; PyUnicode_Check(obj) && i < (int)Py_ARRAY_LENGTH(queue_overflow_names);
         i++) {
        if (PyUnicode_CompareWithASCIIString(obj, queue_overflow_names[i]) == 0) {
            out->overflow = (pb_overflow)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "overflow must be 'grow', 'raise', 'block', 'drop_oldest' or "
                 "'drop_newest', not %R",
                 obj);
    return -1;
}

/* A bound alone raises.  Refuse one that cannot hold, and a policy without a bound: such a mistake
 * would show only when memory is full, or when bytes are lost. */
static int
convert_limit(PyObject *obj, make_args *out)
{
    if (obj && obj != Py_None && arg_offset(obj, "max_bytes", &out->max_bytes) < 0) {
        return -1;
    }
    bool bounded = out->max_bytes != UINT64_MAX;
    if (bounded && !out->said) {
        out->overflow = PB_RAISE;
    }
    if (bounded == (out->overflow != PB_GROW)) {
        return 0;
    }
    if (bounded) {
        PyErr_SetString(
            PyExc_ValueError,
            "overflow='grow' has no bound: leave max_bytes out, or say 'raise', "
            "'block', 'drop_oldest' or 'drop_newest'");
    }
    else {
        PyErr_Format(PyExc_ValueError, "overflow='%s' needs max_bytes",
                     queue_overflow_names[out->overflow]);
    }
    return -1;
}

static int
parse_make(QueueObject *self, PyObject *args, PyObject *kwargs, make_args *out)
{
    static char *names[] = {"pool", "max_bytes", "overflow", "name", NULL};
    PyObject *pool = NULL, *limit = NULL, *overflow = NULL;
    *out = (make_args){.max_bytes = UINT64_MAX, .overflow = PB_GROW};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:ByteQueue", names, &pool, &limit,
                                     &overflow, &out->name) ||
        name_check(out->name) < 0 ||
        arg_pool(state_of((PyObject *)self), pool, &out->pool) < 0 ||
        convert_overflow(overflow, out) < 0 || convert_limit(limit, out) < 0) {
        return -1;
    }
    return 0;
}

/* ---- __init__ ---- */

/* A second call makes the queue a new, empty one. */
static int
queue_init(QueueObject *self, PyObject *args, PyObject *kwargs)
{
    make_args made;
    if (parse_make(self, args, kwargs, &made) < 0) {
        return -1;
    }
    name_set(&state_of_buf(&self->q.b)->lists, &self->name, made.name);
    queue_lock(self);
    PoolObject *old = pool_object(&self->q.b);
    PoolObject *now = (PoolObject *)Py_NewRef(made.pool ? made.pool : old);
    pb_queue_let_go(&self->q);
    holder_fini(&self->q.b);
    pb_queue_init(&self->q, &now->pool, made.max_bytes, made.overflow);
    queue_search_again_lock_held(self, 0);
    queue_unlock(self);
    retire_pool(&self->q.b, old);
    return 0;
}

/* ---- the type ---- */

PyDoc_STRVAR(reduce_doc, "__reduce__($self, /)\n--\n\nRefused: a queue is a place.");

static PyObject *
queue_reduce(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyErr_Format(PyExc_TypeError,
                        "cannot pickle or copy a '%.200s': pickle what get() or peek() "
                        "returns",
                        Py_TYPE(self)->tp_name);
}

static PyMethodDef queue_methods[] = {
    METHOD("put", queue_put, METH_FASTCALL | METH_KEYWORDS, queue_put_doc),
    METHOD("unget", queue_unget, METH_O, queue_unget_doc),
    METHOD("get", queue_get, METH_FASTCALL | METH_KEYWORDS, queue_get_doc),
    METHOD("peek", queue_peek, METH_FASTCALL | METH_KEYWORDS, queue_peek_doc),
    METHOD("tail", queue_tail, METH_FASTCALL, queue_tail_doc),
    METHOD("find", queue_find, METH_FASTCALL, queue_find_doc),
    METHOD("tobytes", queue_tobytes, METH_NOARGS, queue_tobytes_doc),
    METHOD("consume", queue_consume, METH_O, queue_consume_doc),
    METHOD("clear", queue_clear, METH_NOARGS, queue_clear_doc),
    METHOD("readexactly", queue_readexactly, METH_FASTCALL | METH_KEYWORDS,
           queue_readexactly_doc),
    METHOD("readuntil", queue_readuntil, METH_FASTCALL | METH_KEYWORDS,
           queue_readuntil_doc),
    METHOD("readline", queue_readline, METH_FASTCALL | METH_KEYWORDS, queue_readline_doc),
    METHOD("reserve", queue_reserve, METH_FASTCALL | METH_KEYWORDS, queue_reserve_doc),
    METHOD("commit", queue_commit, METH_O, queue_commit_doc),
    METHOD("get_buffer", queue_get_buffer, METH_FASTCALL, queue_get_buffer_doc),
    METHOD("buffer_updated", queue_buffer_updated, METH_O, queue_buffer_updated_doc),
    METHOD("views", queue_views, METH_VARARGS | METH_KEYWORDS, queue_views_doc),
    METHOD("write", queue_write, METH_FASTCALL | METH_KEYWORDS, queue_write_doc),
    METHOD("flush", queue_flush, METH_NOARGS, queue_flush_doc),
    METHOD("close", queue_close, METH_NOARGS, queue_close_doc),
    METHOD("open", queue_open, METH_VARARGS | METH_KEYWORDS, queue_open_doc),
    METHOD("splice_from", queue_splice_from, METH_FASTCALL | METH_KEYWORDS,
           queue_splice_doc),
    METHOD("send_to", queue_send_to, METH_FASTCALL, queue_send_doc),
    METHOD("recv_from", queue_recv_from, METH_FASTCALL | METH_KEYWORDS, queue_recv_doc),
    METHOD("lines", queue_lines, METH_NOARGS, queue_lines_doc),
    METHOD("_line", queue_line, METH_NOARGS, queue_line_doc),
    METHOD("stats", queue_stats, METH_NOARGS, queue_stats_doc),
    METHOD("check", queue_check, METH_NOARGS, queue_check_doc),
    METHOD("_tree_walk", holder_walk, METH_O, holder_tree_walk_doc),
    METHOD("_tree_runs", holder_tree_runs, METH_NOARGS, holder_tree_runs_doc),
    METHOD("__reduce__", queue_reduce, METH_NOARGS, reduce_doc),
    {NULL, NULL, 0, NULL},
};

static PyMemberDef queue_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(QueueObject, weakrefs), READONLY, NULL},
    {"_stream", T_OBJECT, offsetof(QueueObject, stream), 0,
     "What its files tell each other."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(queue_doc,
             "ByteQueue(*, pool=None, max_bytes=None, overflow=None, name=None)\n--\n\n"
             "A first-in, first-out queue of bytes in pages.\n\n"
             "Put any amount, get any amount.  A put moves none of the bytes in the queue, and the\n"
             "queue gives each page back when its bytes are taken.  ``max_bytes`` bounds what it\n"
             "holds; ``overflow`` says what happens then: 'raise' (if it says nothing), 'block',\n"
             "'drop_oldest' or 'drop_newest', each put all or nothing, counted in\n"
             "``dropped``.  Calls that take wait where ``timeout=`` says so, and close() ends the\n"
             "stream.  For what wants a file there is open(), for lines lines().\n\n"
             ">>> from pagebuf import ByteQueue\n"
             ">>> queue = ByteQueue()\n"
             ">>> queue.put(b'GET / HTTP/1.1\\r\\nHost: ')\n"
             "True\n"
             ">>> queue.readuntil(b'\\r\\n'), queue.readuntil(b'\\r\\n')\n"
             "(b'GET / HTTP/1.1\\r\\n', None)\n"
             ">>> queue.get(4), len(queue)\n"
             "(b'Host', 2)\n");

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, (void *)queue_doc},
    {Py_tp_new, queue_tp_new},
    {Py_tp_init, queue_init},
    {Py_tp_traverse, queue_traverse},
    {Py_tp_dealloc, queue_dealloc},
    {Py_tp_methods, queue_methods},
    {Py_tp_members, queue_members},
    {Py_tp_getset, queue_getset},
    {Py_tp_repr, queue_repr},
    {Py_sq_length, queue_length},
    {0, NULL},
};

PyType_Spec queue_spec = {
    .name = "pagebuf.ByteQueue",
    .basicsize = sizeof(QueueObject),
    .flags = TYPE_FLAGS,
    .slots = queue_slots,
};
