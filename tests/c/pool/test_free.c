/* Frames given back: to the pool, warm, and from the pool to the system, cold. */
#include "pool/mapped.h"

static memory mem;
static mapping ground;
static pb_pool *const pool = &mem.pool;

/* What can be given back: a page of the system, or a frame where that is larger. */
#define UNIT frames_of_system_page()
#define FRAMES (64 * UNIT)

static void
start_with(unsigned level, uint32_t frames, bool discard_zeroes)
{
    memory_init(&mem, PB_UNLIMITED, true);
    pb_pool_set_debug(pool, level);
    map_region(&mem, &ground, frames, discard_zeroes);
    CHECK_POOL(pool);
}

static void
start(bool discard_zeroes)
{
    start_with(0, FRAMES, discard_zeroes);
}

static void
stop(void)
{
    CHECK_EMPTY(pool);
    memory_fini(&mem);
    unmap(&ground);
}

/* Take units from the border of a system page on, and fill them. */
static pb_frame
take_units(uint32_t units)
{
    uint32_t skip = pool->region[pool->newest].first ? 0 : UNIT - 1;
    CHECK_OK(pb_pool_reserve(pool, skip + units * UNIT));
    if (skip) {
        CHECK(pb_pool_take_exact(pool, skip) != 0);
    }
    pb_frame first = pb_pool_take_exact(pool, units * UNIT);
    CHECK(first != 0);
    memset(pb_frame_address(pool, first), 0xee, (size_t)units * UNIT << PB_PAGE_SHIFT);
    return first;
}

/* Give back the frames that take_units skipped. */
static void
give_back_skipped(void)
{
    uint32_t skip = pool->region[pool->newest].first ? 0 : UNIT - 1;
    if (skip) {
        unref_frames(pool, 1, skip);
    }
}

/* Check the sums while the test holds frames that no tree names. */
static void
check_sums(void)
{
    CHECK_EQ(pool->total, pool->held + pool->listed + pool->untouched);
    CHECK(pool->cold <= pool->listed);
}

static void
test_freed_frames_are_warm_until_they_are_trimmed(void)
{
    start(true);
    pb_frame a = take_units(8);
    pb_pool_trim(pool); /* what was backed ahead */
    unref_frames(pool, a, 8 * UNIT);
    CHECK_EQ(pb_pool_warm(pool), 8 * UNIT);
    CHECK_EQ(pool->cold, 0);
    CHECK_POOL(pool);
    CHECK_EQ(pb_pool_trim(pool), (uint64_t)8 * UNIT << PB_PAGE_SHIFT);
    CHECK_EQ(pb_pool_warm(pool), 0);
    CHECK_EQ(pool->cold, 8 * UNIT);
    CHECK_EQ(pool->cold_head, a); /* the lowest in front */
    CHECK_POOL(pool);
    CHECK_EQ(pb_pool_trim(pool), 0); /* once */
    give_back_skipped();
    stop();
}

/* Warm ones first: their memory is there. */
static void
test_warm_frames_are_taken_before_cold_ones(void)
{
    uint32_t got;
    bool zero;
    start(true);
    pb_frame a = take_units(4);
    unref_frames(pool, a, 2 * UNIT);
    (void)pb_pool_trim(pool);
    pb_frame warm = a + 3 * UNIT;
    pb_frame_unref(pool, warm);
    CHECK_OK(pb_pool_reserve(pool, 2));
    CHECK_EQ(pb_pool_take_run(pool, 0, 1, &got, &zero), warm);
    CHECK(!zero);
    CHECK_EQ(pb_pool_take_run(pool, 0, 1, &got, &zero), a);
    CHECK(zero);
    CHECK_EQ(pool->cold, 2 * UNIT - 1);
    check_sums();
    pb_frame_unref(pool, a);
    unref_frames(pool, a + 2 * UNIT, 2 * UNIT);
    give_back_skipped();
    stop();
}

/* Cold frames are known zeros only where discarding makes them so. */
static void
test_cold_frames_are_zeros_where_the_region_says_so(void)
{
    for (int zeroes = 0; zeroes < 2; zeroes++) {
        uint32_t got;
        bool zero;
        start(zeroes);
        pb_frame a = take_units(2);
        unref_frames(pool, a, 2 * UNIT);
        CHECK(pb_pool_trim(pool) != 0);
        CHECK_OK(pb_pool_reserve(pool, 2 * UNIT));
        CHECK_EQ(pb_pool_take_run(pool, a - 1, 2 * UNIT, &got, &zero), a);
        CHECK_EQ(got, 2 * UNIT);
        CHECK_EQ(zero, zeroes);
        const uint8_t *at = pb_frame_address(pool, a);
        for (size_t i = 0; zeroes && i < (size_t)UNIT << PB_PAGE_SHIFT; i++) {
            CHECK_EQ(at[i], 0);
        }
        unref_frames(pool, a, 2 * UNIT);
        CHECK_EQ(pool->cold, 0); /* freed again, they are warm */
        give_back_skipped();
        stop();
    }
}

static void
test_a_stretch_below_a_system_page_stays_warm(void)
{
    if (PB_PAGE_SHIFT >= 12) {
        return;
    }
    start(true);
    pb_frame a = take_units(2);
    unref_frames(pool, a + 1, 2 * UNIT - 2); /* no page of the system is whole */
    CHECK_EQ(pb_pool_trim(pool), 0);
    CHECK_EQ(pb_pool_warm(pool), 2 * UNIT - 2);
    pool->keep = 1;
    pb_pool_keep(pool); /* and the search for one ends */
    CHECK_EQ(pb_pool_warm(pool), 2 * UNIT - 2);
    check_sums();
    pb_frame_unref(pool, a); /* the first one is whole now */
    CHECK_EQ(pb_pool_trim(pool), (uint64_t)UNIT << PB_PAGE_SHIFT);
    CHECK_EQ(pool->cold, UNIT);
    pb_frame_unref(pool, a + 2 * UNIT - 1);
    give_back_skipped();
    stop();
}

static void
test_what_is_too_much_goes_down_to_three_quarters(void)
{
    start(true);
    pool->keep = pool->keep_most = 16 * UNIT;
    pb_frame a = take_units(40);
    unref_frames(pool, a, 16 * UNIT);
    pb_pool_keep(pool);
    CHECK_EQ(pb_pool_warm(pool), 16 * UNIT); /* as much may stay */
    unref_frames(pool, a + 16 * UNIT, UNIT);
    pb_pool_keep(pool);
    CHECK_EQ(pb_pool_warm(pool), 12 * UNIT);
    CHECK_EQ(pool->cold, 5 * UNIT);
    check_sums();
    unref_frames(pool, a + 17 * UNIT, 23 * UNIT);
    give_back_skipped();
    stop();
}

static void
test_keep_rises_with_cold_frames_that_are_taken_again(void)
{
    start(true);
    pool->keep = 4 * UNIT;
    pool->keep_most = 9 * UNIT;
    pb_frame a = take_units(8);
    unref_frames(pool, a, 8 * UNIT);
    (void)pb_pool_trim(pool);
    CHECK_OK(pb_pool_reserve(pool, 8 * UNIT));
    CHECK_EQ(pb_pool_take_exact(pool, 3 * UNIT), a);
    CHECK_EQ(pool->keep, 7 * UNIT);
    CHECK_EQ(pb_pool_take_exact(pool, 5 * UNIT), a + 3 * UNIT);
    CHECK_EQ(pool->keep, 9 * UNIT); /* and no further */
    unref_frames(pool, a, 8 * UNIT);
    CHECK_OK(pb_pool_reserve(pool, 8 * UNIT));
    CHECK_EQ(pb_pool_take_exact(pool, 8 * UNIT), a); /* warm: nothing to learn */
    CHECK_EQ(pool->keep, 9 * UNIT);
    unref_frames(pool, a, 8 * UNIT);
    give_back_skipped();
    stop();
}

/* Frames freed at once go back to the system on the way, a batch at a time. */
static void
test_batches(void)
{
    uint32_t n = (uint32_t)PB_BATCH + 4 * UNIT;
    start_with(0, n + UNIT, true);
    pool->keep = UNIT;
    CHECK_OK(pb_pool_reserve(pool, n));
    pb_frame a = pb_pool_take_exact(pool, n);
    unref_frames(pool, a, (uint32_t)PB_BATCH + UNIT - 1);
    CHECK_EQ(pool->cold, 0);
    pb_frame_unref(pool, a + (uint32_t)PB_BATCH + UNIT - 1);
    CHECK(pb_pool_warm(pool) <= 2 * UNIT);
    CHECK_EQ(pool->cold, PB_BATCH + UNIT - pb_pool_warm(pool));
    check_sums();
    unref_frames(pool, a + (uint32_t)PB_BATCH + UNIT, 3 * UNIT);
    stop();
}

/* Debug pools must know what is in a free frame. */
static void
test_a_debug_pool_gives_back_only_what_becomes_zeros(void)
{
    for (int zeroes = 0; zeroes < 2; zeroes++) {
        start_with(1, FRAMES, zeroes);
        uint32_t all = FRAMES - (pool->region[pool->newest].first == 0);
        CHECK_OK(pb_pool_reserve(pool, all));
        pb_frame a = pb_pool_take_exact(pool, all);
        unref_frames(pool, a, all);
        CHECK_OK(pb_pool_reserve(pool, all)); /* the quarantine ends */
        pb_pool_unreserve(pool, all);
        CHECK_EQ(pb_pool_trim(pool) != 0, zeroes);
        check_sums();
        CHECK_OK(pb_pool_reserve(pool, all));
        CHECK_EQ(pb_pool_take_exact(pool, all), a);
        CHECK_EQ(pool->pending, 0);
        unref_frames(pool, a, all);
        stop();
    }
}

int
main(void)
{
    RUN(test_freed_frames_are_warm_until_they_are_trimmed);
    RUN(test_warm_frames_are_taken_before_cold_ones);
    RUN(test_cold_frames_are_zeros_where_the_region_says_so);
    RUN(test_a_stretch_below_a_system_page_stays_warm);
    RUN(test_what_is_too_much_goes_down_to_three_quarters);
    RUN(test_keep_rises_with_cold_frames_that_are_taken_again);
    RUN(test_batches);
    RUN(test_a_debug_pool_gives_back_only_what_becomes_zeros);
    return finish();
}
