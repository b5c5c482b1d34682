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
    const named *found = find_named(state_of_buf(&self->b), self);
    return found ? found->name : NULL;
}

void
buffer_drop_name(BufferObject *self, module_state *state)
{
    named *found = find_named(state, self);
    if (found) {
        pb_intervals_remove(&state->names, &found->place);
        Py_DECREF(found->name);
        PyMem_Free(found);
    }
}

int
buffer_set_name(BufferObject *self, PyObject *name)
{
    module_state *state = state_of_buf(&self->b);
    if (name_check(name) < 0) {
        return -1;
    }
    named *found = find_named(state, self);
    if (name == NULL || name == Py_None) {
        buffer_drop_name(self, state);
        return 0;
    }
    if (found == NULL) {
        found = PyMem_Calloc(1, sizeof *found);
        if (found == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        pb_intervals_add(&state->names, &found->place, self, 1);
    }
    return name_set(&found->name, name);
}

void
buffer_move_name(BufferObject *self, BufferObject *from)
{
    module_state *state = state_of_buf(&self->b);
    buffer_drop_name(self, state);
    named *found = find_named(state, from);
    if (found) {
        pb_intervals_remove(&state->names, &found->place);
        pb_intervals_add(&state->names, &found->place, self, 1);
    }
}
