/* buffer/part.c: trees that hold a part of a buffer, and give up what nobody wants any more. */
#include "buffer/internal.h"
#include "tree/graft.h"

/* ---- a share of a part ---- */

/* The pages [first, past) of a tree.  In the smaller tree page `base` becomes page 0. */
typedef struct {
    uint64_t first, past, base;
    unsigned levels; /* of the smaller tree */
} part;

/* With the fewest levels whose root reaches all pages of [off, off + n). */
static part
part_of(const pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off;
    part p = {page_of(pos), page_of(pos + n - 1) + 1, 0, 1};
    while (((p.past - 1) >> pb_span_bits(p.levels - 1)) -
               (p.first >> pb_span_bits(p.levels - 1)) >=
           PB_ROOT_SLOTS) {
        p.levels++;
    }
    unsigned bits = pb_span_bits(p.levels - 1);
    p.base = p.first >> bits << bits;
    return p;
}

/* Is it so large a part that sharing all is better, which takes no node?  Four pages take none
 * either. */
static inline bool
is_most(const pb_buf *b, const part *p)
{
    uint64_t all = past_page(b) - first_page(b), pages = p->past - p->first;
    return pages == all || (p->levels > 1 && pages >= all - all / 2);
}

/* May the pages of the part that lie in the leaf of `page` be shared? */
static bool
is_sound(const pb_buf *b, const part *p, uint64_t page)
{
    uint64_t start = page & ~(uint64_t)(PB_FANOUT - 1);
    uint64_t at = pb_max(p->first, start), past = pb_min(p->past, start + PB_FANOUT);
    for (pb_extent x; at < past; at += x.pages) {
        x = pb_tree_extent(b->pool, &b->root, at, past);
        if (x.kind == PB_EXTENT_BAD) {
            return false;
        }
    }
    return true;
}

/* The empty `to` becomes a tree for the part.  Its first page begins where that of `from` does: what
 * lies before the bias is in no use.  It ends with its last page, or with `from` (I4). */
static void
set_bounds(pb_buf *to, const pb_buf *from, const part *p)
{
    uint64_t start = pb_max(p->first << PB_PAGE_SHIFT, from->root.bias);
    uint64_t end = pb_min(p->past << PB_PAGE_SHIFT, from->root.bias + from->root.size);
    to->root.levels = (uint8_t)p->levels;
    to->root.bias = start - (p->base << PB_PAGE_SHIFT);
    to->root.size = end - start;
}

/* The pages [*first, *last] of `from` to graft.  Where the part begins or ends with `from`, all that
 * is beyond it is a hole; so they include that, and whole subtrees can be shared. */
static void
pages_to_graft(const pb_buf *from, const part *p, uint64_t *first, uint64_t *last)
{
    uint64_t mask = ((uint64_t)1 << pb_span_bits(p->levels - 1)) - 1;
    *first = p->first == first_page(from) ? p->base : p->first;
    *last = p->past == past_page(from) ? (p->past - 1) | mask : p->past - 1;
}

static pb_status
graft_part(pb_buf *to, const pb_buf *from, const part *p)
{
    pb_pool *pool = to->pool;
    uint64_t first, last;
    pages_to_graft(from, p, &first, &last);
    uint64_t need =
        pb_graft_need(pool, &to->root, first - p->base, last - p->base, &from->root, first);
    uint64_t taken = pb_pool_taken(pool);
    pb_status st = pb_pool_reserve(pool, need);
    if (st == PB_OK) {
        pb_graft(pool, &to->root, first - p->base, last - p->base, &from->root, first);
        pb_pool_give_rest(pool, need, taken);
    }
    return st;
}

/* I11: copy the pages of the part that lie under live views of `from`. */
static pb_status
copy_pinned(pb_buf *to, const pb_buf *from, const part *p)
{
    pb_status st = PB_OK;
    for (const pb_pin *pin = from->pins ? from->pins->first : NULL; pin && st == PB_OK;
         pin = pin->next) {
        uint64_t first = pb_max(pin->page, p->first);
        uint64_t past = pb_min(pin->page + pin->live, p->past);
        if (first < past) {
            st = pb_buf_copy_pinned(to, first - p->base, past - p->base - 1);
        }
    }
    return st;
}

static pb_status
share_part(pb_buf *to, pb_buf *from, const part *p)
{
    set_bounds(to, from, p);
    pb_status st = graft_part(to, from, p);
    if (st != PB_OK) {
        return st;
    }
    to->root.shared = PB_SHARED_FOR_GOOD;
    st = copy_pinned(to, from, p);
    if (st != PB_OK) {
        return st;
    }
    uint64_t end = from->root.bias + from->root.size;
    if (from->pins && from->pins->tail_written && page_of(end) < p->past) {
        pb_buf_clean_tail(to); /* I4 holds in `to`, which has no view */
    }
    from->root.shared = PB_SHARED_FOR_GOOD;
    from->leaf_w = NULL;
    if (from->pins) {
        from->pins->copied = 0;
    }
    pb_tree_freeze(to->pool, &to->root);
    return PB_OK;
}

pb_status
pb_buf_share_part(pb_buf *to, pb_buf *from, uint64_t off, uint64_t n, uint64_t *at)
{
    *at = off;
    if (pb_buf_is_inline(from)) {
        return pb_buf_share(to, from);
    }
    part p = part_of(from, off, n);
    if (is_most(from, &p) || !is_sound(from, &p, p.first) ||
        !is_sound(from, &p, p.past - 1)) {
        return pb_buf_share(to, from);
    }
    if (!pb_tail_close(from)) {
        return PB_CORRUPT;
    }
    (void)pb_buf_promote(to); /* it is empty, so this takes no page */
    pb_set_actor(to->pool, &to->member);
    pb_buf_clean_left_tail(from);
    pb_status st = share_part(to, from, &p);
    if (st == PB_OK) {
        *at = from->root.bias + off - (p.base << PB_PAGE_SHIFT) - to->root.bias;
    }
    else {
        pb_buf_clear(to);
    }
    pb_buf_remember_tail(from);
    return st;
}

uint64_t
pb_buf_first_runs(const pb_buf *b, uint64_t off, uint64_t n, uint64_t most)
{
    if (n == 0 || most >= n || pb_buf_is_inline(b)) {
        return most ? n : 0;
    }
    uint64_t pos = b->root.bias + off, page = page_of(pos), past = page_of(pos + n - 1) + 1;
    while (page < past && most) {
        pb_extent x = pb_tree_shape(b->pool, &b->root, page, past);
        page += x.pages;
        most -= x.kind != PB_EXTENT_HOLE;
    }
    return pb_min(n, (page << PB_PAGE_SHIFT) - pos);
}

/* ---- the parts that somebody wants ---- */

void
pb_parts_add(pb_parts *parts, const pb_buf *b, pb_part *part, uint64_t off, uint64_t n)
{
    uint64_t pos = pb_buf_bias(b) + off;
    part->page = page_of(pos) + parts->shifted;
    part->pages = page_of(pos + n - 1) - page_of(pos) + 1;
    part->next = NULL;
    part->prev = parts->last;
    *(part->prev ? &part->prev->next : &parts->first) = part;
    parts->last = part;
    parts->pages += part->pages;
}

/* Is there any page in [first, past)? */
static bool
has_pages(const pb_buf *b, uint64_t first, uint64_t past)
{
    for (pb_extent x; first < past; first += x.pages) {
        x = pb_tree_shape(b->pool, &b->root, first, past);
        if (x.kind != PB_EXTENT_HOLE) {
            return true;
        }
    }
    return false;
}

/* Make [first, past) holes.  false: no frames can be had for copies of shared nodes. */
static bool
give_up(pb_buf *b, uint64_t first, uint64_t past)
{
    if (!has_pages(b, first, past)) {
        return true;
    }
    uint64_t need = pb_tree_drop_need(b->pool, &b->root, first, past - 1);
    uint64_t taken = pb_pool_taken(b->pool);
    if (pb_pool_reserve(b->pool, need) != PB_OK) {
        return false;
    }
    pb_tree_drop(b->pool, &b->root, first, past - 1);
    pb_pool_give_rest(b->pool, need, taken);
    return true;
}

/* Begin with the page `first` and end before `past`, as far as there is nothing beyond. */
static void
move_bounds(pb_buf *b, uint64_t first, uint64_t past)
{
    uint64_t end = pb_min(b->root.bias + b->root.size, past << PB_PAGE_SHIFT);
    b->root.bias = pb_max(b->root.bias, first << PB_PAGE_SHIFT);
    b->root.size = end - b->root.bias;
}

/* Give up what lies before, behind and between the parts. */
static void
give_up_rest(const pb_parts *parts, pb_buf *b)
{
    uint64_t past = pb_reach(b->root.levels) >> PB_PAGE_SHIFT;
    uint64_t first = parts->first->page - parts->shifted;
    uint64_t last = parts->last->page - parts->shifted + parts->last->pages;
    /* from the start and to the end of the tree, so that whole nodes are given up, not copied */
    first = give_up(b, 0, first) ? first : 0;
    past = give_up(b, last, past) ? last : past;
    for (const pb_part *p = parts->first; p->next; p = p->next) {
        (void)give_up(b, p->page + p->pages - parts->shifted,
                      p->next->page - parts->shifted);
    }
    move_bounds(b, first, past);
}

/* Only what is wanted stays.  Where frames are short, so do other pages, until the next time. */
static void
settle(pb_parts *parts, pb_buf *b)
{
    parts->again = parts->pages / 2;
    if (parts->first && !pb_buf_is_inline(b)) {
        pb_set_actor(b->pool, &b->member);
        forget(b);
        give_up_rest(parts, b);
        uint64_t before = page_of(b->root.bias);
        pb_buf_shrink(b);
        parts->shifted += before - page_of(b->root.bias);
    }
}

void
pb_parts_complete(pb_parts *parts, pb_buf *b, bool exact)
{
    parts->again = parts->pages / 2;
    if (!exact) {
        settle(parts, b);
    }
}

void
pb_parts_remove(pb_parts *parts, pb_buf *b, pb_part *part)
{
    *(part->prev ? &part->prev->next : &parts->first) = part->next;
    *(part->next ? &part->next->prev : &parts->last) = part->prev;
    parts->pages -= part->pages;
    if (parts->pages <= parts->again) {
        settle(parts, b);
    }
}
