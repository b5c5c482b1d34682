/* range/paste.c: overwrites a range of one buffer with a range of another. */
#include "range/paste.h"

#include "buffer/internal.h"
#include "tree/graft.h"

/* ---- pieces ---- */

typedef enum {
    BYTES, /* copy */
    ZEROS, /* part of a page, from a hole: clear it, if `to` has a page there */
    GRAFT, /* whole pages: share them */
    DROP,  /* whole pages, from a hole: drop those of `to` */
} piece_kind;

typedef struct {
    piece_kind kind;
    uint64_t pos, end; /* tree positions of `to` */
} piece;

static inline uint64_t
start_of(const pb_paste *p)
{
    return pb_buf_bias(p->to) + p->off;
}

/* The offset in `from` of the byte that goes to position `pos` of `to`. */
static inline uint64_t
source_of(const pb_paste *p, uint64_t pos)
{
    return p->from_off + (pos - start_of(p));
}

/* How many of n bytes, from `off` on, are a hole (hole), or lie in pages (!hole). */
static uint64_t
ahead(const pb_buf *b, uint64_t off, uint64_t n, bool hole)
{
    uint64_t done = 0;
    while (done < n) {
        pb_stretch s = pb_buf_stretch(b, off + done, n - done);
        if ((s.kind != PB_EXTENT_PRESENT) != hole) { /* a damaged page counts as a hole */
            break;
        }
        done += s.n;
    }
    return done;
}

/* Shorten [page, past), pages of b's tree, so that live views cover all of it or nothing of it.
 * Returns whether they cover it. */
static bool
cut_at_pins(const pb_buf *b, uint64_t page, uint64_t *past)
{
    uint64_t first, end;
    if (pb_buf_is_inline(b) || b->pins == NULL ||
        !pb_pins_next(b->pins, page, &first, &end)) {
        return false;
    }
    *past = pb_min(*past, first <= page ? end : first);
    return first <= page;
}

/* The kind of the piece that begins at `page`, when pages can be shared.  Shortens [page, past),
 * whole pages of `to`, to that piece. */
static piece_kind
next_graft(const pb_paste *p, uint64_t page, uint64_t *past)
{
    uint64_t from_page = page_of(p->from->root.bias + source_of(p, page << PB_PAGE_SHIFT));
    uint64_t from_past = from_page + (*past - page);
    bool pinned = cut_at_pins(p->from, from_page, &from_past);
    *past = page + (from_past - from_page);
    return pinned ? BYTES : GRAFT;
}

/* The same when pages cannot be shared: DROP for whole pages from a hole, BYTES up to those. */
static piece_kind
next_copied(const pb_paste *p, uint64_t page, uint64_t *past)
{
    uint64_t pos = page << PB_PAGE_SHIFT, end = *past << PB_PAGE_SHIFT, at = pos;
    while (at < end) {
        at += ahead(p->from, source_of(p, at), end - at, false);
        uint64_t from = pb_max(pos, (at + PB_PAGE_MASK) & ~(uint64_t)PB_PAGE_MASK);
        at += ahead(p->from, source_of(p, at), end - at, true);
        if (page_of(at) > page_of(from)) {
            *past = page_of(from == pos ? at : from);
            return from == pos ? DROP : BYTES;
        }
    }
    return BYTES;
}

static piece
next_pages(const pb_paste *p, uint64_t pos, uint64_t end)
{
    uint64_t page = page_of(pos), past = page_of(end);
    piece_kind kind = BYTES;
    if (!cut_at_pins(p->to, page, &past)) {
        kind = p->grafts ? next_graft(p, page, &past) : next_copied(p, page, &past);
    }
    return (piece){kind, pos, past << PB_PAGE_SHIFT};
}

/* The piece that begins at `pos`.  It ends at `end` or before. */
static piece
next_piece(const pb_paste *p, uint64_t pos, uint64_t end)
{
    uint64_t page_end = (pos | PB_PAGE_MASK) + 1;
    if (pb_buf_is_inline(p->to)) {
        return (piece){BYTES, pos, end};
    }
    if ((pos & PB_PAGE_MASK) == 0 && end >= page_end) {
        return next_pages(p, pos, end);
    }
    page_end = pb_min(page_end, end);
    uint64_t n = page_end - pos;
    bool hole = ahead(p->from, source_of(p, pos), n, true) == n;
    return (piece){hole ? ZEROS : BYTES, pos, page_end};
}

#define EACH_PIECE(p, x)                                      \
    uint64_t end_ = start_of(p) + (p)->n, pos_ = start_of(p); \
    for (piece x; pos_ < end_ && (x = next_piece(p, pos_, end_), true); pos_ = x.end)

/* ---- 1. count ---- */

static uint64_t
need_for(const pb_paste *p, const piece *x)
{
    pb_pool *pool = p->to->pool;
    const pb_root *root = &p->to->root;
    uint64_t first = page_of(x->pos), last = page_of(x->end - 1);
    switch (x->kind) {
    case GRAFT:
        return pb_graft_need(pool, root, first, last, &p->from->root,
                             page_of(p->from->root.bias + source_of(p, x->pos)));
    case DROP:
        return pb_tree_drop_need(pool, root, first, last);
    case ZEROS:
        return pb_buf_page(p->to, first) ? pb_tree_need(pool, root, first, last) : 0;
    default:
        return pb_tree_need(pool, root, first, last);
    }
}

static uint64_t
need_for_all(pb_paste *p)
{
    uint64_t n = 0;
    EACH_PIECE(p, x)
    {
        n += need_for(p, &x);
        if (x.kind == BYTES) {
            p->bytes += x.end - x.pos;
            (void)pb_buf_note_absent(p->from, source_of(p, x.pos), x.end - x.pos);
        }
    }
    return n;
}

/* ---- 2. change the shape ---- */

/* Own the pages that pb_paste_finish copies to or clears.  This comes before replace_whole, which
 * may drop pages and with them nodes: need_for counted those nodes as present. */
static void
own_copied(const pb_paste *p)
{
    EACH_PIECE(p, x)
    {
        if (x.kind == BYTES || (x.kind == ZEROS && pb_buf_page(p->to, page_of(x.pos)))) {
            pb_buf_own(p->to, x.pos, x.end - x.pos);
        }
    }
}

static void
replace_whole(const pb_paste *p)
{
    EACH_PIECE(p, x)
    {
        uint64_t first = page_of(x.pos), last = page_of(x.end - 1);
        if (x.kind == GRAFT) {
            pb_graft(p->to->pool, &p->to->root, first, last, &p->from->root,
                     page_of(p->from->root.bias + source_of(p, x.pos)));
        }
        else if (x.kind == DROP) {
            pb_tree_drop(p->to->pool, &p->to->root, first, last);
        }
    }
}

static bool
has_graft(const pb_paste *p)
{
    EACH_PIECE(p, x)
    {
        if (x.kind == GRAFT) {
            return true;
        }
    }
    return false;
}

static void
change_shape(pb_paste *p, uint64_t need)
{
    pb_buf *to = p->to;
    uint64_t taken = pb_pool_taken(to->pool);
    forget(to);
    pb_buf_grow_to(to, p->off + p->n); /* clears what a view wrote past the old end */
    own_copied(p);
    p->shared = p->grafts && has_graft(p);
    if (p->shared) {
        to->root.shared = PB_SHARED_FOR_GOOD;
    }
    replace_whole(p);
    pb_pool_give_rest(to->pool, need, taken);
    to->leaf_w = NULL; /* a graft may have replaced this node */
}

/* ---- where an empty buffer begins ---- */

/* Choose the bias of `to` so that the paste can share pages.  An empty tree takes the source's
 * place within a slot of the root, so that it can share whole subtrees.  A tiny buffer, promoted to
 * one page, takes the source's place within the page. */
static void
choose_bias(const pb_paste *p)
{
    pb_buf *to = p->to;
    uint64_t size = to->root.size, from = p->from->root.bias + p->from_off;
    if (pb_buf_is_inline(p->from) || !pb_pool_same(to->pool, p->from->pool)) {
        return;
    }
    if (size == 0) {
        unsigned levels = pb_tree_levels_for(p->off + p->n);
        uint64_t bias = (from - p->off) & (pb_slot_span(levels) - 1);
        if (bias + p->off + p->n <= PB_REACH) {
            to->root.bias = bias;
        }
        return;
    }
    uint64_t bias = (from - p->off) & PB_PAGE_MASK;
    if (bias + size <= PB_PAGE_SIZE) { /* just promoted, so nobody shares the page */
        uint8_t *page = pb_buf_page(to, 0);
        memmove(page + bias, page, size);
        pb_zero(page, bias);
        to->root.bias = bias;
    }
}

/* ---- the two halves ---- */

static pb_status
begin_in_tree(pb_paste *p)
{
    pb_buf *to = p->to;
    uint64_t end = start_of(p) + p->n;
    const pb_buf *from = p->from;
    p->grafts = pb_pool_same(to->pool, from->pool) && !pb_buf_is_inline(from) &&
                ((start_of(p) ^ (from->root.bias + p->from_off)) & PB_PAGE_MASK) == 0;
    pb_status st = end <= PB_REACH ? pb_buf_raise_to(to, end) : PB_CAPACITY;
    uint64_t need = 0;
    if (st == PB_OK) {
        need = need_for_all(p);
        st = pb_pool_read_status(from->pool);
        st = st == PB_OK ? pb_pool_reserve(to->pool, need) : st;
    }
    if (st != PB_OK) {
        forget(to);
        pb_buf_shrink(to);
        pb_buf_remember_tail(to);
        return st;
    }
    change_shape(p, need);
    return PB_OK;
}

static pb_status
begin_promoted(pb_paste *p, bool was_inline)
{
    pb_buf *to = p->to;
    if (was_inline || to->root.size == 0) {
        choose_bias(p);
    }
    pb_status st = begin_in_tree(p);
    if (st == PB_OK) {
        pb_buf_shrink(to);
        pb_buf_remember_tail(to);
    }
    else if (was_inline) {
        pb_buf_demote(to);
    }
    return st;
}

pb_status
pb_paste_begin(pb_paste *p, pb_buf *to, uint64_t off, const pb_buf *from, uint64_t from_off,
               uint64_t n)
{
    uint64_t end;
    *p = (pb_paste){to, from, off, from_off, n, false, false, 0};
    if (pb_buf_frozen(to) == PB_FROZEN_SNAPSHOT) {
        return PB_FROZEN;
    }
    if (n == 0) {
        return PB_OK;
    }
    if (!pb_buf_fits(to, off, n, &end)) {
        return PB_CAPACITY;
    }
    bool was_inline = pb_buf_is_inline(to);
    if (was_inline && end <= PB_INLINE && pb_buf_note_absent(from, from_off, n)) {
        return PB_ABSENT;
    }
    if (was_inline && end <= PB_INLINE) {
        pb_buf_grow_to(to, end);
        pb_buf_remember_tail(to);
        return PB_OK;
    }
    pb_account_begin_trial(to->pool);
    pb_status st = pb_buf_begin(to) ? pb_buf_promote(to) : PB_CORRUPT;
    if (st == PB_OK) {
        st = begin_promoted(p, was_inline);
    }
    pb_account_end_trial(to->pool);
    return st;
}

static void
copy_piece(const pb_paste *p, const piece *x)
{
    uint64_t off = x->pos - pb_buf_bias(p->to), n = x->end - x->pos, len;
    uint64_t from_off = source_of(p, x->pos);
    for (; n; off += len, from_off += len, n -= len) {
        pb_stretch to = pb_buf_stretch(p->to, off, n);
        pb_stretch from = pb_buf_stretch(p->from, from_off, to.n);
        len = from.n;
        if (to.kind != PB_EXTENT_PRESENT) {
            continue; /* damaged; pb_buf_stretch has reported it */
        }
        if (from.kind == PB_EXTENT_PRESENT) {
            pb_copy(to.at, from.at, len);
        }
        else {
            pb_zero(to.at, len);
        }
    }
}

void
pb_paste_finish(const pb_paste *p)
{
    EACH_PIECE(p, x)
    {
        if (x.kind == BYTES || x.kind == ZEROS) {
            copy_piece(p, &x);
        }
    }
}

/* ---- read snapshots of a range ---- */

void
pb_buf_mark_shared(pb_buf *b)
{
    b->root.shared = PB_SHARED_FOR_GOOD;
    b->leaf_w = NULL;
    pb_buf_forget_tail(b);
    pb_buf_remember_tail(b);
}

pb_status
pb_range_read_snapshot(pb_range_snapshot *r, pb_buf *from, uint64_t off, uint64_t n)
{
    pb_paste p;
    pb_status st;
    pb_buf_init_internal(&r->b, from->pool);
    r->whole = !pb_buf_viewed(from);
    r->off = r->whole ? off : 0;
    if (r->whole) {
        st = pb_buf_read_snapshot(&r->b, from);
    }
    else {
        st = pb_paste_begin(&p, &r->b, 0, from, off, n);
    }
    if (st != PB_OK) {
        pb_buf_fini(&r->b);
        return st;
    }
    if (!r->whole) {
        pb_paste_finish(&p);
        /* a paste from it may share the copied pages, too (I2) */
        r->b.root.shared = PB_SHARED_FOR_GOOD;
    }
    if (!r->whole && p.shared) {
        pb_buf_mark_shared(from);
    }
    return PB_OK;
}

void
pb_range_end_snapshot(pb_range_snapshot *r, pb_buf *from, bool shared)
{
    if (r->whole) {
        pb_buf_end_snapshot(&r->b, from);
    }
    else {
        pb_buf_fini(&r->b);
    }
    if (shared && !pb_buf_is_inline(from)) {
        pb_buf_mark_shared(from);
    }
}
