/* base/common.h: Python.h as every file of the binding includes it, and what every type needs.
 *
 * The shape of every method: convert the arguments and borrow foreign buffers (I6), lock,
 * one core call, unlock, build the result, release.  A function that runs under the lock
 * ends in _lock_held.  No Python code runs under a lock. */
#ifndef PAGEBUF_BASE_COMMON_H
#define PAGEBUF_BASE_COMMON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h> /* PyMemberDef flags before 3.12 */
#include <stddef.h>       /* offsetof */

#include "base/config.h"

/* A row of a table of methods, whatever the function takes. */
#define METHOD(name, function, flags, doc) \
    {name, (PyCFunction)(void (*)(void))(function), flags, doc}

/* The last step of tp_dealloc: free the memory and drop the object's reference to its type. */
static inline void
object_free(void *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

#endif
