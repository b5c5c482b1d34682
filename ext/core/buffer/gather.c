/* buffer/gather.c: makes pages one run of frames, for live views. */
#include "buffer/internal.h"
#include "pool/advise.h"
#include "pool/guard.h"

/* ---- runs ---- */

/* How many of n pages, from `first` + `known` on, go on with the run that begins in frame `run` at page
 * `first`.  A run ends with its region: the addresses go on elsewhere. */
static uint64_t
pages_in_place(const pb_buf *b, uint64_t first, uint64_t n, pb_frame run, uint64_t known)
{
    uint64_t done = known;
    while (done < n) {
        pb_extent x = pb_tree_extent(b->pool, &b->root, first + done, first + n);
        if (x.kind != PB_EXTENT_PRESENT || x.frame != run + done ||
            pb_frame_is_fetched(b->pool, run) || /* it may go: nobody keeps an address */
            pb_region_of(x.frame) != pb_region_of(run)) {
            break;
        }
        done += x.pages;
    }
    return done;
}

/* The first frame of the pages [first, first + n) if they are one run; else 0. */
static pb_frame
run_of(const pb_buf *b, uint64_t first, uint64_t n)
{
    pb_frame frame = pb_tree_frame(b->pool, &b->root, first);
    return frame && pages_in_place(b, first, n, frame, 0) == n ? frame : 0;
}

/* `frame` begins a run that ends before `page`.  Does the run go on in memory up to `end`, as it is
 * a zone's to the last frame, and `page` the copy of what lies behind? */
static bool
ends_source(const pb_buf *b, pb_frame frame, uint64_t page, uint64_t end)
{
    const pb_zone *z = pb_zone_of(b->pool, frame);
    return z && z->tail && pb_tree_frame(b->pool, &b->root, page) == z->tail &&
           pb_tree_frame(b->pool, &b->root, page - 1) == z->first + z->count - 1 &&
           end - (page << PB_PAGE_SHIFT) <= z->tail_bytes;
}

uint8_t *
pb_buf_one_run(const pb_buf *b, uint64_t off, uint64_t n)
{
    if (pb_buf_is_inline(b)) {
        return pb_buf_inline(b) + off;
    }
    uint64_t pos = b->root.bias + off, end = pos + n;
    uint64_t first = page_of(pos), pages = page_of(end - 1) - first + 1;
    pb_frame frame = run_of(b, first, pages);
    if (frame == 0 && pages > 1 && b->root.shared) {
        frame = run_of(b, first, pages - 1);
        frame = ends_source(b, frame, first + pages - 1, end) ? frame : 0;
    }
    return frame ? pb_page_address(b->pool, frame) + (pos & PB_PAGE_MASK) : NULL;
}

/* ---- gathering ---- */

/* Copies the page, and returns the frame that the entry named before; 0: a hole. */
static pb_frame
copy_page(pb_buf *b, pb_entry *at, pb_frame to)
{
    pb_frame old = pb_entry_frame(pb_entry_load(at));
    uint8_t *dst = pb_frame_address(b->pool, to);
    if (old) {
        pb_copy(dst, pb_page_address(b->pool, old), PB_PAGE_SIZE);
    }
    else {
        pb_zero(dst, PB_PAGE_SIZE);
    }
    pb_tree_set(at, pb_entry_of(to));
    return old;
}

void
pb_buf_move_page(pb_buf *b, pb_entry *at, pb_frame to)
{
    pb_frame old = copy_page(b, at, to);
    if (old) {
        pb_frame_unref(b->pool, old);
    }
}

/* What it takes to bring n pages to other frames. */
typedef struct {
    uint64_t nodes; /* to be made or copied */
    uint64_t more;  /* frames for holes and shared pages */
    uint64_t holes;
    uint64_t moved; /* frames that the buffer frees in exchange */
} price;

/* How many of n present pages side by side in a leaf, from frame `frame` on, others share. */
static uint64_t
shared_among(const pb_buf *b, uint64_t page, pb_frame frame, uint64_t n)
{
    pb_leaf leaf;
    if (!pb_tree_leaf_owned(b->pool, &b->root, page, &leaf) || leaf.entry == NULL) {
        return n; /* pb_tree_need counts these pages with their nodes */
    }
    uint64_t shared = 0;
    for (uint64_t i = 0; i < n; i++) {
        shared += pb_frame_is_shared(b->pool, frame + (pb_frame)i);
    }
    return shared;
}

/* O(extents): the length of a hole costs nothing. */
static price
price_of(const pb_buf *b, uint64_t first, uint64_t n)
{
    uint64_t need = pb_tree_need(b->pool, &b->root, first, first + n - 1), more = 0;
    uint64_t holes = 0;
    for (uint64_t i = 0; i < n;) {
        pb_extent x = pb_tree_extent(b->pool, &b->root, first + i, first + n);
        more += x.kind == PB_EXTENT_PRESENT ? shared_among(b, first + i, x.frame, x.pages)
                                            : x.pages;
        holes += x.kind == PB_EXTENT_HOLE ? x.pages : 0;
        i += x.pages;
    }
    return (price){need - more, more, holes, n - more};
}

static pb_status
reserve_price(pb_buf *b, const price *p)
{
    return pb_pool_reserve_move(b->pool, p->nodes + p->more, p->moved);
}

static void
unreserve_price(pb_buf *b, const price *p)
{
    pb_pool_unreserve(b->pool, p->nodes + p->more + p->moved);
    pb_pool_end_move(b->pool, p->moved);
}

/* Does a live view pin one of the pages, so that they may not move? */
static bool
pinned_between(const pb_buf *b, uint64_t first, uint64_t n)
{
    uint64_t from, past;
    return pb_pins_next(b->pins, first, &from, &past) && from < first + n;
}

/* Move the pages to the frames [run, run + n), which the caller took. */
static void
move_pages(pb_buf *b, uint64_t first, uint64_t n, pb_frame run, const price *p)
{
    forget_from(b, first);
    uint64_t taken = pb_pool_taken(b->pool), left = p->moved;
    pb_leaf leaf = {0};
    for (uint64_t i = 0; i < n; i++) {
        if (first + i >= leaf.end) {
            pb_tree_own_leaf(b->pool, &b->root, first + i, &leaf);
        }
        pb_frame to = run + (pb_frame)i;
        if (i % PB_AHEAD_MOST == 0) {
            pb_advise_run(b->pool, to, n - i);
        }
        pb_frame old = copy_page(b, pb_leaf_at(&leaf, first + i), to);
        left -= old && pb_pool_move_frame(b->pool, old, to);
        if (first + i + 1 == leaf.end) {
            pb_tree_note_run(b->pool, &b->root, &leaf);
        }
    }
    pb_pool_give_rest(b->pool, p->nodes, taken);
    pb_pool_end_move(b->pool, left);
    pb_pool_keep(b->pool);
}

/* How many free frames a new run should have behind it, so that gathering a buffer that grows costs
 * O(1) a page in the end.  None where the run does not end with the buffer. */
static uint32_t
room_behind(const pb_buf *b, uint64_t first, uint64_t n)
{
    uint64_t past = page_of(b->root.bias + b->root.size - 1) + 1;
    return first + n == past ? (uint32_t)(n / 2) : 0;
}

/* Take n frames for the pages, with room behind them if that can be had.  0: a larger region is
 * needed, and the refusal says so. */
static pb_frame
take_place(pb_buf *b, uint64_t n, uint64_t nodes, uint32_t room)
{
    pb_frame run = room ? pb_pool_take_with_room(b->pool, (uint32_t)n, room) : 0;
    if (run || (room && pb_pool_ask_for_room(b->pool, n + room + nodes))) {
        return run;
    }
    run = pb_pool_take_exact(b->pool, (uint32_t)n);
    if (run == 0) {
        pb_refusal *refusal = pb_refusal_of(b->pool);
        refusal->short_by =
            n + nodes; /* a new region this large has the run in one piece */
        refusal->short_of_run = true;
        refusal->for_room = false;
    }
    return run;
}

/* Gather the pages in a new run:
 * 1. reserve frames for the run and for nodes  2. take the run  3. move the pages. */
static pb_status
gather(pb_buf *b, uint64_t first, uint64_t n)
{
    if (pinned_between(b, first, n)) {
        return PB_PINNED;
    }
    if (n > UINT32_MAX / 2) {
        return PB_CAPACITY;
    }
    price p = price_of(b, first, n);
    pb_status st = reserve_price(b, &p);
    if (st != PB_OK) {
        return st;
    }
    pb_frame run = take_place(b, n, p.nodes, room_behind(b, first, n));
    if (run == 0) {
        unreserve_price(b, &p);
        return PB_NEED_PAGES;
    }
    move_pages(b, first, n, run, &p);
    return PB_OK;
}

/* Move only the pages that follow a run, to the frames right behind it.  Sets *done if those
 * frames were free; else nothing has changed. */
static pb_status
gather_behind(pb_buf *b, uint64_t first, uint64_t n, pb_frame after, bool *done)
{
    price p = price_of(b, first, n);
    if (n > UINT32_MAX / 2 || pinned_between(b, first, n) ||
        reserve_price(b, &p) != PB_OK) {
        return pb_pool_trouble(b->pool);
    }
    *done = pb_pool_take_behind(b->pool, after, (uint32_t)n);
    if (*done) {
        move_pages(b, first, n, after + 1, &p);
    }
    else {
        unreserve_price(b, &p);
    }
    return PB_OK;
}

/* ---- pins ---- */

/* The pages to be made one run.  The first `known` of them are one already, from frame `run` on.
 * The first `owned` of those are known to belong to this tree alone. */
typedef struct {
    uint64_t first, pages, owned, known;
    pb_frame run;
} run_wanted;

/* Does not check again what the pin list remembers, so that a view after growth costs only the new
 * pages. */
static run_wanted
look_at_run(const pb_buf *b, uint64_t first, uint64_t pages)
{
    const pb_pin_list *pins = b->pins;
    uint64_t known = pb_pins_known(pins, first, pages);
    run_wanted w = {first, pages, b->root.shared ? 0 : known, known, 0};
    w.run = known ? pins->run_frame + (pb_frame)(first - pins->run_page)
                  : pb_tree_frame(b->pool, &b->root, first);
    if (w.run) {
        w.known = pages_in_place(b, first, pages, w.run, known);
    }
    return w;
}

/* Try in this order: 1. the pages are one run already  2. move the rest behind the known run
 * 3. move all of them elsewhere. */
static pb_status
make_one(pb_buf *b, run_wanted *w)
{
    uint64_t need =
        w->owned == w->pages
            ? 0
            : pb_tree_need(b->pool, &b->root, w->first + w->owned, w->first + w->pages - 1);
    bool done = need == 0 && w->known == w->pages;
    pb_status st = pb_pool_trouble(b->pool);
    if (PB_UNLIKELY(st != PB_OK)) {
        return st; /* pb_tree_need found it */
    }
    if (!done && w->known && w->known < w->pages && !b->root.shared) {
        st = gather_behind(b, w->first + w->known, w->pages - w->known,
                           w->run + (pb_frame)w->known - 1, &done);
    }
    if (st == PB_OK && !done) {
        st = gather(b, w->first, w->pages);
        w->run = 0;
    }
    return st;
}

static void
remember_run(pb_buf *b, const run_wanted *w)
{
    b->pins->run_page = w->first;
    b->pins->run_count = w->pages;
    b->pins->run_frame = w->run ? w->run : pb_tree_frame(b->pool, &b->root, w->first);
}

/* Make the pages one run of frames that only this buffer owns, and remember it. */
static pb_status
make_run(pb_buf *b, uint64_t first, uint64_t pages)
{
    if (b->root.shared && pages >= b->root.size >> (PB_PAGE_SHIFT + 1)) {
        (void)pb_buf_unshare(b); /* costs no more than the view */
    }
    run_wanted w = look_at_run(b, first, pages);
    pb_status st = make_one(b, &w);
    if (st != PB_OK) {
        return st;
    }
    remember_run(b, &w);
    for (uint64_t i = 0; b->pool->debug >= 2 && i < pages; i++) {
        pb_guard_thaw(b->pool, b->pins->run_frame + (pb_frame)i);
    }
    pb_buf_remember_tail(b);
    return PB_OK;
}

pb_status
pb_buf_pin(pb_buf *b, uint64_t off, uint64_t n, pb_pin *pin, uint8_t **address)
{
    pb_pin_list *pins = b->pins;
    uint64_t pos = b->root.bias + off;
    uint64_t first = page_of(pos), pages = page_of(pos + n - 1) - first + 1;
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    /* level 2 has to thaw the pages, even of a run that is known */
    if (pb_pins_known(pins, first, pages) != pages || b->root.shared ||
        b->pool->debug >= 2) {
        pb_status st = make_run(b, first, pages);
        if (st != PB_OK) {
            return st;
        }
    }
    pb_pins_add(pins, pin, first, pages);
    (void)pb_tail_close(b); /* a page under a view has no fill */
    *address = pb_frame_address(b->pool, pin->frame) + (pos & PB_PAGE_MASK);
    return PB_OK;
}

/* ---- all of it, for readers ---- */

/* Twice as many pages must have been copied before one piece may take frames of its own for pages
 * that others share.  So a snapshot does not make the sum of all requests quadratic. */
#define COPIES_FIRST 2

/* Does it pay to bring the pages into one run?  To move pages does; *more: how many it takes
 * frames for.  A hole is no reason for a page. */
static bool
pays(pb_buf *b, uint64_t first, uint64_t known, uint64_t pages, uint64_t *more)
{
    uint64_t from = pb_buf_unshare(b) ? first + known : first;
    price p = price_of(b, from, first + pages - from);
    *more = p.more;
    return p.holes == 0 && COPIES_FIRST * p.more <= b->pins->copied;
}

/* If there are no frames, or live views keep pages apart, the caller copies the bytes. */
static pb_status
unite_pages(pb_buf *b, uint64_t first, uint64_t known, uint64_t pages)
{
    uint64_t more;
    if (!pays(b, first, known, pages, &more)) {
        b->pins->copied += pages;
        return PB_OK;
    }
    pb_status st = pb_buf_begin(b) ? make_run(b, first, pages) : PB_CORRUPT;
    if (st == PB_NEED_PAGES || st == PB_CORRUPT || st == PB_ABSENT) {
        return st;
    }
    b->pins->copied -= COPIES_FIRST * more;
    return PB_OK;
}

/* Is all of it one piece of a zone, which pb_buf_one_run finds? */
static bool
is_source(const pb_buf *b)
{
    pb_frame frame = b->root.shared ? pb_tree_frame(b->pool, &b->root, first_page(b)) : 0;
    return pb_frame_in_zone(frame) && pb_buf_one_run(b, 0, b->root.size);
}

pb_status
pb_buf_unite(pb_buf *b, uint8_t **address)
{
    uint64_t first = page_of(b->root.bias);
    uint64_t pages = page_of(b->root.bias + b->root.size - 1) - first + 1;
    pb_status st = PB_OK;
    *address = NULL;
    if (pb_pins_known(b->pins, first, pages) < pages && !pb_buf_frozen(b) &&
        !is_source(b)) {
        run_wanted w = look_at_run(b, first, pages);
        if (w.known == pages) { /* as it lies, whoever shares it */
            remember_run(b, &w);
        }
        else {
            st = unite_pages(b, first, pb_pins_known(b->pins, first, pages), pages);
        }
    }
    uint64_t known = pb_pins_known(b->pins, first, pages);
    if (known == pages && !pb_buf_viewed(b)) {
        pb_frame frame = b->pins->run_frame + (pb_frame)(first - b->pins->run_page);
        *address = pb_page_address(b->pool, frame) + (b->root.bias & PB_PAGE_MASK);
    }
    return st;
}
