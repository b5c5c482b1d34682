/* base/config.h: compile-time shape, outcomes, checked arithmetic, bits.
 *
 * The core is C11 without Python.  It maps no memory and allocates by no other
 * means than frames: what it needs it reserves first, and when that comes up
 * short it returns PB_NEED_PAGES with nothing changed (I3). */
#ifndef PB_BASE_CONFIG_H
#define PB_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 12 in every build that is shipped; the tests also build 6 and 4, so that
 * trees of many levels are reached within a few KiB. */
#ifndef PB_PAGE_SHIFT
#define PB_PAGE_SHIFT 12
#endif

#define PB_PAGE_SIZE ((size_t)1 << PB_PAGE_SHIFT)
#define PB_PAGE_MASK (PB_PAGE_SIZE - 1)
#define PB_NODE_BITS (PB_PAGE_SHIFT - 3) /* a node is a page of 8-byte entries */
#define PB_FANOUT ((uint32_t)1 << PB_NODE_BITS)
#define PB_ROOT_BITS 2
#define PB_ROOT_SLOTS 4
#define PB_REACH_BITS 59 /* 4 * 512^5 * 4096 = 2^59, whatever the page */
#define PB_MAX_LEVELS ((PB_REACH_BITS - PB_ROOT_BITS - PB_PAGE_SHIFT) / PB_NODE_BITS + 1)
#define PB_REACH ((uint64_t)1 << PB_REACH_BITS)

/* Bytes that live inside the object, without a page: they overlay what only a tree
 * needs (buffer/buf.h).  None on the tiny builds, whose pages are smaller than that. */
#ifndef PB_INLINE
#if PB_PAGE_SHIFT >= 8
#define PB_INLINE 104
#else
#define PB_INLINE 0
#endif
#endif

_Static_assert(PB_PAGE_SHIFT >= 4 && PB_PAGE_SHIFT <= 15, "page shift");
_Static_assert((PB_REACH_BITS - PB_ROOT_BITS - PB_PAGE_SHIFT) % PB_NODE_BITS == 0,
               "the highest level reaches 2^59 exactly");

/* What a call came to.  One place in the binding turns it into an exception. */
typedef enum {
    PB_OK = 0,
    PB_NEED_PAGES, /* the pool is short: add a region and try again */
    PB_LIMIT,      /* the pool's limit forbids */
    PB_CAPACITY,   /* past what max_levels reaches */
    PB_RANGE,      /* an offset out of range */
    PB_PINNED,     /* live views forbid */
    PB_FROZEN,     /* a snapshot never changes */
    PB_CORRUPT,    /* a structure is damaged; the pool keeps where */
} pb_status;

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
#define PB_NOINLINE \
    __attribute__((noinline)) /* keeps what calls it free of its registers */
#define PB_LIKELY(x) __builtin_expect(!!(x), 1)
#define PB_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Index of the highest set bit; x is not 0. */
static inline unsigned
pb_log2(uint32_t x)
{
    return 31u - (unsigned)__builtin_clz(x);
}

/* Index of the lowest set bit; x is not 0. */
static inline unsigned
pb_lowest_bit(uint64_t x)
{
    return (unsigned)__builtin_ctzll(x);
}
#else
#define PB_NOINLINE
#define PB_LIKELY(x) (x)
#define PB_UNLIKELY(x) (x)

static inline unsigned
pb_log2(uint32_t x)
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
