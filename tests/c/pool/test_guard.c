/* Level 2 makes memory that nobody may touch unreadable: what is protected, how, and how
 * many mappings that costs; and the sample.  Pages smaller than those of the system
 * cannot be protected, so nothing is tested there. */
#include "pool/mapped.h"
#include "pool/poison.h"
#include "pool/guard.h"

#include <signal.h>
#include <sys/wait.h>

static memory mem;
static mapping ground, sampled;
static pb_pool *const pool = &mem.pool;

#define FRAMES 200

static void
start(uint32_t most_mappings)
{
    memory_init(&mem, PB_UNLIMITED, true);
    pb_pool_set_debug(pool, 2);
    pool->most_mappings = most_mappings;
    map_region(&mem, &ground, FRAMES, true);
}

static void
stop(void)
{
    CHECK_EQ(pool->pending, 0);
    CHECK_EMPTY(pool);
    memory_fini(&mem);
    memset(ground.at, 1, ground.size); /* all of it may be used again */
    unmap(&ground);
}

static unsigned
kind_of(pb_frame frame)
{
    return pb_frame_row(pool, frame)->held.kind;
}

/* Borders between protections: each is one more mapping. */
static uint32_t
count_mappings(void)
{
    uint32_t n = 0;
    for (const pb_region *r = pool->region; r < pool->region + PB_REGION_SLOTS; r++) {
        for (uint32_t i = 1; r->guard && i < r->count; i++) {
            n += r->guard[i] != r->guard[i - 1];
        }
    }
    return n;
}

/* Does a child process that touches the address die? */
static bool
is_deadly(volatile uint8_t *at, bool store)
{
    int how = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        uint8_t seen = *at;
        if (store) {
            *at = seen;
        }
        _exit(0);
    }
    CHECK(pid > 0 && waitpid(pid, &how, 0) == pid);
    CHECK(WIFSIGNALED(how) || WEXITSTATUS(how) == 0);
    return WIFSIGNALED(how) && (WTERMSIG(how) == SIGSEGV || WTERMSIG(how) == SIGBUS);
}

/* ---- level 2 ---- */

static void
test_only_what_is_held_is_open(void)
{
    start(PB_MOST_MAPPINGS);
    CHECK_EQ(pb_guard_of(pool, 1), PB_CLOSED);
    pb_frame a = take_frames(pool, 3);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(pb_guard_of(pool, a + i), PB_OPEN);
    }
    memset(pb_frame_address(pool, a), 1, 3 * PB_PAGE_SIZE);
    CHECK_EQ(pb_guard_of(pool, a + 3), PB_CLOSED);
    CHECK_EQ(pool->mappings, count_mappings());
    pb_frame_unref(pool, a);
    CHECK_EQ(pb_guard_of(pool, a), PB_CLOSED);
    CHECK_EQ(pool->mappings, count_mappings());
    unref_frames(pool, a + 1, 2);
    CHECK_EQ(pool->mappings, 0);
    stop();
}

static void
test_what_is_closed_is_deadly(void)
{
    start(PB_MOST_MAPPINGS);
    pb_frame a = take_frames(pool, 2);
    uint8_t *at = pb_frame_address(pool, a);
    CHECK(!is_deadly(at, true));
    CHECK(is_deadly(at + 2 * PB_PAGE_SIZE, false)); /* a byte too far */
    pb_frame_unref(pool, a);
    CHECK(is_deadly(at, false));
    CHECK(!is_deadly(at + PB_PAGE_SIZE, true));
    pb_frame_unref(pool, a + 1);
    stop();
}

static void
test_a_guard_is_kept_behind_each_run(void)
{
    start(PB_MOST_MAPPINGS);
    pb_frame a = take_frames(pool, 2), b = take_frames(pool, 1);
    CHECK_EQ(b, a + 3);
    CHECK_EQ(kind_of(a + 2), PB_KIND_GUARD);
    CHECK_EQ(kind_of(b + 1), PB_KIND_GUARD);
    CHECK_EQ(pool->guards, 2);
    CHECK_EQ(pool->total, pool->held + pool->listed + pool->untouched + pool->guards);
    pb_frame_unref(pool, a);
    CHECK_EQ(pool->guards, 2);
    pb_frame_unref(pool, a + 1); /* the frame before it is free */
    CHECK_EQ(pool->guards, 1);
    CHECK(pb_frame_is_free(pool, a + 2));
    CHECK_EQ(pb_guard_of(pool, a + 2), PB_CLOSED);
    pb_frame_unref(pool, b);
    CHECK_EQ(pool->guards, 0);
    stop();
}

/* A guard goes back to the list it came from: a written frame is warm, not cold. */
static void
test_a_guard_goes_back_where_it_was(void)
{
    start(PB_MOST_MAPPINGS);
    pb_frame a = take_frames(pool, 2);
    pb_frame_unref(pool, a + 1);
    pb_frame_unref(pool, a);
    pb_debug_end_quarantine(pool);
    CHECK_EQ(pb_pool_warm(pool), 2);
    uint64_t cold = pool->cold;
    CHECK_EQ(take_frames(pool, 1), a);
    CHECK_EQ(kind_of(a + 1), PB_KIND_GUARD);
    CHECK_EQ(pb_pool_warm(pool), 0);
    pb_frame_unref(pool, a);
    CHECK_EQ(pool->guards, 0);
    CHECK_EQ(pb_pool_warm(pool), 1);
    CHECK_EQ(pool->cold, cold);
    stop();
}

/* A guard never takes a reserved frame. */
static void
test_guards_leave_what_is_reserved(void)
{
    uint32_t got;
    bool zero;
    start(PB_MOST_MAPPINGS);
    CHECK_OK(pb_pool_reserve(pool, FRAMES - 1));
    for (uint32_t left = FRAMES - 1; left; left -= got) {
        CHECK(pb_pool_take_run(pool, 0, 3, &got, &zero) != 0);
    }
    CHECK_EQ(pool->held, FRAMES - 1);
    CHECK_EQ(pool->guards, 0);
    unref_frames(pool, 1, FRAMES - 1);
    stop();
}

static void
test_mappings_stay_within_the_budget(void)
{
    pb_frame have[FRAMES];
    uint32_t held = 0;
    chance c = chance_of(5);
    start(12);
    for (int i = 0; i < 1500; i++) {
        NOTE("step %d", i);
        if (held < 60 && one_in(&c, 2)) {
            have[held++] = take_frames(pool, 1);
        }
        else if (held) {
            uint32_t k = (uint32_t)below(&c, held);
            pb_frame_unref(pool, have[k]);
            have[k] = have[--held];
        }
        CHECK(pool->pending == 0);
        CHECK_EQ(pool->mappings, count_mappings());
        if (pool->mappings > 12) {
            fail_at(__FILE__, __LINE__, "%" PRIu32 " mappings", pool->mappings);
        }
    }
    while (held) {
        pb_frame_unref(pool, have[--held]);
    }
    stop();
}

static void
test_a_snapshot_is_read_only_until_it_is_gone(void)
{
    pair p;
    pb_buf t;
    start(PB_MOST_MAPPINGS);
    pair_init(&p, &mem, 3);
    pair_scribble(&p, 0, 6 * PB_PAGE_SIZE, 1);
    pb_buf_init(&t, pool, 3);
    CHECK_OK(pb_buf_share(&t, &p.b));
    pb_frame first = frame_of_page(&p.b, 0), second = frame_of_page(&p.b, 1);
    CHECK_EQ(pb_guard_of(pool, first), PB_READ_ONLY);
    CHECK(is_deadly(pb_frame_address(pool, first), true));
    CHECK(!is_deadly(pb_frame_address(pool, first), false));
    pair_scribble(&p, 0, 9, 2); /* a copy of its own */
    CHECK_EQ(pb_guard_of(pool, frame_of_page(&p.b, 0)), PB_OPEN);
    CHECK_EQ(pb_guard_of(pool, frame_of_page(&t, 0)), PB_READ_ONLY);
    pb_buf_fini(&t);
    CHECK_EQ(pb_guard_of(pool, first), PB_CLOSED);
    CHECK_EQ(pb_guard_of(pool, second), PB_READ_ONLY);
    pair_scribble(&p, PB_PAGE_SIZE + 3, 9, 3); /* thawed: no copy is needed */
    CHECK_EQ(frame_of_page(&p.b, 1), second);
    CHECK_EQ(pb_guard_of(pool, second), PB_OPEN);
    AGREE(&p.b, &p.m);
    pair_fini(&p);
    stop();
}

/* ---- the sample ---- */

static void
start_sample(uint32_t every)
{
    memory_init(&mem, PB_UNLIMITED, true);
    void *base = map_bytes(&sampled, (size_t)PB_SAMPLE_FRAMES << PB_PAGE_SHIFT);
    void *table = memory_block(&mem, 64, pb_pool_sample_bytes(), GARBAGE);
    pb_pool_add_sample(pool, base, table, every);
    CHECK_POOL(pool);
    map_region(&mem, &ground, FRAMES, true);
    CHECK_POOL(pool);
}

static void
stop_sample(void)
{
    stop();
    memset(sampled.at, 1, sampled.size);
    unmap(&sampled);
}

static bool
is_sampled(pb_frame frame)
{
    return pool->region[pb_region_of(frame)].sampled;
}

static void
check_sums(void)
{
    CHECK_EQ(pool->total, pool->held + pool->listed + pool->untouched + pool->quarantined +
                              pool->guards);
}

static void
test_one_frame_in_so_many_is_of_the_sample(void)
{
    pb_frame have[30];
    start_sample(3);
    for (uint32_t i = 0; i < 30; i++) {
        have[i] = take_frames(pool, 1);
        CHECK_EQ(is_sampled(have[i]), i % 3 == 2);
        CHECK_EQ(pb_guard_of(pool, have[i]), PB_OPEN);
        memset(pb_frame_address(pool, have[i]), 1, PB_PAGE_SIZE);
        check_sums();
    }
    CHECK_EQ(pool->quarantined, PB_SAMPLE - 10);
    uint8_t *at = pb_frame_address(pool, have[2]);
    CHECK(is_deadly(at + PB_PAGE_SIZE, false) && is_deadly(at - 1, false));
    pb_frame_unref(pool, have[2]);
    CHECK(is_deadly(at, false));
    for (uint32_t i = 0; i < 30; i++) {
        if (i != 2) {
            pb_frame_unref(pool, have[i]);
        }
    }
    CHECK_EQ(pool->quarantined, PB_SAMPLE);
    stop_sample();
}

static void
test_the_sample_rotates_oldest_first(void)
{
    pb_frame order[2 * PB_SAMPLE];
    start_sample(1);
    for (uint32_t i = 0; i < 2 * PB_SAMPLE; i++) {
        order[i] = take_frames(pool, 1);
        CHECK(is_sampled(order[i]));
        CHECK_EQ(order[i], i < PB_SAMPLE ? 2 * i + 1 : order[i - PB_SAMPLE]);
        pb_frame_unref(pool, order[i]);
        CHECK_EQ(pb_guard_of(pool, order[i]), PB_CLOSED);
        CHECK_POOL(pool);
    }
    stop_sample();
}

/* When all places of the sample are in use, an ordinary frame is taken. */
static void
test_a_sample_in_use_is_passed_over(void)
{
    pb_frame have[PB_SAMPLE + 2];
    start_sample(1);
    for (uint32_t i = 0; i < PB_SAMPLE + 2; i++) {
        have[i] = take_frames(pool, 1);
        CHECK_EQ(is_sampled(have[i]), i < PB_SAMPLE);
    }
    check_sums();
    for (uint32_t i = 0; i < PB_SAMPLE + 2; i++) {
        pb_frame_unref(pool, have[i]);
    }
    CHECK_EQ(pool->quarantined, PB_SAMPLE);
    stop_sample();
}

int
main(void)
{
    if (!pb_guard_possible()) {
        printf("pages of %d bytes cannot be protected here\n", (int)PB_PAGE_SIZE);
        return finish();
    }
    RUN(test_only_what_is_held_is_open);
    RUN(test_what_is_closed_is_deadly);
    RUN(test_a_guard_is_kept_behind_each_run);
    RUN(test_a_guard_goes_back_where_it_was);
    RUN(test_guards_leave_what_is_reserved);
    RUN(test_mappings_stay_within_the_budget);
    RUN(test_a_snapshot_is_read_only_until_it_is_gone);
    RUN(test_one_frame_in_so_many_is_of_the_sample);
    RUN(test_the_sample_rotates_oldest_first);
    RUN(test_a_sample_in_use_is_passed_over);
    return finish();
}
