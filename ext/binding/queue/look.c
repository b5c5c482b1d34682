/* queue/look.c: calls that return or search the bytes of a queue, and remove none. */
#include "queue/object.h"
#include "transfer/source.h"

/* ---- the newest bytes ---- */

const char queue_tail_doc[] = PyDoc_STR(
    "tail($self, n=-1, /)\n--\n\n"
    "The newest bytes, at most ``n`` of them, left where they are.  O(n).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> log = ByteQueue(max_bytes=1000, overflow='drop_oldest')\n"
    ">>> log.put(b'one\\ntwo\\nthree\\n')\n"
    "True\n"
    ">>> log.tail(6)\n"
    "b'three\\n'\n");

PyObject *
queue_tail(QueueObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    if (queue_arg_size("tail", args, nargs, &n) < 0) {
        return NULL;
    }
    return queue_take(self, &(queue_taking){.n = n, .newest = true});
}

/* ---- searching ---- */

/* What to search for: a byte, or bytes. */
static int
needle_from(PyObject *obj, Py_buffer *view, uint8_t *byte)
{
    if (!PyIndex_Check(obj)) {
        return arg_bytes(obj, view);
    }
    *view = (Py_buffer){.buf = byte, .len = 1};
    return source_byte(obj, byte);
}

/* Set *at to where `sub` begins, or to UINT64_MAX if it occurs nowhere.  -1 with an
 * exception. */
static int
find_between(QueueObject *self, const bounds *given, const Py_buffer *sub, uint64_t *at)
{
    pb_status st;
    do {
        queue_lock(self);
        bounds r = bounds_in(given, pb_queue_len(&self->q));
        st = PB_OK;
        *at = UINT64_MAX;
        if (r.start <= r.end) {
            st = pb_queue_find(&self->q, (uint64_t)r.start, (uint64_t)r.end, sub->buf,
                               (uint64_t)sub->len, at);
        }
        queue_unlock(self);
    } while (queue_again(self, &st, 0));
    return st == PB_OK ? 0 : -1;
}

const char queue_find_doc[] =
    "find($self, sub, start=None, end=None, /)\n--\n\n"
    "The distance from the front to the first ``sub`` in [start, end), -1 when there is\n"
    "none.\n\n"
    "``sub`` is a bytes-like object or an int from 0 to 255; ``start`` and ``end`` are as\n"
    "in a slice of what is in the queue.  Nothing is remembered: readuntil() does that.\n"
    "O(end - start + len(sub)).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'key: value')\n"
    "True\n"
    ">>> queue.find(b': '), queue.find(b': ', 4)\n"
    "(3, -1)\n";

PyObject *
queue_find(QueueObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_buffer sub;
    uint8_t byte;
    bounds given;
    uint64_t at;
    if (check_nargs("find", nargs, 1, 3) < 0 || arg_bounds(args, nargs, &given) < 0 ||
        needle_from(args[0], &sub, &byte) < 0) {
        return NULL;
    }
    int failed = find_between(self, &given, &sub, &at);
    arg_release(&sub);
    return failed < 0 ? NULL : PyLong_FromSsize_t((Py_ssize_t)at); /* UINT64_MAX is -1 */
}

/* ---- all bytes ---- */

const char queue_tobytes_doc[] = PyDoc_STR(
    "tobytes($self, /)\n--\n\n"
    "All that is in the queue, left where it is: peek().  O(len).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'abc')\n"
    "True\n"
    ">>> queue.tobytes(), len(queue)\n"
    "(b'abc', 3)\n");

PyObject *
queue_tobytes(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    return queue_take(self, &(queue_taking){.n = UINT64_MAX});
}
