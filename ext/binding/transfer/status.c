/* transfer/status.c: what follows an attempt: another one, an exception, or success. */
#include "transfer/transfer.h"

#include "pool/report.h"

static void
raise_capacity(pb_buf *b, uint64_t off, uint64_t n)
{
    buffer_lock_to_look(b);
    uint64_t reach = pb_buf_capacity(b);
    int levels = (int)pb_buf_max_levels(b);
    buffer_unlock_after_look(b);
    PyErr_Format(state_of_buf(b)->capacity_error,
                 "%llu bytes at offset %llu asked of a buffer that reaches %llu bytes "
                 "(max_levels=%d)",
                 (unsigned long long)n, (unsigned long long)off, (unsigned long long)reach,
                 levels);
}

void
raise_status(pb_buf *b, pb_status st, uint64_t off, uint64_t n)
{
    uint64_t size = transfer_size(b);
    off = off == AT_THE_END ? size : off;
    switch (st) {
    case PB_CAPACITY:
        raise_capacity(b, off, n);
        break;
    case PB_LIMIT:
        raise_limit(pb_buf_pool(b)->root);
        break;
    case PB_RANGE:
        PyErr_Format(PyExc_IndexError, "%llu bytes at offset %llu asked of %llu",
                     (unsigned long long)n, (unsigned long long)off,
                     (unsigned long long)size);
        break;
    case PB_FROZEN:
        PyErr_SetString(PyExc_TypeError, "a snapshot never changes; clone() it");
        break;
    case PB_PINNED:
        PyErr_SetString(PyExc_BufferError, "live views forbid this change");
        break;
    default:
        PyErr_Format(PyExc_SystemError, "pagebuf: unexpected status %d", (int)st);
    }
}

/* If another thread has reported the damage meanwhile, raise without the details. */
static void
raise_corrupt(const pb_buf *b)
{
    if (pool_report_pending(pool_object(b), true) == 0) {
        PyErr_SetString(state_of_buf(b)->corruption_error, "the pool is damaged");
    }
}

int
transfer_retry(pb_buf *b, pb_status st, uint64_t off, uint64_t n, bool acquires)
{
    switch (st) {
    case PB_OK:
        return pool_report_pending(pool_object(b), !acquires);
    case PB_NEED_PAGES:
        return pool_grow(pool_object(b)) == 0 ? 1 : -1;
    case PB_CORRUPT:
        raise_corrupt(b);
        return -1;
    default:
        raise_status(b, st, off, n);
        return -1;
    }
}

int
transfer_may_use(const pb_buf *b, const void *mem, uint64_t n)
{
    if (PB_LIKELY(pb_buf_may_use(b, mem, n))) {
        return 0;
    }
    return pool_report_pending(pool_object(b), true);
}
