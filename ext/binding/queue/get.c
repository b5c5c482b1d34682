/* queue/get.c: take, look at or remove the oldest bytes. */
#include "queue/object.h"

#include "base/errors.h"

int
queue_arg_size(const char *name, PyObject *const *args, Py_ssize_t nargs, uint64_t *out)
{
    *out = UINT64_MAX;
    if (check_nargs(name, nargs, 0, 1) < 0) {
        return -1;
    }
    return nargs ? arg_size(args[0], "n", out) : 0;
}

static pb_status
copy_out_without_gil(QueueObject *self, void *dst, uint64_t n)
{
    PyThreadState *saved;
    copy_gate *gate = buffer_leave_gil(&self->q.b, &(copy_job){.src = NULL}, &saved);
    pb_status st = pb_queue_copy_out(&self->q, dst, n);
    buffer_enter_gil(&self->q.b, gate, saved);
    return st;
}

pb_status
queue_take_lock_held(QueueObject *self, void *dst, uint64_t n, bool drop)
{
    if (n > pb_queue_len(&self->q)) {
        return PB_RANGE;
    }
    pb_status st = PB_LIKELY(n < COPY_WITHOUT_GIL) ? pb_queue_copy_out(&self->q, dst, n)
                                                   : copy_out_without_gil(self, dst, n);
    return st == PB_OK && drop ? pb_queue_drop(&self->q, n) : st;
}

/* PB_RANGE: the queue has changed, so "at most n bytes" is not `len` bytes any more. */
static pb_status
take_asked_lock_held(QueueObject *self, const queue_taking *t, void *dst, uint64_t len)
{
    uint64_t all = pb_queue_len(&self->q);
    if (pb_min(t->n, all) != len) {
        return PB_RANGE;
    }
    return t->newest ? pb_queue_copy_at(&self->q, all - len, dst, len)
                     : queue_take_lock_held(self, dst, len, t->drop);
}

/* The first object itself, if it is what is asked for; NULL: it is not.  *len: how many bytes are. */
static PyObject *
take_object(QueueObject *self, queue_taking *t, uint64_t *len)
{
    queue_lock(self);
    *len = pb_min(t->n, pb_queue_len(&self->q));
    bool asked = !t->newest && *len >= t->least;
    PyObject *out = asked ? queue_first_object_lock_held(self, *len) : NULL;
    t->front = pb_queue_front(&self->q);
    if (out && t->drop) {
        out = queue_give_lock_held(self);
    }
    else {
        Py_XINCREF(out);
    }
    queue_unlock(self);
    return out;
}

PyObject *
queue_take(QueueObject *self, queue_taking *t)
{
    for (;;) {
        uint64_t len;
        PyObject *whole = take_object(self, t, &len);
        if (whole) {
            return whole;
        }
        if (len < t->least) {
            Py_RETURN_NONE;
        }
        PyObject *out = new_bytes(len);
        if (out == NULL) {
            return NULL;
        }
        queue_lock(self);
        t->front = pb_queue_front(&self->q);
        pb_status st = take_asked_lock_held(self, t, PyBytes_AS_STRING(out), len);
        queue_unlock(self);
        /* PB_RANGE: another thread has put or taken bytes meanwhile */
        bool again = st == PB_RANGE || queue_again(self, &st, len);
        if (PB_LIKELY(st == PB_OK)) {
            return out;
        }
        Py_DECREF(out);
        if (!again) {
            return NULL;
        }
    }
}

const char queue_get_doc[] = PyDoc_STR(
    "get($self, n=-1, /, *, timeout=0)\n--\n\n"
    "Remove and return the oldest bytes, at most ``n`` of them.\n\n"
    "None or -1 takes all; b'' when there are none.  Another ``timeout`` waits for one byte\n"
    "at least: so many seconds (then TimeoutError), or for ever (None); b'' means then that\n"
    "the queue is closed and empty.  Pages left behind go back to the pool.  O(n).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'hello world')\n"
    "True\n"
    ">>> queue.get(6), queue.get(), queue.get()\n"
    "(b'hello ', b'world', b'')\n");

/* ---- with patience ---- */

static PyObject *
take_wanted(QueueObject *self, const void *what)
{
    queue_taking t = *(const queue_taking *)what;
    return queue_take(self, &t);
}

/* At most n bytes.  A call that waits gets at least one, unless the stream ends. */
static PyObject *
take_some(QueueObject *self, uint64_t n, bool drop, patience *p)
{
    queue_taking t = {.n = n, .drop = drop};
    if (PB_LIKELY(p->seconds == 0)) {
        return queue_take(self, &t);
    }
    bool ended;
    t.least = pb_min(n, 1);
    PyObject *out = queue_take_patiently(self, take_wanted, &t,
                                         (queue_wish){FOR_BYTES, t.least}, p, &ended);
    if (out == Py_None) {
        Py_DECREF(out);
        out = PyBytes_FromStringAndSize(NULL, 0);
    }
    return out;
}

/* Bytes that are not ready at once. */
PB_NOINLINE static PyObject *
get_unready(QueueObject *self, uint64_t n)
{
    queue_taking t = {.n = n, .drop = true};
    return PyErr_Occurred() ? NULL : queue_take(self, &t);
}

/* Calls without a small size, or with a timeout. */
PB_NOINLINE static PyObject *
get_slowly(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    uint64_t n;
    patience p = NO_PATIENCE;
    if (queue_arg_size("get", args, nargs, &n) < 0 ||
        queue_arg_timeout("get", args + nargs, kwnames, &p) < 0) {
        return NULL;
    }
    return take_some(self, n, true, &p);
}

/* What is slow gets the values, not the arguments, so that the common case has fewer registers to save. */
PyObject *
queue_get(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    uint64_t n;
    if (PB_UNLIKELY(nargs != 1 || kwnames || !arg_small(args[0], &n))) {
        return get_slowly(self, args, nargs, kwnames);
    }
    PyObject *out = queue_take_fast(self, n);
    return PB_LIKELY(out != NULL) ? out : get_unready(self, n);
}

PyObject *
queue_exactly(QueueObject *self, uint64_t n, patience *p)
{
    bool ended;
    const queue_taking t = {.n = n, .least = n, .drop = true};
    PyObject *out =
        queue_take_patiently(self, take_wanted, &t, (queue_wish){FOR_BYTES, n}, p, &ended);
    if (out == Py_None && ended) {
        Py_DECREF(out);
        out = NULL;
        PyErr_Format(PyExc_EOFError,
                     "readexactly(%llu) of a closed queue that holds %llu bytes",
                     (unsigned long long)n, (unsigned long long)queue_size(self));
    }
    return out;
}

const char queue_peek_doc[] = PyDoc_STR(
    "peek($self, n=-1, /, *, timeout=0)\n--\n\n"
    "The oldest bytes, at most ``n`` of them, left where they are; waits as get() does.\n"
    "O(n).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'head body')\n"
    "True\n"
    ">>> queue.peek(4), len(queue)\n"
    "(b'head', 9)\n");

PyObject *
queue_peek(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    uint64_t n;
    patience p = NO_PATIENCE;
    if (queue_arg_size("peek", args, nargs, &n) < 0 ||
        queue_arg_timeout("peek", args + nargs, kwnames, &p) < 0) {
        return NULL;
    }
    return take_some(self, n, false, &p);
}

const char queue_consume_doc[] = PyDoc_STR(
    "consume($self, n, /)\n--\n\n"
    "Remove the oldest ``n`` bytes, what peek() or views() showed.\n\n"
    "Raises ValueError when there are fewer; then none was removed.  O(pages).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'head body')\n"
    "True\n"
    ">>> queue.consume(5)\n"
    ">>> queue.get()\n"
    "b'body'\n");

PyObject *
queue_consume(QueueObject *self, PyObject *arg)
{
    uint64_t n;
    if (arg_offset(arg, "n", &n) < 0) {
        return NULL;
    }
    uint64_t len;
    pb_status st;
    do {
        queue_lock(self);
        len = pb_queue_len(&self->q);
        st = n <= len ? pb_queue_drop(&self->q, n) : PB_RANGE;
        queue_unlock(self);
    } while (n <= len && queue_again(self, &st, n));
    if (n > len) {
        return PyErr_Format(PyExc_ValueError,
                            "consume(%llu) of a queue that holds %llu bytes",
                            (unsigned long long)n, (unsigned long long)len);
    }
    if (st != PB_OK) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char queue_clear_doc[] = PyDoc_STR(
    "clear($self, /)\n--\n\n"
    "Remove everything; every page goes back to the pool, a reservation is given up.\n\n"
    "What was removed counts as taken (``total_out``).  Cannot fail.  O(pages).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'abc')\n"
    "True\n"
    ">>> queue.clear()\n"
    ">>> len(queue), queue.total_out\n"
    "(0, 3)\n");

PyObject *
queue_clear(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    queue_lock(self);
    pb_queue_clear(&self->q);
    queue_unlock(self);
    if (pool_report_pending(pool_object(&self->q.b), true) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}
