/* transfer/source.h: convert objects to bytes, before reading any own state (I6). */
#ifndef PAGEBUF_TRANSFER_SOURCE_H
#define PAGEBUF_TRANSFER_SOURCE_H

#include "base/args.h"
#include "transfer/transfer.h"

/* The bytes of a bytes-like object, of a PageBuffer, or of an iterable of ints; release
 * them with arg_release.  They never lie in memory of the pool of `b`, so they stay as
 * they are while `b` changes.  Runs Python code. */
int
source_bytes(const pb_buf *b, PyObject *obj, Py_buffer *view);

/* The same without iterables. */
int
source_bytes_like(const pb_buf *b, PyObject *obj, Py_buffer *view);

/* The tree of an object that is a PageBuffer, else NULL. */
pb_buf *
source_buffer(const pb_buf *b, PyObject *obj);

/* An int from 0 to 255. */
int
source_byte(PyObject *obj, uint8_t *out);

#endif
