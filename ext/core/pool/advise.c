/* pool/advise.c: madvise where there is one. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1 /* MADV_* */
#endif
#include "pool/advise.h"

#if PB_ON_UNIX
#include <sys/mman.h>
#include <unistd.h>
#endif

#define HUGE_PAGE ((uintptr_t)2 << 20)
#define HUGE_FRAMES ((uint32_t)(HUGE_PAGE >> PB_PAGE_SHIFT))
/* One touched byte of advised memory costs 2 MiB, so only a pool that holds four
 * times as much is given any: at most a quarter is waste, and less as it grows. */
#define HUGE_MIN_HELD (4 * (uint64_t)HUGE_FRAMES)

#if defined(MADV_HUGEPAGE) && PB_PAGE_SHIFT == 12

/* Returns the frame up to which whole huge pages were advised. */
static pb_frame
advise_huge(const pb_region *r, pb_frame from, pb_frame to)
{
    uintptr_t base = (uintptr_t)r->base;
    uintptr_t lo = base + ((uintptr_t)(from - r->first) << PB_PAGE_SHIFT);
    uintptr_t hi = base + ((uintptr_t)(to - r->first) << PB_PAGE_SHIFT);
    lo = (lo + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    hi &= ~(HUGE_PAGE - 1);
    if (lo >= hi) {
        return to;
    }
    (void)madvise((void *)lo, hi - lo, MADV_HUGEPAGE); /* advice may be refused */
    return r->first + (pb_frame)((hi - base) >> PB_PAGE_SHIFT);
}

void
pb_advise_dense(pb_region *r, uint64_t held)
{
    if (PB_LIKELY(r->lo < r->advised) || held < HUGE_MIN_HELD) {
        return;
    }
    /* A quarter of what is held at a time: few calls, and the pool touches only what it
     * uses of it. */
    uint64_t stretch = pb_max(held / 4, 2 * HUGE_FRAMES);
    pb_frame to = (pb_frame)pb_min((uint64_t)r->lo + stretch, r->hi);
    r->advised = advise_huge(r, r->advised, to);
}

#else

void
pb_advise_dense(pb_region *r, uint64_t held)
{
    (void)r;
    (void)held;
}

#endif

#if defined(MADV_DONTNEED)

uint64_t
pb_advise_discard(pb_region *r, uint32_t *from, uint32_t *to)
{
    uintptr_t mask = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    uintptr_t base = (uintptr_t)r->base;
    uintptr_t lo = (base + ((uintptr_t)*from << PB_PAGE_SHIFT) + mask) & ~mask;
    uintptr_t hi = (base + ((uintptr_t)*to << PB_PAGE_SHIFT)) & ~mask;
    if (lo >= hi || madvise((void *)lo, hi - lo, MADV_DONTNEED) != 0) {
        return 0;
    }
    *from = (uint32_t)((lo - base) >> PB_PAGE_SHIFT);
    *to = (uint32_t)((hi - base) >> PB_PAGE_SHIFT);
    return hi - lo;
}

#else

uint64_t
pb_advise_discard(pb_region *r, uint32_t *from, uint32_t *to)
{
    (void)r;
    (void)from;
    (void)to;
    return 0;
}

#endif

#if defined(MADV_HUGEPAGE) && PB_PAGE_SHIFT == 12

uint64_t
pb_advise_rest(pb_region *r)
{
    uintptr_t base = (uintptr_t)r->base;
    uintptr_t lo = base + ((uintptr_t)(r->lo - r->first) << PB_PAGE_SHIFT);
    uint32_t from = r->lo - r->first;
    uint32_t to = from + (uint32_t)(((0 - lo) & (HUGE_PAGE - 1)) >> PB_PAGE_SHIFT);
    if (r->lo >= r->advised || r->lo == r->rested || r->first + to > r->hi) {
        return 0;
    }
    r->rested = r->lo;
    return to > from ? pb_advise_discard(r, &from, &to) : 0;
}

#else

uint64_t
pb_advise_rest(pb_region *r)
{
    (void)r;
    return 0;
}

#endif
