/* transfer/holder.c: slots and methods of every object with a tree. */
#include "transfer/holder.h"

#include "base/structs.h"
#include "buffer/share.h"
#include "inspect/check.h"
#include "inspect/layout.h"
#include "inspect/usage.h"
#include "pool/report.h"
#include "pool/trace.h"

/* ---- life ---- */

int
holder_traverse(PyObject *self, visitproc visit, void *arg)
{
    const pb_buf *b = &((Holder *)self)->b;
    Py_VISIT(Py_TYPE(self));
    if (b->pool) {
        Py_VISIT(pool_object(b));
    }
    return 0;
}

void
holder_fini(pb_buf *b)
{
    pb_pin_list *pins = pb_buf_is_inline(b) ? NULL : b->pins;
    pb_buf_fini(b);
    trace_forget(b);
    PyMem_Free(pins);
}

void
holder_release(pb_buf *b)
{
    if (b->pool) {
        PoolObject *pool = pool_object(b);
        holder_fini(b);
        pool_report_unraisable(pool);
        Py_DECREF(pool);
    }
}

/* ---- stats ---- */

/* What the tree holds of its pool.  If it shares nothing, that is all its frames. */
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
holder_stats(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_buf *b = &((Holder *)self)->b;
    pb_tree_stats use;
    pb_share share;
    buffer_lock(b);
    pb_buf_stats(b, &use);
    int failed = share_of(b, &use, &share);
    const long long values[] = {
        (long long)b->root.size,
        (long long)use.pages,
        (long long)use.nodes,
        (long long)use.holes,
        (long long)use.shared,
        (long long)pb_buf_levels(b),
        (long long)pb_buf_bias(b),
        (long long)((use.pages + use.nodes) << PB_PAGE_SHIFT),
        (long long)(share.uss << PB_PAGE_SHIFT),
        (long long)share.pss,
        (long long)use.pinned,
    };
    buffer_unlock(b);
    return failed ? NULL
                  : struct_of_numbers(state_of(self)->buffer_stats_type, values,
                                      Py_ARRAY_LENGTH(values));
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
    if (runs->n == runs->room) {
        size_t room = runs->room ? 2 * runs->room : 64;
        pb_layout_run *at = PyMem_Realloc(runs->at, room * sizeof *at);
        if (at == NULL) {
            return -1;
        }
        runs->at = at;
        runs->room = room;
    }
    runs->at[runs->n++] = *run;
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
holder_tree_runs(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_buf *b = &((Holder *)self)->b;
    run_array runs = {0};
    buffer_lock(b);
    int result = runs_lock_held(b, &runs);
    buffer_unlock(b);
    PyObject *list = result < 0 ? PyErr_NoMemory() : run_list(&runs);
    PyMem_Free(runs.at);
    return list;
}

/* ---- check ---- */

PyObject *
holder_check(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_buf *b = &((Holder *)self)->b;
    pb_fault fault;
    buffer_lock(b);
    bool good = pb_buf_check(b, &fault);
    buffer_unlock(b);
    if (!good) {
        raise_fault(pool_object(b), &fault);
        return NULL;
    }
    Py_RETURN_NONE;
}
