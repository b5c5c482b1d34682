/* base/copy.h: the one routine that moves payload bytes (I9), and the one that clears
 * them.  Source and destination may overlap.  Checks that must see every copy belong
 * here. */
#ifndef PB_BASE_COPY_H
#define PB_BASE_COPY_H

#include "base/config.h"

/* Sixteen bytes at a time, the last ones overlapping: for sizes where the call of memcpy
 * costs more than the copy.  16 <= n <= 64. */
static inline void
pb_copy_16_to_64(uint8_t *dst, const uint8_t *src, size_t n)
{
    struct block {
        uint64_t half[2];
    } first, last, second, third;
    memcpy(&first, src, 16);
    memcpy(&last, src + n - 16, 16);
    if (n > 32) {
        memcpy(&second, src + 16, 16);
        memcpy(&third, src + n - 32, 16);
        memcpy(dst + 16, &second, 16);
        memcpy(dst + n - 32, &third, 16);
    }
    memcpy(dst, &first, 16);
    memcpy(dst + n - 16, &last, 16);
}

/* Any size; out of line (base/copy.c). */
void
pb_copy_far(void *dst, const void *src, size_t n);

/* Move n bytes, as memmove does: the source may be a live view of the destination (I7). */
static inline void
pb_copy(void *dst, const void *src, size_t n)
{
    if (n - 16 <= 64 - 16) {
        pb_copy_16_to_64(dst, src, n);
    }
    else {
        pb_copy_far(dst, src, n);
    }
}

/* The same for large pieces: calls the library without testing the size. */
static inline void
pb_move(void *dst, const void *src, size_t n)
{
    memmove(dst, src, n);
}

/* Clear n bytes. */
void
pb_zero(void *dst, size_t n);

#endif
