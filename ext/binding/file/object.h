/* file/object.h: the types of files, and opening one over a buffer. */
#ifndef PAGEBUF_FILE_OBJECT_H
#define PAGEBUF_FILE_OBJECT_H

#include "pool/object.h"

/* `whence` of seek.  The system's numbers (3 and 4 on Linux) io.BytesIO has to refuse. */
#define FILE_SEEK_DATA 19
#define FILE_SEEK_HOLE 20

/* ---- file/pagefile.c ---- */

extern PyType_Spec file_spec;

/* A PageFile over a PageBuffer in a mode as open() has it; NULL with an exception. */
PyObject *
pagefile_open(Holder *buffer, const char *mode);

/* ---- file/bytesio.c ---- */

extern PyType_Spec bytesio_spec;

/* What PyType_Spec cannot say before 3.14: the vectorcall constructor. */
void
bytesio_type_ready(PyTypeObject *type);

/* ---- file/getbuffer.c ---- */

extern PyType_Spec bytesio_export_spec;

#endif
