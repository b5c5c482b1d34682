/* binding.h: what the files of the binding share: module state, object layouts, helpers.
 *
 * The shape of every method: convert the arguments and borrow foreign buffers (I6), lock,
 * one core call, unlock, build the result, release.  A function that runs under the lock
 * ends in _lock_held.  No Python code runs under a lock. */
#ifndef PAGEBUF_BINDING_H
#define PAGEBUF_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h> /* PyMemberDef flags before 3.12 */
#include <stddef.h>       /* offsetof */

#include "pb_buf.h"
#include "pb_check.h"
#include "pb_range.h"

/* What goes on without the GIL, so that the child of a fork can finish it (fork.h). */
typedef struct {
    const void *src; /* n bytes that are stored from `off` on, or NULL */
    uint64_t off, n;
    pb_paste paste;    /* paste.to: a paste that is being finished, or NULL */
    uint64_t promised; /* frames of the buffer's pool spoken for meanwhile */
} copy_job;

/* Where threads wait for a copy that goes on without the GIL (lock.c). */
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
    PyTypeObject *run_type; /* view_run.c */
    PyTypeObject *live_type;
    PyTypeObject *stable_type;
    PyObject *zeros;
    PyTypeObject *pool_stats_type;
    PyTypeObject *buffer_stats_type;
    PyTypeObject *walk_type;
    PyTypeObject *walk_step_type;
    PyObject *pool_limit_error;
    PyObject *capacity_error;
    PyObject *corruption_error;
    PyObject *pool_factory; /* pagebuf.PagePool */
    PyObject *default_pool; /* made when first asked for */
    PyObject *str_grow;     /* "_grow" */
    PyObject *socket_type;  /* _socket.socket, once it is there */
    copy_gate gates[COPY_GATES];
    struct held_tree *held; /* fork.h */
#ifdef Py_GIL_DISABLED
    PyMutex held_lock;
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

/* A pool.  `pool` is alive as long as the object; `regions` keeps the mmap exports;
 * `spare` is memory of BytesIO objects that are gone. */
typedef struct {
    PyObject_HEAD
    pb_pool pool;
    PyObject *regions; /* list of memoryview */
    PyObject *weakrefs;
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

static inline PyObject *
holder_of(const pb_buf *b)
{
    return (PyObject *)((char *)b - offsetof(Holder, b));
}

static inline PoolObject *
pool_object(const pb_buf *b)
{
    return (PoolObject *)((char *)b->pool - offsetof(PoolObject, pool));
}

static inline module_state *
state_of_buf(const pb_buf *b)
{
    return state_of((PyObject *)pool_object(b));
}

/* ---- pool_type.c ---- */

extern PyType_Spec pool_spec;

/* The default pool, a new reference. */
PoolObject *
pool_default(module_state *state);

/* Have the pool add the region that it was short of.  Runs Python code: no lock held. */
int
pool_grow(PoolObject *self);

/* ---- buffer_type.c and its kin ---- */

extern PyType_Spec buffer_spec;

/* What PyType_Spec cannot say before 3.14: the vectorcall constructor. */
int
buffer_type_ready(PyTypeObject *type);

/* An exact PageBuffer or one of a subclass, empty, on `pool`. */
BufferObject *
buffer_new(PyTypeObject *type, PoolObject *pool, unsigned max_levels);

/* ---- buffer_info.c ---- */

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

/* ---- buffer_share.c ---- */

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

/* ---- buffer_range.c, buffer_diff.c ---- */

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

/* ---- file_type.c, bytesio_type.c ---- */

extern PyType_Spec file_spec, bytesio_spec, bytesio_export_spec;

void
bytesio_type_ready(PyTypeObject *type);

/* Free the memory that was kept for new files, when the pool goes. */
void
bytesio_drop_spares(PoolObject *pool);

PyObject *
buffer_open(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char buffer_open_doc[];

/* ---- queue_type.c ---- */

extern PyType_Spec queue_spec;

/* ---- structs.c ---- */

int
structs_add(PyObject *module);

/* ---- errors.c ---- */

int
errors_add(PyObject *module);

/* The exception for a status that is not PB_OK, for bytes [off, off + n) of a buffer. */
void
raise_status(const pb_buf *b, pb_status st, uint64_t off, uint64_t n);

/* CorruptionError from a fault. */
void
raise_fault(module_state *state, const pb_fault *fault);

/* ---- args.c ---- */

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
