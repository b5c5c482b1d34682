/* buffer/life.c: a buffer begins, gets a tree when it is no longer tiny, is emptied, and ends. */
#include "buffer/internal.h"

/* Make an empty tree, or zeroed memory, a tiny buffer. */
static void
become_inline(pb_buf *b)
{
    b->root.size = 0;
    b->root.levels = 0;
    b->root.shared = 0;
    memset(pb_buf_inline(b), 0, PB_INLINE);
    pb_buf_remember_tail(b);
}

static inline void
begin(pb_buf *b, pb_pool *pool, unsigned max_levels, unsigned frozen, unsigned lead)
{
    memset(b, 0, sizeof *b);
    b->pool = pool;
    b->root.max_levels = (uint8_t)max_levels;
    b->root.frozen = frozen & PB_FROZEN_MASK;
    b->root.lead = lead & PB_LEAD_MOST; /* before the pool looks for the object */
    if (PB_INLINE) {
        become_inline(b);
        return;
    }
    b->root.levels = 1;
    pb_pool_link(b->pool, &b->member);
}

void
pb_buf_init(pb_buf *b, pb_pool *pool, unsigned max_levels)
{
    begin(b, pool, max_levels, 0, 0);
}

void
pb_buf_init_behind(pb_buf *b, pb_pool *pool, unsigned max_levels, unsigned lead)
{
    begin(b, pool, max_levels, 0, lead);
}

void
pb_buf_init_internal(pb_buf *b, pb_pool *pool)
{
    begin(b, pool, PB_MAX_LEVELS, PB_FROZEN_INTERNAL, 0);
}

/* Never called for a snapshot, so `frozen` is 0 and stays 0. */
void
pb_buf_begin_anew(pb_buf *b, pb_pool *pool, unsigned max_levels)
{
#if PB_LOCKS
    __atomic_store_n(&b->pool, pool, __ATOMIC_RELEASE); /* pb_buf_pool */
#else
    b->pool = pool;
#endif
    b->tail = NULL;
    b->root.size = 0;
    b->root.levels = PB_INLINE ? 0 : 1;
    b->root.max_levels = (uint8_t)max_levels;
    b->root.shared = 0;
    memset((uint8_t *)b + PB_INLINE_AT, 0, sizeof *b - PB_INLINE_AT);
    pb_buf_remember_tail(b);
    if (!PB_INLINE) {
        pb_pool_link(b->pool, &b->member);
    }
}

void
pb_buf_clear(pb_buf *b)
{
    if (!pb_buf_is_inline(b)) {
        (void)pb_buf_begin(b); /* reports damage, but goes on */
        forget(b);
        if (b->pins) {
            pb_pins_detach(b->pool, &b->root, b->pins, 0, UINT64_MAX);
            b->pins->tail_written = false;
        }
        pb_tree_release(b->pool, &b->root);
        if (!PB_INLINE || b->pins) { /* a buffer with a pin list stays a tree */
            return;
        }
        pb_pool_unlink(b->pool, &b->member);
    }
    become_inline(b);
}

void
pb_buf_fini(pb_buf *b)
{
    pb_buf_clear(b);
    if (!pb_buf_is_inline(b)) {
        if (b->pins) {
            pb_pins_close(b->pins);
        }
        pb_pool_unlink(b->pool, &b->member);
    }
    pb_pool_forget(b->pool, &b->member);
}

/* ---- tiny contents move from the object to a page, and back ---- */

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
