/* file/base.c: what io.BytesIO keeps in each BytesIO: nothing, and so that it stays so.
 *
 * Without bytes io.BytesIO takes itself for closed, so its own methods refuse.  Only its __init__
 * and __setstate__ would put bytes there, which no method of ours sees.  They refuse as well while
 * there are exports.  So each object counts one export of its base that nobody has. */
#include "file/bytesio.h"

size_t bytesio_part_at;

static size_t exports_at; /* where the base counts its exports; 0: not found */

void
base_begin_zeroed(PyObject *self)
{
    if (PB_LIKELY(exports_at)) {
        *(Py_ssize_t *)((char *)self + exports_at) = 1;
    }
}

void
base_begin(PyObject *self)
{
    memset((char *)self + sizeof(PyObject), 0, bytesio_part_at - sizeof(PyObject));
    base_begin_zeroed(self);
}

/* ---- the type ---- */

/* A word of a file, beyond the header. */
static Py_ssize_t
word_at(PyObject *file, size_t at)
{
    return *(Py_ssize_t *)((char *)file + at);
}

/* The word that is 0, and 1 while a file with two bytes has an export.  No other can be. */
static size_t
find_exports(PyObject *file, PyObject *other, size_t size)
{
    for (size_t at = sizeof(PyObject); at + sizeof(Py_ssize_t) <= size;
         at += sizeof(Py_ssize_t)) {
        if (word_at(file, at) == 1 && word_at(other, at) == 0) {
            return at;
        }
    }
    return 0;
}

/* Look at two files of the base, one of which has an export.  -1 with an exception. */
static int
look_at_base(PyTypeObject *base)
{
    PyObject *file = PyObject_CallFunction((PyObject *)base, "y", "ab");
    PyObject *other = file ? PyObject_CallFunction((PyObject *)base, "y", "ab") : NULL;
    PyObject *view = other ? PyObject_CallMethod(file, "getbuffer", NULL) : NULL;
    size_t found = view ? find_exports(file, other, (size_t)base->tp_basicsize) : 0;
    Py_XDECREF(view);
    Py_XDECREF(other);
    Py_XDECREF(file);
    if (view) {
        exports_at = found;
    }
    return view ? 0 : -1;
}

/* Behind the base's part, as PyObject_GetTypeData of later versions has it. */
static int
place_part(PyTypeObject *base)
{
    size_t step = _Alignof(max_align_t);
    size_t at = ((size_t)base->tp_basicsize + step - 1) / step * step;
    if ((at - sizeof(PyObject)) / sizeof(void *) > PB_LEAD_MOST || base->tp_itemsize ||
        base->tp_dictoffset <= 0 || base->tp_weaklistoffset <= 0) {
        PyErr_SetString(PyExc_ImportError, "pagebuf does not know this io.BytesIO");
        return -1;
    }
    bytesio_part_at = at;
    return 0;
}

PyTypeObject *
bytesio_make_type(PyObject *module, PyTypeObject *base)
{
    if (place_part(base) < 0 || look_at_base(base) < 0) {
        return NULL;
    }
    PyType_Spec spec = bytesio_spec;
    spec.basicsize = (int)(bytesio_part_at + sizeof(bytesio_part));
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, (PyObject *)base);
}
