/* pool/object.h: the pool as an object, and how an object with a tree finds it.
 *
 * A tree points to the pb_pool inside a PoolObject; the object around the tree keeps a
 * reference to that.  So the pool object and the state are one subtraction away from any
 * tree. */
#ifndef PAGEBUF_POOL_OBJECT_H
#define PAGEBUF_POOL_OBJECT_H

#include "base/state.h" /* first: Python.h says which functions there are */

#include "buffer/buf.h"
#include "zone/zone.h"

#define SPARE_FILES 16

struct event; /* pool/trace.c */

/* Memory of pages that the buffer protocol has handed out.  An export keeps a reference
 * to the pool, but is no object that the collector could ask.  So the pool lists its
 * exports, and answers for them. */
typedef struct pool_export {
    const pb_buf *of;
    struct pool_export *next, **link; /* link NULL: not in the list */
} pool_export;

typedef struct PoolObject {
    PyObject_HEAD
    pb_pool pool;     /* lives as long as the object */
    PyObject *module; /* a reference: `state` and its map live as long as the pool */
    module_state *state;
    struct PoolObject *parent; /* a reference; NULL: a root */
    PyObject *regions;         /* a list of memoryviews, which keep the mmaps */
    PyObject *weakrefs;
    pool_export *exports;
    struct event *events; /* who took and freed frames; NULL: not recorded */
    uint32_t event_count;
    bool in_callback; /* callbacks of on_pressure are running */
#ifdef Py_GIL_DISABLED
    PyMutex look;             /* of a root: held by who looks at all trees (pool/pause.c) */
    struct lock_wait *looker; /* its note */
#endif
    unsigned spares;
    PyObject *spare[SPARE_FILES]; /* memory of BytesIO objects that are gone */
} PoolObject;

/* For asserts on the sizes of objects.  Without a GIL the header is longer, and the lock of a
 * buffer has a word of its own.  On tiny pages what a buffer is lent has a place of its own. */
#define HEADER_BYTES sizeof(PyObject)
#define FURTHER_BYTES \
    ((PB_LOCKS ? sizeof(uint64_t) : 0) + (PB_INLINE ? 0 : sizeof(pb_lender)))

/* Every object with a tree keeps a reference to the PoolObject around b.pool.  All but files
 * begin like this; in a BytesIO what io.BytesIO keeps comes first (file/bytesio.h). */
typedef struct {
    PyObject_HEAD
    pb_buf b;
} Holder;

static inline PyObject *
holder_of(const pb_buf *b)
{
    return (PyObject *)((char *)b - offsetof(Holder, b) - pb_buf_lead(b) * sizeof(void *));
}

/* A new reference to the object around a tree.  NULL if there is none, or if it is in its dealloc:
 * it must not come back to life.  The pool is at rest (rest_begin). */
static inline PyObject *
object_around(const pb_buf *b)
{
    if (b == NULL || pb_buf_is_internal(b)) {
        return NULL;
    }
    PyObject *obj = holder_of(b);
#ifdef Py_GIL_DISABLED
    return PyUnstable_TryIncRef(obj) ? obj : NULL;
#else
    return Py_REFCNT(obj) > 0 ? Py_NewRef(obj) : NULL;
#endif
}

static inline PoolObject *
pool_around(const pb_pool *pool)
{
    return (PoolObject *)((char *)pool - offsetof(PoolObject, pool));
}

static inline PoolObject *
pool_object(const pb_buf *b)
{
    return pool_around(pb_buf_pool(b));
}

/* Works also where state_of does not: when the collector has cleared the type, which may
 * be a caller's. */
static inline module_state *
state_of_buf(const pb_buf *b)
{
    return pool_object(b)->state;
}

/* ---- pool/type.c ---- */

extern PyType_Spec pool_spec;

/* The default pool, a new reference. */
PoolObject *
pool_default(module_state *state);

/* The same, borrowed from the state. */
PoolObject *
pool_default_seen(module_state *state);

/* pool_default for a type of ours or a subclass, in tp_new. */
PoolObject *
pool_default_for(PyTypeObject *type);

/* The argument `pool`: a PagePool, borrowed, or NULL for None and no argument.  -1 with an
 * exception. */
int
arg_pool(module_state *state, PyObject *obj, PoolObject **out);

/* List and unlist an export; unlisting twice does no harm. */
void
pool_add_export(PoolObject *self, pool_export *e, const pb_buf *of);
void
pool_remove_export(PoolObject *self, pool_export *e);

/* ---- pool/pause.c ---- */

#ifdef Py_GIL_DISABLED
/* From now on no tree of the family of a pool changes, and none comes or goes.  No lock may be held;
 * the pool's is held until rest_end: no call between that takes it, or runs Python code. */
void
rest_begin(PoolObject *pool);
void
rest_end(PoolObject *pool);

/* Wait until nobody looks.  No lock is held. */
void
rest_wait(PoolObject *pool);

/* Wait for a mutex that is taken, and take it. */
void
mutex_wait(module_state *state, PyMutex *mutex);

/* In the child of a fork all who waited or looked are gone. */
void
rest_after_fork(module_state *state);
#else
static inline void
rest_begin(PoolObject *pool)
{
    (void)pool;
}

static inline void
rest_end(PoolObject *pool)
{
    (void)pool;
}
#endif

/* ---- pool/grow.c ---- */

/* Ask PagePool for the region that the pool was short of.  Runs Python code, so no lock
 * may be held. -1 with an exception. */
int
pool_grow(PoolObject *self);

PyObject *
pool_add_region(PoolObject *self, PyObject *args);
PyObject *
pool_add_sample(PoolObject *self, PyObject *args);
PyObject *
pool_next_region(PoolObject *self, PyObject *ignored);
PyObject *
pool_companion_bytes(PoolObject *self, PyObject *arg);
PyObject *
pool_short_of_run(PoolObject *self, PyObject *ignored);
extern const char pool_add_region_doc[], pool_add_sample_doc[], pool_next_region_doc[],
    pool_companion_doc[], pool_short_of_run_doc[];

/* Memory of an object as a zone of a pool, and what keeps it there. */
typedef struct {
    pb_zone zone; /* first */
    Py_buffer memory;
    pb_interval place; /* of its pages, among the zones of the state */
    pb_pool *root;
    PyObject *fetcher; /* who brings absent pages (pagebuf._remote); or NULL */
    bool unlisted;     /* it has no place */
    int fd;            /* of a zone that frames are spilled to: its file, ... */
    uint64_t file_at;  /* ... where in it the zone begins, ... */
    uint64_t forks;    /* ... and whose process it is (lock_state) */
} pool_zone;

/* Lend the whole pages of an object that has the buffer protocol to the pool, as a zone that no entry
 * names yet; at least one.  NULL with an exception.  The zone takes over `memory`, which is then that of its own.
 * With a fetcher its pages are absent at first. */
pool_zone *
pool_open_zone(PoolObject *self, Py_buffer *memory, PyObject *fetcher);

/* Take what this thread has noted of the pages of one zone: returns how many runs of them, counted from its
 * first page, and a reference to who brings them. */
uint32_t
pool_noted(PoolObject *self, PyObject **fetcher, pb_frames noted[PB_ABSENT_RUNS]);

PyObject *
pool_zone_here(PoolObject *self, PyObject *args);
PyObject *
pool_zone_charge(PoolObject *self, PyObject *args);
extern const char pool_zone_here_doc[], pool_zone_charge_doc[];

/* The zone whose first frame has the number, if it is that of this fetcher; NULL: it has ended. */
pool_zone *
pool_fetched_zone(PoolObject *self, uint64_t frame, const PyObject *fetcher);

/* No entry came to name it. */
void
pool_cancel_zone(PoolObject *self, pool_zone *zone);

/* Charge bytes that only the zone keeps, until it ends, for a buffer.  -1 with PoolLimitError: nothing
 * is charged. */
int
pool_charge_zone(PoolObject *self, pool_zone *z, uint64_t size, const pb_buf *b);

/* Let go of the memory of zones that have ended.  Runs Python code: no lock may be held. */
void
pool_release_zones(PoolObject *self);

PyObject *
pool_zone_named(PoolObject *self, PyObject *args);
PyObject *
pool_zone_keeps(PoolObject *self, PyObject *args);
extern const char pool_zone_named_doc[], pool_zone_keeps_doc[];

/* ---- pool/stats.c ---- */

PyObject *
pool_stats(PoolObject *self, PyObject *ignored);
PyObject *
pool_usage(PoolObject *self, PyObject *ignored);
extern const char pool_stats_doc[], pool_usage_doc[];

/* ---- pool/layout.c ---- */

/* Add _FRAME_STATES to the module. */
int
layout_add(PyObject *module);

PyObject *
pool_frame_states(PoolObject *self, PyObject *ignored);
extern const char pool_frame_states_doc[];

/* ---- pool/region.c ---- */

PyObject *
module_region_of(PyObject *module, PyObject *address);
PyObject *
module_is_valid(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
extern const char region_of_doc[], is_valid_doc[];

#endif
