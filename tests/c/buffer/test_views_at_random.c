/* Live views (I7, I11): the buffer goes on under them.  A view and its buffer see each
 * other's writes; pages that the buffer drops live on with their view; copies are apart
 * from both.  Beside each view there is a shadow: what it should show. */
#include "buffer/player.h"

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
    pb_pin_list pins;
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

/* Live pages lie where their view is, and the buffer counts them right. */
static void
check_views(viewed *w)
{
    pb_buf *b = &w->y.p.b;
    uint64_t live = 0, detached = 0;
    pb_tree_stats use;
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
    pb_buf_stats(b, &use);
    CHECK_EQ(use.pinned, live);
    CHECK_EQ(pb_buf_viewed(b), live > 0);
    CHECK(b->pool->detached <= detached);
    CHECK_EQ(b->pool->detached > 0, detached > 0);
    CHECK_EQ(pb_pool_pinned(b->pool), live + b->pool->detached);
}

/* ---- what the calls do to views ---- */

/* Detach the pages that are no longer between the buffer's first and last one. */
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
    pb_pin_release(w->y.p.b.pool, &v->pin);
    v->open = false;
}

/* A store through the view is a store to the buffer, where it still lies under it, and to
 * all other views of the same memory. */
static void
note_store(viewed *w, view *v, uint64_t i, uint8_t byte)
{
    const model *m = &w->y.p.m;
    uint64_t pos;
    if (byte_is_live(w, v, i, &pos) && pos >= m->bias && pos < m->bias + m->size) {
        model_sheet(m, page_number(pos))->bytes[pos & PB_PAGE_MASK] = byte;
    }
    for (unsigned k = 0; k < VIEWS; k++) {
        view *u = &w->v[k];
        uintptr_t at = (uintptr_t)&v->at[i] - (uintptr_t)u->at;
        if (u->open && at < u->n) {
            u->shadow[at] = byte;
        }
    }
}

static void
store(viewed *w, view *v)
{
    uint64_t i = below(&w->y.c, v->n);
    DOING("store byte %" PRIu64 " of a view", i);
    v->at[i] = (uint8_t)(1 + below(&w->y.c, 255));
    note_store(w, v, i, v->at[i]);
}

/* Live bytes past the end are nobody's: growth clears them first (I4). */
static bool
may_be_source(const viewed *w, const view *v, uint64_t i, uint64_t n)
{
    const model *m = &w->y.p.m;
    uint64_t pos;
    while (n-- > 0) {
        if (byte_is_live(w, v, i + n, &pos) && pos >= m->bias + m->size) {
            return false;
        }
    }
    return true;
}

/* The bytes of a view written to its own buffer, and read from it into the view: as if the
 * source had been copied first. */
static void
write_from_view(viewed *w, view *v)
{
    player *y = &w->y;
    uint64_t i = below(&y->c, v->n), n = 1 + below(&y->c, v->n - i);
    uint64_t off = offset_for(y, n);
    if (!may_be_source(w, v, i, n)) {
        return;
    }
    DOING("write %" PRIu64 " from byte %" PRIu64 " of a view at %" PRIu64, n, i, off);
    memcpy(y->bytes, v->at + i, n);
    pb_status st;
    GROWING(y->p.mem, st, pb_buf_write(&y->p.b, off, v->at + i, n));
    if (!model_fits(&y->p.m, off, n)) {
        CHECK_EQ(st, PB_CAPACITY);
        return;
    }
    CHECK_OK(st);
    model_write(&y->p.m, off, y->bytes, n);
}

static void
read_into_view(viewed *w, view *v)
{
    player *y = &w->y;
    if (y->p.m.size == 0) {
        return;
    }
    uint64_t off = pb_min(some_offset(y), y->p.m.size - 1), i = below(&y->c, v->n);
    uint64_t n = 1 + below(&y->c, pb_min(v->n - i, y->p.m.size - off));
    DOING("read %" PRIu64 " at %" PRIu64 " into byte %" PRIu64 " of a view", n, off, i);
    model_read(&y->p.m, off, y->bytes, n);
    pb_buf_copy_out(&y->p.b, off, v->at + i, n);
    CHECK_BYTES(v->at + i, y->bytes, n);
    for (uint64_t k = 0; k < n; k++) {
        note_store(w, v, i + k, y->bytes[k]);
    }
}

/* A copy made under live views shares no viewed page. */
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

/* A read snapshot while the buffer is written to, as a large read takes one. */
static void
snapshot_and_write(viewed *w)
{
    pair held;
    pb_status st;
    player *y = &w->y;
    DOING("read snapshot");
    uint8_t shared = y->p.b.root.shared;
    pair_init(&held, y->p.mem, PB_MAX_LEVELS);
    GROWING(y->p.mem, st, pb_buf_read_snapshot(&held.b, &y->p.b));
    CHECK_OK(st);
    model_copy(&held.m, &y->p.m);
    step_write(y);
    agree(&held.b, &held.m);
    check_views(w);
    pb_buf_end_snapshot(&held.b, &y->p.b);
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
        snapshot_and_write(w);
    }
    else if (one_in(c, 4) && !v->open) {
        open_view(w, v);
    }
    else if (one_in(c, 8) && v->open) {
        close_view(w, v);
    }
    else if (one_in(c, 3) && v->open) {
        static void (*const steps[])(viewed *, view *) = {store, write_from_view,
                                                          read_into_view};
        steps[below(c, 3)](w, v);
    }
    else {
        change_something(w);
    }
    detach_outside(w);
    check_views(w);
}

/* Fill the shadow of each view with what it shows now. */
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
open_pins(viewed *w)
{
    pb_status st;
    w->pins = (pb_pin_list){0};
    GROWING(w->y.p.mem, st, pb_buf_open_pins(&w->y.p.b, &w->pins));
    CHECK_OK(st);
    model_promote(&w->y.p.m);
    w->y.p.m.pins = true;
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
    open_pins(&w);
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
    for (uint64_t seed = 0; seed < 40; seed++) {
        play_viewed(seed, 250);
    }
}

int
main(void)
{
    RUN(test_random_calls_under_views);
    return finish();
}
