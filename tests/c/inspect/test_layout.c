/* The data of the pictures: the states of all frames beside states set by hand, and the
 * runs of a tree beside its page walks. */
#include "support.h"
#include "inspect/layout.h"
#include "buffer/share.h"

static memory mem;
static uint8_t *state;
static size_t numbers;

static void
layout(void)
{
    free(state);
    numbers = pb_layout_frames(&mem.pool);
    state = malloc(numbers + 1);
    pb_layout_pool(&mem.pool, state, numbers);
}

static void
stop(void)
{
    free(state);
    state = NULL;
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

/* How many frames are in a state. */
static uint64_t
counted(pb_state wanted)
{
    uint64_t n = 0;
    for (size_t f = 0; f < numbers; f++) {
        n += state[f] == wanted;
    }
    return n;
}

/* ---- frames ---- */

static void
test_regions_in_the_order_of_their_numbers(void)
{
    pb_frame first;
    uint32_t count;
    uint64_t total = 0;
    memory_init(&mem, PB_UNLIMITED, false);
    CHECK_EQ(pb_layout_frames(&mem.pool), 0);
    CHECK(!pb_layout_region(&mem.pool, 0, &first, &count));
    memory_grow_by(&mem, 100);
    memory_grow_by(&mem, 3 * PB_REGION0_FRAMES); /* skips numbers */
    memory_grow(&mem);
    for (size_t at = 0; pb_layout_region(&mem.pool, at, &first, &count);
         at = (size_t)first + count) {
        CHECK(first >= at && first > 0);
        CHECK(pb_frame_valid(&mem.pool, first));
        CHECK(pb_frame_valid(&mem.pool, first + count - 1));
        total += count;
    }
    CHECK_EQ(total, mem.pool.total);
    layout();
    CHECK_EQ(counted(PB_STATE_UNUSED), numbers);
    stop();
}

static void
test_every_state_set_by_hand(void)
{
    pb_frame data[6], node;
    bool zero;
    memory_init(&mem, PB_UNLIMITED, false);
    for (unsigned i = 0; i < 6; i++) {
        data[i] = take_data(&mem, i ? data[i - 1] : 0);
    }
    memory_reserve(&mem, 1);
    node = pb_pool_take_node(&mem.pool, &zero);
    memset(pb_frame_address(&mem.pool, node), 0, PB_PAGE_SIZE);
    pb_frame_ref(&mem.pool, data[1]);
    pb_frame_pin(&mem.pool, data[2]);
    pb_frame_unref(&mem.pool, data[2]);
    pb_frame_unref(&mem.pool, data[3]);
    pb_frame_unref(&mem.pool, data[4]);
    pb_frame_row(&mem.pool, data[4])->free.cold = 1; /* as trim() would leave it */
    layout();
    pb_frame_row(&mem.pool, data[4])->free.cold = 0;
    const pb_state want[] = {PB_STATE_DATA, PB_STATE_SHARED_DATA, PB_STATE_DETACHED,
                             PB_STATE_FREE, PB_STATE_GIVEN_BACK,  PB_STATE_DATA};
    for (unsigned i = 0; i < 6; i++) {
        NOTE("frame %u", i);
        CHECK_EQ(state[data[i]], want[i]);
    }
    CHECK_EQ(state[node], PB_STATE_NODE);
    CHECK_EQ(state[0], PB_STATE_UNUSED);
    CHECK_EQ(state[data[5] + 1], PB_STATE_UNUSED);
    pb_frame_ref(&mem.pool, node);
    layout();
    CHECK_EQ(state[node], PB_STATE_SHARED_NODE);
    pb_frame_unref(&mem.pool, node);
    pb_frame_unref(&mem.pool, node);
    pb_frame_unref(&mem.pool, data[1]);
    pb_frame_unref(&mem.pool, data[1]);
    pb_frame_unpin(&mem.pool, data[2]);
    pb_frame_unref(&mem.pool, data[0]);
    pb_frame_unref(&mem.pool, data[5]);
    stop();
}

static void
test_every_state_has_a_name(void)
{
    for (int i = 0; i < PB_STATES; i++) {
        CHECK(pb_state_name((pb_state)i) != NULL);
        for (int j = 0; j < i; j++) {
            CHECK(strcmp(pb_state_name((pb_state)i), pb_state_name((pb_state)j)) != 0);
        }
    }
}

/* ---- trees ---- */

static void
write_pages(pb_buf *b, uint64_t page, uint64_t n)
{
    pb_status st;
    uint8_t *bytes = malloc(n * PB_PAGE_SIZE);
    memset(bytes, 1, n * PB_PAGE_SIZE);
    GROWING(&mem, st, pb_buf_write(b, page * PB_PAGE_SIZE, bytes, n * PB_PAGE_SIZE));
    free(bytes);
    CHECK_OK(st);
}

static void
share(pb_buf *to, pb_buf *from)
{
    pb_status st;
    pb_buf_init(to, &mem.pool, PB_MAX_LEVELS);
    GROWING(&mem, st, pb_buf_share(to, from));
    CHECK_OK(st);
}

/* The state of the entry that the walk to a page takes at a level; PB_STATES: a hole. */
static int
walked(const pb_buf *b, uint64_t page, unsigned level)
{
    pb_step steps[PB_MAX_LEVELS + 1];
    uint64_t at = (b->root.bias >> PB_PAGE_SHIFT) + page;
    unsigned n = pb_tree_walk(&mem.pool, &b->root, at, steps);
    return level <= n && steps[level - 1].frame ? state[steps[level - 1].frame] : PB_STATES;
}

/* The runs of a level agree with the walks, come in order, and could not be longer. */
static void
check_level(const pb_buf *b, pb_layout *c, pb_layout_run *run, unsigned level,
            uint64_t pages)
{
    int before = PB_STATES;
    for (uint64_t page = 0; page < pages; page++) {
        NOTE("level %u page %" PRIu64, level, page);
        bool inside = run->level == level && page >= run->first && page < run->past;
        int want = walked(b, page, level);
        CHECK_EQ(inside ? (int)run->state : PB_STATES, want);
        if (inside && page == run->first) {
            CHECK(before != want);
        }
        if (inside && page + 1 == run->past && !pb_layout_next(c, run)) {
            *run = (pb_layout_run){0};
        }
        before = want;
    }
}

static void
check_runs(const pb_buf *b)
{
    pb_layout c;
    pb_layout_run run = {0};
    uint64_t head = b->root.bias & PB_PAGE_MASK;
    uint64_t pages = (head + b->root.size + PB_PAGE_MASK) >> PB_PAGE_SHIFT;
    layout();
    pb_layout_open(&c, b);
    (void)pb_layout_next(&c, &run);
    for (unsigned level = 1; level <= b->root.levels; level++) {
        check_level(b, &c, &run, level, pages);
    }
    CHECK_EQ(run.level, 0); /* none is left */
}

static void
test_no_pages_no_runs(void)
{
    pb_buf b;
    pb_layout c;
    pb_layout_run run;
    memory_init(&mem, PB_UNLIMITED, true);
    pb_buf_init(&b, &mem.pool, PB_MAX_LEVELS);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t sizes[] = {PB_INLINE, 0, pb_reach(4) - 7};
        pb_status st;
        GROWING(&mem, st, pb_buf_truncate(&b, sizes[i]));
        CHECK_OK(st);
        pb_layout_open(&c, &b);
        CHECK(!pb_layout_next(&c, &run));
        CHECK(!pb_layout_next(&c, &run));
    }
    pb_buf_fini(&b);
    stop();
}

static void
test_a_dense_tree_is_one_run_a_level(void)
{
    pb_buf b;
    pb_layout c;
    pb_layout_run run;
    uint64_t pages = 4 * PB_FANOUT + 1;
    memory_init(&mem, PB_UNLIMITED, true);
    pb_buf_init(&b, &mem.pool, PB_MAX_LEVELS);
    write_pages(&b, 0, pages);
    pb_layout_open(&c, &b);
    for (unsigned level = 1; level <= b.root.levels; level++) {
        CHECK(pb_layout_next(&c, &run));
        CHECK_EQ(run.level, level);
        CHECK_EQ(run.first, 0);
        CHECK_EQ(run.past, pages);
        CHECK_EQ(run.state, level < b.root.levels ? PB_STATE_NODE : PB_STATE_DATA);
    }
    CHECK(!pb_layout_next(&c, &run));
    pb_buf_fini(&b);
    stop();
}

/* Holes, a bias within a page, shared subtrees, and pages written after sharing. */
static void
test_runs_are_what_walks_say(void)
{
    pb_buf one, two;
    memory_init(&mem, PB_UNLIMITED, false);
    pb_buf_init(&one, &mem.pool, PB_MAX_LEVELS);
    write_pages(&one, 1, 3);
    write_pages(&one, 4 * PB_FANOUT - 1, 5);
    check_runs(&one);
    CHECK_EQ(counted(PB_STATE_SHARED_DATA), 0);
    CHECK_OK(pb_buf_drop_front(&one, PB_PAGE_SIZE + 3));
    check_runs(&one);
    share(&two, &one);
    check_runs(&one);
    CHECK_EQ(counted(PB_STATE_SHARED_DATA) + counted(PB_STATE_SHARED_NODE), mem.pool.held);
    write_pages(&two, 4 * PB_FANOUT - 1, 1);
    check_runs(&one);
    CHECK(counted(PB_STATE_SHARED_DATA) && counted(PB_STATE_DATA) >= 1);
    check_runs(&two);
    pb_buf_fini(&one);
    check_runs(&two);
    CHECK_EQ(counted(PB_STATE_SHARED_DATA) + counted(PB_STATE_SHARED_NODE), 0);
    pb_buf_fini(&two);
    stop();
}

/* A page that a shared node names is shared, though its own count is 1 (as when the root
 * is all that was copied). */
static void
test_below_a_shared_node_all_is_shared(void)
{
    for (unsigned levels = 2; levels <= 5; levels++) {
        pb_buf one, two;
        NOTE("levels %u", levels);
        memory_init(&mem, PB_UNLIMITED, true);
        pb_buf_init(&one, &mem.pool, PB_MAX_LEVELS);
        write_pages(&one, (pb_reach(levels) >> PB_PAGE_SHIFT) - 1, 1);
        share(&two, &one);
        layout();
        CHECK_EQ(counted(PB_STATE_SHARED_NODE), levels - 1);
        CHECK_EQ(counted(PB_STATE_SHARED_DATA), 1);
        CHECK_EQ(counted(PB_STATE_NODE) + counted(PB_STATE_DATA), 0);
        pb_buf_fini(&one);
        pb_buf_fini(&two);
        stop();
    }
}

/* Pages under a live view, two views that overlap, and those that the buffer cut off. */
static void
test_pinned_and_detached(void)
{
    pb_buf b;
    pb_pin_list pins = {0};
    pb_pin pin, other;
    pb_status st;
    uint8_t *at;
    memory_init(&mem, PB_UNLIMITED, false);
    pb_buf_init(&b, &mem.pool, PB_MAX_LEVELS);
    CHECK_OK(pb_buf_open_pins(&b, &pins));
    write_pages(&b, 0, 12);
    GROWING(&mem, st, pb_buf_pin(&b, 2 * PB_PAGE_SIZE, 5 * PB_PAGE_SIZE, &pin, &at));
    CHECK_OK(st);
    CHECK_OK(pb_buf_pin(&b, 4 * PB_PAGE_SIZE, PB_PAGE_SIZE, &other, &at));
    check_runs(&b);
    CHECK_EQ(counted(PB_STATE_PINNED), 5);
    CHECK_EQ(walked(&b, 1, b.root.levels), PB_STATE_DATA);
    CHECK_EQ(walked(&b, 2, b.root.levels), PB_STATE_PINNED);
    CHECK_EQ(walked(&b, 7, b.root.levels), PB_STATE_DATA);
    CHECK_OK(pb_buf_truncate(&b, 3 * PB_PAGE_SIZE));
    check_runs(&b);
    CHECK_EQ(counted(PB_STATE_PINNED), 1);
    CHECK_EQ(counted(PB_STATE_DETACHED), 4);
    pb_pin_release(&mem.pool, &pin);
    layout();
    CHECK_EQ(counted(PB_STATE_PINNED), 0);
    CHECK_EQ(counted(PB_STATE_DETACHED), 1);
    pb_pin_release(&mem.pool, &other);
    pb_buf_fini(&b);
    stop();
}

int
main(void)
{
    RUN(test_regions_in_the_order_of_their_numbers);
    RUN(test_every_state_set_by_hand);
    RUN(test_every_state_has_a_name);
    RUN(test_no_pages_no_runs);
    RUN(test_a_dense_tree_is_one_run_a_level);
    RUN(test_runs_are_what_walks_say);
    RUN(test_below_a_shared_node_all_is_shared);
    RUN(test_pinned_and_detached);
    return finish();
}
