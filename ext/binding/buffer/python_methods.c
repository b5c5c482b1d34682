/* buffer/python_methods.c: methods of PageBuffer that are written in Python. */
#include "buffer/object.h"

PyObject *
buffer_call_python(PyObject *self, const char *module, const char *name, PyObject *args,
                   PyObject *kwargs)
{
    PyObject *found = PyImport_ImportModule(module);
    PyObject *function = found ? PyObject_GetAttrString(found, name) : NULL;
    PyObject *head = function ? PyTuple_Pack(1, self) : NULL;
    PyObject *all = head ? PySequence_Concat(head, args) : NULL;
    PyObject *result = all ? PyObject_Call(function, all, kwargs) : NULL;
    Py_XDECREF(found);
    Py_XDECREF(function);
    Py_XDECREF(head);
    Py_XDECREF(all);
    return result;
}

/* pagebuf._extras.name(self, *args, **kwargs) */
static PyObject *
call_extra(BufferObject *self, const char *name, PyObject *args, PyObject *kwargs)
{
    return buffer_call_python((PyObject *)self, "pagebuf._extras", name, args, kwargs);
}

const char buffer_as_array_doc[] = PyDoc_STR(
    "as_array($self, dtype='u1', offset=0, count=-1)\n--\n\n"
    "A NumPy array over the live view of ``count`` items from byte ``offset`` on.\n\n"
    "It shares memory with the buffer; on a snapshot it is read-only.  As view().\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> PageBuffer(bytes([1, 0, 2, 0])).as_array('<u2').tolist()\n"
    "[1, 2]\n");

PyObject *
buffer_as_array(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    return call_extra(self, "as_array", args, kwargs);
}

const char buffer_reduce_doc[] = PyDoc_STR(
    "__reduce_ex__($self, protocol, /)\n--\n\n"
    "For pickle: from protocol 5 on one out-of-band buffer per run.");

PyObject *
buffer_reduce(BufferObject *self, PyObject *args)
{
    return call_extra(self, "reduce_ex", args, NULL);
}

/* pagebuf.delta.name(self, arg) */
static PyObject *
call_delta(BufferObject *self, const char *name, PyObject *arg)
{
    PyObject *module = PyImport_ImportModule("pagebuf.delta");
    PyObject *function = module ? PyObject_GetAttrString(module, name) : NULL;
    PyObject *result =
        function ? PyObject_CallFunctionObjArgs(function, self, arg, NULL) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(function);
    return result;
}

const char buffer_delta_doc[] = PyDoc_STR(
    "delta($self, base, /)\n--\n\n"
    "What turns ``base``, a snapshot or any PageBuffer, into this buffer: a `Delta`, to be\n"
    "sent to where the base is, too.\n\n"
    "It holds the bytes that changed, both sizes and a hash of the base: O(len(base)) for\n"
    "the hash, the rest follows what changed.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf, there = PageBuffer(b'hello'), PageBuffer(b'hello')\n"
    ">>> base = buf.snapshot()\n"
    ">>> buf.extend(b' world')\n"
    ">>> there.apply(buf.delta(base))\n"
    ">>> there.tobytes()\n"
    "b'hello world'\n");

PyObject *
buffer_delta(BufferObject *self, PyObject *arg)
{
    return call_delta(self, "make", arg);
}

const char buffer_apply_doc[] = PyDoc_STR(
    "apply($self, delta, /)\n--\n\n"
    "Replay a `Delta`, or its binary form, on the base that it was made from.\n\n"
    "`DeltaError` when it is damaged or cut short, or this buffer is not its base;\n"
    "BufferError while the buffer has live views; then nothing has changed.  O(len) for\n"
    "the hash.  What other threads write meanwhile is lost.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer(b'hello')\n"
    ">>> buf.apply(PageBuffer(b'hallo').delta(buf))\n"
    ">>> buf.tobytes()\n"
    "b'hallo'\n");

PyObject *
buffer_apply(BufferObject *self, PyObject *arg)
{
    if (pb_buf_frozen(&self->b)) {
        raise_status(&self->b, PB_FROZEN, 0, 0);
        return NULL;
    }
    return call_delta(self, "replay", arg);
}

const char buffer_repr_svg_doc[] = PyDoc_STR(
    "_repr_svg_($self, /)\n--\n\n"
    "The picture of the tree that notebooks show, or None without matplotlib.\n\n"
    "As pagebuf.picture.tree_figure().  O(pages).");

PyObject *
buffer_repr_svg(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *extras = PyImport_ImportModule("pagebuf._extras");
    PyObject *svg = extras ? PyObject_CallMethod(extras, "repr_svg", "O", self) : NULL;
    Py_XDECREF(extras);
    return svg;
}
