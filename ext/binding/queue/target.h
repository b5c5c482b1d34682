/* queue/target.h: what a queue sends to and receives from: a file descriptor, a socket,
 * or an object with send() and recv() of its own (TLS). */
#ifndef PAGEBUF_QUEUE_TARGET_H
#define PAGEBUF_QUEUE_TARGET_H

#include "queue/object.h"

typedef struct {
    int fd;
    bool socket;     /* may be asked not to wait (MSG_DONTWAIT) */
    bool wait_first; /* a blocking file descriptor: the call itself must not wait */
    bool object;     /* has methods of its own; none of the others counts */
    PyObject *base;  /* _socket.socket, borrowed, where it is one of those; else NULL */
    bool pipe;       /* a file descriptor of one */
    bool nowait;     /* a pipe that waits, but may be asked not to (RWF_NOWAIT) */
    bool sized;      /* what is reserved to receive follows what came before */
    double timeout;  /* seconds to wait; 0: not at all; < 0: for ever */
    uint64_t most;   /* bytes that may be written at once without waiting */
    double deadline; /* 0: not yet known */
} io_target;

/* What `obj` is.  -1 with an exception.  May run Python code. */
int
target_of(module_state *state, PyObject *obj, bool sending, io_target *target);

/* Does what is not received stay for the next call, if OFFER_LEAST was asked for?
 * Datagrams are cut, and who knows of devices.  A pipe may be one of packets, which are
 * shorter.  1, 0, or -1 with an exception. */
int
target_is_stream(const io_target *target, PyObject *obj);

/* The system does not know how to ask it: poll() first, and send what that promises. */
void
target_forgo_nowait(io_target *target);

/* After a call that failed with `error`, or before the first one (0): wait as the target
 * says, look at signals.  0: try again; -1: an exception.  No lock is held. */
int
target_wait(io_target *target, int error, bool sending);

#endif
