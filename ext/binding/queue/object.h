/* queue/object.h: what the files behind ByteQueue share.
 *
 * States of a queue: bytes in a tree, and perhaps a reservation behind them
 * (queue/queue.h), which any put gives up. */
#ifndef PAGEBUF_QUEUE_OBJECT_H
#define PAGEBUF_QUEUE_OBJECT_H

#include "transfer/holder.h" /* first: Python.h says which functions there are */

#include "base/args.h"
#include "queue/queue.h"

/* A separator that was asked for, and how far it has looked (pb_queue_search_from). */
typedef struct {
    PyObject *sep; /* bytes */
    uint64_t searched;
} separator;

/* So many are remembered beside the one in use, or as many as are asked for together. */
#define SEPARATORS_MOST 16

/* A Holder: its tree is the first field of `q`. */
typedef struct {
    PyObject_HEAD
    pb_queue q;
    PyObject *sep;                    /* bytes: the separator in use; NULL: none yet */
    separator *others;                /* those in use before: other ones, in no order */
    uint32_t other_count, other_next; /* how many; which one is given up next */
    PyObject *staging; /* bytearray: the view of a reservation that could not be live */
    uint64_t lent;     /* the serial of the reservation that somebody has a view of */
    uint32_t offer;    /* bytes to reserve next when nobody says how many come */
    bool staged;       /* that view is of `staging` */
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

static inline void
queue_unlock(QueueObject *self)
{
    buffer_unlock(&self->q.b);
}

/* A length that is read under the lock. */
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

/* ---- queue/type.c, queue/init.c ---- */

extern PyType_Spec queue_spec;

int
queue_init(QueueObject *self, PyObject *args, PyObject *kwargs);

/* By pb_overflow. */
extern const char *const queue_overflow_names[4];

/* ---- queue/put.c ---- */

/* CapacityError: n bytes more than max_bytes allows. */
void
queue_raise_full(QueueObject *self, uint64_t n);

/* Append n > 0 bytes that pb_queue_room admits; large ones are copied without the GIL. */
pb_status
queue_put_lock_held(QueueObject *self, const void *src, uint64_t n);

PyObject *
queue_put(QueueObject *self, PyObject *data);
extern const char queue_put_doc[];

/* ---- queue/get.c ---- */

/* An optional size among fast-call arguments: UINT64_MAX for none. */
int
queue_arg_size(const char *name, PyObject *const *args, Py_ssize_t nargs, uint64_t *out);

/* Copy the first n bytes to dst, large amounts without the GIL, and remove them if `drop`.
 * PB_RANGE: there are fewer. */
pb_status
queue_take_lock_held(QueueObject *self, void *dst, uint64_t n, bool drop);

/* The first n bytes (fewer where there are fewer), removed or not; None when there are
 * fewer than `least`. */
PyObject *
queue_take(QueueObject *self, uint64_t n, uint64_t least, bool drop);

/* Take n bytes that lie in the first page and do not use it up.  NULL without an exception:
 * they do not, so call queue_take. */
static inline PyObject *
queue_take_fast(QueueObject *self, uint64_t n)
{
    queue_lock(self);
    const uint8_t *at = pb_queue_ready(&self->q, n);
    PyObject *out = at ? PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)n) : NULL;
    if (PB_LIKELY(out != NULL)) {
        pb_queue_take_ready(&self->q, n);
    }
    queue_unlock(self);
    return out;
}

/* Remove n bytes that are there; another thread may have been quicker: then fewer. */
int
queue_drop(QueueObject *self, uint64_t n);

PyObject *
queue_get(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
queue_peek(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
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
extern const char queue_tail_doc[], queue_find_doc[], queue_tobytes_doc[];

/* ---- queue/read.c ---- */

/* Begin with no separator: how far they have looked is of other bytes. */
void
queue_search_anew_lock_held(QueueObject *self);

/* Let go of all that was remembered, when the object goes. */
void
queue_forget_separators(QueueObject *self);

/* The next line of an iteration; NULL without an exception where there is no whole one. */
PyObject *
queue_next(QueueObject *self);

PyObject *
queue_readexactly(QueueObject *self, PyObject *arg);
PyObject *
queue_readuntil(QueueObject *self, PyObject *sep);
PyObject *
queue_readline(QueueObject *self, PyObject *ignored);
extern const char queue_readexactly_doc[], queue_readuntil_doc[], queue_readline_doc[];

/* ---- queue/reserve.c ---- */

/* How many bytes to reserve when nobody says how many come.  After `came` filled all of
 * what was offered, the next offer is twice as large; when most stayed empty, half as
 * large. */
#define OFFER_LEAST ((uint64_t)1 << 14)
#define OFFER_MOST ((uint64_t)1 << 18)

static inline uint64_t
queue_offer(const QueueObject *self)
{
    return pb_max(OFFER_LEAST, self->offer);
}

void
queue_note_offer(QueueObject *self, uint64_t offered, uint64_t came);

PyObject *
queue_reserve(QueueObject *self, PyObject *arg);
PyObject *
queue_commit(QueueObject *self, PyObject *arg);
PyObject *
queue_get_buffer(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
queue_buffer_updated(QueueObject *self, PyObject *arg);
PyObject *
queue_views(QueueObject *self, PyObject *args, PyObject *kwargs);
extern const char queue_reserve_doc[], queue_commit_doc[], queue_get_buffer_doc[],
    queue_buffer_updated_doc[], queue_views_doc[];

/* ---- queue/splice.c ---- */

PyObject *
queue_splice_from(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char queue_splice_doc[];

/* ---- queue/io.c ---- */

PyObject *
queue_send_to(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
queue_recv_from(QueueObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char queue_send_doc[], queue_recv_doc[];

#endif
