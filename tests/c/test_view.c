/* Live views (I7, I11): the buffer goes on under them.  A view and its buffer see each
 * other's writes; pages that the buffer drops live on with their view; copies are apart
 * from both.  Beside each view there is a shadow: what it should show. */
#include "player.h"

enum { VIEWS = 5, LONGEST = 9 };

/* A view of n bytes that begin `skip` bytes into its first page. */
typedef struct {
    pb_pin pin;
    uint8_t *at;
    bool open, live[LONGEST];
    uint64_t page; /* counted from where the tree once began, so it never shifts */
    uint64_t pages, skip, n;
    uint8_t shadow[LONGEST * PB_PAGE_SIZE];
} view;

typedef struct {
    player y;
    pb_book book;
    view v[VIEWS];
} viewed;

/* ---- what a view should show ---- */

static uint64_t
pages_shifted(const viewed *w)
{
    return w->y.p.m.shifted >> PB_PAGE_SHIFT;
}

static uint64_t
page_of_byte(const view *v, uint64_t i)
{
    return (v->skip + i) >> PB_PAGE_SHIFT;
}

/* The tree position of byte i, when its page is still under the buffer. */
static bool
byte_is_live(const viewed *w, const view *v, uint64_t i, uint64_t *pos)
{
    uint64_t page = page_of_byte(v, i);
    *pos = ((v->page + page - pages_shifted(w)) << PB_PAGE_SHIFT) +
           ((v->skip + i) & PB_PAGE_MASK);
    return v->live[page];
}

/* What bytes [from, to) of a view should show, all of them in one page.  A live byte inside
 * the size is the buffer's byte.  One outside, in the first or the last page, stays as it
 * was, or is zero where the buffer has used the place.  Others stay. */
static void
expect_page(const viewed *w, const view *v, uint64_t from, uint64_t to, uint8_t *want)
{
    const model *m = &w->y.p.m;
    uint64_t pos;
    memcpy(want, v->shadow + from, to - from);
    if (!byte_is_live(w, v, from, &pos)) {
        return;
    }
    uint64_t lo = pb_min(pb_max(pos, m->bias), pos + to - from);
    uint64_t hi = pb_max(lo, pb_min(pos + to - from, m->bias + m->size));
    for (uint64_t i = 0; i < to - from; i++) {
        bool inside = pos + i >= lo && pos + i < hi;
        want[i] = inside || v->at[from + i] ? want[i] : 0;
    }
    if (lo < hi) {
        const sheet *s = model_sheet(m, page_number(lo));
        memcpy(want + (lo - pos), s->bytes + (lo & PB_PAGE_MASK), hi - lo);
    }
}

static void
check_view(const viewed *w, view *v)
{
    static uint8_t want[PB_PAGE_SIZE];
    for (uint64_t i = 0, past; v->open && i < v->n; i = past) {
        past = pb_min(v->n, ((page_of_byte(v, i) + 1) << PB_PAGE_SHIFT) - v->skip);
        expect_page(w, v, i, past, want);
        CHECK_BYTES(v->at + i, want, past - i);
        memcpy(v->shadow + i, want, past - i);
    }
}

/* Where a page of the tree lies; 0 for a hole. */
static uintptr_t
address_of_page(const pb_buf *b, uint64_t page)
{
    pb_step steps[PB_MAX_LEVELS + 1];
    unsigned n = pb_tree_walk(b->pool, &b->root, page, steps);
    return steps[n - 1].address;
}

/* Live pages are where the view is; and the buffer knows how many there are. */
static void
check_views(viewed *w)
{
    pb_buf *b = &w->y.p.b;
    uint64_t live = 0, detached = 0;
    pb_usage use;
    HERE();
    agree(b, &w->y.p.m);
    for (unsigned k = 0; k < VIEWS; k++) {
        view *v = &w->v[k];
        check_view(w, v);
        for (uint64_t i = 0; v->open && i < v->pages; i++) {
            uintptr_t page = (uintptr_t)v->at - v->skip + i * PB_PAGE_SIZE;
            CHECK(!v->live[i] ||
                  address_of_page(b, v->page + i - pages_shifted(w)) == page);
            detached += !v->live[i];
            bool again = false; /* under an earlier view as well */
            for (unsigned j = 0; j < k; j++) {
                const view *u = &w->v[j];
                again |= u->open && v->page + i - u->page < u->pages &&
                         u->live[v->page + i - u->page];
            }
            live += v->live[i] && !again;
        }
    }
    pb_buf_usage(b, &use);
    CHECK_EQ(use.pinned, live);
    CHECK_EQ(pb_buf_viewed(b), live > 0);
    CHECK(b->pool->detached <= detached);
    CHECK_EQ(b->pool->detached > 0, detached > 0);
    CHECK_EQ(pb_pool_pinned(b->pool), live + b->pool->detached);
}

/* ---- what the calls do to views ---- */

/* Pages that are no longer between the first and the last one are detached. */
static void
detach_outside(viewed *w)
{
    const model *m = &w->y.p.m;
    uint64_t first = page_number(m->bias) + pages_shifted(w);
    uint64_t past = page_number(m->bias + m->size + PB_PAGE_MASK) + pages_shifted(w);
    for (unsigned k = 0; k < VIEWS; k++) {
        view *v = &w->v[k];
        for (uint64_t i = 0; v->open && i < v->pages; i++) {
            uint64_t page = v->page + i;
            v->live[i] = v->live[i] && m->size && page >= first && page < past;
        }
    }
}

/* Pages under a view are cleared in place when they are punched, not dropped. */
static void
keep_pinned_sheets(viewed *w)
{
    for (unsigned k = 0; k < VIEWS; k++) {
        view *v = &w->v[k];
        for (uint64_t i = 0; v->open && i < v->pages; i++) {
            if (v->live[i]) {
                (void)model_make_sheet(&w->y.p.m, v->page + i - pages_shifted(w));
            }
        }
    }
}

/* ---- steps ---- */

static void
open_view(viewed *w, view *v)
{
    player *y = &w->y;
    model *m = &y->p.m;
    if (m->size == 0) {
        return;
    }
    uint64_t off = pb_min(some_offset(y), m->size - 1), pos = m->bias + off;
    uint64_t n = 1 + below(&y->c, (LONGEST - 1) * PB_PAGE_SIZE);
    n = pb_min(n, m->size - off);
    pb_status st;
    DOING("view %" PRIu64 " at %" PRIu64, n, off);
    GROWING(y->p.mem, st, pb_buf_pin(&y->p.b, off, n, &v->pin, &v->at));
    if (st == PB_PINNED) {
        CHECK(pb_buf_viewed(&y->p.b));
        return;
    }
    CHECK_OK(st);
    v->open = true;
    v->skip = pos & PB_PAGE_MASK;
    v->n = n;
    v->pages = page_number(pos + n - 1) - page_number(pos) + 1;
    v->page = page_number(pos) + pages_shifted(w);
    for (uint64_t i = 0; i < v->pages; i++) {
        v->live[i] = true;
    }
    model_write(m, off, NULL, n); /* holes are pages now */
}

static void
close_view(viewed *w, view *v)
{
    DOING("close a view");
    pb_buf_unpin(w->y.p.b.pool, &v->pin);
    v->open = false;
}

/* A store through the view is a store to the buffer, where it still lies under it, and to
 * all other views of the same memory. */
static void
store(viewed *w, view *v)
{
    uint64_t i = below(&w->y.c, v->n), pos;
    const model *m = &w->y.p.m;
    DOING("store byte %" PRIu64 " of a view", i);
    v->at[i] = (uint8_t)(1 + below(&w->y.c, 255));
    if (byte_is_live(w, v, i, &pos) && pos >= m->bias && pos < m->bias + m->size) {
        model_sheet(m, page_number(pos))->bytes[pos & PB_PAGE_MASK] = v->at[i];
    }
    for (unsigned k = 0; k < VIEWS; k++) {
        view *u = &w->v[k];
        uintptr_t at = (uintptr_t)&v->at[i] - (uintptr_t)u->at;
        if (u->open && at < u->n) {
            u->shadow[at] = v->at[i];
        }
    }
}

/* A copy made under live views has bytes of its own. */
static void
copy_under_views(viewed *w)
{
    pair copy;
    DOING("share");
    pair_share(&copy, &w->y.p);
    agree(&copy.b, &copy.m);
    for (unsigned k = 0; k < VIEWS; k++) {
        if (w->v[k].open) {
            store(w, &w->v[k]);
        }
    }
    agree(&copy.b, &copy.m);
    check_views(w);
    pair_scribble(&copy, copy.m.size / 2, 3, 1);
    agree(&copy.b, &copy.m);
    check_views(w);
    pair_fini(&copy);
}

/* A hold while the buffer is written to, as a large read takes one. */
static void
hold_and_write(viewed *w)
{
    pair held;
    pb_status st;
    player *y = &w->y;
    DOING("hold");
    uint8_t shared = y->p.b.root.shared;
    pair_init(&held, y->p.mem, PB_MAX_LEVELS);
    GROWING(y->p.mem, st, pb_buf_hold(&held.b, &y->p.b));
    CHECK_OK(st);
    model_copy(&held.m, &y->p.m);
    step_write(y);
    agree(&held.b, &held.m);
    check_views(w);
    pb_buf_unhold(&held.b, &y->p.b);
    CHECK_EQ(y->p.b.root.shared, shared);
    model_fini(&held.m);
}

static void
change_something(viewed *w)
{
    player *y = &w->y;
    switch (below(&y->c, 7)) {
    case 0:
        step_drop_front(y);
        break;
    case 1:
        step_truncate(y);
        break;
    case 2:
        step_punch(y);
        keep_pinned_sheets(w);
        break;
    case 3:
        step_write(y);
        break;
    case 4:
        step_prepare(y);
        break;
    case 5:
        step_take_ready(y);
        break;
    default:
        step_extend(y);
    }
}

static void
step_viewed(viewed *w)
{
    chance *c = &w->y.c;
    view *v = &w->v[below(c, VIEWS)];
    if (one_in(c, 50)) {
        pair_clear(&w->y.p);
    }
    else if (one_in(c, 12)) {
        copy_under_views(w);
    }
    else if (one_in(c, 12)) {
        hold_and_write(w);
    }
    else if (one_in(c, 4) && !v->open) {
        open_view(w, v);
    }
    else if (one_in(c, 8) && v->open) {
        close_view(w, v);
    }
    else if (one_in(c, 3) && v->open) {
        store(w, v);
    }
    else {
        change_something(w);
    }
    detach_outside(w);
    check_views(w);
}

/* A view opened before shows what it showed: the shadow starts as the view is. */
static void
remember_views(viewed *w)
{
    for (unsigned k = 0; k < VIEWS; k++) {
        if (w->v[k].open) {
            memcpy(w->v[k].shadow, w->v[k].at, w->v[k].n);
        }
    }
}

static void
open_book(viewed *w)
{
    pb_status st;
    w->book = (pb_book){0};
    GROWING(w->y.p.mem, st, pb_buf_open_book(&w->y.p.b, &w->book));
    CHECK_OK(st);
    model_spill(&w->y.p.m);
    w->y.p.m.book = true;
}

static void
play_viewed(uint64_t seed, int steps)
{
    static viewed w;
    memory mem;
    memset(&w, 0, sizeof w);
    memory_init(&mem, PB_UNLIMITED, seed % 2);
    w.y.c = chance_of(seed);
    w.y.sparse = seed % 5 == 4;
    pair_init(&w.y.p, &mem, PB_MAX_LEVELS);
    open_book(&w);
    for (int i = 0; i < steps; i++) {
        NOTE("seed %" PRIu64 " step %d", seed, i);
        step_viewed(&w);
        remember_views(&w);
    }
    pair_fini(&w.y.p); /* views outlive their buffer */
    for (unsigned k = 0; k < VIEWS; k++) {
        view *v = &w.v[k];
        CHECK(!v->open || v->pin.link == NULL);
        CHECK_BYTES(v->at, v->shadow, v->open ? v->n : 0);
        if (v->open) {
            close_view(&w, v);
        }
    }
    CHECK_EMPTY(&mem.pool);
    CHECK_EQ(mem.pool.detached, 0);
    memory_fini(&mem);
}

static void
test_random_calls_under_views(void)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        play_viewed(seed, 250);
    }
}

/* ---- case by case ---- */

static memory mem;
static pair p;
static pb_book book;

static void
start(uint64_t pages)
{
    memory_init(&mem, PB_UNLIMITED, false);
    pair_init(&p, &mem, PB_MAX_LEVELS);
    book = (pb_book){0};
    CHECK_OK(pb_buf_open_book(&p.b, &book));
    model_spill(&p.m);
    p.m.book = true;
    pair_scribble(&p, 0, pages * PB_PAGE_SIZE, 1);
}

static void
stop(void)
{
    AGREE(&p.b, &p.m);
    pair_fini(&p);
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

/* Every other page is a hole, and what is there lies in no order. */
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
    pb_buf_unpin(&mem.pool, &first);
    CHECK(pb_buf_pinned_behind(&p.b, 0) && pb_buf_pinned_behind(&p.b, PB_PAGE_SIZE));
    CHECK(!pb_buf_pinned_behind(&p.b, 2 * PB_PAGE_SIZE));
    pb_buf_unpin(&mem.pool, &second);
    CHECK(!pb_buf_viewed(&p.b));
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
    pb_buf_unpin(&mem.pool, &pin);
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
        memory_promise(&mem, 200);
        pb_pool_unpromise(&mem.pool, 200);
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
        CHECK(n > 10);
        model_write(&p.m, 0, NULL, 10 * PB_PAGE_SIZE + 1);
        AGREE(&p.b, &p.m);
        if (shared) {
            AGREE(&copy.b, &copy.m);
            pair_fini(&copy);
        }
        pb_buf_unpin(&mem.pool, &pin);
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
    book = (pb_book){0};
    CHECK_OK(pb_buf_open_book(&p.b, &book));
    model_spill(&p.m);
    p.m.book = true;
    pair_scribble(&p, 0, 9 * PB_PAGE_SIZE, 1);
    for (int i = 0; i < 10; i++) {
        memory_grow(&mem); /* enough frames, but nowhere nine in a row */
    }
    CHECK_STATUS(pb_buf_pin(&p.b, 0, 9 * PB_PAGE_SIZE, &pin, &at), PB_NEED_PAGES);
    CHECK(mem.pool.short_by >= 9);
    AGREE(&p.b, &p.m);
    memory_grow_by(&mem, (uint32_t)mem.pool.short_by);
    CHECK_OK(pb_buf_pin(&p.b, 0, 9 * PB_PAGE_SIZE, &pin, &at));
    CHECK_BYTES(at, p.m.sheet[0]->bytes, PB_PAGE_SIZE);
    pb_buf_unpin(&mem.pool, &pin);
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
    memory_promise(&mem, 100);
    pb_pool_unpromise(&mem.pool, 100);
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
    pb_buf_unpin(&mem.pool, &pin[0]);
    pb_buf_unpin(&mem.pool, &pin[1]);
    pair_fini(&copy);
    stop();
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
    pb_buf_unpin(&mem.pool, &pin);
    p.b.root.max_levels = 1;
    CHECK_STATUS(pb_buf_restore(&p.b, &old.b), PB_CAPACITY);
    p.b.root.max_levels = PB_MAX_LEVELS;
    p.b.root.frozen = PB_FROZEN_SNAPSHOT;
    CHECK_STATUS(pb_buf_restore(&p.b, &old.b), PB_FROZEN);
    p.b.root.frozen = 0;
    AGREE(&p.b, &p.m);
    CHECK_OK(pb_buf_restore(&p.b, &old.b));
    model_fini(&p.m);
    model_copy(&p.m, &old.m);
    p.m.book = true;
    AGREE(&p.b, &p.m);
    pair_scribble(&p, 5, PB_PAGE_SIZE, 3);
    AGREE(&p.b, &p.m);
    AGREE(&old.b, &old.m);
    pair_fini(&old);
    stop();
}

/* Tiny contents are copied, not shared; a buffer with a book stays a tree. */
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
    CHECK_OK(pb_buf_restore(&p.b, &tiny.b));
    model_fini(&p.m);
    model_copy(&p.m, &tiny.m);
    p.m.book = true;
    model_spill(&p.m);
    AGREE(&p.b, &p.m);
    CHECK_OK(pb_buf_restore(&tiny.b, &p.b));
    model_fini(&tiny.m);
    model_copy(&tiny.m, &p.m);
    tiny.m.book = false;
    AGREE(&tiny.b, &tiny.m);
    pair_clear(&tiny);
    AGREE(&tiny.b, &tiny.m);
    pair_fini(&tiny);
    pair_fini(&copy);
    stop();
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
        AGREE(&p.b, &p.m);
        pair_fini(&p);
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
}

/* A frame under more views than a row can count lives on: no view may lose its memory. */
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
        pb_buf_unpin(&mem.pool, &pins[i]);
    }
    CHECK(mem.pool.fault.why == NULL);
    pair_fini(&p);
    memory_fini(&mem);
}

int
main(void)
{
    RUN(test_random_calls_under_views);
    RUN(test_scattered_pages_are_gathered_once);
    RUN(test_a_view_in_the_way_forbids_gathering);
    RUN(test_a_view_that_gets_no_memory_changes_nothing);
    RUN(test_a_run_asks_for_a_region_of_its_size);
    RUN(test_a_copy_that_gets_no_memory_changes_nothing);
    RUN(test_restore);
    RUN(test_share_and_restore_of_tiny_buffers);
    RUN(test_a_frozen_buffer_refuses_every_change);
    RUN(test_a_page_lost_under_very_many_views);
    return finish();
}
