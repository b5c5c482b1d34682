/* zone/spill.h: frames that go to a file, and are read from it (pagebuf._spill). */
#ifndef PAGEBUF_ZONE_SPILL_H
#define PAGEBUF_ZONE_SPILL_H

#include "base/state.h"

PyObject *
spill_begin(PyObject *module, PyObject *pool);
PyObject *
spill_open(PyObject *module, PyObject *args);
PyObject *
spill_close(PyObject *module, PyObject *args);
PyObject *
spill_out(PyObject *module, PyObject *args);
PyObject *
spill_given_up(PyObject *module, PyObject *args);
PyObject *
spill_punch(PyObject *module, PyObject *args);
extern const char spill_begin_doc[], spill_open_doc[], spill_close_doc[], spill_out_doc[],
    spill_given_up_doc[], spill_punch_doc[];

#endif
