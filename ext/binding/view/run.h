/* view/run.h: a memoryview of a run of memory. */
#ifndef PAGEBUF_VIEW_RUN_H
#define PAGEBUF_VIEW_RUN_H

#include "view/object.h"

/* A memoryview of [address, address + n).  Takes the reference to `owner`, which keeps
 * the memory. */
PyObject *
run_view(module_state *state, PyObject *owner, void *address, uint64_t n, int readonly);

#endif
