/* buffer/hints.c: the hints of a buffer: its last leaves, and where the next byte goes. */
#include "buffer/internal.h"
#include "pool/guard.h"

/* ---- leaves ---- */

pb_entry *
pb_buf_find_entry(pb_buf *b, uint64_t page)
{
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    if (leaf.entry == NULL) {
        return NULL;
    }
    if (b->root.levels > 1) {
        b->leaf_r = leaf.entry;
        b->leaf_r_first = leaf.first;
    }
    return pb_leaf_at(&leaf, page);
}

pb_entry *
pb_buf_owned_leaf_entry(pb_buf *b, uint64_t page)
{
    pb_entry *at = recall(b->leaf_w, b->leaf_w_first, page);
    if (at) {
        return at;
    }
    pb_leaf leaf;
    if (!pb_tree_leaf_owned(b->pool, &b->root, page, &leaf)) {
        return NULL;
    }
    if (b->root.levels > 1) {
        b->leaf_w = leaf.entry;
        b->leaf_w_first = leaf.first;
    }
    return pb_leaf_at(&leaf, page);
}

pb_entry *
pb_buf_alone_entry(pb_buf *b, uint64_t page)
{
    pb_entry *at = pb_buf_owned_leaf_entry(b, page);
    uint64_t frame = at ? pb_entry_number(pb_entry_load(at)) : 0;
    bool alone = frame && pb_frame_writable(b->pool, frame) &&
                 (PB_CHECKS || pb_frame_count(b->pool, (pb_frame)frame) == 1);
    return alone ? at : NULL;
}

pb_entry *
pb_buf_owned_entry(pb_buf *b, uint64_t page)
{
    pb_entry *at = pb_buf_unshared_entry(b, page);
    if (at == NULL || *at == PB_HOLE) {
        return NULL;
    }
    uint64_t frame = pb_entry_number(pb_entry_load(at));
    bool owned = pb_frame_writable(b->pool, frame) &&
                 (!PB_UNLIKELY(b->pool->debug) ||
                  pb_guard_of(b->pool->root, (pb_frame)frame) == PB_OPEN);
    return owned ? at : NULL;
}

/* ---- the tail ---- */

void
pb_buf_remember_tail(pb_buf *b)
{
    if (PB_UNLIKELY(b->root.frozen)) {
        b->root.tail_room = 0; /* so that every change goes through pb_buf_prepare */
        return;
    }
    if (pb_buf_is_inline(b)) {
        b->tail = pb_buf_inline(b) + b->root.size;
        b->root.tail_room = b->pool->debug ? 0 : (uint16_t)(PB_INLINE - b->root.size);
        return;
    }
    if (PB_UNLIKELY(b->pool->debug)) {
        pb_tail_fill(b);
        return;
    }
    uint64_t end = b->root.bias + b->root.size;
    uint32_t used = (uint32_t)(end & PB_PAGE_MASK);
    b->tail = NULL;
    b->root.tail_room = 0;
    pb_entry *at = used ? pb_buf_owned_entry(b, page_of(end)) : NULL;
    if (at && !(b->pins && b->pins->tail_written)) {
        b->tail = page_address(b, pb_entry_load(at)) + used;
        /* with a bias the last page may reach past the capacity */
        uint64_t most = pb_buf_capacity(b) - b->root.size;
        b->root.tail_room = (uint16_t)pb_min(PB_PAGE_SIZE - used, most);
    }
}
