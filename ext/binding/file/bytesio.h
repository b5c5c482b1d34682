/* file/bytesio.h: BytesIO, and what its files share. */
#ifndef PAGEBUF_FILE_BYTESIO_H
#define PAGEBUF_FILE_BYTESIO_H

#include "file/stream.h"
#include "transfer/holder.h"

typedef struct {
    PyObject_HEAD
    pb_buf b;
    stream s;
    PyObject *dict;
    PyObject *weakrefs;
} BytesIOObject;

_Static_assert(sizeof(BytesIOObject) <= HEADER_BYTES + 176 + LOCK_BYTES,
               "50 000 of them in the memory of io.BytesIO's");

/* ---- file/bytesio.c ---- */

PyObject *
bytesio_getvalue(BytesIOObject *self, PyObject *ignored);

/* What happens to a file that is closed. */
typedef enum { CLOSED_REFUSES, CLOSED_REOPENS, CLOSED_STAYS } bytesio_when_closed;

/* Replace all bytes, and set the position to `pos`.  -1 with an exception. */
int
bytesio_set_bytes(BytesIOObject *self, const void *src, uint64_t n, uint64_t pos,
                  bytesio_when_closed closed);

/* ---- file/getbuffer.c ---- */

PyObject *
bytesio_getbuffer(BytesIOObject *self, PyObject *ignored);
extern const char bytesio_getbuffer_doc[];

/* ---- file/pickle.c ---- */

PyObject *
bytesio_getstate(BytesIOObject *self, PyObject *ignored);
PyObject *
bytesio_setstate(BytesIOObject *self, PyObject *state);

#endif
