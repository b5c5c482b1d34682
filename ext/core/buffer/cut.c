/* buffer/cut.c: ranges removed from the end, and punched into the middle.
 *
 * Live views (I7): a cut detaches the pages under a view, and the view keeps them.  A punch
 * clears the pages under a view in place. */
#include "buffer/internal.h"

void
pb_buf_shrink(pb_buf *b)
{
    uint64_t before = b->root.bias;
    pb_tree_shrink(b->pool, &b->root);
    if (b->pins) {
        pb_pins_shift(b->pins, page_of(before) - page_of(b->root.bias));
    }
}

/* Where a cut that reaches the end stops, as a position: for the same reason at the end of a tree
 * with shared nodes. */
static inline uint64_t
unused_to(const pb_buf *b, uint64_t pos)
{
    return b->root.shared ? pb_reach(b->root.levels)
                          : (pos + PB_PAGE_MASK) & ~(uint64_t)PB_PAGE_MASK;
}

/* ---- zeros ---- */

/* A range to make zeros: the pages [first, past), which lie wholly inside it, and up to two pages
 * at its edges. */
typedef struct {
    uint64_t pos, end, first, past;
    uint64_t edge[2];
    unsigned edges;
} wiping;

static void
add_edge(const pb_buf *b, wiping *w, uint64_t pos)
{
    uint64_t page = page_of(pos);
    bool twice = w->edges && w->edge[0] == page;
    if ((pos & PB_PAGE_MASK) && !twice && pb_buf_page(b, page)) {
        w->edge[w->edges++] = page;
    }
}

static wiping
wiping_of(const pb_buf *b, uint64_t pos, uint64_t end)
{
    wiping w = {pos, end, page_of(pos + PB_PAGE_MASK), page_of(end), {0, 0}, 0};
    add_edge(b, &w, pos);
    add_edge(b, &w, end);
    return w;
}

static uint64_t
need_to_drop(const pb_buf *b, const wiping *w)
{
    return w->first < w->past ? pb_tree_drop_need(b->pool, &b->root, w->first, w->past - 1)
                              : 0;
}

static uint64_t
need_to_wipe(const pb_buf *b, const wiping *w)
{
    uint64_t need = need_to_drop(b, w);
    for (unsigned i = 0; i < w->edges; i++) {
        need += pb_tree_need(b->pool, &b->root, w->edge[i], w->edge[i]);
    }
    return need;
}

/* Make this tree the only owner of an edge page, and clear its part of the range. */
static void
wipe_edge(pb_buf *b, const wiping *w, uint64_t page)
{
    uint64_t start = page << PB_PAGE_SHIFT;
    pb_leaf leaf;
    (void)pb_tree_own_leaf_or_run(b->pool, &b->root, page, &leaf);
    pb_entry *at = pb_leaf_at(&leaf, page);
    pb_tree_own_page(b->pool, &b->root, at, false);
    uint64_t from = pb_max(w->pos, start), to = pb_min(w->end, start + PB_PAGE_SIZE);
    pb_zero(page_address(b, pb_entry_load(at)) + (from - start), to - from);
}

void
pb_buf_wipe_pages(pb_buf *b, uint64_t page, uint64_t past)
{
    while (page < past) {
        uint64_t pinned_first = past, pinned_past = past;
        if (b->pins) {
            pb_pins_next(b->pins, page, &pinned_first, &pinned_past);
        }
        pinned_first = pb_min(pinned_first, past);
        pinned_past = pb_min(pinned_past, past);
        if (page < pinned_first) {
            pb_tree_drop(b->pool, &b->root, page, pinned_first - 1);
        }
        for (page = pb_max(page, pinned_first); page < pinned_past; page++) {
            pb_zero(pb_buf_page(b, page), PB_PAGE_SIZE);
        }
    }
}

/* 2. drop the pages  3. clear the edges  4. give back frames that were counted twice: for a node
 * on the path to both. */
static void
wipe_reserved(pb_buf *b, const wiping *w, uint64_t need)
{
    forget_from(b, page_of(w->pos));
    uint64_t taken = pb_pool_taken(b->pool);
    pb_buf_wipe_pages(b, w->first, w->past);
    for (unsigned i = 0; i < w->edges; i++) {
        wipe_edge(b, w, w->edge[i]);
    }
    pb_pool_give_rest(b->pool, need, taken);
}

/* Make [pos, end) zeros: drop the pages wholly inside it, and clear the edges.
 * 1. reserve what shared pages and nodes need, then 2 to 4 (wipe_reserved). */
static pb_status
wipe(pb_buf *b, uint64_t pos, uint64_t end)
{
    wiping w = wiping_of(b, pos, end);
    uint64_t need = need_to_wipe(b, &w);
    pb_status st = pb_pool_reserve(b->pool, need);
    if (st == PB_OK) {
        wipe_reserved(b, &w, need);
        refill_tail(b);
    }
    return st;
}

static uint64_t
up_to_page(uint64_t pos)
{
    return (pos + PB_PAGE_MASK) & ~(uint64_t)PB_PAGE_MASK;
}

pb_status
pb_buf_punch(pb_buf *b, uint64_t off, uint64_t n)
{
    pb_root *root = &b->root;
    if (root->frozen) {
        return PB_FROZEN;
    }
    if (off >= root->size || n == 0) {
        return PB_OK;
    }
    n = pb_min(n, root->size - off);
    if (pb_buf_is_inline(b)) {
        pb_zero(pb_buf_inline(b) + off, n);
        return PB_OK;
    }
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    uint64_t pos = root->bias + off, end = pos + n;
    /* nothing before the bias or past the end is in use, so drop those pages whole */
    if (end == root->bias + root->size) {
        end = unused_to(b, end);
    }
    if (off == 0) {
        pos = unused_from(b, page_of(pos)) << PB_PAGE_SHIFT;
    }
    return wipe(b, pos, end);
}

/* ---- off the end ---- */

static pb_status
lengthen(pb_buf *b, uint64_t size)
{
    uint64_t end;
    if (!pb_buf_fits(b, 0, size, &end)) {
        return PB_CAPACITY;
    }
    bool was_inline = pb_buf_is_inline(b);
    pb_status st = PB_OK;
    pb_account_begin_trial(b->pool);
    if (was_inline && size > PB_INLINE) {
        st = pb_buf_promote(b);
    }
    if (st == PB_OK && !pb_buf_is_inline(b)) {
        st = pb_buf_raise_to(b, end);
        if (st != PB_OK && was_inline) {
            pb_buf_demote(b);
        }
    }
    pb_account_end_trial(b->pool);
    if (st == PB_OK) {
        pb_buf_grow_to(b, size);
        pb_buf_remember_tail(b);
    }
    return st;
}

/* If a live view covers the new last page, the bytes past the end stay, because the view shows
 * them.  They are zeroed when the buffer grows over them (I4, I7). */
static pb_status
shorten_tree(pb_buf *b, uint64_t size)
{
    pb_root *root = &b->root;
    uint64_t end = root->bias + size;
    bool pinned = (end & PB_PAGE_MASK) && b->pins && pb_pins_cover(b->pins, page_of(end));
    /* wipe to the end of the old last page, so that it is dropped, not cleared */
    wiping w =
        wiping_of(b, pinned ? up_to_page(end) : end, unused_to(b, root->bias + root->size));
    uint64_t need = need_to_wipe(b, &w);
    pb_status st = pb_pool_reserve(b->pool, need);
    if (st != PB_OK) {
        return st;
    }
    if (b->pins) {
        b->pins->tail_written = pinned;
        if (w.first < w.past) {
            pb_pins_detach(b->pool, &b->root, b->pins, w.first, w.past - 1);
        }
    }
    wipe_reserved(b, &w, need);
    root->size = size;
    pb_buf_shrink(b);
    refill_tail(b);
    return PB_OK;
}

pb_status
pb_buf_truncate(pb_buf *b, uint64_t size)
{
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    if (size > b->root.size) {
        return lengthen(b, size);
    }
    if (size == b->root.size) {
        return PB_OK;
    }
    if (size == 0) {
        pb_buf_clear(b);
        return PB_OK;
    }
    if (pb_buf_is_inline(b)) {
        pb_zero(pb_buf_inline(b) + size, b->root.size - size);
        b->root.size = size;
        pb_buf_remember_tail(b);
        return PB_OK;
    }
    return shorten_tree(b, size);
}
