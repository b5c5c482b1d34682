/* buffer/tiny.c: moves tiny contents from the object to a page, and back. */
#include "buffer/internal.h"

/* Copy the bytes, which fit, to a new page. */
static void
put_on_page(pb_buf *b, const uint8_t *bytes, uint64_t size)
{
    uint32_t got;
    bool zero;
    pb_frame frame = pb_pool_take_run(b->pool, 0, 1, &got, &zero);
    uint8_t *at = pb_frame_address(b->pool, frame);
    pb_copy(at, bytes, size);
    pb_zero(at + size, zero ? 0 : PB_PAGE_SIZE - size);
    pb_tree_set(&b->root.slot[0], pb_entry_of(frame));
}

/* Links the tree before it reserves the frame, so that whoever inspects the pool finds an owner for
 * each frame. */
pb_status
pb_buf_promote(pb_buf *b)
{
    uint8_t bytes[PB_INLINE + 1];
    uint64_t size = b->root.size;
    if (!pb_buf_is_inline(b)) {
        return PB_OK;
    }
    pb_set_actor(b->pool, &b->member);
    memcpy(bytes, pb_buf_inline(b), PB_INLINE);
    memset(pb_buf_inline(b), 0, PB_INLINE);
    b->root.levels = 1;
    pb_pool_link(b->pool, &b->member);
    pb_status st = pb_pool_reserve(b->pool, size != 0);
    if (st != PB_OK) {
        pb_pool_unlink(b->pool, &b->member);
        b->root.levels = 0;
        memcpy(pb_buf_inline(b), bytes, PB_INLINE);
        return st;
    }
    b->root.tail_room = 0;
    b->tail = NULL;
    if (size) {
        put_on_page(b, bytes, size);
    }
    return PB_OK;
}

void
pb_buf_demote(pb_buf *b)
{
    uint8_t bytes[PB_INLINE + 1];
    uint64_t size = b->root.size;
    pb_buf_copy_out(b, 0, bytes, size);
    pb_buf_clear(b);
    memcpy(pb_buf_inline(b), bytes, size);
    b->root.size = size;
    pb_buf_remember_tail(b);
}
