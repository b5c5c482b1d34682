/* base/copy.c: copies and zeros of more than a few bytes.
 *
 * Out of line on purpose: where the compiler sees that a size is bounded by a page it
 * expands memcpy in place, into string instructions that are slower than the library. */
#include "base/copy.h"

void
pb_copy_far(void *dst, const void *src, size_t n)
{
    memmove(dst, src, n);
}

void
pb_zero(void *dst, size_t n)
{
    memset(dst, 0, n);
}
