/* buffer/names.c: the names of buffers, and what they map.
 *
 * Most buffers have neither, so the object has no room for it.  The module's state maps the
 * address of a buffer to both. */
#include "buffer/object.h"

#include "base/names.h"

typedef struct {
    pb_interval place;       /* of the object */
    PyObject *name, *source; /* or NULL, not both */
} named;

static named *
find_named(const module_state *state, const BufferObject *self)
{
    const pb_intervals *names = &state->names;
    const pb_interval *x = names->count ? pb_intervals_touching(names, self, 1) : NULL;
    return x ? (named *)((char *)(uintptr_t)x - offsetof(named, place)) : NULL;
}

PyObject *
buffer_name(const BufferObject *self)
{
    module_state *state = state_of_buf(&self->b);
    pb_lock_take(&state->lists);
    const named *found = find_named(state, self);
    PyObject *name = found ? Py_XNewRef(found->name) : NULL;
    pb_lock_drop(&state->lists);
    return name;
}

PyObject *
buffer_source(const BufferObject *self)
{
    module_state *state = state_of_buf(&self->b);
    pb_lock_take(&state->lists);
    const named *found = find_named(state, self);
    PyObject *source = found ? Py_XNewRef(found->source) : NULL;
    pb_lock_drop(&state->lists);
    return source;
}

/* Put a record, or none, in the place of the one that the buffer has; returns that.
 * Threads that make and drop buffers meet here, so what has no name, in a program that gives none,
 * takes no lock.  Whoever named this one did so before. */
static named *
exchange(BufferObject *self, module_state *state, named *now)
{
    if (now == NULL && !pb_load8(&state->named)) {
        return NULL;
    }
    pb_lock_take(&state->lists);
    named *old = find_named(state, self);
    if (old) {
        pb_intervals_remove(&state->names, &old->place);
    }
    if (now) {
        pb_intervals_add(&state->names, &now->place, self, 1);
    }
    pb_store8(&state->named, state->names.count != 0);
    pb_lock_drop(&state->lists);
    return old;
}

static void
free_named(named *n)
{
    if (n) {
        Py_XDECREF(n->name);
        Py_XDECREF(n->source);
        PyMem_Free(n);
    }
}

void
buffer_drop_name(BufferObject *self, module_state *state)
{
    free_named(exchange(self, state, NULL));
}

/* Takes both references, each of which may be NULL.  -1 with an exception. */
static int
set_both(BufferObject *self, PyObject *name, PyObject *source)
{
    named *now = name || source ? PyMem_Calloc(1, sizeof *now) : NULL;
    if (now == NULL && (name || source)) {
        Py_XDECREF(name);
        Py_XDECREF(source);
        PyErr_NoMemory();
        return -1;
    }
    if (now) {
        now->name = name;
        now->source = source;
    }
    free_named(exchange(self, state_of_buf(&self->b), now));
    return 0;
}

int
buffer_set_name(BufferObject *self, PyObject *name)
{
    if (name_check(name) < 0) {
        return -1;
    }
    name = name == Py_None ? NULL : name;
    return set_both(self, Py_XNewRef(name), buffer_source(self));
}

int
buffer_set_source(BufferObject *self, PyObject *source)
{
    return set_both(self, buffer_name(self), Py_XNewRef(source));
}

void
buffer_move_name(BufferObject *self, BufferObject *from)
{
    module_state *state = state_of_buf(&self->b);
    free_named(exchange(self, state, exchange(from, state, NULL)));
}
