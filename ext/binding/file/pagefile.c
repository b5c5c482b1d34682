/* file/pagefile.c: pagebuf.PageFile, a cursor over a PageBuffer that others use as well.
 *
 * States: not open yet, between __new__ and __init__; open; closed.  The buffer is set
 * once and stays until the object goes, so no running call can lose it.
 *
 * `b` is what other threads go by.  While it is `nothing` they find the file closed; once it is
 * the tree of the buffer, all else is set, and only the lock of that tree tells more. */
#include "file/stream.h"

typedef struct {
    PyObject_HEAD
    stream s;
    pb_buf *b;      /* of `buffer`, or `nothing` */
    Holder *buffer; /* a PageBuffer */
    PyObject *dict;
    PyObject *weakrefs;
    char mode[4];
} FileObject;

/* The tree of a file before __init__.  Nobody changes it: the file is closed. */
static PoolObject no_pool = {.pool.root = &no_pool.pool};
static pb_buf nothing = {.pool = &no_pool.pool};

static inline pb_buf *
tree_of(const FileObject *self)
{
    return __atomic_load_n(&self->b, __ATOMIC_ACQUIRE);
}

static inline bool
is_claimed(const FileObject *self)
{
    return __atomic_load_n(&self->buffer, __ATOMIC_ACQUIRE) != NULL;
}

/* Stand on a buffer from now on, unless the file stands on one. */
static inline bool
claim(FileObject *self, Holder *buffer)
{
    Holder *none = NULL;
    return __atomic_compare_exchange_n(&self->buffer, &none, buffer, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

#ifdef Py_GIL_DISABLED
/* Another thread may open the file when a call has found `nothing`. */
static stream shut = {.closed = 1};
#define FACE_STREAM(self, b) ((b) == &nothing ? &shut : &(self)->s)
#else
#define FACE_STREAM(self, b) ((void)(b), &(self)->s)
#endif

#define FACE FileObject
#define FACE_BUF(self) tree_of(self)
#define FACE_NAME "PageFile"
#define FACE_OPEN(bytes) "PageBuffer(" bytes ").open()"
#include "file/methods.h"

/* ---- life ---- */

static PyObject *
file_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    FileObject *self = (FileObject *)type->tp_alloc(type, 0);
    if (self) {
        self->b = &nothing;
        self->s.closed = 1;
        stream_forget(&self->s);
    }
    return (PyObject *)self;
}

static int
file_traverse(FileObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->dict);
    Py_VISIT(self->buffer);
    return 0;
}

/* Keep the buffer: clearing a __dict__ breaks any cycle. */
static int
file_clear(FileObject *self)
{
    Py_CLEAR(self->dict);
    return 0;
}

static void
file_dealloc(FileObject *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    Py_CLEAR(self->dict);
    Py_CLEAR(self->buffer);
    object_free(self);
}

/* ---- the mode ---- */

/* One of r, w, a, x, then + and b in any order. */
static int
parse_mode(const char *mode, char *kind, bool *plus)
{
    bool binary = false;
    *kind = *mode;
    *plus = false;
    bool good = *mode && strchr("rwax", *mode);
    for (const char *c = mode + 1; good && *c; c++) {
        bool *seen = *c == '+' ? plus : &binary;
        good = strchr("+b", *c) && !*seen;
        *seen = true;
    }
    if (!good) {
        PyErr_Format(PyExc_ValueError,
                     "invalid mode '%.100s': one of r, w, a, x, then + and b", mode);
        return -1;
    }
    return 0;
}

/* How a file is opened, and why not. */
typedef struct {
    char kind;
    bool plus;
} open_mode;

typedef enum { OPENS, IS_FROZEN, IS_NOT_EMPTY, STANDS_ALREADY } open_outcome;

static int
raise_no_open(open_outcome why)
{
    switch (why) {
    case OPENS:
        return 0;
    case IS_FROZEN:
        PyErr_SetString(
            PyExc_TypeError,
            "a snapshot never changes, so it opens for reading only; clone() it");
        break;
    case IS_NOT_EMPTY:
        PyErr_SetString(PyExc_FileExistsError, "mode 'x' wants an empty buffer");
        break;
    case STANDS_ALREADY: /* a call further up the stack may use that one */
        PyErr_SetString(PyExc_ValueError, "the file stands on a buffer already");
    }
    return -1;
}

static open_outcome
may_open(const pb_buf *b, open_mode mode)
{
    if ((mode.kind != 'r' || mode.plus) && pb_buf_frozen(b)) {
        return IS_FROZEN;
    }
    return mode.kind == 'x' && b->root.size ? IS_NOT_EMPTY : OPENS;
}

/* All is well: the file is open on `b` from now on. */
static void
begin_lock_held(FileObject *self, pb_buf *b, open_mode mode)
{
    PyOS_snprintf(self->mode, sizeof self->mode, "%cb%s", mode.kind, mode.plus ? "+" : "");
    self->s.readable = mode.kind == 'r' || mode.plus;
    self->s.blocks = mode.kind == 'r' && !mode.plus;
    self->s.append = mode.kind == 'a';
    self->s.pos = mode.kind == 'a' ? b->root.size : 0;
    self->s.closed = 0;
    __atomic_store_n(&self->b, b, __ATOMIC_RELEASE);
}

/* Only the first call that may open the file does, and does to the buffer what the mode says.  Takes
 * the reference to the buffer if so. */
static open_outcome
open_lock_held(FileObject *self, Holder *buffer, open_mode mode, pb_status *st)
{
    open_outcome why = may_open(&buffer->b, mode);
    *st = PB_OK;
    if (why != OPENS) {
        return why;
    }
    if (!claim(self, buffer)) {
        return STANDS_ALREADY;
    }
    *st = mode.kind == 'w' ? pb_buf_truncate(&buffer->b, 0) : PB_OK;
    if (*st == PB_OK) {
        Py_INCREF(buffer);
        begin_lock_held(self, &buffer->b, mode);
    }
    else {
        __atomic_store_n(&self->buffer, NULL, __ATOMIC_RELEASE);
    }
    return OPENS;
}

static int
open_on(FileObject *self, Holder *buffer, const char *text)
{
    pb_buf *b = &buffer->b;
    open_mode mode;
    open_outcome why = is_claimed(self) ? STANDS_ALREADY : OPENS;
    if (raise_no_open(why) < 0 || parse_mode(text, &mode.kind, &mode.plus) < 0) {
        return -1;
    }
    pb_status st;
    do {
        buffer_lock(b);
        why = open_lock_held(self, buffer, mode, &st);
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, 0));
    return raise_no_open(why) < 0 || st != PB_OK ? -1 : 0;
}

static int
file_init(FileObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"buffer", "mode", NULL};
    PyObject *buffer = Py_None;
    const char *mode = "r+b";
    module_state *state = state_of((PyObject *)self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Os:PageFile", names, &buffer, &mode)) {
        return -1;
    }
    if (buffer == Py_None) {
        buffer = PyObject_CallNoArgs((PyObject *)state->buffer_type);
    }
    else if (PyObject_TypeCheck(buffer, state->buffer_type)) {
        Py_INCREF(buffer);
    }
    else {
        PyErr_Format(PyExc_TypeError, "buffer must be a PageBuffer or None, not %.200s",
                     Py_TYPE(buffer)->tp_name);
        return -1;
    }
    int result = buffer ? open_on(self, (Holder *)buffer, mode) : -1;
    Py_XDECREF(buffer);
    return result;
}

PyObject *
pagefile_open(Holder *buffer, const char *mode)
{
    PyTypeObject *type = state_of_buf(&buffer->b)->file_type;
    FileObject *file = (FileObject *)file_new(type, NULL, NULL);
    if (file && open_on(file, buffer, mode) < 0) {
        Py_CLEAR(file);
    }
    return (PyObject *)file;
}

PyDoc_STRVAR(close_doc,
             "close($self, /)\n--\n\n"
             "Close the file; the buffer and its other files go on.  O(1).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> buf = PageBuffer(b'abc')\n"
             ">>> buf.open().close()\n"
             ">>> buf.tobytes()\n"
             "b'abc'\n");

static PyObject *
file_close(FileObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_buf *b = tree_of(self);
    buffer_lock(b); /* waits for a copy without the GIL */
    FACE_STREAM(self, b)->closed = 1;
    buffer_unlock(b);
    Py_RETURN_NONE;
}

/* ---- the type ---- */

PyDoc_STRVAR(truncate_doc,
             "truncate($self, size=None, /)\n--\n\n"
             "Make the buffer ``size`` bytes long (None: up to the position); returns the\n"
             "size.\n\n"
             "Cutting gives pages back, growing leaves a hole.  The position stays.\n"
             "O(pages dropped).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> buf = PageBuffer(b'hello')\n"
             ">>> f = buf.open()\n"
             ">>> f.truncate(2), f.truncate(4), buf.tobytes()\n"
             "(2, 4, b'he\\x00\\x00')\n");

static PyMethodDef file_methods[] = {
    FACE_METHODS,
    METHOD("truncate", face_truncate, METH_FASTCALL, truncate_doc),
    METHOD("close", file_close, METH_NOARGS, close_doc),
    {NULL, NULL, 0, NULL},
};

static PyObject *
file_get_mode(FileObject *self, void *closure)
{
    return PyUnicode_FromString(tree_of(self) == &nothing ? "" : self->mode);
}

static PyObject *
file_get_buffer(FileObject *self, void *closure)
{
    pb_buf *b = tree_of(self);
    return Py_NewRef(b == &nothing ? Py_None : holder_of(b));
}

static PyGetSetDef file_getset[] = {
    FACE_CLOSED,
    {"mode", (getter)file_get_mode, NULL, "The mode it was opened in.", NULL},
    {"page_buffer", (getter)file_get_buffer, NULL,
     "The PageBuffer, also once it is closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef file_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(FileObject, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(FileObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(file_doc,
             "PageFile(buffer=None, mode='r+b')\n--\n\n"
             "A binary file over a PageBuffer: a position, and the calls of\n"
             "io.BufferedIOBase.\n\n"
             "Many files may stand on one buffer, each with its position; what one writes\n"
             "the others read.  Without a buffer it makes one.  Closing it leaves the\n"
             "buffer.  As in files, truncate also extends, and holes are found by seek\n"
             "with os.SEEK_DATA and os.SEEK_HOLE.  ``mode`` as in PageBuffer.open.\n\n"
             ">>> from pagebuf import PageBuffer, PageFile\n"
             ">>> buf = PageBuffer(b'one\\ntwo\\n')\n"
             ">>> with PageFile(buf) as f:\n"
             "...     f.readline(), f.write(b'TWO'), f.tell()\n"
             "(b'one\\n', 3, 7)\n"
             ">>> buf.tobytes()\n"
             "b'one\\nTWO\\n'\n");

static PyType_Slot file_slots[] = {
    {Py_tp_doc, (void *)file_doc},   {Py_tp_new, file_new},
    {Py_tp_init, file_init},         {Py_tp_traverse, file_traverse},
    {Py_tp_clear, file_clear},       {Py_tp_dealloc, file_dealloc},
    {Py_tp_iter, PyObject_SelfIter}, {Py_tp_iternext, face_next},
    {Py_tp_methods, file_methods},   {Py_tp_members, file_members},
    {Py_tp_getset, file_getset},     {0, NULL},
};

PyType_Spec file_spec = {
    .name = "pagebuf.PageFile",
    .basicsize = sizeof(FileObject),
    .flags = TYPE_FLAGS,
    .slots = file_slots,
};
