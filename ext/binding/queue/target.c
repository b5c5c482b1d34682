/* queue/target.c: tell sockets from files, and wait for either. */
#include "queue/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#ifndef PIPE_BUF
#define PIPE_BUF 512
#endif

/* ---- what is it? ---- */

/* _socket.socket, borrowed.  NULL without an exception if nobody has imported it: then
 * nothing is a socket. */
static PyObject *
socket_type(module_state *state)
{
    PyObject *seen = state_seen(&state->socket_type);
    if (seen == NULL) {
        PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
        PyObject *module = PyDict_GetItemString(modules, "_socket");
        PyObject *made = module ? PyObject_GetAttrString(module, "socket") : NULL;
        seen = made ? state_once(&state->socket_type, made) : NULL;
    }
    return seen;
}

/* Does the type of `obj` override a method of _socket.socket?  TLS sockets do, and so do
 * those of cooperative frameworks. */
static int
overrides(PyObject *obj, PyObject *base, const char *name)
{
    PyObject *own = PyObject_GetAttrString((PyObject *)Py_TYPE(obj), name);
    PyObject *common = own ? PyObject_GetAttrString(base, name) : NULL;
    int result = common ? own != common : -1;
    Py_XDECREF(own);
    Py_XDECREF(common);
    return result;
}

static int
convert_timeout(PyObject *sock, io_target *target)
{
    PyObject *timeout = PyObject_CallMethod(sock, "gettimeout", NULL);
    if (timeout == NULL) {
        return -1;
    }
    target->timeout = timeout == Py_None ? -1 : PyFloat_AsDouble(timeout);
    Py_DECREF(timeout);
    return PyErr_Occurred() ? -1 : 0;
}

void
target_forgo_nowait(io_target *target)
{
    target->nowait = false;
    target->wait_first = true;
    target->most = PIPE_BUF; /* after poll() a write of at most this does not wait */
}

/* Ask the kernel about a file descriptor.  Refuse one that is not open for this: poll()
 * would wait in vain. */
static int
describe_fd(io_target *target, bool sending)
{
    struct stat st;
    int flags = fcntl(target->fd, F_GETFL);
    if (flags >= 0 && (flags & O_ACCMODE) == (sending ? O_RDONLY : O_WRONLY)) {
        errno = EBADF;
        flags = -1;
    }
    if (flags < 0 || fstat(target->fd, &st) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    target->timeout = flags & O_NONBLOCK ? 0 : -1;
    target->socket = S_ISSOCK(st.st_mode);
    target->pipe = S_ISFIFO(st.st_mode);
    bool disk = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode);
    target->wait_first = target->timeout != 0 && !target->socket && !disk;
    if (target->wait_first) {
        target_forgo_nowait(target);
    }
#if TARGET_NOWAIT
    if (target->wait_first && target->pipe && sending) {
        target->nowait = true;
        target->wait_first = false;
        target->most = UINT64_MAX;
    }
#endif
    return 0;
}

static int
has(PyObject *obj, const char *name)
{
    return PyObject_HasAttrString(obj, name);
}

static int
describe_socket(PyObject *obj, PyObject *base, bool sending, io_target *target)
{
    int own = overrides(obj, base, sending ? "send" : "recv_into");
    if (own != 0) {
        target->object = own > 0;
        return own < 0 ? -1 : 0;
    }
    target->socket = true;
    target->base = base;
    target->fd = PyObject_AsFileDescriptor(obj);
    return convert_timeout(obj, target);
}

int
target_of(module_state *state, PyObject *obj, bool sending, io_target *target)
{
    *target = (io_target){.most = UINT64_MAX};
    PyObject *base = PyLong_Check(obj) ? NULL : socket_type(state);
    if (PyErr_Occurred()) {
        return -1;
    }
    if (base && PyObject_IsInstance(obj, base)) {
        int result = describe_socket(obj, base, sending, target);
        if (target->fd < 0 && !target->object) { /* closed: raise as sockets do */
            PyErr_Clear();
            errno = EBADF;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        return result;
    }
    if (!PyLong_Check(obj) && has(obj, "send") && has(obj, "recv_into")) {
        target->object = true;
        return 0;
    }
    target->fd = PyObject_AsFileDescriptor(obj);
    return target->fd < 0 ? -1 : describe_fd(target, sending);
}

/* The type that the socket object has noted, so this takes no system call.  It asks the
 * attribute of _socket.socket, because that of socket.socket returns an enum.  -1 with an
 * exception. */
static int
type_by_object(PyObject *obj, PyObject *base)
{
    PyObject *member = PyObject_GetAttrString(base, "type");
    descrgetfunc get = member ? Py_TYPE(member)->tp_descr_get : NULL;
    PyObject *value = get ? get(member, obj, (PyObject *)Py_TYPE(obj)) : NULL;
    int type = value ? (int)PyLong_AsLong(value) : -1;
    Py_XDECREF(value);
    Py_XDECREF(member);
    return type;
}

static int
type_by_descriptor(int fd)
{
    int type;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? type : 0;
}

int
target_is_stream(const io_target *target, PyObject *obj)
{
    if (!target->socket) {
        return target->pipe;
    }
    int type =
        target->base ? type_by_object(obj, target->base) : type_by_descriptor(target->fd);
    return PyErr_Occurred() ? -1 : type == SOCK_STREAM;
}

/* ---- waiting ---- */

/* Milliseconds until the deadline, rounded up; -1: for ever. */
static int
remaining(io_target *target)
{
    if (target->timeout < 0) {
        return -1;
    }
    if (target->deadline == 0) {
        target->deadline = queue_clock() + target->timeout;
    }
    double left = (target->deadline - queue_clock()) * 1e3;
    return left <= 0 ? 0 : left >= INT_MAX - 1 ? INT_MAX : (int)left + 1;
}

/* 1: ready; 0: the time is up; -1: an exception. */
static int
poll_target(io_target *target, short events)
{
    for (;;) {
        struct pollfd one = {.fd = target->fd, .events = events};
        int ready, error, left = remaining(target);
        Py_BEGIN_ALLOW_THREADS
        ready = poll(&one, 1, left);
        error = errno;
        Py_END_ALLOW_THREADS
        if (ready >= 0) {
            return ready;
        }
        if (error != EINTR) {
            errno = error;
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        if (PyErr_CheckSignals() < 0) {
            return -1;
        }
    }
}

int
target_wait(io_target *target, int error, bool sending)
{
    if (error == EINTR) {
        return PyErr_CheckSignals();
    }
    bool would_block = error == 0 || error == EAGAIN || error == EWOULDBLOCK;
    if (!would_block || target->timeout == 0) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError); /* EAGAIN is a BlockingIOError */
        return -1;
    }
    int ready = poll_target(target, sending ? POLLOUT : POLLIN);
    if (ready == 0) {
        PyErr_SetString(PyExc_TimeoutError, "timed out");
    }
    return ready > 0 ? 0 : -1;
}
