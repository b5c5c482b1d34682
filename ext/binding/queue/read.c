/* queue/read.c: what parsers ask for: so many bytes, or up to a separator, or nothing. */
#include "queue/object.h"

const char queue_readexactly_doc[] =
    "readexactly($self, n, /)\n--\n\n"
    "Remove and return exactly ``n`` bytes; None, and nothing removed, while there are\n"
    "fewer.  O(n).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'abcde')\n"
    "True\n"
    ">>> queue.readexactly(4), queue.readexactly(4), len(queue)\n"
    "(b'abcd', None, 1)\n";

PyObject *
queue_readexactly(QueueObject *self, PyObject *arg)
{
    uint64_t n;
    if (arg_offset(arg, "n", &n) < 0) {
        return NULL;
    }
    PyObject *out = queue_take_fast(self, n);
    return PB_LIKELY(out || PyErr_Occurred()) ? out : queue_take(self, n, n, true);
}

/* ---- up to a separator ---- */

/* Remember `sep` as what was searched for last.  Returns what to release after the
 * unlock, or NULL. */
static PyObject *
remember_sep_lock_held(QueueObject *self, PyObject *sep)
{
    PyObject *old = self->sep;
    if (old == NULL || PyBytes_GET_SIZE(old) != PyBytes_GET_SIZE(sep) ||
        memcmp(PyBytes_AS_STRING(old), PyBytes_AS_STRING(sep),
               (size_t)PyBytes_GET_SIZE(sep)) != 0) {
        pb_queue_search_anew(&self->q);
    }
    self->sep = Py_NewRef(sep);
    return old;
}

static inline pb_status
search_lock_held(QueueObject *self, PyObject *sep, uint64_t *end)
{
    return pb_queue_search(&self->q, PyBytes_AS_STRING(sep),
                           (uint64_t)PyBytes_GET_SIZE(sep), end);
}

/* The separator was found, but the bytes up to it lie in more than one page.  The object
 * is made outside the lock, so another thread may have taken them by then: then search
 * again. */
static PyObject *
take_until(QueueObject *self, PyObject *sep, uint64_t end)
{
    for (;;) {
        PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)end);
        if (out == NULL) {
            return NULL;
        }
        uint64_t now = end;
        queue_lock(self);
        pb_status st = self->sep == sep ? search_lock_held(self, sep, &now) : PB_OK;
        if (st == PB_OK) {
            st = now == end ? queue_take_lock_held(self, PyBytes_AS_STRING(out), end, true)
                            : PB_RANGE;
        }
        queue_unlock(self);
        bool again = st == PB_RANGE || queue_again(self, &st, end);
        if (PB_LIKELY(st == PB_OK)) {
            return out;
        }
        Py_DECREF(out);
        if (!again) {
            return NULL;
        }
        if (now == UINT64_MAX) {
            Py_RETURN_NONE;
        }
        end = now;
    }
}

/* `sep` is exact bytes, not empty, and alive. */
static PyObject *
read_until(QueueObject *self, PyObject *sep)
{
    PyObject *old = NULL, *out = NULL;
    queue_lock(self);
    if (PB_UNLIKELY(self->sep != sep)) {
        old = remember_sep_lock_held(self, sep);
    }
    uint64_t end;
    pb_status st = search_lock_held(self, sep, &end);
    const uint8_t *at = end == UINT64_MAX ? NULL : pb_queue_ready(&self->q, end);
    if (PB_LIKELY(at != NULL)) {
        out = PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)end);
        if (PB_LIKELY(out != NULL)) {
            pb_queue_take_ready(&self->q, end);
        }
    }
    queue_unlock(self);
    Py_XDECREF(old);
    if (PB_UNLIKELY(st != PB_OK)) {
        return queue_again(self, &st, 0) ? read_until(self, sep) : NULL;
    }
    if (end == UINT64_MAX) {
        Py_RETURN_NONE;
    }
    return PB_LIKELY(at != NULL) ? out : take_until(self, sep, end);
}

/* Exact bytes of a bytes-like object: a new reference. */
static PyObject *
separator_of(PyObject *obj)
{
    Py_buffer view;
    if (arg_bytes(obj, &view) < 0) {
        return NULL;
    }
    PyObject *sep =
        view.obj ? PyBytes_FromStringAndSize(view.buf, view.len) : Py_NewRef(obj);
    arg_release(&view);
    if (sep && PyBytes_GET_SIZE(sep) == 0) {
        PyErr_SetString(PyExc_ValueError, "the separator must not be empty");
        Py_CLEAR(sep);
    }
    return sep;
}

const char queue_readuntil_doc[] =
    "readuntil($self, separator, /)\n--\n\n"
    "Remove and return the oldest bytes up to and including ``separator``; None, and\n"
    "nothing removed, while it is not there.\n\n"
    "How far was searched is remembered: asked again after each put, all calls together\n"
    "look at each byte once.  Another separator begins anew.  O(new bytes + result).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'one\\r\\ntw')\n"
    "True\n"
    ">>> queue.readuntil(b'\\r\\n'), queue.readuntil(b'\\r\\n')\n"
    "(b'one\\r\\n', None)\n"
    ">>> queue.put(b'o\\r\\n')\n"
    "True\n"
    ">>> queue.readuntil(b'\\r\\n')\n"
    "b'two\\r\\n'\n";

PyObject *
queue_readuntil(QueueObject *self, PyObject *arg)
{
    if (PB_LIKELY(arg == self->sep)) { /* the caller's reference keeps it alive */
        return read_until(self, arg);
    }
    PyObject *sep = separator_of(arg);
    PyObject *out = sep ? read_until(self, sep) : NULL;
    Py_XDECREF(sep);
    return out;
}

const char queue_readline_doc[] =
    "readline($self, /)\n--\n\n"
    "Remove and return a line with its b'\\n'; None while there is no whole one.\n\n"
    "As readuntil(b'\\n').\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'one\\ntwo')\n"
    "True\n"
    ">>> queue.readline(), queue.readline()\n"
    "(b'one\\n', None)\n";

static PyObject *
read_line(QueueObject *self)
{
    PyObject *sep = PyBytes_FromStringAndSize("\n", 1); /* CPython has it at hand */
    PyObject *out = sep ? read_until(self, sep) : NULL;
    Py_XDECREF(sep);
    return out;
}

PyObject *
queue_readline(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    return read_line(self);
}

PyObject *
queue_next(QueueObject *self)
{
    PyObject *line = read_line(self);
    if (line != Py_None) {
        return line;
    }
    Py_DECREF(line);
    return NULL;
}
