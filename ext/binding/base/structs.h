/* base/structs.h: the named tuples that statistics come in. */
#ifndef PAGEBUF_BASE_STRUCTS_H
#define PAGEBUF_BASE_STRUCTS_H

#include "base/common.h"

/* Add their types to the module. */
int
structs_add(PyObject *module);

/* A tuple of 64-bit numbers: a new reference, or NULL with an exception. */
PyObject *
struct_of_numbers(PyTypeObject *type, const long long *values, Py_ssize_t n);

/* A tuple of objects.  Takes their references.  Where one of them is NULL, making it has
 * failed: the result is NULL too. */
PyObject *
struct_of_objects(PyTypeObject *type, PyObject **fields, Py_ssize_t n);

#endif
