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

/* A number for a type and its bases as they are; 0: it has none yet. */
static inline uint32_t
version_of(PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030C0000
    return type->tp_flags & Py_TPFLAGS_VALID_VERSION_TAG ? type->tp_version_tag : 0;
#else
    return __atomic_load_n(&type->tp_version_tag, __ATOMIC_ACQUIRE);
#endif
}

/* What was found of a type of sockets: 1 if it overrides the method, 0, or -1: nothing. */
static inline int
recall(const module_state *state, PyTypeObject *type, bool sending)
{
    uint64_t version = version_of(type);
    uint64_t seen = __atomic_load_n(&state->sockets[sending], __ATOMIC_RELAXED);
    return version && seen >> 1 == version ? (int)(seen & 1) : -1;
}

/* The same, looked up, of an object that is a socket.  The lookup gives the type its number, so it is
 * remembered at the second call. */
static int
look_up(module_state *state, PyObject *obj, PyObject *base, bool sending)
{
    PyTypeObject *type = Py_TYPE(obj);
    uint64_t version = version_of(type);
    int own = overrides(obj, base, sending ? "send" : "recv_into");
    bool remember = version && version == version_of(type) &&
                    PyType_IsSubtype(type, (PyTypeObject *)base);
    if (own >= 0 && remember) {
        __atomic_store_n(&state->sockets[sending], version << 1 | (uint64_t)own,
                         __ATOMIC_RELAXED);
    }
    return own;
}

static int
convert_timeout(module_state *state, PyObject *sock, io_target *target)
{
    PyObject *timeout = PyObject_CallMethodNoArgs(sock, state->str_gettimeout);
    if (timeout == NULL) {
        return -1;
    }
    target->timeout = timeout == Py_None ? -1 : PyFloat_AsDouble(timeout);
    target->asked = true;
    Py_DECREF(timeout);
    return PyErr_Occurred() ? -1 : 0;
}

/* Does a call wait on this descriptor? */
static int
ask_descriptor(io_target *target)
{
    int flags = target->asked ? 0 : fcntl(target->fd, F_GETFL);
    if (flags < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (!target->asked) {
        target->timeout = flags & O_NONBLOCK ? 0 : -1;
        target->asked = true;
    }
    return flags;
}

static void
poll_before_calls(io_target *target)
{
    target->nowait = false;
    target->wait_first = target->timeout != 0;
    if (target->wait_first) {
        target->most = PIPE_BUF; /* after poll() a write of at most this does not wait */
    }
}

int
target_forgo_nowait(io_target *target)
{
    if (ask_descriptor(target) < 0) {
        return -1;
    }
    poll_before_calls(target);
    return 0;
}

/* A call on it may wait.  Refuse one that is not open for this: poll() would wait in vain. */
static int
describe_other(io_target *target, bool sending, bool disk)
{
    int flags = ask_descriptor(target);
    if (flags >= 0 && (flags & O_ACCMODE) == (sending ? O_RDONLY : O_WRONLY)) {
        errno = EBADF;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (flags >= 0 && !disk) {
        poll_before_calls(target);
    }
    return flags < 0 ? -1 : 0;
}

/* Ask the kernel about a file descriptor.  Where a call can be told not to wait, nobody needs to know
 * whether it would, until there is nothing to do. */
static int
describe_fd(io_target *target, bool sending)
{
    struct stat st;
    if (fstat(target->fd, &st) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    target->socket = S_ISSOCK(st.st_mode);
    target->pipe = S_ISFIFO(st.st_mode);
#if TARGET_NOWAIT
    target->nowait = target->pipe;
#endif
    bool disk = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode);
    return target->socket || target->nowait ? 0 : describe_other(target, sending, disk);
}

static int
has(PyObject *obj, const char *name)
{
    return PyObject_HasAttrString(obj, name);
}

/* own: it has its own method to send or receive with. */
static int
describe_socket(module_state *state, PyObject *obj, int own, io_target *target)
{
    if (own != 0) {
        target->object = own > 0;
        return own < 0 ? -1 : 0;
    }
    target->socket = true;
    target->base = state_seen(&state->socket_type);
    target->fd = PyObject_AsFileDescriptor(obj);
    if (target->fd < 0) { /* closed: raise as sockets do */
        PyErr_Clear();
        errno = EBADF;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return convert_timeout(state, obj, target);
}

int
target_of(module_state *state, PyObject *obj, bool sending, io_target *target)
{
    *target = (io_target){.most = UINT64_MAX};
    int own = recall(state, Py_TYPE(obj), sending);
    if (own >= 0) {
        return describe_socket(state, obj, own, target);
    }
    PyObject *base = PyLong_Check(obj) ? NULL : socket_type(state);
    if (PyErr_Occurred()) {
        return -1;
    }
    if (base && PyObject_IsInstance(obj, base)) {
        own = look_up(state, obj, base, sending);
        return describe_socket(state, obj, own, target);
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
type_by_object(module_state *state, PyObject *obj, PyObject *base)
{
    PyObject *member = PyObject_GetAttr(base, state->str_type);
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
target_is_stream(module_state *state, const io_target *target, PyObject *obj)
{
    if (!target->socket) {
        return target->pipe;
    }
    int type = target->base ? type_by_object(state, obj, target->base)
                            : type_by_descriptor(target->fd);
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
    if (would_block && ask_descriptor(target) < 0) {
        return -1;
    }
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
