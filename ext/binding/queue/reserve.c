/* queue/reserve.c: memory at the end of a queue, handed out to be filled.
 *
 * The view is a live one (I7), except in a rare case (reserve_staging): then the commit
 * copies no byte. */
#include "queue/object.h"
#include "view/object.h"

#define HINT_MOST ((uint64_t)1 << 20)

static pb_status
reserve_hole(pb_buf *b, view_range *r)
{
    QueueObject *self = (QueueObject *)holder_of(b);
    pb_status st = pb_queue_reserve_hole(&self->q, r->n, &r->off);
    self->lent = self->q.serial;
    self->staged = false;
    return st;
}

static void
give_up(pb_buf *b, const view_range *Py_UNUSED(r))
{
    QueueObject *self = (QueueObject *)holder_of(b);
    (void)pb_queue_cancel(&self->q); /* its pages are this tree's alone */
}

/* Growth never waits for a view (I7).  When an older view keeps the last page where it
 * is, that page cannot move into one run with new ones.  Then the caller fills a
 * bytearray, which the commit copies.  The pages for it are taken now (I3). */
static PyObject *
reserve_staging(QueueObject *self, uint64_t n)
{
    PyObject *staging = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)n);
    PyObject *view = staging ? PyMemoryView_FromObject(staging) : NULL;
    PyObject *old = NULL;
    pb_status st;
    if (view == NULL) {
        Py_XDECREF(staging);
        return NULL;
    }
    memset(PyByteArray_AS_STRING(staging), 0, (size_t)n);
    do {
        queue_lock(self);
        st = pb_queue_reserve(&self->q, n, true);
        if (st == PB_OK) {
            old = self->staging;
            self->staging = Py_NewRef(staging);
            self->lent = self->q.serial;
            self->staged = true;
        }
        queue_unlock(self);
    } while (queue_again(self, &st, n));
    Py_XDECREF(old);
    Py_DECREF(staging);
    if (st != PB_OK) {
        Py_CLEAR(view);
    }
    return view;
}

static uint64_t
queue_uncommitted(QueueObject *self)
{
    queue_lock(self);
    uint64_t n = self->q.uncommitted;
    queue_unlock(self);
    return n;
}

/* A writable memoryview of n bytes, one run behind the last byte.  Making the object may
 * run Python code (the collector), which may give the reservation up; then try again. */
static PyObject *
reserve_view(QueueObject *self, uint64_t n)
{
    const view_range behind_the_last_byte = {.n = n, .find = reserve_hole, .undo = give_up};
    PyObject *view = NULL;
    do {
        Py_XDECREF(view);
        view = view_live(&self->q.b, &behind_the_last_byte);
    } while (view && queue_uncommitted(self) != n);
    if (view == NULL && PyErr_ExceptionMatches(PyExc_BufferError)) {
        PyErr_Clear();
        view = reserve_staging(self, n);
    }
    return view;
}

/* At most n bytes: as many as max_bytes leaves room for.  0 with an exception. */
static uint64_t
clip_to_room(QueueObject *self, uint64_t n)
{
    queue_lock(self);
    bool closed = self->q.closed;
    uint64_t room = closed ? 0 : pb_queue_room(&self->q);
    queue_unlock(self);
    if (closed) {
        queue_raise_closed();
    }
    else if (room == 0) {
        queue_raise_full(self, 0);
    }
    return pb_min(n, room);
}

const char queue_reserve_doc[] =
    "reserve($self, n, /, *, timeout=None)\n--\n\n"
    "A writable memoryview of ``n`` bytes behind the last one: fill it, then commit().\n\n"
    "The bytes are zeros at first and belong to the queue once they are committed.  A new\n"
    "reservation, clear(), and any put give up the one before.  Release its view then: the\n"
    "memory stays valid, but newer bytes may come to lie in it.  Where ``max_bytes`` leaves\n"
    "too little room, overflow='block' waits for it, for ``timeout`` seconds at most (then\n"
    "TimeoutError), and others raise CapacityError.  O(n).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> view = queue.reserve(8)\n"
    ">>> view[:5] = b'hello'\n"
    ">>> queue.commit(5)\n"
    ">>> queue.get()\n"
    "b'hello'\n";

/* -1 with an exception. */
static int
await_room_for(QueueObject *self, uint64_t n, patience *p)
{
    for (;;) {
        queue_lock(self);
        bool closed = self->q.closed, fits = n <= pb_queue_room(&self->q);
        queue_unlock(self);
        if (closed) {
            queue_raise_closed();
            return -1;
        }
        if (fits) {
            return 0;
        }
        if (queue_await_room(self, n, p) < 0) {
            return -1;
        }
    }
}

PyObject *
queue_reserve(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    uint64_t n;
    patience p = FOR_EVER;
    if (check_nargs("reserve", nargs, 1, 1) < 0 || arg_offset(args[0], "n", &n) < 0 ||
        queue_arg_timeout("reserve", args + nargs, kwnames, &p) < 0) {
        return NULL;
    }
    if (n == 0) {
        PyErr_SetString(PyExc_ValueError, "a reservation of no bytes");
        return NULL;
    }
    return await_room_for(self, n, &p) < 0 ? NULL : reserve_view(self, n);
}

/* ---- commit ---- */

/* PB_RANGE: nothing is reserved, or fewer bytes; *uncommitted says which.  A reservation
 * of a transfer does not count: nobody has a view of it. */
static pb_status
commit_lock_held(QueueObject *self, uint64_t n, uint64_t *uncommitted)
{
    *uncommitted = self->lent == self->q.serial ? self->q.uncommitted : 0;
    if (n > *uncommitted || *uncommitted == 0) {
        return PB_RANGE;
    }
    if (self->staged) {
        uint64_t filled = pb_min(n, (uint64_t)PyByteArray_GET_SIZE(self->staging));
        pb_queue_fill(&self->q, PyByteArray_AS_STRING(self->staging), filled);
    }
    return pb_queue_commit(&self->q, n);
}

/* The staging memory was copied.  Returns an object to release after the unlock, or
 * NULL. */
static PyObject *
end_staging_lock_held(QueueObject *self)
{
    PyObject *staging = self->staging;
    self->staging = NULL;
    self->staged = false;
    return staging;
}

static int
commit(QueueObject *self, uint64_t n, uint64_t *uncommitted)
{
    pb_status st;
    do {
        queue_lock(self);
        st = commit_lock_held(self, n, uncommitted);
        PyObject *copied = st == PB_OK ? end_staging_lock_held(self) : NULL;
        queue_unlock(self);
        Py_XDECREF(copied);
    } while (st != PB_RANGE && queue_again(self, &st, n));
    if (st == PB_RANGE && *uncommitted == 0) {
        PyErr_SetString(
            PyExc_BufferError,
            "nothing is reserved: there was no reservation, or a put or close() gave it up");
    }
    else if (st == PB_RANGE) {
        PyErr_Format(PyExc_ValueError, "commit of %llu bytes where %llu are reserved",
                     (unsigned long long)n, (unsigned long long)*uncommitted);
    }
    return st == PB_OK ? 0 : -1;
}

const char queue_commit_doc[] =
    "commit($self, n, /)\n--\n\n"
    "Let the first ``n`` reserved bytes into the queue; the others are given up.\n\n"
    "Raises BufferError when nothing is reserved (any more), ValueError when ``n`` is more\n"
    "than that.  O(pages given up).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> view = queue.reserve(8)\n"
    ">>> queue.put(b'x')\n"
    "True\n"
    ">>> queue.commit(8)\n"
    "Traceback (most recent call last):\n"
    "    ...\n"
    "BufferError: nothing is reserved: there was no reservation, or a put or close() gave it up\n";

PyObject *
queue_commit(QueueObject *self, PyObject *arg)
{
    uint64_t n, uncommitted;
    if (arg_offset(arg, "n", &n) < 0 || commit(self, n, &uncommitted) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- asyncio.BufferedProtocol ---- */

void
queue_note_offer(QueueObject *self, uint64_t offered, uint64_t came, uint64_t most)
{
    uint64_t offer = came == offered      ? 2 * offered
                     : came < offered / 4 ? offered / 2
                                          : offered;
    self->offer = (uint32_t)pb_min(pb_max(offer, OFFER_LEAST), most);
}

const char queue_get_buffer_doc[] =
    "get_buffer($self, sizehint=-1, /)\n--\n\n"
    "A reservation as asyncio.BufferedProtocol asks for it: at least 16 KiB, more while\n"
    "what comes fills it.\n\n"
    "With ``max_bytes`` no more than there is room for, and CapacityError when that is\n"
    "nothing: an event loop, which calls this, must not wait.  O(size).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> view = queue.get_buffer(-1)\n"
    ">>> len(view) >= 16384\n"
    "True\n"
    ">>> view[:5] = b'hello'\n"
    ">>> queue.buffer_updated(5)\n"
    ">>> queue.get()\n"
    "b'hello'\n";

PyObject *
queue_get_buffer(QueueObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    if (queue_arg_size("get_buffer", args, nargs, &n) < 0) {
        return NULL;
    }
    n = n == UINT64_MAX ? 0 : pb_min(n, HINT_MOST);
    queue_lock(self);
    n = pb_max(n, queue_offer(self, OFFER_MOST));
    queue_unlock(self);
    n = clip_to_room(self, n);
    return n ? reserve_view(self, n) : NULL;
}

const char queue_buffer_updated_doc[] =
    "buffer_updated($self, n, /)\n--\n\n"
    "Let the first ``n`` bytes of the last get_buffer() in: commit(n).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> view = queue.get_buffer()\n"
    ">>> queue.buffer_updated(3)\n"
    ">>> len(queue)\n"
    "3\n";

PyObject *
queue_buffer_updated(QueueObject *self, PyObject *arg)
{
    uint64_t n, uncommitted;
    if (arg_offset(arg, "n", &n) < 0 || commit(self, n, &uncommitted) < 0) {
        return NULL;
    }
    queue_lock(self);
    queue_note_offer(self, uncommitted, n, OFFER_MOST);
    queue_unlock(self);
    Py_RETURN_NONE;
}
