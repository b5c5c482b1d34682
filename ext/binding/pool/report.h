/* pool/report.h: what a pool says of itself as an exception. */
#ifndef PAGEBUF_POOL_REPORT_H
#define PAGEBUF_POOL_REPORT_H

#include "pool/object.h"

/* CorruptionError from a fault; `reported` is the pool to name where the fault names none. */
void
raise_fault(PoolObject *reported, const pb_fault *fault);

/* PoolLimitError for the last refusal of a root. */
void
raise_limit(const pb_pool *root);

#endif
