/* store/type.c: the type behind a store (src/pagebuf/_store.py), which has no public name. */
#include "store/object.h"

#include "base/args.h"
#include "buffer/object.h"

static pb_buf *
tree_of(StoreObject *self)
{
    return &self->s.live;
}

/* ---- calls, again until pool and books are large enough ---- */

/* One call at a time.  -1 with an exception. */
static int
begin_call(StoreObject *self)
{
    if (self->file == NULL || self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "the store is in use");
        return -1;
    }
    self->busy = true;
    return 0;
}

static int
get_books(StoreObject *self)
{
    uint64_t frames = self->s.wanted;
    void *old = self->s.books;
    void *books = PyMem_RawCalloc(1, pb_space_bytes(frames));
    if (books == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    pb_store_offer_books(&self->s, books, frames);
    PyMem_RawFree(old);
    return 0;
}

/* The file's own exception where it explains the refusal, else what the file object raises for it. */
static void
raise_refusal(StoreObject *self, pb_store_status st)
{
    const pb_store_fault *fault = &self->s.fault;
    if (st == PB_STORE_IO && self->type) {
        PyErr_Restore(self->type, self->error, self->traceback);
        self->type = self->error = self->traceback = NULL;
        return;
    }
    PyObject *none =
        PyObject_CallMethod(self->file, "refused", "izki", (int)st, fault->rule,
                            (unsigned long)fault->frame, fault->error);
    if (none) {
        PyErr_Format(PyExc_SystemError, "pagebuf: unexpected status %d of a store",
                     (int)st);
        Py_DECREF(none);
    }
}

/* 1: again; 0: done; -1 with an exception. */
static int
next_step(StoreObject *self, pb_store_status st)
{
    switch (st) {
    case PB_STORE_OK:
        return 0;
    case PB_STORE_BOOKS:
        return get_books(self) < 0 ? -1 : 1;
    case PB_STORE_POOL:
        return transfer_retry(tree_of(self), self->s.pool_status, 0, 0, false) > 0 ? 1 : -1;
    default:
        raise_refusal(self, st);
        return -1;
    }
}

/* The end of a call: NULL with an exception, or None. */
static PyObject *
end_call(StoreObject *self, int step)
{
    self->busy = false;
    file_forget_error(self);
    return step < 0 ? NULL : Py_NewRef(Py_None);
}

#define ASKING(self, step, call)               \
    do {                                       \
        (self)->s.fault = (pb_store_fault){0}; \
        step = next_step(self, (call));        \
    } while (step > 0)

/* ---- open ---- */

PyDoc_STRVAR(create_doc, "create($self, uuid, time, checksums, /)\n--\n\n"
                         "Make an empty store in an empty file.");

static PyObject *
store_create(StoreObject *self, PyObject *args)
{
    Py_buffer uuid;
    unsigned long long time;
    int checksums, step;
    if (!PyArg_ParseTuple(args, "y*Kp:create", &uuid, &time, &checksums)) {
        return NULL;
    }
    if (uuid.len != 16) {
        PyErr_SetString(PyExc_ValueError, "a uuid has 16 bytes");
        step = -1;
    }
    else if ((step = begin_call(self)) == 0) {
        self->s.unchecked = !checksums;
        ASKING(self, step, pb_store_create(&self->s, uuid.buf, time));
        self->busy = false;
    }
    PyBuffer_Release(&uuid);
    return end_call(self, step);
}

PyDoc_STRVAR(open_doc, "open($self, writable, /)\n--\n\n"
                       "Read what the file has: again, where it is open.");

static PyObject *
store_open(StoreObject *self, PyObject *writable)
{
    int step, write = PyObject_IsTrue(writable);
    if (write < 0 || begin_call(self) < 0) {
        return NULL;
    }
    ASKING(self, step, pb_store_open(&self->s, write != 0));
    return end_call(self, step);
}

/* ---- names ---- */

static pb_name
name_from(PyObject *bytes)
{
    return (pb_name){(const uint8_t *)PyBytes_AS_STRING(bytes),
                     (uint32_t)PyBytes_GET_SIZE(bytes)};
}

static int
check_name(PyObject *name)
{
    if (!PyBytes_CheckExact(name) || PyBytes_GET_SIZE(name) > PB_NAME_MOST) {
        PyErr_SetString(PyExc_TypeError, "a name is up to 255 bytes");
        return -1;
    }
    return 0;
}

/* ---- commit ---- */

/* What a commit was asked for, as the core takes it. */
typedef struct {
    PyObject *list; /* a tuple of tuples, which keeps what follows */
    pb_store_change *change;
    uint8_t (*few)[PB_FEW_MOST];
    Py_ssize_t n;
} asked;

static void
end_asked(asked *a)
{
    PyMem_Free(a->change);
    PyMem_Free(a->few);
    Py_XDECREF(a->list);
}

/* The tree of a frozen buffer of the store's pool, or NULL for None.  -1 with an exception. */
static int
tree_from(StoreObject *self, PyObject *obj, const pb_buf **out)
{
    *out = NULL;
    if (obj == Py_None) {
        return 0;
    }
    if (!PyObject_TypeCheck(obj, state_of_buf(tree_of(self))->buffer_type)) {
        PyErr_SetString(PyExc_TypeError, "a store has PageBuffers");
        return -1;
    }
    const pb_buf *b = &((BufferObject *)obj)->b;
    if (!pb_buf_frozen(b) || !pb_pool_same(b->pool, self->s.pool)) {
        PyErr_SetString(PyExc_ValueError, "a store commits snapshots of its own pool");
        return -1;
    }
    *out = b;
    return 0;
}

static int
root_from(PyObject *bytes, pb_file_root *root)
{
    *root = (pb_file_root){0};
    if (PyBytes_GET_SIZE(bytes) == 0) {
        return 0;
    }
    if (PyBytes_GET_SIZE(bytes) != PB_ROOT_BYTES ||
        !pb_file_root_decode(root, (const uint8_t *)PyBytes_AS_STRING(bytes))) {
        PyErr_SetString(PyExc_ValueError, "no root of a store");
        return -1;
    }
    return 0;
}

static PyObject *
root_to(const pb_file_root *root)
{
    uint8_t bytes[PB_ROOT_BYTES];
    pb_file_root_encode(root, bytes);
    return PyBytes_FromStringAndSize((const char *)bytes, root->levels ? PB_ROOT_BYTES : 0);
}

/* The few bytes that a name shows.  They may lie in pages that are absent (I14).  -1 with an exception. */
static int
copy_few(const pb_buf *now, uint8_t *few)
{
    pb_buf *b = (pb_buf *)(uintptr_t)now; /* a fetch does not change it */
    pb_status st;
    do {
        st = pb_buf_copy_out(b, 0, few, b->root.size);
    } while (transfer_again(b, &st, 0, b->root.size));
    return st == PB_OK ? 0 : -1;
}

/* (name, now, then, root, shift) */
static int
parse_change(StoreObject *self, PyObject *item, pb_store_change *c, uint8_t *few)
{
    PyObject *name, *now, *then, *root;
    unsigned long long shift;
    if (!PyArg_ParseTuple(item, "SOOSK", &name, &now, &then, &root, &shift) ||
        tree_from(self, now, &c->tree.now) < 0 ||
        tree_from(self, then, &c->tree.then) < 0 || root_from(root, &c->tree.root) < 0) {
        return -1;
    }
    Py_ssize_t n = PyBytes_GET_SIZE(name);
    if (n == 0 || n > PB_NAME_MOST) {
        PyErr_SetString(PyExc_ValueError, "a name has 1 to 255 bytes");
        return -1;
    }
    c->name = (pb_name){(const uint8_t *)PyBytes_AS_STRING(name), (uint32_t)n};
    c->tree.shift = shift;
    c->remove = c->tree.now == NULL;
    if (!c->remove && c->tree.now->root.size <= PB_FEW_MOST) {
        c->few = true;
        c->size = (uint8_t)c->tree.now->root.size;
        c->bytes = few;
        return copy_few(c->tree.now, few);
    }
    return 0;
}

static int
parse_changes(StoreObject *self, PyObject *list, asked *a)
{
    *a = (asked){.list = PySequence_Tuple(list)};
    if (a->list == NULL) {
        return -1;
    }
    a->n = PyTuple_GET_SIZE(a->list);
    a->change = PyMem_Calloc((size_t)a->n + 1, sizeof *a->change);
    a->few = PyMem_Calloc((size_t)a->n + 1, sizeof *a->few);
    if (a->change == NULL || a->few == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < a->n; i++) {
        if (parse_change(self, PyTuple_GET_ITEM(a->list, i), &a->change[i], a->few[i]) <
            0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
roots_of(const asked *a)
{
    PyObject *roots = PyList_New(a->n);
    for (Py_ssize_t i = 0; roots && i < a->n; i++) {
        PyObject *root = root_to(&a->change[i].tree.wrote);
        if (root == NULL) {
            Py_CLEAR(roots);
            break;
        }
        PyList_SET_ITEM(roots, i, root);
    }
    return roots;
}

/* A name of a snapshot to make or to drop; NULL for None: no such name. */
static int
naming_from(PyObject *name, int drop, pb_store_naming *naming)
{
    *naming = (pb_store_naming){.drop = drop != 0};
    if (name == NULL || name == Py_None) {
        return 0;
    }
    if (check_name(name) < 0) {
        return -1;
    }
    naming->name = name_from(name);
    return 0;
}

PyDoc_STRVAR(commit_doc,
             "commit($self, changes, durable, time, snapshot=None, drop=False, /)\n--\n\n"
             "Make changes of names the next commit.  Each is (name, snapshot, snapshot of the last\n"
             "commit, root, shift); without a snapshot the name goes.  Returns the new roots.\n"
             "A snapshot of the store of that name is made, or dropped.");

static PyObject *
store_commit(StoreObject *self, PyObject *args)
{
    PyObject *list, *name = NULL, *roots = NULL;
    unsigned long long time;
    int durable, drop = 0, step = -1;
    pb_store_naming naming;
    asked a;
    if (!PyArg_ParseTuple(args, "OpK|Op:commit", &list, &durable, &time, &name, &drop) ||
        naming_from(name, drop, &naming) < 0 || begin_call(self) < 0) {
        return NULL;
    }
    if (parse_changes(self, list, &a) == 0) {
        ASKING(self, step,
               pb_store_commit_naming(&self->s, a.change, (size_t)a.n,
                                      naming.name.n ? &naming : NULL, durable != 0, time));
    }
    if (step == 0) {
        roots = roots_of(&a);
    }
    end_asked(&a);
    Py_XDECREF(end_call(self, step));
    return roots;
}

PyDoc_STRVAR(seal_doc, "seal($self, time, /)\n--\n\nSay that the last commit is whole.");

static PyObject *
store_seal(StoreObject *self, PyObject *arg)
{
    unsigned long long time = PyLong_AsUnsignedLongLong(arg);
    int step;
    if (PyErr_Occurred() || begin_call(self) < 0) {
        return NULL;
    }
    ASKING(self, step, pb_store_seal(&self->s, time));
    return end_call(self, step);
}

/* ---- look ---- */

PyDoc_STRVAR(find_doc, "find($self, name, /)\n--\n\n"
                       "What the last commit has for a name: (bytes, None), (None, root), or None.");

static PyObject *
store_find(StoreObject *self, PyObject *name)
{
    pb_store_entry entry;
    int step;
    if (check_name(name) < 0 || begin_call(self) < 0) {
        return NULL;
    }
    ASKING(self, step, pb_store_find(&self->s, name_from(name), &entry));
    PyObject *none = end_call(self, step);
    if (none == NULL || !entry.found) {
        return none;
    }
    Py_DECREF(none);
    return entry.few ? Py_BuildValue("y#O", (const char *)entry.bytes,
                                     (Py_ssize_t)entry.size, Py_None)
                     : Py_BuildValue("ON", Py_None, root_to(&entry.root));
}

PyDoc_STRVAR(next_doc, "next($self, name, /)\n--\n\n"
                       "The first name of the last commit above this one; None: there is none.");

static PyObject *
store_next(StoreObject *self, PyObject *name)
{
    uint8_t next[PB_NAME_MOST];
    uint32_t n = 0;
    int step;
    if (check_name(name) < 0 || begin_call(self) < 0) {
        return NULL;
    }
    ASKING(self, step, pb_store_next(&self->s, name_from(name), next, &n));
    PyObject *none = end_call(self, step);
    if (none == NULL || n == 0) {
        return none;
    }
    Py_DECREF(none);
    return PyBytes_FromStringAndSize((const char *)next, (Py_ssize_t)n);
}

PyDoc_STRVAR(load_doc, "load($self, root, /)\n--\n\n"
                       "A new buffer with the bytes of a tree of the last commit, and its shift.");

static PyObject *
store_load(StoreObject *self, PyObject *bytes)
{
    pb_file_root root;
    uint64_t shift = 0;
    int step;
    if (!PyBytes_CheckExact(bytes)) {
        PyErr_SetString(PyExc_TypeError, "a root is bytes");
        return NULL;
    }
    if (root_from(bytes, &root) < 0 || begin_call(self) < 0) {
        return NULL;
    }
    PoolObject *pool = pool_object(tree_of(self));
    BufferObject *made = buffer_new(pool->state->buffer_type, pool, PB_MAX_LEVELS);
    step = made ? 0 : -1;
    if (made) {
        ASKING(self, step, pb_store_load(&self->s, &root, &made->b, &shift));
        pb_buf_remember_tail(&made->b);
    }
    PyObject *none = end_call(self, step);
    if (none == NULL) {
        Py_XDECREF(made);
        return NULL;
    }
    Py_DECREF(none);
    return Py_BuildValue("NK", made, (unsigned long long)shift);
}

/* ---- snapshots of the store ---- */

PyDoc_STRVAR(snapshot_doc, "snapshot($self, name, /)\n--\n\n"
                           "Commit, time, and how many names a snapshot has; None: there is none.");

static PyObject *
store_snapshot(StoreObject *self, PyObject *name)
{
    pb_store_snapshot found;
    int step;
    if (check_name(name) < 0 || begin_call(self) < 0) {
        return NULL;
    }
    ASKING(self, step, pb_store_snapshot_find(&self->s, name_from(name), &found));
    PyObject *none = end_call(self, step);
    if (none == NULL || !found.found) {
        return none;
    }
    Py_DECREF(none);
    return Py_BuildValue("KKK", (unsigned long long)found.commit,
                         (unsigned long long)found.time,
                         (unsigned long long)found.names.names);
}

PyDoc_STRVAR(next_snapshot_doc, "next_snapshot($self, name, /)\n--\n\n"
                                "The first snapshot above this name; None: there is none.");

static PyObject *
store_next_snapshot(StoreObject *self, PyObject *name)
{
    uint8_t next[PB_NAME_MOST];
    uint32_t n = 0;
    int step;
    if (check_name(name) < 0 || begin_call(self) < 0) {
        return NULL;
    }
    ASKING(self, step, pb_store_snapshot_next(&self->s, name_from(name), next, &n));
    PyObject *none = end_call(self, step);
    if (none == NULL || n == 0) {
        return none;
    }
    Py_DECREF(none);
    return PyBytes_FromStringAndSize((const char *)next, (Py_ssize_t)n);
}

PyDoc_STRVAR(open_at_doc, "open_at($self, store, name, /)\n--\n\n"
                          "Show what a snapshot of another store of the same file shows.");

static PyObject *
store_open_at(StoreObject *self, PyObject *args)
{
    PyObject *of, *name;
    pb_store_snapshot found;
    int step;
    if (!PyArg_ParseTuple(args, "O!O:open_at", Py_TYPE(self), &of, &name) ||
        check_name(name) < 0 || begin_call((StoreObject *)of) < 0) {
        return NULL;
    }
    StoreObject *other = (StoreObject *)of;
    ASKING(other, step, pb_store_snapshot_find(&other->s, name_from(name), &found));
    PyObject *none = end_call(other, step);
    if (none == NULL) {
        return NULL;
    }
    Py_DECREF(none);
    if (!found.found) {
        PyErr_SetObject(PyExc_KeyError, name);
        return NULL;
    }
    if (begin_call(self) < 0) {
        return NULL;
    }
    ASKING(self, step, pb_store_open_at(&self->s, &other->s, &found));
    return end_call(self, step);
}

PyDoc_STRVAR(kept_by_doc, "kept_by($self, name, /)\n--\n\n"
                          "How many pages go with a snapshot.");

static PyObject *
store_kept_by(StoreObject *self, PyObject *name)
{
    uint64_t pages = 0;
    int step = -1;
    if (check_name(name) < 0 || begin_call(self) < 0) {
        return NULL;
    }
    uint32_t *scratch = PyMem_RawCalloc((size_t)self->s.super.frames + 1, sizeof *scratch);
    if (scratch == NULL) {
        PyErr_NoMemory();
    }
    else {
        ASKING(self, step, pb_store_kept_by(&self->s, name_from(name), scratch, &pages));
    }
    PyMem_RawFree(scratch);
    PyObject *none = end_call(self, step);
    if (none == NULL) {
        return NULL;
    }
    Py_DECREF(none);
    return PyLong_FromUnsignedLongLong(pages);
}

PyDoc_STRVAR(verify_doc, "verify($self, /)\n--\n\n"
                         "Read all that the last commit names, and count it.");

static PyObject *
store_verify(StoreObject *self, PyObject *Py_UNUSED(ignored))
{
    int step = -1;
    if (begin_call(self) < 0) {
        return NULL;
    }
    uint32_t *scratch = PyMem_RawCalloc((size_t)self->s.super.frames + 1, sizeof *scratch);
    if (scratch == NULL) {
        PyErr_NoMemory();
    }
    else {
        ASKING(self, step, pb_store_verify(&self->s, scratch));
    }
    PyMem_RawFree(scratch);
    return end_call(self, step);
}

PyDoc_STRVAR(info_doc, "info($self, /)\n--\n\nThe figures of the last commit.");

static PyObject *
store_info(StoreObject *self, PyObject *Py_UNUSED(ignored))
{
    const pb_super *super = &self->s.super;
    return Py_BuildValue(
        "{sKsKsKsKsKsKsKsKsNsNsNsN}", "sequence", (unsigned long long)super->sequence,
        "commit", (unsigned long long)super->commit, "time",
        (unsigned long long)super->time, "frames", (unsigned long long)super->frames,
        "held", (unsigned long long)super->held, "waiting",
        (unsigned long long)(self->s.writable ? self->s.space.pending : 0), "names",
        (unsigned long long)self->s.named.names, "snapshots",
        (unsigned long long)super->snapshot_names.names, "sealed",
        PyBool_FromLong(super->flags & PB_SUPER_SEALED), "checksums",
        PyBool_FromLong(super->flags & PB_SUPER_CHECKSUMS), "fell_back",
        PyBool_FromLong(self->s.fell_back), "broken", PyBool_FromLong(self->s.broken));
}

/* ---- life ---- */

#define LEAD (offsetof(pb_store, live) / sizeof(void *))
_Static_assert(LEAD <= PB_LEAD_MOST && offsetof(pb_store, live) % sizeof(void *) == 0,
               "the tree finds its object");
_Static_assert(offsetof(StoreObject, s) == offsetof(Holder, b), "the store comes first");

static PyObject *
store_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *file, *given;
    PoolObject *pool;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "_Store() takes no keywords");
        return NULL;
    }
    module_state *state = PyType_GetModuleState(type);
    if (!PyArg_ParseTuple(args, "OO:_Store", &file, &given) ||
        arg_pool(state, given, &pool) < 0) {
        return NULL;
    }
    pool = pool ? (PoolObject *)Py_NewRef(pool) : pool_default(state);
    StoreObject *self = pool ? (StoreObject *)type->tp_alloc(type, 0) : NULL;
    if (self == NULL) {
        Py_XDECREF(pool);
        return NULL;
    }
    pb_file operations = file_operations(self);
    pb_store_init(&self->s, &pool->pool, &operations, LEAD);
    self->file = Py_NewRef(file); /* the tree keeps the reference to the pool */
    return (PyObject *)self;
}

static int
store_traverse(StoreObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->file);
    Py_VISIT(self->type);
    Py_VISIT(self->error);
    Py_VISIT(self->traceback);
    return tree_traverse(tree_of(self), visit, arg);
}

static int
store_clear(StoreObject *self)
{
    Py_CLEAR(self->file);
    file_forget_error(self);
    return 0;
}

static void
store_dealloc(StoreObject *self)
{
    PyObject_GC_UnTrack(self);
    store_clear(self);
    if (tree_of(self)->pool) {
        pb_store_fini_kept(&self->s);
        PyMem_RawFree(self->s.books);
        holder_release(tree_of(self));
    }
    object_free(self);
}

static PyMethodDef store_methods[] = {
    METHOD("create", store_create, METH_VARARGS, create_doc),
    METHOD("open", store_open, METH_O, open_doc),
    METHOD("commit", store_commit, METH_VARARGS, commit_doc),
    METHOD("seal", store_seal, METH_O, seal_doc),
    METHOD("find", store_find, METH_O, find_doc),
    METHOD("next", store_next, METH_O, next_doc),
    METHOD("load", store_load, METH_O, load_doc),
    METHOD("snapshot", store_snapshot, METH_O, snapshot_doc),
    METHOD("next_snapshot", store_next_snapshot, METH_O, next_snapshot_doc),
    METHOD("open_at", store_open_at, METH_VARARGS, open_at_doc),
    METHOD("kept_by", store_kept_by, METH_O, kept_by_doc),
    METHOD("verify", store_verify, METH_NOARGS, verify_doc),
    METHOD("info", store_info, METH_NOARGS, info_doc),
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(store_doc, "_Store(file, pool, /)\n--\n\n"
                        "Commits of buffers to a file: what pagebuf._store stands on.");

static PyType_Slot store_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)store_doc},
    {Py_tp_new, store_tp_new},
    {Py_tp_traverse, store_traverse},
    {Py_tp_clear, store_clear},
    {Py_tp_dealloc, store_dealloc},
    {Py_tp_methods, store_methods},
    {0, NULL},
};

PyType_Spec store_spec = {
    .name = "pagebuf._core._Store",
    .basicsize = sizeof(StoreObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = store_slots,
};
