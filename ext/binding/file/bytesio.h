/* file/bytesio.h: BytesIO, and what its files share.
 *
 * BytesIO derives from io.BytesIO, since programs decide by type.  All methods are its own: what
 * io.BytesIO keeps in an object stays empty, apart from attributes and weak references.
 *
 *    +--------+-----------------------------------------------+--------------+
 *    | header | io.BytesIO: no bytes, attributes, weak refs,  | bytesio_part |
 *    |        | an export that never ends (file/base.c)       |              |
 *    +--------+-----------------------------------------------+--------------+ */
#ifndef PAGEBUF_FILE_BYTESIO_H
#define PAGEBUF_FILE_BYTESIO_H

#include "file/stream.h"
#include "transfer/holder.h"

typedef struct {
    pb_buf b;
    stream s;
} bytesio_part;

_Static_assert(sizeof(bytesio_part) <= 160 + FURTHER_BYTES,
               "50 000 of them in 1.15 of the memory of io.BytesIO's");

/* ---- file/base.c ---- */

/* Where the part lies: which interpreter this is says how much io.BytesIO keeps before it.  Set
 * before the first object, to the same value by each interpreter of the process. */
extern size_t bytesio_part_at;

static inline bytesio_part *
part_of(PyObject *self)
{
    return (bytesio_part *)((char *)self + bytesio_part_at);
}

static inline unsigned
bytesio_lead(void)
{
    return (unsigned)((bytesio_part_at - sizeof(PyObject)) / sizeof(void *));
}

/* The attributes: NULL there if it has none. */
static inline PyObject **
bytesio_dict(PyObject *self)
{
    return (PyObject **)((char *)self + Py_TYPE(self)->tp_dictoffset);
}

static inline PyObject **
bytesio_weakrefs(PyObject *self)
{
    return (PyObject **)((char *)self + Py_TYPE(self)->tp_weaklistoffset);
}

/* Begin what io.BytesIO keeps: in memory as it comes, or in zeros. */
void
base_begin(PyObject *self);
void
base_begin_zeroed(PyObject *self);

/* ---- file/bytesio.c ---- */

PyObject *
bytesio_getvalue(PyObject *self, PyObject *ignored);

/* What happens to a file that is closed. */
typedef enum { CLOSED_REFUSES, CLOSED_REOPENS, CLOSED_STAYS } bytesio_when_closed;

/* Replace all bytes by those that `source` exports, and set the position to `pos`.  An exact bytes
 * object is lent, unless it is tiny.  -1 with an exception. */
int
bytesio_set_bytes(bytesio_part *f, PyObject *source, const Py_buffer *view, uint64_t pos,
                  bytesio_when_closed closed);

/* All bytes, and the position of the same moment.  From then on the file is lent the result, unless
 * that is tiny. */
PyObject *
bytesio_value(bytesio_part *f, uint64_t *pos);

/* ---- file/getbuffer.c ---- */

PyObject *
bytesio_getbuffer(PyObject *self, PyObject *ignored);
extern const char bytesio_getbuffer_doc[];

/* ---- file/pickle.c ---- */

PyObject *
bytesio_getstate(PyObject *self, PyObject *ignored);
PyObject *
bytesio_setstate(PyObject *self, PyObject *state);

#endif
