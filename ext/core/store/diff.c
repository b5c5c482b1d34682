/* store/diff.c: what differs between two trees of the pool, from front to back. */
#include "store/internal.h"

/* Stands for a node that a lower tree would have above its root. */
#define ABOVE (~(pb_entry)0)

typedef struct {
    pb_store *store;
    const pb_root *now, *then;
    pb_differ *differ;
} comparing;

/* The entry of height h at a page of a tree, which may be lower than that. */
static pb_entry
entry_at(const comparing *c, const pb_root *root, uint64_t page, unsigned h)
{
    unsigned top = root->levels - 1u;
    if (root->levels == 0) {
        return PB_HOLE;
    }
    if (h > top) {
        return page == 0 ? ABOVE : PB_HOLE;
    }
    return page >> pb_span_bits(top) < PB_ROOT_SLOTS
               ? pb_tree_entry(c->store->pool, root, page, h)
               : PB_HOLE;
}

/* Entry i of what e names, whose own height is h + 1. */
static pb_entry
child(const comparing *c, const pb_root *root, pb_entry e, uint32_t i, uint64_t page,
      unsigned h)
{
    if (e == ABOVE) {
        return entry_at(c, root, page, h);
    }
    return e == PB_HOLE ? PB_HOLE : pb_tree_child(c->store->pool, e, i);
}

static bool
may_follow(const comparing *c, pb_entry e)
{
    return e == ABOVE || e == PB_HOLE || pb_entry_is_huge(e) ||
           pb_node_good(c->store->pool, e);
}

static uint64_t
last_of(uint64_t page, unsigned h)
{
    return page + (((uint64_t)1 << pb_span_bits(h)) - 1);
}

static pb_store_status
compare(const comparing *c, pb_entry now, pb_entry then, uint64_t page, unsigned h)
{
    pb_differ *d = c->differ;
    if (now != ABOVE && then != ABOVE && pb_entry_same(now, then)) {
        return PB_STORE_OK;
    }
    if (now == PB_HOLE) {
        return d->drop(d->arg, page, last_of(page, h));
    }
    if (h == 0) {
        return pb_page_good(c->store->pool, now)
                   ? d->put(d->arg, page, now)
                   : pb_store_damaged(c->store, "an entry names no frame", 0);
    }
    if (!may_follow(c, now) || !may_follow(c, then)) {
        return pb_store_damaged(c->store, "an entry names no node", 0);
    }
    d->nodes++;
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        uint64_t first = page + ((uint64_t)i << pb_span_bits(h - 1));
        pb_entry a = child(c, c->now, now, i, first, h - 1);
        pb_entry b = child(c, c->then, then, i, first, h - 1);
        pb_store_status st = compare(c, a, b, first, h - 1);
        if (st != PB_STORE_OK) {
            return st;
        }
    }
    return PB_STORE_OK;
}

pb_store_status
pb_store_diff(pb_store *store, const pb_buf *now, const pb_buf *then, pb_differ *differ)
{
    static const pb_root none = {0};
    const pb_root *a = pb_buf_is_inline(now) ? &none : &now->root;
    const pb_root *b = pb_buf_is_inline(then) ? &none : &then->root;
    comparing c = {store, a, b, differ};
    unsigned levels = a->levels > b->levels ? a->levels : b->levels;
    for (unsigned i = 0; levels && i < PB_ROOT_SLOTS; i++) {
        uint64_t page = (uint64_t)i << pb_span_bits(levels - 1);
        pb_store_status st = compare(&c, entry_at(&c, a, page, levels - 1),
                                     entry_at(&c, b, page, levels - 1), page, levels - 1);
        if (st != PB_STORE_OK) {
            return st;
        }
    }
    return PB_STORE_OK;
}
