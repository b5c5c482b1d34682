/* module/module.h: what the files of this folder share. */
#ifndef PAGEBUF_MODULE_MODULE_H
#define PAGEBUF_MODULE_MODULE_H

#include "base/state.h"

/* ---- module/names.c ---- */

/* The name of an object with a tree, borrowed; NULL: it has none. */
PyObject *
name_of_holder(module_state *state, PyObject *obj);

/* How many bytes an object has beside its tree, and keeps for that.  The pool is at rest. */
uint64_t
bytes_beside_tree(module_state *state, PyObject *obj, uint64_t *kept);

/* ---- module/testing.c ---- */

PyObject *
module_raw_addresses(PyObject *module, PyObject *args);
PyObject *
module_reads_apart(PyObject *module, PyObject *obj);
extern const char raw_addresses_doc[], reads_apart_doc[];

#endif
