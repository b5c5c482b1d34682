/* base/structs.h: the named tuples that statistics come in. */
#ifndef PAGEBUF_BASE_STRUCTS_H
#define PAGEBUF_BASE_STRUCTS_H

#include "base/common.h"

/* Add their types to the module. */
int
structs_add(PyObject *module);

/* One of 64-bit numbers; a new reference. */
PyObject *
struct_of_numbers(PyTypeObject *type, const long long *values, Py_ssize_t n);

/* One of objects, whose references are taken.  NULL with an exception, also where one of them is
 * NULL. */
PyObject *
struct_of_objects(PyTypeObject *type, PyObject **fields, Py_ssize_t n);

#endif
