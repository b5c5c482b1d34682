/* Copy-on-write at the root: two buffers with the same four entries.  Whatever one does,
 * the other one reads as before (I2), and every count is right (I1). */
#include "buffer/player.h"

static memory mem;
static pair one, two;

/* Several levels, holes, an end and a beginning within a page. */
static void
share_start(uint64_t levels, bool fresh_zero)
{
    memory_init(&mem, PB_UNLIMITED, fresh_zero);
    pair_init(&one, &mem, PB_MAX_LEVELS);
    uint64_t reach = pb_reach((unsigned)levels);
    uint64_t end = levels < 3 ? reach : reach / 4 + 5 * PB_PAGE_SIZE;
    pair_scribble(&one, 0, 6 * PB_PAGE_SIZE - 9, 1);
    pair_scribble(&one, reach / 8, PB_PAGE_SIZE + 2, 2);
    pair_scribble(&one, end - 2 * PB_PAGE_SIZE - 5, 2 * PB_PAGE_SIZE, 3);
    pair_drop_front(&one, PB_PAGE_SIZE + 3);
    pair_share(&two, &one);
}

static void
check_both(void)
{
    AGREE(&one.b, &one.m);
    AGREE(&two.b, &two.m);
}

static void
share_stop(void)
{
    check_both();
    pair_fini(&one);
    AGREE(&two.b, &two.m);
    pb_tree_stats use;
    pb_buf_stats(&two.b, &use);
    CHECK_EQ(use.shared, 0); /* all its own again */
    pair_fini(&two);
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

#define TALLEST 5

static void
test_a_share_costs_nothing(void)
{
    for (unsigned levels = 2; levels <= TALLEST; levels++) {
        memory_init(&mem, PB_UNLIMITED, true);
        pair_init(&one, &mem, PB_MAX_LEVELS);
        pair_scribble(&one, pb_reach(levels) - 8, 8, 1);
        CHECK_EQ(mem.pool.held, levels);
        pair_share(&two, &one);
        CHECK_EQ(mem.pool.held, levels);
        check_both();
        pb_tree_stats use;
        pb_buf_stats(&two.b, &use);
        CHECK_EQ(use.shared,
                 1); /* the entry of the root; the pages below have one reference */
        CHECK_EQ(use.pages, 1);
        share_stop();
    }
}

/* The first write copies the way from the root to the page; the second one nothing. */
static void
test_the_first_write_copies_the_path(void)
{
    for (unsigned levels = 1; levels <= TALLEST; levels++) {
        memory_init(&mem, PB_UNLIMITED, true);
        pair_init(&one, &mem, PB_MAX_LEVELS);
        uint64_t off = pb_reach(levels) - 8;
        pair_scribble(&one, off, 8, 1);
        pair_share(&two, &one);
        pair_scribble(&two, off, 3, 2);
        CHECK_EQ(mem.pool.held, 2 * levels);
        check_both();
        pair_scribble(&two, off + 1, 6, 3);
        pair_scribble(&one, off + 1, 6, 4);
        CHECK_EQ(mem.pool.held, 2 * levels);
        share_stop();
    }
}

static void
both_ways(void (*change)(pair *))
{
    for (unsigned levels = 1; levels <= TALLEST; levels++) {
        for (unsigned way = 0; way < 4; way++) {
            NOTE("levels %u way %u", levels, way);
            share_start(levels, way & 2);
            check_both();
            change(way & 1 ? &one : &two);
            check_both();
            change(way & 1 ? &two : &one);
            share_stop();
        }
    }
}

static void
change_bytes(pair *p)
{
    uint64_t size = p->m.size;
    pair_scribble(p, 0, 1, 10);
    pair_scribble(p, size - 1, 1, 11);
    pair_scribble(p, size / 2, 1, 12);
    pair_scribble(p, PB_PAGE_SIZE - 5, PB_PAGE_SIZE + 10, 13);
    pair_scribble(p, size - 2 * PB_PAGE_SIZE, 2 * PB_PAGE_SIZE - 1, 14);
}

static void
test_write(void)
{
    both_ways(change_bytes);
}

static void
change_end(pair *p)
{
    uint8_t some[PB_PAGE_SIZE + 5];
    memset(some, 0x31, sizeof some);
    pair_extend(p, some, 1);
    pair_extend(p, some, 2);
    pair_extend(p, some, sizeof some);
}

static void
test_extend(void)
{
    both_ways(change_end);
}

static void
cut(pair *p)
{
    uint64_t size = p->m.size;
    pair_truncate(p, size - 1);
    pair_truncate(p, size - PB_PAGE_SIZE);
    pair_truncate(p, size / 2 + 1);
    pair_truncate(p, size + 1);
    pair_truncate(p, 2 * PB_PAGE_SIZE + 1);
    pair_truncate(p, size);
    pair_truncate(p, 3);
}

static void
test_truncate(void)
{
    both_ways(cut);
}

static void
punch_holes(pair *p)
{
    uint64_t size = p->m.size;
    pair_punch(p, 1, 2);
    pair_punch(p, PB_PAGE_SIZE / 2, 2 * PB_PAGE_SIZE);
    pair_punch(p, size - PB_PAGE_SIZE - 1, PB_PAGE_SIZE);
    pair_punch(p, size / 3, size / 3);
    pair_punch(p, 0, size - 1);
    pair_punch(p, 0, size);
}

static void
test_punch(void)
{
    both_ways(punch_holes);
}

static void
take_front(pair *p)
{
    uint64_t size = p->m.size;
    pair_drop_front(p, 1);
    pair_drop_front(p, PB_PAGE_SIZE);
    pair_drop_front(p, size / 2);
    pair_drop_front(p, p->m.size - PB_PAGE_SIZE - 7);
    pair_drop_front(p, PB_PAGE_SIZE);
}

static void
test_drop_front(void)
{
    both_ways(take_front);
}

static void
empty(pair *p)
{
    pair_clear(p);
    CHECK_EQ(p->b.root.shared, 0);
    pair_scribble(p, 0, 5 * PB_PAGE_SIZE, 20);
}

static void
test_clear(void)
{
    both_ways(empty);
}

/* A page that is overwritten whole need not be copied; its neighbours must be. */
static void
test_overwriting_whole_pages(void)
{
    memory_init(&mem, PB_UNLIMITED, false);
    pair_init(&one, &mem, PB_MAX_LEVELS);
    pair_scribble(&one, 0, 4 * PB_PAGE_SIZE, 1);
    pair_share(&two, &one);
    pair_scribble(&two, PB_PAGE_SIZE - 1, 2 * PB_PAGE_SIZE + 2, 2);
    CHECK_EQ(mem.pool.held, 8);
    share_stop();
}

/* Two, three or four trees that share everything, released in every order. */
static void
test_every_order_of_release(void)
{
    static const char orders[24][5] = {"0123", "0132", "0213", "0231", "0312", "0321",
                                       "1023", "1032", "1203", "1230", "1302", "1320",
                                       "2013", "2031", "2103", "2130", "2301", "2310",
                                       "3012", "3021", "3102", "3120", "3201", "3210"};
    for (unsigned i = 0; i < 24; i++) {
        pair p[4];
        NOTE("order %.4s", orders[i]);
        memory_init(&mem, PB_UNLIMITED, false);
        pair_init(&p[0], &mem, PB_MAX_LEVELS);
        pair_scribble(&p[0], 3, 3 * PB_PAGE_SIZE, 1);
        pair_scribble(&p[0], pb_reach(2) - PB_PAGE_SIZE, 2 * PB_PAGE_SIZE, 3);
        pair_share(&p[1], &p[0]);
        pair_scribble(&p[1], 5, 2 * PB_PAGE_SIZE, 2);
        pair_share(&p[2], &p[1]);
        pair_share(&p[3], &p[0]);
        pair_truncate(&p[3], pb_reach(2) / 2 + 1);
        for (unsigned k = 0; k < 4; k++) {
            for (unsigned j = k; j < 4; j++) {
                AGREE(&p[orders[i][j] - '0'].b, &p[orders[i][j] - '0'].m);
            }
            pair_fini(&p[orders[i][k] - '0']);
        }
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
}

/* ---- at random ---- */

static void
play_shared(uint64_t seed, int steps)
{
    enum { PLAYERS = 3 };
    static player y[PLAYERS];
    chance c = chance_of(seed);
    memory_init(&mem, PB_UNLIMITED, seed % 2);
    for (unsigned i = 0; i < PLAYERS; i++) {
        y[i].c = chance_of(1000 * seed + i);
        y[i].sparse = seed % 4 == 3;
        pair_init(&y[i].p, &mem, PB_MAX_LEVELS);
    }
    for (int i = 0; i < steps; i++) {
        NOTE("seed %" PRIu64 " step %d", seed, i);
        unsigned k = (unsigned)below(&c, PLAYERS);
        if (one_in(&c, 8)) {
            unsigned other = (k + 1 + (unsigned)below(&c, PLAYERS - 1)) % PLAYERS;
            pair_fini(&y[other].p);
            pair_share(&y[other].p, &y[k].p);
        }
        step(&y[k]);
        for (unsigned j = 0; j < PLAYERS; j++) {
            AGREE(&y[j].p.b, &y[j].p.m);
        }
    }
    for (unsigned i = 0; i < PLAYERS; i++) {
        pair_fini(&y[i].p);
    }
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

static void
test_random_calls_on_shared_trees(void)
{
    for (uint64_t seed = 0; seed < 16; seed++) {
        play_shared(seed, 150);
    }
}

int
main(void)
{
    RUN(test_a_share_costs_nothing);
    RUN(test_the_first_write_copies_the_path);
    RUN(test_write);
    RUN(test_extend);
    RUN(test_truncate);
    RUN(test_punch);
    RUN(test_drop_front);
    RUN(test_clear);
    RUN(test_overwriting_whole_pages);
    RUN(test_every_order_of_release);
    RUN(test_random_calls_on_shared_trees);
    return finish();
}
