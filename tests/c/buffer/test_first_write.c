/* The first write to a page since it was shared, on a path that this tree has made its own before: it takes
 * one frame, no node is copied, and hints know of it. */
#include "buffer/model.h"

#define LEAF (PB_FANOUT * PB_PAGE_SIZE) /* bytes below a leaf */
#define AT(page) ((uint64_t)(page) * PB_PAGE_SIZE)

static memory mem;
static pair one, two;

/* Two trees that share all pages of three leaves but page 1; `two` owns the path to the first leaf. */
static void
start(uint64_t limit)
{
    memory_init(&mem, limit, true);
    memory_grow_by(&mem, 16 * PB_FANOUT + 64);
    pair_init(&one, &mem, PB_MAX_LEVELS);
    pair_scribble(&one, 0, 3 * LEAF, 1);
    pair_share(&two, &one);
    pair_scribble(&two, AT(1), 3, 2);
}

static void
agree_both(void)
{
    AGREE(&one.b, &one.m);
    AGREE(&two.b, &two.m);
    CHECK_POOL(&mem.pool);
}

static void
end(void)
{
    pair_fini(&one);
    pair_end(&two);
}

static pb_frame
frame_at(const pair *p, uint64_t page)
{
    return pb_entry_frame(pb_tree_entry(&mem.pool, &p->b.root, page, 0));
}

static void
test_it_takes_one_frame_and_keeps_the_leaf(void)
{
    start(PB_UNLIMITED);
    pb_entry leaf = pb_tree_entry(&mem.pool, &two.b.root, 0, 1);
    for (uint64_t page = 2; page < PB_FANOUT; page++) {
        NOTE("page %" PRIu64, page);
        uint64_t held = mem.pool.held, nodes = mem.pool.nodes;
        pb_frame old = frame_at(&two, page);
        pair_scribble(&two, AT(page) + page % PB_PAGE_SIZE, 1, page);
        CHECK_EQ(mem.pool.held, held + 1);
        CHECK_EQ(mem.pool.nodes, nodes);
        CHECK_EQ(mem.pool.reserved, 0);
        CHECK_EQ(frame_at(&one, page), old);
        CHECK(frame_at(&two, page) != old);
        CHECK_EQ(pb_frame_count(&mem.pool, old), 1);
        pair_scribble(&two, AT(page), 2, page + 1); /* again: its own page */
        CHECK_EQ(mem.pool.held, held + 1);
    }
    CHECK_EQ(pb_entry_frame(pb_tree_entry(&mem.pool, &two.b.root, 0, 1)),
             pb_entry_frame(leaf));
    agree_both();
    end();
}

/* The tree that made the leaf owns it again once the others have theirs, and the entry above it still says
 * that it is dense (I17). */
static void
test_a_dense_leaf_is_dense_no_longer(void)
{
    start(PB_UNLIMITED);
    pb_frame run = pb_entry_run(pb_tree_entry(&mem.pool, &one.b.root, 0, 1));
    CHECK_EQ(run, frame_at(&one, 0));
    pair_scribble(&one, AT(1), 1, 3); /* only its own: nothing changes */
    CHECK_EQ(pb_entry_run(pb_tree_entry(&mem.pool, &one.b.root, 0, 1)), run);
    agree_both();
    pair_scribble(&one, AT(0), 1, 4);
    CHECK_EQ(pb_entry_run(pb_tree_entry(&mem.pool, &one.b.root, 0, 1)), 0);
    agree_both();
    end();
}

/* Where the first byte lies, and where the next one goes. */
static void
test_the_ends_are_known_anew(void)
{
    start(PB_UNLIMITED);
    pair_scribble(&two, 3 * LEAF - 1, 1, 5);
    pair_scribble(&one, 3 * LEAF - AT(1), 2, 6);
    for (uint64_t taken = 0; taken < 40; taken++) {
        NOTE("%" PRIu64 " taken", taken);
        pair_drop_front(&two, 1);
        pair_scribble(&two, 0, 1, taken); /* mostly again; a first write with each page */
        pair_scribble(&two, AT(2), 1, taken);
        pair_scribble(&two, two.m.size, 1, taken);
        AGREE(&two.b, &two.m);
    }
    agree_both();
    end();
}

/* I3: no frame, nothing changed. */
static void
test_short_of_frames(void)
{
    start(PB_UNLIMITED);
    uint8_t byte = 7;
    mem.pool.limit = mem.pool.held;
    CHECK_STATUS(pb_buf_write(&two.b, AT(3), &byte, 1), PB_LIMIT);
    agree_both();
    mem.pool.limit = PB_UNLIMITED;
    uint64_t left = mem.pool.listed + mem.pool.untouched;
    CHECK_OK(pb_pool_reserve(&mem.pool, left));
    CHECK_STATUS(pb_buf_write(&two.b, AT(3), &byte, 1), PB_NEED_PAGES);
    pb_pool_unreserve(&mem.pool, left);
    agree_both();
    pair_write(&two, AT(3), &byte, 1);
    agree_both();
    end();
}

/* A damaged entry is not followed. */
static void
test_an_entry_that_names_no_frame(void)
{
    start(PB_UNLIMITED);
    uint8_t byte = 7;
    pb_leaf leaf;
    pb_tree_leaf(&mem.pool, &two.b.root, 4, &leaf);
    pb_entry *at = pb_leaf_at(&leaf, 4), good = pb_entry_load(at);
    pb_tree_set(at, pb_entry_of(INT32_MAX - 5));
    CHECK_STATUS(pb_buf_write(&two.b, AT(4), &byte, 1), PB_CORRUPT);
    pb_tree_set(at, good);
    pb_fault fault;
    CHECK(pb_pool_take_fault(&mem.pool, &fault));
    mem.pool.fault = (pb_fault){0};
    AGREE(&two.b, &two.m);
    end();
}

/* Several trees, writes anywhere: each keeps its own bytes. */
static void
test_many_trees(void)
{
    static pair trees[4];
    memory_init(&mem, PB_UNLIMITED, true);
    pair_init(&trees[0], &mem, PB_MAX_LEVELS);
    pair_scribble(&trees[0], 5, 3 * LEAF, 1);
    for (int i = 1; i < 4; i++) {
        pair_share(&trees[i], &trees[i - 1]);
    }
    chance c = chance_of(11);
    for (int step = 0; step < 300; step++) {
        pair *p = &trees[below(&c, 4)];
        NOTE("step %d", step);
        if (one_in(&c, 20)) {
            pair *from = &trees[below(&c, 4)];
            if (from != p) {
                pair_fini(p);
                pair_share(p, from);
            }
        }
        uint64_t n = 1 + below(&c, one_in(&c, 8) ? 3 * PB_PAGE_SIZE : PB_PAGE_SIZE);
        pair_scribble(p, below(&c, 3 * LEAF), n, (uint64_t)step);
    }
    for (int i = 0; i < 4; i++) {
        AGREE(&trees[i].b, &trees[i].m);
    }
    CHECK_POOL(&mem.pool);
    for (int i = 1; i < 4; i++) {
        pair_fini(&trees[i]);
    }
    pair_end(&trees[0]);
}

int
main(void)
{
    RUN(test_it_takes_one_frame_and_keeps_the_leaf);
    RUN(test_a_dense_leaf_is_dense_no_longer);
    RUN(test_the_ends_are_known_anew);
    RUN(test_short_of_frames);
    RUN(test_an_entry_that_names_no_frame);
    RUN(test_many_trees);
    return finish();
}
