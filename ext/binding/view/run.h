/* view/run.h: a memoryview of a run of memory. */
#ifndef PAGEBUF_VIEW_RUN_H
#define PAGEBUF_VIEW_RUN_H

#include "view/stable.h"

/* A memoryview of [address, address + n).  Takes the reference to `owner`, which keeps
 * the memory. */
PyObject *
run_view(module_state *state, PyObject *owner, void *address, uint64_t n, int readonly);

/* A memoryview of one of many runs that share a tree: n bytes from `off` on.  It lies behind the
 * runs before. */
PyObject *
run_view_part(module_state *state, StableObject *stable, void *address, uint64_t off,
              uint64_t n);

#endif
