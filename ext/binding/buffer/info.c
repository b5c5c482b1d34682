/* buffer/info.c: attributes and repr of a PageBuffer, and its extents. */
#include "buffer/object.h"

#include "base/names.h"
#include "pool/trace.h"

/* ---- attributes ---- */

static PyObject *
get_nbytes(BufferObject *self, void *closure)
{
    return PyLong_FromUnsignedLongLong(transfer_size_now(&self->b));
}

static PyObject *
get_levels(BufferObject *self, void *closure)
{
    buffer_lock(&self->b);
    long levels = (long)pb_buf_levels(&self->b);
    buffer_unlock(&self->b);
    return PyLong_FromLong(levels);
}

static PyObject *
get_capacity(BufferObject *self, void *closure)
{
    buffer_lock_to_look(&self->b);
    uint64_t capacity = pb_buf_capacity(&self->b);
    buffer_unlock_after_look(&self->b);
    return PyLong_FromUnsignedLongLong(capacity);
}

static PyObject *
get_pool(BufferObject *self, void *closure)
{
    return Py_NewRef(pool_object(&self->b));
}

static PyObject *
get_frozen(BufferObject *self, void *closure)
{
    return PyBool_FromLong(pb_buf_frozen(&self->b));
}

static PyObject *
get_name(BufferObject *self, void *closure)
{
    return name_or_none(buffer_name(self));
}

static int
set_name(BufferObject *self, PyObject *name, void *closure)
{
    trace_forget(&self->b);
    return buffer_set_name(self, name);
}

static PyObject *
get_source(BufferObject *self, void *closure)
{
    PyObject *source = buffer_source(self);
    return source ? source : Py_NewRef(Py_None);
}

PyGetSetDef buffer_getset[] = {
    {"nbytes", (getter)get_nbytes, NULL, "Its length in bytes, as len().", NULL},
    {"levels", (getter)get_levels, NULL, "Height of the tree, 1 for up to four pages.",
     NULL},
    {"capacity", (getter)get_capacity, NULL, "The most bytes it may ever hold.", NULL},
    {"pool", (getter)get_pool, NULL, "The PagePool its pages come from.", NULL},
    {"frozen", (getter)get_frozen, NULL, "Whether it is a snapshot, which never changes.",
     NULL},
    {"name", (getter)get_name, (setter)set_name,
     "What it is called in reports: a str or None.  Snapshots and clones inherit it.",
     NULL},
    {"source", (getter)get_source, NULL,
     "What it maps, a frozen PageBuffer; None without.  Snapshots and clones inherit it.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyObject *
buffer_repr(BufferObject *self)
{
    buffer_lock(&self->b);
    uint64_t size = self->b.root.size;
    int levels = (int)pb_buf_levels(&self->b);
    buffer_unlock(&self->b);
    const char *kind = pb_buf_frozen(&self->b) ? " snapshot" : "";
    PyObject *name = name_in_repr(buffer_name(self)), *text = size_in_repr(size);
    PyObject *repr = name && text ? PyUnicode_FromFormat("<%s%U%s size=%U levels=%d at %p>",
                                                         Py_TYPE(self)->tp_name, name, kind,
                                                         text, levels, self)
                                  : NULL;
    Py_XDECREF(name);
    Py_XDECREF(text);
    return repr;
}

/* ---- extents ---- */

const char buffer_extents_doc[] =
    "extents($self, /)\n--\n\n"
    "The ranges that have pages behind them, a list of (offset, size).\n\n"
    "What lies between them are holes.  O(pages).\n\n"
    ">>> from pagebuf import PageBuffer, PAGE_SIZE\n"
    ">>> buf = PageBuffer()\n"
    ">>> buf.write(10 * PAGE_SIZE, b'abc')\n"
    "3\n"
    ">>> buf.extents() == [(10 * PAGE_SIZE, 3)]\n"
    "True\n";

typedef struct {
    uint64_t off, n;
} extent;

typedef struct {
    extent *at;
    size_t n, room;
} extent_array;

static int
extent_append(extent_array *all, extent one)
{
    extent *at = array_with_room(all->at, all->n, &all->room, sizeof *at);
    if (at == NULL) {
        return -1;
    }
    all->at = at;
    at[all->n++] = one;
    return 0;
}

/* All of one moment.  No object is made meanwhile: that could run Python code under the lock. */
static int
extents_lock_held(const pb_buf *b, extent_array *all)
{
    uint64_t end = 0;
    for (uint64_t start; pb_buf_next_data(b, end, &start, &end);) {
        if (extent_append(all, (extent){start, end - start}) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
extent_list(const extent_array *all)
{
    PyObject *list = PyList_New((Py_ssize_t)all->n);
    for (size_t i = 0; list && i < all->n; i++) {
        PyObject *pair = Py_BuildValue("KK", (unsigned long long)all->at[i].off,
                                       (unsigned long long)all->at[i].n);
        if (pair == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

PyObject *
buffer_extents(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    extent_array all = {0};
    buffer_lock(&self->b);
    int result = extents_lock_held(&self->b, &all);
    buffer_unlock(&self->b);
    PyObject *list = result < 0 ? PyErr_NoMemory() : extent_list(&all);
    PyMem_Free(all.at);
    return list;
}

/* ---- pages that come and go ---- */

typedef struct {
    uint64_t off, n;
    PyObject *fetcher; /* a reference; NULL: none is needed */
    uint64_t start;    /* in his source */
    bool here;
} fetched_run;

/* The run that [off, end) begins with, of a buffer that is locked.  It ends with its leaf. */
static fetched_run
run_at(const pb_buf *b, uint64_t off, uint64_t end)
{
    uint64_t pos = b->root.bias + off, page = pos >> PB_PAGE_SHIFT;
    uint64_t past = ((b->root.bias + end - 1) >> PB_PAGE_SHIFT) + 1;
    if (pb_buf_is_inline(b)) {
        return (fetched_run){off, end - off, NULL, 0, true};
    }
    pb_extent x = pb_tree_extent(b->pool, &b->root, page, past);
    uint64_t stop = pb_min(end + b->root.bias, (page + x.pages) << PB_PAGE_SHIFT);
    fetched_run run = {off, stop - pos, NULL, 0, x.kind != PB_EXTENT_ABSENT};
    if (pb_frame_is_fetched(b->pool, x.frame)) {
        pool_zone *z = (pool_zone *)pb_zone_of(b->pool, x.frame);
        run.fetcher = Py_NewRef(z->fetcher);
        run.start =
            ((uint64_t)(x.frame - z->zone.first) << PB_PAGE_SHIFT) + (pos & PB_PAGE_MASK);
    }
    return run;
}

/* Runs of a piece of the buffer: so many at a time are found under the lock. */
#define RUNS_AT_ONCE 64

static unsigned
find_runs(pb_buf *b, uint64_t *off, uint64_t end, fetched_run *runs)
{
    unsigned n = 0;
    buffer_lock(b);
    end = pb_min(end, b->root.size);
    while (n < RUNS_AT_ONCE && *off < end) {
        runs[n] = run_at(b, *off, end);
        *off += runs[n++].n;
    }
    buffer_unlock(b);
    return n;
}

static int
list_runs(PyObject *list, const fetched_run *runs, unsigned n)
{
    int result = 0;
    for (unsigned i = 0; i < n; i++) {
        const fetched_run *r = &runs[i];
        PyObject *item =
            Py_BuildValue("(KKOKN)", (unsigned long long)r->off, (unsigned long long)r->n,
                          r->fetcher ? r->fetcher : Py_None, (unsigned long long)r->start,
                          PyBool_FromLong(r->here));
        result = result == 0 && item ? PyList_Append(list, item) : -1;
        Py_XDECREF(item);
        Py_XDECREF(r->fetcher);
    }
    return result;
}

const char buffer_fetched_runs_doc[] =
    "_fetched_runs($self, offset, end, /)\n--\n\n"
    "A list of (offset, size, fetcher, start, here): who brings the pages there, None for those\n"
    "that never leave memory, and where in his source they begin.";

PyObject *
buffer_fetched_runs(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t off, end;
    fetched_run runs[RUNS_AT_ONCE];
    if (check_nargs("_fetched_runs", nargs, 2, 2) < 0 ||
        arg_offset(args[0], "offset", &off) < 0 || arg_offset(args[1], "end", &end) < 0) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    unsigned n = list ? RUNS_AT_ONCE : 0;
    while (n == RUNS_AT_ONCE) {
        n = find_runs(&self->b, &off, end, runs);
        if (list_runs(list, runs, n) < 0) {
            Py_CLEAR(list);
            break;
        }
    }
    return list;
}
