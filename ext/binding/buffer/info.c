/* buffer/info.c: indexing a PageBuffer, and looking into it. */
#include "base/common.h"
#include "inspect/usage.h"
#include "transfer/transfer.h"

/* ---- index and slice ---- */

PyObject *
buffer_item(BufferObject *self, Py_ssize_t i)
{
    uint8_t byte;
    buffer_lock(&self->b);
    bool inside = i >= 0 && (uint64_t)i < self->b.root.size;
    if (inside) {
        const uint8_t *at = pb_buf_peek(&self->b, (uint64_t)i, 1);
        byte = at ? *at : 0;
    }
    buffer_unlock(&self->b);
    if (!inside) {
        PyErr_SetString(PyExc_IndexError, "PageBuffer index out of range");
        return NULL;
    }
    if (pool_tell(pool_object(&self->b), true) < 0) {
        return NULL;
    }
    return PyLong_FromLong(byte);
}

/* Every step-th byte, one by one. */
static PyObject *
read_strided(BufferObject *self, Py_ssize_t start, Py_ssize_t step, Py_ssize_t n)
{
    PyObject *out = PyBytes_FromStringAndSize(NULL, n);
    if (out == NULL) {
        return NULL;
    }
    char *to = PyBytes_AS_STRING(out);
    buffer_lock(&self->b);
    for (Py_ssize_t i = 0; i < n; i++) {
        uint64_t off = (uint64_t)(start + i * step);
        const uint8_t *at = off < self->b.root.size ? pb_buf_peek(&self->b, off, 1) : NULL;
        to[i] = at ? (char)*at : 0;
    }
    buffer_unlock(&self->b);
    return unless_damaged(&self->b, out);
}

PyObject *
buffer_subscript(BufferObject *self, PyObject *key)
{
    Py_ssize_t start, stop, step;
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return buffer_item(self, i < 0 ? i + (Py_ssize_t)self->b.root.size : i);
    }
    if (!PySlice_Check(key)) {
        PyErr_Format(PyExc_TypeError,
                     "PageBuffer indices must be integers or slices, not %.200s",
                     Py_TYPE(key)->tp_name);
        return NULL;
    }
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return NULL;
    }
    Py_ssize_t n =
        PySlice_AdjustIndices((Py_ssize_t)self->b.root.size, &start, &stop, step);
    if (step == 1 || n <= 1) {
        return transfer_read(&self->b, (uint64_t)start, (uint64_t)n);
    }
    return read_strided(self, start, step, n);
}

/* ---- attributes ---- */

static PyObject *
get_nbytes(BufferObject *self, void *closure)
{
    return PyLong_FromUnsignedLongLong(self->b.root.size);
}

static PyObject *
get_levels(BufferObject *self, void *closure)
{
    return PyLong_FromLong((long)pb_buf_levels(&self->b));
}

static PyObject *
get_capacity(BufferObject *self, void *closure)
{
    return PyLong_FromUnsignedLongLong(pb_buf_capacity(&self->b));
}

static PyObject *
get_pool(BufferObject *self, void *closure)
{
    return Py_NewRef(pool_object(&self->b));
}

static PyObject *
get_frozen(BufferObject *self, void *closure)
{
    return PyBool_FromLong(self->b.root.frozen);
}

static PyObject *
get_name(BufferObject *self, void *closure)
{
    return name_get(buffer_name(self));
}

static int
set_name(BufferObject *self, PyObject *name, void *closure)
{
    trace_forget(&self->b);
    return buffer_set_name(self, name);
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
    {NULL, NULL, NULL, NULL, NULL},
};

PyObject *
buffer_repr(BufferObject *self)
{
    PyObject *name = name_in_repr(buffer_name(self));
    PyObject *repr = name ? PyUnicode_FromFormat("<%s%U size=%llu levels=%d at %p>",
                                                 Py_TYPE(self)->tp_name, name,
                                                 (unsigned long long)self->b.root.size,
                                                 (int)pb_buf_levels(&self->b), self)
                          : NULL;
    Py_XDECREF(name);
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

PyObject *
buffer_extents(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    uint64_t off = 0, start, end;
    PyObject *list = PyList_New(0);
    while (list) {
        buffer_lock(&self->b);
        bool found = pb_buf_next_data(&self->b, off, &start, &end);
        buffer_unlock(&self->b);
        if (!found) {
            break;
        }
        PyObject *pair = Py_BuildValue("KK", (unsigned long long)start,
                                       (unsigned long long)(end - start));
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(pair);
        off = end;
    }
    return list;
}

/* ---- stats ---- */

const char buffer_stats_doc[] =
    "stats($self, /)\n--\n\n"
    "How the buffer stands: a BufferStats.  O(pages), of the whole pool where pages are\n"
    "shared.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(bytes(1000)).stats().pages\n"
    "1\n";

/* What the tree has of its pool.  Unshared trees need no usage. */
static int
share_of(const pb_buf *b, const pb_tree_stats *use, pb_share *share)
{
    pb_usage usage;
    uint64_t frames = use->pages + use->nodes;
    *share = (pb_share){frames, use->nodes, frames, frames << PB_PAGE_SHIFT};
    if (pb_buf_is_inline(b) || !b->root.shared) {
        return 0;
    }
    uint32_t *scratch = PyMem_Calloc(pb_usage_words(b->pool), sizeof *scratch);
    if (scratch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    pb_usage_begin(&usage, b->pool->root, scratch);
    pb_usage_of(&usage, b, share);
    PyMem_Free(scratch);
    return 0;
}

PyObject *
buffer_stats(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_tree_stats use;
    pb_share share;
    buffer_lock(&self->b);
    pb_buf_stats(&self->b, &use);
    int failed = share_of(&self->b, &use, &share);
    const long long values[] = {
        (long long)self->b.root.size,
        (long long)use.pages,
        (long long)use.nodes,
        (long long)use.holes,
        (long long)use.shared,
        (long long)pb_buf_levels(&self->b),
        (long long)pb_buf_bias(&self->b),
        (long long)((use.pages + use.nodes) << PB_PAGE_SHIFT),
        (long long)(share.uss << PB_PAGE_SHIFT),
        (long long)share.pss,
        (long long)use.pinned,
    };
    buffer_unlock(&self->b);
    return failed ? NULL
                  : struct_of(state_of((PyObject *)self)->buffer_stats_type, values,
                              Py_ARRAY_LENGTH(values));
}

/* ---- the page walk ---- */

const char buffer_walk_doc[] =
    "walk($self, offset, /)\n--\n\n"
    "The page walk: the entry, frame and address at each level on the way to\n"
    "``offset``, or where it stops and why.  A Walk.  O(levels).\n\n"
    ">>> from pagebuf import PageBuffer, PAGE_SIZE\n"
    ">>> buf = PageBuffer()\n"
    ">>> buf.write(PAGE_SIZE, b'x')\n"
    "1\n"
    ">>> buf.walk(PAGE_SIZE).stop, buf.walk(0).stop, buf.walk(10 * PAGE_SIZE).stop\n"
    "('page', 'hole', 'past the end')\n";

static PyObject *
step_object(module_state *state, const pb_step *step)
{
    PyObject *tuple = PyStructSequence_New(state->walk_step_type);
    if (tuple == NULL) {
        return NULL;
    }
    const unsigned long long values[] = {step->level, step->index, step->entry, step->frame,
                                         step->address};
    for (Py_ssize_t i = 0; i < (Py_ssize_t)Py_ARRAY_LENGTH(values); i++) {
        PyObject *value = PyLong_FromUnsignedLongLong(values[i]);
        if (value == NULL) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyStructSequence_SetItem(tuple, i, value);
    }
    return tuple;
}

static PyObject *
steps_object(module_state *state, const pb_step *steps, unsigned n)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    for (unsigned i = 0; tuple && i < n; i++) {
        PyObject *step = step_object(state, &steps[i]);
        if (step == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, step);
    }
    return tuple;
}

static PyObject *
walk_object(module_state *state, uint64_t off, const char *stop, const pb_step *steps,
            unsigned n)
{
    PyObject *fields[] = {
        PyLong_FromUnsignedLongLong(off),
        PyBool_FromLong(n && steps[n - 1].frame),
        PyUnicode_FromString(stop),
        steps_object(state, steps, n),
    };
    PyObject *walk = PyStructSequence_New(state->walk_type);
    for (Py_ssize_t i = 0; i < (Py_ssize_t)Py_ARRAY_LENGTH(fields); i++) {
        if (walk && fields[i]) {
            PyStructSequence_SetItem(walk, i, fields[i]);
            continue;
        }
        Py_CLEAR(walk);
        Py_XDECREF(fields[i]);
    }
    return walk;
}

PyObject *
buffer_walk(BufferObject *self, PyObject *arg)
{
    pb_step steps[PB_MAX_LEVELS + 1];
    unsigned n = 0;
    uint64_t off;
    if (arg_offset(arg, "offset", &off) < 0) {
        return NULL;
    }
    buffer_lock(&self->b);
    bool tiny = pb_buf_is_inline(&self->b);
    bool inside = off < self->b.root.size;
    if (inside && !tiny) {
        n = pb_tree_walk(self->b.pool, &self->b.root,
                         (self->b.root.bias + off) >> PB_PAGE_SHIFT, steps);
    }
    buffer_unlock(&self->b);
    const char *stop = !inside              ? "past the end"
                       : tiny               ? "inline"
                       : steps[n - 1].frame ? "page"
                                            : "hole";
    return walk_object(state_of((PyObject *)self), off, stop, steps, n);
}

/* ---- check ---- */

const char buffer_check_doc[] =
    "check($self, /)\n--\n\n"
    "Verify the structure; CorruptionError names the first broken rule.  O(pages).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(b'abc').check()\n";

PyObject *
buffer_check(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_fault fault;
    buffer_lock(&self->b);
    bool good = pb_buf_check(&self->b, &fault);
    buffer_unlock(&self->b);
    if (!good) {
        raise_fault(pool_object(&self->b), &fault);
        return NULL;
    }
    Py_RETURN_NONE;
}
