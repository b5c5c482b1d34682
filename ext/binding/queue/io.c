/* queue/io.c: send from the pages of a queue, and receive into them.
 *
 * A call that must wait for the peer waits in poll(), with neither lock nor GIL.  The
 * system call itself never waits; it runs under the lock, without the GIL.  So other
 * threads may put and get while one waits. */
#include "queue/target.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* The most bytes that a method of a Python object gets or returns at once. */
#define OBJECT_MOST ((uint64_t)1 << 16)
#define RECV_MOST ((uint64_t)PB_IOV_MOST << PB_PAGE_SHIFT)
/* What a stream is asked for at most, where the caller gives no size: pages that stay empty cost little,
 * since they go back as one run. */
#define RECV_OFFER_MOST ((uint64_t)1 << 20)

/* How one attempt ended: the pool refused, the system failed, the queue was full or
 * closed, or bytes moved. */
typedef struct {
    pb_status st;
    int error;
    bool full, closed;
    uint64_t done;
} io_result;

static ssize_t
call_system(const io_target *target, bool sending, struct iovec *iov, unsigned count)
{
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    if (target->socket) {
        return sending ? sendmsg(target->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : recvmsg(target->fd, &message, MSG_DONTWAIT);
    }
#if TARGET_NOWAIT
    if (target->nowait) { /* moves what the pipe takes or has at once */
        return sending ? pwritev2(target->fd, iov, (int)count, -1, RWF_NOWAIT)
                       : preadv2(target->fd, iov, (int)count, -1, RWF_NOWAIT);
    }
#endif
    return sending ? writev(target->fd, iov, (int)count)
                   : readv(target->fd, iov, (int)count);
}

/* Make the system call without the GIL, while `secured` frames are reserved. */
static io_result
transfer_iov(QueueObject *self, const io_target *target, bool sending, struct iovec *iov,
             unsigned count, uint64_t secured)
{
    PyThreadState *saved;
    copy_job job = {.reserved = secured};
    copy_gate *gate = buffer_leave_gil(&self->q.b, &job, &saved);
    ssize_t done = call_system(target, sending, iov, count);
    int error = done < 0 ? errno : 0;
    buffer_enter_gil(&self->q.b, gate, saved);
    return (io_result){.error = error, .done = done < 0 ? 0 : (uint64_t)done};
}

/* ---- sending ---- */

/* Sent bytes leave the queue, even if the pool has no free frame. */
static io_result
send_lock_held(QueueObject *self, const io_target *target, uint64_t n)
{
    struct iovec iov[PB_IOV_MOST];
    uint64_t secured;
    pb_status st = pb_queue_begin_out(&self->q, &secured);
    if (st != PB_OK) {
        return (io_result){.st = st};
    }
    unsigned count;
    io_result got = {.st = pb_queue_pieces(&self->q, n, iov, PB_IOV_MOST, &count)};
    if (got.st == PB_OK) {
        got = transfer_iov(self, target, true, iov, count, secured);
    }
    pb_queue_end_out(&self->q, got.done, secured);
    return got;
}

static io_result
send_once(QueueObject *self, const io_target *target, uint64_t n)
{
    io_result got = {.st = PB_OK};
    queue_lock(self);
    n = pb_min(pb_min(n, target->most), pb_queue_len(&self->q));
    if (n) {
        got = send_lock_held(self, target, n);
    }
    queue_unlock(self);
    return got;
}

/* ---- receiving ---- */

/* Received bytes enter the queue, even if the pool has no free frame. */
static io_result
recv_lock_held(QueueObject *self, const io_target *target, uint64_t n)
{
    struct iovec iov[PB_IOV_MOST];
    uint64_t secured;
    pb_status st = pb_queue_begin_in(&self->q, n, &secured);
    if (st != PB_OK) {
        return (io_result){.st = st};
    }
    unsigned count;
    io_result got = {.st = pb_queue_space(&self->q, iov, PB_IOV_MOST, &count)};
    if (got.st == PB_OK) {
        got = transfer_iov(self, target, false, iov, count, secured);
    }
    pb_queue_end_in(&self->q, got.done, secured);
    return got;
}

/* A pool with a limit may have room for fewer bytes than were asked for. */
static io_result
recv_what_fits(QueueObject *self, const io_target *target, uint64_t n)
{
    io_result got;
    bool less;
    do {
        got = recv_lock_held(self, target, n);
        less = got.st == PB_LIMIT && n > PB_PAGE_SIZE;
        n /= 2;
    } while (less);
    return got;
}

static io_result
recv_once(QueueObject *self, const io_target *target, uint64_t n)
{
    io_result got = {.st = PB_OK};
    queue_lock(self);
    n = pb_min(n, target->sized ? queue_offer(self, RECV_OFFER_MOST) : UINT64_MAX);
    n = pb_min(n, pb_queue_room(&self->q));
    got.full = n == 0;
    got.closed = self->q.closed;
    if (n && !got.closed) {
        got = recv_what_fits(self, target, n);
    }
    if (target->sized && got.done) {
        queue_note_offer(self, n, got.done, RECV_OFFER_MOST);
    }
    queue_unlock(self);
    return got;
}

/* ---- repeated attempts ---- */

/* The queue takes nothing now.  0: it has room again, try again; -1: an exception. */
static int
await_welcome(QueueObject *self, bool closed, patience *p)
{
    if (closed) {
        queue_raise_closed();
        return -1;
    }
    return queue_await_room(self, 0, p);
}

/* Did the system refuse the flag? */
static bool
does_not_know(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
}

/* Transfer at most n bytes.  Wait for the target as it says, and for room as `p` says.  After a wait
 * for room the target may have nothing left, so it is waited for again. */
static int
transfer_fd(QueueObject *self, io_target *target, bool sending, uint64_t n, patience *p,
            uint64_t *done)
{
    int error = 0;
    bool wait = target->wait_first;
    for (;;) {
        if (wait && target_wait(target, error, sending) < 0) {
            return -1;
        }
        io_result got = sending ? send_once(self, target, n) : recv_once(self, target, n);
        if (got.closed || got.full) {
            if (await_welcome(self, got.closed, p) < 0) {
                return -1;
            }
            error = 0;
            wait = target->wait_first;
            continue;
        }
        if (!queue_again(self, &got.st, n) && got.st != PB_OK) {
            return -1;
        }
        if (got.st == PB_OK && got.error == 0) {
            *done = got.done;
            return 0;
        }
        error = got.error;
        wait = got.st == PB_OK;
        if (target->nowait && does_not_know(error)) {
            if (target_forgo_nowait(target) < 0) {
                return -1;
            }
            error = 0;
            wait = target->wait_first;
        }
    }
}

/* If the caller gave no size, ask a stream for about as much as it sent before. */
static int
recv_fd(QueueObject *self, PyObject *obj, io_target *target, bool said, uint64_t n,
        patience *p, uint64_t *done)
{
    int stream = said ? 0 : target_is_stream(state_of((PyObject *)self), target, obj);
    target->sized = stream > 0;
    n = said || stream ? n : pb_min(n, OFFER_MOST);
    return stream < 0 ? -1 : transfer_fd(self, target, false, n, p, done);
}

/* ---- objects with methods of their own ---- */

/* Drop the sent bytes.  send() may have run any code, so the front may have moved. */
static int
drop_sent(QueueObject *self, uint64_t from, uint64_t n)
{
    pb_status st;
    do {
        queue_lock(self);
        uint64_t front = pb_queue_front(&self->q);
        uint64_t left = front >= from + n ? 0 : from + n - front;
        st = pb_queue_drop(&self->q, pb_min(left, pb_queue_len(&self->q)));
        queue_unlock(self);
    } while (queue_again(self, &st, n));
    return st == PB_OK ? 0 : -1;
}

static int
send_object(QueueObject *self, PyObject *obj, uint64_t n, uint64_t *done)
{
    queue_taking sent = {.n = pb_min(n, OBJECT_MOST)};
    PyObject *data = queue_take(self, &sent);
    PyObject *result = data ? PyObject_CallMethod(obj, "send", "O", data) : NULL;
    Py_XDECREF(data);
    if (result == NULL) {
        return -1;
    }
    int failed = arg_offset(result, "what send() returns", done);
    Py_DECREF(result);
    return failed < 0 ? -1 : drop_sent(self, sent.front, *done);
}

/* Reserve room for n bytes first, so that no received byte is lost for want of memory.
 * Returns the number of the reservation, 0 with an exception. */
static uint64_t
reserve_room(QueueObject *self, uint64_t n)
{
    pb_status st;
    uint64_t serial;
    do {
        queue_lock(self);
        st = pb_queue_reserve(&self->q, n, false);
        serial = self->q.serial;
        queue_unlock(self);
    } while (queue_again(self, &st, n));
    return st == PB_OK ? serial : 0;
}

/* Append n received bytes, through their reservation if it still exists.  They must not be
 * lost, so max_bytes does not keep them out. */
static pb_status
admit_lock_held(QueueObject *self, uint64_t serial, const char *bytes, uint64_t n)
{
    if (self->q.serial == serial && self->q.uncommitted >= n) {
        pb_queue_fill(&self->q, bytes, n);
        return pb_queue_commit(&self->q, n);
    }
    return n ? pb_queue_put(&self->q, bytes, n) : PB_OK;
}

static int
admit(QueueObject *self, uint64_t serial, const char *bytes, uint64_t n)
{
    pb_status st;
    do {
        queue_lock(self);
        st = admit_lock_held(self, serial, bytes, n);
        queue_unlock(self);
    } while (queue_again(self, &st, n));
    return st == PB_OK ? 0 : -1;
}

static void
give_up_room(QueueObject *self, uint64_t serial)
{
    queue_lock(self);
    if (self->q.serial == serial) {
        (void)pb_queue_cancel(&self->q);
    }
    queue_unlock(self);
}

/* At most n bytes, as many as there is room for; 0 with an exception. */
static uint64_t
clip_when_welcome(QueueObject *self, uint64_t n, patience *p)
{
    for (;;) {
        queue_lock(self);
        uint64_t room = pb_queue_room(&self->q);
        bool closed = self->q.closed;
        queue_unlock(self);
        if (room && !closed) {
            return pb_min(n, room);
        }
        if (await_welcome(self, closed, p) < 0) {
            return 0;
        }
    }
}

static int
recv_object(QueueObject *self, PyObject *obj, uint64_t n, patience *p, uint64_t *done)
{
    n = clip_when_welcome(self, pb_min(n, OBJECT_MOST), p);
    if (n == 0) {
        return -1;
    }
    PyObject *space = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)n);
    uint64_t serial = space ? reserve_room(self, n) : 0;
    PyObject *result = serial ? PyObject_CallMethod(obj, "recv_into", "O", space) : NULL;
    int failed = result ? arg_offset(result, "what recv_into() returns", done) : -1;
    Py_XDECREF(result);
    if (failed == 0 && *done > (uint64_t)PyByteArray_GET_SIZE(space)) {
        PyErr_SetString(PyExc_ValueError,
                        "recv_into() returned more than there is room for");
        failed = -1;
    }
    if (failed == 0) {
        failed = admit(self, serial, PyByteArray_AS_STRING(space), *done);
    }
    else if (serial) {
        give_up_room(self, serial);
    }
    Py_XDECREF(space);
    return failed;
}

/* ---- the methods ---- */

static int
io_args(const char *name, PyObject *const *args, Py_ssize_t nargs, uint64_t preset,
        uint64_t *n)
{
    *n = preset;
    return check_nargs(name, nargs, 1, 2) < 0 ||
                   (nargs > 1 && arg_size(args[1], "n", n) < 0)
               ? -1
               : 0;
}

const char queue_send_doc[] =
    "send_to($self, target, n=-1, /)\n--\n\n"
    "Send the oldest bytes, at most ``n`` of them, with one vectored system call straight\n"
    "from the pages; returns how many the target took.  These leave the queue.\n\n"
    "``target`` is a socket, a file descriptor or an object with fileno().  A short count\n"
    "is normal.  The call waits for a blocking target, until its timeout if it has one\n"
    "(TimeoutError).  A non-blocking one that takes nothing raises BlockingIOError.  In both\n"
    "cases nothing is lost.  A socket with a send() of its own (TLS) gets up to 64 KiB at a\n"
    "time.  O(n).\n\n"
    ">>> import socket\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> ours, theirs = socket.socketpair()\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'hello')\n"
    "True\n"
    ">>> queue.send_to(ours), len(queue), theirs.recv(10)\n"
    "(5, 0, b'hello')\n"
    ">>> ours.close(); theirs.close()\n";

PyObject *
queue_send_to(QueueObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n, done = 0;
    io_target target;
    patience none = NO_PATIENCE;
    if (io_args("send_to", args, nargs, UINT64_MAX, &n) < 0 ||
        target_of(state_of((PyObject *)self), args[0], true, &target) < 0) {
        return NULL;
    }
    if (pb_min(n, queue_size(self)) == 0) {
        return PyLong_FromLong(0);
    }
    int failed = target.object ? send_object(self, args[0], n, &done)
                               : transfer_fd(self, &target, true, n, &none, &done);
    return failed < 0 ? NULL : PyLong_FromUnsignedLongLong(done);
}

const char queue_recv_doc[] =
    "recv_from($self, source, n=1048576, /, *, timeout=None)\n--\n\n"
    "Receive at most ``n`` bytes with one vectored system call straight into the pages;\n"
    "returns how many came, 0 at the end of the stream.\n\n"
    "Without ``n`` a stream socket or a pipe is asked for 16 KiB first.  The next call asks\n"
    "for twice as much if all of it came, and for less if little came.  Other sources are\n"
    "asked for 256 KiB.\n\n"
    "``source`` is a socket, a file descriptor or an object with fileno(), and is waited for\n"
    "as by send_to().  No more is received than ``max_bytes`` leaves room for, unless\n"
    "overflow='drop_oldest'.  When that is nothing, overflow='block' waits for room, for\n"
    "``timeout`` seconds at most (then TimeoutError), and others raise CapacityError, so that\n"
    "the bytes stay with the source.  O(n).\n\n"
    ">>> import os\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> reading, writing = os.pipe()\n"
    ">>> os.write(writing, b'hello')\n"
    "5\n"
    ">>> os.close(writing)\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.recv_from(reading), queue.get(), queue.recv_from(reading)\n"
    "(5, b'hello', 0)\n"
    ">>> os.close(reading)\n";

PyObject *
queue_recv_from(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    uint64_t n, done = 0;
    io_target target;
    patience p = FOR_EVER;
    if (io_args("recv_from", args, nargs, RECV_OFFER_MOST, &n) < 0 ||
        queue_arg_timeout("recv_from", args + nargs, kwnames, &p) < 0 ||
        target_of(state_of((PyObject *)self), args[0], false, &target) < 0) {
        return NULL;
    }
    if (n == 0) {
        return PyLong_FromLong(0);
    }
    n = pb_min(n, RECV_MOST);
    int failed = target.object ? recv_object(self, args[0], n, &p, &done)
                               : recv_fd(self, args[0], &target, nargs > 1, n, &p, &done);
    return failed < 0 ? NULL : PyLong_FromUnsignedLongLong(done);
}
