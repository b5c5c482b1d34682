/* store/object.h: a store behind a Python object that has its file.
 *
 * What the core asks of a file it asks a Python object (store/file.c): so who opens, locks and
 * syncs is Python, and tests hand over files that fail.  Between the pages of a commit other
 * threads may run, as what is committed stands still.  One call at a time: src/pagebuf/_store.py
 * has a lock for that. */
#ifndef PAGEBUF_STORE_OBJECT_H
#define PAGEBUF_STORE_OBJECT_H

#include "transfer/holder.h" /* first: Python.h says which functions there are */

#include "store/store.h"

typedef struct {
    PyObject_HEAD
    pb_store s;                         /* s.live is a tree with this object around it */
    PyObject *file;                     /* NULL: __init__ has not run */
    PyObject *type, *error, *traceback; /* what the file raised first in this call */
    bool busy;
} StoreObject;

extern PyType_Spec store_spec;

/* ---- store/file.c ---- */

/* The operations of a store's file. */
pb_file
file_operations(StoreObject *self);

/* Forget what the file raised. */
void
file_forget_error(StoreObject *self);

#endif
