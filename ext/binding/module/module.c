/* module/module.c: pagebuf._core, its state and how it comes to life. */
#include "base/common.h"
#include "pool/layout.h"
#include "buffer/container.h"
#include "lock/inflight.h"
#include "pool/segv.h"
#include "view/object.h"
#include "file/stream.h"

module_state *
state_of(PyObject *self)
{
    PyObject *module = PyType_GetModuleByDef(Py_TYPE(self), &pagebuf_module);
    assert(module != NULL); /* every type of ours is made with the module */
    return state_of_module(module);
}

PyDoc_STRVAR(default_pool_doc,
             "default_pool($module, /)\n--\n\n"
             "The pool that buffers draw from when they are given none.\n\n"
             ">>> import pagebuf\n"
             ">>> pagebuf.PageBuffer(b'x').pool is pagebuf.default_pool()\n"
             "True\n");

static PyObject *
default_pool(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return (PyObject *)pool_default(state_of_module(module));
}

PyDoc_STRVAR(set_factory_doc,
             "_set_pool_factory($module, factory, /)\n--\n\n"
             "What makes the default pool when it is first asked for.");

static PyObject *
set_pool_factory(PyObject *module, PyObject *factory)
{
    Py_XSETREF(state_of_module(module)->pool_factory, Py_NewRef(factory));
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"_raw_addresses", module_raw_addresses, METH_VARARGS, raw_addresses_doc},
    {"region_of", module_region_of, METH_O, region_of_doc},
    {"is_valid", (PyCFunction)(void (*)(void))module_is_valid, METH_FASTCALL, is_valid_doc},
    {"default_pool", default_pool, METH_NOARGS, default_pool_doc},
    {"_set_pool_factory", set_pool_factory, METH_O, set_factory_doc},
    {NULL, NULL, 0, NULL},
};

/* A type that only the library makes objects of. */
static int
make_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type ? 0 : -1;
}

static int
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    return make_type(module, spec, type) < 0 ? -1 : PyModule_AddType(module, *type);
}

/* A file: derived from what io's own are derived from, and known to the abstract class. */
static int
add_file_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    int result = -1;
    PyObject *registered = NULL;
    PyObject *io = PyImport_ImportModule("io");
    PyObject *abstract = io ? PyObject_GetAttrString(io, "BufferedIOBase") : NULL;
    PyObject *base = abstract ? PyObject_GetAttrString(abstract, "__base__") : NULL;
    if (base == NULL) {
        goto done;
    }
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, base);
    registered = *type ? PyObject_CallMethod(abstract, "register", "O", *type) : NULL;
    if (registered) {
        result = PyModule_AddType(module, *type);
    }
done:
    Py_XDECREF(registered);
    Py_XDECREF(base);
    Py_XDECREF(abstract);
    Py_XDECREF(io);
    return result;
}

static int
module_exec(PyObject *module)
{
    module_state *state = state_of_module(module);
    pb_map_init(&state->map);
    state->str_grow = PyUnicode_InternFromString("_grow");
    state->str_pressed = PyUnicode_InternFromString("_pressed");
    state->str_name = PyUnicode_InternFromString("name");
    if (state->str_grow == NULL || state->str_pressed == NULL || state->str_name == NULL ||
        errors_add(module) < 0 || structs_add(module) < 0 ||
        add_type(module, &pool_spec, &state->pool_type) < 0 ||
        add_type(module, &buffer_spec, &state->buffer_type) < 0 ||
        make_type(module, &buffer_iter_spec, &state->buffer_iter_type) < 0 ||
        add_type(module, &queue_spec, &state->queue_type) < 0 ||
        make_type(module, &run_spec, &state->run_type) < 0 ||
        make_type(module, &bytesio_export_spec, &state->bytesio_export_type) < 0 ||
        make_type(module, &live_spec, &state->live_type) < 0 ||
        make_type(module, &stable_spec, &state->stable_type) < 0 ||
        add_file_type(module, &file_spec, &state->file_type) < 0 ||
        add_file_type(module, &bytesio_spec, &state->bytesio_type) < 0 ||
        PyModule_AddIntConstant(module, "SEEK_DATA", STREAM_SEEK_DATA) < 0 ||
        PyModule_AddIntConstant(module, "SEEK_HOLE", STREAM_SEEK_HOLE) < 0 ||
        PyModule_AddIntConstant(module, "PAGE_SIZE", (long)PB_PAGE_SIZE) < 0 ||
        PyModule_AddIntConstant(module, "FANOUT", (long)PB_FANOUT) < 0 ||
        PyModule_AddIntConstant(module, "MAX_LEVELS", PB_MAX_LEVELS) < 0 ||
        PyModule_AddIntConstant(module, "SAMPLE_FRAMES", PB_SAMPLE_FRAMES) < 0 ||
        PyModule_AddIntConstant(module, "INLINE_SIZE", PB_INLINE) < 0) {
        return -1;
    }
    bytesio_type_ready(state->bytesio_type);
    if (layout_add(module) < 0) {
        return -1;
    }
    return buffer_type_ready(state->buffer_type) < 0 ? -1 : fork_register(module);
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
    return 0;
}

static int
module_clear(PyObject *module)
{
    module_state *state = state_of_module(module);
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
    Py_CLEAR(state->socket_type);
    return 0;
}

static void
module_free(void *module)
{
    module_state *state = state_of_module(module);
    for (int i = 0; state && i < COPY_GATES; i++) {
        if (state->gates[i].lock) {
            PyThread_free_lock(state->gates[i].lock);
            state->gates[i].lock = NULL;
        }
    }
    if (state) {
        segv_forget(&state->map);
    }
    module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

struct PyModuleDef pagebuf_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pagebuf._core",
    .m_doc = "Pages, trees and buffers in C; see pagebuf.",
    .m_size = sizeof(module_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&pagebuf_module);
}
