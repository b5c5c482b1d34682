/* base/names.h: what buffers and queues are called in reports: a str, or NULL for no
 * name. */
#ifndef PAGEBUF_BASE_NAMES_H
#define PAGEBUF_BASE_NAMES_H

#include "base/common.h"

/* Is it a str, None or NULL?  -1 with an exception. */
int
name_check(PyObject *name);

/* Replace a name by another one that passes name_check; else -1 with an exception. */
int
name_set(PyObject **at, PyObject *name);

/* The value of the attribute `name`, a new reference: None for no name. */
PyObject *
name_get(PyObject *name);

/* " 'inbox'", or an empty str: a new reference, for a repr. */
PyObject *
name_in_repr(PyObject *name);

#endif
