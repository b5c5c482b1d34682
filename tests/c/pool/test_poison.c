/* What debug pools find (level 1): free frames and tails that somebody wrote to, memory that
 * was never handed out; and what every pool notices (level 0). */
#include "buffer/internal.h"
#include "pool/poison.h"
#include "range/edit.h"
#include "range/paste.h"
#include "range/splice.h"
#include "buffer/player.h"

static memory mem;
static pb_pool *const pool = &mem.pool;

static void
start(unsigned level, uint32_t frames, bool fresh_zero)
{
    memory_init(&mem, PB_UNLIMITED, fresh_zero);
    pb_pool_set_debug(pool, level);
    mem.piece = frames;
    memory_grow(&mem);
}

static void
stop(void)
{
    CHECK_EQ(pool->pending, 0);
    CHECK_EMPTY(pool);
    memory_fini(&mem);
}

static uint8_t *
at(pb_frame frame)
{
    return pb_frame_address(pool, frame);
}

/* Check what was found, and report it. */
static void
check_told(const char *words, pb_frame frame, uint64_t off)
{
    DOING("told: %s", words);
    CHECK_EQ(pool->pending & PB_PENDING_FAULT, PB_PENDING_FAULT);
    CHECK(strstr(pool->found.why, words) != NULL);
    CHECK_EQ(pool->found.frame, frame);
    CHECK_EQ(pool->found.offset, off);
    pool->pending = 0;
    run_.doing[0] = 0;
}

static bool
is_poison(pb_frame frame)
{
    const uint8_t *p = at(frame);
    return pb_debug_first_other(p, PB_POISON, PB_PAGE_SIZE - 1) == PB_PAGE_SIZE - 1 &&
           p[PB_PAGE_SIZE - 1] == PB_POISON_END;
}

/* ---- free frames ---- */

static void
test_a_freed_frame_is_poisoned(void)
{
    start(1, 100, true);
    pb_frame a = take_frames(pool, 2);
    memset(at(a), 1, 2 * PB_PAGE_SIZE);
    pb_frame_unref(pool, a);
    CHECK(is_poison(a));
    CHECK_EQ(pb_frame_row(pool, a)->held.kind, PB_KIND_QUARANTINED);
    CHECK(!pb_frame_is_free(pool, a));
    CHECK_EQ(at(a + 1)[0], 1);
    CHECK_EQ(pool->held, 1);
    CHECK_EQ(pool->quarantined, 1);
    pb_frame_unref(pool, a + 1);
    stop();
}

static void
test_the_quarantine_is_left_in_order(void)
{
    start(1, 200, true);
    pb_frame a = take_frames(pool, PB_QUARANTINE + 3);
    unref_frames(pool, a, PB_QUARANTINE);
    CHECK_EQ(pool->quarantined, PB_QUARANTINE);
    CHECK_EQ(pool->listed, 0);
    for (uint32_t i = 0; i < 3; i++) {
        pb_frame_unref(pool, a + PB_QUARANTINE + i);
        CHECK_EQ(pool->quarantined, PB_QUARANTINE);
        CHECK_EQ(pool->listed, i + 1);
        CHECK_EQ(pool->free_head, a + i);
    }
    CHECK_EQ(take_frames(pool, 1), a + 2);
    pb_frame_unref(pool, a + 2);
    stop();
}

static void
test_the_quarantine_ends_when_frames_are_short(void)
{
    start(1, 31, true);
    pb_frame a = take_frames(pool, 30);
    unref_frames(pool, a, 10);
    CHECK_EQ(pool->listed + pool->untouched, 0);
    CHECK_STATUS(pb_pool_reserve(pool, 11), PB_NEED_PAGES);
    CHECK_EQ(pool->refusal.short_by, 1);
    CHECK_EQ(pool->quarantined, 0);
    CHECK_EQ(take_frames(pool, 1),
             a + 9); /* what was freed last leaves last, and is in front */
    CHECK_EQ(pool->regions, 1);
    unref_frames(pool, a + 9, 21);
    stop();
}

/* Two free frames on the list, b in front of a; a + 1 == b. */
static pb_frame
two_free(void)
{
    start(1, 31, true);
    pb_frame a = take_frames(pool, 30);
    unref_frames(pool, a, 2);
    CHECK_OK(pb_pool_reserve(pool, 2));
    pb_pool_unreserve(pool, 2);
    CHECK_EQ(pool->free_head, a + 1);
    return a;
}

static void
test_damage_is_found_when_a_frame_is_spoken_for(void)
{
    pb_frame a = two_free();
    at(a + 1)[3] = 0;
    CHECK_STATUS(pb_pool_reserve(pool, 1), PB_CORRUPT);
    CHECK_STATUS(pb_pool_reserve(pool, 1), PB_CORRUPT); /* until it is told */
    CHECK_EQ(pool->reserved, 0);
    CHECK_EQ(pool->held, 28);
    check_told(PB_WHY_POISON, a + 1, 3);
    CHECK(is_poison(a + 1));
    CHECK_OK(pb_pool_reserve(pool, 1)); /* once */
    pb_pool_unreserve(pool, 1);
    CHECK(pool->fault.why == NULL);
    at(a)[PB_PAGE_SIZE - 1] = 0; /* the last byte has a value of its own */
    CHECK_STATUS(pb_pool_reserve(pool, 2), PB_CORRUPT);
    check_told(PB_WHY_POISON, a, PB_PAGE_SIZE - 1);
    unref_frames(pool, a + 2, 28);
    stop();
}

/* One frame was allowed for and another one taken: it is handed out, and the damage told. */
static void
test_damage_is_found_when_a_frame_is_taken(void)
{
    uint32_t got;
    bool zero;
    start(1, 31, true);
    pb_frame a = take_frames(pool, 30) + 1;
    unref_frames(pool, a, 2);
    CHECK_OK(pb_pool_reserve(pool, 2));
    pb_pool_unreserve(pool, 1);
    CHECK_EQ(pool->free_head, a + 1);
    at(a)[0] = 0;
    CHECK_EQ(pb_pool_take_run(pool, a - 1, 1, &got, &zero), a);
    check_told(PB_WHY_POISON, a, 0);
    pb_frame_unref(pool, a);
    pb_frame_unref(pool, a - 1);
    unref_frames(pool, a + 2, 27);
    stop();
}

static void
test_damage_is_found_when_a_frame_leaves_the_quarantine(void)
{
    start(1, 200, true);
    pb_frame a = take_frames(pool, PB_QUARANTINE + 2);
    unref_frames(pool, a, PB_QUARANTINE);
    at(a + 1)[5] ^= 1;
    pb_frame_unref(pool, a + PB_QUARANTINE);
    CHECK_EQ(pool->pending, 0);
    pb_frame_unref(pool, a + PB_QUARANTINE + 1);
    check_told(PB_WHY_POISON, a + 1, 5);
    CHECK(is_poison(a + 1));
    stop();
}

static void
test_damage_is_found_by_the_check_and_stays(void)
{
    pb_fault fault = {0};
    start(1, 31, true);
    pb_frame a = take_frames(pool, 3);
    pb_frame_unref(pool, a);
    at(a)[2] = 1;
    CHECK(!pool_is_whole(pool, &fault));
    CHECK(strcmp(fault.why, PB_WHY_POISON) == 0);
    CHECK_EQ(fault.frame, a);
    CHECK_EQ(fault.offset, 2);
    CHECK(!pool_is_whole(pool, &fault));
    at(a)[2] = PB_POISON;
    CHECK_EQ(pool->pending, 0);
    unref_frames(pool, a + 1, 2);
    stop();
}

/* Untouched frames are zeros where the region says so, and unknown elsewhere. */
static void
test_fresh_ground_is_zeros_or_unknown(void)
{
    start(1, 31, true);
    pb_fault fault = {0};
    at(pool->region[7].lo)[1] = 9;
    CHECK(!pool_is_whole(pool, &fault));
    CHECK(strcmp(fault.why, PB_WHY_ZEROS) == 0);
    pb_frame a = take_frames(pool, 1);
    check_told(PB_WHY_ZEROS, a, 1);
    CHECK_EQ(at(a)[1], 0);
    pb_frame_unref(pool, a);
    stop();
    start(1, 31, false);
    at(pool->region[7].lo)[1] = 9;
    a = take_frames(pool, 1);
    pb_frame_unref(pool, a);
    stop();
}

/* ---- trace_hook ---- */

static uint32_t numbers;
static const pb_member *actor;

static uint32_t
trace_hook(pb_pool *root, const pb_member *by, pb_frame first, uint32_t n, bool taken)
{
    CHECK(root == pool && first != 0 && n != 0);
    (void)taken;
    actor = by;
    return ++numbers;
}

static void
test_a_frame_knows_who_took_and_freed_it(void)
{
    start(1, 100, true);
    numbers = 0;
    pb_pool_set_trace(pool, trace_hook, NULL);
    pb_frame a = take_frames(pool, 3), b = take_frames(pool, 1);
    CHECK_EQ(pb_frame_trace(pool, a).took, 1);
    CHECK_EQ(pb_frame_trace(pool, a + 2).took, 1);
    CHECK_EQ(pb_frame_trace(pool, b).took, 2);
    CHECK_EQ(pb_frame_trace(pool, a).freed, 0);
    unref_frames(pool, a, 3);
    CHECK_EQ(pb_frame_trace(pool, a + 2).took, 1);
    CHECK_EQ(pb_frame_trace(pool, a + 2).freed, 5);
    pb_frame_unref(pool, b);
    CHECK_EQ(pb_frame_trace(pool, b).freed, 6);
    CHECK_EQ(pb_frame_trace(pool, 0).took + pb_frame_trace(pool, 5000).took, 0);
    pb_buf t;
    pb_buf_init(&t, pool, 2);
    CHECK_OK(pb_buf_truncate(&t, 2 * PB_PAGE_SIZE));
    CHECK_OK(pb_buf_write(&t, PB_PAGE_SIZE, "x", 1));
    CHECK(actor == &t.member);
    actor = NULL;
    pb_buf_fini(&t);
    CHECK(actor == &t.member);
    stop();
}

static bool tracing;
static unsigned asked;

static bool
is_tracing(void)
{
    asked++;
    return tracing;
}

/* Take a run and free its frames.  Returns how often the hook was called; a run is one question. */
static uint32_t
calls_for_a_run(void)
{
    numbers = asked = 0;
    pb_frame first = take_frames(pool, 5);
    unref_backwards(pool, first, 5);
    CHECK_EQ(asked, 1);
    return numbers;
}

static void
test_the_hook_is_not_called_while_nobody_traces(void)
{
    start(0, 100, true);
    pb_pool_set_trace(pool, trace_hook, is_tracing);
    for (int round = 0; round < 3; round++) { /* tracing begins, ends, and begins again */
        NOTE("round %d", round);
        tracing = false;
        CHECK_EQ(calls_for_a_run(), 0);
        pb_frame before = take_frames(pool, 1);
        tracing = true;
        numbers = 0;
        pb_frame_unref(pool, before); /* the hook does not know it */
        CHECK_EQ(numbers, 0);
        CHECK_EQ(calls_for_a_run(), 1 + 5);
    }
    pb_frame last = take_frames(pool, 1);
    tracing = false;
    numbers = 0;
    pb_frame_unref(pool, last); /* nobody has asked since */
    CHECK_EQ(numbers, 1);
    stop();
}

/* ---- tails ---- */

static pair p, q;
static pb_buf *const b = &p.b, *const other = &q.b;
static uint8_t some[2 * PB_PAGE_SIZE];

/* Three pages and five bytes, and another buffer. */
#define SIZE (3 * PB_PAGE_SIZE + 5)

static void
start_pair(void)
{
    start(1, 200, true);
    pair_init(&p, &mem, 3);
    pair_init(&q, &mem, 3);
    memset(some, 0x11, sizeof some);
    pair_scribble(&p, 0, SIZE, 1);
    pair_scribble(&q, 0, SIZE + 2, 2);
    AGREE(b, &p.m);
}

static void
stop_pair(void)
{
    pair_fini(&p);
    pair_fini(&q);
    stop();
}

static void
test_the_tail_is_filled(void)
{
    start_pair();
    CHECK(b->tail != NULL);
    CHECK_EQ(b->root.tail_room, 0);
    CHECK_EQ(pb_debug_first_other(b->tail, PB_TAIL_FILL, PB_PAGE_SIZE - 5),
             PB_PAGE_SIZE - 5);
    CHECK_EQ(pb_tail_damage(b), UINT64_MAX);
    stop_pair();
}

static pb_status
do_write(void)
{
    return pb_buf_write(b, 2, some, PB_PAGE_SIZE);
}

static pb_status
do_extend(void)
{
    return pb_buf_extend(b, some, 3);
}

static pb_status
do_prepare_kept(void)
{
    return pb_buf_prepare_kept(b, 0, 1);
}

static pb_status
do_grow(void)
{
    return pb_buf_truncate(b, SIZE + 1);
}

static pb_status
do_cut(void)
{
    return pb_buf_truncate(b, SIZE - 2);
}

static pb_status
do_punch(void)
{
    return pb_buf_punch(b, PB_PAGE_SIZE, PB_PAGE_SIZE);
}

static pb_status
do_drop_front(void)
{
    return pb_buf_drop_front(b, PB_PAGE_SIZE + 1);
}

static pb_status
do_replace(void)
{
    return pb_buf_replace(b, 3, 4, some, 9);
}

static pb_status
do_set_stride(void)
{
    return pb_buf_set_stride(b, &(pb_stride){0, 4, 3}, some);
}

static pb_status
do_delete_stride(void)
{
    return pb_buf_delete_stride(b, &(pb_stride){1, 4, 3});
}

static pb_status
do_reverse(void)
{
    return pb_buf_reverse(b);
}

static pb_status
do_collapse(void)
{
    return pb_buf_collapse(b, 1, PB_PAGE_SIZE);
}

static pb_status
do_insert_hole(void)
{
    return pb_buf_insert_hole(b, 7, PB_PAGE_SIZE + 1);
}

static pb_status
do_splice(void)
{
    bool shared = false;
    pb_status st =
        pb_buf_splice(b, PB_PAGE_SIZE, PB_PAGE_SIZE, other, 0, 2 * PB_PAGE_SIZE, &shared);
    if (shared) {
        pb_buf_mark_shared(other);
    }
    return st;
}

static pb_status
do_share(void)
{
    pb_buf t;
    pb_buf_init(&t, pool, 3);
    pb_status st = pb_buf_share(&t, b);
    pb_buf_fini(&t);
    return st;
}

typedef struct {
    const char *name;
    pb_status (*call)(void);
    bool changes_size;
} mutator;

static const mutator mutators[] = {
    {"write", do_write, false},
    {"extend", do_extend, true},
    {"prepare_kept", do_prepare_kept, false},
    {"grow", do_grow, true},
    {"cut", do_cut, true},
    {"punch", do_punch, false},
    {"drop_front", do_drop_front, true},
    {"replace", do_replace, true},
    {"set_stride", do_set_stride, false},
    {"delete_stride", do_delete_stride, true},
    {"reverse", do_reverse, false},
    {"collapse", do_collapse, true},
    {"insert_hole", do_insert_hole, true},
    {"splice", do_splice, true},
    {"share", do_share, false},
};

#define MUTATORS (sizeof mutators / sizeof *mutators)

/* What is grown by a hole reads as zeros. */
static void
check_grown(void)
{
    uint64_t size = b->root.size, n = 2 * PB_PAGE_SIZE;
    uint8_t got[2 * PB_PAGE_SIZE];
    CHECK_OK(pb_buf_truncate(b, size + n));
    pb_buf_copy_out(b, size, got, n);
    CHECK_EQ(pb_debug_first_other(got, 0, n), n);
    CHECK_POOL(pool);
}

static void
test_every_change_refuses_a_damaged_tail_once(void)
{
    for (size_t i = 0; i < MUTATORS; i++) {
        NOTE("%s", mutators[i].name);
        start_pair();
        b->tail[2] = 0;
        CHECK_EQ(pb_tail_damage(b), SIZE + 2);
        pb_fault fault = {0};
        CHECK(!pb_buf_check(b, &fault));
        CHECK_EQ(fault.offset, SIZE + 2);
        CHECK_STATUS(mutators[i].call(), PB_CORRUPT);
        CHECK(pool->found.owner == &b->member);
        CHECK_EQ(pool->reserved, 0);
        check_told(PB_WHY_TAIL, pool->found.frame, SIZE + 2);
        CHECK(pb_frame_readable(pool, pool->found.frame));
        NOTE("%s", mutators[i].name);
        AGREE(b, &p.m);
        CHECK_OK(mutators[i].call());
        CHECK_EQ(b->root.size != SIZE, mutators[i].changes_size);
        check_grown();
        stop_pair();
    }
}

static void
test_the_fill_never_shows(void)
{
    for (size_t i = 0; i < MUTATORS * MUTATORS; i++) {
        start_pair();
        NOTE("%s, %s", mutators[i / MUTATORS].name, mutators[i % MUTATORS].name);
        CHECK_OK(mutators[i / MUTATORS].call());
        CHECK_POOL(pool);
        CHECK_OK(mutators[i % MUTATORS].call());
        check_grown();
        pb_buf_clear(b);
        check_grown();
        stop_pair();
    }
}

/* Releasing never fails: the damage is reported afterwards. */
static void
test_clear_tells_but_goes_on(void)
{
    start_pair();
    b->tail[0] = 1;
    pb_buf_clear(b);
    CHECK_EQ(b->root.size, 0);
    check_told(PB_WHY_TAIL, pool->found.frame, SIZE);
    model_clear(&p.m);
    AGREE(b, &p.m);
    other->tail[1] = 1;
    pb_buf_fini(other);
    check_told(PB_WHY_TAIL, pool->found.frame, SIZE + 3);
    model_fini(&q.m);
    pair_fini(&p);
    stop();
}

/* Under a view the tail of the last page is zeros, and the view may write it. */
static void
test_under_a_view_the_tail_is_not_filled(void)
{
    pb_pin_list pins = {0};
    pb_pin pin;
    uint8_t *from;
    start_pair();
    CHECK_OK(pb_buf_open_pins(b, &pins));
    CHECK_OK(pb_buf_pin(b, 3 * PB_PAGE_SIZE, 5, &pin, &from));
    CHECK(b->tail == NULL);
    CHECK_EQ(pb_debug_first_other(from + 5, 0, PB_PAGE_SIZE - 5), PB_PAGE_SIZE - 5);
    CHECK_OK(pb_buf_write(b, 0, "x", 1));
    CHECK_OK(pb_buf_extend(b, "y", 1));
    CHECK(b->tail == NULL);
    CHECK_EQ(from[6], 0);
    CHECK_POOL(pool);
    pb_pin_release(pool, &pin);
    CHECK_OK(pb_buf_extend(b, "z", 1));
    check_grown();
    stop_pair();
}

/* A page that another tree names, too, has zeros there. */
static void
test_a_shared_tail_is_zeros(void)
{
    pb_buf t;
    uint8_t got[5];
    start_pair();
    uint8_t *tail = b->tail;
    pb_buf_init(&t, pool, 3);
    CHECK_OK(pb_buf_share(&t, b));
    CHECK_EQ(pb_debug_first_other(tail, 0, PB_PAGE_SIZE - 5), PB_PAGE_SIZE - 5);
    CHECK_OK(pb_buf_extend(b, "x", 1));
    CHECK_OK(pb_buf_truncate(&t, SIZE + 5));
    pb_buf_copy_out(&t, SIZE, got, 5);
    CHECK_EQ(pb_debug_first_other(got, 0, 5), 5);
    CHECK_POOL(pool);
    pb_buf_fini(&t);
    stop_pair();
}

static void
play(unsigned level, bool fresh_zero, bool sparse, uint64_t seed)
{
    static player y;
    start(level, 70, fresh_zero);
    y.c = chance_of(seed);
    y.sparse = sparse;
    pair_init(&y.p, &mem, sparse ? PB_MAX_LEVELS : 4);
    for (int i = 0; i < 400; i++) {
        NOTE("seed %" PRIu64 " step %d", seed, i);
        step(&y);
        CHECK_EQ(pool->pending, 0);
    }
    pair_fini(&y.p);
    stop();
}

static void
test_random_calls_beside_plain_memory(void)
{
    for (uint64_t seed = 0; seed < 6; seed++) {
        play(1, seed & 1, seed % 3 == 2, seed);
    }
}

/* ---- memory that callers hand in ---- */

static pb_map map;

static void
start_mapped(void)
{
    pb_map_init(&map);
    memory_init(&mem, PB_UNLIMITED, true);
    pb_pool_set_debug(pool, 1);
    pool->map = &map;
    mem.piece = 100;
    memory_grow(&mem);
    pair_init(&p, &mem, 3);
    pair_scribble(&p, 0, SIZE, 1);
}

static void
stop_mapped(void)
{
    pair_fini(&p);
    stop();
}

static void
test_foreign_memory_is_a_view_or_elsewhere(void)
{
    static const char why[] = "in no view";
    start_mapped();
    pb_frame a = take_frames(pool, 3);
    pb_interval view;
    CHECK(pb_debug_foreign(pool, some, sizeof some));
    CHECK(pb_debug_foreign(pool, at(a), 0));
    CHECK(!pb_debug_foreign(pool, at(a + 1) + 3, 1));
    check_told(why, a + 1, 3);
    CHECK(pool->found.owner == NULL); /* no tree has it */
    CHECK(pool->fault.why == NULL);
    pb_map_add_view(&map, &view, at(a), PB_PAGE_SIZE + 4);
    CHECK(pb_debug_foreign(pool, at(a) + 1, PB_PAGE_SIZE + 3));
    CHECK(!pb_debug_foreign(pool, at(a) + 1, PB_PAGE_SIZE + 4)); /* a part of it */
    check_told(why, a, 1);
    CHECK_OK(pb_buf_write(b, 0, at(a), 4));
    CHECK_STATUS(pb_buf_write(b, 0, at(a + 2), 4), PB_CORRUPT);
    check_told(why, a + 2, 0);
    CHECK_STATUS(pb_buf_extend(b, at(a + 2), 4), PB_CORRUPT);
    check_told(why, a + 2, 0);
    CHECK_EQ(b->root.size, SIZE);
    pb_frame own = frame_of_page(b, 1);
    CHECK_STATUS(pb_buf_write(b, 0, at(own) + 5, 4), PB_CORRUPT);
    pb_fault_find_owner(&pool->found);
    check_told(why, own, PB_PAGE_SIZE + 5);
    CHECK(pool->found.owner == &b->member);
    pb_map_remove_view(&map, &view);
    CHECK(!pb_debug_foreign(pool, at(a), 1));
    check_told(why, a, 0);
    unref_frames(pool, a, 3);
    stop_mapped();
}

/* Memory that begins before a region is named by the region's first page. */
static void
test_foreign_memory_that_runs_into_a_region(void)
{
    start_mapped();
    const pb_region *r = &pool->region[pool->newest];
    CHECK(!pb_debug_foreign(pool, r->base - 8, 9));
    check_told("in no view", r->first, 0);
    CHECK(pb_debug_foreign(pool, r->base - 8, 8));
    stop_mapped();
}

/* Another pool's pages are refused when that pool keeps a record of its views. */
static void
test_foreign_memory_of_another_pool(void)
{
    for (unsigned level = 0; level < 2; level++) {
        memory far;
        start_mapped();
        memory_init(&far, PB_UNLIMITED, true);
        pb_pool_set_debug(&far.pool, level);
        far.pool.map = &map;
        far.piece = 10;
        memory_grow(&far);
        pb_frame a = take_data(&far, 0);
        const uint8_t *where = pb_frame_address(&far.pool, a);
        CHECK_EQ(pb_debug_foreign(pool, where, 8), level == 0);
        CHECK_EQ(far.pool.pending, 0);
        if (level) {
            check_told("in no view", a, 0);
            CHECK(pool->found.pool == &far.pool);
        }
        pb_frame_unref(&far.pool, a);
        memory_fini(&far);
        stop_mapped();
    }
}

/* ---- level 0: what every pool notices ---- */

/* Check that damage is reported and stays with the pool; then remove it by hand. */
static void
check_stays(const char *words, pb_frame frame)
{
    pb_fault fault = {0};
    CHECK(!pool_is_whole(pool, &fault));
    CHECK_EQ(fault.frame, frame);
    check_told(words, frame, pool->found.offset);
    pool->fault.why = NULL;
}

static void
test_what_is_freed_wrongly_is_noted(void)
{
    for (unsigned level = 0; level < 2; level++) {
        start(level, 100, true);
        pb_frame a = take_frames(pool, 3);
        pb_frame_unref(pool, 100);
        check_stays("a frame of no region was freed", 100);
        pb_frame_unref(pool, UINT32_MAX);
        check_stays("a frame of no region was freed", UINT32_MAX);
        CHECK(pb_frame_unref_shared(pool, 1 << 20));
        check_stays("a frame of no region was freed", 1 << 20);
        pb_frame_unref(pool, a + 2);
        pb_frame_unref(pool, a + 2);
        check_stays("frame freed twice", a + 2);
        CHECK(pb_frame_unref_shared(pool, a + 2));
        check_stays("frame freed twice", a + 2);
        pb_frame_unref(pool, 90); /* never handed out */
        check_stays("frame freed twice", 90);
        pb_frame_pin(pool, a);
        pb_frame_unref(pool, a);
        pb_frame_unref(pool, a);
        check_stays("reference count underflow", a);
        pb_frame_unpin(pool, a);
        pb_frame_unpin(pool, a + 1);
        check_stays("more pins taken off", a + 1);
        pb_frame_unref(pool, a + 1);
        stop();
    }
}

/* Read, write and drop around a bad entry: it is noted each time, and never followed. */
static void
check_bad(pb_frame frame, const char *words)
{
    uint8_t got[SIZE];
    pb_entry good = pb_entry_load(entry_of_page(b, 1));
    b->leaf_r = b->leaf_w = NULL;
    pb_entry_store(entry_of_page(b, 1), pb_entry_of(frame));
    pb_buf_copy_out(b, 0, got, SIZE);
    check_stays(words, frame);
    CHECK_STATUS(pb_buf_write(b, PB_PAGE_SIZE, "abc", 3), PB_CORRUPT);
    check_told(words, frame, pool->found.offset);
    CHECK(pool->found.owner == &b->member);
    CHECK_EQ(pool->reserved, 0);
    pool->fault.why = NULL;
    pb_entry_store(entry_of_page(b, 1), good);
    AGREE(b, &p.m);
}

static void
test_a_bad_entry_is_noted(void)
{
    for (unsigned level = 0; level < 2; level++) {
        start(level, 200, true);
        pair_init(&p, &mem, 3);
        pair_scribble(&p, 0, SIZE, 1);
        pb_frame a = take_frames(pool, 1);
        pb_frame_unref(pool, a);
        NOTE("level %u", level);
        check_bad(200, "an entry names a frame of no region");
        check_bad(UINT32_MAX, "an entry names a frame of no region");
        check_bad(150, "an entry names a free frame");
        if (level == 0) { /* else it is in the quarantine */
            check_bad(a, "an entry names a free frame");
        }
        pair_fini(&p);
        stop();
    }
}

int
main(void)
{
    RUN(test_a_freed_frame_is_poisoned);
    RUN(test_the_quarantine_is_left_in_order);
    RUN(test_the_quarantine_ends_when_frames_are_short);
    RUN(test_damage_is_found_when_a_frame_is_spoken_for);
    RUN(test_damage_is_found_when_a_frame_is_taken);
    RUN(test_damage_is_found_when_a_frame_leaves_the_quarantine);
    RUN(test_damage_is_found_by_the_check_and_stays);
    RUN(test_fresh_ground_is_zeros_or_unknown);
    RUN(test_a_frame_knows_who_took_and_freed_it);
    RUN(test_the_hook_is_not_called_while_nobody_traces);
    RUN(test_the_tail_is_filled);
    RUN(test_every_change_refuses_a_damaged_tail_once);
    RUN(test_the_fill_never_shows);
    RUN(test_clear_tells_but_goes_on);
    RUN(test_under_a_view_the_tail_is_not_filled);
    RUN(test_a_shared_tail_is_zeros);
    RUN(test_random_calls_beside_plain_memory);
    RUN(test_foreign_memory_is_a_view_or_elsewhere);
    RUN(test_foreign_memory_that_runs_into_a_region);
    RUN(test_foreign_memory_of_another_pool);
    RUN(test_what_is_freed_wrongly_is_noted);
    RUN(test_a_bad_entry_is_noted);
    return finish();
}
