/* tree/find.c: the way to a page: its entry, its leaf, and the page walk that users see. */
#include "tree/internal.h"

bool
pb_entry_note_bad(const pb_pool *pool, pb_entry e)
{
    pb_pool *noted = (pb_pool *)(uintptr_t)pool;
    pb_pool_found_bad(noted, pb_acting_of(noted)->tree, pb_entry_frame(e), 0);
    return false;
}

pb_entry
pb_tree_entry(const pb_pool *pool, const pb_root *root, uint64_t page, unsigned h)
{
    unsigned k = root->levels - 1u;
    pb_entry e = pb_entry_load(&root->slot[pb_root_index(page, root->levels)]);
    for (; k > h && e != PB_HOLE; k--) {
        uint32_t i = pb_child_index(page, k - 1);
        if (PB_UNLIKELY(pb_entry_is_huge(e))) {
            e = pb_entry_child(e, i);
            continue;
        }
        if (!pb_node_good(pool, e)) {
            break;
        }
        e = pb_entry_load(&pb_node_of(pool, e)[i]);
    }
    return e;
}

void
pb_tree_leaf(const pb_pool *pool, const pb_root *root, uint64_t page, pb_leaf *leaf)
{
    unsigned h = root->levels - 1u;
    if (h == 0) {
        *leaf = (pb_leaf){(pb_entry *)root->slot, 0, PB_ROOT_SLOTS, PB_HOLE};
        return;
    }
    pb_entry e = pb_entry_load(&root->slot[pb_root_index(page, root->levels)]);
    leaf->entry = NULL;
    leaf->flat = PB_HOLE;
    for (; e & PB_ENTRY_PRESENT; h--) {
        pb_entry *node = pb_node_of(pool, e);
        if (h == 1) {
            pb_frame run = pb_entry_run(e);
            leaf->entry = node;
            leaf->flat = run ? pb_entry_of(run) : PB_HOLE;
            break;
        }
        e = pb_entry_load(&node[pb_child_index(page, h - 1)]);
    }
    leaf->first = page >> pb_span_bits(h) << pb_span_bits(h);
    leaf->end = leaf->first + ((uint64_t)1 << pb_span_bits(h));
    if (PB_UNLIKELY(pb_entry_is_huge(e))) {
        leaf->flat = pb_entry_of(pb_entry_frame(e));
    }
}

bool
pb_tree_leaf_owned(const pb_pool *pool, const pb_root *root, uint64_t page, pb_leaf *leaf)
{
    pb_entry *at = (pb_entry *)&root->slot[pb_root_index(page, root->levels)];
    *leaf = (pb_leaf){(pb_entry *)root->slot, 0, PB_ROOT_SLOTS, PB_HOLE};
    for (unsigned h = root->levels - 1u; h > 0; h--) {
        pb_entry e = pb_entry_load(at);
        if (e == PB_HOLE || !pb_frame_in_region(pool, pb_entry_frame(e)) ||
            pb_frame_count(pool, pb_entry_frame(e)) != 1) {
            return false;
        }
        leaf->entry = pb_node_of(pool, e);
        at = leaf->entry + pb_child_index(page, h - 1);
    }
    if (root->levels > 1) {
        leaf->first = page & ~(uint64_t)(PB_FANOUT - 1);
        leaf->end = leaf->first + PB_FANOUT;
    }
    return true;
}

unsigned
pb_tree_walk(const pb_pool *pool, const pb_root *root, uint64_t page, pb_step *steps)
{
    const pb_entry *at = &root->slot[pb_root_index(page, root->levels)];
    uint32_t index = pb_root_index(page, root->levels);
    unsigned n = 0;
    for (unsigned h = root->levels - 1u;; h--) {
        pb_entry e = pb_entry_load(at);
        pb_frame frame = pb_entry_frame(e);
        if (pb_zone_has_entry(pool, e, h)) { /* the walk ends: no node is below */
            frame += (pb_frame)(page & (((uint64_t)1 << pb_span_bits(h)) - 1));
        }
        bool good = pb_pages_readable(pool, frame, 1);
        uintptr_t address = good ? (uintptr_t)pb_page_address(pool, frame) : 0;
        steps[n] = (pb_step){n + 1, index, e, frame, address};
        n++;
        if (!good || h == 0 || pb_frame_in_zone(frame)) {
            return n;
        }
        index = pb_child_index(page, h - 1);
        at = pb_node_of(pool, e) + index;
    }
}
