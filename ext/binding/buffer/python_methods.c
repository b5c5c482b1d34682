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

/* ---- pages that are fetched (pagebuf._remote) ---- */

const char buffer_remote_doc[] = PyDoc_STR(
    "remote($type, size, fetch, *, page_in=65536, pool=None)\n--\n\n"
    "A buffer of ``size`` bytes that are elsewhere, of which pages come when they are touched.\n\n"
    "``fetch(offset, size)`` returns them, as a bytes-like object: pieces of ``page_in`` bytes,\n"
    "aligned to that, the last one cut at the end.  It runs without a lock, in the thread that\n"
    "needs the piece.  Nobody asks for a piece that another thread is fetching: he waits for it.\n"
    "Different pieces are fetched side by side.  What it raises, the call raises that needed the bytes; nothing has\n"
    "changed then, and the next call tries again.  Bytes of the wrong length are a ValueError,\n"
    "and asking for the very piece that is to be brought a RuntimeError.\n\n"
    "Pieces count against the limit of the pool, and those that came first go first when it\n"
    "is reached.  What one call needs at once must fit: reads go on piece by piece, but a search,\n"
    "a count, a comparison, ``diff`` or a change of more than the limit is a PoolLimitError.\n"
    "Calls of several threads that do not fit together take turns.  Views are copies of the\n"
    "pages that are fetched, as these may leave memory.\n\n"
    "``fetch`` is kept as long as anybody shows a page, and the garbage collector does not see\n"
    "that: one that refers to the buffer keeps it for ever, so give it a weak reference.  Changes\n"
    "are pages of the buffer's own, which stay.  ``source`` is the buffer as it was.  Takes a bit\n"
    "of memory for each page.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> def fetch(offset, size):\n"
    "...     print('fetch', offset, size)\n"
    "...     return bytes(size)\n"
    ">>> buf = PageBuffer.remote(100_000, fetch)\n"
    ">>> buf.read(70_000, 2), buf.read(80_000, 2)\n"
    "fetch 65536 34464\n"
    "(b'\\x00\\x00', b'\\x00\\x00')\n");

PyObject *
buffer_remote(PyObject *type, PyObject *args, PyObject *kwargs)
{
    return buffer_call_python(type, "pagebuf._remote", "remote", args, kwargs);
}

const char buffer_prefetch_doc[] = PyDoc_STR(
    "prefetch($self, offset=0, size=None)\n--\n\n"
    "Fetch what is absent of a range, by default of all.\n\n"
    "Where that is more than the pool may have in memory, the first pieces go again.  O(size).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer.remote(200_000, lambda offset, size: bytes(size))\n"
    ">>> buf.prefetch(70_000, 10)\n"
    ">>> buf.present()\n"
    "[(65536, 65536)]\n");

PyObject *
buffer_prefetch(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    return buffer_call_python((PyObject *)self, "pagebuf._remote", "prefetch", args,
                              kwargs);
}

const char buffer_present_doc[] = PyDoc_STR(
    "present($self, /)\n--\n\n"
    "The ranges that can be read without a fetch, a list of ``(offset, size)``.\n\n"
    "Pages of the buffer's own and holes are among them.  Fetches nothing.  O(pages in\n"
    "memory).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer.remote(200_000, lambda offset, size: bytes(size))\n"
    ">>> buf.present()\n"
    "[]\n"
    ">>> buf[150_000]\n"
    "0\n"
    ">>> buf.present()\n"
    "[(131072, 65536)]\n");

PyObject *
buffer_present(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *none = PyTuple_New(0);
    PyObject *result = none ? buffer_call_python((PyObject *)self, "pagebuf._remote",
                                                 "present", none, NULL)
                            : NULL;
    Py_XDECREF(none);
    return result;
}

const char buffer_forget_doc[] = PyDoc_STR(
    "forget($self, offset=0, size=None)\n--\n\n"
    "Let go of the pieces that lie in a range and were fetched, by default of all.\n\n"
    "They are fetched again when they are touched, so whoever knows that the source has\n"
    "changed sees what is there now.  What was written stays.  O(pages).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> buf = PageBuffer.remote(100_000, lambda offset, size: bytes(size))\n"
    ">>> _ = buf.write(0, b'own')\n"
    ">>> buf.prefetch()\n"
    ">>> buf.forget()\n"
    ">>> buf.read(0, 3), len(buf.present())\n"
    "(b'own', 1)\n");

PyObject *
buffer_forget(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    return buffer_call_python((PyObject *)self, "pagebuf._remote", "forget", args, kwargs);
}
