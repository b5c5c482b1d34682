/* base/config.h: the shape that is chosen when the core is compiled.
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

/* 12 in every shipped build.  The tests also build 6 and 4: there a few KiB reach trees
 * of many levels. */
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

/* What is beyond ISO C and POSIX is asked for where PB_ON_UNIX or PB_ON_LINUX says so, and has a
 * plain way beside it.  PB_PORTABLE=1 takes the plain ways on Linux too, so that they are tested
 * (docs/platforms.md). */
#ifndef PB_PORTABLE
#define PB_PORTABLE 0
#endif

#if (defined(__unix__) || defined(__APPLE__)) && !PB_PORTABLE
#define PB_ON_UNIX 1
#else
#define PB_ON_UNIX 0
#endif

#if defined(__linux__) && !PB_PORTABLE
#define PB_ON_LINUX 1
#else
#define PB_ON_LINUX 0
#endif

_Static_assert(PB_PAGE_SHIFT >= 4 && PB_PAGE_SHIFT <= 15, "page shift");
_Static_assert((PB_REACH_BITS - PB_ROOT_BITS - PB_PAGE_SHIFT) % PB_NODE_BITS == 0,
               "the highest level reaches 2^59 exactly");

#if defined(__GNUC__) || defined(__clang__)
#define PB_NOINLINE \
    __attribute__((noinline)) /* keeps its registers out of the hot caller */
#define PB_ALWAYS_INLINE __attribute__((always_inline)) static inline
#define PB_LIKELY(x) __builtin_expect(!!(x), 1)
#define PB_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Any address will do: one that is not mapped does no harm.  A function that does nothing else must be
 * PB_ALWAYS_INLINE: gcc finds that it has no effect, and leaves out its calls. */
#define PB_PREFETCH(at) __builtin_prefetch(at)
#define PB_PREFETCH_TO_WRITE(at) __builtin_prefetch(at, 1)
#else
#define PB_NOINLINE
#define PB_ALWAYS_INLINE static inline
#define PB_LIKELY(x) (x)
#define PB_UNLIKELY(x) (x)
#define PB_PREFETCH(at) ((void)(at))
#define PB_PREFETCH_TO_WRITE(at) ((void)(at))
#endif

#endif
