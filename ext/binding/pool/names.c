/* pool/names.c: what buffers and queues are called in reports. */
#include "file/bytesio.h"
#include "queue/object.h"

int
name_check(PyObject *name)
{
    if (name == NULL || name == Py_None) {
        return 0;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "name must be a str or None, not %.200s",
                     Py_TYPE(name)->tp_name);
        return -1;
    }
    /* reports are made where nothing may fail: they find the text made */
    return PyUnicode_AsUTF8(name) ? 0 : -1;
}

int
name_set(PyObject **at, PyObject *name)
{
    if (name_check(name) < 0) {
        return -1;
    }
    PyObject *old = *at;
    *at = name == Py_None ? NULL : Py_XNewRef(name);
    Py_XDECREF(old);
    return 0;
}

PyObject *
name_get(PyObject *name)
{
    return Py_NewRef(name ? name : Py_None);
}

/* ---- of buffers ---- */

typedef struct {
    pb_interval place; /* of the object */
    PyObject *name;
} named;

static named *
find_named(const module_state *state, const BufferObject *self)
{
    const pb_intervals *names = &state->names;
    const pb_interval *x = names->count ? pb_intervals_touching(names, self, 1) : NULL;
    return x ? (named *)((char *)(uintptr_t)x - offsetof(named, place)) : NULL;
}

PyObject *
buffer_name(const BufferObject *self)
{
    const named *found = find_named(state_of_buf(&self->b), self);
    return found ? found->name : NULL;
}

void
buffer_drop_name(BufferObject *self, module_state *state)
{
    named *found = find_named(state, self);
    if (found) {
        pb_intervals_remove(&state->names, &found->place);
        Py_DECREF(found->name);
        PyMem_Free(found);
    }
}

int
buffer_set_name(BufferObject *self, PyObject *name)
{
    module_state *state = state_of_buf(&self->b);
    if (name_check(name) < 0) {
        return -1;
    }
    named *found = find_named(state, self);
    if (name == NULL || name == Py_None) {
        buffer_drop_name(self, state);
        return 0;
    }
    if (found == NULL) {
        found = PyMem_Calloc(1, sizeof *found);
        if (found == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        pb_intervals_add(&state->names, &found->place, self, 1);
    }
    return name_set(&found->name, name);
}

void
buffer_move_name(BufferObject *self, BufferObject *from)
{
    module_state *state = state_of_buf(&self->b);
    buffer_drop_name(self, state);
    named *found = find_named(state, from);
    if (found) {
        pb_intervals_remove(&state->names, &found->place);
        pb_intervals_add(&state->names, &found->place, self, 1);
    }
}

/* ---- in reports ---- */

PyObject *
name_in_repr(PyObject *name)
{
    return name ? PyUnicode_FromFormat(" %R", name) : PyUnicode_FromString("");
}

PyObject *
name_of_holder(module_state *state, PyObject *obj)
{
    if (PyObject_TypeCheck(obj, state->buffer_type)) {
        return buffer_name((BufferObject *)obj);
    }
    if (PyObject_TypeCheck(obj, state->queue_type)) {
        return ((QueueObject *)obj)->name;
    }
    if (!PyObject_TypeCheck(obj, state->bytesio_type)) {
        return NULL; /* the interpreter is ending, and the types are gone */
    }
    PyObject *dict = ((BytesIOObject *)obj)->dict; /* a file has attributes of its own */
    PyObject *name = dict ? PyDict_GetItem(dict, state->str_name) : NULL;
    return name && PyUnicode_CheckExact(name) && PyUnicode_IS_COMPACT_ASCII(name) ? name
                                                                                  : NULL;
}
