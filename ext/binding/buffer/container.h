/* buffer/container.h: PageBuffer as a container, after bytearray: what buffer/type.c lists in
 * its tables. */
#ifndef PAGEBUF_BUFFER_CONTAINER_H
#define PAGEBUF_BUFFER_CONTAINER_H

#include "transfer/transfer.h"

/* ---- transfer/source.c: what bytes can come from ---- */

/* The bytes of a bytes-like object, of a PageBuffer, or of an iterable of ints, for as
 * long as `view` is held: PyBuffer_Release when view->obj is set.  They are never memory
 * of the pool of `b`, so they stay as they are while `b` changes.  Runs Python code. */
int
source_bytes(const pb_buf *b, PyObject *obj, Py_buffer *view);

/* The same without iterables. */
int
source_bytes_like(const pb_buf *b, PyObject *obj, Py_buffer *view);

static inline void
source_release(Py_buffer *view)
{
    if (view->obj) {
        PyBuffer_Release(view);
    }
}

/* Append what source_bytes makes of an object. */
int
source_extend(pb_buf *b, PyObject *obj);

/* An int from 0 to 255. */
int
source_byte(PyObject *obj, uint8_t *out);

/* ---- buffer/edit.c ---- */

int
buffer_ass_item(BufferObject *self, Py_ssize_t i, PyObject *value);
int
buffer_ass_subscript(BufferObject *self, PyObject *key, PyObject *value);
PyObject *
buffer_append(BufferObject *self, PyObject *arg);
PyObject *
buffer_extend_method(BufferObject *self, PyObject *data);
PyObject *
buffer_inplace_concat(BufferObject *self, PyObject *data);
PyObject *
buffer_insert(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_pop(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_remove(BufferObject *self, PyObject *arg);
PyObject *
buffer_reverse(BufferObject *self, PyObject *ignored);
PyObject *
buffer_resize(BufferObject *self, PyObject *arg);
extern const char buffer_append_doc[], buffer_extend_doc[], buffer_insert_doc[],
    buffer_pop_doc[], buffer_list_copy_doc[], buffer_remove_doc[], buffer_reverse_doc[],
    buffer_resize_doc[];

/* ---- buffer/search.c ---- */

PyObject *
buffer_find(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_rfind(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_index(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_rindex(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_count(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_startswith(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_endswith(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
int
buffer_contains(BufferObject *self, PyObject *arg);
PyObject *
buffer_richcompare(BufferObject *self, PyObject *other, int op);
extern const char buffer_find_doc[], buffer_rfind_doc[], buffer_index_doc[],
    buffer_rindex_doc[], buffer_count_doc[], buffer_startswith_doc[], buffer_endswith_doc[];

/* ---- buffer/iter.c ---- */

extern PyType_Spec buffer_iter_spec;

PyObject *
buffer_iter(BufferObject *self);

#endif
