/* base/names.h: what buffers and queues are called in reports: a str, or NULL for no name. */
#ifndef PAGEBUF_BASE_NAMES_H
#define PAGEBUF_BASE_NAMES_H

#include "base/common.h"

/* May it be a name: a str, None or NULL?  -1 with an exception. */
int
name_check(PyObject *name);

/* Put it in the place of another one.  -1 with an exception: that it may not be one. */
int
name_set(PyObject **at, PyObject *name);

/* As an attribute shows it: a new reference, None for no name. */
PyObject *
name_get(PyObject *name);

/* " 'inbox'" or nothing: a new str for a repr. */
PyObject *
name_in_repr(PyObject *name);

#endif
