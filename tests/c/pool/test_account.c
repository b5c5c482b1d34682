/* Accounts: pools that share their frames, what each holds and may hold, and the marks
 * at which they report. */
#include "support.h"

/* The root has the memory; `upper` is its child, `lower` a child of that. */
static memory mem;
static pb_pool *const root = &mem.pool;
static pb_pool *accounts[PB_MOST_POOLS];
static pb_pool upper, lower, beside;

static void
join(pb_pool *child, pb_pool *parent, uint16_t account, uint64_t limit)
{
    pb_pool_init(child, limit);
    CHECK(pb_pool_join(child, parent, account));
}

static void
start(uint64_t root_limit, uint64_t upper_limit, uint64_t lower_limit)
{
    memory_init(&mem, root_limit, true);
    memset(accounts, 0, sizeof accounts);
    root->accounts = accounts;
    join(&upper, root, 1, upper_limit);
    join(&lower, &upper, 2, lower_limit);
    join(&beside, root, PB_MOST_POOLS - 1, PB_UNLIMITED);
    memory_grow(&mem);
    CHECK_POOL(root);
}

static void
stop(void)
{
    CHECK_EMPTY(root);
    memory_fini(&mem);
}

static pb_frame
take(pb_pool *pool, uint32_t n)
{
    pb_frame first = take_frames(pool, n);
    CHECK_EQ(root->reserved, 0);
    return first;
}

static void
check_sums_at(int line, uint64_t of_root, uint64_t of_upper, uint64_t of_lower)
{
    NOTE("line %d", line);
    CHECK_EQ(root->held, of_root);
    CHECK_EQ(upper.held, of_upper);
    CHECK_EQ(lower.held, of_lower);
    CHECK_EQ(root->reserved + upper.reserved + lower.reserved, 0);
    CHECK_EQ(root->total, root->held + root->listed + root->untouched);
}

#define CHECK_HELD(...) check_sums_at(__LINE__, __VA_ARGS__)

/* ---- charges ---- */

static void
test_what_is_taken_is_charged_up_the_chain(void)
{
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_frame a = take(&lower, 3), b = take(&upper, 2), c = take(root, 1);
    CHECK_HELD(6, 5, 3);
    CHECK_EQ(pb_frame_row(root, a)->held.account, 2);
    CHECK_EQ(pb_frame_row(root, b)->held.account, 1);
    CHECK_EQ(pb_frame_row(root, c)->held.account, 0);
    pb_frame d = take(&beside, 4);
    CHECK_EQ(pb_frame_row(root, d)->held.account, PB_MOST_POOLS - 1);
    CHECK_HELD(10, 5, 3);
    unref_backwards(&lower, a, 3);
    CHECK_HELD(7, 2, 0);
    unref_backwards(&upper, b, 2);
    pb_frame_unref(root, c);
    unref_backwards(&beside, d, 4);
    CHECK_HELD(0, 0, 0);
    CHECK_EQ(lower.high_water, 3);
    CHECK_EQ(upper.high_water, 5);
    CHECK_EQ(root->high_water, 10);
    stop();
}

static void
test_nodes_are_charged_too(void)
{
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    bool zero;
    CHECK_OK(pb_pool_reserve(&lower, 1));
    pb_frame node = pb_pool_take_node(&lower, &zero);
    CHECK_HELD(1, 1, 1);
    CHECK_EQ(root->nodes, 1);
    CHECK_EQ(upper.nodes, 1);
    CHECK_EQ(lower.nodes, 1);
    CHECK_EQ(beside.nodes, 0);
    pb_frame_unref(root, node);
    CHECK_EQ(upper.nodes + lower.nodes, 0);
    stop();
}

/* Whoever drops the last reference, the frame is discharged from the pool that took it. */
static void
test_a_frame_is_discharged_to_the_pool_that_took_it(void)
{
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_frame a = take(&lower, 2), b = take(&beside, 1);
    pb_frame_ref(&beside, a);
    pb_frame_unref(&lower, a);
    CHECK_HELD(3, 2, 2); /* the other one has it still */
    pb_frame_unref(&beside, a);
    CHECK_HELD(2, 1, 1);
    CHECK_EQ(beside.held, 1);
    pb_frame_unref(root, a + 1);
    CHECK_HELD(1, 0, 0);
    pb_frame_unref(&lower, b);
    CHECK_EQ(beside.held, 0);
    stop();
}

static void
test_detached_frames_are_counted_where_they_are_charged(void)
{
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_frame a = take(&lower, 1);
    pb_frame_pin(&beside, a);
    pb_frame_unref(&beside, a);
    CHECK_HELD(1, 1, 1);
    CHECK_EQ(lower.detached, 1);
    CHECK_EQ(upper.detached, 1);
    CHECK_EQ(root->detached, 1);
    CHECK_EQ(beside.detached, 0);
    CHECK_POOL(&beside);
    pb_frame_unpin(&beside, a);
    CHECK_EQ(lower.detached + upper.detached + root->detached, 0);
    CHECK_HELD(0, 0, 0);
    stop();
}

static void
test_a_region_that_comes_later_is_known_to_children(void)
{
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_frame all = take(&lower, 255);
    CHECK_STATUS(pb_pool_reserve(&lower, 1), PB_NEED_PAGES);
    CHECK_EQ(root->refusal.short_by, 1);
    memory_grow(&mem);
    pb_frame more = take(&lower, 10);
    CHECK_EQ(pb_region_of(more), 8);
    CHECK(pb_frame_address(&lower, more) == pb_frame_address(root, more));
    CHECK(pb_frame_row(&beside, more) == pb_frame_row(root, more));
    CHECK(pb_frame_readable(&beside, more) && !pb_frame_readable(&beside, more + 10));
    pb_pool late;
    join(&late, &lower, 3, PB_UNLIMITED);
    CHECK(pb_frame_address(&late, more) == pb_frame_address(root, more));
    CHECK(pb_frame_writable(&late, more));
    pb_pool_leave(&late);
    unref_backwards(&lower, more, 10);
    unref_backwards(&lower, all, 255);
    stop();
}

/* ---- limits ---- */

static void
test_the_pool_whose_limit_it_was_is_named(void)
{
    start(9, 6, 3);
    CHECK_STATUS(pb_pool_reserve(&lower, 4), PB_LIMIT);
    CHECK(root->refusal.refused == &lower);
    pb_frame a = take(&upper, 4);
    CHECK_STATUS(pb_pool_reserve(&lower, 3), PB_LIMIT);
    CHECK(root->refusal.refused == &upper);
    pb_frame b = take(&beside, 4);
    CHECK_STATUS(pb_pool_reserve(&lower, 2), PB_LIMIT);
    CHECK(root->refusal.refused == root);
    CHECK_STATUS(pb_pool_reserve(&lower, UINT64_MAX), PB_LIMIT);
    CHECK_HELD(8, 4, 0);
    pb_frame c = take(&lower, 1);
    CHECK_HELD(9, 5, 1);
    CHECK_STATUS(pb_pool_reserve(&beside, 1), PB_LIMIT);
    CHECK(root->refusal.refused == root);
    unref_backwards(root, a, 4);
    unref_backwards(root, b, 4);
    pb_frame_unref(root, c);
    stop();
}

/* Reserved frames count like held ones, in every pool above. */
static void
test_a_reservation_is_one_of_every_pool_above(void)
{
    start(PB_UNLIMITED, 6, 4);
    CHECK_OK(pb_pool_reserve(&lower, 4));
    CHECK_EQ(lower.reserved, 4);
    CHECK_EQ(upper.reserved, 4);
    CHECK_EQ(root->reserved, 4);
    CHECK_EQ(beside.reserved, 0);
    CHECK_STATUS(pb_pool_reserve(&upper, 3), PB_LIMIT);
    CHECK_STATUS(pb_pool_reserve(&lower, 1), PB_LIMIT);
    CHECK(root->refusal.refused == &lower);
    pb_pool_unreserve(&lower, 1);
    CHECK_EQ(upper.reserved, 3);
    CHECK_OK(pb_pool_reserve(&upper, 3));
    CHECK_EQ(lower.reserved, 3);
    pb_pool_unreserve(&upper, 3);
    pb_pool_unreserve(&lower, 3);
    CHECK_HELD(0, 0, 0);
    stop();
}

/* ---- a child leaves ---- */

static void
test_what_others_hold_of_a_child_becomes_its_parents(void)
{
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_frame a = take(&lower, 2), b = take(&beside, 1);
    pb_frame_pin(root, a);
    pb_frame_pin(root, a + 1);
    pb_frame_pin(root, b);
    unref_backwards(&lower, a, 2);
    pb_frame_unref(&lower, b);
    CHECK_POOL(root);
    pb_pool_leave(&lower);
    CHECK(accounts[2] == NULL);
    CHECK_POOL(root);
    CHECK_EQ(pb_frame_row(root, a)->held.account, 1);
    CHECK_EQ(pb_frame_row(root, b)->held.account, PB_MOST_POOLS - 1);
    CHECK_EQ(upper.held, 2);
    pb_pool_leave(&upper); /* and then the root's */
    CHECK_POOL(root);
    CHECK_EQ(pb_frame_row(root, a)->held.account, 0);
    CHECK_EQ(root->held, 3);
    pb_frame_unpin(root, a);
    pb_frame_unpin(root, a + 1);
    pb_frame_unpin(root, b);
    CHECK_EQ(root->detached, 0);
    stop();
}

/* A free number goes to another child, which inherits nothing. */
static void
test_a_number_is_used_again(void)
{
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_frame a = take(&lower, 2);
    pb_pool_leave(&lower);
    join(&lower, root, 2, PB_UNLIMITED);
    pb_frame b = take(&lower, 1);
    CHECK_HELD(3, 2, 1);
    unref_backwards(&lower, a, 2);
    CHECK_HELD(1, 0, 1);
    pb_frame_unref(root, b);
    CHECK_HELD(0, 0, 0);
    stop();
}

static void
test_check_tells_of_a_child_that_miscounts(void)
{
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_fault fault = {0};
    upper.held++;
    CHECK(!pool_is_whole(root, &fault));
    CHECK(strstr(fault.why, "a child pool miscounts") != NULL);
    upper.held--;
    stop();
}

static void
test_within_is_up_the_chain_only(void)
{
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    CHECK(pb_pool_within(&lower, &lower) && pb_pool_within(&lower, &upper));
    CHECK(pb_pool_within(&lower, root) && !pb_pool_within(root, &lower));
    CHECK(!pb_pool_within(&upper, &lower) && !pb_pool_within(&beside, &upper));
    CHECK(pb_pool_same(&lower, &beside));
    stop();
}

/* ---- marks ---- */

/* The marks crossed since the last call. */
static uint32_t
crossed(pb_pool *pool)
{
    uint32_t bits = pool->crossed;
    CHECK_EQ((root->pending & PB_PENDING_PRESSURE) != 0, bits != 0);
    pool->crossed = 0;
    root->pending &= (uint8_t)~PB_PENDING_PRESSURE;
    return bits;
}

static void
test_marks_are_crossed_from_below(void)
{
    static const uint64_t marks[] = {2, 4, 5};
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_pool_set_marks(&upper, marks, 3);
    pb_frame a = take(&lower, 1);
    CHECK_EQ(crossed(&upper), 0);
    pb_frame b = take(&lower, 1);
    CHECK_EQ(crossed(&upper), 1); /* holding as many is enough */
    pb_frame c = take(&lower, 3);
    CHECK_EQ(crossed(&upper), 6); /* two at once */
    pb_frame d = take(&lower, 1);
    CHECK_EQ(crossed(&upper), 0);
    CHECK_EQ(lower.crossed + root->crossed, 0);
    CHECK_EQ(upper.high_water, 6);
    pb_frame_unref(root, a);
    pb_frame_unref(root, b);
    unref_backwards(root, c, 3);
    pb_frame_unref(root, d);
    CHECK_EQ(crossed(&upper), 0);
    stop();
}

static void
test_a_mark_is_crossed_again_after_falling_below(void)
{
    static const uint64_t marks[] = {3, 6};
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_frame a = take(&upper, 6);
    pb_pool_set_marks(&upper, marks, 2);
    CHECK_EQ(crossed(&upper), 0); /* marks already reached are not reported */
    pb_frame_unref(root, a + 5);
    CHECK_EQ(crossed(&upper), 0);
    pb_frame b = take(&upper, 1);
    CHECK_EQ(crossed(&upper), 2);
    pb_frame_unref(root, b);
    unref_backwards(root, a + 2, 3); /* 2 left: both are below */
    CHECK_EQ(upper.held, 2);
    b = take(&upper, 1);
    CHECK_EQ(crossed(&upper), 1);
    CHECK_EQ(upper.high_water, 6);
    pb_frame_unref(root, b);
    unref_backwards(root, a, 2);
    stop();
}

static void
test_other_marks_take_the_place_of_the_first(void)
{
    static const uint64_t first[] = {1, 2, 3, 4, 5, 6, 7, 8}, other[] = {3};
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_pool_set_marks(root, first, PB_MARKS);
    pb_frame a = take(&lower, 8);
    CHECK_EQ(crossed(root), 0xff);
    pb_pool_set_marks(root, other, 1);
    unref_backwards(root, a + 2, 6);
    pb_frame b = take(&beside, 1);
    CHECK_EQ(crossed(root), 1);
    pb_pool_set_marks(root, other, 0);
    pb_frame_unref(root, b);
    b = take(&beside, 1);
    CHECK_EQ(crossed(root), 0);
    pb_frame_unref(root, b);
    unref_backwards(root, a, 2);
    stop();
}

/* Marks, the highest so far and what is held, beside plain numbers. */
static void
test_marks_at_random(void)
{
    static const uint64_t marks[] = {5, 9, 10, 40};
    chance c = chance_of(7);
    pb_frame have[64];
    uint64_t held = 0, high = 0;
    start(PB_UNLIMITED, PB_UNLIMITED, PB_UNLIMITED);
    pb_pool_set_marks(&upper, marks, 4);
    for (int i = 0; i < 4000; i++) {
        bool more = held == 0 || (held < 64 && below(&c, 100) < (i / 500 % 2 ? 40u : 60u));
        uint32_t want = 0;
        NOTE("step %d", i);
        if (more) {
            have[held++] = take(one_in(&c, 2) ? &lower : &upper, 1);
            for (unsigned k = 0; k < 4; k++) {
                want |= (uint32_t)(held == marks[k]) << k;
            }
        }
        else {
            pb_frame_unref(root, have[--held]);
        }
        high = pb_max(high, held);
        CHECK_EQ(crossed(&upper), want);
        CHECK_EQ(upper.high_water, high);
        CHECK_EQ(upper.held, held);
    }
    while (held) {
        pb_frame_unref(root, have[--held]);
    }
    stop();
}

int
main(void)
{
    RUN(test_what_is_taken_is_charged_up_the_chain);
    RUN(test_nodes_are_charged_too);
    RUN(test_a_frame_is_discharged_to_the_pool_that_took_it);
    RUN(test_detached_frames_are_counted_where_they_are_charged);
    RUN(test_a_region_that_comes_later_is_known_to_children);
    RUN(test_the_pool_whose_limit_it_was_is_named);
    RUN(test_a_reservation_is_one_of_every_pool_above);
    RUN(test_what_others_hold_of_a_child_becomes_its_parents);
    RUN(test_a_number_is_used_again);
    RUN(test_check_tells_of_a_child_that_miscounts);
    RUN(test_within_is_up_the_chain_only);
    RUN(test_marks_are_crossed_from_below);
    RUN(test_a_mark_is_crossed_again_after_falling_below);
    RUN(test_other_marks_take_the_place_of_the_first);
    RUN(test_marks_at_random);
    return finish();
}
