/* The validators themselves (I10): each test plants damage, checks that they name the
 * broken rule, the frame and the place, and takes the damage out again. */
#include "buffer/model.h"

static memory mem;
static pb_pool *const pool = &mem.pool;
static pair p;
static pb_buf *const b = &p.b;

/* Two full leaves and some, a hole, an end and a beginning within a page; some frames are
 * free. */
static void
start(void)
{
    memory_init(&mem, PB_UNLIMITED, true);
    pair_init(&p, &mem, 3);
    pair_scribble(&p, 0, pb_reach(2) < 40 * PB_PAGE_SIZE ? pb_reach(2) : 20 * PB_PAGE_SIZE,
                  1);
    pair_scribble(&p, pb_reach(2) + PB_PAGE_SIZE, 2 * PB_PAGE_SIZE - 7, 2);
    pair_punch(&p, 2 * PB_PAGE_SIZE, 3 * PB_PAGE_SIZE);
    pair_drop_front(&p, 3);
    CHECK_EQ(p.b.root.levels, 3);
    AGREE(&p.b, &p.m);
}

static void
stop(void)
{
    pair_end(&p);
}

/* The buffer's check says so, and the pool's check says the same. */
static void
check_named(const char *words, pb_frame frame, uint64_t off)
{
    pb_fault fault = {0}, again = {0};
    DOING("planted: %s", words);
    CHECK(!pb_buf_check(b, &fault));
    CHECK(fault.why != NULL);
    if (strstr(fault.why, words) == NULL) {
        fail_at(__FILE__, __LINE__, "named instead: %s", fault.why);
    }
    CHECK(fault.owner == &b->member);
    CHECK_EQ(fault.frame, frame);
    CHECK_EQ(fault.offset, off);
    CHECK(!pool_is_whole(pool, &again));
    CHECK(strcmp(again.why, fault.why) == 0);
}

/* Only the pool's check sees it. */
static void
check_pool_names(const char *words, pb_frame frame)
{
    pb_fault fault = {0};
    DOING("planted: %s", words);
    CHECK(pb_buf_check(b, &fault));
    CHECK(!pool_is_whole(pool, &fault));
    if (strstr(fault.why, words) == NULL) {
        fail_at(__FILE__, __LINE__, "named instead: %s", fault.why);
    }
    CHECK_EQ(fault.frame, frame);
}

/* The entry of a leaf in its node. */
static pb_entry *
entry_of_leaf(uint64_t page)
{
    pb_step steps[PB_MAX_LEVELS + 1];
    pb_tree_walk(pool, &b->root, page, steps);
    return (pb_entry *)steps[0].address + steps[1].index;
}

static uint64_t
offset_of_page(uint64_t page)
{
    return (page << PB_PAGE_SHIFT) - b->root.bias;
}

/* ---- entries ---- */

static void
plant_entry(pb_entry *at, pb_entry bad, const char *words, pb_frame frame, uint64_t off)
{
    pb_entry good = pb_entry_load(at);
    pb_entry_store(at, bad);
    check_named(words, frame, off);
    pb_entry_store(at, good);
    CHECK_POOL(pool);
}

static void
test_entries(void)
{
    start();
    pb_entry *at = entry_of_page(b, 6), good = pb_entry_load(at);
    pb_frame frame = pb_entry_frame(good);
    uint64_t off = offset_of_page(6);
    plant_entry(at, good & ~PB_ENTRY_PRESENT, "stray bits", frame, off);
    plant_entry(at, good | 2, "stray bits", frame, off);
    plant_entry(at, good | (uint64_t)1 << 63, "stray bits", frame, off);
    plant_entry(at, PB_ENTRY_PRESENT, "no region", 0, off); /* frame 0 is reserved */
    plant_entry(at, pb_entry_of(UINT32_MAX), "no region", UINT32_MAX, off);
    plant_entry(at, pb_entry_of(1 << 20), "no region", 1 << 20, off);
    pb_frame fresh = pool->region[pool->newest].lo;
    CHECK(pool->region[pool->newest].hi > fresh);
    plant_entry(at, pb_entry_of(fresh), "I1: an entry names a free frame", fresh, off);
    pb_frame warm = pool->free_head;
    plant_entry(at, pb_entry_of(warm), "I1: an entry names a free frame", warm, off);
    pb_entry leaf = pb_entry_with_run(pb_entry_load(entry_of_leaf(6)), 0);
    plant_entry(at, leaf, "I1: a frame is of the wrong kind", pb_entry_frame(leaf), off);
    plant_entry(entry_of_leaf(6), good, "I1: a frame is of the wrong kind", frame,
                6 / PB_FANOUT * PB_FANOUT ? offset_of_page(6 / PB_FANOUT * PB_FANOUT) : 0);
    stop();
}

static void
test_root_entries(void)
{
    start();
    plant_entry(&b->root.slot[3], pb_entry_of(77777), "no region", 77777,
                offset_of_page(3 * PB_FANOUT * PB_FANOUT));
    stop();
}

/* ---- rows of the frame table ---- */

static void
test_rows(void)
{
    start();
    pb_frame frame = frame_of_page(b, 6);
    pb_row *row = pb_frame_row(pool, frame), good = *row;
    uint64_t off = offset_of_page(6);

    row->held.kind = PB_KIND_NODE;
    check_named("I1: a frame is of the wrong kind", frame, off);
    row->held.kind = PB_KIND_DETACHED;
    check_named("I1: a frame is of the wrong kind", frame, off);
    *row = good;

    row->held.count = 0;
    check_named("I1: an entry names a frame with no reference", frame, off);
    row->held.count = 2;
    check_named("I2: a shared frame in a tree not marked so", frame, off);
    row->held.pins = 1;
    check_named("I11: a live-pinned frame has two references", frame, off);
    row->held.count = 1; /* pinned once and named once: that is allowed */
    CHECK_POOL(pool);
    *row = good;
    stop();
}

/* ---- the root ---- */

static void
check_root(const char *words)
{
    check_named(words, 0, 0);
}

static void
test_root(void)
{
    start();
    pb_root good = b->root;
    if (PB_INLINE == 0) { /* 0 levels would mean that there is no tree */
        b->root.levels = 0;
        check_root("levels out of range");
    }
    b->root.levels = PB_MAX_LEVELS + 1;
    check_root("levels out of range");
    b->root = good;
    b->root.bias = pb_slot_span(3);
    check_root("left a root slot behind");
    b->root = good;
    b->root.size = pb_reach(3) - b->root.bias + 1;
    check_root("out of the tree's reach");
    b->root = good;
    b->root.max_levels = 2;
    check_root("past the capacity");
    b->root = good;
    b->root.size = b->root.tail_room = 0;
    check_root("an empty tree has levels");
    b->root = good;
    stop();
}

/* ---- pages and nodes where there should be none ---- */

static void
test_page_before_the_bias(void)
{
    start();
    b->root.bias += PB_PAGE_SIZE;
    b->root.size -= PB_PAGE_SIZE;
    b->head = NULL;
    check_named("before the bias", frame_of_page(b, 0), 0);
    b->root.bias -= PB_PAGE_SIZE;
    b->root.size += PB_PAGE_SIZE;
    stop();
}

static void
test_page_past_the_end(void)
{
    start();
    uint64_t last = (b->root.bias + b->root.size - 1) >> PB_PAGE_SHIFT;
    pb_frame frame = frame_of_page(b, last);
    uint64_t size = b->root.size;
    b->root.size = offset_of_page(last);
    b->root.tail_room = 0;
    check_named("past the end", frame, offset_of_page(last));
    b->root.size = size;
    stop();
}

static void
test_empty_node(void)
{
    start();
    bool zero;
    uint64_t first = 3 * (uint64_t)PB_FANOUT * PB_FANOUT; /* root slot 3: a hole so far */
    b->root.size = pb_reach(3) - b->root.bias;
    b->root.tail_room = 0;
    memory_reserve(&mem, 1);
    pb_frame frame = pb_pool_take_node(pool, &zero);
    memset(pb_frame_address(pool, frame), 0, PB_PAGE_SIZE);
    CHECK_EQ(b->root.slot[3], PB_HOLE);
    b->root.slot[3] = pb_entry_of(frame);
    check_named("an empty node", frame, offset_of_page(first));
    b->root.slot[3] = PB_HOLE;
    b->root.size = p.m.size;
    pb_frame_unref(pool, frame);
    stop();
}

/* ---- I4 ---- */

static void
test_stale_byte_past_the_end(void)
{
    start();
    uint64_t end = b->root.bias + b->root.size, page = end >> PB_PAGE_SHIFT;
    pb_frame frame = frame_of_page(b, page);
    uint8_t *bytes = pb_frame_address(pool, frame);
    CHECK((end & PB_PAGE_MASK) != 0);
    for (uint64_t i = end & PB_PAGE_MASK; i < PB_PAGE_SIZE; i++) {
        bytes[i] = 1;
        check_named("I4: a byte past the end is not zero", frame,
                    page << PB_PAGE_SHIFT > b->root.bias ? offset_of_page(page) : 0);
        bytes[i] = 0;
    }
    pb_pin_list pins = {.tail_written = true};
    b->pins = &pins;
    bytes[PB_PAGE_SIZE - 1] = 1; /* a view may have stored it */
    CHECK_POOL(pool);
    b->pins = NULL;
    bytes[PB_PAGE_SIZE - 1] = 0;
    stop();
}

/* ---- tiny buffers ---- */

static void
test_inline(void)
{
    pb_buf tiny;
    pb_fault fault = {0};
    memory_init(&mem, PB_UNLIMITED, true);
    pb_buf_init(&tiny, pool, PB_MAX_LEVELS);
    if (PB_INLINE > 0) {
        CHECK_OK(pb_buf_extend(&tiny, "abc", 3));
        CHECK(pb_buf_check(&tiny, &fault));
        pb_buf_inline(&tiny)[PB_INLINE - 1] = 1;
        CHECK(!pb_buf_check(&tiny, &fault) && strstr(fault.why, "I4: an inline byte"));
        pb_buf_inline(&tiny)[PB_INLINE - 1] = 0;
        tiny.root.tail_room--;
        CHECK(!pb_buf_check(&tiny, &fault) && strstr(fault.why, "a stale tail"));
        tiny.root.tail_room++;
        tiny.tail++;
        CHECK(!pb_buf_check(&tiny, &fault) && strstr(fault.why, "a stale tail"));
        tiny.tail--;
        tiny.root.size = PB_INLINE + 1;
        CHECK(!pb_buf_check(&tiny, &fault) && strstr(fault.why, "past their room"));
        tiny.root.size = 3;
        CHECK(pb_buf_check(&tiny, &fault));
    }
    pb_buf_fini(&tiny);
    memory_fini(&mem);
}

/* ---- live views ---- */

static void
test_pins(void)
{
    start();
    pb_pin_list pins = {0};
    pb_pin pin;
    uint8_t *at;
    CHECK_OK(pb_buf_open_pins(b, &pins));
    CHECK_OK(pb_buf_pin(b, offset_of_page(6), 2 * PB_PAGE_SIZE, &pin, &at));
    CHECK_POOL(pool);
    pb_frame frame = pin.frame;
    uint64_t off = offset_of_page(6);
    pin.frame++;
    check_named("I7: a live view has lost a page", frame, off);
    pin.frame--;
    pin.page++; /* its second page is another frame now */
    pin.count = 1;
    check_named("I7: a live view has lost a page", frame + 1, off + PB_PAGE_SIZE);
    pin.page--;
    pin.count = 2;
    b->root.shared = 1;
    pb_frame_row(pool, frame)->held.count = 2;
    check_named("I11: a live-pinned frame has two references", frame, off);
    pb_frame_row(pool, frame)->held.count = 1;
    b->root.shared = 0;
    CHECK_POOL(pool);
    pb_pin_release(pool, &pin);
    b->pins = NULL;
    stop();
}

/* ---- what is remembered ---- */

static void
test_stale_places(void)
{
    start();
    CHECK(pb_buf_peek(b, offset_of_page(6), 1) != NULL);
    CHECK(b->leaf_r != NULL);
    uint64_t leaf_r_first = b->leaf_r_first;
    pb_entry *seen = b->leaf_r;
    b->leaf_r = (pb_entry *)pb_frame_address(pool, pb_entry_frame(b->root.slot[0]));
    check_named("a stale leaf", 0, leaf_r_first ? offset_of_page(leaf_r_first) : 0);
    b->leaf_r = seen;

    pair_extend(&p, (const uint8_t *)"z", 1);
    CHECK(b->root.tail_room > 0);
    uint64_t page = (b->root.bias + b->root.size) >> PB_PAGE_SHIFT;
    b->tail++;
    check_named("a stale tail", 0, offset_of_page(page));
    b->tail--;

    pair_drop_front(&p, 1);
    CHECK(b->head != NULL);
    b->head += PB_PAGE_SIZE;
    check_named("a stale front", 0, 0);
    b->head -= PB_PAGE_SIZE;
    stop();
}

/* ---- counts of the pool ---- */

static void
test_counts_that_differ_from_the_entries(void)
{
    start();
    pair q;
    pair_share(&q, &p);
    pb_frame top = pb_entry_frame(b->root.slot[0]);
    pb_frame frame = frame_of_page(b, 6);
    pb_row *row = pb_frame_row(pool, top);
    row->held.count = 3; /* leaked */
    check_pool_names("I1: a reference count is not the number of entries", top);
    row->held.count = 1; /* lost */
    check_pool_names("I1: a reference count is not the number of entries", top);
    row->held.count = 2;
    row = pb_frame_row(pool, frame);
    row->held.count = 2;
    check_pool_names("I1: a reference count is not the number of entries", frame);
    row->held.count =
        PB_COUNT_MAX; /* at its highest value: it may have missed references */
    CHECK_POOL(pool);
    row->held.count = 1;
    CHECK_POOL(pool);
    pair_fini(&q);
    b->root.shared = 0;
    stop();
}

static void
test_a_frame_without_an_owner(void)
{
    start();
    pb_frame leaked = take_data(&mem, 0);
    check_pool_names("I1: a reference count is not the number of entries", leaked);
    pb_frame_row(pool, leaked)->held.count = 0;
    check_pool_names("I1: a held frame has no owner", leaked);
    pb_frame_row(pool, leaked)->held.count = 1;
    pb_frame_pin(pool, leaked);
    pb_frame_unref(pool, leaked);
    CHECK_POOL(pool); /* detached: its pin owns it */
    pb_frame_unpin(pool, leaked);
    stop();
}

static void
test_sums(void)
{
    uint64_t *const sums[] = {&pool->held,      &pool->nodes, &pool->listed,
                              &pool->untouched, &pool->total, &pool->reserved};
    start();
    for (unsigned i = 0; i < sizeof sums / sizeof *sums; i++) {
        NOTE("sum %u", i);
        ++*sums[i];
        check_pool_names(i < 2 ? "I1: the pool miscounts what is held" : "do not add up",
                         0);
        --*sums[i];
        CHECK_POOL(pool);
    }
    stop();
}

/* ---- the free list ---- */

static void
test_free_list(void)
{
    start();
    pb_frame head = pool->free_head, second = pb_frame_row(pool, head)->free.next;
    CHECK(head && second);
    pb_row *row = pb_frame_row(pool, head), good = *row;
    pb_frame held = pb_entry_frame(b->root.slot[0]);

    row->free.next = held;
    check_pool_names("holds a frame that is not free", held);
    row->free.next = 1 << 20;
    check_pool_names("holds a frame that is not free", 1 << 20);
    row->free.next = 0;
    check_pool_names("the free list is short", 0);
    row->free.next = head; /* a ring */
    check_pool_names("the free list is damaged", head);
    *row = good;
    row->free.prev = second;
    check_pool_names("the free list is damaged", head);
    *row = good;
    pool->free_head = second;
    check_pool_names("the free list is damaged", second);
    pool->free_head = head;
    stop();
}

static void
test_free_map(void)
{
    start();
    pb_region *r = &pool->region[pool->newest];
    pb_frame head = pool->free_head;
    uint32_t bit = head - r->first;
    CHECK(pb_region_of(head) == pool->newest);
    r->free_map[bit / 64] ^= (uint64_t)1 << (bit & 63);
    pb_fault fault = {0};
    CHECK(!pool_is_whole(pool, &fault)); /* on the list, but not in the map */
    r->free_map[bit / 64] ^= (uint64_t)1 << (bit & 63);
    stop();
}

/* The check reports first what the pool noticed on its own. */
static void
test_fault_of_the_pool(void)
{
    start();
    pb_frame warm = pool->free_head;
    pb_frame_unref(pool, warm);
    check_pool_names("I1: frame freed twice", warm);
    pool->fault.why = NULL;
    stop();
}

int
main(void)
{
    RUN(test_entries);
    RUN(test_root_entries);
    RUN(test_rows);
    RUN(test_root);
    RUN(test_page_before_the_bias);
    RUN(test_page_past_the_end);
    RUN(test_empty_node);
    RUN(test_stale_byte_past_the_end);
    RUN(test_inline);
    RUN(test_pins);
    RUN(test_stale_places);
    RUN(test_counts_that_differ_from_the_entries);
    RUN(test_a_frame_without_an_owner);
    RUN(test_sums);
    RUN(test_free_list);
    RUN(test_free_map);
    RUN(test_fault_of_the_pool);
    return finish();
}
