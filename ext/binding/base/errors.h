/* base/errors.h: the exceptions of the package. */
#ifndef PAGEBUF_BASE_ERRORS_H
#define PAGEBUF_BASE_ERRORS_H

#include "base/common.h"

/* Add PoolLimitError, CapacityError and CorruptionError to the module. */
int
errors_add(PyObject *module);

#endif
