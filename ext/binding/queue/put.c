/* queue/put.c: append bytes, and put bytes back. */
#include "queue/object.h"

#include "pool/report.h"

void
queue_raise_full(QueueObject *self, uint64_t n)
{
    PyObject *who = tree_called(&self->q.b);
    if (who == NULL) {
        return;
    }
    queue_lock(self);
    unsigned long long holds = pb_queue_len(&self->q), most = self->q.max_bytes;
    queue_unlock(self);
    PyObject *error = state_of_buf(&self->q.b)->capacity_error;
    if (n == 0) {
        PyErr_Format(
            error,
            "%U is full, nothing was received: it holds %llu bytes and may hold %llu "
            "(max_bytes); take some first",
            who, holds, most);
    }
    else {
        PyErr_Format(error,
                     "%llu bytes do not fit into %U, which holds %llu and may hold %llu "
                     "(max_bytes): take some first",
                     (unsigned long long)n, who, holds, most);
    }
    Py_DECREF(who);
}

/* Copy into a reservation, without bytes that the rest would drop at once.  Other
 * threads wait for the lock. */
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

static pb_status
put_lock_held(QueueObject *self, PyObject *whole, const void *src, uint64_t n)
{
    pb_status st;
    if (whole && queue_keep_lock_held(self, whole, &st)) {
        return st;
    }
    bool small = n - pb_queue_surplus(&self->q, n) < COPY_WITHOUT_GIL;
    return PB_LIKELY(small) ? pb_queue_put(&self->q, src, n)
                            : put_without_gil(self, src, n);
}

void
queue_raise_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "the queue is closed: nothing can be put into it");
}

/* How an attempt ended, and the state of the queue at that moment. */
typedef struct {
    bool admitted, closed;
    pb_overflow overflow;
    uint64_t max_bytes;
} verdict;

static pb_status
put_once(QueueObject *self, PyObject *whole, const void *src, uint64_t n, verdict *v)
{
    pb_queue *q = &self->q;
    queue_lock(self);
    *v = (verdict){pb_queue_admits(q, n) && !q->closed, q->closed, q->overflow,
                   q->max_bytes};
    pb_status st = n && v->admitted ? put_lock_held(self, whole, src, n) : PB_OK;
    bool refused = !v->admitted && !v->closed && v->overflow == PB_DROP_NEWEST;
    q->refused += refused ? n : 0;
    queue_unlock(self);
    return st;
}

int
queue_await_room(QueueObject *self, uint64_t n, patience *p)
{
    queue_lock(self);
    bool blocks = self->q.overflow == PB_BLOCK;
    uint64_t most = self->q.max_bytes;
    queue_unlock(self);
    if (!blocks) {
        queue_raise_full(self, n);
        return -1;
    }
    uint64_t least = n ? n : 1;
    if (least > most) {
        PyErr_Format(PyExc_ValueError,
                     "%llu bytes never fit into a queue that may hold %llu (max_bytes)",
                     (unsigned long long)least, (unsigned long long)most);
        return -1;
    }
    return queue_wait(self, p, (queue_wish){FOR_ROOM, least});
}

/* What to do with bytes that the bound does not admit.  1: try again; 0: refuse them;
 * -1: an exception. */
static int
not_admitted(QueueObject *self, uint64_t n, const verdict *v, patience *p)
{
    if (v->closed) {
        queue_raise_closed();
    }
    else if (v->overflow == PB_DROP_NEWEST) {
        return 0;
    }
    else {
        return queue_await_room(self, n, p) < 0 ? -1 : 1;
    }
    return -1;
}

int
queue_put_bytes(QueueObject *self, PyObject *whole, const void *src, uint64_t n,
                patience *p)
{
    if (n >= COPY_WITHOUT_GIL && transfer_may_use(&self->q.b, src, n) < 0) {
        return -1; /* pb_queue_put checks smaller ones */
    }
    for (;;) {
        verdict v;
        pb_status st;
        do {
            st = put_once(self, whole, src, n, &v);
        } while (transfer_again(&self->q.b, &st, AT_THE_END, n));
        if (st != PB_OK || v.admitted) {
            return st == PB_OK ? 1 : -1;
        }
        int next = not_admitted(self, n, &v, p);
        if (next <= 0) {
            return next;
        }
    }
}

static PyObject *
put_object(QueueObject *self, PyObject *data, patience *p)
{
    Py_buffer view;
    if (arg_bytes(data, &view) < 0) {
        return NULL;
    }
    PyObject *whole = PyBytes_CheckExact(data) ? data : NULL;
    int result = queue_put_bytes(self, whole, view.buf, (uint64_t)view.len, p);
    arg_release(&view);
    return result < 0 ? NULL : PyBool_FromLong(result);
}

/* Bytes for which there is no room at once. */
PB_NOINLINE static PyObject *
put_unready(QueueObject *self, PyObject *bytes)
{
    patience p = FOR_EVER;
    return put_object(self, bytes, &p);
}

/* Calls with something else than bytes, or with a timeout. */
PB_NOINLINE static PyObject *
put_slowly(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    patience p = FOR_EVER;
    if (check_nargs("put", nargs, 1, 1) < 0 ||
        queue_arg_timeout("put", args + nargs, kwnames, &p) < 0) {
        return NULL;
    }
    return put_object(self, args[0], &p);
}

const char queue_put_doc[] = PyDoc_STR(
    "put($self, data, /, *, timeout=None)\n--\n\n"
    "Append the bytes of ``data``, all of them or none; returns whether it did.\n\n"
    "What happens at ``max_bytes`` is the policy of the queue: ``raise`` raises\n"
    "CapacityError, ``block`` waits for room, for ``timeout`` seconds at most (then\n"
    "TimeoutError, and nothing is put or counted), ``drop_newest`` turns ``data`` away and returns False,\n"
    "``drop_oldest`` pushes out as many of the oldest bytes as it takes: the newest\n"
    "``max_bytes`` of everything stay, of longer ``data`` its end.  ``dropped`` counts\n"
    "both.  ValueError once the queue is closed, or where a blocking one could never hold\n"
    "``data``.\n"
    "O(len(data)); no byte that is there moves.\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue(max_bytes=4, overflow='drop_oldest')\n"
    ">>> queue.put(b'abc'), queue.put(b'def'), queue.peek()\n"
    "(True, True, b'cdef')\n"
    ">>> queue.put(b'longer'), queue.get(), queue.dropped\n"
    "(True, b'nger', 8)\n");

bool
queue_put_fast(QueueObject *self, PyObject *bytes)
{
    const char *at = PyBytes_AS_STRING(bytes);
    uint64_t n = (uint64_t)PyBytes_GET_SIZE(bytes);
    queue_lock(self);
    bool done;
    if (PB_LIKELY(n < PB_QUEUE_KEEP_FROM)) {
        done = pb_queue_put_fast(&self->q, at, n);
    }
    else {
        done = pb_queue_keep_fast(&self->q, bytes, at, n);
        if (done) {
            Py_INCREF(bytes);
        }
    }
    queue_unlock(self);
    return done;
}

/* What is slow gets the values, not the arguments, so that the common case has fewer registers to save. */
PyObject *
queue_put(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (PB_UNLIKELY(nargs != 1 || kwnames || !PyBytes_CheckExact(args[0]))) {
        return put_slowly(self, args, nargs, kwnames);
    }
    PyObject *bytes = args[0];
    if (PB_UNLIKELY(!queue_put_fast(self, bytes))) {
        return put_unready(self, bytes);
    }
    Py_RETURN_TRUE;
}

/* ---- back in front ---- */

/* PB_RANGE: more than the *taken bytes. */
static pb_status
unget_once(QueueObject *self, const void *src, uint64_t n, uint64_t *taken)
{
    queue_lock(self);
    *taken = self->q.out;
    pb_status st = n <= *taken ? pb_queue_unget(&self->q, src, n) : PB_RANGE;
    if (st == PB_OK) {
        self->ungets++;
        queue_search_again_lock_held(self, pb_queue_front(&self->q));
    }
    queue_unlock(self);
    return st;
}

static int
unget_bytes(QueueObject *self, const void *src, uint64_t n)
{
    uint64_t taken;
    pb_status st;
    do {
        st = unget_once(self, src, n, &taken);
        if (st == PB_RANGE) {
            PyErr_Format(PyExc_ValueError,
                         "unget() of %llu bytes: only %llu were taken (total_out)",
                         (unsigned long long)n, (unsigned long long)taken);
            return -1;
        }
    } while (transfer_again(&self->q.b, &st, 0, n));
    return st == PB_OK ? 0 : -1;
}

const char queue_unget_doc[] = PyDoc_STR(
    "unget($self, data, /)\n--\n\n"
    "Put the bytes of ``data`` back in front, so that they are the next to be taken.\n\n"
    "They need not be those that were taken, but no more of them: ``total_out`` goes down\n"
    "by ``len(data)``, and more than that is a ValueError.  ``max_bytes`` is not asked, and\n"
    "a closed queue takes them, too.  Who waits for bytes wakes up.  All or nothing:\n"
    "PoolLimitError or MemoryError when pages are short.  O(len(data)); no byte that is there\n"
    "moves.\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'HTTP/1.1 200')\n"
    "True\n"
    ">>> head = queue.get(6)\n"
    ">>> queue.unget(head[4:])\n"
    ">>> queue.get(), queue.total_out\n"
    "(b'/1.1 200', 12)\n");

PyObject *
queue_unget(QueueObject *self, PyObject *data)
{
    Py_buffer view;
    if (arg_bytes(data, &view) < 0) {
        return NULL;
    }
    int result = unget_bytes(self, view.buf, (uint64_t)view.len);
    arg_release(&view);
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
