/* queue/info.c: length, repr and attributes of a queue, and its check. */
#include "queue/object.h"

#include "base/names.h"
#include "inspect/check.h"
#include "pool/report.h"
#include "pool/trace.h"

PyObject *
queue_name(QueueObject *self)
{
    return name_ref(&state_of_buf(&self->q.b)->lists, &self->name);
}

Py_ssize_t
queue_length(QueueObject *self)
{
    return (Py_ssize_t)queue_size(self); /* at most 2^59 */
}

PyObject *
queue_repr(QueueObject *self)
{
    PyObject *name = name_in_repr(queue_name(self)), *text = size_in_repr(queue_size(self));
    PyObject *repr = name && text
                         ? PyUnicode_FromFormat("<%s%U size=%U at %p>",
                                                Py_TYPE(self)->tp_name, name, text, self)
                         : NULL;
    Py_XDECREF(name);
    Py_XDECREF(text);
    return repr;
}

static PyObject *
get_total_in(QueueObject *self, void *closure)
{
    queue_lock(self);
    uint64_t total = pb_queue_in(&self->q);
    queue_unlock(self);
    return PyLong_FromUnsignedLongLong(total);
}

/* A count in pb_queue; `closure` is its offset. */
static PyObject *
get_count(QueueObject *self, void *closure)
{
    queue_lock(self);
    uint64_t total = *(const uint64_t *)((const char *)&self->q + (uintptr_t)closure);
    queue_unlock(self);
    return PyLong_FromUnsignedLongLong(total);
}

static PyObject *
get_dropped(QueueObject *self, void *closure)
{
    queue_lock(self);
    uint64_t total = self->q.pushed + self->q.refused;
    queue_unlock(self);
    return PyLong_FromUnsignedLongLong(total);
}

static PyObject *
get_closed(QueueObject *self, void *closure)
{
    queue_lock(self);
    bool closed = self->q.closed;
    queue_unlock(self);
    return PyBool_FromLong(closed);
}

static PyObject *
get_max_bytes(QueueObject *self, void *closure)
{
    buffer_lock_to_look(&self->q.b);
    uint64_t most = self->q.max_bytes;
    buffer_unlock_after_look(&self->q.b);
    return most == UINT64_MAX ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(most);
}

static PyObject *
get_overflow(QueueObject *self, void *closure)
{
    buffer_lock_to_look(&self->q.b);
    pb_overflow overflow = self->q.overflow;
    buffer_unlock_after_look(&self->q.b);
    return PyUnicode_FromString(queue_overflow_names[overflow]);
}

static PyObject *
get_pool(QueueObject *self, void *closure)
{
    return Py_NewRef(pool_object(&self->q.b));
}

static PyObject *
get_name(QueueObject *self, void *closure)
{
    return name_or_none(queue_name(self));
}

static int
set_name(QueueObject *self, PyObject *name, void *closure)
{
    if (name_check(name) < 0) {
        return -1;
    }
    trace_forget(&self->q.b);
    name_set(&state_of_buf(&self->q.b)->lists, &self->name, name);
    return 0;
}

PyGetSetDef queue_getset[] = {
    {"total_in", (getter)get_total_in, NULL, "Bytes that were ever let in.", NULL},
    {"total_out", (getter)get_count, NULL, "Bytes that were ever taken.",
     (void *)offsetof(pb_queue, out)},
    {"dropped", (getter)get_dropped, NULL,
     "Bytes that were turned away, or pushed out by newer ones.", NULL},
    {"max_bytes", (getter)get_max_bytes, NULL, "The most bytes it may hold, None for any.",
     NULL},
    {"overflow", (getter)get_overflow, NULL, "What happens at max_bytes.", NULL},
    {"closed", (getter)get_closed, NULL, "Whether close() has ended the stream.", NULL},
    {"pool", (getter)get_pool, NULL, "The PagePool its pages come from.", NULL},
    {"name", (getter)get_name, (setter)set_name,
     "What it is called in reports: a str or None.", NULL},
    {"_looked", (getter)get_count, NULL,
     "Bytes that searches for separators have looked at: for tests.",
     (void *)offsetof(pb_queue, looked)},
    {NULL, NULL, NULL, NULL, NULL},
};

const char queue_check_doc[] = PyDoc_STR(
    "check($self, /)\n--\n\n"
    "Verify the structure; CorruptionError names the first broken rule.  O(pages).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> ByteQueue().check()\n");

PyObject *
queue_check(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_fault fault;
    queue_lock(self);
    bool good =
        pb_queue_check(&self->q, &fault) && tree_check_lock_held(&self->q.b, &fault);
    PyObject *owner = good || fault.owner == NULL ? NULL : Py_NewRef(self);
    queue_unlock(self);
    if (!good) {
        raise_fault(pool_object(&self->q.b), &fault, owner);
        return NULL;
    }
    Py_RETURN_NONE;
}
