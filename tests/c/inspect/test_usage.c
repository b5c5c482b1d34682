/* Who holds what: shares add up, whoever names a frame and however often. */
#include "inspect/usage.h"
#include "buffer/model.h"
#include "range/splice.h"

static memory mem;
static pb_pool *const root = &mem.pool;
static pb_pool *accounts[PB_MOST_POOLS];
static pb_pool child;

static void
start(void)
{
    memory_init(&mem, PB_UNLIMITED, true);
    memset(accounts, 0, sizeof accounts);
    root->accounts = accounts;
    pb_pool_init(&child, PB_UNLIMITED);
    CHECK(pb_pool_join(&child, root, 1));
    memory_grow(&mem);
}

static void
stop(void)
{
    CHECK_EMPTY(root);
    memory_fini(&mem);
}

/* Make a buffer of `pages` full pages. */
static void
make(pb_buf *b, pb_pool *pool, uint64_t pages)
{
    uint8_t page[PB_PAGE_SIZE];
    memset(page, 1, sizeof page);
    pb_buf_init(b, pool, PB_MAX_LEVELS);
    CHECK_OK(pb_buf_promote(b));
    for (uint64_t i = 0; i < pages; i++) {
        CHECK_OK(pb_buf_write(b, i << PB_PAGE_SHIFT, page, PB_PAGE_SIZE));
    }
}

static void
share(pb_buf *to, pb_buf *from)
{
    pb_buf_init(to, from->pool, PB_MAX_LEVELS);
    CHECK_OK(pb_buf_share(to, from));
}

/* Get the shares of n trees in the frames that a pool took, in this order.  Returns
 * their sum. */
static uint64_t
usage(pb_pool *pool, pb_buf *const *trees, unsigned n, pb_share *shares)
{
    uint64_t sum = 0;
    pb_usage c;
    uint32_t *scratch = calloc(pb_usage_words(pool), sizeof *scratch);
    pb_usage_begin(&c, pool, scratch);
    for (unsigned i = 0; i < n; i++) {
        pb_usage_of(&c, trees[i], &shares[i]);
        sum += shares[i].pss;
    }
    free(scratch);
    return sum;
}

static uint64_t
held_bytes(const pb_pool *pool)
{
    return pool->held << PB_PAGE_SHIFT;
}

static void
test_a_tree_alone_has_all_of_it(void)
{
    start();
    pb_buf a;
    pb_share s;
    make(&a, root, 9);
    CHECK_EQ(usage(root, (pb_buf *[]){&a}, 1, &s), held_bytes(root));
    CHECK_EQ(s.frames, root->held);
    CHECK_EQ(s.nodes, root->nodes);
    CHECK_EQ(s.uss, s.frames);
    pb_buf_fini(&a);
    stop();
}

static void
test_nothing_is_held_by_what_has_no_pages(void)
{
    start();
    pb_buf a;
    pb_share s;
    pb_buf_init(&a, root, 3);
    if (PB_INLINE) {
        CHECK_OK(pb_buf_write(&a, 0, "inline", 6));
    }
    CHECK_EQ(usage(root, (pb_buf *[]){&a}, 1, &s), 0);
    CHECK_EQ(s.frames + s.nodes + s.uss, 0);
    pb_buf_fini(&a);
    stop();
}

/* Three trees of the same pages: a third each, and the first pays what is left over. */
static void
test_the_first_asked_pays_the_remainder(void)
{
    start();
    pb_buf a, b, c;
    pb_share s[3];
    make(&a, root, 4);
    share(&b, &a);
    share(&c, &a);
    CHECK_EQ(root->held, 4);
    CHECK_EQ(usage(root, (pb_buf *[]){&b, &a, &c}, 3, s), held_bytes(root));
    CHECK_EQ(s[1].pss, 4 * (PB_PAGE_SIZE / 3));
    CHECK_EQ(s[2].pss, s[1].pss);
    CHECK_EQ(s[0].pss, 4 * (PB_PAGE_SIZE / 3 + PB_PAGE_SIZE % 3));
    CHECK_EQ(s[0].uss + s[1].uss + s[2].uss, 0);
    CHECK_EQ(s[1].frames, 4);
    pb_buf_fini(&a);
    pb_buf_fini(&b);
    pb_buf_fini(&c);
    stop();
}

/* Pages below a node that two trees share have one reference, and two trees. */
static void
test_pages_below_a_shared_node_are_shared(void)
{
    start();
    pb_buf a, b;
    pb_share s[2];
    make(&a, root, 5); /* five pages take a level of nodes */
    CHECK(a.root.levels > 1);
    share(&b, &a);
    CHECK_OK(pb_buf_write(&b, 0, "x", 1));
    uint64_t changed = b.root.levels; /* a page, and the nodes on the way to it */
    CHECK_EQ(usage(root, (pb_buf *[]){&a, &b}, 2, s), held_bytes(root));
    CHECK_EQ(s[0].uss, changed);
    CHECK_EQ(s[1].uss, changed);
    CHECK_EQ(s[0].frames, s[1].frames);
    CHECK_EQ(s[0].pss + s[1].pss, held_bytes(root));
    CHECK_EQ(s[0].pss, s[1].pss);
    pb_buf_fini(&a);
    CHECK_EQ(usage(root, (pb_buf *[]){&b}, 1, s), held_bytes(root));
    CHECK_EQ(s[0].uss, s[0].frames);
    pb_buf_fini(&b);
    stop();
}

/* A frame that one tree names in two places is one frame of that tree. */
static void
test_a_frame_named_twice_by_one_tree_counts_once(void)
{
    start();
    pb_buf a, b;
    pb_share s[2];
    bool shared = false;
    make(&a, root, 2);
    make(&b, root, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(pb_buf_splice(&b, PB_PAGE_SIZE, 0, &a, 0, PB_PAGE_SIZE, &shared));
        CHECK(shared);
    }
    a.root.shared = 1;
    CHECK_POOL(root);
    CHECK_EQ(root->held, 3);
    CHECK_EQ(usage(root, (pb_buf *[]){&a, &b}, 2, s), held_bytes(root));
    CHECK_EQ(s[0].frames, 2);
    CHECK_EQ(s[0].uss, 1);
    CHECK_EQ(s[1].frames, 2);
    CHECK_EQ(s[1].uss, 1);
    pb_buf_fini(&a);
    CHECK_EQ(usage(root, (pb_buf *[]){&b}, 1, s), held_bytes(root));
    CHECK_EQ(s[0].uss, 2);
    pb_buf_fini(&b);
    stop();
}

/* Frames are divided up for the pool that took them, whosever trees they are in. */
static void
test_a_pool_divides_what_it_took(void)
{
    start();
    pb_buf a, b;
    pb_share s[2];
    make(&a, &child, 4);
    pb_buf_init(&b, root, 3);
    CHECK_OK(pb_buf_share(&b, &a));
    CHECK_OK(pb_buf_write(&b, 0, "x", 1)); /* a page that the root took */
    pb_buf *const both[] = {&a, &b};
    CHECK_EQ(child.held, 4);
    CHECK_EQ(root->held, 5);
    CHECK_EQ(usage(root, both, 2, s), held_bytes(root));
    CHECK_EQ(usage(&child, both, 2, s), held_bytes(&child));
    CHECK_EQ(s[0].uss, 1);
    CHECK_EQ(s[1].pss, 3 * PB_PAGE_SIZE / 2);
    pb_buf_fini(&a);
    CHECK_EQ(child.held, 3);
    CHECK_EQ(usage(&child, both + 1, 1, s), held_bytes(&child));
    pb_buf_fini(&b);
    stop();
}

static void
test_the_owner_of_a_frame(void)
{
    start();
    pb_buf a, b;
    make(&a, root, 20);
    CHECK_OK(pb_buf_drop_front(&a, 3));
    CHECK(pb_owner_of(root, 200, 0).tree == NULL);
    for (uint64_t page = 0; page < 20; page++) {
        pb_leaf leaf;
        uint64_t bias = a.root.bias;
        pb_tree_leaf(root, &a.root, page + (bias >> PB_PAGE_SHIFT), &leaf);
        pb_frame f = pb_entry_frame(
            pb_entry_load(&leaf.entry[page + (bias >> PB_PAGE_SHIFT) - leaf.first]));
        CHECK(pb_owner_of(&child, f, 0).tree == &a);
        uint64_t off = pb_owner_of(&child, f, 0).offset;
        CHECK_EQ(off, page ? (page << PB_PAGE_SHIFT) - 3 : 0);
        CHECK_EQ(pb_owner_of(&child, f, 5).offset, (page << PB_PAGE_SHIFT) + 5 - 3);
        CHECK(!pb_owner_of(&child, f, 5).shared);
        CHECK(pb_buf_stretch(&a, off, 1).at == pb_frame_address(root, f) + (page ? 0 : 3));
    }
    pb_leaf leaf;
    pb_tree_leaf(root, &a.root, 0, &leaf);
    pb_frame first = pb_entry_frame(pb_entry_load(&leaf.entry[0]));
    share(&b, &a); /* the newest tree; one that an object holds is preferred */
    CHECK(pb_owner_of(root, first, 0).tree == &b);
    CHECK(pb_owner_of(root, first, 0).shared); /* by the node above it */
    b.root.frozen = PB_FROZEN_INTERNAL;
    CHECK(pb_owner_of(root, first, 0).tree == &a);
    pb_buf_fini(&a);
    CHECK(pb_owner_of(root, first, 0).tree == &b);
    pb_buf_fini(&b);
    CHECK(pb_owner_of(root, first, 0).tree == NULL);
    stop();
}

/* Trees that were shared, changed, and shared again. */
static void
test_shares_add_up_at_random(void)
{
    enum { TREES = 5 };
    pb_buf t[TREES], *all[TREES];
    pb_share s[TREES];
    chance c = chance_of(3);
    start();
    for (unsigned i = 0; i < TREES; i++) {
        make(all[i] = &t[i], i % 2 ? root : &child, 6 + i);
    }
    for (int round = 0; round < 150; round++) {
        pb_buf *to = all[below(&c, TREES)], *from = all[below(&c, TREES)];
        pb_status st;
        NOTE("round %d", round);
        if (to != from && one_in(&c, 3)) {
            GROWING(&mem, st, pb_buf_restore(to, from));
        }
        else {
            uint64_t off = below(&c, from->root.size + 3 * PB_PAGE_SIZE);
            GROWING(&mem, st, pb_buf_write(from, off, "abc", 3));
        }
        CHECK_OK(st);
        CHECK_EQ(usage(root, all, TREES, s), held_bytes(root));
        CHECK_EQ(usage(&child, all, TREES, s), held_bytes(&child));
        CHECK_POOL(root);
    }
    for (unsigned i = 0; i < TREES; i++) {
        pb_buf_fini(all[i]);
    }
    stop();
}

int
main(void)
{
    RUN(test_a_tree_alone_has_all_of_it);
    RUN(test_nothing_is_held_by_what_has_no_pages);
    RUN(test_the_first_asked_pays_the_remainder);
    RUN(test_pages_below_a_shared_node_are_shared);
    RUN(test_a_frame_named_twice_by_one_tree_counts_once);
    RUN(test_a_pool_divides_what_it_took);
    RUN(test_the_owner_of_a_frame);
    RUN(test_shares_add_up_at_random);
    return finish();
}
