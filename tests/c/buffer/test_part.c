/* Trees that hold a part of a buffer (buffer/part.c): what they show stays, and they hold about as
 * much as somebody wants of them. */
#include "buffer/player.h"

static memory mem;
static pair one;

#define SPAN (24 * PB_PAGE_SIZE)

/* Several levels and holes, the beginning and the end within a page. */
static void
start(uint64_t seed)
{
    chance c = chance_of(seed);
    unsigned levels = 2 + (unsigned)(seed % 3);
    memory_init(&mem, PB_UNLIMITED, seed % 2);
    pb_pool_set_debug(&mem.pool, seed % 5 == 4 ? 2 : seed % 5 == 3);
    pair_init(&one, &mem, PB_MAX_LEVELS);
    uint64_t reach = pb_min(pb_reach(levels), (uint64_t)1 << 30);
    for (unsigned i = 0; i < 6; i++) {
        pair_scribble(&one, below(&c, reach - SPAN), 1 + below(&c, SPAN), i);
    }
    pair_drop_front(&one, below(&c, SPAN));
}

static void
stop(void)
{
    pair_fini(&one);
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

static void
check_tree(const pb_buf *b)
{
    pb_fault fault = {0};
    if (!pb_buf_check(b, &fault)) {
        fail_at(__FILE__, __LINE__, "the part is damaged: %s", fault.why);
    }
    CHECK_POOL(&mem.pool);
}

static void
check_shows(const pb_buf *b, uint64_t at, const uint8_t *want, uint64_t n)
{
    static uint8_t got[SPAN];
    CHECK(at <= b->root.size && n <= b->root.size - at);
    pb_buf_copy_out(b, at, got, n);
    CHECK_BYTES(got, want, n);
}

/* A range with data at its beginning or near it. */
static void
some_range(chance *c, uint64_t *off, uint64_t *n)
{
    uint64_t begin, end;
    *off = below(c, one.b.root.size);
    if (pb_buf_next_data(&one.b, *off, &begin, &end)) {
        *off = begin + below(c, end - begin);
    }
    *n = 1 + below(c, pb_min(SPAN, one.b.root.size - *off));
}

static void
share_part(pb_buf *to, uint64_t off, uint64_t n, uint64_t *at)
{
    pb_status st;
    pb_buf_init_internal(to, &mem.pool);
    GROWING(&mem, st, pb_buf_share_part(to, &one.b, off, n, at));
    CHECK_OK(st);
}

static void
play_parts(uint64_t seed)
{
    static uint8_t want[SPAN];
    chance c = chance_of(seed + 77);
    start(seed);
    for (unsigned i = 0; i < 12; i++) {
        NOTE("seed %" PRIu64 " step %u", seed, i);
        uint64_t off, n, at;
        pb_buf part;
        some_range(&c, &off, &n);
        pb_buf_copy_out(&one.b, off, want, n);
        share_part(&part, off, n, &at);
        check_tree(&part);
        check_shows(&part, at, want, n);
        pair_scribble(&one, off, n, i);
        check_shows(&part, at, want, n);
        AGREE(&one.b, &one.m);
        check_tree(&part);
        pb_buf_fini(&part);
        AGREE(&one.b, &one.m);
    }
    stop();
}

static void
test_a_part_shows_what_was_there(void)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        play_parts(seed);
    }
}

static void
test_a_part_keeps_its_pages_and_not_the_rest(void)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        NOTE("seed %" PRIu64, seed);
        chance c = chance_of(seed);
        start(seed);
        uint64_t off, n, at;
        some_range(&c, &off, &n);
        n = pb_min(n, 3 * PB_PAGE_SIZE);
        pb_buf part;
        share_part(&part, off, n, &at);
        pair_fini(&one);
        CHECK_POOL(&mem.pool);
        CHECK(mem.pool.held <= 8);
        pb_buf_fini(&part);
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
}

static void
test_four_pages_take_no_node(void)
{
    memory_init(&mem, PB_UNLIMITED, true);
    pair_init(&one, &mem, PB_MAX_LEVELS);
    pair_scribble(&one, 0, 40 * PB_PAGE_SIZE, 1);
    mem.pool.limit = mem.pool.held;
    for (uint64_t first = 0; first < 36; first++) {
        pb_buf part;
        uint64_t at;
        share_part(&part, first * PB_PAGE_SIZE, 4 * PB_PAGE_SIZE, &at);
        CHECK_EQ(part.root.levels, 1);
        pb_buf_fini(&part);
    }
    mem.pool.limit = PB_UNLIMITED;
    stop();
}

static void
test_a_part_without_frames_changes_nothing(void)
{
    memory_init(&mem, PB_UNLIMITED, true);
    pair_init(&one, &mem, PB_MAX_LEVELS);
    pair_scribble(&one, 0, 40 * PB_PAGE_SIZE + 7, 1);
    uint64_t held = mem.pool.held, at;
    mem.pool.limit = held;
    pb_buf part;
    pb_buf_init_internal(&part, &mem.pool);
    CHECK_STATUS(pb_buf_share_part(&part, &one.b, PB_PAGE_SIZE, 6 * PB_PAGE_SIZE, &at),
                 PB_LIMIT);
    CHECK_EQ(part.root.size, 0);
    CHECK_EQ(one.b.root.shared, 0);
    pb_buf_fini(&part);
    CHECK_EQ(mem.pool.held, held);
    AGREE(&one.b, &one.m);
    mem.pool.limit = PB_UNLIMITED;
    stop();
}

/* A page under a live view is copied for the part (I11); one elsewhere is not. */
static void
test_a_part_copies_what_a_live_view_shows_of_it(void)
{
    static pb_pin_list pins;
    pb_pin pin = {0};
    uint8_t *address;
    pb_status st;
    memory_init(&mem, PB_UNLIMITED, true);
    pair_init(&one, &mem, PB_MAX_LEVELS);
    pins = (pb_pin_list){0};
    pair_scribble(&one, 0, 40 * PB_PAGE_SIZE, 1);
    CHECK_OK(pb_buf_open_pins(&one.b, &pins));
    GROWING(&mem, st,
            pb_buf_pin(&one.b, 3 * PB_PAGE_SIZE, 2 * PB_PAGE_SIZE, &pin, &address));
    CHECK_OK(st);
    for (uint64_t first = 0; first < 8; first++) {
        uint64_t held = mem.pool.held, at;
        pb_buf part;
        share_part(&part, first * PB_PAGE_SIZE, 2 * PB_PAGE_SIZE, &at);
        uint64_t inside = (first == 3) + (first >= 2 && first <= 4);
        CHECK_EQ(mem.pool.held - held, inside);
        check_tree(&part);
        check_tree(&one.b);
        pb_buf_fini(&part);
    }
    pb_pin_release(&mem.pool, &pin);
    stop();
}

/* ---- parts that go one by one ---- */

#define MOST 64

/* Parts of one tree, and what they show. */
static struct {
    pb_parts parts;
    pb_part part[MOST];
    uint8_t *address[MOST];
    uint64_t n[MOST];
    unsigned count;
} shown;

static void
show_all(pb_buf *tree, uint64_t at, uint64_t n)
{
    memset(&shown, 0, sizeof shown);
    while (n && shown.count < MOST) {
        pb_stretch s = pb_buf_stretch(tree, at, n);
        if (s.at) {
            unsigned i = shown.count++;
            pb_parts_add(&shown.parts, tree, &shown.part[i], at, s.n);
            shown.address[i] = s.at;
            shown.n[i] = s.n;
        }
        at += s.n;
        n -= s.n;
    }
    if (shown.count) {
        pb_parts_complete(&shown.parts, tree, n == 0);
    }
}

/* Every byte of the parts must be in frames that are held; ASan would not see it otherwise. */
static uint64_t
sum_of(unsigned i)
{
    uint64_t sum = 0;
    for (uint64_t k = 0; k < shown.n[i]; k++) {
        sum = sum * 31 + shown.address[i][k];
    }
    return sum;
}

static uint64_t
tree_pages(const pb_buf *b)
{
    pb_tree_stats use;
    pb_buf_stats(b, &use);
    return use.pages;
}

static void
play_list(uint64_t seed)
{
    chance c = chance_of(seed + 5);
    start(seed);
    pb_buf tree;
    uint64_t at, size = one.b.root.size;
    share_part(&tree, 0, size, &at);
    show_all(&tree, at, size);
    bool gone[MOST] = {false};
    uint64_t sum[MOST];
    unsigned order[MOST], all = shown.count;
    for (unsigned i = 0; i < all; i++) {
        sum[i] = sum_of(i);
        order[i] = i;
    }
    bool alone = one_in(&c, 2);
    if (alone) {
        pair_fini(&one);
    }
    for (unsigned left = all; left; left--) {
        NOTE("seed %" PRIu64 " left %u of %u", seed, left, all);
        unsigned k = seed % 4 ? (unsigned)below(&c, left) : left - 1, i = order[k];
        order[k] = order[left - 1];
        pb_parts_remove(&shown.parts, &tree, &shown.part[i]);
        gone[i] = true;
        check_tree(&tree);
        for (unsigned j = 0; j < all; j++) {
            CHECK(gone[j] || sum_of(j) == sum[j]);
        }
        if (alone && left > 1) {
            CHECK(tree_pages(&tree) <= 2 * shown.parts.pages);
        }
    }
    pb_buf_fini(&tree);
    if (alone) {
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
    else {
        AGREE(&one.b, &one.m);
        stop();
    }
}

static void
test_what_nobody_wants_is_given_up(void)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        play_list(seed);
    }
}

int
main(void)
{
    RUN(test_a_part_shows_what_was_there);
    RUN(test_a_part_keeps_its_pages_and_not_the_rest);
    RUN(test_four_pages_take_no_node);
    RUN(test_a_part_without_frames_changes_nothing);
    RUN(test_a_part_copies_what_a_live_view_shows_of_it);
    RUN(test_what_nobody_wants_is_given_up);
    return finish();
}
