/* base/state.c: the references of the module's state, as the collector sees them. */
#include "base/spares.h"

module_state *
state_of(PyObject *self)
{
    PyObject *module = PyType_GetModuleByDef(Py_TYPE(self), &pagebuf_module);
    assert(module != NULL); /* module.c makes every type with the module */
    return state_of_module(module);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = state_of_module(module);
    Py_VISIT(state->pool_type);
    Py_VISIT(state->buffer_type);
    Py_VISIT(state->buffer_iter_type);
    Py_VISIT(state->queue_type);
    Py_VISIT(state->run_type);
    Py_VISIT(state->live_type);
    Py_VISIT(state->stable_type);
    Py_VISIT(state->zeros);
    Py_VISIT(state->file_type);
    Py_VISIT(state->bytesio_type);
    Py_VISIT(state->bytesio_export_type);
    Py_VISIT(state->store_type);
    Py_VISIT(state->pool_stats_type);
    Py_VISIT(state->usage_type);
    Py_VISIT(state->region_type);
    Py_VISIT(state->buffer_stats_type);
    Py_VISIT(state->walk_type);
    Py_VISIT(state->walk_step_type);
    Py_VISIT(state->pool_limit_error);
    Py_VISIT(state->capacity_error);
    Py_VISIT(state->corruption_error);
    Py_VISIT(state->pool_factory);
    Py_VISIT(state->default_pool);
    Py_VISIT(state->socket_type);
#ifdef Py_GIL_DISABLED
    return spares_traverse(state, visit, arg);
#else
    return 0;
#endif
}

PyObject *
state_once(PyObject **at, PyObject *made)
{
#ifdef Py_GIL_DISABLED
    PyObject *there = NULL;
    if (__atomic_compare_exchange_n(at, &there, made, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        return made;
    }
#else
    PyObject *there = *at;
    if (there == NULL) {
        *at = made;
        return made;
    }
#endif
    Py_DECREF(made);
    return there;
}

/* The same list as above, and the strings, which are in no cycle. */
void
state_clear(module_state *state)
{
#ifdef Py_GIL_DISABLED
    spares_end(state);
#endif
    Py_CLEAR(state->pool_type);
    Py_CLEAR(state->buffer_type);
    Py_CLEAR(state->buffer_iter_type);
    Py_CLEAR(state->queue_type);
    Py_CLEAR(state->run_type);
    Py_CLEAR(state->live_type);
    Py_CLEAR(state->stable_type);
    Py_CLEAR(state->zeros);
    Py_CLEAR(state->file_type);
    Py_CLEAR(state->bytesio_type);
    Py_CLEAR(state->bytesio_export_type);
    Py_CLEAR(state->store_type);
    Py_CLEAR(state->pool_stats_type);
    Py_CLEAR(state->usage_type);
    Py_CLEAR(state->region_type);
    Py_CLEAR(state->buffer_stats_type);
    Py_CLEAR(state->walk_type);
    Py_CLEAR(state->walk_step_type);
    Py_CLEAR(state->pool_limit_error);
    Py_CLEAR(state->capacity_error);
    Py_CLEAR(state->corruption_error);
    Py_CLEAR(state->pool_factory);
    Py_CLEAR(state->default_pool);
    Py_CLEAR(state->str_grow);
    Py_CLEAR(state->str_pressed);
    Py_CLEAR(state->str_name);
    Py_CLEAR(state->str_gettimeout);
    Py_CLEAR(state->str_type);
    Py_CLEAR(state->str_bring);
    Py_CLEAR(state->str_call_ends);
    Py_CLEAR(state->str_given_up);
    Py_CLEAR(state->socket_type);
}

static int
module_clear(PyObject *module)
{
    state_clear(state_of_module(module));
    return 0;
}

struct PyModuleDef pagebuf_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pagebuf._core",
    .m_doc = "Pages, trees and buffers in C; see pagebuf.",
    .m_size = sizeof(module_state),
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};
