/* support.h: what the C tests share: checks that say where, a tiny random generator, and
 * memory for pools, which the core never makes for itself.
 *
 * A program is a list of RUN(test) between nothing and `return finish();`.  The first
 * check that fails ends its test: it prints file, line, what was expected, and the NOTE
 * (and what it was DOING) that was set last. */
#ifndef PB_TEST_SUPPORT_H
#define PB_TEST_SUPPORT_H

#include "inspect/check.h"
#include "inspect/usage.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- checks ---- */

static struct {
    const char *test;
    char note[120];   /* where the test is */
    char doing[120];  /* and in the middle of what */
    const char *file; /* who called a helper that checks */
    int line;
    unsigned passed, failed;
    jmp_buf out;
} run_;

static inline void
fail_at(const char *file, int line, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    printf("%s:%d: %s: ", file, line, run_.test);
    vprintf(format, values);
    va_end(values);
    if (run_.file) {
        printf("\n    called from %s:%d", run_.file, run_.line);
    }
    printf("%s%s%s%s\n", run_.note[0] ? "\n    " : "", run_.note, run_.doing[0] ? ": " : "",
           run_.doing);
    longjmp(run_.out, 1);
}

static inline void
check_eq_at(const char *file, int line, const char *what, uint64_t got, uint64_t want)
{
    if (got != want) {
        fail_at(file, line, "%s: expected %" PRIu64 " (0x%" PRIx64 "), got %" PRIu64, what,
                want, want, got);
    }
}

static inline void
check_bytes_at(const char *file, int line, const char *what, const void *got,
               const void *want, uint64_t n)
{
    const uint8_t *g = got, *w = want;
    if (n == 0 || memcmp(g, w, n) == 0) {
        return;
    }
    uint64_t i = 0;
    while (g[i] == w[i]) {
        i++;
    }
    fail_at(file, line, "%s: byte %" PRIu64 " of %" PRIu64 ": expected 0x%02x, got 0x%02x",
            what, i, n, w[i], g[i]);
}

static inline const char *
status_name(pb_status st)
{
    static const char *const names[] = {"PB_OK",       "PB_NEED_PAGES", "PB_LIMIT",
                                        "PB_CAPACITY", "PB_RANGE",      "PB_PINNED",
                                        "PB_FROZEN",   "PB_CORRUPT",    "PB_ABSENT"};
    return names[st];
}

static inline void
check_status_at(const char *file, int line, const char *what, pb_status got, pb_status want)
{
    if (got != want) {
        fail_at(file, line, "%s: expected %s, got %s", what, status_name(want),
                status_name(got));
    }
}

#define CHECK(x) \
    ((x) ? (void)0 : fail_at(__FILE__, __LINE__, "expected to be true: %s", #x))
#define CHECK_EQ(got, want) check_eq_at(__FILE__, __LINE__, #got, (got), (want))
#define CHECK_BYTES(got, want, n) \
    check_bytes_at(__FILE__, __LINE__, #got, (got), (want), (n))
#define CHECK_STATUS(call, want) check_status_at(__FILE__, __LINE__, #call, (call), (want))
#define CHECK_OK(call) CHECK_STATUS(call, PB_OK)
#define NOTE(...) \
    ((void)snprintf(run_.note, sizeof run_.note, __VA_ARGS__), run_.doing[0] = 0)
#define DOING(...) ((void)snprintf(run_.doing, sizeof run_.doing, __VA_ARGS__))

/* Put this before a helper that checks, so that a failure says which call of the helper
 * it was. */
#define HERE() ((void)(run_.file = __FILE__, run_.line = __LINE__))

static inline void
run_test(const char *name, void (*test)(void))
{
    run_.test = name;
    run_.note[0] = run_.doing[0] = 0;
    run_.file = NULL;
    if (setjmp(run_.out) == 0) {
        test();
        run_.passed++;
    }
    else {
        run_.failed++;
    }
}

#define RUN(test) run_test(#test, test)

/* A failed test leaves memory behind on purpose, so leaks must not be reported then. */
static inline int
finish(void)
{
    printf("%u passed, %u failed\n", run_.passed, run_.failed);
    if (run_.failed) {
        fflush(stdout);
        _Exit(1);
    }
    return 0;
}

/* ---- chance, the same on every machine ---- */

typedef struct {
    uint64_t state;
} chance;

static inline chance
chance_of(uint64_t seed)
{
    return (chance){(seed + 1) * 0x9e3779b97f4a7c15u};
}

static inline uint64_t
draw(chance *c)
{
    uint64_t x = c->state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    c->state = x;
    return x * 0x2545f4914f6cdd1du >> 16;
}

/* 0 .. n - 1 */
static inline uint64_t
below(chance *c, uint64_t n)
{
    return draw(c) % n;
}

static inline bool
one_in(chance *c, unsigned n)
{
    return below(c, n) == 0;
}

/* Bytes that are never 0, so that a byte that was lost shows. */
static inline void
fill(chance *c, void *at, uint64_t n)
{
    uint8_t *p = at;
    for (uint64_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(1 + below(c, 255));
    }
}

/* ---- memory for a pool ---- */

#define GARBAGE 0xc7

typedef struct {
    pb_pool pool;
    void *block[2 * PB_REGION_SLOTS];
    unsigned blocks;
    bool fresh_zero; /* else regions arrive full of garbage and are declared so */
    uint32_t piece;  /* most frames of a region; 0: as many as it may span */
} memory;

static inline void
memory_init(memory *m, uint64_t limit, bool fresh_zero)
{
    memset(m, 0, sizeof *m);
    pb_pool_init(&m->pool, limit);
    m->fresh_zero = fresh_zero;
}

static inline void
memory_fini(memory *m)
{
    pb_pool_fini(&m->pool);
    while (m->blocks) {
        free(m->block[--m->blocks]);
    }
}

static inline void *
memory_block(memory *m, size_t align, size_t size, int byte)
{
    void *at = aligned_alloc(align, (size + align - 1) / align * align);
    if (at == NULL) {
        fail_at(__FILE__, __LINE__, "no memory for %zu bytes", size);
    }
    memset(at, byte, size);
    m->block[m->blocks++] = at;
    return at;
}

/* Add the region at `base`.  Its tables arrive full of garbage, unless it is declared to
 * be zeros. */
static inline void
memory_add(memory *m, void *base, uint32_t frames, bool discard_zeroes)
{
    void *table = memory_block(m, 64, pb_pool_companion_bytes(&m->pool, frames),
                               m->fresh_zero ? 0 : GARBAGE);
    CHECK_OK(
        pb_pool_add_region(&m->pool, base, table, frames, m->fresh_zero, discard_zeroes));
}

/* Add a region of `frames` frames. */
static inline void
memory_grow_by(memory *m, uint32_t frames)
{
    void *base = memory_block(m, PB_PAGE_SIZE, (size_t)frames << PB_PAGE_SHIFT,
                              m->fresh_zero ? 0 : GARBAGE);
    memory_add(m, base, frames, false);
}

/* Add the next region, as large as it may be or as `piece` says. */
static inline bool
memory_grow(memory *m)
{
    uint32_t frames = pb_pool_next_region(&m->pool);
    memory_grow_by(m, m->piece && m->piece < frames ? m->piece : frames);
    return true;
}

/* st = call, as the binding does it: the pool grows until the call needs no more. */
#define GROWING(m, st, call) \
    do {                     \
        st = (call);         \
    } while (st == PB_NEED_PAGES && memory_grow(m))

static inline void
memory_reserve(memory *m, uint64_t n)
{
    pb_status st;
    GROWING(m, st, pb_pool_reserve(&m->pool, n));
    CHECK_OK(st);
}

/* Take one frame for data; the pool may grow. */
static inline pb_frame
take_data(memory *m, pb_frame after)
{
    uint32_t got;
    bool zero;
    memory_reserve(m, 1);
    return pb_pool_take_run(&m->pool, after, 1, &got, &zero);
}

/* Take n consecutive frames for data; the pool has them. */
static inline pb_frame
take_frames(pb_pool *pool, uint32_t n)
{
    uint32_t got;
    bool zero;
    CHECK_OK(pb_pool_reserve(pool, n));
    pb_frame first = pb_pool_take_run(pool, 0, n, &got, &zero);
    CHECK_EQ(got, n);
    return first;
}

static inline void
unref_frames(pb_pool *pool, pb_frame first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        pb_frame_unref(pool, first + i);
    }
}

/* Unref from the back, as trees do, so that the first frame is the warmest. */
static inline void
unref_backwards(pb_pool *pool, pb_frame first, uint32_t n)
{
    while (n--) {
        pb_frame_unref(pool, first + n);
    }
}

/* ---- is the pool whole? ---- */

static inline bool
pool_is_whole(const pb_pool *pool, pb_fault *fault)
{
    uint32_t *scratch = calloc(pb_pool_check_words(pool), sizeof *scratch);
    bool whole = pb_pool_check(pool, scratch, fault);
    free(scratch);
    return whole;
}

static inline void
check_pool_at(const char *file, int line, const pb_pool *pool)
{
    pb_fault fault = {0};
    if (!pool_is_whole(pool, &fault)) {
        fail_at(file, line,
                "the pool is damaged: %s (frame %" PRIu32 ", offset %" PRIu64 ")",
                fault.why, fault.frame, fault.offset);
    }
}

#define CHECK_POOL(pool) check_pool_at(__FILE__, __LINE__, pool)

/* All frames are back: none is held, none is reserved. */
#define CHECK_EMPTY(pool)              \
    do {                               \
        CHECK_POOL(pool);              \
        CHECK_EQ((pool)->held, 0);     \
        CHECK_EQ((pool)->nodes, 0);    \
        CHECK_EQ((pool)->reserved, 0); \
    } while (0)

#endif
