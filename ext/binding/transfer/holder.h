/* transfer/holder.h: what every object with a tree does the same way: PageBuffer, ByteQueue,
 * BytesIO.
 *
 * `self` is a Holder (pool/object.h), so these are methods and slots of any such type. */
#ifndef PAGEBUF_TRANSFER_HOLDER_H
#define PAGEBUF_TRANSFER_HOLDER_H

#include "transfer/transfer.h"

int
holder_traverse(PyObject *self, visitproc visit, void *arg);

/* Give back what the tree holds, when the object goes or begins anew. */
void
holder_fini(pb_buf *b);

/* The same when the object goes, and its reference to the pool with it, if it has one yet. */
void
holder_release(pb_buf *b);

PyObject *
holder_stats(PyObject *self, PyObject *ignored);
PyObject *
holder_check(PyObject *self, PyObject *ignored);
PyObject *
holder_tree_runs(PyObject *self, PyObject *ignored);
extern const char holder_tree_runs_doc[];

#endif
