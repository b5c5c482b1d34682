/* base/state.h: the module, and what it keeps for each interpreter.
 *
 * Nothing mutable is global.  An object finds the state through its type (state_of); a
 * pool keeps a pointer to it. */
#ifndef PAGEBUF_BASE_STATE_H
#define PAGEBUF_BASE_STATE_H

#include "base/common.h"

#include "base/address_map.h"

typedef struct module_state {
    PyTypeObject *pool_type;
    PyTypeObject *buffer_type;
    PyTypeObject *buffer_iter_type;
    PyTypeObject *queue_type;
    PyTypeObject *file_type;
    PyTypeObject *bytesio_type;
    PyTypeObject *bytesio_export_type;
    PyTypeObject *store_type;
    PyTypeObject *run_type; /* view/run.c, live.c, stable.c */
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
    PyObject *str_gettimeout, *str_type;
    PyObject *str_bring, *str_call_ends, *str_given_up;
    PyObject *socket_type; /* _socket.socket, once somebody has imported it */
    uint64_t sockets[2];   /* what queue/target.c has found of a type of sockets */

    pb_map map;         /* regions of all pools; views, once there is a debug pool */
    bool debugging;     /* there is, or was, a debug pool */
    pb_intervals names; /* of buffers, by address (buffer/names.c) */
    pb_intervals
        zones;     /* the memory of others that pools map, under `lists` (pool/grow.c) */
    uint8_t named; /* there are any */
    pb_lock lists; /* of the names and of both below; nothing is locked under it */
    void *waits;   /* what pool/pause.c makes of it: who waits for a mutex, or looks */
    void *retired; /* what lock/retired.c makes of it */
    void *locks;   /* what lock/lock.h makes of it */
    void *spares;  /* what base/spares.c makes of it */

    /* Returns the name of an object with a tree, borrowed, or NULL.  Reports need names,
     * and only the types know them; so the module sets this function once
     * (module/names.c). */
    PyObject *(*name_of)(struct module_state *state, PyObject *obj);
    uint64_t (*beside)(struct module_state *state, PyObject *obj, uint64_t *kept);
} module_state;

/* PyInit adds the methods, the slots and m_free. */
extern struct PyModuleDef pagebuf_module;

static inline module_state *
state_of_module(PyObject *module)
{
    return (module_state *)PyModule_GetState(module);
}

/* The state behind an object of ours or of a subclass. */
module_state *
state_of(PyObject *self);

/* What the state makes when it is first asked for: borrowed, NULL while there is none.  Another
 * thread may be making it. */
static inline PyObject *
state_seen(PyObject **at)
{
#ifdef Py_GIL_DISABLED
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
#else
    return *at;
#endif
}

/* The state takes the reference to what was made, unless it has one by now; what it has, borrowed. */
PyObject *
state_once(PyObject **at, PyObject *made);

/* Drop every reference of the state. */
void
state_clear(module_state *state);

#endif
