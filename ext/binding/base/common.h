/* base/common.h: Python.h as every file of the binding includes it, and what every type
 * needs.
 *
 * The shape of every method: convert the arguments and borrow foreign buffers (I6),
 * lock, one core call, unlock, build the result, release.  A function that runs under
 * the lock ends in _lock_held.  No Python code runs under a lock. */
#ifndef PAGEBUF_BASE_COMMON_H
#define PAGEBUF_BASE_COMMON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h> /* PyMemberDef flags before 3.12 */
#include <sched.h>
#include <stddef.h> /* offsetof */

#include "base/config.h"

/* Some things look alike in several files, and stay so.  The tables of two types have the
 * same shape, row for row: CPython wants a table of each, and finding all that a type has
 * in one place is worth more than sharing rows.  A short method consists of its docstring,
 * the conversion of an argument, and one call. */

/* A row of a table of methods, whatever the function takes. */
#define METHOD(name, function, flags, doc) \
    {name, (PyCFunction)(void (*)(void))(function), flags, doc}

/* Flags of the types that callers see, and of those that only the library makes objects
 * of. */
#define TYPE_FLAGS                                                   \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | \
     Py_TPFLAGS_IMMUTABLETYPE)
#define INTERNAL_TYPE_FLAGS                                                        \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | \
     Py_TPFLAGS_IMMUTABLETYPE)

/* The last step of tp_dealloc: free the memory and drop the object's reference to its
 * type. */
static inline void
object_free(void *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* An array of PyMem_Malloc with n items of `size` bytes, and room for one more: `at` itself, or twice as
 * large and moved.  NULL without an exception: no memory, nothing has changed. */
static inline void *
array_with_room(void *at, size_t n, size_t *room, size_t size)
{
    if (n < *room) {
        return at;
    }
    size_t more = n ? 2 * n : 16;
    void *moved = PyMem_Realloc(at, more * size);
    *room = moved ? more : *room;
    return moved;
}

/* Another thread's turn.  No lock is held that it may want. */
static inline void
let_others_run(void)
{
    Py_BEGIN_ALLOW_THREADS
    sched_yield();
    Py_END_ALLOW_THREADS
}

#endif
