/* base/args.h: the arguments that several types take.
 *
 * Conversion may run Python code (__index__, __buffer__), so a method converts
 * everything before it reads its own state (I6).  Every function returns -1 with an
 * exception. */
#ifndef PAGEBUF_BASE_ARGS_H
#define PAGEBUF_BASE_ARGS_H

#include "base/common.h"

/* A conversion of the argument `what` has failed: say what it must be (`kind`), unless __index__
 * raised the error.  -1. */
int
arg_refused(PyObject *obj, const char *what, const char *kind);

/* An int from -2^63 up to 2^63. */
int
arg_ssize(PyObject *obj, const char *what, Py_ssize_t *out);

/* An offset or size: an int >= 0 below 2^63. */
int
arg_offset(PyObject *obj, const char *what, uint64_t *out);

/* A small exact int >= 0, which takes no call.  false: ask arg_size or arg_offset. */
static inline bool
arg_small(PyObject *obj, uint64_t *out)
{
#if PY_VERSION_HEX >= 0x030C0000
    bool small =
        PyLong_CheckExact(obj) && PyUnstable_Long_IsCompact((const PyLongObject *)obj);
    Py_ssize_t value = small ? PyUnstable_Long_CompactValue((const PyLongObject *)obj) : -1;
    *out = (uint64_t)value;
    return value >= 0;
#else
    bool small = PyLong_CheckExact(obj) && Py_SIZE(obj) == 1;
    *out = small ? ((PyLongObject *)obj)->ob_digit[0] : 0;
    return small;
#endif
}

/* A size; None and -1 mean all that is there (UINT64_MAX). */
int
arg_size(PyObject *obj, const char *what, uint64_t *out);

/* The bounds of a search as the caller gave them.  What they mean depends on the length, which is
 * known under the lock only. */
typedef struct {
    Py_ssize_t start, end;
} bounds;

/* `start` and `end` behind the first one of fast-call arguments: None, or ints clipped to the range
 * of an index. */
int
arg_bounds(PyObject *const *args, Py_ssize_t nargs, bounds *out);

/* Count negative bounds from the end, and clip `end` to the size.  `start` may lie past both. */
static inline bounds
bounds_in(const bounds *given, uint64_t size)
{
    Py_ssize_t len = (Py_ssize_t)size;
    bounds r = *given;
    if (r.end > len) {
        r.end = len;
    }
    else if (r.end < 0) {
        r.end = r.end + len < 0 ? 0 : r.end + len;
    }
    if (r.start < 0) {
        r.start = r.start + len < 0 ? 0 : r.start + len;
    }
    return r;
}

/* The bytes of any C-contiguous object; release them with arg_release.  A bytes object
 * never changes, so it is borrowed without a view. */
int
arg_bytes(PyObject *obj, Py_buffer *view);

static inline void
arg_release(Py_buffer *view)
{
    if (view->obj) {
        PyBuffer_Release(view);
    }
}

/* The value of the only keyword that a method takes, borrowed; *out stays where it is not given.
 * `values` are those of the names. */
int
arg_keyword(const char *method, const char *keyword, PyObject *const *values,
            PyObject *kwnames, PyObject **out);

/* TypeError unless a method called `name` has the right number of arguments. */
int
check_nargs(const char *name, Py_ssize_t nargs, Py_ssize_t least, Py_ssize_t most);

#endif
