/* lock/retired.c: pools that __init__ has replaced. */
#include "lock/retired.h"

#ifdef Py_GIL_DISABLED

typedef struct retired_pool {
    struct retired_pool *next;
    const pb_buf *of;
    PoolObject *pool; /* a reference */
} retired_pool;

/* Without memory for the record the pool stays for good. */
void
retire_pool(pb_buf *b, PoolObject *old)
{
    module_state *state = old->state;
    if (pool_object(b) == old) {
        Py_DECREF(old); /* the same one once more */
        return;
    }
    retired_pool *r = PyMem_Malloc(sizeof *r);
    if (r == NULL) {
        return;
    }
    *r = (retired_pool){.of = b, .pool = old};
    pb_lock_take(&state->lists);
    r->next = state->retired;
    state->retired = r;
    pb_store8(&b->word.retired, 1);
    pb_lock_drop(&state->lists);
}

/* One of the buffer's, off the list; NULL: there is none. */
static retired_pool *
take_retired(const pb_buf *b, module_state *state)
{
    pb_lock_take(&state->lists);
    retired_pool *found = state->retired, *before = NULL;
    while (found && found->of != b) {
        before = found;
        found = found->next;
    }
    if (found && before) {
        before->next = found->next;
    }
    else if (found) {
        state->retired = found->next;
    }
    pb_lock_drop(&state->lists);
    return found;
}

void
drop_retired(const pb_buf *b, module_state *state)
{
    retired_pool *r;
    while (b->word.retired && (r = take_retired(b, state)) != NULL) {
        Py_DECREF(r->pool);
        PyMem_Free(r);
    }
}

/* The world is stopped: no lock. */
int
traverse_retired(const pb_buf *b, visitproc visit, void *arg)
{
    const retired_pool *r = b->word.retired ? state_of_buf(b)->retired : NULL;
    for (; r; r = r->next) {
        if (r->of == b) {
            Py_VISIT(r->pool);
        }
    }
    return 0;
}

#else

void
retire_pool(pb_buf *b, PoolObject *old)
{
    (void)b;
    Py_DECREF(old);
}

#endif
