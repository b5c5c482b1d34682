/* buffer/read.c: where bytes lie, and copies of prepared and of present ones. */
#include "buffer/internal.h"

/* ---- level 0: no page is touched that is not there to be touched (I1, I2) ---- */

/* A page that an entry names at offset `off`. */
static inline bool
may_read(const pb_buf *b, pb_entry e, uint64_t off, uint64_t pages)
{
    bool good = pb_run_readable(b->pool, pb_entry_number(e), pages);
    if (PB_UNLIKELY(!good)) {
        pb_pool_found_bad(b->pool, &b->member, pb_entry_frame(e), off);
    }
    return good;
}

/* ---- copies ---- */

/* One contiguous stretch of the range [pos, end) of a tree. */
static uint64_t
stretch_at(const pb_buf *b, uint64_t pos, uint64_t end, uint8_t **address)
{
    uint64_t page = page_of(pos), last = page_of(end - 1);
    pb_leaf leaf = {b->leaf_r, b->leaf_r_first, b->leaf_r_first + PB_FANOUT};
    if (recall(b->leaf_r, b->leaf_r_first, page) == NULL) {
        pb_tree_leaf(b->pool, &b->root, page, &leaf);
    }
    uint64_t most = pb_min(last + 1, leaf.end) - page;
    *address = NULL;
    if (leaf.entry) {
        const pb_entry *at = &leaf.entry[page - leaf.first];
        pb_entry e = pb_entry_load(at);
        if (e == PB_HOLE) {
            most = holes_ahead(&leaf, page, page + most - 1);
        }
        else {
            most = pb_run_ahead(at, e, most);
            if (PB_LIKELY(may_read(b, e, pos - b->root.bias, most))) {
                *address = page_address(b, e) + (pos & PB_PAGE_MASK);
            }
        }
    }
    return pb_min(end, (page + most) << PB_PAGE_SHIFT) - pos;
}

uint64_t
pb_buf_stretch(const pb_buf *b, uint64_t off, uint64_t n, uint8_t **address)
{
    if (pb_buf_is_inline(b)) {
        *address = pb_buf_inline(b) + off;
        return n;
    }
    return stretch_at(b, b->root.bias + off, b->root.bias + off + n, address);
}

/* Is the foreign side of a copy a live view of this buffer?  No bytes may be nowhere. */
static inline bool
is_own_view(const pb_buf *b, const void *mem, uint64_t n)
{
    return PB_UNLIKELY(!pb_buf_is_inline(b) && b->pins) && n && pb_overlap_found(b, mem, n);
}

void
pb_buf_copy_in(const pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    const uint8_t *from = src;
    if (is_own_view(b, src, n)) {
        pb_overlap_copy(b, off, (uint8_t *)(uintptr_t)src, n, true);
        return;
    }
    while (n) {
        uint8_t *at;
        uint64_t len = pb_buf_stretch(b, off, n, &at);
        if (PB_LIKELY(at != NULL)) { /* prepared, so that else it is damaged, and noted */
            pb_copy(at, from, len);
        }
        from += len;
        off += len;
        n -= len;
    }
}

void
pb_buf_copy_out(const pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    uint8_t *to = dst;
    if (is_own_view(b, dst, n)) {
        pb_overlap_copy(b, off, dst, n, false);
        return;
    }
    while (n) {
        uint8_t *at;
        uint64_t len = pb_buf_stretch(b, off, n, &at);
        if (at) {
            pb_copy(to, at, len);
        }
        else {
            pb_zero(to, len);
        }
        to += len;
        off += len;
        n -= len;
    }
}

/* In more than one page. */
PB_NOINLINE static const uint8_t *
peek_run(const pb_buf *b, const pb_entry *at, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off;
    uint64_t in_page = pos & PB_PAGE_MASK;
    bool there = run_holds(b, at, page_of(pos), in_page, n) &&
                 may_read(b, pb_entry_load(at), off, page_of(in_page + n - 1) + 1);
    return there ? page_address(b, pb_entry_load(at)) + in_page : NULL;
}

/* Of the leaf that was remembered just now, or of the root. */
PB_NOINLINE static const uint8_t *
peek_bad(const pb_buf *b, const pb_entry *at, uint64_t in_page)
{
    uint64_t page = b->root.levels > 1 ? b->leaf_r_first + (uint64_t)(at - b->leaf_r)
                                       : (uint64_t)(at - b->root.slot);
    uint64_t off = (page << PB_PAGE_SHIFT) + in_page - b->root.bias;
    pb_pool_found_bad(b->pool, &b->member, pb_entry_frame(pb_entry_load(at)), off);
    return NULL;
}

/* With the entry of the page at hand. */
PB_NOINLINE static const uint8_t *
peek_at(const pb_buf *b, const pb_entry *at, uint64_t off, uint64_t n)
{
    uint64_t in_page = (b->root.bias + off) & PB_PAGE_MASK;
    if (at == NULL || *at == PB_HOLE) {
        return NULL;
    }
    pb_entry e = pb_entry_load(at);
    if (PB_UNLIKELY(in_page + n > PB_PAGE_SIZE)) {
        return peek_run(b, at, off, n);
    }
    if (PB_LIKELY(pb_frame_readable(b->pool, pb_entry_number(e)))) {
        return page_address(b, e) + in_page;
    }
    return peek_bad(b, at, in_page);
}

PB_NOINLINE static const uint8_t *
peek_far(pb_buf *b, uint64_t off, uint64_t n)
{
    if (pb_buf_is_inline(b)) {
        return pb_buf_inline(b) + off;
    }
    return peek_at(b, pb_buf_leaf_entry(b, page_of(b->root.bias + off)), off, n);
}

/* In the remembered leaf it takes no call. */
const uint8_t *
pb_buf_peek(pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t page = page_of(b->root.bias + off);
    const pb_entry *at =
        pb_buf_is_inline(b) ? NULL : recall(b->leaf_r, b->leaf_r_first, page);
    return PB_LIKELY(at != NULL) ? peek_at(b, at, off, n) : peek_far(b, off, n);
}

/* ---- what is there ---- */

uint8_t *
pb_buf_page(const pb_buf *b, uint64_t page)
{
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    pb_entry e = leaf.entry ? pb_entry_load(&leaf.entry[page - leaf.first]) : PB_HOLE;
    return e == PB_HOLE || !pb_entry_good(b->pool, e) ? NULL : page_address(b, e);
}

/* The first page in [page, last] that is there (want) or is a hole; last + 1 if none. */
static uint64_t
next_page(const pb_buf *b, uint64_t page, uint64_t last, bool want)
{
    pb_leaf leaf;
    while (page <= last) {
        pb_tree_leaf(b->pool, &b->root, page, &leaf);
        uint64_t stop = pb_min(leaf.end, last + 1);
        if (leaf.entry == NULL) {
            if (!want) {
                return page;
            }
            page = stop;
        }
        for (; page < stop; page++) {
            if ((leaf.entry[page - leaf.first] != PB_HOLE) == want) {
                return page;
            }
        }
    }
    return last + 1;
}

bool
pb_buf_next_data(const pb_buf *b, uint64_t off, uint64_t *start, uint64_t *end)
{
    const pb_root *root = &b->root;
    if (off >= root->size) {
        return false;
    }
    if (pb_buf_is_inline(b)) {
        *start = off;
        *end = root->size;
        return true;
    }
    uint64_t pos = root->bias + off, stop = root->bias + root->size;
    uint64_t last = page_of(stop - 1);
    uint64_t page = next_page(b, page_of(pos), last, true);
    if (page > last) {
        return false;
    }
    uint64_t past = next_page(b, page, last, false);
    *start = pb_max(pos, page << PB_PAGE_SHIFT) - root->bias;
    *end = pb_min(stop, past << PB_PAGE_SHIFT) - root->bias;
    return true;
}
