/* queue/target.h: what a queue sends to or receives from: a file descriptor, a socket, or
 * an object with send() and recv_into() of its own (TLS). */
#ifndef PAGEBUF_QUEUE_TARGET_H
#define PAGEBUF_QUEUE_TARGET_H

#include "queue/object.h"

#include <sys/uio.h>

/* Are there calls on a pipe that move what they can and do not wait? */
#if defined(RWF_NOWAIT) && !PB_PORTABLE
#define TARGET_NOWAIT 1
#else
#define TARGET_NOWAIT 0
#endif

typedef struct {
    int fd;
    bool socket;     /* MSG_DONTWAIT works */
    bool wait_first; /* a blocking file descriptor: poll() must come before the call */
    bool object;     /* has methods of its own; the other fields mean nothing */
    PyObject *base;  /* _socket.socket, borrowed, if it is a socket object; else NULL */
    bool pipe;       /* a file descriptor of a pipe */
    bool nowait;     /* a pipe: try RWF_NOWAIT */
    bool asked; /* `timeout` is known; else the descriptor is asked before it is needed */
    bool sized; /* how much to reserve depends on how much came before */
    double timeout;  /* seconds to wait; 0: not at all; < 0: for ever */
    uint64_t most;   /* bytes that may be written at once without waiting */
    double deadline; /* 0: not yet known */
} io_target;

/* What `obj` is.  -1 with an exception.  May run Python code. */
int
target_of(module_state *state, PyObject *obj, bool sending, io_target *target);

/* Do bytes that do not fit stay for the next call, if this one asks for at least
 * OFFER_LEAST?  Datagrams are cut instead, and devices may do anything.  A pipe may keep
 * packets, but these are shorter.  1, 0, or -1 with an exception. */
int
target_is_stream(module_state *state, const io_target *target, PyObject *obj);

/* The system does not support RWF_NOWAIT here.  From now on poll() first where the call could wait, and
 * send no more than poll() promises room for.  -1 with an exception. */
int
target_forgo_nowait(io_target *target);

/* After a call that failed with `error`, or before the first one (0): wait as the target
 * says, look at signals.  0: try again; -1: an exception.  No lock is held. */
int
target_wait(io_target *target, int error, bool sending);

#endif
