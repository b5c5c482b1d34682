/* queue/object.h: what the files behind ByteQueue share.
 *
 * A queue has bytes in a tree, and perhaps a reservation behind them (queue/queue.h).
 * Any put cancels the reservation. */
#ifndef PAGEBUF_QUEUE_OBJECT_H
#define PAGEBUF_QUEUE_OBJECT_H

#include "transfer/holder.h" /* first: Python.h says which functions there are */

#include "base/args.h"
#include "queue/queue.h"

/* A separator, and how far the search for it has come (pb_queue_search_from). */
typedef struct {
    PyObject *sep; /* bytes */
    uint64_t searched;
} separator;

/* A queue remembers this many separators beside the one in use.  If one call names more of
 * them, it remembers them all. */
#define SEPARATORS_MOST 16

/* What a thread waits for.  The end of the stream ends every wait. */
typedef enum {
    FOR_BYTES, /* the queue holds n bytes */
    FOR_NEWS,  /* bytes have come since its news were n (queue/wait.c) */
    FOR_ROOM,  /* n more bytes fit */
} queue_need;

typedef struct {
    queue_need need;
    uint64_t n;
} queue_wish;

/* The entry of a waiting thread in the list of the queue.  It lies on the stack of that
 * thread. */
typedef struct queue_waiter {
    struct queue_waiter *next;
    PyThread_type_lock lock; /* taken; released to wake it */
    queue_wish wish;
    bool woken; /* and removed from the list */
} queue_waiter;

/* How long a call waits. */
typedef struct {
    double seconds;  /* 0: not at all; < 0: for ever */
    double deadline; /* 0: not yet known */
} patience;

#define NO_PATIENCE ((patience){0, 0})
#define FOR_EVER ((patience){-1, 0})

/* A Holder: its tree is the first field of `q`. */
typedef struct {
    PyObject_HEAD
    pb_queue q;
    PyObject *sep;                    /* bytes: the separator in use; NULL: none yet */
    separator *others;                /* those used before it, in no order */
    uint32_t other_count, other_next; /* how many; which one is replaced next */
    PyObject *staging; /* bytearray: memory for a reservation that can have no live view */
    uint64_t lent;     /* the serial of the reservation that a caller has a view of */
    uint32_t offer;    /* bytes to reserve next if the caller gives no size */
    bool staged;       /* that view is of `staging` */
    queue_waiter *waiters;
    uint64_t ungets;  /* how often bytes were put back */
    PyObject *stream; /* the state that its files share (pagebuf._pipe.Stream), or NULL */
    uint64_t waiters_forks; /* lock_state.forks when a thread last used the list */
    PyObject *weakrefs;
    PyObject *name; /* a str, or NULL */
} QueueObject;

_Static_assert(offsetof(QueueObject, q) + offsetof(pb_queue, b) == offsetof(Holder, b),
               "a queue is a Holder");

static inline void
queue_lock(QueueObject *self)
{
    buffer_lock(&self->q.b);
}

/* Wake the threads that find what they wait for. */
void
queue_wake_lock_held(QueueObject *self);

/* Call it before you release the lock: other threads may wait for what has changed. */
static inline void
queue_tell_lock_held(QueueObject *self)
{
    if (PB_UNLIKELY(self->waiters != NULL)) {
        queue_wake_lock_held(self);
    }
}

/* Release objects that the queue has let go, without its lock. */
void
queue_release(QueueObject *self);

static inline void
queue_unlock(QueueObject *self)
{
    queue_tell_lock_held(self);
    bool releases = pb_queue_has_released(&self->q);
    buffer_unlock(&self->q.b);
    if (PB_UNLIKELY(releases)) {
        queue_release(self);
    }
}

/* The length, read under the lock. */
static inline uint64_t
queue_size(QueueObject *self)
{
    queue_lock(self);
    uint64_t len = pb_queue_len(&self->q);
    queue_unlock(self);
    return len;
}

/* After an attempt to move n bytes: transfer_again. */
static inline bool
queue_again(QueueObject *self, pb_status *st, uint64_t n)
{
    return transfer_again(&self->q.b, st, 0, n);
}

/* ---- queue/type.c ---- */

extern PyType_Spec queue_spec;

/* Is it a ByteQueue, and of no class that derives from it? */
bool
queue_is_exact(PyObject *obj);

/* Indexed by pb_overflow. */
extern const char *const queue_overflow_names[5];

/* ---- queue/wait.c ---- */

/* Parse `timeout=`, the only keyword of a fast call.  Without it, *out stays as it is. */
int
queue_arg_timeout(const char *name, PyObject *const *values, PyObject *kwnames,
                  patience *out);

/* Sleep until the queue has what `wish` says, or the stream ends.  No lock is held.  -1
 * with an exception: TimeoutError, or one that a signal handler raised.  Another thread
 * may take the bytes first, so the caller must look again. */
int
queue_wait(QueueObject *self, patience *p, queue_wish wish);

/* Repeat an attempt that returns None while the queue has nothing to take.  Ends when it
 * returns something else, when the time is up, or when no more bytes can come.  Ignores
 * the n of FOR_NEWS. */
typedef PyObject *
queue_attempt(QueueObject *self, const void *what);
PyObject *
queue_take_patiently(QueueObject *self, queue_attempt *attempt, const void *what,
                     queue_wish wish, patience *p, bool *ended);

/* Seconds on a monotonic clock. */
double
queue_clock(void);

/* ---- queue/put.c ---- */

/* ValueError: the stream has ended. */
void
queue_raise_closed(void);

/* 1: the bytes are in; 0: the queue has refused them; -1: an exception.  `whole`: the exact bytes object
 * that they are, which the queue may keep, or NULL. */
int
queue_put_bytes(QueueObject *self, PyObject *whole, const void *src, uint64_t n,
                patience *p);

/* The common put: it waits for nothing, and nothing forbids it.  Else false, and nothing was put. */
bool
queue_put_fast(QueueObject *self, PyObject *bytes);

/* CapacityError: n bytes more would exceed max_bytes; 0: there is no room to receive any. */
void
queue_raise_full(QueueObject *self, uint64_t n);

/* The bound does not admit n bytes, or any at all (n = 0): sleep until it does if that is the
 * policy, else queue_raise_full.  Then the caller must look again.  -1 with an exception. */
int
queue_await_room(QueueObject *self, uint64_t n, patience *p);

PyObject *
queue_put(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *
queue_unget(QueueObject *self, PyObject *data);
extern const char queue_put_doc[], queue_unget_doc[];

/* ---- queue/pieces.c ---- */

/* Make room for `more` records about pieces.  false, without an exception: there is no memory. */
bool
queue_records_lock_held(QueueObject *self, uint32_t more);

/* Keep the object instead of its bytes.  false: copy them. */
bool
queue_keep_lock_held(QueueObject *self, PyObject *bytes, pb_status *st);

/* The object that the queue begins with, if its n bytes are the first ones; else NULL. */
static inline PyObject *
queue_first_object_lock_held(QueueObject *self, uint64_t n)
{
    PyObject *first = pb_queue_first_object(&self->q, n);
    return first && (uint64_t)PyBytes_GET_SIZE(first) == n ? first : NULL;
}

/* Take that object; the caller gets the reference. */
PyObject *
queue_give_lock_held(QueueObject *self);

/* Take n > 0 bytes from the first object: the object itself, or a copy.  NULL without an exception:
 * they do not lie in one. */
PyObject *
queue_take_piece_lock_held(QueueObject *self, uint64_t n);

/* Release all objects, when the queue goes. */
void
queue_end_pieces(QueueObject *self);

/* bytes_beside (transfer/holder.h): how many bytes lie in objects, and how many are kept for that. */
uint64_t
queue_bytes_beside(const pb_buf *b, uint64_t *kept);

PyObject *
queue_stats(QueueObject *self, PyObject *ignored);
extern const char queue_stats_doc[];

/* ---- queue/get.c ---- */

/* An optional size among fast-call arguments: UINT64_MAX for none. */
int
queue_arg_size(const char *name, PyObject *const *args, Py_ssize_t nargs, uint64_t *out);

/* Copy the first n bytes to dst, large amounts without the GIL, and remove them if `drop`.
 * PB_RANGE: there are fewer. */
pb_status
queue_take_lock_held(QueueObject *self, void *dst, uint64_t n, bool drop);

/* Return the first n bytes, or all if there are fewer, and remove them if `drop`.  With
 * `newest`, return the last n and remove nothing.  Return None if there are fewer than
 * `least`. */
typedef struct {
    uint64_t n, least;
    bool drop, newest;
    uint64_t front; /* out: the stream position of the first */
} queue_taking;

PyObject *
queue_take(QueueObject *self, queue_taking *t);

/* Take n bytes if the first page holds them and more, or the first piece holds them.  If not, return
 * NULL without an exception; then call queue_take. */
static inline PyObject *
queue_take_fast(QueueObject *self, uint64_t n)
{
    queue_lock(self);
    const uint8_t *at = pb_queue_ready(&self->q, n);
    PyObject *out = at ? PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)n) : NULL;
    if (PB_LIKELY(out != NULL)) {
        pb_queue_take_ready(&self->q, n);
    }
    else if (at == NULL) {
        out = queue_take_piece_lock_held(self, n);
    }
    queue_unlock(self);
    return out;
}

/* Take exactly n bytes.  None while there are fewer, EOFError if the stream has ended with
 * fewer. */
PyObject *
queue_exactly(QueueObject *self, uint64_t n, patience *p);

PyObject *
queue_get(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *
queue_peek(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *
queue_consume(QueueObject *self, PyObject *arg);
PyObject *
queue_clear(QueueObject *self, PyObject *ignored);
extern const char queue_get_doc[], queue_peek_doc[], queue_consume_doc[], queue_clear_doc[];

/* ---- queue/info.c ---- */

extern PyGetSetDef queue_getset[];

/* The name, a new reference, or NULL. */
PyObject *
queue_name(QueueObject *self);

Py_ssize_t
queue_length(QueueObject *self);
PyObject *
queue_repr(QueueObject *self);
PyObject *
queue_check(QueueObject *self, PyObject *ignored);
extern const char queue_check_doc[];

/* ---- queue/look.c ---- */

PyObject *
queue_tail(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
queue_find(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
queue_tobytes(QueueObject *self, PyObject *ignored);
PyObject *
queue_views(QueueObject *self, PyObject *args, PyObject *kwargs);
extern const char queue_tail_doc[], queue_find_doc[], queue_tobytes_doc[],
    queue_views_doc[];

/* ---- queue/read.c ---- */

/* Make all searches look again from this stream position on, because the bytes there are new. */
void
queue_search_again_lock_held(QueueObject *self, uint64_t from);

/* Release all remembered separators, when the object goes. */
void
queue_forget_separators(QueueObject *self);

PyObject *
queue_readexactly(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames);
PyObject *
queue_readuntil(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames);
PyObject *
queue_readline(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames);
PyObject *
queue_line(QueueObject *self, PyObject *ignored);
PyObject *
queue_lines(QueueObject *self, PyObject *ignored);
extern const char queue_readexactly_doc[], queue_readuntil_doc[], queue_readline_doc[],
    queue_line_doc[], queue_lines_doc[];

/* ---- queue/reserve.c ---- */

/* How many bytes to reserve if the caller gives no size.  If the last offer was
 * filled, the next one is twice as large; if most of it stayed empty, half as large. */
#define OFFER_LEAST ((uint64_t)1 << 14)
#define OFFER_MOST ((uint64_t)1 << 18)

static inline uint64_t
queue_offer(const QueueObject *self, uint64_t most)
{
    return pb_min(pb_max(OFFER_LEAST, self->offer), most);
}

void
queue_note_offer(QueueObject *self, uint64_t offered, uint64_t came, uint64_t most);

PyObject *
queue_reserve(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames);
PyObject *
queue_commit(QueueObject *self, PyObject *arg);
PyObject *
queue_get_buffer(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
queue_buffer_updated(QueueObject *self, PyObject *arg);
extern const char queue_reserve_doc[], queue_commit_doc[], queue_get_buffer_doc[],
    queue_buffer_updated_doc[];

/* ---- queue/stream.c ---- */

PyObject *
queue_write(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *
queue_flush(QueueObject *self, PyObject *ignored);
PyObject *
queue_close(QueueObject *self, PyObject *ignored);
PyObject *
queue_open(QueueObject *self, PyObject *args, PyObject *kwargs);
PyObject *
queue_hasten(PyObject *module, PyObject *args);
extern const char queue_write_doc[], queue_flush_doc[], queue_close_doc[], queue_open_doc[],
    queue_hasten_doc[];

/* ---- queue/splice.c ---- */

PyObject *
queue_splice_from(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames);
extern const char queue_splice_doc[];

/* ---- queue/io.c ---- */

PyObject *
queue_send_to(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
queue_recv_from(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames);
extern const char queue_send_doc[], queue_recv_doc[];

#endif
