/* base/spares.h: memory of objects that are gone, for new ones, without a GIL.
 *
 * Each object has a reference to its type, and most have one to the default pool.  Threads that make
 * and drop objects would count all of them in the same two words, and wait for each other there.  So
 * an object that goes leaves its memory, with the reference to the type, on a shelf; and the one to
 * the default pool beside it.  A new object takes them from there.  A shelf is bounded.  Nobody waits
 * for one: a thread has its own, unless two have the same number, and then they take it in turns.
 *
 * Memory stays with the thread that allocated it.  The collector takes that one for the owner of an
 * object, so counts of references would wait for it to run, if another thread had the object.
 *
 * The collector stops all threads where none of them has a shelf open, and so does os.fork(). */
#ifndef PAGEBUF_BASE_SPARES_H
#define PAGEBUF_BASE_SPARES_H

#include "base/state.h"

#ifdef Py_GIL_DISABLED

typedef enum { SPARE_BUFFER, SPARE_FILE, SPARE_KINDS } spare_kind;

/* -1 with an exception. */
int
spares_begin(module_state *state);

/* Drop all, and keep none from now on. */
void
spares_end(module_state *state);

/* For the traverse function of the module, whose references they are. */
int
spares_traverse(const module_state *state, visitproc visit, void *arg);

/* A new object with a reference to its type, all else as it was left; NULL: there is none.  If
 * `pool` is true on entry, it says on return whether a reference to the default pool came with it. */
PyObject *
spare_take(module_state *state, spare_kind kind, bool *pool);

/* In tp_dealloc: may the shelf have the memory, which the collector does not track?  `pool` as
 * above: then its reference to the default pool was kept as well. */
bool
spare_keep(module_state *state, spare_kind kind, PyObject *self, bool *pool);

/* A number for the thread: those of two threads differ as a rule.  Below 64. */
static inline unsigned
thread_number(void)
{
    uint64_t own = (uint64_t)(uintptr_t)PyThreadState_GetUnchecked();
    return (unsigned)((own * UINT64_C(0x9E3779B97F4A7C15)) >> 58);
}

#endif

#endif
