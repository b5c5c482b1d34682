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

stream_refusal
stream_may_change(const stream *s)
{
    if (PB_UNLIKELY(s->closed)) {
        return STREAM_CLOSED;
    }
    return PB_LIKELY(!s->blocks) ? STREAM_FINE
           : s->alone            ? STREAM_EXPORTED
                                 : STREAM_NOT_WRITABLE;
}

static void
raise_unsupported(const char *what)
{
    PyObject *io = PyImport_ImportModule("io");
    PyObject *error = io ? PyObject_GetAttrString(io, "UnsupportedOperation") : NULL;
    if (error) {
        PyErr_SetString(error, what);
    }
    Py_XDECREF(io);
    Py_XDECREF(error);
}

int
stream_refuse(stream_refusal why)
{
    switch (why) {
    case STREAM_FINE:
        return 0;
    case STREAM_CLOSED:
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
        break;
    case STREAM_NOT_READABLE:
        raise_unsupported("not readable");
        break;
    case STREAM_NOT_WRITABLE:
        raise_unsupported("not writable");
        break;
    case STREAM_EXPORTED:
        PyErr_SetString(PyExc_BufferError,
                        "Existing exports of data: object cannot be re-sized");
    }
    return -1;
}

int
stream_check(pb_buf *b, const stream *s, stream_refusal may(const stream *))
{
    buffer_lock(b);
    stream_refusal why = may(s);
    buffer_unlock(b);
    return stream_refuse(why);
}

/* ---- what kind of file ---- */

/* What `is` says, when the file is open. */
static PyObject *
ask_when_open(pb_buf *b, const stream *s, bool is(const stream *))
{
    buffer_lock(b);
    stream_refusal why = stream_may_use(s);
    bool answer = is(s);
    buffer_unlock(b);
    return stream_refuse(why) < 0 ? NULL : PyBool_FromLong(answer);
}

static bool
is_readable(const stream *s)
{
    return s->readable;
}

PyObject *
file_readable(pb_buf *b, stream *s)
{
    return ask_when_open(b, s, is_readable);
}

/* A BytesIO with exports is writable: it refuses, but only for now. */
static bool
is_writable(const stream *s)
{
    return s->alone || !s->blocks;
}

PyObject *
file_writable(pb_buf *b, stream *s)
{
    return ask_when_open(b, s, is_writable);
}

PyObject *
file_seekable(pb_buf *b, stream *s)
{
    return stream_check(b, s, stream_may_use) < 0 ? NULL : Py_NewRef(Py_True);
}

PyObject *
file_isatty(pb_buf *b, stream *s)
{
    return stream_check(b, s, stream_may_use) < 0 ? NULL : Py_NewRef(Py_False);
}

PyObject *
file_flush(pb_buf *b, stream *s)
{
    return stream_check(b, s, stream_may_use) < 0 ? NULL : Py_NewRef(Py_None);
}
