/* mapped.h: memory for pools straight from the system, on borders of its pages: what can be
 * protected and given back. */
#ifndef PB_TEST_MAPPED_H
#define PB_TEST_MAPPED_H

#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1 /* MAP_ANONYMOUS under -std=c11 */
#endif
#include "buffer/model.h"

#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    void *at;
    size_t size;
} mapping;

/* Map n bytes of zeros. */
static inline void *
map_bytes(mapping *m, size_t n)
{
    m->size = n;
    m->at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m->at != MAP_FAILED);
    return m->at;
}

/* Frames in a page of the system; one where a frame is as large or larger. */
static inline uint32_t
frames_of_system_page(void)
{
    return (uint32_t)pb_max(1, (uint64_t)sysconf(_SC_PAGESIZE) >> PB_PAGE_SHIFT);
}

/* The first region of a pool: mapped, the frames of a pool fresh from the system. */
static inline void
map_region(memory *mem, mapping *m, uint32_t frames, bool discard_zeroes)
{
    void *base = map_bytes(m, (size_t)frames << PB_PAGE_SHIFT);
    CHECK(mem->fresh_zero);
    memory_add(mem, base, frames, discard_zeroes);
}

static inline void
unmap(mapping *m)
{
    munmap(m->at, m->size);
}

#endif
