/* file/lent.c: bytes objects that a file is lent, instead of holding a copy (buffer/share.h).
 *
 * The file owns a reference to the object until its first change.  No Python code runs when a bytes
 * object goes; all the same, references are dropped when the lock is free. */
#include "file/stream.h"

#include "inspect/usage.h"

/* ---- lending ---- */

/* A reference to the object. */
static pb_lender
lender_of(PyObject *bytes, bool charged)
{
    return (pb_lender){Py_NewRef(bytes), (const uint8_t *)PyBytes_AS_STRING(bytes),
                       (uint64_t)PyBytes_GET_SIZE(bytes), charged};
}

void
stream_lend_lock_held(pb_buf *b, stream *s, PyObject *bytes)
{
    stream_forget(s);
    pb_lender from = lender_of(bytes, false);
    pb_buf_lend(b, &from);
}

/* Frames that come free when the buffer gives up its pages: where others share them, perhaps none. */
static uint64_t
frames_alone(const pb_buf *b)
{
    pb_tree_stats use = {0};
    if (!b->root.shared) {
        pb_buf_stats(b, &use);
    }
    return use.pages + use.nodes;
}

bool
stream_lend_value_lock_held(pb_buf *b, stream *s, PyObject *value)
{
    uint64_t n = (uint64_t)PyBytes_GET_SIZE(value);
    if (pb_pool_lend(b->pool, n, 0) != PB_OK &&
        pb_pool_lend(b->pool, n, frames_alone(b)) != PB_OK) {
        return false;
    }
    stream_forget(s);
    pb_lender from = lender_of(value, true);
    pb_buf_lend(b, &from);
    return true;
}

PyObject *
stream_unlend_lock_held(pb_buf *b, stream *s)
{
    stream_forget(s);
    if (!pb_buf_is_lent(b)) {
        return NULL;
    }
    pb_lender was = pb_buf_unlend(b);
    pb_buf_uncharge(b, &was);
    return was.owner;
}

/* The copy may give up the GIL, and the process may fork then.  So the bytes are taken back before. */
pb_status
stream_settle_lock_held(pb_buf *b, stream *s, uint64_t keep, PyObject **owner)
{
    if (PB_LIKELY(!pb_buf_is_lent(b))) {
        return PB_OK;
    }
    pb_lender from = pb_buf_unlend(b);
    pb_buf_uncharge(b, &from);
    pb_status st = keep ? pb_buf_write_begin(b, 0, from.at, keep) : PB_OK;
    if (st != PB_OK) {
        pb_buf_lend_again(b, &from);
        return st;
    }
    stream_forget(s);
    *owner = from.owner;
    if (keep) {
        copy_in_lock_held(b, 0, from.at, keep);
        pb_buf_write_end(b);
    }
    return PB_OK;
}

/* ---- reading ---- */

PyObject *
lent_bytes_lock_held(const pb_buf *b, uint64_t off, uint64_t n)
{
    const pb_lender *from = pb_buf_lender(b);
    return n == from->size
               ? Py_NewRef(from->owner)
               : PyBytes_FromStringAndSize((const char *)from->at + off, (Py_ssize_t)n);
}

pb_stretch
stream_stretch_lock_held(const pb_buf *b, uint64_t off, uint64_t n)
{
    if (PB_UNLIKELY(pb_buf_is_lent(b))) {
        uint8_t *at = (uint8_t *)(uintptr_t)pb_buf_lender(b)->at;
        return (pb_stretch){PB_EXTENT_PRESENT, at + off, n};
    }
    return pb_buf_stretch(b, off, n);
}

pb_status
stream_copy_out_lock_held(pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    if (PB_UNLIKELY(pb_buf_is_lent(b))) {
        memcpy(dst, pb_buf_lender(b)->at + off, n);
        return PB_OK;
    }
    return copy_out_lock_held(b, off, dst, n);
}

/* A memoryview of [off, off + n) of a bytes object. */
static PyObject *
view_of(PyObject *bytes, uint64_t off, uint64_t n)
{
    PyObject *all = PyMemoryView_FromObject(bytes);
    PyObject *view =
        all ? PySequence_GetSlice(all, (Py_ssize_t)off, (Py_ssize_t)(off + n)) : NULL;
    Py_XDECREF(all);
    return view;
}

PyObject *
lent_view(pb_buf *b, stream *s, uint64_t n, bool *lent)
{
    PyObject *owner = NULL;
    uint64_t off = 0;
    buffer_lock(b);
    *lent = pb_buf_is_lent(b) && stream_may_read(s) == STREAM_FINE;
    if (*lent) {
        owner = Py_NewRef(pb_buf_lender(b)->owner);
        n = stream_ahead_lock_held(b, s, n);
        off = pb_min(s->pos, pb_buf_lender(b)->size);
        s->pos += n;
    }
    buffer_unlock(b);
    PyObject *view = owner ? view_of(owner, off, n) : NULL;
    Py_XDECREF(owner);
    if (owner && view == NULL) { /* back again, unless somebody has moved on from there */
        buffer_lock(b);
        s->pos = s->pos == off + n ? off : s->pos;
        buffer_unlock(b);
    }
    return view;
}
