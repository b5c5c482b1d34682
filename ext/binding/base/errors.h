/* base/errors.h: the exceptions of the package. */
#ifndef PAGEBUF_BASE_ERRORS_H
#define PAGEBUF_BASE_ERRORS_H

#include "base/common.h"

/* Add PoolLimitError, CapacityError and CorruptionError to the module. */
int
errors_add(PyObject *module);

/* A new bytes object of n bytes, to be filled; where there is no memory for it, the MemoryError
 * says how much it was. */
PyObject *
new_bytes(uint64_t n);

#endif
