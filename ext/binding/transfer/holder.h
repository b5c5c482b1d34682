/* transfer/holder.h: slots and methods of every object with a tree: PageBuffer, ByteQueue,
 * BytesIO.
 *
 * In holder_* functions `self` is a Holder (pool/object.h); those of any tree take the tree. */
#ifndef PAGEBUF_TRANSFER_HOLDER_H
#define PAGEBUF_TRANSFER_HOLDER_H

#include "transfer/transfer.h"

int
holder_traverse(PyObject *self, visitproc visit, void *arg);

/* The same apart from the type of the object. */
int
tree_traverse(const pb_buf *b, visitproc visit, void *arg);

/* Give back what the tree holds: before the object goes, or begins anew. */
void
holder_fini(pb_buf *b);

/* The same when the object goes. */
void
holder_end(pb_buf *b);

/* The same in tp_dealloc, where the reference to the pool goes as well.  There is none
 * yet if tp_new has failed. */
void
holder_release(pb_buf *b);

PyObject *
tree_stats(pb_buf *b);

/* The same for an object that has bytes beside its tree: `beside` says how many, and how many bytes it
 * keeps for that. */
typedef uint64_t
bytes_beside(const pb_buf *b, uint64_t *kept);
PyObject *
tree_stats_with(pb_buf *b, bytes_beside *beside);
PyObject *
tree_check(pb_buf *b);

/* pb_buf_check beside other trees of the pool. */
bool
tree_check_lock_held(const pb_buf *b, pb_fault *fault);

PyObject *
tree_runs(pb_buf *b);

/* transfer/walk.c: the way to the page of an offset, a Walk. */
PyObject *
tree_walk(pb_buf *b, PyObject *offset);

PyObject *
holder_walk(PyObject *self, PyObject *offset);
extern const char holder_walk_doc[], holder_tree_walk_doc[];
/* __sizeof__: the object, its pages and its nodes, but not memory of others. */
PyObject *
tree_sizeof(PyObject *self, pb_buf *b);
PyObject *
holder_sizeof(PyObject *self, PyObject *ignored);
PyObject *
holder_stats(PyObject *self, PyObject *ignored);
PyObject *
holder_check(PyObject *self, PyObject *ignored);
PyObject *
holder_tree_runs(PyObject *self, PyObject *ignored);
extern const char holder_tree_runs_doc[];

#endif
