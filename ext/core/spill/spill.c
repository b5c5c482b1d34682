/* spill/spill.c: which pages leave memory, and how their entries change. */
#include "spill/spill.h"

#include "buffer/internal.h"

/* ---- which ---- */

typedef struct {
    const pb_pool *pool;
    bool (*may)(const pb_buf *b);
    pb_cold *out;
    size_t n, most;
} choice;

/* Does the frame belong to one entry, and to nobody else?  Then it may go where its pool pays for it. */
static bool
may_leave(const pb_pool *pool, pb_entry e)
{
    pb_frame frame = pb_entry_frame(e);
    if (e == PB_HOLE || !pb_frame_in_region(pool, frame)) {
        return false;
    }
    const pb_row *row = pb_frame_row(pool, frame);
    return pb_load32(&row->held.count) == 1 && row->held.pins == 0 &&
           row->held.kind == PB_KIND_DATA &&
           row->held.account == (pool->account & (PB_MOST_POOLS - 1));
}

/* Choose pages of [page, past) that lie in one leaf.  Returns the page to go on with. */
static uint64_t
choose_in_leaf(choice *c, pb_buf *b, uint64_t page, uint64_t past)
{
    pb_leaf leaf;
    pb_tree_leaf(c->pool, &b->root, page, &leaf);
    past = pb_min(past, leaf.end);
    if (leaf.entry == NULL || !pb_tree_leaf_owned(c->pool, &b->root, page, &leaf)) {
        return past;
    }
    for (; page < past && c->n < c->most; page++) {
        pb_entry e = pb_entry_load(pb_leaf_at(&leaf, page));
        if (may_leave(c->pool, e)) {
            c->out[c->n++] = (pb_cold){b, page, pb_entry_frame(e), 0};
        }
    }
    return page;
}

/* Choose pages of a tree from `page` up to `past`.  The last page stays: appends go there, and behind its end
 * lies what debug pools look at.  Returns the page to go on with. */
static uint64_t
choose_in_tree(choice *c, pb_buf *b, uint64_t page, uint64_t past)
{
    uint64_t last = past_page(b) - 1;
    uint64_t viewed = UINT64_MAX, behind = UINT64_MAX; /* the next pages under live views */
    page = pb_max(page, first_page(b));
    past = pb_min(past, last);
    while (page < past && c->n < c->most) {
        if (b->pins && !pb_pins_next(b->pins, page, &viewed, &behind)) {
            viewed = UINT64_MAX;
        }
        page = viewed > page ? choose_in_leaf(c, b, page, pb_min(past, viewed)) : behind;
    }
    return page;
}

static bool
has_pages(const pb_buf *b)
{
    return !pb_buf_is_inline(b) && !pb_buf_is_lent(b) && b->root.size && !b->root.queue &&
           !pb_buf_is_internal(b);
}

/* Choose from a tree, if it is one of those, and move the hand.  false: there are enough. */
static bool
choose_from(choice *c, pb_hand *hand, const pb_buf *tree, uint64_t page, uint64_t past)
{
    pb_buf *b = (pb_buf *)(uintptr_t)tree;
    if (b->pool == c->pool && has_pages(b) && c->may(b)) {
        hand->tree = b;
        hand->page = choose_in_tree(c, b, page, past);
    }
    return c->n < c->most;
}

/* Once round: from the hand to the last tree, and from the first one to the hand. */
size_t
pb_spill_choose(pb_pool *pool, pb_hand *hand, bool (*may)(const pb_buf *b), pb_cold *out,
                size_t most)
{
    choice c = {pool, may, out, 0, most};
    const pb_hand start = *hand;
    bool met = false;
    EACH_TREE(pool->root, b)
    {
        met = met || b == start.tree;
        if (met &&
            !choose_from(&c, hand, b, b == start.tree ? start.page : 0, UINT64_MAX)) {
            return c.n;
        }
    }
    EACH_TREE(pool->root, b)
    {
        bool last = b == start.tree;
        if (!choose_from(&c, hand, b, 0, last ? start.page : UINT64_MAX) || last) {
            break;
        }
    }
    return c.n;
}

/* ---- away ---- */

/* Addresses of pages are not remembered any more: the hints of the leaves, of the front, of one run. */
static void
forget_places(pb_buf *b, uint64_t page)
{
    b->leaf_r = b->leaf_w = NULL;
    b->head = NULL;
    if (b->pins) {
        pb_pins_run_to(b->pins, page);
    }
}

void
pb_spill_move(pb_cold *cold, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pb_cold *x = &cold[i];
        pb_buf *b = x->b;
        pb_leaf leaf;
        forget_places(b, x->page);
        b->root.shared = PB_SHARED_FOR_GOOD; /* I12 */
        pb_tree_forget_run(b->pool, &b->root, x->page);
        (void)pb_tree_leaf_owned(b->pool, &b->root, x->page, &leaf);
        pb_tree_set(pb_leaf_at(&leaf, x->page), pb_entry_of_zone(x->to, 0));
        pb_set_actor(b->pool, &b->member);
        pb_frame_spill_locked(b->pool->root, x->frame, x->to);
    }
}
