/* range/reverse.c: turns the order of all bytes round; holes stay holes. */
#include "range/edit.h"

#include "buffer/internal.h"

/* ---- in place ---- */

/* Swap the n bytes from `a` upwards with those from `z` downwards. */
static void
swap_ends(uint8_t *a, uint8_t *z, uint64_t n)
{
    for (; n; n--, a++, z--) {
        uint8_t byte = *a;
        *a = *z;
        *z = byte;
    }
}

static pb_status
reverse_bytes(pb_buf *b)
{
    uint64_t low = 0, high = b->root.size;
    pb_status st = high ? pb_buf_prepare_kept(b, 0, high) : PB_OK;
    if (st != PB_OK) {
        return st;
    }
    pb_window a = {.b = b}, z = {.b = b};
    while (high - low > 1) {
        uint8_t *first = pb_window_at(&a, low), *last = pb_window_at(&z, high - 1);
        uint64_t len =
            pb_min((high - low) / 2, pb_min(a.end - low, high - pb_max(z.start, low)));
        swap_ends(first, last, len);
        low += len;
        high -= len;
    }
    return PB_OK;
}

/* ---- in a tree with holes ----
 *
 * Each page goes to the place of its mirror image, and its bytes are turned round in it:
 *
 *    before    |    a b | c d e f | (hole) | g h      |      bias 2
 *    after     |    h g | (hole) | f e d c | b a      |      bias 2, by coincidence
 *
 * Thus the bytes that the last page has past the end come to lie before the first byte.  No page is
 * made, and a hole stays as long as it is. */

/* The pages [low, low + n) and their mirror image [past - n, past): pages, or a hole. */
typedef struct {
    uint64_t low, past, n;
    bool at_low, at_high; /* pages */
} mirrored;

/* The pair that [low, past) begins and ends with.  A page in the middle is a pair alone. */
static mirrored
next_pair(const pb_buf *b, uint64_t low, uint64_t past)
{
    uint64_t half = pb_max((past - low) / 2, 1);
    pb_extent x = pb_tree_shape(b->pool, &b->root, low, low + half);
    pb_extent z = pb_tree_extent_back(b->pool, &b->root, past - half, past);
    return (mirrored){low, past, pb_min(x.pages, z.pages), x.frame != 0, z.frame != 0};
}

#define EACH_PAIR(b, m)                                                     \
    uint64_t low_ = first_page(b), past_ = past_page(b);                    \
    for (mirrored m; low_ < past_ && (m = next_pair(b, low_, past_), true); \
         low_ += m.n, past_ -= m.n)

static uint64_t
need_for_side(const pb_buf *b, uint64_t first, uint64_t n, bool there)
{
    uint64_t need = pb_tree_need(b->pool, &b->root, first, first + n - 1);
    return there ? need : need - n; /* nodes for pages that come there */
}

static uint64_t
need_to_mirror(const pb_buf *b)
{
    uint64_t need = 0;
    EACH_PAIR(b, m)
    {
        if (m.at_low || m.at_high) {
            need += need_for_side(b, m.low, m.n, m.at_low);
            need += need_for_side(b, m.past - m.n, m.n, m.at_high);
        }
    }
    return need;
}

static void
own_side(pb_buf *b, uint64_t first, uint64_t n, bool there)
{
    pb_leaf leaf;
    if (there) {
        pb_buf_own_kept(b, first << PB_PAGE_SHIFT, n << PB_PAGE_SHIFT);
    }
    else {
        pb_tree_own_leaf(b->pool, &b->root, first, &leaf);
        pb_tree_own_leaf(b->pool, &b->root, first + n - 1, &leaf);
    }
}

static void
own_all(pb_buf *b)
{
    EACH_PAIR(b, m)
    {
        if (m.at_low || m.at_high) {
            own_side(b, m.low, m.n, m.at_low);
            own_side(b, m.past - m.n, m.n, m.at_high);
        }
    }
}

/* Both places lie in leaves that this tree owns. */
static void
mirror_page(pb_buf *b, uint64_t low, uint64_t high)
{
    pb_leaf a, z;
    pb_tree_own_leaf(b->pool, &b->root, low, &a);
    pb_tree_own_leaf(b->pool, &b->root, high, &z);
    pb_entry *first = pb_leaf_at(&a, low), *last = pb_leaf_at(&z, high);
    pb_entry e = pb_entry_load(first), f = pb_entry_load(last);
    if (e != PB_HOLE && f != PB_HOLE && low != high) {
        swap_ends(page_address(b, e), page_address(b, f) + PB_PAGE_MASK, PB_PAGE_SIZE);
        return;
    }
    uint8_t *page = page_address(b, e == PB_HOLE ? f : e);
    swap_ends(page, page + PB_PAGE_MASK, PB_PAGE_SIZE / 2);
    pb_tree_set(first, f);
    pb_tree_set(last, e);
}

static void
mirror_all(pb_buf *b)
{
    EACH_PAIR(b, m)
    {
        for (uint64_t i = 0; i < m.n && (m.at_low || m.at_high); i++) {
            mirror_page(b, m.low + i, m.past - 1 - i);
        }
    }
}

/* Release nodes whose pages have all gone elsewhere. */
static void
drop_empty_nodes(pb_buf *b)
{
    uint64_t page = first_page(b), past = past_page(b);
    while (page < past) {
        pb_extent x = pb_tree_shape(b->pool, &b->root, page, past);
        if (x.kind == PB_EXTENT_HOLE) {
            pb_tree_drop(b->pool, &b->root, page, page + x.pages - 1);
        }
        page += x.pages;
    }
}

/* What lies before the first byte will lie past the end (I4). */
static void
clear_before_front(pb_buf *b)
{
    uint8_t *page = pb_buf_page(b, first_page(b));
    if (page) {
        pb_zero(page, b->root.bias & PB_PAGE_MASK);
    }
}

/* 1. reserve  2. own the pages, and the leaves that they go to  3. move them.  No node is released
 * before all pages are in their place: what was counted as present stays. */
static pb_status
mirror(pb_buf *b)
{
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    uint64_t need = need_to_mirror(b);
    pb_status st = pb_pool_reserve(b->pool, need);
    if (st != PB_OK) {
        pb_buf_remember_tail(b);
        return st;
    }
    forget(b);
    uint64_t taken = pb_pool_taken(b->pool), end = b->root.bias + b->root.size;
    own_all(b);
    pb_buf_clean_tail(b);
    clear_before_front(b);
    mirror_all(b);
    drop_empty_nodes(b);
    pb_pool_give_rest(b->pool, need, taken);
    b->root.bias = ((first_page(b) + past_page(b)) << PB_PAGE_SHIFT) - end;
    forget(b);
    pb_buf_remember_tail(b);
    return PB_OK;
}

/* ---- the same under live views ----
 *
 * A live view shows the bytes at its offsets, so its pages keep their places, and the bytes move to the
 * offsets of their mirror image:
 *
 *    before    |    a b | c d e f | (hole)  | (hole)  | g       |      bias 2
 *    after     |    g 0 | (hole)  | 0 0 0 f | e d c b | a       |      bias 2 still
 *
 * The bytes come from a read snapshot, of which a page under a view is a copy (I11). */

/* Pages that get bytes of one run of the snapshot. */
typedef struct {
    uint64_t first, past;
    uint64_t end; /* the run before that ends here at the latest */
} target;

static bool
next_target(const pb_buf *b, const pb_buf *from, target *t)
{
    while (t->end) {
        pb_run run = pb_run_last(from, 0, t->end);
        t->end = run.start;
        if (run.kind != PB_EXTENT_HOLE) {
            uint64_t past = b->root.bias + b->root.size - run.start;
            t->first = page_of(past - run.n);
            t->past = page_of(past - 1) + 1;
            return true;
        }
    }
    return false;
}

#define EACH_TARGET(b, from, t) \
    for (target t = {0, 0, (from)->root.size}; next_target(b, from, &t);)

static uint64_t
need_to_wipe(const pb_buf *b, uint64_t first, uint64_t past)
{
    return first < past ? pb_tree_drop_need(b->pool, &b->root, first, past - 1) : 0;
}

static uint64_t
need_to_turn(const pb_buf *b, const pb_buf *from)
{
    uint64_t need = 0, left = first_page(b);
    EACH_TARGET(b, from, t)
    {
        need += need_to_wipe(b, left, t.first);
        need += pb_tree_need(b->pool, &b->root, t.first, t.past - 1);
        left = t.past;
    }
    return need + need_to_wipe(b, left, past_page(b));
}

static void
copy_turned(uint8_t *to, const uint8_t *last, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        to[i] = *(last - i);
    }
}

/* Fill [off, end) with the bytes that mirror them. */
static void
fill_turned(const pb_buf *b, const pb_buf *from, uint64_t off, uint64_t end)
{
    uint64_t size = b->root.size, n;
    pb_window w = {.b = b}, f = {.b = from};
    for (; off < end; off += n) {
        uint8_t *to = pb_window_at(&w, off);
        const uint8_t *last = pb_window_at(&f, size - 1 - off);
        n = pb_min(pb_min(end, w.end) - off, size - off - f.start);
        if (last) {
            copy_turned(to, last, n);
        }
        else {
            pb_zero(to, n);
        }
    }
}

static void
fill_targets(pb_buf *b, const pb_buf *from)
{
    uint64_t bias = b->root.bias, size = b->root.size;
    EACH_TARGET(b, from, t)
    {
        uint64_t pos = pb_max(t.first << PB_PAGE_SHIFT, bias);
        uint64_t end = pb_min(t.past << PB_PAGE_SHIFT, bias + size);
        pb_buf_own(b, pos, end - pos);
        fill_turned(b, from, pos - bias, end - bias);
    }
}

static void
wipe_between_targets(pb_buf *b, const pb_buf *from)
{
    uint64_t left = first_page(b);
    EACH_TARGET(b, from, t)
    {
        pb_buf_wipe_pages(b, left, t.first);
        left = t.past;
    }
    pb_buf_wipe_pages(b, left, past_page(b));
}

static pb_status
turn(pb_buf *b, const pb_buf *from)
{
    uint64_t need = need_to_turn(b, from);
    pb_status st = pb_pool_reserve(b->pool, need);
    if (st == PB_OK) {
        forget(b);
        uint64_t taken = pb_pool_taken(b->pool);
        fill_targets(b, from);
        wipe_between_targets(b, from);
        forget(b);
        pb_pool_give_rest(b->pool, need, taken);
    }
    return st;
}

static pb_status
turn_under_views(pb_buf *b)
{
    pb_buf before;
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    pb_buf_init_internal(&before, b->pool);
    pb_status st = pb_buf_read_snapshot(&before, b);
    if (st == PB_OK) {
        st = turn(b, &before);
        pb_buf_end_snapshot(&before, b);
    }
    else {
        pb_buf_fini(&before);
    }
    pb_buf_remember_tail(b);
    return st;
}

/* ---- which of these ---- */

/* Is there a hole, and no damaged page?  Damage stays where it is, to be found there again. */
static bool
has_hole(const pb_buf *b)
{
    bool found = false;
    for (uint64_t off = 0; off < b->root.size;) {
        pb_run run = pb_run_first(b, off, b->root.size);
        if (run.kind == PB_EXTENT_BAD || run.kind == PB_EXTENT_ABSENT) {
            return false;
        }
        found |= run.kind == PB_EXTENT_HOLE;
        off += run.n;
    }
    return found;
}

pb_status
pb_buf_reverse(pb_buf *b)
{
    if (pb_buf_is_inline(b) || !has_hole(b)) {
        return reverse_bytes(b);
    }
    return pb_buf_viewed(b) ? turn_under_views(b) : mirror(b);
}
