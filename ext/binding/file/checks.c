/* file/checks.c: arguments, refusals and kinds of files, in the words of io. */
#include "file/stream.h"

/* ---- arguments ---- */

int
stream_arg_optional(PyObject *arg, Py_ssize_t *out)
{
    if (arg == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "argument should be integer or None, not '%.200s'",
                     Py_TYPE(arg)->tp_name);
        return -1;
    }
    *out = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    return *out == -1 && PyErr_Occurred() ? -1 : 1;
}

int
stream_arg_size(const char *name, PyObject *const *args, Py_ssize_t nargs, uint64_t *out)
{
    Py_ssize_t size = -1;
    if (check_nargs(name, nargs, 0, 1) < 0 ||
        (nargs && stream_arg_optional(args[0], &size) < 0)) {
        return -1;
    }
    *out = size < 0 ? UINT64_MAX : (uint64_t)size;
    return 0;
}

/* ---- checks ---- */

int
stream_refuse_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    return -1;
}

static int
raise_unsupported(const char *what)
{
    PyObject *io = PyImport_ImportModule("io");
    PyObject *error = io ? PyObject_GetAttrString(io, "UnsupportedOperation") : NULL;
    if (error) {
        PyErr_SetString(error, what);
    }
    Py_XDECREF(io);
    Py_XDECREF(error);
    return -1;
}

int
stream_refuse_read(const stream *s)
{
    return s->closed ? stream_refuse_closed() : raise_unsupported("not readable");
}

int
stream_check_change(const stream *s)
{
    if (PB_UNLIKELY(s->closed)) {
        return stream_refuse_closed();
    }
    if (PB_LIKELY(!s->blocks)) {
        return 0;
    }
    if (!s->alone) {
        return raise_unsupported("not writable");
    }
    PyErr_SetString(PyExc_BufferError,
                    "Existing exports of data: object cannot be re-sized");
    return -1;
}

/* ---- what kind of file ---- */

static PyObject *
bool_when_open(const stream *s, bool value)
{
    return stream_check_open(s) < 0 ? NULL : PyBool_FromLong(value);
}

PyObject *
file_readable(pb_buf *b, stream *s)
{
    return bool_when_open(s, s->readable);
}

/* A BytesIO with exports is writable: it refuses, but only for now. */
PyObject *
file_writable(pb_buf *b, stream *s)
{
    return bool_when_open(s, s->alone || !s->blocks);
}

PyObject *
file_seekable(pb_buf *b, stream *s)
{
    return bool_when_open(s, true);
}

PyObject *
file_isatty(pb_buf *b, stream *s)
{
    return bool_when_open(s, false);
}

PyObject *
file_flush(pb_buf *b, stream *s)
{
    return stream_check_open(s) < 0 ? NULL : Py_NewRef(Py_None);
}
