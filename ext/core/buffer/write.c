/* buffer/write.c: writes and appends.  Fast paths first; else prepare, copy, set the tail hint. */
#include "buffer/internal.h"

/* How many bytes of a page. */
#define PREFETCHED 512

/* ---- write ---- */

/* The fastest path: the address of bytes in one page of a hinted leaf, in a tree that shares
 * nothing.  NULL if that takes more checks.  Calls no function. */
static inline uint8_t *
writable_near(const pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off, page = page_of(pos);
    uint64_t in_page = pos & PB_PAGE_MASK;
    bool plain = off < b->root.size && n <= b->root.size - off &&
                 in_page + n <= PB_PAGE_SIZE && !b->root.frozen && !b->root.shared &&
                 !pb_buf_is_inline(b) && !b->pool->debug;
    if (!plain) {
        return NULL;
    }
    const pb_entry *at = recall(b->leaf_w, b->leaf_w_first, page);
    at = at ? at : recall(b->leaf_r, b->leaf_r_first, page);
    if (at == NULL || *at == PB_HOLE) {
        return NULL;
    }
    pb_entry e = pb_entry_load(at);
    return pb_frame_writable(b->pool, pb_entry_number(e)) ? page_address(b, e) + in_page
                                                          : NULL;
}

/* pb_buf_unshared_entry for a page and those behind it, in a tree that shares nothing.  *run is not 0 where that is all there is to
 * know: see frame_of_run. */
static inline pb_entry *
unshared_entry_or_run(pb_buf *b, uint64_t page, uint64_t pages, pb_frame *run)
{
    *run = 0;
    pb_entry *at = recall(b->leaf_w, b->leaf_w_first, page);
    at = at ? at : recall(b->leaf_r, b->leaf_r_first, page);
    pb_entry above = at ? PB_HOLE : pb_tree_above(b->pool, &b->root, page);
    if (PB_LIKELY(above != PB_HOLE)) {
        *run = frame_of_run(b, above, page, pages);
        return remember_leaf(b, above, page);
    }
    return at ? at : pb_buf_find_entry(b, page);
}

/* The address of [off, off + n) if it lies inside the size, in one run, and may be written without
 * preparation; else NULL.  The tree shares nothing. */
static uint8_t *
writable_now(pb_buf *b, uint64_t off, uint64_t n)
{
    if (off >= b->root.size || n > b->root.size - off || b->root.frozen ||
        PB_UNLIKELY(b->pool->debug)) {
        return NULL;
    }
    if (pb_buf_is_inline(b)) {
        return pb_buf_inline(b) + off;
    }
    uint64_t pos = b->root.bias + off;
    uint64_t in_page = pos & PB_PAGE_MASK;
    uint64_t pages = page_of(in_page + n - 1) + 1;
    pb_frame run;
    pb_entry *at = unshared_entry_or_run(b, page_of(pos), pages, &run);
    if (PB_LIKELY(run != 0)) {
        return pb_frame_address(b->pool, run) + in_page;
    }
    if (at == NULL || *at == PB_HOLE ||
        (pages > 1 && !run_holds(b, at, page_of(pos), in_page, n))) {
        return NULL;
    }
    pb_entry e = pb_entry_load(at);
    bool owned = pb_run_writable(b->pool, pb_entry_number(e), pages);
    return owned ? page_address(b, e) + in_page : NULL;
}

/* A guess: the frame that comes next, 0 if none does.  Without a GIL it is behind the pool's lock. */
static inline pb_frame
next_frame(const pb_pool *pool)
{
#if PB_LOCKS
    (void)pool;
    return 0;
#else
    return pool->root->free_head;
#endif
}

/* A page may have to be copied, and both it and the frame that it goes to are in no cache then: load the
 * beginning of each while their rows are on the way. */
PB_ALWAYS_INLINE void
prefetch_copy(const pb_pool *pool, pb_frame from)
{
    const uint8_t *src = pb_frame_address(pool, from);
    pb_frame next = next_frame(pool);
    uint8_t *dst = pb_frame_address(pool, next);
    for (unsigned i = 0; i < PREFETCHED && i < PB_PAGE_SIZE; i += 64) {
        PB_PREFETCH(src + i);
        if (PB_LIKELY(next)) {
            PB_PREFETCH_TO_WRITE(dst + i);
        }
    }
}

/* Let the tree have a copy of a page that others hold, too.  Only this tree owns the path to its entry.
 * NULL: the pool has no frame ready; nothing has changed. */
static uint8_t *
copied_page(pb_buf *b, pb_entry *at, uint64_t page)
{
    bool zero;
    pb_frame old = pb_entry_frame(pb_entry_load(at));
    pb_set_actor(b->pool, &b->member);
    pb_frame frame = pb_pool_take_one(b->pool, 0, &zero);
    if (frame == 0) {
        return NULL;
    }
    uint8_t *to = pb_frame_address(b->pool, frame);
    pb_copy(to, pb_frame_address(b->pool, old), PB_PAGE_SIZE);
    pb_tree_forget_run(b->pool, &b->root, page);
    pb_tree_set(at, pb_entry_of(frame));
    pb_frame_unref(b->pool, old);
    pb_pool_keep(b->pool);
    b->head = NULL; /* perhaps this was that page */
    return to;
}

/* writable_now in a tree that may share pages.  A first write to a page since it was shared is done here,
 * too, where it copies the page and no node: not much more than that copy is left of it. */
static uint8_t *
writable_shared(pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off, in_page = pos & PB_PAGE_MASK;
    bool plain = off < b->root.size && n <= b->root.size - off &&
                 in_page + n <= PB_PAGE_SIZE && !b->root.frozen && !b->pool->debug &&
                 b->pins == NULL;
    pb_entry *at = plain ? pb_buf_owned_leaf_entry(b, page_of(pos)) : NULL;
    uint64_t frame = at ? pb_entry_number(pb_entry_load(at)) : 0;
    if (frame == 0 || pb_frame_in_zone((pb_frame)frame)) {
        return NULL;
    }
    prefetch_copy(b->pool, (pb_frame)frame);
    if (!pb_frame_readable(b->pool, frame)) {
        return NULL;
    }
    uint8_t *page = pb_frame_count(b->pool, (pb_frame)frame) == 1
                        ? pb_frame_address(b->pool, (pb_frame)frame)
                        : copied_page(b, at, page_of(pos));
    return page ? page + in_page : NULL;
}

pb_status
pb_buf_write_begin(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    return pb_buf_may_use(b, src, n) ? pb_buf_prepare(b, off, n) : PB_CORRUPT;
}

PB_NOINLINE static pb_status
write_far(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    bool shares = b->root.shared && !pb_buf_is_inline(b);
    uint8_t *at =
        PB_UNLIKELY(shares) ? writable_shared(b, off, n) : writable_now(b, off, n);
    if (at) {
        pb_copy(at, src, n);
        return PB_OK;
    }
    uint64_t old = b->root.size;
    pb_status st = PB_UNLIKELY(b->pool->debug) ? pb_buf_write_begin(b, off, src, n)
                                               : pb_buf_prepare_looked(b, off, n);
    if (st == PB_OK) {
        pb_buf_copy_in(b, off, src, n);
        if (b->root.size != old || b->pool->debug) {
            pb_buf_write_end(b);
        }
    }
    return st;
}

pb_status
pb_buf_write(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    uint8_t *at = writable_near(b, off, n);
    if (PB_UNLIKELY(at == NULL)) {
        return write_far(b, off, src, n);
    }
    pb_copy(at, src, n);
    return PB_OK;
}

/* The entry for the new page of an append that needs exactly one: a hole in the leaf last written
 * to.  NULL if the fast path does not apply. */
static inline pb_entry *
next_entry(pb_buf *b, uint64_t n)
{
    uint64_t end = b->root.bias + b->root.size;
    uint64_t left = (0 - end) & PB_PAGE_MASK; /* of the tail page */
    bool plain = b->root.tail_room == left && n > left && n - left <= PB_PAGE_SIZE &&
                 !pb_buf_is_inline(b) && !b->root.shared && !b->root.frozen &&
                 !is_watched(b) && !b->pool->debug &&
                 b->root.size + n <= pb_buf_capacity(b);
    pb_entry *at = plain ? recall(b->leaf_w, b->leaf_w_first, page_of(end + left)) : NULL;
    bool last = at && at == b->leaf_w + PB_FANOUT - 1; /* then pb_tree_note_run is due */
    return at && *at == PB_HOLE && !last ? at : NULL;
}

/* Append to the tail page and to one new page.  false: the fast path does not apply, or the pool
 * has no frame ready; nothing has changed. */
static bool
append_page(pb_buf *b, const uint8_t *src, uint64_t n)
{
    pb_entry *at = next_entry(b, n);
    if (at == NULL) {
        return false;
    }
    bool has_before = b->root.bias == 0 && at != b->leaf_w;
    bool zero;
    pb_set_actor(b->pool, &b->member);
    pb_frame frame = pb_pool_take_one(
        b->pool, has_before ? pb_entry_frame(pb_entry_load(at - 1)) : 0, &zero);
    if (frame == 0) {
        return false;
    }
    uint64_t left = b->root.tail_room, rest = n - left;
    uint8_t *page = pb_frame_address(b->pool, frame);
    pb_tree_set(at, pb_entry_of(frame));
    if (left) {
        pb_copy(b->tail, src, left);
    }
    pb_copy(page, src + left, rest);
    if (!zero) { /* I4 */
        pb_zero(page + rest, PB_PAGE_SIZE - rest);
    }
    b->root.size += n;
    b->tail = page + rest;
    b->root.tail_room =
        (uint16_t)pb_min(PB_PAGE_SIZE - rest, pb_buf_capacity(b) - b->root.size);
    return true;
}

pb_status
pb_buf_extend_slow(pb_buf *b, const void *src, uint64_t n)
{
    uint64_t off = b->root.size;
    bool done = pb_buf_is_inline(b) ? n > PB_INLINE - off && pb_buf_outgrow(b, src, n)
                                    : append_page(b, src, n);
    if (done) {
        return PB_OK;
    }
    pb_status st = pb_buf_write_begin(b, off, src, n);
    if (st == PB_OK) {
        pb_buf_copy_in(b, off, src, n);
        pb_buf_write_end(b);
    }
    return st;
}
