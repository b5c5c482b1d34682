/* view/object.h: live views, stable views, and the buffer protocol. */
#ifndef PAGEBUF_VIEW_OBJECT_H
#define PAGEBUF_VIEW_OBJECT_H

#include "transfer/transfer.h"
#include "buffer/share.h"

extern PyType_Spec run_spec, live_spec, stable_spec;

/* Memory of pages that a view shows.  Debug pools want to know it, so it is in the map
 * while there are such pools. */
typedef struct {
    pb_map *map; /* NULL: not in the map */
    pb_interval interval;
} mapped_view;

static inline void
map_view(mapped_view *v, module_state *state, const void *address, uint64_t n)
{
    v->map = state->debugging && n ? &state->map : NULL;
    if (v->map) {
        pb_map_add_view(v->map, &v->interval, address, (size_t)n);
    }
}

static inline void
unmap_view(mapped_view *v)
{
    if (v->map) {
        pb_map_remove_view(v->map, &v->interval);
        v->map = NULL;
    }
}

/* A live view of [off, off + n), inside the size: a writable memoryview. */
PyObject *
view_live(pb_buf *b, uint64_t off, uint64_t n);

/* Makes room for a view, under the same lock as the pin, so that a refusal changes
 * nothing (I3).  `begin` says where the room is; `undo` takes it away if there is no pin. */
typedef struct {
    pb_status (*begin)(pb_buf *b, uint64_t n, uint64_t *off);
    void (*undo)(pb_buf *b);
} pin_room;

/* A live view of n > 0 bytes in new room. */
PyObject *
view_live_in(pb_buf *b, uint64_t n, const pin_room *room);

/* A stable view of [off, off + n): a contiguous read-only memoryview, of a copy if the
 * pages are scattered. */
PyObject *
view_stable(pb_buf *b, uint64_t off, uint64_t n);

/* A list of memoryviews, one per run, the first `most` of them.  Stable ones show holes as slices
 * of zeros; live ones make pages of them. */
PyObject *
views_stable(pb_buf *b, uint64_t off, uint64_t n, uint64_t most);
PyObject *
views_live(pb_buf *b, uint64_t off, uint64_t n, uint64_t most);

/* The buffer protocol of an object that is a Holder (view/export.c). */
int
holder_getbuffer(PyObject *self, Py_buffer *view, int flags);
void
holder_releasebuffer(PyObject *self, Py_buffer *view);

/* What to pin: [off, off + n), or n bytes in new room.  `pool` tells whose pin it is:
 * before the lock is held, __init__ may move the object to another pool. */
typedef struct {
    const pin_room *room; /* may be NULL */
    uint64_t off, n;
    pb_pin *pin;
    uint8_t *address; /* out */
    PoolObject *pool; /* out, a reference */
} pinning;

/* Pin it, and let the pool grow if needed.  -1 with an exception and nothing changed. */
int
view_pin_in(pb_buf *b, pinning *p);
int
view_pin(pb_buf *b, uint64_t off, uint64_t n, pb_pin *pin, uint8_t **address);

/* Give the pin back.  The GIL guards the pin list.  Without a GIL something else must: a
 * view does not know its buffer (docs/threading.md). */
void
view_unpin(PoolObject *pool, pb_pin *pin);

/* Begin `copy`, a tree inside the library, with what `b` holds: `how` is pb_buf_share or
 * pb_buf_read_snapshot.  *pool becomes a reference to its pool.  The lock of `b` is
 * held. */
pb_status
view_hold_lock_held(pb_buf *copy, pb_buf *b, pb_status how(pb_buf *, pb_buf *),
                    PoolObject **pool);

#endif
