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

/* The bytes that a view is asked to show: n of them from `off` on, or all (TO_THE_END).
 *
 * Only the lock tells what is there.  So callers pass a range on as it was asked for, and the
 * function that pins or shares the bytes resolves it under the same lock.  There `find`, if
 * not NULL, sets `off` and `n`.  If no view comes of it, `undo` takes back what else `find`
 * did, under the lock (I3). */
typedef struct view_range view_range;
struct view_range {
    uint64_t off, n;
    pb_status (*find)(pb_buf *b, view_range *r);
    void (*undo)(pb_buf *b, const view_range *r);
    void *of;      /* data for find and undo */
    uint64_t size; /* out: of the buffer, for the message of a refusal */
};

/* view_range.n */
#define TO_THE_END UINT64_MAX

/* Resolve a range.  PB_RANGE: it does not lie in the buffer, or begins past its end. */
pb_status
view_find_lock_held(pb_buf *b, view_range *r);

static inline void
view_undo_lock_held(pb_buf *b, const view_range *r)
{
    if (r->undo) {
        r->undo(b, r);
    }
}

/* IndexError for a range that was PB_RANGE. */
void
view_raise_range(const view_range *r);

/* A live view: a writable memoryview.  BufferError where its bytes cannot lie in one run. */
PyObject *
view_live(pb_buf *b, const view_range *asked);

/* A stable view: a contiguous read-only memoryview, of a copy if the pages are scattered. */
PyObject *
view_stable(pb_buf *b, const view_range *asked);

/* A list of memoryviews, one per run, the first `most` of them.  Stable ones show holes as slices
 * of zeros; live ones make pages of them. */
PyObject *
views_stable(pb_buf *b, const view_range *asked, uint64_t most);
PyObject *
views_live(pb_buf *b, const view_range *asked, uint64_t most);

/* A list of offsets and stable views, one pair per run; holes are left out. */
PyObject *
views_data(pb_buf *b, const view_range *asked);

/* The buffer protocol of an object that is a Holder (view/export.c). */
int
holder_getbuffer(PyObject *self, Py_buffer *view, int flags);
void
holder_releasebuffer(PyObject *self, Py_buffer *view);

/* A range to pin, and the pin.  `pool` says whose pin it is: until the lock is held,
 * __init__ may move the object to another pool. */
typedef struct {
    view_range range; /* out: as resolved; a range of no bytes gets no pin */
    pb_pin *pin;
    uint8_t *address; /* out */
    PoolObject *pool; /* out, a reference; NULL: no pin */
    bool gathers;     /* only the run is wanted, and no pin stays */
} pinning;

/* Pin it, and let the pool grow if needed.  -1 with an exception and nothing changed. */
int
view_pin(pb_buf *b, const view_range *asked, pinning *p);

/* Bring all bytes into one run, as a view of all would, in one moment.  -1 with an exception and
 * nothing changed. */
int
view_gather(pb_buf *b);

/* Give the pin back, from any thread (lock/pins.h). */
void
view_unpin(PoolObject *pool, pb_pin *pin);

/* Pins of a range, one for each run that it lies in. */
typedef struct {
    view_range range; /* out: as resolved */
    uint64_t most;    /* runs, the first ones */
    pinning *each;    /* `room` of them, whose `pin` is set */
    size_t room;
    size_t n; /* out: how many runs; if more than there is room for, none is pinned */
} run_pins;

/* Pin all of them in one moment.  -1 with an exception, and none is pinned. */
int
view_pin_runs(pb_buf *b, run_pins *w);

/* Pin p->range, which lies in the buffer.  Uses up *pins if the buffer has no list, or is tiny. */
pb_status
view_pin_lock_held(pb_buf *b, pinning *p, pb_pin_list **pins);

/* After a refusal: make a buffer that was tiny before tiny again, and take its empty list back. */
void
view_back_inline_lock_held(pb_buf *b, pb_pin_list **pins);

/* BufferError for a range that was PB_PINNED. */
void
view_raise_no_run(const pb_buf *b, const view_range *range);

/* Can the buffer be pinned without a new pin list? */
static inline bool
view_has_pins_lock_held(const pb_buf *b)
{
    return !pb_buf_is_inline(b) && b->pins;
}

/* A pin list for a buffer that has none.  No lock is held.  -1 with an exception. */
int
view_new_pins(pb_pin_list **pins);

/* Does the buffer need a pin list before view_unite_lock_held can do anything? */
bool
view_lacks_pins_lock_held(const pb_buf *b);

/* pb_buf_unite, where a read-only view may show the bytes as they lie.  Uses up *pins for a buffer
 * without a list. */
pb_status
view_unite_lock_held(pb_buf *b, pb_pin_list **pins, uint8_t **address);

/* Begin `copy`, a tree inside the library, with what `b` holds: `how` is pb_buf_share or
 * pb_buf_read_snapshot.  *pool becomes a reference to its pool.  The lock of `b` is
 * held. */
pb_status
view_hold_lock_held(pb_buf *copy, pb_buf *b, pb_status how(pb_buf *, pb_buf *),
                    PoolObject **pool);

/* A range to be shared, and where it begins in the copy.  part: without the rest of the buffer. */
typedef struct {
    uint64_t off, n;
    bool part;
    uint64_t at; /* out */
} view_part;

/* The same for a range of bytes, which lies in `b`. */
pb_status
view_hold_part_lock_held(pb_buf *copy, pb_buf *b, view_part *part, PoolObject **pool);

#endif
