/* base/common.h: what the files of the binding share: module state, object layouts, helpers.
 *
 * The shape of every method: convert the arguments and borrow foreign buffers (I6), lock,
 * one core call, unlock, build the result, release.  A function that runs under the lock
 * ends in _lock_held.  No Python code runs under a lock. */
#ifndef PAGEBUF_BASE_COMMON_H
#define PAGEBUF_BASE_COMMON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h> /* PyMemberDef flags before 3.12 */
#include <stddef.h>       /* offsetof */

#include "buffer/buf.h"
#include "inspect/check.h"
#include "base/address_map.h"
#include "range/paste.h"

/* What goes on without the GIL, so that the child of a fork can finish it (lock/inflight.h). */
typedef struct {
    const void *src; /* n bytes that are stored from `off` on, or NULL */
    uint64_t off, n;
    pb_paste paste;    /* paste.to: a paste that is being finished, or NULL */
    uint64_t reserved; /* frames of the buffer's pool reserved meanwhile */
} copy_job;

/* Where threads wait for a copy that goes on without the GIL (lock/lock.c). */
typedef struct {
    PyThread_type_lock lock; /* held by the copying thread */
    pb_buf *buffer;          /* what it copies from or to; NULL: not in use */
    int waiting;
    copy_job job;
} copy_gate;

#define COPY_GATES 16

typedef struct {
    PyTypeObject *pool_type;
    PyTypeObject *buffer_type;
    PyTypeObject *buffer_iter_type;
    PyTypeObject *queue_type;
    PyTypeObject *file_type;
    PyTypeObject *bytesio_type;
    PyTypeObject *bytesio_export_type;
    PyTypeObject *run_type; /* view/keepers.c */
    PyTypeObject *live_type;
    PyTypeObject *stable_type;
    PyObject *zeros;
    PyTypeObject *pool_stats_type;
    PyTypeObject *usage_type;
    PyTypeObject *region_type;
    PyTypeObject *buffer_stats_type;
    PyTypeObject *walk_type;
    PyTypeObject *walk_step_type;
    PyObject *pool_limit_error;
    PyObject *capacity_error;
    PyObject *corruption_error;
    PyObject *pool_factory; /* pagebuf.PagePool */
    PyObject *default_pool; /* made when first asked for */
    PyObject *str_grow;     /* "_grow" */
    PyObject *str_pressed;  /* "_pressed" */
    PyObject *str_name;     /* "name" */
    PyObject *socket_type;  /* _socket.socket, once it is there */
    copy_gate gates[COPY_GATES];
    pb_map map;         /* regions of all pools; views, once there is a debug pool */
    bool debugging;     /* there is, or was, a debug pool */
    pb_intervals names; /* of buffers, by address (pool/names.c) */
    struct inflight_tree *inflight; /* lock/inflight.h */
#ifdef Py_GIL_DISABLED
    PyMutex inflight_lock;
#endif
} module_state;

extern struct PyModuleDef pagebuf_module;

static inline module_state *
state_of_module(PyObject *module)
{
    return (module_state *)PyModule_GetState(module);
}

/* The state behind an object of ours or of a subclass. */
module_state *
state_of(PyObject *self);

/* ---- objects ---- */

#define SPARE_FILES 16

struct event;  /* pool/trace.c */
struct export; /* view/protocol.c */

/* A pool.  `pool` is alive as long as the object; `regions` keeps the mmap exports;
 * `spare` is memory of BytesIO objects that are gone. */
typedef struct PoolObject {
    PyObject_HEAD
    pb_pool pool;
    PyObject *module; /* a reference: `state` and its map are as long there as the pool */
    module_state *state;
    struct PoolObject *parent; /* a reference; NULL: a root */
    PyObject *regions;         /* list of memoryview */
    PyObject *weakrefs;
    struct export *exports; /* memory handed out by the buffer protocol */
    struct event *events;   /* who took and freed frames; NULL: nobody asks */
    uint32_t event_count;
    bool telling; /* callbacks of on_pressure are running */
    unsigned spares;
    PyObject *spare[SPARE_FILES];
} PoolObject;

/* Every object that owns a tree begins like this.  b.pool lies inside a PoolObject that
 * the holder has a reference to. */
typedef struct {
    PyObject_HEAD
    pb_buf b;
} Holder;

typedef struct {
    PyObject_HEAD
    pb_buf b;
    PyObject *weakrefs;
} BufferObject;

_Static_assert(sizeof(BufferObject) <= 160,
               "50 000 small ones in 80 % of the memory of io.BytesIO's");

static inline PyObject *
holder_of(const pb_buf *b)
{
    return (PyObject *)((char *)b - offsetof(Holder, b));
}

/* The object around a tree, borrowed; NULL: there is none, or it is being deallocated and must
 * not be brought back. */
static inline PyObject *
object_around(const pb_buf *b)
{
    bool around = b && b->root.frozen != PB_FROZEN_INTERNAL && Py_REFCNT(holder_of(b)) > 0;
    return around ? holder_of(b) : NULL;
}

static inline PoolObject *
pool_around(const pb_pool *pool)
{
    return (PoolObject *)((char *)pool - offsetof(PoolObject, pool));
}

static inline PoolObject *
pool_object(const pb_buf *b)
{
    return pool_around(b->pool);
}

/* Also when the pool's type, which may be a caller's, has been taken apart already. */
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

/* Have the pool add the region that it was short of.  Runs Python code: no lock held. */
int
pool_grow(PoolObject *self);

/* ---- view/protocol.c ---- */

int
exports_traverse(PoolObject *pool, visitproc visit, void *arg);

/* ---- pool/events.c ---- */

/* Tell what has come up in a call that is over, with no lock held: damage (when `damage`)
 * as an exception, marks that were crossed to the callbacks of on_pressure.  -1 with an
 * exception. */
int
pool_tell_slow(PoolObject *self, bool damage);

static inline int
pool_tell(PoolObject *self, bool damage)
{
    return PB_LIKELY(!self->pool.root->pending) ? 0 : pool_tell_slow(self, damage);
}

/* What a call made of a tree, unless damage is told. */
static inline PyObject *
unless_damaged(const pb_buf *b, PyObject *made)
{
    if (made && pool_tell(pool_object(b), true) < 0) {
        Py_CLEAR(made);
    }
    return made;
}

/* The same where nothing can be raised: when an object goes. */
void
pool_tell_unraisable(PoolObject *self);

PyObject *
pool_set_marks(PoolObject *self, PyObject *marks);
extern const char pool_set_marks_doc[];

/* ---- pool/trace.c ---- */

/* From now on frames are known to tracemalloc, and in pools that are debugged or sampled it
 * is kept who takes and frees them.  -1 with an exception. */
int
trace_begin(PoolObject *self);
void
trace_end(PoolObject *self);

/* The tree is given up, or gets another name: what is at its address does not go on with its last
 * event. */
void
trace_forget(const pb_buf *b);

/* How many events the pool of a tree has seen.  After them one tree was built to take the place
 * of another one, and has: what it did is that one's. */
uint32_t
trace_count(const pb_buf *b);
void
trace_replace(uint32_t since, const pb_buf *old, const pb_buf *now);

/* Who that was and where, a new str; None where that is not known (any more). */
PyObject *
trace_text(PoolObject *self, uint32_t number);

/* "PageBuffer 'inbox'": what an object with a tree is called in reports; at most `size` bytes.
 * Runs no Python code. */
void
trace_label(const pb_buf *b, char *out, size_t size);

/* ---- pool/stats.c ---- */

PyObject *
pool_stats(PoolObject *self, PyObject *ignored);
PyObject *
pool_usage(PoolObject *self, PyObject *ignored);
extern const char pool_stats_doc[], pool_usage_doc[];

/* A struct sequence of 64-bit numbers. */
PyObject *
struct_of(PyTypeObject *type, const long long *values, Py_ssize_t n);

/* ---- pool/region.c ---- */

PyObject *
module_region_of(PyObject *module, PyObject *address);
PyObject *
module_is_valid(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
extern const char region_of_doc[], is_valid_doc[];

/* ---- module/raw.c ---- */

PyObject *
module_raw_addresses(PyObject *module, PyObject *args);
extern const char raw_addresses_doc[];

/* ---- pool/names.c ---- */

/* What a buffer or queue is called in reports: a str or None.  -1 with an exception. */
int
name_check(PyObject *name);
int
name_set(PyObject **at, PyObject *name);
PyObject *
name_get(PyObject *name);

/* " 'inbox'" or nothing: a new str for a repr. */
PyObject *
name_in_repr(PyObject *name);

/* Of a buffer, most of which have none: it lies beside the object, which need not be larger for
 * it.  The name is borrowed, or NULL; -1 with an exception; the others cannot fail. */
PyObject *
buffer_name(const BufferObject *self);
int
buffer_set_name(BufferObject *self, PyObject *name);
void
buffer_move_name(BufferObject *self, BufferObject *from);
void
buffer_drop_name(BufferObject *self, module_state *state);

/* The name of an object with a tree, borrowed; NULL: it has none. */
PyObject *
name_of_holder(module_state *state, PyObject *obj);

/* ---- buffer/type.c and its kin ---- */

extern PyType_Spec buffer_spec;

/* What PyType_Spec cannot say before 3.14: the vectorcall constructor. */
int
buffer_type_ready(PyTypeObject *type);

/* An exact PageBuffer or one of a subclass, empty, on `pool`. */
BufferObject *
buffer_new(PyTypeObject *type, PoolObject *pool, unsigned max_levels);

/* ---- buffer/info.c ---- */

PyObject *
buffer_subscript(BufferObject *self, PyObject *key);
PyObject *
buffer_item(BufferObject *self, Py_ssize_t i);
PyObject *
buffer_repr(BufferObject *self);
PyObject *
buffer_extents(BufferObject *self, PyObject *ignored);
PyObject *
buffer_stats(BufferObject *self, PyObject *ignored);
PyObject *
buffer_walk(BufferObject *self, PyObject *arg);
PyObject *
buffer_check(BufferObject *self, PyObject *ignored);

/* ---- buffer/share.c ---- */

PyObject *
buffer_view(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_views(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_snapshot(BufferObject *self, PyObject *ignored);
PyObject *
buffer_clone(BufferObject *self, PyObject *ignored);
PyObject *
buffer_copy(BufferObject *self, PyObject *ignored);
PyObject *
buffer_deepcopy(BufferObject *self, PyObject *memo);
PyObject *
buffer_restore(BufferObject *self, PyObject *arg);
PyObject *
buffer_as_array(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_reduce(BufferObject *self, PyObject *args);
extern const char buffer_view_doc[], buffer_views_doc[], buffer_snapshot_doc[],
    buffer_clone_doc[], buffer_copy_doc[], buffer_deepcopy_doc[], buffer_restore_doc[],
    buffer_as_array_doc[], buffer_reduce_doc[];

extern const char buffer_extents_doc[], buffer_stats_doc[], buffer_walk_doc[],
    buffer_check_doc[];
extern PyGetSetDef buffer_getset[];

/* ---- buffer/range.c, buffer/diff.c ---- */

PyObject *
buffer_copy_range(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_collapse(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_insert_hole(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_diff(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_delta(BufferObject *self, PyObject *arg);
PyObject *
buffer_apply(BufferObject *self, PyObject *arg);
extern const char buffer_copy_range_doc[], buffer_collapse_doc[], buffer_insert_hole_doc[],
    buffer_diff_doc[], buffer_delta_doc[], buffer_apply_doc[];

/* ---- file/pagefile.c, file/bytesio.c ---- */

extern PyType_Spec file_spec, bytesio_spec, bytesio_export_spec;

void
bytesio_type_ready(PyTypeObject *type);

/* Free the memory that was kept for new files, when the pool goes. */
void
bytesio_drop_spares(PoolObject *pool);

PyObject *
buffer_open(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char buffer_open_doc[];

/* ---- queue/type.c ---- */

extern PyType_Spec queue_spec;

/* ---- base/structs.c ---- */

int
structs_add(PyObject *module);

/* ---- pool/report.c ---- */

int
errors_add(PyObject *module);

/* The exception for a status that is not PB_OK, for bytes [off, off + n) of a buffer. */
void
raise_status(const pb_buf *b, pb_status st, uint64_t off, uint64_t n);

/* CorruptionError from a fault in a pool. */
void
raise_fault(PoolObject *pool, const pb_fault *fault);

/* ---- base/args.c ---- */

/* An offset or size: an int >= 0 below 2^63.  Returns -1 with an exception.  May run
 * Python code (__index__). */
int
arg_offset(PyObject *obj, const char *what, uint64_t *out);

/* A size of which None and negative numbers mean "to the end" (UINT64_MAX). */
int
arg_size(PyObject *obj, uint64_t *out);

/* The bytes of any C-contiguous object.  `view` must be released when view->obj is set;
 * bytes are borrowed without a view. */
int
arg_bytes(PyObject *obj, Py_buffer *view);

int
check_nargs(const char *name, Py_ssize_t nargs, Py_ssize_t least, Py_ssize_t most);

#endif
