/* Dense leaves (I17): the entry above a leaf says that its entries are one run.  It says so as soon as
 * the leaf is full, and no longer when an entry changes; whoever reads or writes where it says so does
 * not look at the leaf. */
#include "buffer/model.h"

#define LEAF (PB_FANOUT * PB_PAGE_SIZE) /* bytes below a leaf */
#define LEAVES 6

static memory mem;
static pair one, two;

/* One region has room for all, so each leaf can be a run. */
static void
start(void)
{
    memory_init(&mem, PB_UNLIMITED, true);
    memory_grow_by(&mem, 3 * LEAVES * PB_FANOUT + 64);
    pair_init(&one, &mem, PB_MAX_LEVELS);
}

static void
start_full(void)
{
    start();
    pair_scribble(&one, 0, LEAVES * LEAF, 1);
}

static pb_entry *
entry_above(const pb_buf *b, uint64_t page)
{
    pb_step steps[PB_MAX_LEVELS + 1];
    pb_tree_walk(b->pool, &b->root, page, steps);
    unsigned levels = b->root.levels;
    return levels == 2 ? (pb_entry *)&b->root.slot[steps[0].index]
                       : (pb_entry *)steps[levels - 3].address + steps[levels - 2].index;
}

/* What the entry above leaf i of a buffer says. */
static pb_frame
said(const pb_buf *b, unsigned i)
{
    return pb_entry_run(pb_entry_load(entry_above(b, i * PB_FANOUT)));
}

/* Of the leaves of a buffer, those whose bits are set in `leaves` are said to be dense, and others are
 * not. */
static void
check_said(const pair *p, unsigned leaves)
{
    AGREE(&p->b, &p->m);
    for (unsigned i = 0; i < LEAVES; i++) {
        pb_frame want = leaves >> i & 1 ? frame_of_page(&p->b, i * PB_FANOUT) : 0;
        DOING("leaf %u", i);
        CHECK_EQ(said(&p->b, i), want);
    }
}

#define ALL ((1u << LEAVES) - 1)

static void
test_the_words(void)
{
    for (unsigned bit = 0; bit < 31; bit++) {
        for (unsigned other = 0; other < 31; other++) {
            pb_frame frame = (pb_frame)1 << bit, run = (pb_frame)1 << other;
            pb_entry e = pb_entry_with_run(pb_entry_of(frame), run);
            CHECK_EQ(pb_entry_run(e), run);
            CHECK_EQ(pb_entry_frame(e), frame);
            CHECK(!pb_entry_is_huge(e) && pb_entry_same(e, pb_entry_of(frame)));
            CHECK_EQ(pb_entry_with_run(e, 0), pb_entry_of(frame));
        }
    }
    pb_entry most = pb_entry_with_run(pb_entry_of(INT32_MAX), INT32_MAX);
    CHECK_EQ(pb_entry_run(most), INT32_MAX);
    CHECK_EQ(pb_entry_frame(most), INT32_MAX);
}

/* ---- when it is noted ---- */

static void
test_a_full_leaf_is_noted(void)
{
    start_full();
    check_said(&one, ALL);
    pair_end(&one);
}

/* The steps are of many sizes, so the last page of a leaf comes in each way. */
static void
test_by_small_steps(void)
{
    const uint64_t steps[] = {1, PB_PAGE_SIZE - 1, PB_PAGE_SIZE, PB_PAGE_SIZE + 3};
    for (unsigned i = 0; i < 4; i++) {
        NOTE("steps of %" PRIu64, steps[i]);
        uint64_t n = i ? steps[i] : pb_max(1, PB_PAGE_SIZE / 16), from = 0;
        uint8_t *piece = malloc(n);
        memset(piece, (int)i + 1, n);
        start();
        pair_scribble(&one, 0, pb_max(LEAF, 5 * PB_PAGE_SIZE) - 1, 1);
        while (one.b.root.size < LEAVES * LEAF && from++ < 2 * LEAVES * LEAF / n) {
            pair_extend(&one, piece, pb_min(n, LEAVES * LEAF - one.b.root.size));
        }
        free(piece);
        check_said(&one, ALL);
        pair_end(&one);
    }
}

/* Two buffers that grow in turn, page by page, so that neither has two pages side by side. */
static void
start_in_turn(void)
{
    start();
    pair_init(&two, &mem, PB_MAX_LEVELS);
    for (uint64_t page = 0; page < LEAVES * PB_FANOUT; page++) {
        pair_scribble(&one, page << PB_PAGE_SHIFT, PB_PAGE_SIZE, 1);
        pair_scribble(&two, page << PB_PAGE_SHIFT, PB_PAGE_SIZE, 2);
    }
}

static void
stop_two(void)
{
    AGREE(&two.b, &two.m);
    pair_fini(&two);
    pair_end(&one);
}

static void
test_a_leaf_of_several_runs_is_not(void)
{
    start_in_turn();
    check_said(&one, 0);
    check_said(&two, 0);
    stop_two();
}

static void
test_a_gathered_leaf_is_noted(void)
{
    pb_pin_list pins = {0};
    uint8_t *at;
    pb_status st;
    start_in_turn();
    CHECK_OK(pb_buf_open_pins(&one.b, &pins));
    one.m.pins = true;
    GROWING(&mem, st, pb_buf_unite(&one.b, &at));
    CHECK_OK(st);
    CHECK(at != NULL);
    check_said(&one, ALL);
    stop_two();
}

static void
test_debug_pools_note_nothing(void)
{
    memory_init(&mem, PB_UNLIMITED, true);
    pb_pool_set_debug(&mem.pool, 1);
    pair_init(&one, &mem, PB_MAX_LEVELS);
    pair_scribble(&one, 0, LEAVES * LEAF, 1);
    check_said(&one, 0);
    pair_end(&one);
}

/* ---- when that ends ---- */

static void
test_writes_keep_it(void)
{
    start_full();
    for (uint64_t n = 1; n <= 2 * LEAF; n *= 2) {
        for (uint64_t off = 1; off + n < LEAVES * LEAF; off += LEAF - 1) {
            one.b.leaf_r = one.b.leaf_w = NULL;
            pair_scribble(&one, off, n, off + n);
        }
    }
    check_said(&one, ALL);
    pair_end(&one);
}

static void
test_cuts_end_it(void)
{
    start_full();
    pair_punch(&one, LEAF + PB_PAGE_SIZE, PB_PAGE_SIZE);
    check_said(&one, ALL & ~2u);
    pair_punch(&one, 2 * LEAF - 1, 2); /* clears bytes of pages that stay */
    check_said(&one, ALL & ~2u);
    pair_truncate(&one, LEAVES * LEAF - PB_PAGE_SIZE);
    check_said(&one, ALL & ~2u & ~(1u << (LEAVES - 1)));
    pair_end(&one);
}

/* Is all of it compared when this page is gone?  Always on small pages, else beside the ends of leaves
 * and at some places in them. */
static bool
is_compared(uint64_t page)
{
    uint64_t in_leaf = page % PB_FANOUT;
    return PB_FANOUT <= 64 || in_leaf < 3 || in_leaf > PB_FANOUT - 3 || in_leaf % 61 < 2;
}

/* Page by page: the first page of a leaf goes another way than the others. */
static void
test_taking_off_the_front_ends_it(void)
{
    start_full();
    for (uint64_t page = 0; page < 2 * PB_FANOUT; page++) {
        pair_drop_front(&one, PB_PAGE_SIZE);
        if (is_compared(page)) {
            AGREE(&one.b, &one.m);
        }
    }
    pair_end(&one);
}

static void
test_a_copied_leaf_begins_without(void)
{
    start_full();
    pair_share(&two, &one);
    check_said(&one, ALL);
    check_said(&two, ALL);
    pair_scribble(&one, 5, 1, 9);
    check_said(&one, ALL & ~1u);
    check_said(&two, ALL);
    pair_scribble(&two, LEAF, LEAF, 10);
    check_said(&one, ALL & ~1u);
    CHECK_EQ(said(&two.b, 0), frame_of_page(&two.b, 0)); /* the leaf is two's alone now */
    pair_scribble(&two, PB_PAGE_SIZE, 1, 11);            /* but that page is not */
    CHECK(said(&two.b, 0) == 0 || PB_FANOUT == 2);
    check_said(&one, ALL & ~1u);
    AGREE(&two.b, &two.m);
    pair_fini(&two);
    pair_end(&one);
}

static void
test_levels_keep_it(void)
{
    start_full();
    unsigned levels = one.b.root.levels;
    pair_truncate(&one, pb_reach(levels) + 1);
    CHECK_EQ(one.b.root.levels, levels + 1);
    check_said(&one, ALL);
    pair_truncate(&one, LEAVES * LEAF);
    CHECK_EQ(one.b.root.levels, levels);
    check_said(&one, ALL);
    pair_end(&one);
}

/* ---- what it says instead of the leaf ---- */

/* Two entries of a leaf have changed places: reads do not see it, as they do not look; check does. */
static void
test_nobody_looks_at_the_leaf(void)
{
    uint8_t got[2];
    pb_fault fault = {0};
    start_full();
    pb_entry *at = entry_of_page(&one.b, PB_FANOUT), first = at[0];
    at[0] = at[1];
    at[1] = first;
    one.b.leaf_r = one.b.leaf_w = NULL;
    CHECK_OK(pb_buf_copy_out(&one.b, LEAF + PB_PAGE_SIZE - 1, got, 2));
    const uint8_t *found = pb_buf_peek(&one.b, LEAF + PB_PAGE_SIZE - 1, 2);
    CHECK(found != NULL);
    CHECK_BYTES(found, got, 2);
    CHECK(!pb_buf_check(&one.b, &fault));
    CHECK(strstr(fault.why, "I17") != NULL);
    CHECK_EQ(fault.offset, LEAF);
    at[1] = at[0];
    at[0] = first;
    CHECK_BYTES(model_sheet(&one.m, PB_FANOUT)->bytes + PB_PAGE_SIZE - 1, got, 1);
    pair_end(&one);
}

/* A frame that is not in memory is not touched. */
static void
test_the_map_is_asked(void)
{
    uint8_t got = 1;
    pb_fault fault = {0};
    start_full();
    pb_frame frame = frame_of_page(&one.b, PB_FANOUT + 1);
    uint64_t off = LEAF + PB_PAGE_SIZE, bit = (uint64_t)1 << (frame & 63);
    uint64_t *word = (uint64_t *)mem.pool.resident[pb_frame_bits(frame)] + frame / 64;
    CHECK(pb_run_resident(&mem.pool, frame, 1));
    *word ^= bit;
    CHECK(!pb_run_resident(&mem.pool, frame, 1));
    CHECK(!pb_run_resident(&mem.pool, frame - 1, 2));
    CHECK(pb_run_resident(&mem.pool, frame - 1, 1));
    one.b.leaf_r = one.b.leaf_w = NULL;
    CHECK_OK(pb_buf_copy_out(&one.b, off - 1, &got, 1));
    CHECK_BYTES(&got, model_sheet(&one.m, PB_FANOUT)->bytes + PB_PAGE_SIZE - 1, 1);
    uint8_t pair_of[2];
    CHECK_OK(pb_buf_copy_out(&one.b, off - 1, pair_of, 2));
    CHECK(pb_pool_take_fault(&mem.pool, &fault));
    mem.pool.fault.why = NULL;
    CHECK(!pool_is_whole(&mem.pool, &fault));
    CHECK(strstr(fault.why, "resident map") != NULL);
    CHECK_EQ(fault.frame, frame);
    *word ^= bit;
    pair_end(&one);
}

/* ---- the map ---- */

/* Any number may be asked about, and a run ends with its region. */
static void
test_numbers_of_no_region(void)
{
    start_full();
    const pb_region *r = &mem.pool.region[mem.pool.newest];
    pb_frame past = r->first + r->count;
    CHECK(!pb_run_resident(&mem.pool, past - 1, 2));
    CHECK(!pb_run_resident(&mem.pool, past, 1));
    CHECK(!pb_run_resident(&mem.pool, UINT32_MAX, 1));
    CHECK(!pb_run_resident(&mem.pool, PB_ZONE_FIRST, 1));
    CHECK(!pb_run_resident(&mem.pool, r->lo, 1)); /* untouched */
    pair_end(&one);
}

static void
test_frames_come_and_go(void)
{
    memory_init(&mem, PB_UNLIMITED, false);
    memory_grow_by(&mem, 400);
    chance c = chance_of(3);
    pb_frame first[20];
    uint32_t n[20] = {0};
    for (unsigned round = 0; round < 400; round++) {
        unsigned i = (unsigned)below(&c, 20);
        if (n[i]) {
            CHECK(pb_run_resident(&mem.pool, first[i], n[i]));
            unref_frames(&mem.pool, first[i], n[i]);
            CHECK(!pb_run_resident(&mem.pool, first[i], n[i]));
            n[i] = 0;
            continue;
        }
        uint32_t want = 1 + (uint32_t)below(&c, 90);
        if (pb_pool_reserve(&mem.pool, want) == PB_OK) {
            bool zero;
            first[i] = pb_pool_take_run(&mem.pool, 0, want, &n[i], &zero);
            pb_pool_unreserve(&mem.pool, want - n[i]);
            CHECK(pb_run_resident(&mem.pool, first[i], n[i]));
        }
    }
    for (unsigned i = 0; i < 20; i++) {
        unref_frames(&mem.pool, n[i] ? first[i] : 0, n[i]);
    }
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

int
main(void)
{
    RUN(test_the_words);
    RUN(test_a_full_leaf_is_noted);
    RUN(test_by_small_steps);
    RUN(test_a_leaf_of_several_runs_is_not);
    RUN(test_a_gathered_leaf_is_noted);
    RUN(test_debug_pools_note_nothing);
    RUN(test_writes_keep_it);
    RUN(test_cuts_end_it);
    RUN(test_taking_off_the_front_ends_it);
    RUN(test_a_copied_leaf_begins_without);
    RUN(test_levels_keep_it);
    RUN(test_nobody_looks_at_the_leaf);
    RUN(test_the_map_is_asked);
    RUN(test_numbers_of_no_region);
    RUN(test_frames_come_and_go);
    return finish();
}
