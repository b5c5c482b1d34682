/* module/names.c: the name of any object with a tree, for reports. */
#include "module/module.h"

#include "buffer/object.h"
#include "file/bytesio.h"
#include "queue/object.h"

PyObject *
name_of_holder(module_state *state, PyObject *obj)
{
    if (PyObject_TypeCheck(obj, state->buffer_type)) {
        return buffer_name((BufferObject *)obj);
    }
    if (PyObject_TypeCheck(obj, state->queue_type)) {
        return queue_name((QueueObject *)obj);
    }
    if (!PyObject_TypeCheck(obj, state->bytesio_type)) {
        return NULL; /* the interpreter ends, and has cleared the types */
    }
    PyObject *dict = *bytesio_dict(obj); /* its name is an ordinary attribute */
    PyObject *name = dict ? PyDict_GetItem(dict, state->str_name) : NULL;
    bool plain = name && PyUnicode_CheckExact(name) && PyUnicode_IS_COMPACT_ASCII(name);
    return plain ? Py_NewRef(name) : NULL;
}

uint64_t
bytes_beside_tree(module_state *state, PyObject *obj, uint64_t *kept)
{
    *kept = 0;
    return PyObject_TypeCheck(obj, state->queue_type)
               ? queue_bytes_beside(&((QueueObject *)obj)->q.b, kept)
               : 0;
}
