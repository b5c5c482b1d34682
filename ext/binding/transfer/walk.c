/* transfer/walk.c: the page walk, as objects of Python. */
#include "transfer/holder.h"

#include "base/args.h"
#include "base/structs.h"

const char holder_walk_doc[] = PyDoc_STR(
    "walk($self, offset, /)\n--\n\n"
    "The page walk: the entry, frame and address at each level on the way to\n"
    "``offset``, or where it stops and why.  A Walk.  O(levels).\n\n"
    ">>> from pagebuf import PageBuffer, PAGE_SIZE\n"
    ">>> buf = PageBuffer()\n"
    ">>> buf.write(PAGE_SIZE, b'x')\n"
    "1\n"
    ">>> buf.walk(PAGE_SIZE).stop, buf.walk(0).stop, buf.walk(10 * PAGE_SIZE).stop\n"
    "('page', 'hole', 'past the end')\n\n"
    "It stops at a 'mapped' page at the level where many of them have one entry.\n");

const char holder_tree_walk_doc[] = PyDoc_STR(
    "_tree_walk($self, offset, /)\n--\n\n"
    "The walk to a byte of the tree.  Objects that are kept instead of their bytes are\n"
    "not in it, so its offsets are those of the queue only where there is none.");

static PyObject *
step_object(module_state *state, const pb_step *step)
{
    PyObject *fields[] = {
        PyLong_FromUnsignedLong(step->level),       PyLong_FromUnsignedLong(step->index),
        PyLong_FromUnsignedLongLong(step->entry),   PyLong_FromUnsignedLong(step->frame),
        PyLong_FromUnsignedLongLong(step->address),
    };
    return struct_of_objects(state->walk_step_type, fields, Py_ARRAY_LENGTH(fields));
}

static PyObject *
steps_object(module_state *state, const pb_step *steps, unsigned n)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    for (unsigned i = 0; tuple && i < n; i++) {
        PyObject *step = step_object(state, &steps[i]);
        if (step == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, step);
    }
    return tuple;
}

static PyObject *
walk_object(module_state *state, uint64_t off, const char *stop, const pb_step *steps,
            unsigned n)
{
    PyObject *fields[] = {
        PyLong_FromUnsignedLongLong(off),
        PyBool_FromLong(n && steps[n - 1].frame),
        PyUnicode_FromString(stop),
        steps_object(state, steps, n),
    };
    return struct_of_objects(state->walk_type, fields, Py_ARRAY_LENGTH(fields));
}

PyObject *
tree_walk(pb_buf *b, PyObject *offset)
{
    pb_step steps[PB_MAX_LEVELS + 1];
    char spilled[48] = "";
    unsigned n = 0;
    uint64_t off;
    if (arg_offset(offset, "offset", &off) < 0) {
        return NULL;
    }
    buffer_lock(b);
    bool tiny = pb_buf_is_inline(b);
    bool inside = off < b->root.size;
    if (inside && !tiny) {
        n = pb_tree_walk(b->pool, &b->root, (b->root.bias + off) >> PB_PAGE_SHIFT, steps);
    }
    pool_zone *z =
        inside && !tiny ? (pool_zone *)pb_zone_of(b->pool, steps[n - 1].frame) : NULL;
    if (z && z->zone.named && steps[n - 1].address == 0) {
        uint64_t page = steps[n - 1].frame - z->zone.first;
        PyOS_snprintf(spilled, sizeof spilled, "spilled at offset %llu",
                      (unsigned long long)(z->file_at + (page << PB_PAGE_SHIFT)));
    }
    buffer_unlock(b);
    const char *stop = !inside      ? "past the end"
                       : spilled[0] ? spilled
                       : tiny       ? "inline"
                       : pb_frame_in_zone(steps[n - 1].frame)
                           ? (steps[n - 1].address ? "mapped" : "absent")
                       : steps[n - 1].frame ? "page"
                                            : "hole";
    return walk_object(state_of_buf(b), off, stop, steps, n);
}

PyObject *
holder_walk(PyObject *self, PyObject *offset)
{
    return tree_walk(&((Holder *)self)->b, offset);
}
