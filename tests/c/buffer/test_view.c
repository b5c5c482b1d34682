/* Live views, case by case: gathering, memory that does not come, copies under views,
 * what changes hands, and what must not change at all. */
#include "buffer/model.h"

#include "range/edit.h"

static memory mem;
static pair p;
static pb_pin_list pins;

/* Start with a first region of `frames` frames; 0: regions are added on demand. */
static void
start_in(uint32_t frames, uint64_t pages)
{
    memory_init(&mem, PB_UNLIMITED, false);
    if (frames) {
        memory_grow_by(&mem, frames);
    }
    pair_init(&p, &mem, PB_MAX_LEVELS);
    pins = (pb_pin_list){0};
    CHECK_OK(pb_buf_open_pins(&p.b, &pins));
    model_promote(&p.m);
    p.m.pins = true;
    pair_scribble(&p, 0, pages * PB_PAGE_SIZE, 1);
}

static void
start(uint64_t pages)
{
    start_in(0, pages);
}

static void
stop(void)
{
    pair_end(&p);
}

/* Make every other page a hole, and put the others in no order. */
static void
scatter(uint64_t pages)
{
    start(pages);
    for (uint64_t i = 0; i < pages; i += 2) {
        pair_punch(&p, i * PB_PAGE_SIZE, PB_PAGE_SIZE);
    }
    pair_scribble(&p, 4 * PB_PAGE_SIZE, PB_PAGE_SIZE, 3);
    pair_scribble(&p, 2 * PB_PAGE_SIZE, PB_PAGE_SIZE, 2);
}

static void
test_scattered_pages_are_gathered_once(void)
{
    pb_pin first, second;
    uint8_t *at, *again;
    pb_status st;
    scatter(11);
    CHECK(pb_buf_one_run(&p.b, 0, 9 * PB_PAGE_SIZE) == NULL);
    GROWING(&mem, st, pb_buf_pin(&p.b, 3, 9 * PB_PAGE_SIZE, &first, &at));
    CHECK_OK(st);
    model_write(&p.m, 0, NULL, 10 * PB_PAGE_SIZE);
    AGREE(&p.b, &p.m);
    CHECK(pb_buf_one_run(&p.b, 0, 10 * PB_PAGE_SIZE) == at - 3);
    mem.pool.limit = 0; /* the run is there now */
    CHECK_OK(pb_buf_pin(&p.b, PB_PAGE_SIZE, 2, &second, &again));
    CHECK(again == at - 3 + PB_PAGE_SIZE);
    mem.pool.limit = PB_UNLIMITED;
    pb_pin_release(&mem.pool, &first);
    CHECK(pb_buf_pinned_behind(&p.b, 0) && pb_buf_pinned_behind(&p.b, PB_PAGE_SIZE));
    CHECK(!pb_buf_pinned_behind(&p.b, 2 * PB_PAGE_SIZE));
    pb_pin_release(&mem.pool, &second);
    CHECK(!pb_buf_viewed(&p.b));
    stop();
}

/* Holes and new pages behind a run: the run stays where it is. */
static void
test_a_view_after_growth_moves_what_is_new(void)
{
    pb_pin pin;
    uint8_t *at, *first;
    start_in(250, 20);
    CHECK_OK(pb_buf_pin(&p.b, 0, 20 * PB_PAGE_SIZE, &pin, &first));
    pb_pin_release(&mem.pool, &pin);
    for (uint64_t pages = 22; pages <= 60; pages += 2) {
        uint64_t taken = mem.pool.taken, nodes = mem.pool.nodes;
        pair_truncate(&p, pages * PB_PAGE_SIZE);
        if (pages % 4) {
            pair_scribble(&p, (pages - 2) * PB_PAGE_SIZE, PB_PAGE_SIZE, pages);
        }
        CHECK_OK(pb_buf_pin(&p.b, 0, pages * PB_PAGE_SIZE, &pin, &at));
        model_write(&p.m, (pages - 1) * PB_PAGE_SIZE, NULL, PB_PAGE_SIZE);
        if (pages % 4 == 0) {
            model_write(&p.m, (pages - 2) * PB_PAGE_SIZE, NULL, PB_PAGE_SIZE);
        }
        AGREE(&p.b, &p.m);
        CHECK(at == first);
        CHECK(mem.pool.taken - taken <= 4 + (mem.pool.nodes - nodes));
        pb_pin_release(&mem.pool, &pin);
    }
    stop();
}

static void
test_a_view_in_the_way_forbids_gathering(void)
{
    pb_pin pin, other;
    uint8_t *at;
    scatter(11);
    CHECK_OK(pb_buf_pin(&p.b, 2 * PB_PAGE_SIZE, 5, &pin, &at));
    CHECK_STATUS(pb_buf_pin(&p.b, 0, 5 * PB_PAGE_SIZE, &other, &at), PB_PINNED);
    AGREE(&p.b, &p.m);
    pb_pin_release(&mem.pool, &pin);
    stop();
}

/* The n-th frame request fails: the pages are where they were, and nothing is pinned. */
static void
test_a_view_that_gets_no_memory_changes_nothing(void)
{
    for (int shared = 0; shared < 2; shared++) {
        pb_pin pin;
        pair copy;
        uint8_t *at;
        uint64_t n = 0;
        pb_status st = PB_LIMIT;
        scatter(11);
        memory_reserve(&mem, 200);
        pb_pool_unreserve(&mem.pool, 200);
        if (shared) {
            pair_share(&copy, &p);
        }
        for (; st == PB_LIMIT; n++) {
            NOTE("shared %d, %" PRIu64 " frames", shared, n);
            mem.pool.limit = mem.pool.held + n;
            st = pb_buf_pin(&p.b, 1, 10 * PB_PAGE_SIZE, &pin, &at);
            mem.pool.limit = PB_UNLIMITED;
            CHECK(st == PB_OK || !pb_buf_viewed(&p.b));
            if (st != PB_OK) {
                AGREE(&p.b, &p.m);
            }
        }
        CHECK_OK(st);
        CHECK(n >
              (shared ? 10 : 4)); /* limits see what it adds: four holes, or shared pages */
        model_write(&p.m, 0, NULL, 10 * PB_PAGE_SIZE + 1);
        AGREE(&p.b, &p.m);
        if (shared) {
            AGREE(&copy.b, &copy.m);
            pair_fini(&copy);
        }
        pb_pin_release(&mem.pool, &pin);
        stop();
    }
}

/* A run must lie in one region: memory that is scattered over small ones does not do. */
static void
test_a_run_asks_for_a_region_of_its_size(void)
{
    pb_pin pin;
    uint8_t *at;
    memory_init(&mem, PB_UNLIMITED, false);
    mem.piece = 4;
    pair_init(&p, &mem, PB_MAX_LEVELS);
    pins = (pb_pin_list){0};
    CHECK_OK(pb_buf_open_pins(&p.b, &pins));
    model_promote(&p.m);
    p.m.pins = true;
    pair_scribble(&p, 0, 9 * PB_PAGE_SIZE, 1);
    for (int i = 0; i < 10; i++) {
        memory_grow(&mem); /* enough frames, but nowhere nine in a row */
    }
    CHECK_STATUS(pb_buf_pin(&p.b, 0, 9 * PB_PAGE_SIZE, &pin, &at), PB_NEED_PAGES);
    CHECK(mem.pool.refusal.short_by >= 9);
    AGREE(&p.b, &p.m);
    memory_grow_by(&mem, (uint32_t)mem.pool.refusal.short_by);
    CHECK_OK(pb_buf_pin(&p.b, 0, 9 * PB_PAGE_SIZE, &pin, &at));
    CHECK_BYTES(at, p.m.sheet[0]->bytes, PB_PAGE_SIZE);
    pb_pin_release(&mem.pool, &pin);
    stop();
}

/* I11: a copy made under views takes frames for the pages under them, or fails whole. */
static void
test_a_copy_that_gets_no_memory_changes_nothing(void)
{
    pb_pin pin[2];
    uint8_t *at;
    pair copy;
    start(12);
    CHECK_OK(pb_buf_pin(&p.b, 0, PB_PAGE_SIZE, &pin[0], &at));
    CHECK_OK(pb_buf_pin(&p.b, 7 * PB_PAGE_SIZE, 2 * PB_PAGE_SIZE, &pin[1], &at));
    memory_reserve(&mem, 100);
    pb_pool_unreserve(&mem.pool, 100);
    pair_init(&copy, &mem, PB_MAX_LEVELS);
    pb_status st = PB_LIMIT;
    for (uint64_t n = 0; st == PB_LIMIT; n++) {
        NOTE("%" PRIu64 " frames", n);
        uint64_t held = mem.pool.held;
        mem.pool.limit = held + n;
        st = pb_buf_share(&copy.b, &p.b);
        mem.pool.limit = PB_UNLIMITED;
        AGREE(&p.b, &p.m);
        CHECK_EQ(mem.pool.held, st == PB_OK ? held + n : held);
        CHECK_EQ(p.b.root.shared, st == PB_OK);
        CHECK_EQ(copy.b.root.size, st == PB_OK ? p.m.size : 0);
    }
    model_copy(&copy.m, &p.m);
    AGREE(&copy.b, &copy.m);
    pb_pin_release(&mem.pool, &pin[0]);
    pb_pin_release(&mem.pool, &pin[1]);
    pair_fini(&copy);
    stop();
}

/* `to` becomes what `from` is; with a pin list it stays a tree. */
static void
restore(pair *to, pair *from)
{
    bool pins = to->m.pins;
    CHECK_OK(pb_buf_restore(&to->b, &from->b));
    model_fini(&to->m);
    model_copy(&to->m, &from->m);
    to->m.pins = pins;
    if (pins) {
        model_promote(&to->m);
    }
    AGREE(&to->b, &to->m);
}

static void
test_restore(void)
{
    pb_pin pin;
    uint8_t *at;
    pair old;
    start(7);
    pair_share(&old, &p);
    pair_scribble(&p, PB_PAGE_SIZE, 3 * PB_PAGE_SIZE, 2);
    CHECK_OK(pb_buf_pin(&p.b, 0, 5, &pin, &at));
    CHECK_STATUS(pb_buf_restore(&p.b, &old.b), PB_PINNED);
    AGREE(&p.b, &p.m);
    pb_pin_release(&mem.pool, &pin);
    p.b.root.max_levels = 1;
    CHECK_STATUS(pb_buf_restore(&p.b, &old.b), PB_CAPACITY);
    p.b.root.max_levels = PB_MAX_LEVELS;
    p.b.root.frozen = PB_FROZEN_SNAPSHOT;
    CHECK_STATUS(pb_buf_restore(&p.b, &old.b), PB_FROZEN);
    p.b.root.frozen = 0;
    AGREE(&p.b, &p.m);
    restore(&p, &old);
    pair_scribble(&p, 5, PB_PAGE_SIZE, 3);
    AGREE(&p.b, &p.m);
    AGREE(&old.b, &old.m);
    pair_fini(&old);
    stop();
}

/* Tiny contents are copied, not shared; a buffer with a pin list stays a tree. */
static void
test_share_and_restore_of_tiny_buffers(void)
{
    pair tiny, copy;
    start(5);
    pair_init(&tiny, &mem, PB_MAX_LEVELS);
    pair_scribble(&tiny, 0, 9, 1);
    pair_share(&copy, &tiny);
    pair_scribble(&copy, 3, 2, 2);
    AGREE(&tiny.b, &tiny.m);
    AGREE(&copy.b, &copy.m);
    restore(&p, &tiny);
    restore(&tiny, &p);
    pair_clear(&tiny);
    AGREE(&tiny.b, &tiny.m);
    pair_fini(&tiny);
    pair_fini(&copy);
    stop();
}

/* The copy goes from the back or from the front, as it must, even where the view begins
 * before all that is left of the buffer. */
static void
test_a_view_whose_front_has_gone_is_written_to_its_buffer(void)
{
    static uint8_t bytes[3 * PB_PAGE_SIZE];
    for (uint64_t off = 0; off < PB_PAGE_SIZE; off += PB_PAGE_SIZE / 8) {
        pb_pin pin;
        uint8_t *at;
        uint64_t from = PB_PAGE_SIZE - 5, n = 2 * PB_PAGE_SIZE - 3;
        start(4);
        CHECK_OK(pb_buf_pin(&p.b, 0, 3 * PB_PAGE_SIZE, &pin, &at));
        pair_drop_front(&p, PB_PAGE_SIZE);
        memcpy(bytes, at + from, n);
        CHECK_OK(pb_buf_write(&p.b, off, at + from, n));
        model_write(&p.m, off, bytes, n);
        AGREE(&p.b, &p.m);
        model_read(&p.m, off / 2, bytes, n);
        pb_buf_copy_out(&p.b, off / 2, at + from, n);
        CHECK_BYTES(at + from, bytes, n);
        pb_pin_release(&mem.pool, &pin);
        pb_buf_copy_out(&p.b, 0, bytes, 3 * PB_PAGE_SIZE);
        model_write(&p.m, 0, bytes, 3 * PB_PAGE_SIZE); /* some of it came by the view */
        stop();
    }
}

/* A tree changes hands, tiny or not, and leaves nothing behind. */
static void
test_adopt(void)
{
    static const uint64_t sizes[] = {0, 9, 3 * PB_PAGE_SIZE + 1};
    for (unsigned i = 0; i < 9; i++) {
        pair a, b;
        NOTE("%" PRIu64 " bytes to %" PRIu64, sizes[i % 3], sizes[i / 3]);
        memory_init(&mem, PB_UNLIMITED, false);
        pair_init(&a, &mem, PB_MAX_LEVELS);
        pair_init(&b, &mem, PB_MAX_LEVELS);
        if (sizes[i % 3]) {
            pair_scribble(&a, 0, sizes[i % 3], 1);
        }
        if (sizes[i / 3]) {
            pair_scribble(&b, 0, sizes[i / 3], 2);
        }
        pb_buf_adopt(&b.b, &a.b);
        model_fini(&b.m);
        model_copy(&b.m, &a.m);
        model_clear(&a.m);
        AGREE(&a.b, &a.m);
        AGREE(&b.b, &b.m);
        pair_extend(&b, (const uint8_t *)"xyz", 3);
        AGREE(&b.b, &b.m);
        CHECK(b.m.size == 3 || pb_buf_one_run(&b.b, 0, 3) == pb_buf_peek(&b.b, 0, 3));
        pair_fini(&a);
        pair_fini(&b);
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
}

static void
test_a_frozen_buffer_refuses_every_change(void)
{
    for (uint64_t pages = 0; pages < 6; pages += 5) {
        uint8_t some[3] = {1, 2, 3};
        memory_init(&mem, PB_UNLIMITED, true);
        pair_init(&p, &mem, PB_MAX_LEVELS);
        pair_scribble(&p, 0, pages * PB_PAGE_SIZE + 9, 1);
        p.b.root.frozen = PB_FROZEN_SNAPSHOT;
        pb_buf_remember_tail(&p.b);
        CHECK_STATUS(pb_buf_write(&p.b, 1, some, 3), PB_FROZEN);
        CHECK_STATUS(pb_buf_write(&p.b, p.m.size, some, 3), PB_FROZEN);
        CHECK_STATUS(pb_buf_extend(&p.b, some, 3), PB_FROZEN);
        CHECK_STATUS(pb_buf_prepare(&p.b, 1, 2), PB_FROZEN);
        CHECK_STATUS(pb_buf_truncate(&p.b, 1), PB_FROZEN);
        CHECK_STATUS(pb_buf_truncate(&p.b, p.m.size + 1), PB_FROZEN);
        CHECK_STATUS(pb_buf_punch(&p.b, 0, 5), PB_FROZEN);
        CHECK_STATUS(pb_buf_drop_front(&p.b, 1), PB_FROZEN);
        pair_end(&p);
    }
}

/* A frame under more views than a row can count is never freed: no view may lose its
 * memory. */
static void
test_a_page_lost_under_very_many_views(void)
{
    enum { MANY = UINT16_MAX + 2 };
    static pb_pin pins[MANY];
    uint8_t *at;
    start(1);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_OK(pb_buf_pin(&p.b, 0, 3, &pins[i], &at));
    }
    pair_clear(&p);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_EQ(mem.pool.held, 1);
        pb_pin_release(&mem.pool, &pins[i]);
    }
    CHECK(mem.pool.fault.why == NULL);
    pair_fini(&p);
    memory_fini(&mem);
}

/* A write of no bytes at any address is fine. */
static void
test_no_bytes_are_put_beside_a_view(void)
{
    pb_pin pin;
    uint8_t *at;
    pb_status st;
    start(3);
    GROWING(&mem, st, pb_buf_pin(&p.b, 0, 3, &pin, &at));
    CHECK_OK(st);
    GROWING(&mem, st,
            pb_buf_replace(&p.b, PB_PAGE_SIZE, 1, NULL, 0)); /* as collapse does */
    CHECK_OK(st);
    CHECK_EQ(p.b.root.size, 3 * PB_PAGE_SIZE - 1);
    pb_pin_release(&mem.pool, &pin);
    pair_fini(&p);
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

int
main(void)
{
    RUN(test_scattered_pages_are_gathered_once);
    RUN(test_a_view_after_growth_moves_what_is_new);
    RUN(test_a_view_in_the_way_forbids_gathering);
    RUN(test_a_view_that_gets_no_memory_changes_nothing);
    RUN(test_a_run_asks_for_a_region_of_its_size);
    RUN(test_a_copy_that_gets_no_memory_changes_nothing);
    RUN(test_restore);
    RUN(test_share_and_restore_of_tiny_buffers);
    RUN(test_a_view_whose_front_has_gone_is_written_to_its_buffer);
    RUN(test_adopt);
    RUN(test_a_frozen_buffer_refuses_every_change);
    RUN(test_a_page_lost_under_very_many_views);
    RUN(test_no_bytes_are_put_beside_a_view);
    return finish();
}
