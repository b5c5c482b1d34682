/* queue/stream.c: a queue as a file to write to, and the end of its stream. */
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
