/* module/testing.c: where the bytes of structures lie, for the tests that damage them
 * (_testing.py), and what threads have settled among themselves. */
#include "module/module.h"

#include "base/args.h"
#include "buffer/object.h"
#include "pool/internal.h"

const char raw_addresses_doc[] =
    "_raw_addresses(buffer, offset, /)\n--\n\n"
    "The addresses of the byte at ``offset`` (inside its page, whatever the size), of the\n"
    "entry and of the frame row of that page, of the word of the zero map, and the bit in\n"
    "it.  For tests that plant damage.";

/* The entry that names a page; NULL if there is none. */
static pb_entry *
entry_of(pb_buf *b, uint64_t page)
{
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    pb_entry *at = leaf.entry ? &leaf.entry[page - leaf.first] : NULL;
    return at && *at != PB_HOLE ? at : NULL;
}

PyObject *
module_raw_addresses(PyObject *module, PyObject *args)
{
    PyObject *obj, *offset;
    uint64_t off;
    if (!PyArg_ParseTuple(args, "O!O:_raw_addresses", state_of_module(module)->buffer_type,
                          &obj, &offset) ||
        arg_offset(offset, "offset", &off) < 0) {
        return NULL;
    }
    pb_buf *b = &((BufferObject *)obj)->b;
    uint64_t pos = pb_buf_bias(b) + off;
    pb_entry *at = pb_buf_is_inline(b) ? NULL : entry_of(b, pos >> PB_PAGE_SHIFT);
    if (at == NULL) {
        PyErr_SetString(PyExc_ValueError, "there is no page at that offset");
        return NULL;
    }
    pb_frame frame = pb_entry_frame(pb_entry_load(at));
    const pb_region *r = region_of(b->pool->root, frame);
    uint32_t bit = bit_index(r, frame);
    uint8_t *byte = pb_frame_address(b->pool, frame) + (pos & PB_PAGE_MASK);
    return Py_BuildValue("nnnnk", (Py_ssize_t)byte, (Py_ssize_t)at,
                         (Py_ssize_t)pb_frame_row(b->pool, frame),
                         (Py_ssize_t)&r->zero_map[bit / 64], (unsigned long)bit % 64);
}

const char reads_apart_doc[] =
    "_reads_apart(buffer, /)\n--\n\n"
    "May small reads of the PageBuffer go without its lock now?  Never with a GIL.";

PyObject *
module_reads_apart(PyObject *module, PyObject *obj)
{
    if (!PyObject_TypeCheck(obj, state_of_module(module)->buffer_type)) {
        PyErr_SetString(PyExc_TypeError, "a PageBuffer is needed");
        return NULL;
    }
#ifdef Py_GIL_DISABLED
    return PyBool_FromLong(readers_are_apart(&((BufferObject *)obj)->b));
#else
    Py_RETURN_FALSE;
#endif
}
