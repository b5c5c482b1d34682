/* buffer/tail.c: the bytes of the last page past the end, in debug pools.
 *
 * From b->tail to the end of the page they are PB_TAIL_FILL.  If b->tail is NULL they are zeros
 * (I4): so it is while a change is under way, and where the page is shared or under a live view.
 * Whoever changes or shares the tree closes the tail first (pb_tail_close). */
#include "buffer/internal.h"
#include "pool/poison.h"
#include "pool/guard.h"

static inline size_t
fill_size(const pb_buf *b)
{
    return PB_PAGE_SIZE - ((b->root.bias + b->root.size) & PB_PAGE_MASK);
}

static bool
is_viewed(const pb_buf *b, uint64_t page)
{
    return b->pins && (b->pins->tail_written || pb_pins_cover(b->pins, page));
}

/* The last page, if it may be written; else NULL. */
static uint8_t *
own_tail_page(const pb_buf *b)
{
    uint64_t page = page_of(b->root.bias + b->root.size);
    pb_leaf leaf;
    if (is_viewed(b, page) || !pb_tree_leaf_owned(b->pool, &b->root, page, &leaf)) {
        return NULL;
    }
    pb_entry e = pb_leaf_get(&leaf, page);
    bool mine = e != PB_HOLE && pb_frame_writable(b->pool, pb_entry_frame(e)) &&
                pb_guard_of(b->pool->root, pb_entry_frame(e)) == PB_OPEN;
    return mine ? page_address(b, e) : NULL;
}

void
pb_tail_fill(pb_buf *b)
{
    uint64_t used = (b->root.bias + b->root.size) & PB_PAGE_MASK;
    if (b->tail) { /* still filled: nothing has changed since */
        pb_tail_end(b);
    }
    uint8_t *at = used && !b->root.frozen ? own_tail_page(b) : NULL;
    b->root.tail_room = 0;
    b->tail = at ? at + used : NULL;
    if (at) {
        memset(b->tail, PB_TAIL_FILL, fill_size(b));
    }
}

void
pb_tail_end(pb_buf *b)
{
    pb_zero(b->tail, fill_size(b));
    b->tail = NULL;
}

uint64_t
pb_tail_damage(const pb_buf *b)
{
    size_t n = b->tail ? fill_size(b) : 0;
    size_t i = pb_debug_first_other(b->tail, PB_TAIL_FILL, n);
    return i < n ? b->root.size + i : UINT64_MAX;
}

pb_frame
pb_tail_frame(const pb_buf *b)
{
    uint64_t page = page_of(b->root.bias + b->root.size);
    return pb_tree_frame(b->pool, &b->root, page);
}

bool
pb_tail_intact(const pb_buf *b)
{
    uint64_t off = pb_tail_damage(b);
    if (off == UINT64_MAX) {
        return true;
    }
    pb_frame frame = pb_tail_frame(b);
    pb_fault fault = pb_fault_at(b->pool, PB_WHY_TAIL, frame, &b->member, off);
    pb_pool_found(b->pool, &fault, false);
    return false;
}
