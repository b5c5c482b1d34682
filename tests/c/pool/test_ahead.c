/* Memory that the system backs before it is touched: how much, what goes back, and what happens where
 * it cannot be asked (pool/advise.h).  Pages in memory are counted by mincore, no time is measured. */
#include "pool/mapped.h"

#include "buffer/buf.h"
#include "pool/advise.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

typedef struct {
    memory mem;
    mapping ground;
} mapped;

static void
mapped_init(mapped *m, unsigned debug)
{
    memory_init(&m->mem, PB_UNLIMITED, true);
    pb_pool_set_debug(&m->mem.pool, debug);
    map_region(&m->mem, &m->ground, PB_REGION0_FRAMES, true);
}

static void
mapped_fini(mapped *m)
{
    memory_fini(&m->mem);
    unmap(&m->ground);
}

/* Can the system be asked, and is a frame a page of it? */
static bool
may_be_asked(void)
{
    mapping m;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    map_bytes(&m, page);
    bool may = madvise(m.at, page, MADV_POPULATE_WRITE) == 0 && page == PB_PAGE_SIZE;
    unmap(&m);
    return may && PB_PAGE_SHIFT == 12;
}

/* Is the memory of the frame there? */
static bool
is_backed(const mapped *m, pb_frame frame)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t at = (uintptr_t)pb_frame_address(&m->mem.pool, frame) & ~(page - 1);
    unsigned char there;
    CHECK_EQ(mincore((void *)at, page, &there), 0);
    return there & 1;
}

/* How many frames of [first, first + n) have memory. */
static uint32_t
backed(const mapped *m, pb_frame first, uint32_t n)
{
    uint32_t count = 0;
    for (pb_frame f = first; f < first + n && f < PB_REGION0_FRAMES; f++) {
        count += is_backed(m, f);
    }
    return count;
}

/* Take n frames that nobody touches. */
static pb_frame
take(mapped *m, uint32_t n)
{
    CHECK_OK(pb_pool_reserve(&m->mem.pool, n));
    pb_frame first = pb_pool_take_exact(&m->mem.pool, n);
    CHECK(first != 0);
    return first;
}

static void
test_ahead_is_a_quarter_of_what_is_held(void)
{
    mapped m;
    mapped_init(&m, 0);
    uint32_t held = 0, most = 0;
    for (uint32_t n = 1; held + n <= 200; n = n % 9 + 1) {
        pb_frame first = take(&m, n);
        held += n;
        uint32_t ahead = backed(&m, first + n, PB_REGION0_FRAMES);
        NOTE("%" PRIu32 " held", held);
        CHECK(ahead <= held / 4 && ahead <= PB_AHEAD_MOST);
        most = ahead > most ? ahead : most;
    }
    CHECK_EQ(most > 30, may_be_asked());
    mapped_fini(&m);
}

/* One call for many frames, not one for each. */
static void
test_what_is_ahead_is_asked_for_once(void)
{
    mapped m;
    mapped_init(&m, 0);
    take(&m, 128);
    pb_frame next = take(&m, 16) + 16, before = 0;
    CHECK_EQ(backed(&m, next, 100), may_be_asked() ? 36 : 0);
    for (uint32_t i = 0; i < 36; i++, before = m.mem.pool.region[7].backed) {
        CHECK_EQ(take(&m, 1), next + i);
        CHECK(before == 0 || before == m.mem.pool.region[7].backed);
    }
    mapped_fini(&m);
}

static void
test_trim_gives_back_what_is_ahead(void)
{
    mapped m;
    mapped_init(&m, 0);
    take(&m, 128);
    pb_frame next = take(&m, 16) + 16;
    uint64_t ahead = may_be_asked() ? 36 * PB_PAGE_SIZE : 0;
    CHECK_EQ(pb_pool_trim(&m.mem.pool), ahead);
    CHECK_EQ(backed(&m, next, 100), 0);
    CHECK_EQ(pb_pool_trim(&m.mem.pool), 0);
    CHECK_EQ(take(&m, 8), next); /* and asks for it again */
    CHECK_EQ(backed(&m, next, 100), may_be_asked() ? 46 : 0);
    mapped_fini(&m);
}

/* Copies of so many pages go on without the pool's lock, and so should their page faults. */
static void
test_large_requests_are_left_to_page_faults(void)
{
    mapped m;
    mapped_init(&m, 0);
    pb_frame first = take(&m, PB_AHEAD_MOST + 1);
    CHECK_EQ(backed(&m, first, PB_REGION0_FRAMES), 0);
    mapped_fini(&m);
}

/* Whoever copies so many asks piece by piece, where nobody touched the frames before. */
static void
test_large_requests_are_backed_in_pieces(void)
{
    mapped m;
    mapped_init(&m, 0);
    uint32_t n = 3 * PB_AHEAD_MOST, may = may_be_asked();
    pb_frame first = take(&m, n);
    pb_advise_run(&m.mem.pool, first, 7); /* seven page faults take no longer */
    CHECK_EQ(backed(&m, first, n), 0);
    pb_advise_run(&m.mem.pool, first, n);
    CHECK_EQ(backed(&m, first, n), may * PB_AHEAD_MOST);
    CHECK_EQ(backed(&m, first, PB_AHEAD_MOST), may * PB_AHEAD_MOST);
    pb_advise_run(&m.mem.pool, first, n); /* was asked for */
    CHECK_EQ(backed(&m, first, n), may * PB_AHEAD_MOST);
    pb_advise_run(&m.mem.pool, first + PB_AHEAD_MOST, n - PB_AHEAD_MOST);
    CHECK_EQ(backed(&m, first, n), may * 2 * PB_AHEAD_MOST);
    mapped_fini(&m);
}

/* Two buffers grow in turn, then one is made one run. */
static void
test_a_run_that_is_gathered_is_backed_in_pieces(void)
{
    mapped m;
    mapping more;
    static pb_buf bufs[2];
    pb_pin_list pins = {0};
    uint32_t n = PB_AHEAD_MOST + 9;
    uint8_t page[PB_PAGE_SIZE] = {1}, *at;
    mapped_init(&m, 0);
    map_region(&m.mem, &more, 2 * PB_REGION0_FRAMES, true);
    pb_buf_init(&bufs[0], &m.mem.pool, PB_MAX_LEVELS);
    pb_buf_init(&bufs[1], &m.mem.pool, PB_MAX_LEVELS);
    for (uint32_t i = 0; i < 2 * n; i++) {
        CHECK_OK(pb_buf_extend(&bufs[i % 2], page, PB_PAGE_SIZE));
    }
    CHECK_OK(pb_buf_open_pins(&bufs[0], &pins));
    CHECK_OK(pb_buf_unite(&bufs[0], &at));
    const pb_region *r = &m.mem.pool.region[pb_region_of(pins.run_frame)];
    CHECK_EQ(r->backed == pins.run_frame + n, may_be_asked());
    pb_buf_fini(&bufs[0]);
    pb_buf_fini(&bufs[1]);
    mapped_fini(&m);
    unmap(&more);
}

static void
test_frames_that_the_system_had_back(void)
{
    mapped m;
    mapped_init(&m, 0);
    pb_frame first = take(&m, 40);
    memset(pb_frame_address(&m.mem.pool, first), 0xee, 40 * PB_PAGE_SIZE);
    unref_backwards(&m.mem.pool, first, 40);
    pb_pool_trim(&m.mem.pool);
    uint32_t left = backed(&m, first, 40);
    CHECK_EQ(take(&m, 3), first); /* three page faults take no longer */
    CHECK_EQ(backed(&m, first, 40), left);
    CHECK_EQ(take(&m, 16), first + 3);
    CHECK_EQ(backed(&m, first, 40), may_be_asked() ? 16 : left);
    mapped_fini(&m);
}

/* As on a kernel that does not know the advice: it is asked once, and pages come when touched. */
static void
test_a_system_that_cannot_be_asked(void)
{
    mapped m;
    mapped_init(&m, 0);
    mprotect(m.ground.at, m.ground.size, PROT_READ);
    pb_frame first = take(&m, 48);
    mprotect(m.ground.at, m.ground.size, PROT_READ | PROT_WRITE);
    pb_frame next = take(&m, 48);
    CHECK_EQ(m.mem.pool.region[7].by_touch, PB_PAGE_SHIFT == 12);
    CHECK_EQ(backed(&m, first, PB_REGION0_FRAMES), 0);
    memset(pb_frame_address(&m.mem.pool, next), 1, 48 * PB_PAGE_SIZE);
    unref_backwards(&m.mem.pool, first, 96);
    CHECK_EMPTY(&m.mem.pool);
    mapped_fini(&m);
}

/* A debug pool closes the frames that it has not handed out. */
static void
test_debug_pools_do_not_ask(void)
{
    for (unsigned level = 1; level <= 2; level++) {
        mapped m;
        mapped_init(&m, level);
        pb_frame first = take(&m, 48);
        memset(pb_frame_address(&m.mem.pool, first), 1, 48 * PB_PAGE_SIZE);
        CHECK_EQ(m.mem.pool.region[7].backed, 0);
        unref_backwards(&m.mem.pool, first, 48);
        mapped_fini(&m);
    }
}

int
main(void)
{
    RUN(test_ahead_is_a_quarter_of_what_is_held);
    RUN(test_what_is_ahead_is_asked_for_once);
    RUN(test_trim_gives_back_what_is_ahead);
    RUN(test_large_requests_are_left_to_page_faults);
    RUN(test_large_requests_are_backed_in_pieces);
    RUN(test_a_run_that_is_gathered_is_backed_in_pieces);
    RUN(test_frames_that_the_system_had_back);
    RUN(test_a_system_that_cannot_be_asked);
    RUN(test_debug_pools_do_not_ask);
    return finish();
}
