/* view/zeros.h: the memory that stands for every hole in lists of views. */
#ifndef PAGEBUF_VIEW_ZEROS_H
#define PAGEBUF_VIEW_ZEROS_H

#include "base/state.h"

/* Zeros that nobody writes to: an object that keeps them, where they begin, and how many.  Of
 * bounded size, so a longer hole is several pieces. */
typedef struct {
    PyObject *owner;
    void *address;
    uint64_t n;
} zero_run;

/* The zeros of this interpreter, with a reference to their owner.  -1 with an exception. */
int
zeros_get(module_state *state, zero_run *zeros);

#endif
