/* Buffers grow in turn, and somebody asks for one piece after each step: count what that
 * moves. */
#include "support.h"

#include "buffer/share.h"

#define MOST 8

static memory mem;
static pb_buf bufs[MOST];
static pb_pin_list pins[MOST];
static uint8_t piece[PB_PAGE_SIZE];

static void
start(unsigned n, unsigned debug, uint64_t limit)
{
    memory_init(&mem, limit, true);
    pb_pool_set_debug(&mem.pool, debug);
    for (unsigned i = 0; i < n; i++) {
        pb_buf_init(&bufs[i], &mem.pool, PB_MAX_LEVELS);
        pins[i] = (pb_pin_list){0};
        CHECK_OK(pb_buf_open_pins(&bufs[i], &pins[i]));
    }
}

static void
stop(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        pb_buf_fini(&bufs[i]);
    }
    memory_fini(&mem);
}

static void
grow(pb_buf *b, uint64_t n)
{
    pb_status st;
    GROWING(&mem, st, pb_buf_extend(b, piece, n));
    CHECK_OK(st);
}

/* Unite the pages, and check that they are one run. */
static void
unite(pb_buf *b)
{
    uint8_t *at;
    pb_status st;
    GROWING(&mem, st, pb_buf_unite(b, &at));
    CHECK_OK(st);
    CHECK(at != NULL && at == pb_buf_one_run(b, 0, b->root.size));
}

/* Frames taken by `steps` steps of n buffers. */
static uint64_t
frames_taken(unsigned n, unsigned steps, unsigned debug)
{
    start(n, debug, PB_UNLIMITED);
    for (unsigned step = 0; step < steps; step++) {
        for (unsigned i = 0; i < n; i++) {
            grow(&bufs[i], PB_PAGE_SIZE / 2 + 1);
            unite(&bufs[i]);
        }
    }
    uint64_t taken = pb_pool_taken(&mem.pool);
    stop(n);
    return taken;
}

/* The most frames taken for each page that exists in the end: its own, nodes, and some
 * moves. */
#define PRICE 9

static void
check_price(unsigned n, unsigned steps, unsigned debug)
{
    uint64_t taken = frames_taken(n, steps, debug), pages = n * (steps / 2 + 2);
    NOTE("%u buffers, %u steps, level %u: %u frames for %u pages", n, steps, debug,
         (unsigned)taken, (unsigned)pages);
    CHECK(taken < PRICE * pages);
}

static void
test_pieces_of_buffers_that_grow_in_turn_cost_what_is_new(void)
{
    for (unsigned debug = 0; debug <= 2; debug++) {
        for (unsigned n = 1; n <= MOST; n *= 2) {
            check_price(n, 200, debug);
            check_price(n, 400, debug);
        }
    }
}

/* ---- beside snapshots ---- */

/* As an export does: a piece, and a read snapshot while it lasts.  Pages that are copied. */
static uint64_t
read_as_one(pb_buf *b)
{
    uint8_t *at;
    pb_status st;
    pb_buf snapshot;
    GROWING(&mem, st, pb_buf_unite(b, &at));
    CHECK_OK(st);
    pb_buf_init_internal(&snapshot, &mem.pool);
    CHECK_OK(pb_buf_read_snapshot(&snapshot, b));
    at = at ? at : pb_buf_one_run(&snapshot, 0, snapshot.root.size);
    pb_buf_end_snapshot(&snapshot, b);
    return at ? 0 : b->root.size / PB_PAGE_SIZE + 1;
}

static uint64_t
view_as_one(pb_buf *b)
{
    pb_pin pin = {0};
    uint8_t *at;
    pb_status st;
    GROWING(&mem, st, pb_buf_pin(b, 0, b->root.size, &pin, &at));
    CHECK_OK(st);
    pb_pin_release(&mem.pool, &pin);
    return 0;
}

/* None; one that stays; one that goes; one while each step of growth lasts. */
enum { NEVER, ONCE, ONCE_AND_GONE, BETWEEN, SNAPSHOTS };

/* Pages taken or copied by growth in turn, with snapshots that live so long. */
static uint64_t
cost_beside(int snapshots, unsigned steps, unsigned debug, uint64_t ask(pb_buf *))
{
    pb_buf snapshot[4];
    uint64_t copied = 0;
    start(4, debug, PB_UNLIMITED);
    for (unsigned step = 0; step < steps; step++) {
        for (unsigned i = 0; i < 4; i++) {
            grow(&bufs[i], PB_PAGE_SIZE / 2 + 1);
            if (snapshots == BETWEEN ? step
                                     : snapshots == ONCE_AND_GONE && step == steps / 3) {
                pb_buf_fini(&snapshot[i]);
            }
            copied += ask(&bufs[i]);
            if (snapshots == BETWEEN || (snapshots && step == steps / 4)) {
                pb_buf_init_internal(&snapshot[i], &mem.pool);
                CHECK_OK(pb_buf_share(&snapshot[i], &bufs[i]));
            }
        }
    }
    CHECK_POOL(&mem.pool);
    uint64_t cost = copied + pb_pool_taken(&mem.pool);
    for (unsigned i = 0; (snapshots == ONCE || snapshots == BETWEEN) && i < 4; i++) {
        pb_buf_fini(&snapshot[i]);
    }
    stop(4);
    return cost;
}

static void
check_cost_beside(int snapshots, unsigned debug, uint64_t ask(pb_buf *))
{
    uint64_t cost[2];
    for (unsigned i = 0; i < 2; i++) {
        unsigned steps = 240u << i, pages = 4 * (steps / 2 + 2);
        cost[i] = cost_beside(snapshots, steps, debug, ask);
        /* with a snapshot between, each step copies the nodes on the way to what it changes */
        unsigned nodes = pb_tree_levels_for(steps * (PB_PAGE_SIZE / 2 + 1)) - 1;
        uint64_t paths = snapshots == BETWEEN ? (uint64_t)4 * steps * nodes : 0;
        NOTE("snapshots %d, %s, %u steps, level %u: %u for %u pages", snapshots,
             ask == view_as_one ? "live" : "plain", steps, debug, (unsigned)cost[i], pages);
        CHECK(cost[i] < 2 * PRICE * pages + paths);
    }
    CHECK(2 * cost[1] < 5 * cost[0]);
}

static void
test_snapshots_make_no_sum_of_pieces_quadratic(void)
{
    for (int snapshots = NEVER; snapshots < SNAPSHOTS; snapshots++) {
        for (unsigned debug = 0; debug <= 2; debug++) {
            check_cost_beside(snapshots, debug, read_as_one);
            check_cost_beside(snapshots, debug, view_as_one);
        }
    }
}

static void
test_a_piece_costs_no_limit(void)
{
    start(2, 0, PB_UNLIMITED);
    for (unsigned step = 0; step < 20; step++) {
        grow(&bufs[0], PB_PAGE_SIZE);
        grow(&bufs[1], PB_PAGE_SIZE);
    }
    mem.pool.limit = mem.pool.held;
    uint64_t held = mem.pool.held, high = mem.pool.high_water;
    unite(&bufs[0]);
    unite(&bufs[1]);
    CHECK_EQ(mem.pool.held, held);
    CHECK_EQ(mem.pool.high_water, high);
    CHECK_EQ(mem.pool.moving, 0);
    stop(2);
}

static void
test_a_run_ends_with_its_region(void)
{
    start(1, 0, PB_UNLIMITED);
    memory_grow_by(&mem, PB_REGION0_FRAMES);
    memory_grow_by(&mem, PB_REGION0_FRAMES);
    for (unsigned step = 0; step < PB_REGION0_FRAMES + 20; step++) {
        grow(&bufs[0], PB_PAGE_SIZE);
        unite(&bufs[0]);
    }
    stop(1);
}

static void
test_what_is_remembered_follows_changes(void)
{
    pb_status st;
    start(2, 0, PB_UNLIMITED);
    for (unsigned step = 0; step < 12; step++) {
        grow(&bufs[0], PB_PAGE_SIZE);
        grow(&bufs[1], PB_PAGE_SIZE);
    }
    unite(&bufs[0]);
    CHECK_EQ(pins[0].run_count, 12);
    CHECK_OK(pb_buf_drop_front(&bufs[0], 3 * PB_PAGE_SIZE));
    CHECK_EQ(pins[0].run_count, 9);
    CHECK_OK(pb_buf_truncate(&bufs[0], 8 * PB_PAGE_SIZE));
    CHECK_EQ(pins[0].run_count, 8);
    GROWING(&mem, st, pb_buf_punch(&bufs[0], 5 * PB_PAGE_SIZE, PB_PAGE_SIZE));
    CHECK_OK(st);
    CHECK_EQ(pins[0].run_count, 5);
    uint8_t *at;
    CHECK_OK(pb_buf_unite(&bufs[0], &at));
    CHECK(at == NULL); /* a hole is no piece, and no reason for a page */
    stop(2);
}

static void
test_a_piece_that_somebody_shares_stays_where_it_is(void)
{
    pb_buf snapshot;
    uint8_t *at;
    start(2, 0, PB_UNLIMITED);
    for (unsigned step = 0; step < 6; step++) {
        grow(&bufs[0], PB_PAGE_SIZE);
        grow(&bufs[1], PB_PAGE_SIZE);
    }
    pb_buf_init_internal(&snapshot, &mem.pool);
    CHECK_OK(pb_buf_read_snapshot(&snapshot, &bufs[0]));
    CHECK_OK(pb_buf_unite(&bufs[0], &at));
    CHECK(at == NULL);
    pb_buf_end_snapshot(&snapshot, &bufs[0]);
    unite(&bufs[0]);
    pb_buf_init_internal(&snapshot, &mem.pool);
    CHECK_OK(pb_buf_read_snapshot(&snapshot, &bufs[0]));
    unite(&bufs[0]); /* it is one already */
    pb_buf_end_snapshot(&snapshot, &bufs[0]);
    stop(2);
}

/* Pages that another pool paid for stay on its account, wherever they are moved. */
static void
test_a_move_leaves_each_page_on_its_account(void)
{
    static pb_pool *accounts[PB_MOST_POOLS];
    pb_pool child;
    pb_buf b;
    pb_pin_list list = {0};
    pb_status st;
    start(2, 0, PB_UNLIMITED);
    memset(accounts, 0, sizeof accounts);
    mem.pool.accounts = accounts;
    pb_pool_init(&child, 4);
    CHECK(pb_pool_join(&child, &mem.pool, 1));
    for (unsigned step = 0; step < 6; step++) {
        grow(&bufs[0], PB_PAGE_SIZE);
        grow(&bufs[1], PB_PAGE_SIZE);
    }
    pb_buf_init(&b, &child, PB_MAX_LEVELS);
    GROWING(&mem, st, pb_buf_share(&b, &bufs[0]));
    CHECK_OK(st);
    pb_buf_clear(&bufs[0]);
    CHECK_OK(pb_buf_open_pins(&b, &list));
    uint64_t held = child.held, all = mem.pool.held;
    pb_pin pin;
    uint8_t *at;
    GROWING(&mem, st, pb_buf_pin(&b, 0, b.root.size, &pin, &at));
    CHECK_OK(st);
    CHECK_EQ(child.held, held);
    CHECK_EQ(child.high_water, held);
    CHECK_EQ(mem.pool.held, all);
    CHECK_POOL(&mem.pool);
    pb_pin_release(&child, &pin);
    pb_buf_fini(&b);
    CHECK_EQ(child.held, 0);
    pb_pool_leave(&child);
    stop(2);
}

/* Whoever reserves in the middle of a move finds as much room below the limit as before it. */
static void
test_a_limit_holds_in_the_middle_of_a_move(void)
{
    start(1, 0, PB_UNLIMITED);
    for (unsigned i = 0; i < 4; i++) {
        grow(&bufs[0], PB_PAGE_SIZE);
    }
    pb_pool *pool = &mem.pool;
    pool->limit = pool->held + 1;
    pb_frame old[3];
    for (unsigned i = 0; i < 3; i++) {
        old[i] = pb_tree_frame(pool, &bufs[0].root, i);
    }
    uint64_t left = 3;
    CHECK_OK(pb_pool_reserve_move(pool, 0, 3));
    pb_frame run = pb_pool_take_exact(pool, 3);
    CHECK(run != 0);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_STATUS(pb_pool_reserve(pool, 2), PB_LIMIT);
        CHECK_OK(pb_pool_reserve(pool, 1));
        pb_pool_unreserve(pool, 1);
        pb_leaf leaf;
        pb_tree_own_leaf(pool, &bufs[0].root, i, &leaf);
        pb_tree_set(pb_leaf_at(&leaf, i), pb_entry_of(run + i));
        left -= pb_pool_move_frame(pool, old[i], run + i);
    }
    CHECK_EQ(left, 0);
    CHECK_STATUS(pb_pool_reserve(pool, 2), PB_LIMIT);
    pb_pool_end_move(pool, left);
    CHECK_EQ(pool->moving, 0);
    CHECK_EQ(pool->held, pool->limit - 1);
    CHECK_POOL(pool);
    stop(1);
}

int
main(void)
{
    RUN(test_pieces_of_buffers_that_grow_in_turn_cost_what_is_new);
    RUN(test_snapshots_make_no_sum_of_pieces_quadratic);
    RUN(test_a_piece_costs_no_limit);
    RUN(test_a_run_ends_with_its_region);
    RUN(test_what_is_remembered_follows_changes);
    RUN(test_a_piece_that_somebody_shares_stays_where_it_is);
    RUN(test_a_move_leaves_each_page_on_its_account);
    RUN(test_a_limit_holds_in_the_middle_of_a_move);
    return finish();
}
