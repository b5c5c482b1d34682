/* tree/own.c: make pages, and the nodes on the way to them, a tree's own.  First count
 * the frames that takes (I3), then copy or make them. */
#include "base/copy.h"
#include "pool/guard.h"
#include "tree/internal.h"

/* ---- count what a change needs (I3) ---- */

/* Frames needed for the pages [lo, hi] below an entry of height h that is a hole, or names frames of
 * a zone: then each page is copied, too (I12). */
static uint64_t
need_hole(unsigned h, uint64_t lo, uint64_t hi)
{
    uint64_t n = 0;
    for (unsigned k = 0; k <= h; k++) {
        n += (hi >> pb_span_bits(k)) - (lo >> pb_span_bits(k)) + 1;
    }
    return n;
}

/* How many of the entries [from, to] of height 0 are holes. */
static uint64_t
need_entries(const pb_pool *pool, const pb_entry *entry, uint32_t from, uint32_t to)
{
    uint64_t n = 0;
    for (uint32_t i = from; i <= to; i++) {
        if (entry[i] == PB_HOLE) {
            n++;
        }
        else if (!pb_page_mine(pool, pb_entry_load(&entry[i]))) {
            break;
        }
    }
    return n;
}

/* Does an entry of height 1 say that its leaf is dense, and are those pages in memory? */
static inline bool
is_resident_run(const pb_pool *pool, pb_entry e, uint64_t lo, uint64_t hi)
{
    pb_frame run = pb_entry_run(e);
    return run && pb_run_resident(pool, run + lo, hi - lo + 1);
}

static uint64_t
need_below(const pb_pool *pool, pb_entry e, unsigned h, uint64_t lo, uint64_t hi,
           bool may_share, bool shared)
{
    if (e == PB_HOLE) {
        return need_hole(h, lo, hi);
    }
    if (PB_UNLIKELY(pb_frame_in_zone(pb_entry_frame(e)))) {
        bool good = pb_entry_good(pool, e, h);
        (void)pb_zone_note_absent(pool, pb_entry_frame(e) + (pb_frame)lo, hi - lo + 1);
        return good ? need_hole(h, lo, hi) : 0;
    }
    if (!(may_share || h ? pb_entry_good(pool, e, h) : pb_page_mine(pool, e))) {
        return 0;
    }
    shared = shared || (may_share && pb_frame_count(pool, pb_entry_frame(e)) > 1);
    if (h == 0) {
        return shared;
    }
    const pb_entry *node = pb_node_of(pool, e);
    children c = children_of(h, lo, hi);
    if (h == 1 && !may_share) {
        return is_resident_run(pool, e, lo, hi) ? 0
                                                : need_entries(pool, node, c.from, c.to);
    }
    uint64_t n = shared;
    for (uint32_t i = c.from; i <= c.to; i++) {
        n += need_below(pool, pb_entry_load(&node[i]), h - 1, child_lo(&c, i),
                        child_hi(&c, i), may_share, shared);
    }
    return n;
}

uint64_t
pb_tree_need(const pb_pool *pool, const pb_root *root, uint64_t first, uint64_t last)
{
    children c = children_of(root->levels, first, last);
    uint64_t n = 0;
    for (uint32_t i = c.from; i <= c.to; i++) {
        n += need_below(pool, pb_entry_load(&root->slot[i]), root->levels - 1u,
                        child_lo(&c, i), child_hi(&c, i), root->shared, false);
    }
    return n;
}

/* ---- own ---- */

pb_entry *
pb_tree_new_node(pb_pool *pool, pb_entry *at)
{
    bool zero;
    pb_frame frame = pb_pool_take_node(pool, &zero);
    pb_entry *node = (pb_entry *)pb_frame_address(pool, frame);
    if (!zero) {
        memset(node, 0, PB_PAGE_SIZE);
    }
    pb_tree_set(at, pb_entry_of(frame));
    return node;
}

/* I2: copy a shared node before changing an entry of it. */
static pb_entry *
copy_node(pb_pool *pool, pb_entry *at)
{
    bool zero;
    pb_frame old = pb_entry_frame(pb_entry_load(at));
    pb_frame frame = pb_pool_take_node(pool, &zero);
    pb_entry *node = (pb_entry *)pb_frame_address(pool, frame);
    pb_copy(node, pb_frame_address(pool, old), PB_PAGE_SIZE);
    pb_entries_ref(pool, node, PB_FANOUT);
    if (!pb_frame_unref_shared(pool, old)) { /* the last owner by now */
        pb_tree_release_entry(pool, pb_entry_load(at), 1);
    }
    pb_tree_set(at, pb_entry_of(frame));
    return node;
}

/* Put a node in the place of a huge entry: its entries name the same frames. */
static pb_entry *
split(pb_pool *pool, pb_entry *at)
{
    pb_entry e = pb_entry_load(at);
    pb_entry *node = pb_tree_new_node(pool, at);
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        pb_tree_set(&node[i], pb_entry_child(e, i));
    }
    pb_zone_ref(pool, pb_entry_frame(e), PB_FANOUT - 1);
    return node;
}

pb_entry *
pb_tree_own_node(pb_pool *pool, const pb_root *root, pb_entry *at)
{
    pb_entry e = pb_entry_load(at);
    if (e == PB_HOLE) {
        return pb_tree_new_node(pool, at);
    }
    if (PB_UNLIKELY(pb_entry_is_huge(e))) {
        return split(pool, at);
    }
    if (root->shared && pb_frame_count(pool, pb_entry_frame(e)) > 1) {
        return copy_node(pool, at);
    }
    if (PB_UNLIKELY(e != pb_entry_with_run(e, 0))) { /* its entries may change (I17) */
        pb_tree_set(at, pb_entry_with_run(e, 0));
    }
    return pb_node_of(pool, e);
}

/* The entry above the leaf of a page, on a path that belongs to this tree alone.  The tree has such
 * entries. */
static pb_entry *
own_above(pb_pool *pool, pb_root *root, uint64_t page)
{
    pb_entry *at = &root->slot[pb_root_index(page, root->levels)];
    for (unsigned h = root->levels - 1u; h > 1; h--) {
        at = pb_tree_own_node(pool, root, at) + pb_child_index(page, h - 1);
    }
    return at;
}

bool
pb_tree_own_leaf_or_run(pb_pool *pool, pb_root *root, uint64_t page, pb_leaf *leaf)
{
    if (root->levels == 1) {
        *leaf = (pb_leaf){root->slot, 0, PB_ROOT_SLOTS, PB_HOLE};
        return false;
    }
    pb_entry *at = own_above(pool, root, page);
    pb_entry e = pb_entry_load(at);
    bool dense = (e & PB_ENTRY_PRESENT) && pb_entry_run(e) && !root->shared;
    pb_entry *node = dense ? pb_node_of(pool, e) : pb_tree_own_node(pool, root, at);
    uint64_t first = page & ~(uint64_t)(PB_FANOUT - 1);
    *leaf = (pb_leaf){node, first, first + PB_FANOUT, PB_HOLE};
    return dense;
}

void
pb_tree_own_leaf(pb_pool *pool, pb_root *root, uint64_t page, pb_leaf *leaf)
{
    if (pb_tree_own_leaf_or_run(pool, root, page, leaf)) {
        (void)pb_tree_own_node(pool, root, own_above(pool, root, page));
    }
}

/* ---- pages ---- */

void
pb_tree_own_page(pb_pool *pool, const pb_root *root, pb_entry *at, bool whole)
{
    pb_frame old = pb_entry_frame(pb_entry_load(at));
    uint32_t got;
    bool zero;
    if (PB_UNLIKELY(pool->debug) && !pb_frame_in_zone(old)) {
        pb_guard_thaw(pool, old);
    }
    if (!root->shared || !pb_frame_is_shared(pool, old)) {
        return;
    }
    pb_frame frame = pb_pool_take_run(pool, 0, 1, &got, &zero);
    if (!whole) {
        pb_copy(pb_frame_address(pool, frame), pb_page_address(pool, old), PB_PAGE_SIZE);
    }
    pb_frame_unref(pool, old);
    pb_pool_keep(pool);
    pb_tree_set(at, pb_entry_of(frame));
}
