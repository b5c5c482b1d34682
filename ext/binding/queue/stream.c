/* queue/stream.c: a queue as a file to write to, the end of its stream, and the common calls of the
 * files over it. */
#include "queue/object.h"

const char queue_close_doc[] = PyDoc_STR(
    "close($self, /)\n--\n\n"
    "End the stream: nothing can be put any more (ValueError), and who waits is woken.\n\n"
    "What is there can be taken, then get() gives b''.  A readexactly() that can't be\n"
    "filled any more is an EOFError; a readuntil() gives None and leaves the rest;\n"
    "lines() ends with the last line, which may be without its b'\\n'.  A reservation is\n"
    "given up.  A second call does nothing.\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'one\\ntwo')\n"
    "True\n"
    ">>> queue.close()\n"
    ">>> queue.closed, list(queue.lines()), queue.get(timeout=None)\n"
    "(True, [b'one\\n', b'two'], b'')\n");

PyObject *
queue_close(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    queue_lock(self);
    pb_queue_close(&self->q);
    queue_unlock(self);
    if (pool_report_pending(pool_object(&self->q.b), true) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* How many of n bytes to put at once, so that the bound does not refuse the put. */
static uint64_t
piece_of(QueueObject *self, uint64_t n)
{
    queue_lock(self);
    uint64_t most = self->q.overflow == PB_BLOCK ? self->q.max_bytes : UINT64_MAX;
    queue_unlock(self);
    return most ? pb_min(n, most) : n;
}

static int
write_bytes(QueueObject *self, PyObject *whole, const uint8_t *src, uint64_t n,
            const patience *each)
{
    do {
        uint64_t piece = piece_of(self, n);
        patience p = *each;
        whole = piece == n ? whole : NULL; /* and so it stays for the other pieces */
        if (queue_put_bytes(self, whole, src, piece, &p) < 0) {
            return -1;
        }
        src += piece;
        n -= piece;
    } while (n);
    return 0;
}

const char queue_write_doc[] = PyDoc_STR(
    "write($self, data, /, *, timeout=None)\n--\n\n"
    "put() as a file has it: returns len(data), whatever the policy did with it.\n\n"
    "So zipfile.ZipFile(queue, 'w') and tarfile.open(name, 'w|', queue) stream into a queue\n"
    "(tarfile wants a name there: an empty queue is false).  With overflow='block' more\n"
    "than ``max_bytes`` goes in by pieces, each of which waits for ``timeout`` seconds at most\n"
    "(then TimeoutError, and those before it stay).  O(len(data)).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.write(b'hello'), queue.get()\n"
    "(5, b'hello')\n");

PyObject *
queue_write(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_buffer view;
    patience p = FOR_EVER;
    if (check_nargs("write", nargs, 1, 1) < 0 ||
        queue_arg_timeout("write", args + nargs, kwnames, &p) < 0 ||
        arg_bytes(args[0], &view) < 0) {
        return NULL;
    }
    Py_ssize_t n = view.len;
    PyObject *whole = PyBytes_CheckExact(args[0]) ? args[0] : NULL;
    int failed = write_bytes(self, whole, view.buf, (uint64_t)n, &p);
    arg_release(&view);
    return failed < 0 ? NULL : PyLong_FromSsize_t(n);
}

const char queue_flush_doc[] = PyDoc_STR(
    "flush($self, /)\n--\n\n"
    "Nothing: what was written is there.\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> ByteQueue().flush()\n");

PyObject *
queue_flush(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

const char queue_open_doc[] = PyDoc_STR(
    "open($self, mode='rb', *, timeout=None)\n--\n\n"
    "A file over the queue: mode 'rb' takes from it, 'wb' puts into it.\n\n"
    "Its calls wait, for ``timeout`` seconds at most (then TimeoutError).  To close the one\n"
    "that writes, or to drop it, ends the stream; to close the one that reads makes writes\n"
    "raise BrokenPipeError.  pagebuf.pipe() makes both.\n\n"
    ">>> import io\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> with io.TextIOWrapper(queue.open('wb')) as file:\n"
    "...     print('hello', file=file)\n"
    ">>> queue.open().read()\n"
    "b'hello\\n'\n");

/* pagebuf._pipe.open_queue(self, *args, **kwargs) */
PyObject *
queue_open(QueueObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *module = PyImport_ImportModule("pagebuf._pipe");
    PyObject *function = module ? PyObject_GetAttrString(module, "open_queue") : NULL;
    PyObject *bound = function ? PyMethod_New(function, (PyObject *)self) : NULL;
    PyObject *file = bound ? PyObject_Call(bound, args, kwargs) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(function);
    Py_XDECREF(bound);
    return file;
}

/* ---- the common calls of the files over a queue ----
 *
 * pagebuf._pipe defines them.  What moves bytes without waiting is done here, by methods that take
 * the place of those; the others stay under another name, for all else.  A file has its queue in a
 * slot, `_ready`, while nothing stands between the queue and the caller. */

/* Where the slot is.  Set before there is a file, to the same value by each interpreter. */
static size_t ready_at;

/* A new reference; NULL without an exception: the other method has to do it. */
static QueueObject *
ready_queue(PyObject *file)
{
    PyMemberDef slot = {"_ready", T_OBJECT, (Py_ssize_t)ready_at, 0, NULL};
    PyObject *ready = PyMember_GetOne((const char *)file, &slot);
    if (ready && !queue_is_exact(ready)) {
        Py_CLEAR(ready);
    }
    return (QueueObject *)ready;
}

/* At most n bytes, if so many are there. */
static PyObject *
read_ready(PyObject *file, uint64_t n)
{
    QueueObject *queue = ready_queue(file);
    if (queue == NULL) {
        return NULL;
    }
    queue_taking all = {.n = n, .least = n, .drop = true};
    PyObject *out = queue_take_fast(queue, n);
    if (out == NULL && !PyErr_Occurred()) {
        out = queue_take(queue, &all);
    }
    Py_DECREF(queue);
    return out;
}

/* What the queue has returned; where that is nothing, what the other method returns. */
static PyObject *
or_slowly(PyObject *out, PyObject *file, const char *method, PyObject *const *args,
          Py_ssize_t nargs)
{
    if (PB_LIKELY(out && out != Py_None)) {
        return out;
    }
    Py_XDECREF(out);
    if (PyErr_Occurred()) {
        return NULL;
    }
    PyObject *slow = PyObject_GetAttrString(file, method);
    out = slow ? PyObject_Vectorcall(slow, args, (size_t)nargs, NULL) : NULL;
    Py_XDECREF(slow);
    return out;
}

static PyObject *
file_read(PyObject *file, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    bool sized = nargs == 1 && arg_small(args[0], &n) && n;
    return or_slowly(sized ? read_ready(file, n) : NULL, file, "_read", args, nargs);
}

static PyObject *
file_readline(PyObject *file, PyObject *const *args, Py_ssize_t nargs)
{
    QueueObject *queue = nargs ? NULL : ready_queue(file);
    PyObject *line = queue ? queue_readline(queue, NULL, 0, NULL) : NULL;
    Py_XDECREF(queue);
    return or_slowly(line, file, "_readline", args, nargs);
}

static PyObject *
file_write(PyObject *file, PyObject *const *args, Py_ssize_t nargs)
{
    bool plain = nargs == 1 && PyBytes_CheckExact(args[0]);
    QueueObject *queue = plain ? ready_queue(file) : NULL;
    bool done = queue && queue_put_fast(queue, args[0]);
    Py_XDECREF(queue);
    return or_slowly(done ? PyLong_FromSsize_t(PyBytes_GET_SIZE(args[0])) : NULL, file,
                     "_write", args, nargs);
}

static PyMethodDef file_calls[] = {
    METHOD(
        "read", file_read, METH_FASTCALL,
        PyDoc_STR(
            "read($self, n=-1, /)\n--\n\n"
            "So many bytes, fewer at the end of the stream; None or -1: all up to there.")),
    METHOD("readline", file_readline, METH_FASTCALL,
           PyDoc_STR("readline($self, size=-1, /)\n--\n\n"
                     "A line with its b'\\n'; at the end of the stream what is left.")),
    METHOD("write", file_write, METH_FASTCALL,
           PyDoc_STR("write($self, data, /)\n--\n\n"
                     "Put all of it; returns how many bytes that were.")),
};

/* Put the method of that name in the place of the one that a class defines. */
static int
replace_call(PyObject *type, PyMethodDef *call)
{
    PyObject *name = PyUnicode_FromFormat("_%s", call->ml_name);
    PyObject *slow = name ? PyObject_GetAttrString(type, call->ml_name) : NULL;
    PyObject *fast = slow ? PyDescr_NewMethod((PyTypeObject *)type, call) : NULL;
    bool done = fast && PyObject_SetAttr(type, name, slow) == 0 &&
                PyObject_SetAttrString(type, call->ml_name, fast) == 0;
    Py_XDECREF(fast);
    Py_XDECREF(slow);
    Py_XDECREF(name);
    return done ? 0 : -1;
}

static int
find_ready_slot(PyObject *type)
{
    PyObject *slot = PyObject_GetAttrString(type, "_ready");
    bool found = slot && PyObject_TypeCheck(slot, &PyMemberDescr_Type);
    if (found) {
        ready_at = (size_t)((PyMemberDescrObject *)slot)->d_member->offset;
    }
    else if (slot) {
        PyErr_SetString(PyExc_TypeError, "_ready must be a slot");
    }
    Py_XDECREF(slot);
    return found ? 0 : -1;
}

const char queue_hasten_doc[] = PyDoc_STR(
    "_hasten($module, reader, writer, /)\n--\n\n"
    "Give both classes of files over queues methods for what need not wait.");

PyObject *
queue_hasten(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *reader, *writer;
    if (!PyArg_ParseTuple(args, "O!O!:_hasten", &PyType_Type, &reader, &PyType_Type,
                          &writer) ||
        find_ready_slot(reader) < 0 || replace_call(reader, &file_calls[0]) < 0 ||
        replace_call(reader, &file_calls[1]) < 0 ||
        replace_call(writer, &file_calls[2]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
