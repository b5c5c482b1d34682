/* queue/splice.c: move bytes from one queue to another, under both locks. */
#include "queue/object.h"

/* How the last call ended: which queue refused, or how many bytes moved. */
typedef struct {
    pb_status st;
    bool admitted, closed, no_memory;
    pb_overflow overflow;
    pb_queue *refused_by;
    uint64_t n; /* how many were to move */
} outcome;

static outcome
splice_once(QueueObject *self, QueueObject *other, uint64_t n)
{
    outcome o = {.st = PB_OK, .refused_by = &self->q};
    void *both = NULL;
    buffer_lock_two(&self->q.b, &other->q.b);
    o.n = n = pb_min(n, pb_queue_len(&other->q));
    o.closed = self->q.closed;
    o.overflow = self->q.overflow;
    o.admitted = !o.closed && pb_queue_admits(&self->q, n);
    o.no_memory = !queue_records_lock_held(self, pb_queue_splice_records(&other->q, n));
    if (n && o.admitted && !o.no_memory) {
        o.st = pb_queue_splice(&self->q, &other->q, n, &o.refused_by, &both);
        Py_XINCREF((PyObject *)both);
        bool read = o.st == PB_ABSENT && !transfer_met_absent(&self->q.b);
        o.refused_by = read ? &other->q : o.refused_by;
    }
    queue_tell_lock_held(self);
    queue_tell_lock_held(other);
    buffer_unlock_two(&self->q.b, &other->q.b);
    queue_release(self);
    queue_release(other);
    return o;
}

/* 1: try again; 0: *moved bytes are there; -1: an exception. */
static int
splice_next(QueueObject *self, outcome *o, patience *p, uint64_t *moved)
{
    *moved = 0;
    if (o->no_memory) {
        PyErr_NoMemory();
        return -1;
    }
    if (o->closed) {
        queue_raise_closed();
        return -1;
    }
    if (o->admitted) {
        bool again = transfer_again(&o->refused_by->b, &o->st, 0, o->n);
        *moved = o->n;
        return again ? 1 : o->st == PB_OK ? 0 : -1;
    }
    if (o->overflow == PB_DROP_NEWEST) {
        return 0;
    }
    return queue_await_room(self, o->n, p) < 0 ? -1 : 1;
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
    "splice_from($self, queue, n=-1, /, *, timeout=None)\n--\n\n"
    "Move the oldest bytes of another queue, at most ``n`` of them, to the end of this\n"
    "one; returns how many.\n\n"
    "All of them or none, as put() of so many bytes: what ``max_bytes`` forbids stays where\n"
    "it is (0 or CapacityError), or waits for room, for ``timeout`` seconds at most, where\n"
    "overflow='block'.  If both queues have one pool and their bytes have the same place\n"
    "within a page, whole pages move without a copy.  In an empty queue that is always so.\n"
    "Other bytes are copied.\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> source, sink = ByteQueue(), ByteQueue()\n"
    ">>> source.put(b'head body')\n"
    "True\n"
    ">>> sink.splice_from(source, 4), sink.get(), source.get()\n"
    "(4, b'head', b' body')\n";

PyObject *
queue_splice_from(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    uint64_t n, moved;
    patience p = FOR_EVER;
    if (splice_args(self, args, nargs, &n) < 0 ||
        queue_arg_timeout("splice_from", args + nargs, kwnames, &p) < 0) {
        return NULL;
    }
    int next;
    do {
        outcome o = splice_once(self, (QueueObject *)args[0], n);
        next = splice_next(self, &o, &p, &moved);
    } while (next > 0);
    return next < 0 ? NULL : PyLong_FromUnsignedLongLong(moved);
}
