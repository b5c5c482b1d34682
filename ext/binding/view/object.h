/* view/object.h: memory that is handed out: live views, stable views, the buffer protocol. */
#ifndef PAGEBUF_VIEW_OBJECT_H
#define PAGEBUF_VIEW_OBJECT_H

#include "transfer/transfer.h"
#include "buffer/share.h"

extern PyType_Spec run_spec, live_spec, stable_spec;

/* Memory of pages that is handed out, in the map while there are debug pools. */
typedef struct {
    pb_map *map; /* NULL: it is not there */
    pb_interval extent;
} handed_out;

static inline void
hand_out(handed_out *h, module_state *state, const void *address, uint64_t n)
{
    h->map = state->debugging && n ? &state->map : NULL;
    if (h->map) {
        pb_map_add_view(h->map, &h->extent, address, (size_t)n);
    }
}

static inline void
handed_back(handed_out *h)
{
    if (h->map) {
        pb_map_remove_view(h->map, &h->extent);
        h->map = NULL;
    }
}

/* A live view of [off, off + n), inside the size: a writable memoryview. */
PyObject *
view_live(pb_buf *b, uint64_t off, uint64_t n);

/* What makes room for a view, under the lock that it is pinned under: a refusal changes nothing
 * (I3).  `begin` says where the room is, `undo` takes it away when the pin is not to be had. */
typedef struct {
    pb_status (*begin)(pb_buf *b, uint64_t n, uint64_t *off);
    void (*undo)(pb_buf *b);
} pin_room;

/* The same of n > 0 bytes in room that is made for them. */
PyObject *
view_live_in(pb_buf *b, uint64_t n, const pin_room *room);

/* A stable view of the same: a read-only memoryview, contiguous.  A copy where the pages
 * are scattered. */
PyObject *
view_stable(pb_buf *b, uint64_t off, uint64_t n);

/* One memoryview per run, holes as slices of zeros: a list.  Live ones have no holes. */
PyObject *
views_stable(pb_buf *b, uint64_t off, uint64_t n);
PyObject *
views_live(pb_buf *b, uint64_t off, uint64_t n);

/* The buffer protocol of an object that is a Holder.  Read-only requests of the plain
 * kind are stable, all others are live. */
int
holder_getbuffer(PyObject *self, Py_buffer *view, int flags);
void
holder_releasebuffer(PyObject *self, Py_buffer *view);

/* What to pin: [off, off + n), or n bytes in room that is made; and where what was had goes.
 * By the time that the lock is had, another thread's __init__ may have given the object another
 * pool: so whose pin it is comes back with it. */
typedef struct {
    const pin_room *room; /* may be NULL */
    uint64_t off, n;
    pb_pin *pin;
    uint8_t *address; /* out */
    PoolObject *pool; /* out, a reference */
} pinning;

/* Pin it, growing the pool as needed.  -1 with an exception: then nothing has changed. */
int
view_pin_in(pb_buf *b, pinning *p);
int
view_pin(pb_buf *b, uint64_t off, uint64_t n, pb_pin *pin, uint8_t **address);

/* The pin is given back.  With a GIL that guards the pin list; a view does not know its buffer,
 * so without one something else will have to (docs/threading.md). */
void
view_unpin(PoolObject *pool, pb_pin *pin);

#endif
