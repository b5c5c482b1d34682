/* Buffers, case by case: sizes and offsets on every edge, old bytes that must not come
 * back, capacity, the life of a FIFO, and what the remembered places are good for. */
#include "buffer/model.h"

static memory mem;
static pair p;

static void
start(bool fresh_zero, unsigned max_levels)
{
    memory_init(&mem, PB_UNLIMITED, fresh_zero);
    pair_init(&p, &mem, max_levels);
}

static void
stop(void)
{
    pair_end(&p);
}

/* ---- shape ---- */

static void
test_an_empty_buffer_has_nothing(void)
{
    start(true, PB_MAX_LEVELS);
    uint64_t from, to;
    CHECK(!pb_buf_next_data(&p.b, 0, &from, &to));
    CHECK_OK(pb_buf_truncate(&p.b, 0));
    CHECK_OK(pb_buf_punch(&p.b, 0, 10));
    CHECK_OK(pb_buf_drop_front(&p.b, 0));
    CHECK(pb_buf_ready(&p.b, 1) == NULL);
    pb_buf_clear(&p.b);
    CHECK_EQ(mem.pool.total, 0); /* no region was asked for */
    pair_promote(&p);
    CHECK_EQ(mem.pool.total, 0);
    AGREE(&p.b, &p.m);
    pair_clear(&p);
    stop();
}

/* No node as long as four pages do; then what a table of tables takes. */
static void
test_no_node_up_to_four_pages(void)
{
    start(true, PB_MAX_LEVELS);
    for (unsigned i = 0; i < 4; i++) {
        pair_scribble(&p, i * PB_PAGE_SIZE, PB_PAGE_SIZE, i);
        CHECK_EQ(mem.pool.nodes, 0);
        CHECK_EQ(mem.pool.held, i + 1);
        CHECK_EQ(p.b.root.levels, 1);
    }
    pair_scribble(&p, 4 * PB_PAGE_SIZE, 1, 5);
    CHECK_EQ(p.b.root.levels, 2);
    CHECK_EQ(mem.pool.held - mem.pool.nodes, 5);
    CHECK_EQ(mem.pool.nodes, (4 + PB_FANOUT) / PB_FANOUT);
    pair_truncate(&p, 4 * PB_PAGE_SIZE);
    CHECK_EQ(p.b.root.levels, 1);
    CHECK_EQ(mem.pool.held, 4);
    stop();
}

/* One byte at the far end of a tall tree takes one frame a level. */
static void
test_holes_cost_nothing(void)
{
    for (unsigned levels = 1; levels <= PB_MAX_LEVELS; levels++) {
        start(true, PB_MAX_LEVELS);
        pair_scribble(&p, pb_reach(levels) - 1, 1, 1);
        CHECK_EQ(mem.pool.held, levels);
        AGREE(&p.b, &p.m);
        pair_truncate(&p, pb_reach(levels) - PB_PAGE_SIZE);
        CHECK_EQ(mem.pool.held, 0);
        CHECK_EQ(p.b.root.levels, levels);
        stop();
    }
}

/* Two bytes over each border there is: of pages, leaves, slots, at every height. */
static void
test_writes_over_every_border(void)
{
    for (unsigned h = 0; h < PB_MAX_LEVELS; h++) {
        start(h % 2, PB_MAX_LEVELS);
        for (unsigned k = 1; k < 8; k++) {
            uint64_t at = k * span_bytes(h);
            if (at < PB_REACH) {
                NOTE("height %u, border %u", h, k);
                pair_scribble(&p, at - 1, 2, k);
                AGREE(&p.b, &p.m);
            }
        }
        for (unsigned k = 1; k < 8 && h < PB_MAX_LEVELS - 1; k++) {
            pair_punch(&p, k * span_bytes(h) - 1, 1);
            AGREE(&p.b, &p.m);
            pair_drop_front(&p, span_bytes(h) - 1);
            AGREE(&p.b, &p.m);
        }
        stop();
    }
}

static void
test_every_small_size_and_place(void)
{
    static const int64_t d[] = {0, 1, -1};
    for (unsigned pages = 0; pages < 6; pages++) {
        for (unsigned i = 0; i < 9; i++) {
            uint64_t off = pages * PB_PAGE_SIZE + (uint64_t)d[i % 3];
            uint64_t n = 2 * PB_PAGE_SIZE + (uint64_t)d[i / 3];
            if (off > 7 * PB_PAGE_SIZE) {
                continue;
            }
            NOTE("%" PRIu64 " +%" PRIu64, off, n);
            start(false, PB_MAX_LEVELS);
            pair_scribble(&p, off, n, 1);
            AGREE(&p.b, &p.m);
            pair_scribble(&p, off + 3, n, 2);
            AGREE(&p.b, &p.m);
            pair_punch(&p, off + 1, n);
            AGREE(&p.b, &p.m);
            pair_truncate(&p, off + 2);
            pair_drop_front(&p, off / 2);
            stop();
        }
    }
}

/* ---- capacity, and numbers that must not wrap (I8) ---- */

static void
test_capacity_of_each_height(void)
{
    for (unsigned levels = 1; levels <= PB_MAX_LEVELS; levels++) {
        start(true, levels);
        uint64_t most = pb_buf_capacity(&p.b);
        NOTE("max_levels %u", levels);
        CHECK_EQ(most, pb_reach(levels));
        pair_scribble(&p, most - 1, 1, 1);
        uint64_t held = mem.pool.held;
        CHECK_STATUS(pb_buf_write(&p.b, most, "x", 1), PB_CAPACITY);
        CHECK_STATUS(pb_buf_write(&p.b, most - 1, "xy", 2), PB_CAPACITY);
        CHECK_STATUS(pb_buf_extend(&p.b, "x", 1), PB_CAPACITY);
        CHECK_STATUS(pb_buf_prepare(&p.b, 0, most + 1), PB_CAPACITY);
        CHECK_STATUS(pb_buf_truncate(&p.b, most + 1), PB_CAPACITY);
        CHECK_OK(pb_buf_truncate(&p.b, most));
        CHECK_EQ(mem.pool.held, held);
        stop();
    }
}

/* The appends that follow bytes taken off the front stop at the capacity too. */
static void
test_capacity_with_a_bias(void)
{
    start(true, 1);
    pair_scribble(&p, 0, 4 * PB_PAGE_SIZE, 1);
    pair_drop_front(&p, 5);
    uint8_t some[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    pair_extend(&p, some, 2);
    AGREE(&p.b, &p.m);
    CHECK_STATUS(pb_buf_extend(&p.b, some, 4), PB_CAPACITY);
    AGREE(&p.b, &p.m);
    pair_extend(&p, some, 3);
    CHECK_EQ(p.b.root.size, pb_buf_capacity(&p.b));
    CHECK_STATUS(pb_buf_extend(&p.b, some, 1), PB_CAPACITY);
    stop();
}

static void
test_offsets_around_the_powers_of_two(void)
{
    start(true, PB_MAX_LEVELS);
    pair_scribble(&p, 0, 3 * PB_PAGE_SIZE, 1);
    pair_drop_front(&p, PB_PAGE_SIZE / 2);
    for (unsigned k = 30; k <= 64; k++) {
        for (int d = -2; d <= 2; d++) {
            uint64_t off = (k < 64 ? (uint64_t)1 << k : 0) + (uint64_t)d;
            if (k == 64 && d >= 0) {
                continue;
            }
            NOTE("2^%u %+d", k, d);
            pair_scribble(&p, off, 1, k);
            pair_scribble(&p, off, 3, k);
            pair_truncate(&p, off);
            pair_punch(&p, off, UINT64_MAX);
            pair_punch(&p, off - 1, 1);
            AGREE(&p.b, &p.m);
            CHECK_EQ(pb_buf_prepare(&p.b, off, UINT64_MAX - 3), PB_CAPACITY);
            pair_truncate(&p, 2 * PB_PAGE_SIZE);
        }
    }
    stop();
}

/* ---- I4: old bytes never come back ---- */

/* A pool whose frames have all been used: full of bytes that nobody may see again. */
static void
start_dirty(void)
{
    start(false, PB_MAX_LEVELS);
    pair_scribble(&p, 0, 40 * PB_PAGE_SIZE, 99);
    pair_clear(&p);
}

static void
test_cut_and_regrown(void)
{
    start_dirty();
    pair_scribble(&p, 0, 3 * PB_PAGE_SIZE, 1);
    pair_truncate(&p, PB_PAGE_SIZE + 7);
    pair_truncate(&p, 3 * PB_PAGE_SIZE);
    AGREE(&p.b, &p.m);
    pair_truncate(&p, 5);
    pair_scribble(&p, PB_PAGE_SIZE - 1, 1, 2);
    AGREE(&p.b, &p.m);
    pair_truncate(&p, 3);
    pair_scribble(&p, 3 * PB_PAGE_SIZE - 1, 1, 3);
    stop();
}

static void
test_written_past_the_end(void)
{
    start_dirty();
    pair_scribble(&p, 5, 1, 1);
    AGREE(&p.b, &p.m);
    pair_scribble(&p, 9, 2, 2); /* in the same page */
    AGREE(&p.b, &p.m);
    pair_scribble(&p, 2 * PB_PAGE_SIZE + 3, 2, 3);
    AGREE(&p.b, &p.m);
    pair_scribble(&p, 5 * PB_PAGE_SIZE - 2, 5, 4);
    stop();
}

static void
test_holes_filled_in_part(void)
{
    start_dirty();
    pair_truncate(&p, 8 * PB_PAGE_SIZE);
    pair_scribble(&p, PB_PAGE_SIZE + 3, 4, 1);
    pair_scribble(&p, 3 * PB_PAGE_SIZE - 1, 2, 2);
    pair_scribble(&p, 5 * PB_PAGE_SIZE + 1, 2 * PB_PAGE_SIZE, 3);
    AGREE(&p.b, &p.m);
    pair_punch(&p, 5 * PB_PAGE_SIZE, 3 * PB_PAGE_SIZE);
    pair_scribble(&p, 6 * PB_PAGE_SIZE + 2, 1, 4);
    stop();
}

static void
test_punched_and_cut_at_every_edge(void)
{
    for (unsigned i = 0; i < 3 * PB_PAGE_SIZE; i += PB_PAGE_SIZE > 64 ? 1021 : 5) {
        start_dirty();
        NOTE("at %u", i);
        pair_scribble(&p, 0, 4 * PB_PAGE_SIZE - 3, 1);
        pair_punch(&p, i, PB_PAGE_SIZE / 2 + 1);
        AGREE(&p.b, &p.m);
        pair_punch(&p, i, 2 * PB_PAGE_SIZE);
        AGREE(&p.b, &p.m);
        pair_truncate(&p, 4 * PB_PAGE_SIZE - 3 - i);
        pair_truncate(&p, 6 * PB_PAGE_SIZE);
        stop();
    }
}

/* ---- the front, and queues ---- */

/* Offsets start at 0 again, and what was left behind has gone back to the pool. */
static void
test_drop_front_gives_pages_back(void)
{
    start(true, PB_MAX_LEVELS);
    uint64_t pages = 10 * PB_FANOUT < 700 ? 10 * PB_FANOUT : 700;
    pair_scribble(&p, 0, pages * PB_PAGE_SIZE, 1);
    for (uint64_t left = pages; left > 1; left -= pages > 300 ? 13 : 1) {
        pair_drop_front(&p, p.m.size - (left - 1) * PB_PAGE_SIZE - 1);
        CHECK_EQ(mem.pool.held - mem.pool.nodes, left);
        if (left < 13) {
            break;
        }
    }
    pair_drop_front(&p, p.m.size);
    CHECK_EQ(mem.pool.held, 0);
    stop();
}

/* A queue that runs for ever: its memory follows what is in flight, and positions never
 * run away. */
static void
test_a_queue_runs_for_ever(void)
{
    for (unsigned chunk = 0; chunk < 3; chunk++) {
        static const uint64_t sizes[] = {7, PB_PAGE_SIZE, 2 * PB_PAGE_SIZE + 1};
        uint64_t n = sizes[chunk], flight = 5 * PB_PAGE_SIZE / n + 1, in = 0, out = 0;
        uint8_t src[2 * PB_PAGE_SIZE + 1], back[sizeof src];
        start(false, PB_MAX_LEVELS);
        for (uint64_t round = 0; round < 6 * PB_FANOUT; round++) {
            for (uint64_t i = 0; i < n; i++) {
                src[i] = (uint8_t)((in + i) % 251);
            }
            pb_status st;
            GROWING(&mem, st, pb_buf_extend(&p.b, src, n));
            CHECK_OK(st);
            in += n;
            if (round < flight) {
                continue;
            }
            pb_buf_copy_out(&p.b, 0, back, n);
            CHECK_OK(pb_buf_drop_front(&p.b, n));
            for (uint64_t i = 0; i < n; i++) {
                CHECK_EQ(back[i], (out + i) % 251);
            }
            out += n;
            CHECK_EQ(p.b.root.size, in - out);
            CHECK(p.b.root.bias < pb_slot_span(p.b.root.levels));
            CHECK(mem.pool.held <= 5 + 4 + 2 * PB_MAX_LEVELS);
            CHECK(p.b.root.levels <= (PB_FANOUT > 2 ? 2 : 4));
        }
        CHECK(mem.pool.high_water <= 5 + 6 + 2 * PB_MAX_LEVELS);
        pair_clear(&p);
        stop();
    }
}

/* After bytes were taken the next ones of the page are ready, but never its last. */
static void
test_ready_at_the_front(void)
{
    start(true, PB_MAX_LEVELS);
    pair_scribble(&p, 0, 2 * PB_PAGE_SIZE + 8, 1);
    pair_drop_front(&p, 1);
    const uint8_t *at = pb_buf_ready(&p.b, PB_PAGE_SIZE - 2);
    CHECK(at && at == pb_buf_peek(&p.b, 0, 1));
    CHECK(pb_buf_ready(&p.b, PB_PAGE_SIZE - 1) == NULL);
    pb_buf_take_ready(&p.b, PB_PAGE_SIZE - 2);
    model_drop_front(&p.m, PB_PAGE_SIZE - 2);
    AGREE(&p.b, &p.m);
    CHECK(pb_buf_ready(&p.b, 1) == NULL);
    pair_drop_front(&p, 1);
    CHECK(pb_buf_ready(&p.b, 1) != NULL);
    pair_drop_front(&p, PB_PAGE_SIZE);
    CHECK_EQ(p.m.size, 8);
    CHECK(pb_buf_ready(&p.b, 7) != NULL);
    CHECK(pb_buf_ready(&p.b, 8) == NULL); /* all of it: then there is nothing left */
    pair_truncate(&p, 3);
    pair_truncate(&p, 8);
    AGREE(&p.b, &p.m);
    stop();
}

/* ---- places that are remembered ---- */

/* Each of these changes what lies behind a remembered place, which is then forgotten. */
static void
disturb(unsigned how)
{
    uint64_t size = p.m.size;
    switch (how) {
    case 0:
        pair_truncate(&p, size - 1);
        break;
    case 1:
        pair_truncate(&p, size + 1);
        break;
    case 2:
        pair_punch(&p, 0, size);
        break;
    case 3:
        pair_punch(&p, size - 1, 1);
        break;
    case 4:
        pair_drop_front(&p, size - 2);
        break;
    case 5:
        pair_drop_front(&p, size);
        break;
    case 6:
        pair_clear(&p);
        break;
    case 7:
        pair_scribble(&p, size + 3, 1, 5);
        break;
    case 8:
        pair_scribble(&p, size + 9 * PB_PAGE_SIZE, 1, 5);
        break;
    case 9:
        pair_scribble(&p, 8 * span_bytes(2), 1, 5);
        break;
    case 10:
        pair_truncate(&p, size / 2);
        break;
    default:
        pair_truncate(&p, 16 * span_bytes(2));
    }
}

static void
test_remembered_places_follow_every_change(void)
{
    for (unsigned how = 0; how < 12; how++) {
        for (unsigned pages = 1; pages < 40; pages += 6) {
            NOTE("change %u, %u pages", how, pages);
            start(false, PB_MAX_LEVELS);
            pair_scribble(&p, 0, pages * PB_PAGE_SIZE - 5, 1);
            pair_drop_front(&p, 2);
            pair_extend(&p, (const uint8_t *)"ab", 2);
            (void)pb_buf_peek(&p.b, p.m.size / 2, 1);
            disturb(how);
            AGREE(&p.b, &p.m);
            pair_extend(&p, (const uint8_t *)"cde", 3);
            AGREE(&p.b, &p.m);
            pair_scribble(&p, p.m.size / 2, 1, 6);
            pair_drop_front(&p, 1);
            const uint8_t *at = pb_buf_ready(&p.b, 1);
            if (at) {
                uint8_t first;
                model_read(&p.m, 0, &first, 1);
                CHECK_EQ(*at, first);
            }
            stop();
        }
    }
}

/* Small appends take no frame and no walk until the page is full. */
static void
test_the_tail_is_remembered(void)
{
    start(true, PB_MAX_LEVELS);
    pair_promote(&p);
    pair_extend(&p, (const uint8_t *)"x", 1);
    mem.pool.limit = 0; /* not even asked */
    pb_entry away = p.b.root.slot[0];
    for (unsigned i = 1; i < PB_PAGE_SIZE; i++) {
        p.b.root.slot[0] = PB_HOLE;
        CHECK_OK(pb_buf_extend(&p.b, "y", 1));
        p.b.root.slot[0] = away;
        model_write(&p.m, i, (const uint8_t *)"y", 1);
    }
    CHECK_STATUS(pb_buf_extend(&p.b, "y", 1), PB_LIMIT);
    mem.pool.limit = PB_UNLIMITED;
    stop();
}

/* Sequential growth lies in one piece, as far as leaf and region go. */
static void
test_sequential_growth_is_contiguous(void)
{
    start(true, PB_MAX_LEVELS);
    for (unsigned i = 0; i < 100; i++) {
        pair_scribble(&p, i * PB_PAGE_SIZE, PB_PAGE_SIZE, i);
    }
    unsigned breaks = 0;
    for (unsigned i = 1; i < 100; i++) {
        const uint8_t *a = pb_buf_peek(&p.b, (i - 1) * PB_PAGE_SIZE, 1);
        const uint8_t *b = pb_buf_peek(&p.b, i * PB_PAGE_SIZE, 1);
        breaks += b != a + PB_PAGE_SIZE;
    }
    CHECK_EQ(breaks, 0);
    stop();
}

/* ---- many on one pool ---- */

static void
test_the_pool_lists_its_buffers(void)
{
    static const char orders[6][4] = {"012", "021", "102", "120", "201", "210"};
    for (unsigned i = 0; i < 6; i++) {
        pb_buf b[3];
        memory_init(&mem, PB_UNLIMITED, true);
        for (unsigned k = 0; k < 3; k++) {
            pb_buf_init(&b[k], &mem.pool, PB_MAX_LEVELS);
            CHECK_OK(pb_buf_promote(&b[k])); /* a tiny one has no tree to be listed */
        }
        for (unsigned k = 0; k < 3; k++) {
            unsigned n = 0;
            for (pb_member *at = mem.pool.members; at; at = at->next) {
                CHECK(at->next == NULL || at->next->prev == at);
                n++;
            }
            CHECK_EQ(n, 3 - k);
            pb_buf_fini(&b[orders[i][k] - '0']);
        }
        CHECK(mem.pool.members == NULL);
        memory_fini(&mem);
    }
}

/* ---- once more ---- */

/* Threads may wait for its lock, and read beside it, while a buffer begins anew. */
static void
test_begun_anew_it_keeps_its_lock(void)
{
    memory other;
    memory_init(&other, PB_UNLIMITED, true);
    start(true, PB_MAX_LEVELS);
    pair_scribble(&p, 3, 5 * PB_PAGE_SIZE, 1);
    p.b.root.lock = 1;
    p.b.root.readers = 2;
    pb_buf_fini(&p.b);
    pb_buf_begin_anew(&p.b, &other.pool, 2);
    CHECK_EQ(p.b.root.lock, 1);
    CHECK_EQ(p.b.root.readers, 2);
    CHECK_EQ(mem.pool.held, 0);
    p.b.root.lock = p.b.root.readers = 0;

    pb_buf fresh;
    pb_buf_init(&fresh, &other.pool, 2);
    CHECK(p.b.pool == fresh.pool);
    CHECK_EQ(p.b.root.max_levels, fresh.root.max_levels);
    CHECK_EQ(p.b.root.levels, fresh.root.levels);
    CHECK_EQ(p.b.root.tail_room, fresh.root.tail_room);
    pb_buf_fini(&fresh);
    memory_grow_by(&other, 8);
    CHECK_OK(pb_buf_write(&p.b, PB_PAGE_SIZE - 1, "ab", 2));
    CHECK(*pb_buf_peek(&p.b, PB_PAGE_SIZE, 1) == 'b');
    pb_buf_fini(&p.b);
    CHECK_EQ(other.pool.held, 0);
    memory_fini(&other);
    pb_buf_init(&p.b, &mem.pool, PB_MAX_LEVELS);
    pair_clear(&p);
    stop();
}

int
main(void)
{
    RUN(test_an_empty_buffer_has_nothing);
    RUN(test_no_node_up_to_four_pages);
    RUN(test_holes_cost_nothing);
    RUN(test_writes_over_every_border);
    RUN(test_every_small_size_and_place);
    RUN(test_capacity_of_each_height);
    RUN(test_capacity_with_a_bias);
    RUN(test_offsets_around_the_powers_of_two);
    RUN(test_cut_and_regrown);
    RUN(test_written_past_the_end);
    RUN(test_holes_filled_in_part);
    RUN(test_punched_and_cut_at_every_edge);
    RUN(test_drop_front_gives_pages_back);
    RUN(test_a_queue_runs_for_ever);
    RUN(test_ready_at_the_front);
    RUN(test_remembered_places_follow_every_change);
    RUN(test_the_tail_is_remembered);
    RUN(test_sequential_growth_is_contiguous);
    RUN(test_the_pool_lists_its_buffers);
    RUN(test_begun_anew_it_keeps_its_lock);
    return finish();
}
