/* transfer/holder.c: slots and methods of every object with a tree. */
#include "transfer/holder.h"

#include "lock/pins.h"
#include "lock/retired.h"

#include "base/structs.h"
#include "buffer/share.h"
#include "inspect/check.h"
#include "inspect/layout.h"
#include "inspect/usage.h"
#include "pool/report.h"
#include "pool/trace.h"

/* ---- life ---- */

int
tree_traverse(const pb_buf *b, visitproc visit, void *arg)
{
    if (b->pool) {
        Py_VISIT(pool_object(b));
    }
#ifdef Py_GIL_DISABLED
    if (b->pool) {
        return traverse_retired(b, visit, arg);
    }
#endif
    return 0;
}

int
holder_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return tree_traverse(&((Holder *)self)->b, visit, arg);
}

void
holder_fini(pb_buf *b)
{
    pins_fini(b);
    trace_forget(b);
}

/* A tree that is listed ends under its lock: somebody may look at the pool. */
void
holder_end(pb_buf *b)
{
#ifdef Py_GIL_DISABLED
    bool listed = !pb_buf_is_inline(b);
    module_state *state = state_of_buf(b);
    if (listed) {
        buffer_lock(b);
    }
    holder_fini(b);
    if (listed) {
        buffer_unlock(b);
    }
    drop_retired(b, state);
#else
    holder_fini(b);
#endif
}

void
holder_release(pb_buf *b)
{
    if (b->pool) {
        PoolObject *pool = pool_object(b);
        holder_end(b);
        pool_report_unraisable(pool);
        Py_DECREF(pool);
    }
}

/* ---- stats ---- */

/* What a tree is, and holds of its pool. */
typedef struct {
    bytes_beside *beside; /* NULL: all bytes lie in the tree */
    uint64_t size, bias, lent;
    unsigned levels;
    pb_tree_stats use;
    pb_share share;
} standing;

/* The buffer is locked, or its pool at rest. */
static void
look_at(const pb_buf *b, standing *s)
{
    pb_buf_stats(b, &s->use);
    uint64_t frames = s->use.pages + s->use.nodes;
    s->share = (pb_share){frames, s->use.nodes, frames, frames << PB_PAGE_SHIFT};
    s->lent = pb_buf_is_lent(b) ? pb_buf_lender(b)->size : 0;
    s->size = b->root.size + s->lent; /* one of them is 0 */
    if (s->beside) {
        s->size += s->beside(b, &s->lent);
    }
    s->levels = pb_buf_levels(b);
    s->bias = pb_buf_bias(b);
}

static bool
is_shared(const pb_buf *b)
{
    return !pb_buf_is_inline(b) && b->root.shared;
}

/* How it shares takes a look at all trees.  *words of scratch memory become what that takes; true:
 * there was as much. */
static bool
look_at_rest(const pb_buf *b, PoolObject *pool, uint32_t *scratch, size_t *words,
             standing *s)
{
    pb_usage usage;
    rest_begin(pool);
    size_t needed = pb_usage_words(&pool->pool);
    bool same = pool_object(b) == pool;
    bool done = scratch && needed <= *words && same && is_shared(b);
    if (done) {
        look_at(b, s);
        pb_usage_begin(&usage, pool->pool.root, scratch);
        pb_usage_of(&usage, b, &s->share);
    }
    *words = needed;
    rest_end(pool);
    return done;
}

/* One attempt: 1 done, 0 it has changed meanwhile, -1 with an exception. */
static int
look_once(pb_buf *b, standing *s)
{
    buffer_lock(b);
    bool shared = is_shared(b);
    look_at(b, s);
    PoolObject *pool = (PoolObject *)Py_NewRef(pool_object(b));
    buffer_unlock(b);
    size_t words = 0;
    bool done = !shared || look_at_rest(b, pool, NULL, &words, s);
    uint32_t *scratch = done ? NULL : PyMem_Calloc(words, sizeof *scratch);
    int result = 1;
    if (!done) {
        result = scratch ? look_at_rest(b, pool, scratch, &words, s) : -1;
    }
    PyMem_Free(scratch);
    Py_DECREF(pool);
    return result;
}

PyObject *
tree_stats(pb_buf *b)
{
    return tree_stats_with(b, NULL);
}

PyObject *
tree_stats_with(pb_buf *b, bytes_beside *beside)
{
    standing s = {.beside = beside};
    int result;
    do {
        result = look_once(b, &s);
    } while (result == 0);
    if (result < 0) {
        return PyErr_NoMemory();
    }
    const long long values[] = {
        (long long)s.size,
        (long long)s.use.pages,
        (long long)s.use.nodes,
        (long long)s.use.holes,
        (long long)s.use.shared,
        (long long)s.levels,
        (long long)s.bias,
        (long long)((s.use.pages + s.use.nodes) << PB_PAGE_SHIFT),
        (long long)(s.share.uss << PB_PAGE_SHIFT),
        (long long)s.share.pss,
        (long long)s.use.pinned,
        (long long)s.use.runs,
        (long long)s.lent,
        (long long)s.use.mapped,
    };
    return struct_of_numbers(state_of_buf(b)->buffer_stats_type, values,
                             Py_ARRAY_LENGTH(values));
}

PyObject *
holder_stats(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return tree_stats(&((Holder *)self)->b);
}

PyObject *
tree_sizeof(PyObject *self, pb_buf *b)
{
    pb_tree_stats use;
    buffer_lock(b);
    pb_buf_stats(b, &use);
    buffer_unlock(b);
    return PyLong_FromUnsignedLongLong((uint64_t)Py_TYPE(self)->tp_basicsize +
                                       ((use.pages + use.nodes) << PB_PAGE_SHIFT));
}

PyObject *
holder_sizeof(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return tree_sizeof(self, &((Holder *)self)->b);
}

/* ---- the tree as runs of entries ---- */

const char holder_tree_runs_doc[] = PyDoc_STR(
    "_tree_runs($self, /)\n--\n\n"
    "The entries of the tree as a list of (level, first page, past page, state): one\n"
    "row for neighbours in the same state, level by level, level 1 being the root.\n\n"
    "Pages are counted from the one that holds offset 0, and an entry is cut at the\n"
    "ends of the buffer.  Gaps are holes.  Without a page, as in a tiny buffer, the\n"
    "list is empty.  O(pages).");

typedef struct {
    pb_layout_run *at;
    size_t n, room;
} run_array;

static int
run_append(run_array *runs, const pb_layout_run *run)
{
    pb_layout_run *at = array_with_room(runs->at, runs->n, &runs->room, sizeof *at);
    if (at == NULL) {
        return -1;
    }
    runs->at = at;
    at[runs->n++] = *run;
    return 0;
}

/* Collect all runs without making an object: that could run Python code under the lock. */
static int
runs_lock_held(const pb_buf *b, run_array *runs)
{
    pb_layout layout;
    pb_layout_run run;
    pb_layout_open(&layout, b);
    while (pb_layout_next(&layout, &run)) {
        if (run_append(runs, &run) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
run_list(const run_array *runs)
{
    PyObject *list = PyList_New((Py_ssize_t)runs->n);
    for (size_t i = 0; list && i < runs->n; i++) {
        const pb_layout_run *run = &runs->at[i];
        PyObject *row = Py_BuildValue("IKKi", run->level, (unsigned long long)run->first,
                                      (unsigned long long)run->past, (int)run->state);
        if (row == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, row);
    }
    return list;
}

PyObject *
tree_runs(pb_buf *b)
{
    run_array runs = {0};
    buffer_lock(b);
    int result = runs_lock_held(b, &runs);
    buffer_unlock(b);
    PyObject *list = result < 0 ? PyErr_NoMemory() : run_list(&runs);
    PyMem_Free(runs.at);
    return list;
}

PyObject *
holder_tree_runs(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return tree_runs(&((Holder *)self)->b);
}

/* ---- check ---- */

/* Other trees take and free frames whose bits lie in the words that this looks at. */
bool
tree_check_lock_held(const pb_buf *b, pb_fault *fault)
{
    pb_lock *frames = &b->pool->root->lock;
    pb_lock_take(frames);
    bool good = pb_buf_check(b, fault);
    pb_lock_drop(frames);
    return good;
}

PyObject *
tree_check(pb_buf *b)
{
    pb_fault fault;
    buffer_lock(b);
    bool good = tree_check_lock_held(b, &fault);
    PyObject *owner = good || fault.owner == NULL ? NULL : Py_NewRef(holder_of(b));
    buffer_unlock(b);
    if (!good) {
        raise_fault(pool_object(b), &fault, owner);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
holder_check(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return tree_check(&((Holder *)self)->b);
}
