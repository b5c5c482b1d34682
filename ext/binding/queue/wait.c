/* queue/wait.c: waiting for bytes, or for room.  A waiting thread enters the list of the
 * queue and sleeps on a lock of its own, which is taken already.  Each unlock of a queue
 * looks at the list, if there is one (queue_tell_lock_held), and releases the locks of
 * all threads that find what they wait for.  All of them, because the same bytes may
 * satisfy several, and a signal may end one of them at that moment.  So nobody polls,
 * and if nobody waits an unlock costs one look at a pointer.  The child of a fork has
 * none of the threads that waited.  Their entries lay on stacks that are gone, so the
 * child drops the list unread (lock_state.forks). */
#include "queue/object.h"

#include <math.h>
#include <time.h>

/* ---- how long ---- */

static int
convert_timeout(PyObject *obj, patience *out)
{
    double seconds = obj == Py_None ? -1 : PyFloat_AsDouble(obj);
    if (PyErr_Occurred()) {
        if (!PyNumber_Check(obj)) {
            PyErr_Format(PyExc_TypeError, "timeout must be a number or None, not %.200s",
                         Py_TYPE(obj)->tp_name);
        }
        return -1;
    }
    if (obj != Py_None && !(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "timeout must be None or at least 0, not %R", obj);
        return -1;
    }
    *out = (patience){seconds, 0};
    return 0;
}

int
queue_arg_timeout(const char *name, PyObject *const *values, PyObject *kwnames,
                  patience *out)
{
    PyObject *timeout = NULL;
    if (kwnames && arg_keyword(name, "timeout", values, kwnames, &timeout) < 0) {
        return -1;
    }
    return timeout ? convert_timeout(timeout, out) : 0;
}

double
queue_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Microseconds that are left, rounded up; -1: for ever. */
static PY_TIMEOUT_T
remaining(patience *p)
{
    if (p->seconds < 0) {
        return -1;
    }
    if (p->deadline == 0) {
        p->deadline = queue_clock() + p->seconds;
    }
    double left = ceil((p->deadline - queue_clock()) * 1e6);
    double most = 1e12; /* some days; then the caller waits again */
    return left <= 0 ? 0 : (PY_TIMEOUT_T)(left < most ? left : most);
}

/* ---- the list ---- */

static uint64_t
forks_of(QueueObject *self)
{
    return locks_of(state_of_buf(&self->q.b))->forks;
}

/* Another number whenever bytes have come, at either end. */
static uint64_t
news_of(const QueueObject *self)
{
    return pb_queue_in(&self->q) + self->ungets;
}

static bool
is_fulfilled(const QueueObject *self, const queue_wish *wish)
{
    const pb_queue *q = &self->q;
    if (q->closed) {
        return true;
    }
    switch (wish->need) {
    case FOR_BYTES:
        return pb_queue_len(q) >= wish->n;
    case FOR_NEWS:
        return news_of(self) != wish->n;
    default: /* a put that can never fit is refused, so it need not wait */
        return pb_queue_admits(q, wish->n) || wish->n > q->max_bytes;
    }
}

/* The waiters from before a fork are gone. */
static void
drop_the_gone(QueueObject *self)
{
    if (self->waiters_forks != forks_of(self)) {
        self->waiters = NULL;
        self->waiters_forks = forks_of(self);
    }
}

void
queue_wake_lock_held(QueueObject *self)
{
    drop_the_gone(self);
    queue_waiter **at = &self->waiters;
    while (*at) {
        queue_waiter *w = *at;
        if (is_fulfilled(self, &w->wish)) {
            *at = w->next;
            w->woken = true;
            PyThread_release_lock(w->lock);
        }
        else {
            at = &w->next;
        }
    }
}

static void
join_lock_held(QueueObject *self, queue_waiter *w)
{
    drop_the_gone(self);
    queue_waiter **at = &self->waiters;
    while (*at) {
        at = &(*at)->next;
    }
    *at = w;
}

static void
leave_lock_held(QueueObject *self, queue_waiter *w)
{
    queue_waiter **at = &self->waiters;
    while (*at && *at != w) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = w->next;
    }
}

/* ---- sleep ---- */

/* 1: woken; 0: the time is up; -1: what a signal raised. */
static int
sleep_on(PyThread_type_lock lock, patience *p)
{
    for (;;) {
        PyLockStatus status;
        PY_TIMEOUT_T left = remaining(p);
        Py_BEGIN_ALLOW_THREADS
        status = PyThread_acquire_lock_timed(lock, left, 1);
        Py_END_ALLOW_THREADS
        if (status == PY_LOCK_ACQUIRED) {
            return 1;
        }
        if (PyErr_CheckSignals() < 0) {
            return -1;
        }
        if (status == PY_LOCK_FAILURE && remaining(p) == 0) {
            return 0;
        }
    }
}

/* Must the thread sleep?  Then it is in the list now. */
static bool
begin_to_wait(QueueObject *self, queue_waiter *w)
{
    queue_lock(self);
    bool sleeps = !is_fulfilled(self, &w->wish);
    if (sleeps) {
        join_lock_held(self, w);
    }
    queue_unlock(self);
    return sleeps;
}

static int
wait_as(QueueObject *self, patience *p, queue_waiter *w)
{
    if (!begin_to_wait(self, w)) {
        return 1;
    }
    int result = sleep_on(w->lock, p);
    queue_lock(self); /* a thread that woke it has removed it already */
    if (!w->woken) {
        leave_lock_held(self, w);
    }
    queue_unlock(self);
    return result == 0 && w->woken ? 1 : result;
}

int
queue_wait(QueueObject *self, patience *p, queue_wish wish)
{
    queue_waiter w = {.wish = wish, .lock = PyThread_allocate_lock()};
    if (w.lock == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyThread_acquire_lock(w.lock, WAIT_LOCK); /* no other thread has the lock yet */
    int result = wait_as(self, p, &w);
    PyThread_free_lock(w.lock);
    if (result == 0) {
        PyErr_Format(PyExc_TimeoutError, "timed out; the queue holds %llu bytes",
                     (unsigned long long)queue_size(self));
    }
    return result > 0 ? 0 : -1;
}

/* ---- taking ---- */

/* If the stream had ended before the attempt, nothing can come after it. */
PyObject *
queue_take_patiently(QueueObject *self, queue_attempt *attempt, const void *what,
                     queue_wish wish, patience *p, bool *ended)
{
    for (;;) {
        queue_lock(self);
        *ended = self->q.closed;
        uint64_t news = news_of(self);
        queue_unlock(self);
        PyObject *out = attempt(self, what);
        if (out != Py_None || *ended || p->seconds == 0) {
            return out;
        }
        Py_DECREF(out);
        wish.n = wish.need == FOR_NEWS ? news : wish.n;
        if (queue_wait(self, p, wish) < 0) {
            return NULL;
        }
    }
}
