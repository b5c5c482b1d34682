/* pool/layout.c: the states of frames and entries as Python objects; pagebuf.picture draws them. */
#include "pool/layout.h"
#include "lock/lock.h"
#include "inspect/layout.h"

/* ---- constants ---- */

static PyObject *
state_names(void)
{
    PyObject *names = PyTuple_New(PB_STATES);
    for (int i = 0; names && i < PB_STATES; i++) {
        PyObject *name = PyUnicode_FromString(pb_state_name((pb_state)i));
        if (name == NULL) {
            Py_CLEAR(names);
            break;
        }
        PyTuple_SET_ITEM(names, i, name);
    }
    return names;
}

static PyObject *
build_flags(void)
{
    int assertions = 1;
#ifdef NDEBUG
    assertions = 0;
#endif
    return Py_BuildValue("{sNsN}", "assertions", PyBool_FromLong(assertions), "locks",
                         PyBool_FromLong(PB_LOCKS));
}

static int
add_object(PyObject *module, const char *name, PyObject *value)
{
    int result = value ? PyModule_AddObjectRef(module, name, value) : -1;
    Py_XDECREF(value);
    return result;
}

int
layout_add(PyObject *module)
{
    return add_object(module, "_FRAME_STATES", state_names()) < 0
               ? -1
               : add_object(module, "_BUILD_FLAGS", build_flags());
}

/* ---- frames ---- */

const char pool_frame_states_doc[] = PyDoc_STR(
    "_frame_states($self, /)\n--\n\n"
    "For each region (number of the first frame, one byte per frame: its state, an\n"
    "index into _FRAME_STATES).  O(frames).");

static PyObject *
region_list(const pb_pool *pool, const uint8_t *state, size_t n)
{
    pb_frame first;
    uint32_t count;
    PyObject *list = PyList_New(0);
    for (size_t at = 0; list && pb_layout_region(pool, at, &first, &count);
         at = (size_t)first + count) {
        if ((size_t)first + count > n) {
            break; /* a region that came in meanwhile */
        }
        PyObject *row =
            Py_BuildValue("ky#", (unsigned long)first, state + first, (Py_ssize_t)count);
        if (row == NULL || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

PyObject *
pool_frame_states(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    size_t n = pb_layout_frames(&self->pool);
    uint8_t *state = PyMem_Malloc(n ? n : 1);
    if (state == NULL) {
        return PyErr_NoMemory();
    }
    pb_layout_pool(&self->pool, state, n);
    PyObject *list = region_list(&self->pool, state, n);
    PyMem_Free(state);
    return list;
}

/* ---- entries ---- */

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

/* All runs of one moment.  Makes no object, so that no Python code runs. */
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

/* ---- in Python ---- */

const char buffer_repr_svg_doc[] = PyDoc_STR(
    "_repr_svg_($self, /)\n--\n\n"
    "The picture of the tree that notebooks show, or None without matplotlib.\n\n"
    "As pagebuf.picture.tree_figure().  O(pages).");

PyObject *
buffer_repr_svg(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *extras = PyImport_ImportModule("pagebuf._extras");
    PyObject *svg = extras ? PyObject_CallMethod(extras, "repr_svg", "O", self) : NULL;
    Py_XDECREF(extras);
    return svg;
}
