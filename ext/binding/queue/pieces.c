/* queue/pieces.c: objects that a queue keeps instead of their bytes (core: queue/pieces.h). */
#include "queue/object.h"

/* As many as fit a stack, so that the lock is not taken for each. */
#define AT_ONCE 64

/* PyMem_Malloc runs no Python code. */
static bool
set_records_lock_held(QueueObject *self, uint32_t room)
{
    pb_queue_record *records = room ? PyMem_Malloc(room * sizeof *records) : NULL;
    if (records) {
        PyMem_Free(pb_queue_set_records(&self->q, records, room));
    }
    return records != NULL;
}

/* Objects have gone: of many records perhaps few are in use. */
static inline void
fewer_records_lock_held(QueueObject *self)
{
    uint32_t room = pb_queue_fewer_records(&self->q);
    if (PB_UNLIKELY(room != 0)) {
        (void)set_records_lock_held(self, room); /* else the old ones serve */
    }
}

void
queue_release(QueueObject *self)
{
    PyObject *objects[AT_ONCE];
    int n;
    do {
        n = 0;
        buffer_lock(&self->q.b);
        while (n < AT_ONCE && pb_queue_has_released(&self->q)) {
            objects[n++] = pb_queue_next_released(&self->q);
        }
        fewer_records_lock_held(self);
        buffer_unlock(&self->q.b);
        for (int i = 0; i < n; i++) {
            Py_XDECREF(objects[i]);
        }
    } while (n == AT_ONCE);
}

void
queue_end_pieces(QueueObject *self)
{
    if (self->q.b.pool) {
        pb_queue_let_go(&self->q);
        queue_release(self);
    }
    PyMem_Free(pb_queue_set_records(&self->q, NULL, 0));
}

/* ---- in ---- */

bool
queue_records_lock_held(QueueObject *self, uint32_t more)
{
    return PB_LIKELY(pb_queue_has_records(&self->q, more)) ||
           set_records_lock_held(self, pb_queue_records_wanted(&self->q, more));
}

bool
queue_keep_lock_held(QueueObject *self, PyObject *bytes, pb_status *st)
{
    uint64_t n = (uint64_t)PyBytes_GET_SIZE(bytes);
    if (!pb_queue_keeps(&self->q, n) || !queue_records_lock_held(self, 1)) {
        return false;
    }
    pb_lender lender = {bytes, (const uint8_t *)PyBytes_AS_STRING(bytes), n, true};
    *st = pb_queue_keep(&self->q, &lender);
    if (*st == PB_OK) {
        Py_INCREF(bytes);
    }
    return true;
}

/* ---- out ---- */

PyObject *
queue_give_lock_held(QueueObject *self)
{
    PyObject *first = pb_queue_give(&self->q);
    fewer_records_lock_held(self);
    return first;
}

PyObject *
queue_take_piece_lock_held(QueueObject *self, uint64_t n)
{
    const uint8_t *at = n ? pb_queue_peek_object(&self->q, n) : NULL;
    if (PB_LIKELY(at == NULL)) {
        return NULL;
    }
    if (queue_first_object_lock_held(self, n)) {
        return queue_give_lock_held(self);
    }
    if (n >= COPY_WITHOUT_GIL) {
        return NULL;
    }
    PyObject *out = PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)n);
    if (out) {
        (void)pb_queue_drop(&self->q, n); /* cannot fail: no bytes of the tree */
    }
    return out;
}

/* ---- stats ---- */

const char queue_stats_doc[] =
    "stats($self, /)\n--\n\n"
    "How the tree of pages stands: a BufferStats; reserved bytes are part of its size,\n"
    "and ``lent`` is what it keeps as objects.  O(pages).\n\n"
    ">>> from pagebuf import ByteQueue, PagePool\n"
    ">>> queue = ByteQueue(pool=PagePool(debug=0))\n"
    ">>> queue.put(bytes(100_000))\n"
    "True\n"
    ">>> queue.stats().size, queue.stats().resident\n"
    "(100000, 0)\n";

uint64_t
queue_bytes_beside(const pb_buf *b, uint64_t *kept)
{
    const pb_queue *q = &((QueueObject *)holder_of(b))->q;
    *kept = pb_queue_kept(q);
    return pb_queue_len(q) - pb_queue_copied(q);
}

PyObject *
queue_stats(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    return tree_stats_with(&self->q.b, queue_bytes_beside);
}
