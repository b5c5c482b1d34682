/* file/write.c: writes that neither tail nor window can take. */
#include "file/stream.h"

/* Write over existing bytes, in pages that no other tree names. */
static bool
overwrite_lock_held(pb_buf *b, stream *s, const void *src, uint64_t n)
{
    if (!s->alone || b->root.shared || stream_ahead_lock_held(b, s, n) < n) {
        return false;
    }
    uint8_t *at = stream_look_lock_held(b, s, n);
    if (at) {
        pb_copy(at, src, n);
        s->pos += n;
    }
    return at != NULL;
}

static pb_status
write_lock_held(pb_buf *b, stream *s, const void *src, uint64_t n)
{
    if (overwrite_lock_held(b, s, src, n)) {
        return PB_OK;
    }
    uint64_t pos = s->append ? b->root.size : s->pos;
    if (b->root.shared || pb_buf_is_inline(b)) {
        stream_forget(s); /* the write may replace its pages */
    }
    pb_status st = pos == b->root.size && n < COPY_WITHOUT_GIL
                       ? pb_buf_extend(b, src, n)
                       : transfer_write_lock_held(b, pos, src, n);
    if (st == PB_OK) {
        s->pos = pos + n;
    }
    return st;
}

/* Growing the pool runs Python code, which may do anything to the stream.  So each
 * attempt starts over. */
static int
write_bytes(pb_buf *b, stream *s, const void *src, uint64_t n)
{
    pb_status st;
    stream_refusal why;
    uint64_t pos;
    do {
        PyObject *owner = NULL;
        buffer_lock(b);
        why = stream_may_change(s);
        pos = s->pos;
        st = !why && n ? stream_settle_lock_held(b, s, stream_size_lock_held(b), &owner)
                       : PB_OK;
        st = !why && n && st == PB_OK ? write_lock_held(b, s, src, n) : st;
        buffer_unlock(b);
        Py_XDECREF(owner);
    } while (transfer_again(b, &st, pos, n));
    return stream_refuse(why) < 0 || st != PB_OK ? -1 : 0;
}

PyObject *
file_write_far(pb_buf *b, stream *s, PyObject *bytes, PyObject *result)
{
    if (write_bytes(b, s, PyBytes_AS_STRING(bytes), (uint64_t)PyBytes_GET_SIZE(bytes)) <
        0) {
        Py_CLEAR(result);
    }
    return result;
}

PyObject *
file_write_slow(pb_buf *b, stream *s, PyObject *data)
{
    Py_buffer view;
    /* Check twice: now for the message, and after the conversion for safety (I6). */
    if (stream_check(b, s, stream_may_change) < 0 || arg_bytes(data, &view) < 0) {
        return NULL;
    }
    PyObject *result = PyLong_FromSsize_t(view.len);
    if (result && write_bytes(b, s, view.buf, (uint64_t)view.len) < 0) {
        Py_CLEAR(result);
    }
    arg_release(&view);
    return result;
}

PyObject *
file_writelines(pb_buf *b, stream *s, PyObject *lines)
{
    PyObject *line;
    if (stream_check(b, s, stream_may_use) < 0) {
        return NULL;
    }
    PyObject *iterator = PyObject_GetIter(lines);
    if (iterator == NULL) {
        return NULL;
    }
    while ((line = PyIter_Next(iterator)) != NULL) {
        PyObject *count = file_write(b, s, line);
        Py_DECREF(line);
        if (count == NULL) {
            break;
        }
        Py_DECREF(count);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}
