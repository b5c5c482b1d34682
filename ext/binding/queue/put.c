/* queue/put.c: append bytes. */
#include "queue/object.h"

void
queue_raise_full(QueueObject *self, uint64_t n)
{
    PyErr_Format(
        state_of((PyObject *)self)->capacity_error,
        "%llu bytes put into a queue that holds %llu and may hold %llu (max_bytes)",
        (unsigned long long)n, (unsigned long long)queue_size(self),
        (unsigned long long)self->q.max_bytes);
}

/* Copy into a reservation, but for what would be pushed out at once.  Other threads wait for the
 * lock. */
static pb_status
put_without_gil(QueueObject *self, const void *src, uint64_t n)
{
    uint64_t secured, surplus = pb_queue_surplus(&self->q, n), kept = n - surplus;
    PyThreadState *saved;
    pb_status st = pb_queue_begin_in(&self->q, kept, &secured);
    if (st == PB_OK) {
        copy_job job = {.reserved = secured};
        copy_gate *gate = buffer_leave_gil(&self->q.b, &job, &saved);
        pb_queue_fill(&self->q, (const uint8_t *)src + surplus, kept);
        buffer_enter_gil(&self->q.b, gate, saved);
        pb_queue_end_in(&self->q, kept, secured);
        pb_queue_pass(&self->q, surplus);
    }
    return st;
}

pb_status
queue_put_lock_held(QueueObject *self, const void *src, uint64_t n)
{
    bool small = n - pb_queue_surplus(&self->q, n) < COPY_WITHOUT_GIL;
    return PB_LIKELY(small) ? pb_queue_put(&self->q, src, n)
                            : put_without_gil(self, src, n);
}

/* 1: they are in; 0: the queue has turned them away; -1: an exception. */
static int
put_bytes(QueueObject *self, const void *src, uint64_t n)
{
    pb_status st = PB_OK;
    bool admitted = true;
    if (n >= COPY_WITHOUT_GIL && transfer_may_use(&self->q.b, src, n) < 0) {
        return -1; /* pb_queue_put checks smaller ones */
    }
    do {
        queue_lock(self);
        admitted = pb_queue_admits(&self->q, n);
        st = n && admitted ? queue_put_lock_held(self, src, n) : PB_OK;
        self->q.refused += admitted || self->q.overflow == PB_RAISE ? 0 : n;
        queue_unlock(self);
    } while (transfer_again(&self->q.b, &st, AT_THE_END, n));
    if (!admitted && self->q.overflow == PB_RAISE) {
        queue_raise_full(self, n);
        return -1;
    }
    return st == PB_OK ? admitted : -1;
}

static PyObject *
put_object(QueueObject *self, PyObject *data)
{
    Py_buffer view;
    if (arg_bytes(data, &view) < 0) {
        return NULL;
    }
    int result = put_bytes(self, view.buf, (uint64_t)view.len);
    arg_release(&view);
    return result < 0 ? NULL : PyBool_FromLong(result);
}

const char queue_put_doc[] = PyDoc_STR(
    "put($self, data, /)\n--\n\n"
    "Append the bytes of ``data``, all of them or none; returns whether it did.\n\n"
    "What happens at ``max_bytes`` is the policy of the queue: ``raise`` raises\n"
    "CapacityError, ``drop_newest`` turns ``data`` away and returns False,\n"
    "``drop_oldest`` pushes out as many of the oldest bytes as it takes: the newest\n"
    "``max_bytes`` of everything stay, of longer ``data`` its end.  ``dropped`` counts\n"
    "both.\n"
    "O(len(data)); no byte that is there moves.\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue(max_bytes=4, overflow='drop_oldest')\n"
    ">>> queue.put(b'abc'), queue.put(b'def'), queue.peek()\n"
    "(True, True, b'cdef')\n"
    ">>> queue.put(b'longer'), queue.get(), queue.dropped\n"
    "(True, b'nger', 8)\n");

PyObject *
queue_put(QueueObject *self, PyObject *data)
{
    if (PB_LIKELY(PyBytes_CheckExact(data))) {
        queue_lock(self);
        bool done = pb_queue_put_fast(&self->q, PyBytes_AS_STRING(data),
                                      (uint64_t)PyBytes_GET_SIZE(data));
        queue_unlock(self);
        if (PB_LIKELY(done)) {
            Py_RETURN_TRUE;
        }
    }
    return put_object(self, data);
}
