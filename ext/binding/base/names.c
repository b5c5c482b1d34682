/* base/names.c: what buffers and queues are called in reports. */
#include "base/names.h"

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
    /* A str keeps its UTF-8.  Make it now: reports need it where nothing may fail. */
    return PyUnicode_AsUTF8(name) ? 0 : -1;
}

void
name_set(pb_lock *lock, PyObject **at, PyObject *name)
{
    PyObject *now = name == Py_None ? NULL : Py_XNewRef(name);
    pb_lock_take(lock);
    PyObject *old = *at;
    *at = now;
    pb_lock_drop(lock);
    Py_XDECREF(old);
}

PyObject *
name_ref(pb_lock *lock, PyObject **at)
{
    pb_lock_take(lock);
    PyObject *name = Py_XNewRef(*at);
    pb_lock_drop(lock);
    return name;
}

PyObject *
name_or_none(PyObject *name)
{
    return name ? name : Py_NewRef(Py_None);
}

PyObject *
name_in_repr(PyObject *name)
{
    PyObject *text = name ? PyUnicode_FromFormat(" %R", name) : PyUnicode_FromString("");
    Py_XDECREF(name);
    return text;
}

PyObject *
size_in_repr(uint64_t size)
{
    static const char *const units[] = {"MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned shift = 20, unit = 0;
    if (size >> shift == 0) {
        return PyUnicode_FromFormat("%llu", (unsigned long long)size);
    }
    while (size >> shift >= 1024) {
        shift += 10;
        unit++;
    }
    unsigned whole = (unsigned)(size >> shift);
    unsigned tenth = (unsigned)((((size >> (shift - 10)) & 1023) * 10) >> 10);
    return tenth ? PyUnicode_FromFormat("%llu (%u.%u %s)", (unsigned long long)size, whole,
                                        tenth, units[unit])
                 : PyUnicode_FromFormat("%llu (%u %s)", (unsigned long long)size, whole,
                                        units[unit]);
}
