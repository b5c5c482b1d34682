/* queue/splice.c: move bytes from one queue to another, under both locks. */
#include "queue/object.h"

/* How the last call ended: which queue refused, or how many bytes moved. */
typedef struct {
    pb_status st;
    bool admitted, closed;
    pb_queue *refused_by;
    uint64_t moved;
} outcome;

static outcome
splice_once(QueueObject *self, QueueObject *other, uint64_t n)
{
    outcome o = {PB_OK, true, false, &self->q, 0};
    buffer_lock_two(&self->q.b, &other->q.b);
    n = pb_min(n, pb_queue_len(&other->q));
    o.closed = self->q.closed;
    o.admitted = !o.closed && pb_queue_admits(&self->q, n);
    if (n && o.admitted) {
        o.st = pb_queue_splice(&self->q, &other->q, n, &o.refused_by);
    }
    queue_tell_lock_held(self);
    queue_tell_lock_held(other);
    buffer_unlock_two(&self->q.b, &other->q.b);
    o.moved = o.st == PB_OK && o.admitted ? n : 0;
    if (o.closed) {
        queue_raise_closed();
    }
    else if (!o.admitted && self->q.overflow != PB_DROP_NEWEST) {
        queue_raise_full(self, n);
    }
    return o;
}

static int
splice_args(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, uint64_t *n)
{
    *n = UINT64_MAX;
    if (check_nargs("splice_from", nargs, 1, 2) < 0 ||
        (nargs > 1 && arg_size(args[1], "n", n) < 0)) {
        return -1;
    }
    if (!PyObject_TypeCheck(args[0], state_of((PyObject *)self)->queue_type)) {
        PyErr_Format(PyExc_TypeError, "splice_from() takes a ByteQueue, not %.200s",
                     Py_TYPE(args[0])->tp_name);
        return -1;
    }
    if (args[0] == (PyObject *)self) {
        PyErr_SetString(PyExc_ValueError, "a queue cannot be spliced from itself");
        return -1;
    }
    return 0;
}

const char queue_splice_doc[] =
    "splice_from($self, queue, n=-1, /)\n--\n\n"
    "Move the oldest bytes of another queue, at most ``n`` of them, to the end of this\n"
    "one; returns how many.\n\n"
    "All of them or none: what ``max_bytes`` forbids stays where it is (0, or\n"
    "CapacityError when overflow is 'raise' or 'block': this does not wait).  If both queues\n"
    "have one pool and their bytes have the same place within a page, whole pages move\n"
    "without a copy.  In an empty queue that is always so.  Other bytes are copied.\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> source, sink = ByteQueue(), ByteQueue()\n"
    ">>> source.put(b'head body')\n"
    "True\n"
    ">>> sink.splice_from(source, 4), sink.get(), source.get()\n"
    "(4, b'head', b' body')\n";

PyObject *
queue_splice_from(QueueObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    outcome o;
    if (splice_args(self, args, nargs, &n) < 0) {
        return NULL;
    }
    do {
        o = splice_once(self, (QueueObject *)args[0], n);
    } while (transfer_again(&o.refused_by->b, &o.st, 0, n));
    return PyErr_Occurred() ? NULL : PyLong_FromUnsignedLongLong(o.moved);
}
