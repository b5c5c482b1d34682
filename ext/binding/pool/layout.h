/* pool/layout.h: data for pictures, and what the library was built with. */
#ifndef PAGEBUF_POOL_LAYOUT_H
#define PAGEBUF_POOL_LAYOUT_H

#include "base/common.h"

/* _FRAME_STATES, _BUILD_FLAGS */
int
layout_add(PyObject *module);

PyObject *
pool_frame_states(PoolObject *self, PyObject *ignored);

/* Of any object that owns a tree. */
PyObject *
holder_tree_runs(PyObject *self, PyObject *ignored);

PyObject *
buffer_repr_svg(PyObject *self, PyObject *ignored);

extern const char pool_frame_states_doc[], holder_tree_runs_doc[], buffer_repr_svg_doc[];

#endif
