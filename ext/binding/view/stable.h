/* view/stable.h: what keeps the memory of stable views: a tree that shares the frames. */
#ifndef PAGEBUF_VIEW_STABLE_H
#define PAGEBUF_VIEW_STABLE_H

#include "view/object.h"

typedef struct {
    PyObject_HEAD
    pb_buf b; /* a Holder */
    PoolObject *pool;
} StableObject;

/* Share what the buffer holds now.  *r becomes the range that was asked for.  NULL with an
 * exception. */
StableObject *
stable_new(pb_buf *b, const view_range *asked, view_range *r);

#endif
