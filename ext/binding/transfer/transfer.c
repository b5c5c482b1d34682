/* transfer/transfer.c: bytes in and out of a tree, on behalf of every type that has one. */
#include "transfer/transfer.h"

bool
transfer_retry(pb_buf *b, pb_status *st, uint64_t off, uint64_t n, bool acquires)
{
    if (*st == PB_NEED_PAGES) {
        return pool_grow(pool_object(b)) == 0;
    }
    if (*st != PB_OK) {
        raise_status(b, *st, off, n);
        return false;
    }
    if (pool_tell(pool_object(b), !acquires) < 0) {
        *st = PB_CORRUPT;
    }
    return false;
}

int
transfer_may_use(const pb_buf *b, const void *mem, uint64_t n)
{
    if (PB_LIKELY(pb_buf_may_use(b, mem, n))) {
        return 0;
    }
    return pool_tell(pool_object(b), true);
}

/* ---- in ---- */

pb_status
transfer_write_lock_held(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    if (PB_LIKELY(n < COPY_WITHOUT_GIL)) {
        return pb_buf_write(b, off, src, n);
    }
    pb_status st = pb_buf_may_use(b, src, n) ? pb_buf_prepare(b, off, n) : PB_CORRUPT;
    if (st == PB_OK) {
        copy_in_lock_held(b, off, src, n);
        pb_buf_remember_tail(b);
    }
    return st;
}

static pb_status
extend_lock_held(pb_buf *b, const void *src, uint64_t n)
{
    if (PB_LIKELY(n < COPY_WITHOUT_GIL)) {
        return pb_buf_extend(b, src, n);
    }
    return transfer_write_lock_held(b, b->root.size, src, n);
}

int
transfer_write(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    pb_status st = PB_OK;
    do {
        buffer_lock(b);
        st = n ? transfer_write_lock_held(b, off, src, n) : PB_OK;
        buffer_unlock(b);
    } while (transfer_again(b, &st, off, n));
    return st == PB_OK ? 0 : -1;
}

int
transfer_extend(pb_buf *b, const void *src, uint64_t n)
{
    pb_status st = PB_OK;
    do {
        buffer_lock(b);
        st = n ? extend_lock_held(b, src, n) : PB_OK;
        buffer_unlock(b);
    } while (transfer_again(b, &st, b->root.size, n));
    return st == PB_OK ? 0 : -1;
}

int
transfer_extend_object(pb_buf *b, PyObject *data)
{
    Py_buffer view;
    if (arg_bytes(data, &view) < 0) {
        return -1;
    }
    int result = transfer_extend(b, view.buf, (uint64_t)view.len);
    if (view.obj) {
        PyBuffer_Release(&view);
    }
    return result;
}

/* ---- out ---- */

static inline uint64_t
clip_lock_held(const pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t size = b->root.size;
    return off >= size ? 0 : pb_min(n, size - off);
}

/* A bytes object for n bytes; MemoryError where no object can be so large. */
static PyObject *
new_bytes(uint64_t n)
{
    if (n > (uint64_t)PY_SSIZE_T_MAX) {
        return PyErr_NoMemory();
    }
    return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
}

/* The object is made outside the lock, so the length may change under it: then anew. */
static PyObject *
read_pages(pb_buf *b, uint64_t off, uint64_t n)
{
    for (;;) {
        buffer_lock(b);
        uint64_t len = clip_lock_held(b, off, n);
        buffer_unlock(b);
        PyObject *out = new_bytes(len);
        if (out == NULL) {
            return NULL;
        }
        buffer_lock(b);
        bool same = clip_lock_held(b, off, n) == len;
        if (same) {
            copy_out_beside(b, off, PyBytes_AS_STRING(out), len);
        }
        buffer_unlock(b);
        if (same) {
            return unless_damaged(b, out);
        }
        Py_DECREF(out);
    }
}

PyObject *
transfer_read(pb_buf *b, uint64_t off, uint64_t n)
{
    buffer_lock(b);
    uint64_t len = clip_lock_held(b, off, n);
    bool small = len && len < COPY_WITHOUT_GIL;
    const uint8_t *at = small ? pb_buf_peek(b, off, len) : NULL;
    PyObject *out =
        at ? PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)len) : NULL;
    buffer_unlock(b);
    return PB_LIKELY(at != NULL) ? out : read_pages(b, off, n);
}

int
transfer_read_into(pb_buf *b, uint64_t off, void *dst, uint64_t n, uint64_t *got)
{
    if (transfer_may_use(b, dst, n) < 0) {
        return -1;
    }
    buffer_lock(b);
    *got = clip_lock_held(b, off, n);
    copy_out_beside(b, off, dst, *got);
    buffer_unlock(b);
    return pool_tell(pool_object(b), true);
}

/* ---- off the front ---- */

/* Copy n bytes to dst, then drop them; PB_RANGE when there are fewer. */
static pb_status
take_lock_held(pb_buf *b, void *dst, uint64_t n)
{
    if (n > b->root.size) {
        return PB_RANGE;
    }
    copy_out_lock_held(b, 0, dst, n);
    return pb_buf_drop_front(b, n);
}

static PyObject *
take_pages(pb_buf *b, uint64_t n)
{
    PyObject *out = new_bytes(n);
    pb_status st = PB_OK;
    if (out == NULL) {
        return NULL;
    }
    do {
        buffer_lock(b);
        st = take_lock_held(b, PyBytes_AS_STRING(out), n);
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, n));
    if (st != PB_OK) {
        Py_CLEAR(out);
    }
    return out;
}

PyObject *
transfer_take(pb_buf *b, uint64_t n)
{
    buffer_lock(b);
    const uint8_t *at = pb_buf_ready(b, n);
    PyObject *out = at ? PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)n) : NULL;
    if (PB_LIKELY(out != NULL)) {
        pb_buf_take_ready(b, n);
    }
    buffer_unlock(b);
    return PB_LIKELY(at != NULL) ? out : take_pages(b, n);
}

/* ---- away ---- */

int
transfer_drop_front(pb_buf *b, uint64_t n)
{
    pb_status st;
    do {
        buffer_lock(b);
        st = n > b->root.size ? PB_RANGE : pb_buf_drop_front(b, n);
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, n));
    return st == PB_OK ? 0 : -1;
}

int
transfer_truncate(pb_buf *b, uint64_t size)
{
    pb_status st;
    do {
        buffer_lock(b);
        st = pb_buf_truncate(b, size);
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, size));
    return st == PB_OK ? 0 : -1;
}

int
transfer_punch(pb_buf *b, uint64_t off, uint64_t n)
{
    pb_status st;
    do {
        buffer_lock(b);
        st = pb_buf_punch(b, off, n);
        buffer_unlock(b);
    } while (transfer_again(b, &st, off, n));
    return st == PB_OK ? 0 : -1;
}
