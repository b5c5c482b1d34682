/* pool/report.h: damage and refusals of a pool as exceptions. */
#ifndef PAGEBUF_POOL_REPORT_H
#define PAGEBUF_POOL_REPORT_H

#include "pool/object.h"

/* Raise CorruptionError for a fault.  `reported` is the pool that it was found through;
 * the fault may name another one.  `owner` is
 * the object around the tree, whose reference is taken, or NULL. */
void
raise_fault(PoolObject *reported, const pb_fault *fault, PyObject *owner);

/* Raise PoolLimitError for the last refusal of the root that the tree draws from. */
void
raise_limit(const pb_buf *b);

/* "'inbox'", or "this PageBuffer" where it has no name: what errors call the object around a
 * tree.  A new str, NULL with an exception.  No lock is held. */
PyObject *
tree_called(const pb_buf *b);

#endif
