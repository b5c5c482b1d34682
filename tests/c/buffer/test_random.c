/* Random sequences of calls, each buffer beside its model: bytes, size, levels, bias,
 * extents and counts agree after every step (I10), and no old byte comes back (I4). */
#include "buffer/player.h"

/* ---- games ---- */

static void
play(uint64_t seed, bool sparse, unsigned max_levels, int steps)
{
    static player y;
    memory mem;
    y.c = chance_of(seed);
    y.sparse = sparse;
    memory_init(&mem, PB_UNLIMITED, seed % 2);
    mem.piece = seed % 3 ? 0 : 90;
    pair_init(&y.p, &mem, max_levels);
    for (int i = 0; i < steps; i++) {
        NOTE("seed %" PRIu64 " step %d", seed, i);
        step(&y);
    }
    pair_fini(&y.p);
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

static void
test_dense(void)
{
    for (uint64_t seed = 0; seed < 12; seed++) {
        play(seed, false, PB_MAX_LEVELS, 400);
    }
}

static void
test_sparse(void)
{
    for (uint64_t seed = 100; seed < 112; seed++) {
        play(seed, true, PB_MAX_LEVELS, 300);
    }
}

/* Capacities of every height: a write that fits succeeds, one that does not changes
 * nothing. */
static void
test_capacities(void)
{
    for (unsigned levels = 1; levels <= PB_MAX_LEVELS; levels += levels < 6 ? 1 : 12) {
        play(200 + levels, true, levels, 200);
    }
}

/* Several buffers on one pool take each other's frames while they are warm. */
static void
test_many_buffers_on_one_pool(void)
{
    enum { BUFFERS = 4 };
    static player y[BUFFERS];
    memory mem;
    memory_init(&mem, PB_UNLIMITED, false);
    for (unsigned i = 0; i < BUFFERS; i++) {
        y[i].c = chance_of(300 + i);
        y[i].sparse = i == 3;
        pair_init(&y[i].p, &mem, PB_MAX_LEVELS);
    }
    chance c = chance_of(1);
    for (int i = 0; i < 1200; i++) {
        NOTE("step %d", i);
        step(&y[below(&c, BUFFERS)]);
        if (i % 50 == 0) {
            for (unsigned k = 0; k < BUFFERS; k++) {
                AGREE(&y[k].p.b, &y[k].p.m);
            }
        }
    }
    for (unsigned i = 0; i < BUFFERS; i++) {
        AGREE(&y[i].p.b, &y[i].p.m);
        pair_fini(&y[i].p);
    }
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

int
main(void)
{
    RUN(test_dense);
    RUN(test_sparse);
    RUN(test_capacities);
    RUN(test_many_buffers_on_one_pool);
    return finish();
}
