/* module/module.c: pagebuf._core, the types and constants in it. */
#include "module/module.h"

#include "base/errors.h"
#include "base/spares.h"
#include "base/structs.h"
#include "buffer/object.h"
#include "file/object.h"
#include "lock/fork.h"
#include "lock/lock.h"
#include "pool/segv.h"
#include "queue/object.h"
#include "store/object.h"
#include "view/object.h"
#include "zone/spill.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

/* ---- functions ---- */

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
    {"_reads_apart", module_reads_apart, METH_O, reads_apart_doc},
    {"region_of", module_region_of, METH_O, region_of_doc},
    {"is_valid", (PyCFunction)(void (*)(void))module_is_valid, METH_FASTCALL, is_valid_doc},
    {"default_pool", default_pool, METH_NOARGS, default_pool_doc},
    {"_set_pool_factory", set_pool_factory, METH_O, set_factory_doc},
    {"_spill_begin", spill_begin, METH_O, spill_begin_doc},
    {"_spill_open", spill_open, METH_VARARGS, spill_open_doc},
    {"_spill_close", spill_close, METH_VARARGS, spill_close_doc},
    {"_spill_out", spill_out, METH_VARARGS, spill_out_doc},
    {"_spill_given_up", spill_given_up, METH_VARARGS, spill_given_up_doc},
    {"_spill_punch", spill_punch, METH_VARARGS, spill_punch_doc},
    {"_hasten", queue_hasten, METH_VARARGS, queue_hasten_doc},
    {NULL, NULL, 0, NULL},
};

/* ---- types ---- */

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

/* PageFile.  It derives from the base of io's own files, and is registered with the
 * abstract class. */
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
add_bytesio_type(PyObject *module, PyType_Spec *Py_UNUSED(spec), PyTypeObject **type)
{
    PyObject *io = PyImport_ImportModule("_io"); /* in io somebody may have replaced it */
    PyObject *base = io ? PyObject_GetAttrString(io, "BytesIO") : NULL;
    *type = base ? bytesio_make_type(module, (PyTypeObject *)base) : NULL;
    Py_XDECREF(base);
    Py_XDECREF(io);
    return *type ? PyModule_AddType(module, *type) : -1;
}

/* Every type, in the order in which they are made. */
static const struct {
    PyType_Spec *spec;
    size_t at; /* in module_state */
    int (*make)(PyObject *module, PyType_Spec *spec, PyTypeObject **type);
} types[] = {
    {&pool_spec, offsetof(module_state, pool_type), add_type},
    {&buffer_spec, offsetof(module_state, buffer_type), add_type},
    {&buffer_iter_spec, offsetof(module_state, buffer_iter_type), make_type},
    {&queue_spec, offsetof(module_state, queue_type), add_type},
    {&run_spec, offsetof(module_state, run_type), make_type},
    {&bytesio_export_spec, offsetof(module_state, bytesio_export_type), make_type},
    {&live_spec, offsetof(module_state, live_type), make_type},
    {&stable_spec, offsetof(module_state, stable_type), make_type},
    {&file_spec, offsetof(module_state, file_type), add_file_type},
    {&bytesio_spec, offsetof(module_state, bytesio_type), add_bytesio_type},
    {&store_spec, offsetof(module_state, store_type), add_type},
};

static int
add_types(PyObject *module)
{
    char *state = (char *)state_of_module(module);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(types); i++) {
        PyTypeObject **type = (PyTypeObject **)(void *)(state + types[i].at);
        if (types[i].make(module, types[i].spec, type) < 0) {
            return -1;
        }
    }
    buffer_type_ready(state_of_module(module)->buffer_type);
    bytesio_type_ready(state_of_module(module)->bytesio_type);
    return 0;
}

/* ---- constants ---- */

/* A flag of mmap that its module has from Python 3.13 on. */
#ifdef MAP_NORESERVE
#define MAPPING_NORESERVE MAP_NORESERVE
#else
#define MAPPING_NORESERVE 0
#endif

static const struct {
    const char *name;
    long value;
} constants[] = {
    {"SEEK_DATA", FILE_SEEK_DATA},     {"SEEK_HOLE", FILE_SEEK_HOLE},
    {"PAGE_SIZE", (long)PB_PAGE_SIZE}, {"FANOUT", (long)PB_FANOUT},
    {"MAX_LEVELS", PB_MAX_LEVELS},     {"SAMPLE_FRAMES", PB_SAMPLE_FRAMES},
    {"INLINE_SIZE", PB_INLINE},        {"_MAP_NORESERVE", MAPPING_NORESERVE},
};

/* The value of _BUILD_FLAGS. */
static PyObject *
build_flags(void)
{
    int assertions = 1;
#ifdef NDEBUG
    assertions = 0;
#endif
    return Py_BuildValue("{sNsNsN}", "assertions", PyBool_FromLong(assertions), "locks",
                         PyBool_FromLong(PB_LOCKS), "portable",
                         PyBool_FromLong(PB_PORTABLE));
}

static int
add_constants(PyObject *module)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(constants); i++) {
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    PyObject *flags = build_flags();
    int result = flags ? PyModule_AddObjectRef(module, "_BUILD_FLAGS", flags) : -1;
    Py_XDECREF(flags);
    return result < 0 ? -1 : layout_add(module);
}

/* ---- life ---- */

static int
intern_strings(module_state *state)
{
    const struct {
        PyObject **string;
        const char *text;
    } all[] = {
        {&state->str_grow, "_grow"},          {&state->str_pressed, "_pressed"},
        {&state->str_name, "name"},           {&state->str_gettimeout, "gettimeout"},
        {&state->str_type, "type"},           {&state->str_bring, "bring"},
        {&state->str_call_ends, "call_ends"}, {&state->str_given_up, "given_up"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if ((*all[i].string = PyUnicode_InternFromString(all[i].text)) == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
module_exec(PyObject *module)
{
    module_state *state = state_of_module(module);
    pb_map_init(&state->map);
    pb_lock_init(&state->lists);
    state->name_of = name_of_holder;
    state->beside = bytes_beside_tree;
#ifdef Py_GIL_DISABLED
    if (spares_begin(state) < 0) {
        return -1;
    }
#endif
    if (locks_begin(state) < 0 || intern_strings(state) < 0 || errors_add(module) < 0 ||
        structs_add(module) < 0 || add_types(module) < 0 || add_constants(module) < 0) {
        return -1;
    }
    return fork_register(module);
}

static void
module_free(void *module)
{
    module_state *state = state_of_module(module);
    if (state) { /* NULL: module_exec never ran */
        locks_end(state);
        segv_forget(&state->map);
        state_clear(state);
    }
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

/* base/state.c defines the module, but must not know what lies above it. */
PyMODINIT_FUNC
PyInit__core(void)
{
    pagebuf_module.m_methods = module_methods;
    pagebuf_module.m_slots = module_slots;
    pagebuf_module.m_free = module_free;
    return PyModuleDef_Init(&pagebuf_module);
}
