/* base/stream.c: streaming stores, where the processor has them and they were measured. */
#include "base/stream.h"
#include "base/copy.h"

#if PB_ON_LINUX && defined(__x86_64__) && defined(__GNUC__)
#include <emmintrin.h> /* SSE2: every x86-64 has it */
#include <stdatomic.h>
#include <unistd.h>

/* ---- which machine ---- */

/* AMD's cores are faster with one page at a time, and at half the speed of memcpy with four; Intel's
 * are faster with four. */
static unsigned
sides_here(void)
{
    return __builtin_cpu_is("intel") ? 4 : 1;
}

/* As a multiple of the second-level cache, of which AMD's cores have a quarter of what Intel's have:
 * 16 MiB on both, below which growth that is read back at once was slower. */
static uint64_t
ask(void)
{
#ifdef _SC_LEVEL2_CACHE_SIZE
    long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    unsigned times = __builtin_cpu_is("intel") ? 8 : __builtin_cpu_is("amd") ? 32 : 0;
    if (cache > 0 && times) {
        return times * (uint64_t)cache;
    }
#endif
    return UINT64_MAX;
}

uint64_t
pb_stream_from(void)
{
    static _Atomic uint64_t from; /* 0: not asked yet; two threads may both ask */
    uint64_t known = atomic_load_explicit(&from, memory_order_relaxed);
    if (PB_UNLIKELY(known == 0)) {
        known = ask();
        atomic_store_explicit(&from, known, memory_order_relaxed);
    }
    return known;
}

/* ---- the copy ---- */

#define LINE 64
#define STEP (2 * LINE) /* of one page at a time */
#define SIDE 4096

static inline void
stream_line(uint8_t *to, const uint8_t *from)
{
    for (unsigned i = 0; i < LINE; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(from + i));
        _mm_stream_si128((__m128i *)(void *)(to + i), bytes);
    }
}

/* A block of `sides` pages, in which each is at the same place.  What comes next is fetched: the
 * processor does not see it coming by itself at each end of a page. */
static inline void
stream_block(uint8_t *to, const uint8_t *from, unsigned sides)
{
    unsigned ahead = sides == 1 ? 8 * STEP : STEP;
    for (unsigned at = 0; at < SIDE; at += STEP) {
        for (unsigned side = 0; side < sides; side++) {
            const uint8_t *here = from + side * SIDE + at;
            __builtin_prefetch(here + ahead);
            __builtin_prefetch(here + ahead + LINE);
            stream_line(to + side * SIDE + at, here);
            stream_line(to + side * SIDE + at + LINE, here + LINE);
        }
    }
}

static inline size_t
stream_blocks(uint8_t *to, const uint8_t *from, size_t n, unsigned sides)
{
    size_t at = 0;
    for (; n - at >= sides * SIDE; at += sides * SIDE) {
        stream_block(to + at, from + at, sides);
    }
    return at;
}

/* 1. up to the first whole line  2. the blocks  3. the rest */
void
pb_copy_stream_by(unsigned sides, void *dst, const void *src, size_t n)
{
    uint8_t *to = dst;
    const uint8_t *from = src;
    bool overlaps =
        (uintptr_t)to - (uintptr_t)from < n || (uintptr_t)from - (uintptr_t)to < n;
    if (n < PB_STREAM_LEAST || overlaps) {
        pb_copy(dst, src, n);
        return;
    }
    size_t at = (0 - (uintptr_t)to) & (LINE - 1);
    pb_copy(to, from, at);
    at += sides == 1 ? stream_blocks(to + at, from + at, n - at, 1)
                     : stream_blocks(to + at, from + at, n - at, 4);
    _mm_sfence(); /* who learns of these bytes from another store finds them */
    pb_copy(to + at, from + at, n - at);
}

void
pb_copy_stream(void *dst, const void *src, size_t n)
{
    pb_copy_stream_by(sides_here(), dst, src, n);
}

#else

uint64_t
pb_stream_from(void)
{
    return UINT64_MAX;
}

void
pb_copy_stream_by(unsigned sides, void *dst, const void *src, size_t n)
{
    (void)sides;
    pb_copy(dst, src, n);
}

void
pb_copy_stream(void *dst, const void *src, size_t n)
{
    pb_copy(dst, src, n);
}

#endif
