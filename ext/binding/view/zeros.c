/* view/zeros.c: the memory that stands for every hole in lists of views. */
#include "view/zeros.h"

/* pagebuf.pool maps all memory, this too.  It is made when the first hole is shown. */
static PyObject *
made(void)
{
    PyObject *module = PyImport_ImportModule("pagebuf.pool");
    PyObject *view = module ? PyObject_CallMethod(module, "zeros", NULL) : NULL;
    Py_XDECREF(module);
    if (view && !PyMemoryView_Check(view)) {
        PyErr_Format(PyExc_TypeError, "zeros() made a %.200s, no memoryview",
                     Py_TYPE(view)->tp_name);
        Py_CLEAR(view);
    }
    return view;
}

int
zeros_get(module_state *state, zero_run *zeros)
{
    PyObject *view = state_seen(&state->zeros);
    if (view == NULL) {
        PyObject *fresh = made();
        if (fresh == NULL) {
            return -1;
        }
        view = state_once(&state->zeros, fresh);
    }
    const Py_buffer *memory = PyMemoryView_GET_BUFFER(view);
    *zeros = (zero_run){Py_NewRef(view), memory->buf, (uint64_t)memory->len};
    return 0;
}
