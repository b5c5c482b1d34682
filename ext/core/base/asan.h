/* base/asan.h: frames that nobody holds are out of bounds.
 *
 * AddressSanitizer sees one region where there are many frames, so the pool tells it which
 * of them are handed out: a load or store through a stale address is then reported where
 * it happens.  In builds without it both functions are nothing.
 *
 * ASan notes eight bytes at a time: frames, 16 bytes at least, never share a note. */
#ifndef PB_BASE_ASAN_H
#define PB_BASE_ASAN_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PB_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define PB_ASAN 1
#endif

#if defined(PB_ASAN)
#include <sanitizer/asan_interface.h>
#endif

/* Nobody may touch [at, at + n) from now on. */
static inline void
pb_asan_poison(const void *at, size_t n)
{
#if defined(PB_ASAN)
    __asan_poison_memory_region(at, n);
#else
    (void)at;
    (void)n;
#endif
}

/* It is somebody's again. */
static inline void
pb_asan_unpoison(const void *at, size_t n)
{
#if defined(PB_ASAN)
    __asan_unpoison_memory_region(at, n);
#else
    (void)at;
    (void)n;
#endif
}

#endif
