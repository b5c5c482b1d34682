/* The pool: reservations, and frames taken and freed: in which order, and whether they
 * are zeros. */
#include "support.h"

#include "base/asan.h"

static memory mem;
static pb_pool *const pool = &mem.pool;

static void
start(uint64_t limit, bool fresh_zero)
{
    memory_init(&mem, limit, fresh_zero);
}

/* A pool with one region of `frames` frames, frame 0 among them. */
static void
start_with(uint32_t frames, bool fresh_zero)
{
    start(PB_UNLIMITED, fresh_zero);
    mem.piece = frames;
    memory_grow(&mem);
}

static void
stop(void)
{
    memory_fini(&mem);
}

static pb_frame
take_run(pb_frame after, uint32_t want, uint32_t *got, bool *zero)
{
    memory_reserve(&mem, want);
    pb_frame first = pb_pool_take_run(pool, after, want, got, zero);
    pb_pool_unreserve(pool, want - *got);
    return first;
}

static pb_frame
take_node(bool *zero)
{
    memory_reserve(&mem, 1);
    return pb_pool_take_node(pool, zero);
}

static void
check_sums(void)
{
    CHECK_EQ(pool->total, pool->held + pool->listed + pool->untouched);
    CHECK(pool->reserved <= pool->listed + pool->untouched);
    CHECK(pool->high_water >= pool->held);
}

/* ---- reservations ---- */

static void
test_an_empty_pool_needs_pages(void)
{
    start(PB_UNLIMITED, true);
    CHECK_POOL(pool);
    CHECK_OK(pb_pool_reserve(pool, 0));
    CHECK_STATUS(pb_pool_reserve(pool, 1), PB_NEED_PAGES);
    CHECK_EQ(pool->refusal.short_by, 1);
    CHECK_STATUS(pb_pool_reserve(pool, 1000), PB_NEED_PAGES);
    CHECK_EQ(pool->refusal.short_by, 1000);
    CHECK_EQ(pool->reserved, 0);
    stop();
}

static void
test_reservations_are_kept_apart_from_what_is_free(void)
{
    start_with(11, true); /* ten frames and number 0 */
    CHECK_EQ(pool->total, 10);
    CHECK_OK(pb_pool_reserve(pool, 7));
    CHECK_STATUS(pb_pool_reserve(pool, 5), PB_NEED_PAGES);
    CHECK_EQ(pool->refusal.short_by, 2);
    CHECK_EQ(pool->reserved, 7);
    CHECK_OK(pb_pool_reserve(pool, 3));
    CHECK_STATUS(pb_pool_reserve(pool, 1), PB_NEED_PAGES);
    pb_pool_unreserve(pool, 10);
    CHECK_OK(pb_pool_reserve(pool, 10));
    pb_pool_unreserve(pool, 10);
    CHECK_EMPTY(pool);
    stop();
}

/* The limit counts held and reserved frames, and refuses before the pool asks for
 * memory. */
static void
test_limit(void)
{
    start(4, true);
    CHECK_STATUS(pb_pool_reserve(pool, 5), PB_LIMIT);
    CHECK_STATUS(pb_pool_reserve(pool, UINT64_MAX), PB_LIMIT);
    CHECK_STATUS(pb_pool_reserve(pool, 4), PB_NEED_PAGES);
    memory_grow(&mem);
    CHECK_STATUS(pb_pool_reserve(pool, 5), PB_LIMIT);
    CHECK_OK(pb_pool_reserve(pool, 3));
    CHECK_STATUS(pb_pool_reserve(pool, 2), PB_LIMIT);
    CHECK_STATUS(pb_pool_reserve(pool, UINT64_MAX), PB_LIMIT);
    uint32_t got;
    bool zero;
    pb_frame first = pb_pool_take_run(pool, 0, 3, &got, &zero);
    CHECK_EQ(got, 3);
    CHECK_STATUS(pb_pool_reserve(pool, 2), PB_LIMIT);
    CHECK_OK(pb_pool_reserve(pool, 1));
    pb_pool_unreserve(pool, 1);
    pb_frame_unref(pool, first);
    CHECK_OK(pb_pool_reserve(pool, 2));
    CHECK_EQ(pool->high_water, 3);
    stop();
}

/* ---- order ---- */

static void
test_data_from_the_bottom_nodes_from_the_top(void)
{
    start_with(16, true);
    bool zero;
    uint32_t got;
    CHECK_EQ(take_run(0, 1, &got, &zero), 1); /* number 0 is never handed out */
    CHECK_EQ(take_node(&zero), 15);
    CHECK_EQ(take_node(&zero), 14);
    CHECK_EQ(take_run(1, 3, &got, &zero), 2);
    CHECK_EQ(got, 3);
    CHECK_EQ(pool->nodes, 2);
    CHECK_EQ(pool->held, 6);
    CHECK_EQ(pb_frame_row(pool, 14)->held.kind, PB_KIND_NODE);
    CHECK_EQ(pb_frame_row(pool, 1)->held.kind, PB_KIND_DATA);
    CHECK_EQ(pb_frame_count(pool, 1), 1);
    CHECK_EQ(take_run(4, 20, &got, &zero), 5); /* up to the nodes, and no further */
    CHECK_EQ(got, 9);
    CHECK_EQ(pool->regions, 2);
    check_sums();
    stop();
}

static void
test_sequential_growth_gets_neighbours(void)
{
    start(PB_UNLIMITED, true);
    pb_frame last = take_data(&mem, 0);
    for (int i = 0; i < 200; i++) {
        pb_frame next = take_data(&mem, last);
        CHECK_EQ(next, last + 1);
        last = next;
    }
    stop();
}

/* A run continues its neighbour while frames are free, and no further. */
static void
test_run_stops_at_a_held_frame(void)
{
    start_with(64, true);
    uint32_t got;
    bool zero;
    CHECK_EQ(take_run(0, 40, &got, &zero), 1);
    unref_backwards(pool, 10, 5);
    pb_frame_unref(pool, 16);
    CHECK_EQ(take_run(9, 20, &got, &zero), 10);
    CHECK_EQ(got, 5);
    CHECK_EQ(take_run(15, 20, &got, &zero), 16);
    CHECK_EQ(got, 1);
    CHECK_EQ(take_run(40, 5, &got, &zero), 41); /* never used */
    CHECK_EQ(got, 5);
    CHECK_EQ(pool->held, 45);
    check_sums();
    stop();
}

/* Long runs, so that the map's words are crossed at every place. */
static void
test_runs_over_the_words_of_the_map(void)
{
    start_with(256, true);
    uint32_t got;
    bool zero;
    CHECK_EQ(take_run(0, 255, &got, &zero), 1);
    CHECK_EQ(got, 255);
    for (pb_frame first = 60; first <= 68; first++) {
        for (uint32_t n = 1; n < 140; n += 3) {
            unref_backwards(pool, first, n);
            NOTE("first %" PRIu32 " n %" PRIu32, first, n);
            CHECK_EQ(take_run(first - 1, 255, &got, &zero), first);
            CHECK_EQ(got, n);
        }
    }
    stop();
}

static void
test_most_recently_freed_first(void)
{
    start_with(200, true);
    uint32_t got;
    bool zero;
    take_run(0, 199, &got, &zero);
    static const pb_frame freed[] = {20, 180, 3, 77, 140, 41};
    for (int i = 0; i < 6; i++) {
        pb_frame_unref(pool, freed[i]);
    }
    for (int i = 6; i-- > 3;) {
        CHECK_EQ(take_run(0, 1, &got, &zero), freed[i]);
    }
    for (int i = 3; i-- > 0;) {
        CHECK_EQ(take_node(&zero), freed[i]);
    }
    CHECK_EQ(pool->listed, 0);
    stop();
}

/* Warm frames before untouched ones, but a neighbour before both. */
static void
test_warm_before_fresh(void)
{
    start_with(100, true);
    uint32_t got;
    bool zero;
    take_run(0, 50, &got, &zero);
    pb_frame_unref(pool, 7);
    CHECK_EQ(take_run(50, 1, &got, &zero), 51);
    CHECK_EQ(take_run(49, 1, &got, &zero), 7);
    pb_frame_unref(pool, 7);
    CHECK_EQ(take_node(&zero), 7);
    stop();
}

/* In a fragmented pool growth finds free stretches, in whatever order they were freed. */
static void
test_fragmented_pool_still_gives_neighbours(void)
{
    start_with(250, true);
    uint32_t got;
    bool zero;
    take_run(0, 249, &got, &zero);
    for (pb_frame f = 2; f < 100; f += 2) {
        pb_frame_unref(pool, f); /* crumbs */
    }
    for (uint32_t i = 0; i < 16; i++) {
        pb_frame_unref(pool, 150 + i * 7 % 16); /* 150..165 in no order */
    }
    pb_frame last = 120; /* held, and so is the next one: no neighbour to be had */
    for (uint32_t i = 0; i < 16; i++) {
        last = take_data(&mem, last);
        CHECK_EQ(last, 150 + i);
    }
    unref_backwards(pool, 150, 16);
    CHECK_EQ(take_run(0, 16, &got, &zero), 150);
    CHECK_EQ(got, 16);
    stop();
}

static void
test_exact_runs(void)
{
    start_with(100, true);
    uint32_t got;
    bool zero;
    take_run(0, 90, &got, &zero);
    unref_backwards(pool, 10, 4);
    unref_backwards(pool, 20, 6);
    unref_backwards(pool, 70, 5);
    memory_reserve(&mem, 21);
    CHECK_EQ(pb_pool_take_exact(pool, 5), 70); /* the warmest, as it is long enough */
    pb_frame_unref(pool, 85);
    CHECK_EQ(pb_pool_take_exact(pool, 6), 20); /* the first that is long enough */
    CHECK_EQ(pool->reserved, 10);
    CHECK_EQ(pb_pool_take_exact(pool, 10), 0); /* neither listed nor fresh: 9 are left */
    CHECK_EQ(pool->reserved, 10);
    CHECK_EQ(pb_pool_take_exact(pool, 8), 91);
    CHECK_EQ(pool->reserved, 2);
    CHECK_EQ(pb_pool_take_exact(pool, 2), 10);
    check_sums();
    CHECK_EQ(pool->reserved, 0);
    for (pb_frame f = 91; f < 99; f++) {
        CHECK_EQ(pb_frame_count(pool, f), 1);
        CHECK_EQ(pb_frame_row(pool, f)->held.kind, PB_KIND_DATA);
    }
    stop();
}

static void
test_exact_run_looks_in_every_region(void)
{
    start(PB_UNLIMITED, true);
    mem.piece = 8;
    memory_reserve(&mem, 30);
    CHECK(pool->regions > 3);
    CHECK_EQ(pb_pool_take_exact(pool, 8), 256);
    CHECK_EQ(pb_pool_take_exact(pool, 8), 512);
    CHECK_EQ(pb_pool_take_exact(pool, 7), 1);
    CHECK_EQ(pb_pool_take_exact(pool, 9), 0);
    pb_pool_unreserve(pool, 7);
    unref_backwards(pool, 512, 8);
    unref_backwards(pool, 256, 8);
    memory_reserve(&mem, 8);
    CHECK_EQ(pb_pool_take_exact(pool, 8), 256);
    check_sums();
    stop();
}

/* ---- how clean ---- */

static void
test_zero_is_said_of_fresh_zero_frames_only(void)
{
    for (int fresh = 0; fresh < 2; fresh++) {
        start_with(64, fresh);
        uint32_t got;
        bool zero;
        pb_frame first = take_run(0, 3, &got, &zero);
        CHECK_EQ(zero, fresh);
        pb_frame node = take_node(&zero);
        CHECK_EQ(zero, fresh);
        unref_backwards(pool, first, 3);
        pb_frame_unref(pool, node);
        CHECK_EQ(take_node(&zero), node);
        CHECK(!zero);
        CHECK_EQ(take_run(0, 3, &got, &zero), first);
        CHECK(!zero);
        CHECK_EQ(take_run(first + 2, 3, &got, &zero), first + 3);
        CHECK_EQ(zero, fresh);
        memory_reserve(&mem, 2);
        CHECK(pb_pool_take_exact(pool, 2));
        stop();
    }
}

/* ---- references, and what is wrong with them ---- */

static void
test_references(void)
{
    start_with(8, true);
    pb_frame f = take_data(&mem, 0), node;
    bool zero;
    pb_frame_ref(pool, f);
    pb_frame_ref(pool, f);
    CHECK_EQ(pb_frame_count(pool, f), 3);
    CHECK_EQ(pb_pool_shared(pool), 1);
    pb_frame_unref(pool, f);
    pb_frame_unref(pool, f);
    CHECK_EQ(pb_frame_count(pool, f), 1);
    CHECK(!pb_frame_is_free(pool, f));
    node = take_node(&zero);
    CHECK_EQ(pool->nodes, 1);
    pb_frame_unref(pool, node);
    pb_frame_unref(pool, f);
    CHECK(pb_frame_is_free(pool, f));
    CHECK_EMPTY(pool);
    stop();
}

/* A count that reached its highest value stays there: it may have missed references. */
static void
test_a_full_count_stays(void)
{
    start_with(8, true);
    pb_frame f = take_data(&mem, 0);
    pb_frame_row(pool, f)->held.count = PB_COUNT_MAX - 1;
    pb_frame_ref(pool, f);
    pb_frame_ref(pool, f);
    CHECK_EQ(pb_frame_count(pool, f), PB_COUNT_MAX);
    pb_frame_unref(pool, f);
    CHECK_EQ(pb_frame_count(pool, f), PB_COUNT_MAX);
    CHECK_EQ(pool->held, 1);
    CHECK(pool->fault.why == NULL);
    stop();
}

static void
check_fault(const char *word, pb_frame frame)
{
    CHECK(pool->fault.why && strstr(pool->fault.why, word));
    CHECK(strncmp(pool->fault.why, "I1:", 3) == 0);
    CHECK_EQ(pool->fault.frame, frame);
    pb_fault fault = {0};
    CHECK(!pool_is_whole(pool, &fault));
    CHECK(fault.why == pool->fault.why);
}

static void
test_double_free_is_reported_and_damages_nothing(void)
{
    start_with(32, true);
    uint32_t got;
    bool zero;
    pb_frame first = take_run(0, 4, &got, &zero);
    unref_backwards(pool, first, 4);
    pb_frame_unref(pool, first + 2);
    check_fault("twice", first + 2);
    pb_frame_unref(pool, first + 1); /* the first fault is kept */
    check_fault("twice", first + 2);
    pool->fault.why = NULL;
    CHECK_EMPTY(pool);
    CHECK_EQ(pool->listed, 4);
    pb_frame_unref(pool, 20); /* never handed out */
    check_fault("twice", 20);
    pool->fault.why = NULL;
    CHECK_EMPTY(pool);
    stop();
}

static void
test_underflow_is_reported_and_damages_nothing(void)
{
    start_with(32, true);
    pb_frame f = take_data(&mem, 0);
    pb_frame_pin(pool, f);
    pb_frame_unref(pool, f); /* detached */
    pb_frame_unref(pool, f);
    check_fault("underflow", f);
    CHECK_EQ(pb_frame_count(pool, f), 0);
    CHECK_EQ(pool->detached, 1);
    pool->fault.why = NULL;
    pb_frame_unpin(pool, f);
    CHECK_EMPTY(pool);
    stop();
}

/* ---- pins ---- */

static void
test_a_pinned_frame_detaches_and_lives_on(void)
{
    start_with(32, true);
    pb_frame f = take_data(&mem, 0);
    pb_frame_pin(pool, f);
    pb_frame_pin(pool, f);
    CHECK(pb_frame_pinned(pool, f));
    CHECK_EQ(pb_pool_shared(pool), 0);
    pb_frame_unref(pool, f);
    CHECK_EQ(pb_frame_row(pool, f)->held.kind, PB_KIND_DETACHED);
    CHECK_EQ(pool->detached, 1);
    CHECK_EQ(pool->held, 1);
    CHECK(!pb_frame_is_free(pool, f));
    CHECK_POOL(pool); /* held by its pins */
    pb_frame_unpin(pool, f);
    CHECK_EQ(pool->held, 1);
    pb_frame_unpin(pool, f);
    CHECK_EQ(pool->detached, 0);
    CHECK_EMPTY(pool);
    CHECK_EQ(take_data(&mem, 0), f);
    stop();
}

static void
test_too_many_unpins_are_reported_and_damage_nothing(void)
{
    start_with(32, true);
    pb_frame f = take_data(&mem, 0);
    pb_frame_unpin(pool, f);
    check_fault("pins", f);
    CHECK(!pb_frame_pinned(pool, f));
    pool->fault.why = NULL;
    pb_frame_unref(pool, f);
    CHECK_EMPTY(pool);
    stop();
}

static void
test_an_unpinned_frame_stays_with_its_entries(void)
{
    start_with(32, true);
    pb_frame f = take_data(&mem, 0);
    pb_frame_pin(pool, f);
    pb_frame_unpin(pool, f);
    CHECK(!pb_frame_pinned(pool, f));
    CHECK_EQ(pool->held, 1);
    pb_frame_unref(pool, f);
    CHECK_EMPTY(pool);
    stop();
}

/* ---- all of it at once, against a plain list ---- */

#define MOST 600

typedef struct {
    pb_frame frame[MOST];
    uint32_t n;
    bool held[4096];
} ledger;

static void
ledger_add(ledger *l, pb_frame first, uint32_t n)
{
    for (pb_frame f = first; f < first + n; f++) {
        CHECK(f > 0 && f < 4096 && pb_frame_valid(pool, f));
        CHECK(!l->held[f]); /* no frame is handed out twice */
        l->held[f] = true;
        l->frame[l->n++] = f;
    }
}

static void
ledger_free(ledger *l, uint32_t i)
{
    pb_frame f = l->frame[i];
    pb_frame_unref(pool, f);
    CHECK_EQ(pool->free_head, f);
    l->held[f] = false;
    l->frame[i] = l->frame[--l->n];
}

static void
take_something(ledger *l, chance *c)
{
    uint32_t want = 1 + (uint32_t)below(c, one_in(c, 4) ? 80 : 6), got;
    pb_frame after = l->n && !one_in(c, 3) ? l->frame[below(c, l->n)] : 0, first;
    bool zero;
    if (l->n + want > MOST) {
        return;
    }
    switch (below(c, 4)) {
    case 0:
        ledger_add(l, take_node(&zero), 1);
        break;
    case 1:
        memory_reserve(&mem, want);
        first = pb_pool_take_exact(pool, want);
        CHECK_EQ(pool->reserved, first ? 0 : want);
        pb_pool_unreserve(pool, first ? 0 : want);
        ledger_add(l, first, first ? want : 0);
        break;
    default:
        first = take_run(after, want, &got, &zero);
        CHECK(got >= 1 && got <= want);
        if (after && pb_frame_valid(pool, after + 1) && !l->held[after + 1] &&
            after + 1 < pool->region[pb_region_of(after + 1)].lo) {
            CHECK_EQ(first, after + 1);
        }
        ledger_add(l, first, got);
    }
}

static void
test_random_taking_and_giving(void)
{
    static ledger l;
    for (uint64_t seed = 0; seed < 6; seed++) {
        chance c = chance_of(seed);
        l = (ledger){.n = 0};
        start(PB_UNLIMITED, one_in(&c, 2));
        mem.piece = seed % 3 ? 0 : 100;
        for (int step = 0; step < 3000; step++) {
            NOTE("seed %" PRIu64 " step %d", seed, step);
            bool grow = below(&c, MOST) > l.n;
            if (grow) {
                take_something(&l, &c);
            }
            for (uint64_t k = below(&c, grow ? 3 : 12); k && l.n; k--) {
                ledger_free(&l, (uint32_t)below(&c, l.n));
            }
            CHECK_EQ(pool->held, l.n);
            check_sums();
        }
        while (l.n) {
            ledger_free(&l, l.n - 1);
        }
        CHECK_EMPTY(pool);
        stop();
    }
}

/* Only frames that are handed out may be touched (base/asan.h). */
static bool
out_of_bounds(pb_frame frame)
{
#if defined(PB_ASAN)
    return __asan_region_is_poisoned(pb_frame_address(pool, frame), PB_PAGE_SIZE);
#else
    return pb_frame_is_free(pool, frame);
#endif
}

static void
test_free_frames_are_out_of_bounds(void)
{
    bool zero;
    start_with(PB_REGION0_FRAMES, true);
    CHECK(out_of_bounds(1) && out_of_bounds(255));
    pb_frame data = take_data(&mem, 0);
    pb_frame node = take_node(&zero);
    CHECK(!out_of_bounds(data) && !out_of_bounds(node));
    CHECK(out_of_bounds(data + 1) && out_of_bounds(node - 1));
    pb_frame_unref(pool, data);
    CHECK(out_of_bounds(data));
    CHECK_EQ(take_data(&mem, 0), data);
    CHECK(!out_of_bounds(data));
    pb_frame_unref(pool, data);
    pb_frame_unref(pool, node);
    CHECK_EMPTY(pool);
    stop();
}

int
main(void)
{
    RUN(test_an_empty_pool_needs_pages);
    RUN(test_reservations_are_kept_apart_from_what_is_free);
    RUN(test_limit);
    RUN(test_data_from_the_bottom_nodes_from_the_top);
    RUN(test_sequential_growth_gets_neighbours);
    RUN(test_run_stops_at_a_held_frame);
    RUN(test_runs_over_the_words_of_the_map);
    RUN(test_most_recently_freed_first);
    RUN(test_warm_before_fresh);
    RUN(test_fragmented_pool_still_gives_neighbours);
    RUN(test_exact_runs);
    RUN(test_exact_run_looks_in_every_region);
    RUN(test_zero_is_said_of_fresh_zero_frames_only);
    RUN(test_references);
    RUN(test_a_full_count_stays);
    RUN(test_double_free_is_reported_and_damages_nothing);
    RUN(test_underflow_is_reported_and_damages_nothing);
    RUN(test_a_pinned_frame_detaches_and_lives_on);
    RUN(test_too_many_unpins_are_reported_and_damage_nothing);
    RUN(test_an_unpinned_frame_stays_with_its_entries);
    RUN(test_random_taking_and_giving);
    RUN(test_free_frames_are_out_of_bounds);
    return finish();
}
