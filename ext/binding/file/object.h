/* file/object.h: the types of files, and how to open one over a buffer. */
#ifndef PAGEBUF_FILE_OBJECT_H
#define PAGEBUF_FILE_OBJECT_H

#include "pool/object.h"

/* `whence` of seek.  Not the system's numbers, 3 and 4 on Linux: io.BytesIO must refuse
 * those. */
#define FILE_SEEK_DATA 19
#define FILE_SEEK_HOLE 20

/* ---- file/pagefile.c ---- */

extern PyType_Spec file_spec;

/* A PageFile over a PageBuffer, in a mode as of open(); NULL with an exception. */
PyObject *
pagefile_open(Holder *buffer, const char *mode);

/* ---- file/bytesio.c ---- */

extern PyType_Spec bytesio_spec;

/* Make the type from io.BytesIO (file/base.c); NULL with an exception. */
PyTypeObject *
bytesio_make_type(PyObject *module, PyTypeObject *base);

/* Set the vectorcall constructor, which PyType_Spec has no slot for before 3.14. */
void
bytesio_type_ready(PyTypeObject *type);

/* ---- file/getbuffer.c ---- */

extern PyType_Spec bytesio_export_spec;

#endif
