/* buffer/prepare.c: makes a range writable memory that only this buffer owns (I3). */
#include "base/stream.h"
#include "buffer/internal.h"

uint8_t pb_tail_streams[1];

/* ---- pages ---- */

/* Pages [first, last] of positions [pos, end). */
typedef struct {
    uint64_t pos, end; /* bytes */
    uint64_t first, last;
    bool keep;   /* keep the bytes; else the caller overwrites them */
    bool zeroed; /* some of the new frames are zeros that the system has just made */
} span;

static inline span
span_of(uint64_t pos, uint64_t n, bool keep)
{
    return (span){pos, pos + n, page_of(pos), page_of(pos + n - 1), keep, false};
}

/* Does the caller overwrite the whole page? */
static inline bool
overwrites(const span *s, uint64_t page)
{
    return !s->keep && (page << PB_PAGE_SHIFT) >= s->pos &&
           ((page + 1) << PB_PAGE_SHIFT) <= s->end;
}

/* I4: zero what the caller does not overwrite of a new page. */
static void
zero_around(uint8_t *at, const span *s, uint64_t page)
{
    uint64_t start = page << PB_PAGE_SHIFT;
    uint64_t from = s->keep ? PB_PAGE_SIZE : pb_max(s->pos, start) - start;
    uint64_t to = pb_min(s->end - start, PB_PAGE_SIZE);
    pb_zero(at, from);
    pb_zero(at + to, PB_PAGE_SIZE - to);
}

/* The frame that the new one should follow; 0 for no wish.  A buffer that is consumed from the
 * front has no wish: it gets the warm frames that it freed last, and so uses the same few frames
 * again and again. */
static inline pb_frame
frame_before(const pb_buf *b, const pb_leaf *leaf, uint64_t page)
{
    if (page == 0 || b->root.bias) {
        return 0;
    }
    return page != leaf->first ? pb_entry_frame(pb_leaf_get(leaf, page - 1))
                               : pb_tree_frame(b->pool, &b->root, page - 1);
}

/* Give each of n holes in a leaf a frame, consecutive ones where the pool has them. */
static void
fill_holes(pb_buf *b, span *s, pb_leaf *leaf, uint64_t page, uint64_t n)
{
    while (n) {
        pb_frame after = frame_before(b, leaf, page);
        uint32_t got;
        bool zero;
        pb_frame frame = pb_pool_take_run(b->pool, after, (uint32_t)n, &got, &zero);
        for (uint32_t k = 0; k < got; k++) {
            pb_tree_set(pb_leaf_at(leaf, page + k), pb_entry_of(frame + k));
            if (!zero && !overwrites(s, page + k)) {
                zero_around(pb_frame_address(b->pool, frame + k), s, page + k);
            }
        }
        s->zeroed |= zero;
        page += got;
        n -= got;
    }
}

static void
own_leaf_pages(pb_buf *b, span *s, pb_leaf *leaf, uint64_t page, uint64_t last)
{
    while (page <= last) {
        pb_extent x = pb_leaf_shape(leaf, page, last + 1);
        if (x.kind == PB_EXTENT_HOLE) {
            fill_holes(b, s, leaf, page, x.pages);
            page += x.pages;
            continue;
        }
        for (; x.pages; x.pages--, page++) {
            pb_tree_own_page(b->pool, &b->root, pb_leaf_at(leaf, page),
                             overwrites(s, page));
        }
    }
}

/* Make this tree the only owner of the pages, with frames that pb_tree_need counted and the pool
 * reserved.  Cannot fail. */
static void
own_pages(pb_buf *b, span *s)
{
    pb_leaf leaf;
    for (uint64_t page = s->first; page <= s->last; page = leaf.end) {
        if (pb_tree_own_leaf_or_run(b->pool, &b->root, page, &leaf)) {
            continue;
        }
        own_leaf_pages(b, s, &leaf, page, pb_min(s->last, leaf.end - 1));
        if (s->last >= leaf.end - 1) {
            pb_tree_note_run(b->pool, &b->root, &leaf);
        }
    }
    if (b->root.levels > 1) {
        b->leaf_w = leaf.entry;
        b->leaf_w_first = leaf.first;
    }
}

void
pb_buf_own(pb_buf *b, uint64_t pos, uint64_t n)
{
    span s = span_of(pos, n, false);
    own_pages(b, &s);
}

void
pb_buf_own_kept(pb_buf *b, uint64_t pos, uint64_t n)
{
    span s = span_of(pos, n, true);
    own_pages(b, &s);
}

pb_status
pb_buf_raise_to(pb_buf *b, uint64_t end)
{
    unsigned levels = pb_tree_levels_for(end);
    if (levels > PB_MAX_LEVELS) {
        return PB_CAPACITY;
    }
    if (levels <= b->root.levels) {
        return PB_OK;
    }
    pb_status st = pb_pool_reserve(b->pool, pb_tree_raise_need(&b->root, levels));
    if (st == PB_OK) {
        pb_tree_raise(b->pool, &b->root, levels);
    }
    return st;
}

bool
pb_buf_fits(const pb_buf *b, uint64_t off, uint64_t n, uint64_t *end)
{
    return !pb_add_overflows(off, n, end) && *end <= pb_buf_capacity(b) &&
           !pb_add_overflows(pb_buf_bias(b), *end, end) && *end <= PB_REACH;
}

void
pb_buf_clean_tail(pb_buf *b)
{
    uint64_t end = b->root.bias + b->root.size;
    uint64_t used = end & PB_PAGE_MASK;
    uint8_t *at = used ? pb_buf_page(b, page_of(end)) : NULL;
    if (at) {
        pb_zero(at + used, PB_PAGE_SIZE - used);
    }
}

void
pb_buf_grow_to(pb_buf *b, uint64_t size)
{
    if (size <= b->root.size) {
        return;
    }
    b->root.tail_room = 0;
    if (pb_buf_is_inline(b)) {
        b->root.size = size;
        return;
    }
    bool dirty = b->pins && b->pins->tail_written;
    if (dirty) {
        pb_buf_clean_tail(b);
    }
    b->root.size = size;
    if (dirty) { /* the view may write past the new end, too */
        b->pins->tail_written = pb_pins_cover(b->pins, page_of(b->root.bias + size));
    }
}

/* Add the levels, then reserve the frames.  If the reservation fails, drop the levels again. */
static pb_status
reserve_pages(pb_buf *b, const span *s, uint64_t end, uint64_t *need)
{
    pb_account_begin_trial(b->pool);
    pb_status st = pb_buf_raise_to(b, end);
    if (st == PB_OK) {
        *need = pb_tree_need(b->pool, &b->root, s->first, s->last);
        st = pb_pool_reserve(b->pool, *need);
        if (st != PB_OK) {
            forget(b);
            pb_buf_shrink(b);
        }
    }
    pb_account_end_trial(b->pool);
    return st;
}

/* How the range is prepared. */
#define KEPT 1u   /* keep the bytes; else the caller overwrites them */
#define LOOKED 2u /* the caller has just found that the page may not be written as it is */

/* An append to a large buffer streams, if its frames are in no cache: they are if the system has just
 * made zeros of them, and those of a queue are the ones that it freed last. */
static inline bool
streams(const pb_buf *b, const span *s, uint64_t off, uint64_t n)
{
    return PB_UNLIKELY(n >= PB_STREAM_LEAST) && off == b->root.size && b->root.bias == 0 &&
           !s->zeroed && !b->pool->debug && off >= pb_stream_from();
}

static pb_status
prepare_tree(pb_buf *b, uint64_t off, uint64_t n, uint64_t end, unsigned how)
{
    span s = span_of(b->root.bias + off, n, how & KEPT);
    if (!(how & LOOKED) && s.first == s.last && end <= pb_reach(b->root.levels) &&
        pb_buf_owned_entry(b, s.first)) {
        pb_buf_grow_to(b, off + n);
        return PB_OK;
    }
    uint64_t need;
    pb_status st = reserve_pages(b, &s, end, &need);
    if (st != PB_OK) {
        return st;
    }
    if (need && (off != b->root.size || b->root.shared)) {
        forget_from(b,
                    s.first); /* the head, the tail and the leaves may get other frames */
    }
    uint64_t taken = pb_pool_taken(b->pool);
    own_pages(b, &s);
    pb_pool_give_rest(b->pool, need, taken);
    bool stream = streams(b, &s, off, n);
    pb_buf_grow_to(b, off + n);
    if (stream) {
        b->tail = pb_tail_streams;
    }
    return PB_OK;
}

static pb_status
prepare_inline(pb_buf *b, uint64_t off, uint64_t n, uint64_t end, unsigned how)
{
    if (end <= PB_INLINE) {
        pb_buf_grow_to(b, end);
        return PB_OK;
    }
    pb_account_begin_trial(b->pool);
    pb_status st = pb_buf_promote(b);
    if (st == PB_OK) {
        st = prepare_tree(b, off, n, end, how);
        if (st != PB_OK) {
            pb_buf_demote(b);
        }
    }
    pb_account_end_trial(b->pool);
    return st;
}

static pb_status
prepare(pb_buf *b, uint64_t off, uint64_t n, unsigned how)
{
    uint64_t end;
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (!pb_buf_fits(b, off, n, &end)) {
        return PB_CAPACITY;
    }
    pb_set_actor(b->pool, &b->member);
    if (pb_buf_is_inline(b)) {
        return prepare_inline(b, off, n, end, how);
    }
    return pb_tail_close(b) ? prepare_tree(b, off, n, end, how) : PB_CORRUPT;
}

pb_status
pb_buf_prepare(pb_buf *b, uint64_t off, uint64_t n)
{
    return prepare(b, off, n, 0);
}

pb_status
pb_buf_prepare_looked(pb_buf *b, uint64_t off, uint64_t n)
{
    return prepare(b, off, n, LOOKED);
}

pb_status
pb_buf_prepare_kept(pb_buf *b, uint64_t off, uint64_t n)
{
    return prepare(b, off, n, KEPT);
}

/* ---- pages of zones ---- */

/* Move *page on to the first page before `past` that is a zone's; *n: how many follow one another. */
static bool
find_mapped(const pb_buf *b, uint64_t *page, uint64_t past, uint64_t *n)
{
    while (*page < past) {
        pb_extent x = pb_tree_extent(b->pool, &b->root, *page, past);
        *n = x.pages;
        if (x.kind != PB_EXTENT_BAD && pb_frame_in_zone(x.frame)) {
            return true;
        }
        *page += x.pages;
    }
    return false;
}

static uint64_t
need_of_mapped(const pb_buf *b, uint64_t page, uint64_t past)
{
    uint64_t need = 0, n;
    for (; find_mapped(b, &page, past, &n); page += n) {
        need += pb_tree_need(b->pool, &b->root, page, page + n - 1);
    }
    return need;
}

pb_status
pb_buf_detach(pb_buf *b)
{
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (pb_buf_is_inline(b) || !b->root.shared || b->root.size == 0) {
        return PB_OK;
    }
    uint64_t first = page_of(b->root.bias), n;
    uint64_t past = page_of(b->root.bias + b->root.size - 1) + 1;
    uint64_t need = need_of_mapped(b, first, past), taken = pb_pool_taken(b->pool);
    pb_set_actor(b->pool, &b->member);
    pb_status st = pb_tail_close(b) ? pb_pool_reserve(b->pool, need) : PB_CORRUPT;
    if (st == PB_OK) {
        forget(b);
        for (; find_mapped(b, &first, past, &n); first += n) {
            pb_buf_own_kept(b, first << PB_PAGE_SHIFT, n << PB_PAGE_SHIFT);
        }
        pb_pool_give_rest(b->pool, need, taken);
    }
    pb_buf_remember_tail(b);
    return st;
}
