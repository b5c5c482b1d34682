/* buffer/names.c: the names of buffers.
 *
 * Most buffers have none, so the object has no room for it.  The module's state maps the
 * address of a buffer to its name. */
#include "buffer/object.h"

#include "base/names.h"

typedef struct {
    pb_interval place; /* of the object */
    PyObject *name;
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
    PyObject *name = found ? Py_NewRef(found->name) : NULL;
    pb_lock_drop(&state->lists);
    return name;
}

/* Put a record, or none, in the place of the one that the buffer has; returns that. */
static named *
exchange(BufferObject *self, module_state *state, named *now)
{
    pb_lock_take(&state->lists);
    named *old = find_named(state, self);
    if (old) {
        pb_intervals_remove(&state->names, &old->place);
    }
    if (now) {
        pb_intervals_add(&state->names, &now->place, self, 1);
    }
    pb_lock_drop(&state->lists);
    return old;
}

static void
free_named(named *n)
{
    if (n) {
        Py_DECREF(n->name);
        PyMem_Free(n);
    }
}

void
buffer_drop_name(BufferObject *self, module_state *state)
{
    free_named(exchange(self, state, NULL));
}

int
buffer_set_name(BufferObject *self, PyObject *name)
{
    module_state *state = state_of_buf(&self->b);
    named *now = NULL;
    if (name_check(name) < 0) {
        return -1;
    }
    if (name && name != Py_None) {
        now = PyMem_Calloc(1, sizeof *now);
        if (now == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        now->name = Py_NewRef(name);
    }
    free_named(exchange(self, state, now));
    return 0;
}

void
buffer_move_name(BufferObject *self, BufferObject *from)
{
    module_state *state = state_of_buf(&self->b);
    free_named(exchange(self, state, exchange(from, state, NULL)));
}
