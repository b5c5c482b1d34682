/* pool/layout.c: the states of frames as Python objects; pagebuf.picture draws them. */
#include "pool/object.h"

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

int
layout_add(PyObject *module)
{
    PyObject *names = state_names();
    int result = names ? PyModule_AddObjectRef(module, "_FRAME_STATES", names) : -1;
    Py_XDECREF(names);
    return result;
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
            break; /* another thread has added this region meanwhile */
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
    pb_lock_take(&self->pool.root->lock);
    size_t n = pb_layout_frames(&self->pool);
    pb_lock_drop(&self->pool.root->lock);
    uint8_t *state = PyMem_Malloc(n ? n : 1);
    if (state == NULL) {
        return PyErr_NoMemory();
    }
    rest_begin(self);
    pb_layout_pool(&self->pool, state, n);
    rest_end(self);
    PyObject *list = region_list(&self->pool, state, n);
    PyMem_Free(state);
    return list;
}
