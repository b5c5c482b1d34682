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

/* ---- backed before it is touched ---- */

/* Of Linux 5.14; older kernels refuse it, and older headers do not know it. */
#if PB_ON_UNIX && defined(__linux__) && !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23
#endif

/* For fewer frames the page faults take no longer. */
#define AHEAD_LEAST 8
#define AGAIN_LEAST 4

/* Page faults of threads go on side by side.  This call would have them wait for each other, as the
 * pool's lock is held. */
#if defined(MADV_POPULATE_WRITE) && PB_PAGE_SHIFT == 12 && !PB_LOCKS

static void
back(pb_region *r, pb_frame from, pb_frame to)
{
    uint8_t *at = r->base + ((size_t)(from - r->first) << PB_PAGE_SHIFT);
    size_t n = (size_t)(to - from) << PB_PAGE_SHIFT;
    r->by_touch = madvise(at, n, MADV_POPULATE_WRITE) != 0;
}

/* The same for frames that nobody touched, which it remembers. */
static void
back_untouched(pb_region *r, pb_frame from, pb_frame to)
{
    back(r, from, to);
    r->backed = r->by_touch ? r->backed : to;
}

void
pb_advise_ahead(pb_region *r, pb_frame first, uint64_t held)
{
    uint64_t ahead = pb_min(held / 4, PB_AHEAD_MOST);
    pb_frame from = first > r->backed ? first : r->backed;
    /* small pages must not stand where huge ones are about to be advised */
    pb_frame most = r->lo < r->advised && r->advised < r->hi ? r->advised : r->hi;
    pb_frame to = (pb_frame)pb_min(r->lo + ahead, most);
    if (r->by_touch || r->lo - first > PB_AHEAD_MOST || to - from < AHEAD_LEAST) {
        return;
    }
    back_untouched(r, from, to);
}

void
pb_advise_again(pb_region *r, uint32_t i, uint32_t n)
{
    if (n >= AGAIN_LEAST && n <= PB_AHEAD_MOST && !r->by_touch) {
        back(r, r->first + i, r->first + i + n);
    }
}

void
pb_advise_run(pb_pool *pool, pb_frame first, uint64_t n)
{
    pb_region *r = &pool->root->region[pb_region_of(first)];
    if (n >= AHEAD_LEAST && first >= r->backed && !r->by_touch && !pool->root->debug) {
        back_untouched(r, first, first + (pb_frame)pb_min(n, PB_AHEAD_MOST));
    }
}

#else

void
pb_advise_ahead(pb_region *r, pb_frame first, uint64_t held)
{
    (void)r;
    (void)first;
    (void)held;
}

void
pb_advise_run(pb_pool *pool, pb_frame first, uint64_t n)
{
    (void)pool;
    (void)first;
    (void)n;
}

void
pb_advise_again(pb_region *r, uint32_t i, uint32_t n)
{
    (void)r;
    (void)i;
    (void)n;
}

#endif

#if PB_PAGE_SHIFT == 12

/* One past the last frame that the system backs, if more than those that were handed out. */
static pb_frame
backed_to(const pb_region *r)
{
    uintptr_t lo = (uintptr_t)r->base + ((uintptr_t)(r->lo - r->first) << PB_PAGE_SHIFT);
    pb_frame huge = r->lo + (pb_frame)(((0 - lo) & (HUGE_PAGE - 1)) >> PB_PAGE_SHIFT);
    pb_frame backed = r->backed < r->hi ? r->backed : r->hi;
    return r->lo < r->advised && huge <= r->hi && huge > backed ? huge : backed;
}

uint64_t
pb_advise_rest(pb_region *r)
{
    pb_frame past = backed_to(r);
    if (r->lo == r->rested || past <= r->lo) {
        return 0;
    }
    uint32_t from = r->lo - r->first, to = past - r->first;
    r->rested = r->backed = r->lo;
    return pb_advise_discard(r, &from, &to);
}

#else

uint64_t
pb_advise_rest(pb_region *r)
{
    (void)r;
    return 0;
}

#endif
