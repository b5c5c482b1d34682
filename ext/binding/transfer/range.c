/* transfer/range.c: put a range of one buffer into another one.
 *
 * First take a read snapshot of the source, in O(1), under the source's lock.  Then
 * change the target under its own lock.  So no call ever holds two locks, both may be
 * the same buffer, and two threads may put buffers into each other. */
#include "transfer/range.h"

#include "lock/fork.h"

/* ---- 1. a read snapshot ---- */

static pb_status
snapshot_lock_held(pb_range_snapshot *r, pb_buf *from, uint64_t off, uint64_t *n)
{
    uint64_t size = from->root.size;
    *n = off >= size ? 0 : pb_min(*n, size - off);
    return *n ? pb_range_read_snapshot(r, from, off, *n) : PB_OK;
}

static int
take_snapshot(inflight_tree *h, uint64_t off, uint64_t *n)
{
    pb_buf *from = h->from;
    pb_status st;
    uint64_t asked = *n;
    do {
        *n = asked;
        buffer_lock(from);
        st = snapshot_lock_held(&h->r, from, off, n);
        if (st == PB_OK && *n) {
            inflight_note(h);
        }
        buffer_unlock(from);
    } while (transfer_acquire_again(from, &st, off, *n));
    return st == PB_OK ? 0 : -1;
}

static void
end_snapshot(inflight_tree *h)
{
    buffer_lock_two(h->from, &h->r.b);
    inflight_forget(h);
    pb_range_end_snapshot(&h->r, h->from, h->shared);
    buffer_unlock_two(h->from, &h->r.b);
}

/* ---- 2. put ---- */

/* Large copies give up the GIL.  The snapshot keeps the source as it is; others wait for
 * `b`. */
static void
finish_lock_held(pb_buf *b, const pb_paste *p)
{
    PyThreadState *saved = NULL;
    bool large = p->bytes >= COPY_WITHOUT_GIL && !pb_pool_fetches(p->from->pool);
    copy_gate *gate = large ? buffer_leave_gil(b, &(copy_job){.paste = *p}, &saved) : NULL;
    pb_paste_finish(p);
    if (large) {
        buffer_enter_gil(b, gate, saved);
    }
}

static pb_status
paste_lock_held(pb_buf *b, uint64_t off, const pb_range_snapshot *r, uint64_t n,
                bool *shared)
{
    pb_paste p;
    pb_status st = pb_paste_begin(&p, b, off, &r->b, r->off, n);
    if (st == PB_OK) {
        *shared = p.shared;
        finish_lock_held(b, &p);
    }
    return st;
}

static pb_status
splice_lock_held(pb_buf *b, const range_place *place, const pb_range_snapshot *r,
                 uint64_t n, bool *shared)
{
    Py_ssize_t start = place->start, stop = place->stop;
    Py_ssize_t cut = PySlice_AdjustIndices((Py_ssize_t)b->root.size, &start, &stop, 1);
    return pb_buf_splice(b, (uint64_t)start, (uint64_t)cut, n ? &r->b : NULL,
                         n ? r->off : 0, n, shared);
}

static pb_status
put_lock_held(pb_buf *b, const range_place *place, const pb_range_snapshot *r, uint64_t n,
              uint64_t *off, bool *shared)
{
    *off = place->where == RANGE_OVER ? place->off : b->root.size;
    if (place->where == RANGE_SLICE) {
        return splice_lock_held(b, place, r, n, shared);
    }
    return n ? paste_lock_held(b, *off, r, n, shared) : PB_OK;
}

int
range_put(pb_buf *b, const range_place *place, pb_buf *from, uint64_t from_off, uint64_t *n)
{
    pb_status st;
    uint64_t off;
    inflight_tree *h = inflight_new(from);
    if (h == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (take_snapshot(h, from_off, n) < 0) {
        inflight_free(h);
        return -1;
    }
    do {
        buffer_lock(b);
        st = put_lock_held(b, place, &h->r, *n, &off, &h->shared);
        buffer_unlock(b);
    } while (transfer_again_two(b, &h->r.b, &st, off, *n));
    if (*n) {
        end_snapshot(h);
    }
    inflight_free(h);
    return st == PB_OK ? 0 : -1;
}
