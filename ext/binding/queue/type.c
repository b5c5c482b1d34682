/* queue/type.c: ByteQueue, from its making to bytes in and bytes out. */
#include "queue/object.h"

#include "base/names.h"
#include "inspect/check.h"
#include "pool/report.h"
#include "pool/trace.h"

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

static void
queue_dealloc(QueueObject *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    holder_release(&self->q.b);
    Py_XDECREF(self->sep);
    Py_XDECREF(self->staging);
    Py_XDECREF(self->name);
    object_free(self);
}

/* ---- arguments of the constructor ---- */

typedef struct {
    PoolObject *pool; /* borrowed; NULL: as it is */
    uint64_t max_bytes;
    pb_overflow overflow;
} make_args;

static const char *const overflow_names[] = {"grow", "raise", "drop_oldest", "drop_newest"};

static int
convert_overflow(PyObject *obj, make_args *out)
{
    if (obj == NULL) {
        return 0;
    }
    for (int i = 0; PyUnicode_Check(obj) && i < (int)Py_ARRAY_LENGTH(overflow_names); i++) {
        if (PyUnicode_CompareWithASCIIString(obj, overflow_names[i]) == 0) {
            out->overflow = (pb_overflow)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "overflow must be 'grow', 'raise', 'drop_oldest' or 'drop_newest', not %R",
                 obj);
    return -1;
}

/* A limit without a policy, or a policy without a limit, is a mistake that would show
 * only when memory is full or bytes are lost. */
static int
convert_limit(PyObject *obj, make_args *out)
{
    if (obj && obj != Py_None && arg_offset(obj, "max_bytes", &out->max_bytes) < 0) {
        return -1;
    }
    if ((out->max_bytes == UINT64_MAX) != (out->overflow == PB_GROW)) {
        PyErr_SetString(PyExc_ValueError,
                        out->overflow == PB_GROW
                            ? "max_bytes needs overflow='raise', 'drop_oldest' or "
                              "'drop_newest'; overflow='grow' has no limit"
                            : "this overflow= needs max_bytes");
        return -1;
    }
    return 0;
}

static int
queue_init(QueueObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"pool", "max_bytes", "overflow", "name", NULL};
    PyObject *pool = NULL, *limit = NULL, *overflow = NULL, *name = NULL;
    make_args made = {NULL, UINT64_MAX, PB_GROW};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:ByteQueue", names, &pool, &limit,
                                     &overflow, &name) ||
        name_check(name) < 0 ||
        arg_pool(state_of((PyObject *)self), pool, &made.pool) < 0 ||
        convert_overflow(overflow, &made) < 0 || convert_limit(limit, &made) < 0) {
        return -1;
    }
    (void)name_set(&self->name, name); /* it was checked */
    /* a second call begins anew */
    queue_lock(self);
    PoolObject *old = pool_object(&self->q.b);
    PoolObject *now = made.pool ? made.pool : old;
    Py_INCREF(now);
    holder_fini(&self->q.b);
    pb_queue_init(&self->q, &now->pool, made.max_bytes, made.overflow);
    queue_unlock(self);
    Py_DECREF(old);
    return 0;
}

/* ---- in ---- */

void
queue_raise_full(QueueObject *self, uint64_t n)
{
    PyErr_Format(
        state_of((PyObject *)self)->capacity_error,
        "%llu bytes put into a queue that holds %llu and may hold %llu (max_bytes)",
        (unsigned long long)n, (unsigned long long)queue_size(self),
        (unsigned long long)self->q.max_bytes);
}

/* Into a reservation, which others wait for. */
static pb_status
put_without_gil(QueueObject *self, const void *src, uint64_t n)
{
    uint64_t secured;
    PyThreadState *saved;
    pb_status st = pb_queue_begin_in(&self->q, n, &secured);
    if (st == PB_OK) {
        copy_job job = {.reserved = secured};
        copy_gate *gate = buffer_leave_gil(&self->q.b, &job, &saved);
        pb_queue_fill(&self->q, src, n);
        buffer_enter_gil(&self->q.b, gate, saved);
        pb_queue_end_in(&self->q, n, secured);
    }
    return st;
}

pb_status
queue_put_lock_held(QueueObject *self, const void *src, uint64_t n)
{
    return PB_LIKELY(n < COPY_WITHOUT_GIL) ? pb_queue_put(&self->q, src, n)
                                           : put_without_gil(self, src, n);
}

/* 1: they are in; 0: turned away; -1: an exception. */
static int
put_bytes(QueueObject *self, const void *src, uint64_t n)
{
    pb_status st = PB_OK;
    bool admitted = true;
    if (n >= COPY_WITHOUT_GIL && transfer_may_use(&self->q.b, src, n) < 0) {
        return -1; /* of smaller ones pb_queue_put asks */
    }
    do {
        queue_lock(self);
        admitted = n <= pb_queue_room(&self->q);
        st = n && admitted ? queue_put_lock_held(self, src, n) : PB_OK;
        self->q.refused += admitted || self->q.overflow == PB_RAISE ? 0 : n;
        queue_unlock(self);
    } while (transfer_again(&self->q.b, &st, pb_queue_len(&self->q), n));
    if (!admitted && self->q.overflow == PB_RAISE) {
        queue_raise_full(self, n);
        return -1;
    }
    return st == PB_OK ? admitted : -1;
}

static PyObject *
put_object(QueueObject *self, PyObject *data)
{
    Py_buffer view;
    if (arg_bytes(data, &view) < 0) {
        return NULL;
    }
    int result = put_bytes(self, view.buf, (uint64_t)view.len);
    arg_release(&view);
    return result < 0 ? NULL : PyBool_FromLong(result);
}

PyDoc_STRVAR(put_doc,
             "put($self, data, /)\n--\n\n"
             "Append the bytes of ``data``, all of them or none; returns whether it did.\n\n"
             "What happens at ``max_bytes`` is the policy of the queue: ``raise`` raises\n"
             "CapacityError, ``drop_newest`` turns ``data`` away and returns False,\n"
             "``drop_oldest`` pushes out as many of the oldest bytes as it takes (``data`` that\n"
             "is itself longer than ``max_bytes`` is turned away).  ``dropped`` counts both.\n"
             "O(len(data)); no byte that is there moves.\n\n"
             ">>> from pagebuf import ByteQueue\n"
             ">>> queue = ByteQueue(max_bytes=4, overflow='drop_oldest')\n"
             ">>> queue.put(b'abc'), queue.put(b'def'), queue.put(b'too long')\n"
             "(True, True, False)\n"
             ">>> queue.get(), queue.dropped\n"
             "(b'cdef', 10)\n");

static PyObject *
queue_put(QueueObject *self, PyObject *data)
{
    if (PB_LIKELY(PyBytes_CheckExact(data))) {
        queue_lock(self);
        bool done = pb_queue_put_fast(&self->q, PyBytes_AS_STRING(data),
                                      (uint64_t)PyBytes_GET_SIZE(data));
        queue_unlock(self);
        if (PB_LIKELY(done)) {
            Py_RETURN_TRUE;
        }
    }
    return put_object(self, data);
}

/* ---- out ---- */

int
queue_arg_size(const char *name, PyObject *const *args, Py_ssize_t nargs, uint64_t *out)
{
    *out = UINT64_MAX;
    if (check_nargs(name, nargs, 0, 1) < 0) {
        return -1;
    }
    return nargs ? arg_size(args[0], out) : 0;
}

static pb_status
copy_out_without_gil(QueueObject *self, void *dst, uint64_t n)
{
    PyThreadState *saved;
    copy_gate *gate = buffer_leave_gil(&self->q.b, &(copy_job){.src = NULL}, &saved);
    pb_status st = pb_queue_copy_out(&self->q, dst, n);
    buffer_enter_gil(&self->q.b, gate, saved);
    return st;
}

pb_status
queue_take_lock_held(QueueObject *self, void *dst, uint64_t n, bool drop)
{
    if (n > pb_queue_len(&self->q)) {
        return PB_RANGE;
    }
    pb_status st = PB_LIKELY(n < COPY_WITHOUT_GIL) ? pb_queue_copy_out(&self->q, dst, n)
                                                   : copy_out_without_gil(self, dst, n);
    return st == PB_OK && drop ? pb_queue_drop(&self->q, n) : st;
}

PyObject *
queue_take(QueueObject *self, uint64_t n, uint64_t least, bool drop)
{
    for (;;) {
        uint64_t len = pb_min(n, queue_size(self));
        if (len < least) {
            Py_RETURN_NONE;
        }
        PyObject *out = len > (uint64_t)PY_SSIZE_T_MAX
                            ? PyErr_NoMemory()
                            : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
        if (out == NULL) {
            return NULL;
        }
        queue_lock(self);
        pb_status st = queue_take_lock_held(self, PyBytes_AS_STRING(out), len, drop);
        queue_unlock(self);
        /* PB_RANGE: taken meanwhile, by another thread */
        bool again = st == PB_RANGE || queue_again(self, &st, len);
        if (PB_LIKELY(st == PB_OK)) {
            return out;
        }
        Py_DECREF(out);
        if (!again) {
            return NULL;
        }
    }
}

int
queue_drop(QueueObject *self, uint64_t n)
{
    pb_status st;
    do {
        queue_lock(self);
        st = pb_queue_drop(&self->q, pb_min(n, pb_queue_len(&self->q)));
        queue_unlock(self);
    } while (queue_again(self, &st, n));
    return st == PB_OK ? 0 : -1;
}

PyDoc_STRVAR(get_doc,
             "get($self, n=-1, /)\n--\n\n"
             "Remove and return the oldest bytes, at most ``n`` of them.\n\n"
             "None or a negative number takes all; b'' when there are none.  Pages left behind\n"
             "go back to the pool.  O(n).\n\n"
             ">>> from pagebuf import ByteQueue\n"
             ">>> queue = ByteQueue()\n"
             ">>> queue.put(b'hello world')\n"
             "True\n"
             ">>> queue.get(6), queue.get(), queue.get()\n"
             "(b'hello ', b'world', b'')\n");

static PyObject *
queue_get(QueueObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    if (queue_arg_size("get", args, nargs, &n) < 0) {
        return NULL;
    }
    PyObject *out = queue_take_fast(self, n);
    return PB_LIKELY(out || PyErr_Occurred()) ? out : queue_take(self, n, 0, true);
}

PyDoc_STRVAR(peek_doc,
             "peek($self, n=-1, /)\n--\n\n"
             "The oldest bytes, at most ``n`` of them, left where they are.  O(n).\n\n"
             ">>> from pagebuf import ByteQueue\n"
             ">>> queue = ByteQueue()\n"
             ">>> queue.put(b'head body')\n"
             "True\n"
             ">>> queue.peek(4), len(queue)\n"
             "(b'head', 9)\n");

static PyObject *
queue_peek(QueueObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    if (queue_arg_size("peek", args, nargs, &n) < 0) {
        return NULL;
    }
    return queue_take(self, n, 0, false);
}

PyDoc_STRVAR(consume_doc,
             "consume($self, n, /)\n--\n\n"
             "Remove the oldest ``n`` bytes, what peek() or views() showed.\n\n"
             "Raises ValueError when there are fewer; then none was removed.  O(pages).\n\n"
             ">>> from pagebuf import ByteQueue\n"
             ">>> queue = ByteQueue()\n"
             ">>> queue.put(b'head body')\n"
             "True\n"
             ">>> queue.consume(5)\n"
             ">>> queue.get()\n"
             "b'body'\n");

static PyObject *
queue_consume(QueueObject *self, PyObject *arg)
{
    uint64_t n;
    if (arg_offset(arg, "n", &n) < 0) {
        return NULL;
    }
    uint64_t len = queue_size(self);
    if (n > len) {
        return PyErr_Format(PyExc_ValueError,
                            "consume(%llu) of a queue that holds %llu bytes",
                            (unsigned long long)n, (unsigned long long)len);
    }
    if (queue_drop(self, n) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(clear_doc,
             "clear($self, /)\n--\n\n"
             "Remove everything; every page goes back to the pool, a reservation is given up.\n\n"
             "What was removed counts as taken (``total_out``).  Cannot fail.  O(pages).\n\n"
             ">>> from pagebuf import ByteQueue\n"
             ">>> queue = ByteQueue()\n"
             ">>> queue.put(b'abc')\n"
             "True\n"
             ">>> queue.clear()\n"
             ">>> len(queue), queue.total_out\n"
             "(0, 3)\n");

static PyObject *
queue_clear(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    queue_lock(self);
    pb_queue_clear(&self->q);
    queue_unlock(self);
    if (pool_report_pending(pool_object(&self->q.b), true) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- looking in ---- */

static Py_ssize_t
queue_length(QueueObject *self)
{
    return (Py_ssize_t)queue_size(self); /* at most 2^59 */
}

static PyObject *
queue_repr(QueueObject *self)
{
    PyObject *name = name_in_repr(self->name);
    PyObject *repr =
        name ? PyUnicode_FromFormat("<%s%U size=%llu at %p>", Py_TYPE(self)->tp_name, name,
                                    (unsigned long long)queue_size(self), self)
             : NULL;
    Py_XDECREF(name);
    return repr;
}

static PyObject *
get_total_in(QueueObject *self, void *closure)
{
    queue_lock(self);
    uint64_t total = pb_queue_in(&self->q);
    queue_unlock(self);
    return PyLong_FromUnsignedLongLong(total);
}

static PyObject *
get_total_out(QueueObject *self, void *closure)
{
    return PyLong_FromUnsignedLongLong(self->q.out);
}

static PyObject *
get_dropped(QueueObject *self, void *closure)
{
    return PyLong_FromUnsignedLongLong(self->q.pushed + self->q.refused);
}

static PyObject *
get_max_bytes(QueueObject *self, void *closure)
{
    if (self->q.max_bytes == UINT64_MAX) {
        Py_RETURN_NONE;
    }
    return PyLong_FromUnsignedLongLong(self->q.max_bytes);
}

static PyObject *
get_overflow(QueueObject *self, void *closure)
{
    return PyUnicode_FromString(overflow_names[self->q.overflow]);
}

static PyObject *
get_pool(QueueObject *self, void *closure)
{
    return Py_NewRef(pool_object(&self->q.b));
}

static PyObject *
get_name(QueueObject *self, void *closure)
{
    return name_get(self->name);
}

static int
set_name(QueueObject *self, PyObject *name, void *closure)
{
    trace_forget(&self->q.b);
    return name_set(&self->name, name);
}

static PyGetSetDef queue_getset[] = {
    {"total_in", (getter)get_total_in, NULL, "Bytes that were ever let in.", NULL},
    {"total_out", (getter)get_total_out, NULL, "Bytes that were ever taken.", NULL},
    {"dropped", (getter)get_dropped, NULL,
     "Bytes that were turned away, or pushed out by newer ones.", NULL},
    {"max_bytes", (getter)get_max_bytes, NULL, "The most bytes it may hold, None for any.",
     NULL},
    {"overflow", (getter)get_overflow, NULL, "What happens at max_bytes.", NULL},
    {"pool", (getter)get_pool, NULL, "The PagePool its pages come from.", NULL},
    {"name", (getter)get_name, (setter)set_name,
     "What it is called in reports: a str or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(stats_doc,
             "stats($self, /)\n--\n\n"
             "How the tree of pages stands: a BufferStats; reserved bytes are part of its\n"
             "size.  O(pages).\n\n"
             ">>> from pagebuf import ByteQueue\n"
             ">>> ByteQueue().stats().resident\n"
             "0\n");

static PyObject *
queue_stats(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    return holder_stats((PyObject *)self, NULL);
}

PyDoc_STRVAR(check_doc,
             "check($self, /)\n--\n\n"
             "Verify the structure; CorruptionError names the first broken rule.  O(pages).\n\n"
             ">>> from pagebuf import ByteQueue\n"
             ">>> ByteQueue().check()\n");

static PyObject *
queue_check(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_fault fault;
    queue_lock(self);
    bool good = pb_queue_check(&self->q, &fault) && pb_buf_check(&self->q.b, &fault);
    queue_unlock(self);
    if (!good) {
        raise_fault(pool_object(&self->q.b), &fault);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(reduce_doc, "__reduce__($self, /)\n--\n\nRefused: a queue is a place.");

static PyObject *
queue_reduce(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyErr_Format(PyExc_TypeError,
                        "cannot pickle or copy a '%.200s': pickle what get() or peek() "
                        "returns",
                        Py_TYPE(self)->tp_name);
}

/* ---- the type ---- */

static PyMethodDef queue_methods[] = {
    METHOD("put", queue_put, METH_O, put_doc),
    METHOD("get", queue_get, METH_FASTCALL, get_doc),
    METHOD("peek", queue_peek, METH_FASTCALL, peek_doc),
    METHOD("consume", queue_consume, METH_O, consume_doc),
    METHOD("clear", queue_clear, METH_NOARGS, clear_doc),
    METHOD("readexactly", queue_readexactly, METH_O, queue_readexactly_doc),
    METHOD("readuntil", queue_readuntil, METH_O, queue_readuntil_doc),
    METHOD("readline", queue_readline, METH_NOARGS, queue_readline_doc),
    METHOD("reserve", queue_reserve, METH_O, queue_reserve_doc),
    METHOD("commit", queue_commit, METH_O, queue_commit_doc),
    METHOD("get_buffer", queue_get_buffer, METH_FASTCALL, queue_get_buffer_doc),
    METHOD("buffer_updated", queue_buffer_updated, METH_O, queue_buffer_updated_doc),
    METHOD("views", queue_views, METH_NOARGS, queue_views_doc),
    METHOD("splice_from", queue_splice_from, METH_FASTCALL, queue_splice_doc),
    METHOD("send_to", queue_send_to, METH_FASTCALL, queue_send_doc),
    METHOD("recv_from", queue_recv_from, METH_FASTCALL, queue_recv_doc),
    METHOD("stats", queue_stats, METH_NOARGS, stats_doc),
    METHOD("check", queue_check, METH_NOARGS, check_doc),
    METHOD("_tree_runs", holder_tree_runs, METH_NOARGS, holder_tree_runs_doc),
    METHOD("__reduce__", queue_reduce, METH_NOARGS, reduce_doc),
    {NULL, NULL, 0, NULL},
};

static PyMemberDef queue_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(QueueObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(queue_doc,
             "ByteQueue(*, pool=None, max_bytes=None, overflow='grow', name=None)\n--\n\n"
             "A first-in, first-out queue of bytes in pages.\n\n"
             "Put any amount, get any amount: putting moves no byte that is there, and memory\n"
             "follows what is in flight, page by page, for ever.  ``max_bytes`` bounds what it\n"
             "holds; ``overflow`` says what happens then: 'raise', 'drop_oldest' or\n"
             "'drop_newest', each put all or nothing, counted in ``dropped``.\n\n"
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
    {Py_tp_traverse, holder_traverse},
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
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = queue_slots,
};
