/* base/names.h: what buffers and queues are called in reports: a str, or NULL for no name.
 *
 * Reports ask for names at any time, so a place where one is kept has a lock, under which nothing
 * else is locked (state->lists). */
#ifndef PAGEBUF_BASE_NAMES_H
#define PAGEBUF_BASE_NAMES_H

#include "base/common.h"

#include "base/lock.h"

/* May it be a name: a str, None or NULL?  -1 with an exception. */
int
name_check(PyObject *name);

/* Put it, which may be one, in the place of another one. */
void
name_set(pb_lock *lock, PyObject **at, PyObject *name);

/* A new reference, or NULL. */
PyObject *
name_ref(pb_lock *lock, PyObject **at);

/* As an attribute shows it: None for no name.  Takes the reference. */
PyObject *
name_or_none(PyObject *name);

/* "1099511627776 (1 TiB)": a new str for a repr; below 1 MiB the number alone. */
PyObject *
size_in_repr(uint64_t size);

/* " 'inbox'" or nothing: a new str for a repr.  Takes the reference. */
PyObject *
name_in_repr(PyObject *name);

#endif
