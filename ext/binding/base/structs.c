/* base/structs.c: the fields of the named tuples, and how one is made. */
#include "base/structs.h"
#include "base/state.h"

static PyStructSequence_Field pool_fields[] = {
    {"page_size", "bytes of a page"},
    {"total", "frames of all regions: held + free + quarantined + guards"},
    {"held", "frames in use, nodes among them"},
    {"free", "frames not in use; those never touched among them"},
    {"nodes", "frames that are tables of a tree"},
    {"pinned", "frames under a live view"},
    {"shared", "frames that more than one entry names"},
    {"reserved", "frames promised to a call under way"},
    {"high_water", "the most frames that were ever held"},
    {"regions", "number of regions"},
    {"table_bytes",
     "bytes of the frame tables in use; what was never touched is not counted"},
    {"limit", "frames the pool may hold; -1 when it has no limit"},
    {"retained", "free frames that the system has not got back"},
    {"quarantined", "freed frames that are not to be used again yet (debug)"},
    {"guards", "frames kept empty behind others (debug)"},
    {"detached", "held frames that only views still have"},
    {"lent",
     "bytes outside of all frames that only buffers of the pool keep; limits count them"},
    {"spilled", "pages that are in the spill file, and not in memory"},
    {NULL, NULL},
};

static PyStructSequence_Desc pool_desc = {
    "pagebuf.PoolStats", "The figures of a pool, in frames where not said otherwise.",
    pool_fields, 18};

static PyStructSequence_Field buffer_fields[] = {
    {"size", "bytes"},
    {"pages", "data pages present"},
    {"nodes", "pages used as tables"},
    {"holes", "pages of the size that are absent"},
    {"shared", "pages and nodes that another tree names too"},
    {"levels", "height of the tree"},
    {"bias", "tree position of offset 0, in bytes"},
    {"resident", "bytes of pages and nodes"},
    {"private", "bytes of those that no other tree reaches"},
    {"proportional", "bytes, those of shared pages divided among all that share them"},
    {"pinned", "pages under live views"},
    {"runs", "pieces that its bytes lie in, each in one stretch of memory"},
    {"lent", "bytes that lie in an object of somebody else, and not in pages"},
    {"mapped", "pages that are memory of its source"},
    {NULL, NULL},
};

static PyStructSequence_Desc buffer_desc = {"pagebuf.BufferStats", "How a buffer stands.",
                                            buffer_fields, 14};

static PyStructSequence_Field usage_fields[] = {
    {"kind", "what it is: a type, or what keeps frames that no buffer names"},
    {"name", "what it was called, or None"},
    {"buffer", "the object, or None"},
    {"size", "bytes"},
    {"resident", "bytes of its pages and nodes"},
    {"shared", "bytes of those that others reach, too"},
    {"private", "bytes of those that it alone reaches"},
    {"proportional", "bytes, those of shared pages divided among all that share them"},
    {"nodes", "pages used as tables"},
    {"holes", "pages of the size that are absent"},
    {"pinned", "pages under live views"},
    {"lent", "bytes that it keeps in objects, and not in pages"},
    {"mapped", "bytes of its pages that are memory of somebody else"},
    {NULL, NULL},
};

static PyStructSequence_Desc usage_desc = {
    "pagebuf.Usage", "What one holder has of a pool.", usage_fields, 13};

static PyStructSequence_Field region_fields[] = {
    {"address", "the address asked for"},
    {"pool", "the pool that has it"},
    {"frame", "the number of its frame"},
    {"state",
     "'page', 'mapped', 'node', 'free', 'unused', 'detached', 'quarantined' or 'guard'"},
    {"owner", "the object whose page it is, or None"},
    {"offset", "the offset in the owner, or None"},
    {"readable", "whether it is safe to read"},
    {"writable", "whether it is safe to write: a page that is not shared"},
    {"in_view", "whether a view that was handed out has it (debug pools)"},
    {"taken_by", "who took the frame last, and where, or None (debug pools)"},
    {"freed_by", "who freed the frame last, and where, or None (debug pools)"},
    {NULL, NULL},
};

static PyStructSequence_Desc region_desc = {"pagebuf.Region", "Whose an address is.",
                                            region_fields, 11};

static PyStructSequence_Field walk_fields[] = {
    {"offset", "the offset asked for"},
    {"found", "whether there is a page"},
    {"stop",
     "\"page\", \"mapped\", or why the walk stopped: \"hole\", \"past the end\", \"inline\""},
    {"steps", "a WalkStep for each level walked"},
    {NULL, NULL},
};

static PyStructSequence_Desc walk_desc = {
    "pagebuf.Walk", "The way from the root to a page.", walk_fields, 4};

static PyStructSequence_Field step_fields[] = {
    {"level", "1 is the root; the page itself is the last step"},
    {"index", "which entry of the table"},
    {"entry", "the 8-byte entry, 0 for a hole"},
    {"frame", "the frame it names, 0 for a hole"},
    {"address", "where that lies in memory, 0 for a hole"},
    {NULL, NULL},
};

static PyStructSequence_Desc step_desc = {"pagebuf.WalkStep", "One level of a page walk.",
                                          step_fields, 5};

static int
add_struct(PyObject *module, PyStructSequence_Desc *desc, PyTypeObject **type)
{
    *type = PyStructSequence_NewType(desc);
    return *type ? PyModule_AddType(module, *type) : -1;
}

int
structs_add(PyObject *module)
{
    module_state *state = state_of_module(module);
    if (add_struct(module, &pool_desc, &state->pool_stats_type) < 0 ||
        add_struct(module, &buffer_desc, &state->buffer_stats_type) < 0 ||
        add_struct(module, &usage_desc, &state->usage_type) < 0 ||
        add_struct(module, &region_desc, &state->region_type) < 0 ||
        add_struct(module, &walk_desc, &state->walk_type) < 0 ||
        add_struct(module, &step_desc, &state->walk_step_type) < 0) {
        return -1;
    }
    return 0;
}

PyObject *
struct_of_objects(PyTypeObject *type, PyObject **fields, Py_ssize_t n)
{
    PyObject *made = PyStructSequence_New(type);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (made && fields[i]) {
            PyStructSequence_SetItem(made, i, fields[i]);
            continue;
        }
        Py_CLEAR(made);
        Py_XDECREF(fields[i]);
    }
    return made;
}

PyObject *
struct_of_numbers(PyTypeObject *type, const long long *values, Py_ssize_t n)
{
    PyObject *made = PyStructSequence_New(type);
    for (Py_ssize_t i = 0; made && i < n; i++) {
        PyObject *value = PyLong_FromLongLong(values[i]);
        if (value == NULL) {
            Py_CLEAR(made);
            break;
        }
        PyStructSequence_SetItem(made, i, value);
    }
    return made;
}
