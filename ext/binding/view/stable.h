/* view/stable.h: what keeps the memory of stable views: a tree that shares the frames. */
#ifndef PAGEBUF_VIEW_STABLE_H
#define PAGEBUF_VIEW_STABLE_H

#include "view/object.h"

/* A tree that shares the pages of a range, and what views of a list show of it.  A view that goes
 * gives up its part; the lock of the tree orders that. */
typedef struct {
    PyObject_HEAD
    pb_buf b; /* a Holder */
    PoolObject *pool;
    uint64_t at; /* where the range begins in b */
    pb_parts parts;
    bool exact; /* b has no other pages than those of the range */
} StableObject;

/* What to share: a range, or its first `most` runs, and `range` becomes those.  A small range is
 * copied to `few` instead, which has room for it, if it is not NULL. */
typedef struct {
    view_range range;
    uint64_t most;
    uint8_t *few;
} stable_wish;

/* A memoryview of a copy of [off, off + n); NULL with an exception. */
PyObject *
view_copy(pb_buf *b, uint64_t off, uint64_t n);

/* Share what the buffer holds now.  NULL with an exception. */
StableObject *
stable_new(pb_buf *b, stable_wish *w);

#endif
