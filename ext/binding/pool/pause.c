/* pool/pause.c: looking at a whole pool while other threads work.
 *
 * The looker pauses the pool: whoever takes the lock of a tree gives it back and waits (lock/lock.h).
 * It waits until the lock of every tree that is listed was free once, and looks under the pool's
 * lock.  So no tree changes meanwhile, and none comes or goes.  With a GIL all this is nothing. */
#include "pool/object.h"

#ifdef Py_GIL_DISABLED

/* ---- for the child of a fork ----
 *
 * A mutex may be handed to a thread that waits and does not run yet.  So in the child it may be
 * anybody's who waited: such mutexes are noted, and free there. */

typedef struct lock_wait {
    struct lock_wait *next, *prev;
    PyMutex *mutex;
    PoolObject *root; /* of a looker */
} lock_wait;

/* Not on the stack: in the child that is free to be reused.  Without memory there is no note. */
static lock_wait *
note_wait(module_state *state, PyMutex *mutex, PoolObject *root)
{
    lock_wait *w = state ? PyMem_RawMalloc(sizeof *w) : NULL;
    if (w) {
        pb_lock_take(&state->lists);
        *w = (lock_wait){state->waits, NULL, mutex, root};
        if (w->next) {
            w->next->prev = w;
        }
        state->waits = w;
        pb_lock_drop(&state->lists);
    }
    return w;
}

static void
forget_wait(module_state *state, lock_wait *w)
{
    if (w == NULL) {
        return;
    }
    pb_lock_take(&state->lists);
    if (w->next) {
        w->next->prev = w->prev;
    }
    if (w->prev) {
        w->prev->next = w->next;
    }
    else {
        state->waits = w->next;
    }
    pb_lock_drop(&state->lists);
    PyMem_RawFree(w);
}

void
mutex_wait(module_state *state, PyMutex *mutex)
{
    lock_wait *w = note_wait(state, mutex, NULL);
    PyMutex_Lock(mutex);
    forget_wait(state, w);
}

/* The threads that the notes are of are gone, and what the notes are about is still there: those
 * threads had references to it. */
void
rest_after_fork(module_state *state)
{
    for (lock_wait *w = state->waits; w; w = w->next) {
        *w->mutex = (PyMutex){0};
        if (w->root) {
            pb_store8(&w->root->pool.paused, 0);
        }
    }
    while (state->waits) {
        lock_wait *w = state->waits;
        state->waits = w->next;
        PyMem_RawFree(w);
    }
}

/* ---- looking ---- */

/* A lock that is taken once the pool is paused is given back at once.  So it is enough to have seen
 * each of them free. */
static bool
all_at_rest(const pb_pool *root)
{
    EACH_TREE(root, b)
    {
        if (pb_load8(&b->word.lock) & 1) {
            return false;
        }
    }
    return true;
}

static void
root_wait(PoolObject *root)
{
    lock_wait *w = note_wait(root->state, &root->look, root);
    PyMutex_Lock(&root->look);
    root->looker = w;
}

void
rest_begin(PoolObject *pool)
{
    PoolObject *root = pool_around(pool->pool.root);
    root_wait(root);
    pb_store8(&root->pool.paused, 1);
    pb_lock_take(&root->pool.lock);
    while (!all_at_rest(&root->pool)) {
        pb_lock_drop(&root->pool.lock);
        let_others_run();
        pb_lock_take(&root->pool.lock);
    }
}

void
rest_end(PoolObject *pool)
{
    PoolObject *root = pool_around(pool->pool.root);
    pb_store8(&root->pool.paused, 0);
    pb_lock_drop(&root->pool.lock);
    lock_wait *w = root->looker;
    PyMutex_Unlock(&root->look);
    forget_wait(root->state, w);
}

void
rest_wait(PoolObject *pool)
{
    PoolObject *root = pool_around(pool->pool.root);
    mutex_wait(root->state, &root->look);
    PyMutex_Unlock(&root->look);
}

#endif
