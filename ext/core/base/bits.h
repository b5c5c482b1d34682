/* base/bits.h: checked arithmetic, and the positions of bits. */
#ifndef PB_BASE_BITS_H
#define PB_BASE_BITS_H

#include "base/config.h"

/* true when a + b does not fit 64 bits (I8); else *sum is set. */
static inline bool
pb_add_overflows(uint64_t a, uint64_t b, uint64_t *sum)
{
    *sum = a + b;
    return *sum < a;
}

static inline uint64_t
pb_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t
pb_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#if defined(__GNUC__) || defined(__clang__)
/* Index of the highest set bit; x is not 0. */
static inline unsigned
pb_log2(uint64_t x)
{
    return 63u - (unsigned)__builtin_clzll(x);
}

/* Index of the lowest set bit; x is not 0. */
static inline unsigned
pb_lowest_bit(uint64_t x)
{
    return (unsigned)__builtin_ctzll(x);
}
#else
static inline unsigned
pb_log2(uint64_t x)
{
    unsigned n = 0;
    while (x >>= 1) {
        n++;
    }
    return n;
}

static inline unsigned
pb_lowest_bit(uint64_t x)
{
    unsigned n = 0;
    while (!(x & 1)) {
        x >>= 1;
        n++;
    }
    return n;
}
#endif

#endif
