/* pb_copy.h: the one routine that moves payload bytes (I9), and its kin that clears
 * them.  Checks that must see every copy have their place here. */
#ifndef PB_COPY_H
#define PB_COPY_H

#include "pb_base.h"

static inline void
pb_copy(void *dst, const void *src, size_t n)
{
    memcpy(dst, src, n);
}

static inline void
pb_zero(void *dst, size_t n)
{
    memset(dst, 0, n);
}

#endif
