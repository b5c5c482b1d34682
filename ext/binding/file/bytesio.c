/* file/bytesio.c: pagebuf.BytesIO, a drop-in for io.BytesIO that has a tree of its own.
 *
 * States: open; open with exports, so that no call may change it; closed, with an empty
 * tree and a stream that remembers nothing. */
#include "file/bytesio.h"

#include "base/spares.h"
#include "buffer/share.h"
#include "lock/retired.h"
#include "pool/trace.h"

/* ---- memory for files of the exact type ---- */

/* Memory as it comes becomes a file with a tree on this pool. */
static void
begin_object(PyObject *self, PoolObject *pool)
{
    base_begin(self);
    pb_buf_init_behind(&part_of(self)->b, &pool->pool, PB_MAX_LEVELS, bytesio_lead());
}

/* The object keeps the reference to the pool. */
static PyObject *
new_object(PyTypeObject *type, PoolObject *pool)
{
    PyObject *self = PyObject_GC_New(PyObject, type);
    if (self) {
        begin_object(self, pool);
        return self;
    }
    Py_DECREF(pool);
    return NULL;
}

#ifdef Py_GIL_DISABLED

/* holder_end has left a tiny buffer as it was made, but for what other threads may have set. */
static void
begin_spare(PyObject *self, PoolObject *pool)
{
    pb_buf *b = &part_of(self)->b;
    if (PB_LIKELY(pb_buf_is_inline(b) && b->pool == &pool->pool)) {
        b->word = (pb_shared_word){0};
    }
    else {
        begin_object(self, pool);
    }
}

/* A file on this pool, which is borrowed. */
static PyObject *
object_on(module_state *state, PoolObject *pool)
{
    bool found = (PyObject *)pool == state_seen(&state->default_pool);
    PyObject *self = spare_take(state, SPARE_FILE, &found);
    if (!found) {
        Py_INCREF(pool);
    }
    if (self) {
        begin_spare(self, pool);
        return self;
    }
    return new_object(state->bytesio_type, pool);
}

/* The file ends, and its reference to the pool. */
static void
end_object(PyObject *self, PoolObject *pool, bool exact)
{
    PyTypeObject *type = Py_TYPE(self);
    module_state *state = pool->state;
    bool kept = exact && (PyObject *)pool == state_seen(&state->default_pool);
    holder_end(&part_of(self)->b);
    pool_report_unraisable(pool);
    if (!exact || !spare_keep(state, SPARE_FILE, self, &kept)) {
        type->tp_free(self);
        Py_DECREF(type);
    }
    if (!kept) {
        Py_DECREF(pool);
    }
}

#else

/* Spares: memory of files of the exact type that are gone, kept by their pool with an empty inline
 * buffer in it. */
static PyObject *
object_on(module_state *state, PoolObject *pool)
{
    Py_INCREF(pool);
    if (PB_LIKELY(pool->spares)) {
        return PyObject_Init(pool->spare[--pool->spares], state->bytesio_type);
    }
    return new_object(state->bytesio_type, pool);
}

/* The memory of one that the collector has finalized says so for ever: the next file there would not be
 * closed by it. */
static bool
keep_spare(PoolObject *pool, PyObject *self)
{
#ifdef Py_TRACE_REFS
    return false;
#else
    pb_buf *b = &part_of(self)->b;
    pb_buf_clear(b);
    bool keeps =
        pb_buf_is_inline(b) && pool->spares < SPARE_FILES && !PyObject_GC_IsFinalized(self);
    if (keeps) {
        pool->spare[pool->spares++] = self;
    }
    return keeps;
#endif
}

/* The file ends, and its reference to the pool. */
static void
end_object(PyObject *self, PoolObject *pool, bool exact)
{
    PyTypeObject *type = Py_TYPE(self);
    if (!exact || !keep_spare(pool, self)) {
        holder_end(&part_of(self)->b);
        type->tp_free(self);
    }
    pool_report_unraisable(pool);
    Py_DECREF(pool);
    Py_DECREF(type);
}

#endif

/* ---- life ---- */

static inline void
part_begin(bytesio_part *f)
{
    f->s = (stream){.readable = 1, .alone = 1};
}

/* An object of the exact type, empty.  The pool is borrowed; NULL: an exception is set. */
static PyObject *
bytesio_make(module_state *state, PoolObject *pool)
{
    PyObject *self = pool ? object_on(state, pool) : NULL;
    if (self) {
        part_begin(part_of(self));
        PyObject_GC_Track(self);
    }
    return self;
}

static PyObject *
make_derived(PyTypeObject *type, module_state *state)
{
    PoolObject *pool = pool_default(state);
    PyObject *self = pool ? type->tp_alloc(type, 0) : NULL;
    if (self == NULL) {
        Py_XDECREF(pool);
        return NULL;
    }
    base_begin_zeroed(self);
    pb_buf_init_behind(&part_of(self)->b, &pool->pool, PB_MAX_LEVELS, bytesio_lead());
    part_begin(part_of(self)); /* the tree keeps the reference to the pool */
    return self;
}

/* Leaves the arguments to __init__: a subclass may define other ones. */
static PyObject *
bytesio_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *module = PyType_GetModuleByDef(type, &pagebuf_module);
    if (module == NULL) {
        return NULL;
    }
    module_state *state = state_of_module(module);
    return type == state->bytesio_type ? bytesio_make(state, pool_default_seen(state))
                                       : make_derived(type, state);
}

static int
bytesio_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(*bytesio_dict(self));
    return tree_traverse(&part_of(self)->b, visit, arg);
}

static int
bytesio_clear(PyObject *self)
{
    Py_CLEAR(*bytesio_dict(self));
    return 0;
}

static void
bytesio_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    if (*bytesio_weakrefs(self)) {
        PyObject_ClearWeakRefs(self);
    }
    Py_CLEAR(*bytesio_dict(self));
    pb_buf *b = &part_of(self)->b;
    if (PB_UNLIKELY(pb_buf_is_lent(b))) {
        Py_DECREF(stream_unlend_lock_held(b, &part_of(self)->s));
    }
    bool exact = Py_TYPE(self)->tp_dealloc == (destructor)bytesio_dealloc;
    end_object(self, pool_object(b), exact);
}

/* ---- the contents as a whole ---- */

/* May the file be lent so many bytes?  A few lie in the object itself. */
static inline bool
may_be_lent(const pb_buf *b, uint64_t n)
{
    return n > PB_INLINE && pb_buf_may_be_lent(b);
}

/* 1. own the pages to write  2. give up the pages behind them  3. copy, which cannot
 * fail.  No byte changes before step 3 (I3). */
static pb_status
copy_all_lock_held(pb_buf *b, const void *src, uint64_t n)
{
    pb_status st = n ? pb_buf_write_begin(b, 0, src, n) : PB_OK;
    if (st == PB_OK && b->root.size > n) {
        st = pb_buf_truncate(b, n);
    }
    if (st == PB_OK && n) {
        copy_in_lock_held(b, 0, src, n);
        pb_buf_write_end(b);
    }
    return st;
}

/* Lend or copy.  If the pool is short, what the file was lent stays. */
static pb_status
replace_lock_held(bytesio_part *f, PyObject *source, const Py_buffer *view,
                  PyObject **owner)
{
    pb_buf *b = &f->b;
    uint64_t n = (uint64_t)view->len;
    bool exact = source && PyBytes_CheckExact(source);
    pb_lender was = {0};
    if (pb_buf_is_lent(b)) {
        was = pb_buf_unlend(b);
        pb_buf_uncharge(b, &was);
    }
    if (exact && may_be_lent(b, n)) {
        stream_lend_lock_held(b, &f->s, source);
        *owner = was.owner;
        return PB_OK;
    }
    pb_status st = copy_all_lock_held(b, view->buf, n);
    if (st != PB_OK && was.owner) {
        pb_buf_lend_again(b, &was);
        return st;
    }
    *owner = was.owner;
    return st;
}

int
bytesio_set_bytes(bytesio_part *f, PyObject *source, const Py_buffer *view, uint64_t pos,
                  bytesio_when_closed closed)
{
    pb_buf *b = &f->b;
    pb_status st;
    stream_refusal why;
    do {
        PyObject *owner = NULL;
        buffer_lock(b);
        bool shut = f->s.closed && closed != CLOSED_REFUSES;
        bool stays = shut && closed == CLOSED_STAYS;
        why = shut ? STREAM_FINE : stream_may_change(&f->s);
        stream_forget(&f->s);
        st = why || stays ? PB_OK : replace_lock_held(f, source, view, &owner);
        if (!why && !stays && st == PB_OK) {
            part_begin(f);
            f->s.pos = pos;
        }
        buffer_unlock(b);
        Py_XDECREF(owner);
    } while (transfer_again(b, &st, 0, (uint64_t)view->len));
    return stream_refuse(why) < 0 || st != PB_OK ? -1 : 0;
}

/* None means no bytes.  As in io.BytesIO, only a bytes object opens a closed file again. */
static int
set_initial(PyObject *self, PyObject *initial)
{
    Py_buffer view = {0};
    bool empty = initial == NULL || initial == Py_None;
    if (!empty && arg_bytes(initial, &view) < 0) {
        return -1;
    }
    bytesio_when_closed closed = empty                         ? CLOSED_STAYS
                                 : PyBytes_CheckExact(initial) ? CLOSED_REOPENS
                                                               : CLOSED_REFUSES;
    int result = bytesio_set_bytes(part_of(self), initial, &view, 0, closed);
    arg_release(&view);
    return result;
}

/* An empty file becomes what another one was. */
static void
adopt_lock_held(pb_buf *b, pb_buf *from)
{
    if (pb_buf_is_lent(from)) {
        pb_lender lender = pb_buf_unlend(from);
        pb_buf_lend(b, &lender);
    }
    else {
        pb_buf_adopt(b, from);
    }
}

/* Take over what a new file holds, and its pool, unless exports forbid that. */
static int
take_over(bytesio_part *f, bytesio_part *fresh, uint32_t since)
{
    pb_buf *b = &f->b, *from = &fresh->b;
    PyObject *owner = NULL;
    Py_INCREF(pool_object(from));
    buffer_lock_two(b, from);
    PoolObject *old = pool_object(b);
    stream_refusal why = f->s.closed ? STREAM_FINE : stream_may_change(&f->s);
    if (!why) {
        owner = stream_unlend_lock_held(b, &f->s);
        holder_fini(b);
        pb_buf_begin_anew(b, from->pool, PB_MAX_LEVELS);
        adopt_lock_held(b, from);
        part_begin(f);
    }
    buffer_unlock_two(b, from);
    Py_XDECREF(owner);
    if (why) {
        Py_DECREF(pool_object(from));
        return stream_refuse(why);
    }
    trace_replace(since, from, b);
    retire_pool(b, old);
    return 0;
}

/* Begin anew in this pool.  A call that raises has changed nothing (I3). */
static int
begin_in(PyObject *self, PoolObject *pool, PyObject *initial)
{
    uint32_t since = trace_count(pool);
    PyObject *fresh = bytesio_make(pool->state, pool);
    int result = fresh ? set_initial(fresh, initial) : -1;
    if (result == 0) {
        result = take_over(part_of(self), part_of(fresh), since);
    }
    Py_XDECREF(fresh);
    return result;
}

static int
bytesio_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"initial_bytes", "pool", NULL};
    PyObject *initial = NULL, *obj = NULL;
    PoolObject *pool;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$O:BytesIO", names, &initial, &obj) ||
        arg_pool(state_of_buf(&part_of(self)->b), obj, &pool) < 0) {
        return -1;
    }
    return pool ? begin_in(self, pool, initial) : set_initial(self, initial);
}

/* Arguments of a call, borrowed, or NULL. */
typedef struct {
    PyObject *initial;
    PoolObject *pool;
} make_args;

static int
parse_name(module_state *state, PyObject *name, PyObject *value, make_args *out)
{
    if (PyUnicode_CompareWithASCIIString(name, "pool") == 0) {
        return arg_pool(state, value, &out->pool);
    }
    if (PyUnicode_CompareWithASCIIString(name, "initial_bytes") != 0) {
        PyErr_Format(PyExc_TypeError, "'%U' is an invalid keyword argument for BytesIO()",
                     name);
        return -1;
    }
    if (out->initial) {
        PyErr_SetString(PyExc_TypeError, "initial_bytes given twice to BytesIO()");
        return -1;
    }
    out->initial = value;
    return 0;
}

static int
parse_call(module_state *state, PyObject *const *args, Py_ssize_t nargs, PyObject *names,
           make_args *out)
{
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "BytesIO() takes at most 1 argument (%zd given)",
                     nargs);
        return -1;
    }
    out->initial = nargs ? args[0] : NULL;
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
        if (parse_name(state, PyTuple_GET_ITEM(names, i), args[nargs + i], out) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The common case of set_initial, for a file that nobody else has. */
static inline bool
begin_with_bytes(bytesio_part *f, PyObject *initial)
{
    if (PB_UNLIKELY(!PyBytes_CheckExact(initial))) {
        return false;
    }
    if (may_be_lent(&f->b, (uint64_t)PyBytes_GET_SIZE(initial))) {
        stream_lend_lock_held(&f->b, &f->s, initial);
        return true;
    }
    return transfer_extend_fast(&f->b, initial);
}

/* BytesIO(initial_bytes) needs neither a tuple nor a second call.  Subclasses do not
 * inherit this. */
static PyObject *
bytesio_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    make_args made = {NULL, NULL};
    module_state *state = state_of_module(((PyHeapTypeObject *)type)->ht_module);
    if (PB_UNLIKELY(nargs || names) && parse_call(state, args, nargs, names, &made) < 0) {
        return NULL;
    }
    PoolObject *pool = made.pool ? made.pool : pool_default_seen(state);
    PyObject *self = bytesio_make(state, pool);
    if (self && made.initial && !begin_with_bytes(part_of(self), made.initial) &&
        set_initial(self, made.initial) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

void
bytesio_type_ready(PyTypeObject *type)
{
    type->tp_vectorcall = bytesio_vectorcall;
}

PyDoc_STRVAR(getvalue_doc,
             "getvalue($self, /)\n--\n\n"
             "All bytes, wherever the position is: the same object until the file changes.\n\n"
             "O(size) after a change, else O(1).\n\n"
             ">>> from pagebuf import BytesIO\n"
             ">>> BytesIO(b'abc').getvalue()\n"
             "b'abc'\n");

/* What the file is lent, or NULL and how long it is. */
static PyObject *
look_at_value(bytesio_part *f, uint64_t *size, uint64_t *pos, stream_refusal *why)
{
    pb_buf *b = &f->b;
    buffer_lock(b);
    *why = stream_may_use(&f->s);
    *pos = f->s.pos;
    *size = stream_size_lock_held(b);
    PyObject *lent = pb_buf_is_lent(b) ? Py_NewRef(pb_buf_lender(b)->owner) : NULL;
    buffer_unlock(b);
    return lent;
}

/* Copy all bytes to a new object, if they still are as many, and have the file lend from it: its pages
 * go back.  1: done; 0: they are not; -1: an exception. */
static int
copy_value(bytesio_part *f, PyObject *out, uint64_t *pos)
{
    pb_buf *b = &f->b;
    uint64_t size = (uint64_t)PyBytes_GET_SIZE(out);
    pb_status st = PB_OK;
    buffer_lock(b);
    bool same = !f->s.closed && !pb_buf_is_lent(b) && b->root.size == size;
    if (same) {
        *pos = f->s.pos;
        st = copy_out_lock_held(b, 0, PyBytes_AS_STRING(out), size);
        if (st == PB_OK && !f->s.blocks && may_be_lent(b, size) && !pb_pending(b->pool)) {
            (void)stream_lend_value_lock_held(b, &f->s, out);
        }
    }
    buffer_unlock(b);
    (void)transfer_again(b, &st, 0,
                         size); /* raises what was found; reading needs no frame */
    return st != PB_OK ? -1 : same;
}

PyObject *
bytesio_value(bytesio_part *f, uint64_t *pos)
{
    for (;;) {
        stream_refusal why;
        uint64_t size;
        PyObject *out = look_at_value(f, &size, pos, &why);
        if (out || stream_refuse(why) < 0) {
            return out;
        }
        if (size > (uint64_t)PY_SSIZE_T_MAX) {
            return PyErr_NoMemory();
        }
        out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        int done = out ? copy_value(f, out, pos) : -1;
        if (done > 0) {
            return out;
        }
        Py_XDECREF(out);
        if (done < 0) {
            return NULL;
        }
    }
}

PyObject *
bytesio_getvalue(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    bytesio_part *f = part_of(self);
    PyObject *out = NULL;
    buffer_lock(&f->b);
    bool tiny =
        pb_buf_is_inline(&f->b) && !pb_buf_is_lent(&f->b) && PB_LIKELY(!f->s.closed);
    if (tiny) {
        out = PyBytes_FromStringAndSize((const char *)pb_buf_inline(&f->b),
                                        (Py_ssize_t)f->b.root.size);
    }
    buffer_unlock(&f->b);
    uint64_t pos;
    return tiny ? out : bytesio_value(f, &pos);
}

PyDoc_STRVAR(close_doc,
             "close($self, /)\n--\n\n"
             "Drop the bytes; every call but close raises ValueError from now on.\n\n"
             "Raises BufferError while a view from getbuffer is alive.  O(pages).\n\n"
             ">>> from pagebuf import BytesIO\n"
             ">>> f = BytesIO(b'abc')\n"
             ">>> f.close()\n"
             ">>> f.closed\n"
             "True\n");

static PyObject *
bytesio_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    bytesio_part *f = part_of(self);
    PyObject *owner = NULL;
    buffer_lock(&f->b);
    stream_refusal why = stream_may_change(&f->s);
    if (!why) {
        owner = stream_unlend_lock_held(&f->b, &f->s);
        f->s.closed = 1;
        pb_buf_clear(&f->b);
    }
    buffer_unlock(&f->b);
    Py_XDECREF(owner);
    if ((why != STREAM_CLOSED && stream_refuse(why) < 0) ||
        pool_report_pending(pool_object(&f->b), true) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- the type ---- */

PyDoc_STRVAR(getstate_doc,
             "__getstate__($self, /)\n--\n\n"
             "(bytes, position, attributes or None), what pickle and copy ask for.");

PyDoc_STRVAR(setstate_doc,
             "__setstate__($self, state, /)\n--\n\n"
             "Become what __getstate__ described; a state that is refused changes nothing.");

#define FACE PyObject
#define FACE_BUF(self) (&part_of(self)->b)
#define FACE_STREAM(self, b) ((void)(b), &part_of(self)->s)
#define FACE_NAME "BytesIO"
#define FACE_OPEN(bytes) FACE_NAME "(" bytes ")"
#include "file/methods.h"
#include "inspect/usage.h"

PyDoc_STRVAR(truncate_doc,
             "truncate($self, size=None, /)\n--\n\n"
             "Cut to ``size`` bytes (None: to the position); returns the size.\n\n"
             "The position stays, and a longer size leaves the length as it is.\n"
             "O(pages dropped).\n\n"
             ">>> from pagebuf import BytesIO\n"
             ">>> f = BytesIO(b'hello')\n"
             ">>> f.truncate(2), f.truncate(9), f.getvalue()\n"
             "(2, 9, b'he')\n");

PyDoc_STRVAR(stats_doc,
             "stats($self, /)\n--\n\n"
             "How the storage stands: a BufferStats.  O(pages).\n\n"
             ">>> from pagebuf import BytesIO, PAGE_SIZE, PagePool\n"
             ">>> f = BytesIO(bytes(3 * PAGE_SIZE), pool=PagePool(debug=0))\n"
             ">>> f.stats().pages, f.stats().lent == f.stats().size\n"
             "(0, True)\n"
             ">>> f.write(b'x'), f.stats().pages, f.stats().lent\n"
             "(1, 3, 0)\n");

PyDoc_STRVAR(check_doc,
             "check($self, /)\n--\n\n"
             "Go through the storage; CorruptionError names the first broken rule.\n"
             "O(pages).");

PyDoc_STRVAR(sizeof_doc,
             "__sizeof__($self, /)\n--\n\n"
             "Bytes of the object and of its pages, but not of a bytes object that it is\n"
             "lent.  O(pages).");

static PyObject *
bytesio_stats(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return tree_stats(&part_of(self)->b);
}

static PyObject *
bytesio_check(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return tree_check(&part_of(self)->b);
}

static PyObject *
bytesio_tree_runs(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return tree_runs(&part_of(self)->b);
}

static PyObject *
bytesio_tree_walk(PyObject *self, PyObject *offset)
{
    return tree_walk(&part_of(self)->b, offset);
}

static PyObject *
bytesio_sizeof(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return tree_sizeof(self, &part_of(self)->b);
}

static PyMethodDef bytesio_methods[] = {
    FACE_METHODS,
    METHOD("truncate", face_truncate, METH_FASTCALL, truncate_doc),
    METHOD("getvalue", bytesio_getvalue, METH_NOARGS, getvalue_doc),
    METHOD("getbuffer", bytesio_getbuffer, METH_NOARGS, bytesio_getbuffer_doc),
    METHOD("close", bytesio_close, METH_NOARGS, close_doc),
    METHOD("stats", bytesio_stats, METH_NOARGS, stats_doc),
    METHOD("check", bytesio_check, METH_NOARGS, check_doc),
    METHOD("_tree_walk", bytesio_tree_walk, METH_O, holder_tree_walk_doc),
    METHOD("_tree_runs", bytesio_tree_runs, METH_NOARGS, holder_tree_runs_doc),
    METHOD("__getstate__", bytesio_getstate, METH_NOARGS, getstate_doc),
    METHOD("__setstate__", bytesio_setstate, METH_O, setstate_doc),
    METHOD("__sizeof__", bytesio_sizeof, METH_NOARGS, sizeof_doc),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef bytesio_getset[] = {
    FACE_CLOSED,
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(bytesio_doc,
             "BytesIO(initial_bytes=b'', *, pool=None)\n--\n\n"
             "A binary file in memory: an io.BytesIO, with all its methods and its rules.\n\n"
             "It grows without moving a byte, in pages of ``pool`` (default: the shared one).\n"
             "A bytes object is copied at the first change, and comes out of read() and\n"
             "getvalue() until then.  Further than io.BytesIO go ``peek(size)``,\n"
             "``read_at(offset, size)``, seek to pagebuf.SEEK_DATA and SEEK_HOLE, and\n"
             "that a call that runs out of memory has changed nothing.\n\n"
             ">>> from pagebuf import BytesIO\n"
             ">>> f = BytesIO()\n"
             ">>> f.write(b'one\\ntwo\\n'), f.seek(0)\n"
             "(8, 0)\n"
             ">>> list(f)\n"
             "[b'one\\n', b'two\\n']\n");

static PyType_Slot bytesio_slots[] = {
    {Py_tp_doc, (void *)bytesio_doc},
    {Py_tp_new, bytesio_new},
    {Py_tp_init, bytesio_init},
    {Py_tp_traverse, bytesio_traverse},
    {Py_tp_clear, bytesio_clear},
    {Py_tp_dealloc, bytesio_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, face_next},
    {Py_tp_methods, bytesio_methods},
    {Py_tp_getset, bytesio_getset},
    {0, NULL},
};

PyType_Spec bytesio_spec = {
    .name = "pagebuf.BytesIO",
    .flags = TYPE_FLAGS,
    .slots = bytesio_slots,
};
