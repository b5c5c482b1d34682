/* buffer/read.c: finds where bytes lie, and copies them in and out. */
#include "base/stream.h"
#include "buffer/internal.h"

/* ---- checks of debug level 0: no access to a frame that may not be read (I1, I2) ---- */

/* May the `pages` frames from entry `e` on be read?  If not, report it for offset `off`. */
static inline bool
may_read(const pb_buf *b, pb_entry e, uint64_t off, uint64_t pages)
{
    bool good = pb_pages_readable(b->pool, pb_entry_frame(e), pages);
    if (PB_UNLIKELY(!good) && !pb_zone_note_absent(b->pool, pb_entry_frame(e), pages)) {
        pb_pool_found_bad(b->pool, &b->member, pb_entry_frame(e), off);
    }
    return good;
}

/* ---- copies ---- */

/* The leaf that holds a page, from a hint if possible. */
static inline pb_leaf
leaf_of(const pb_buf *b, uint64_t page)
{
    pb_leaf leaf = {b->leaf_r, b->leaf_r_first, b->leaf_r_first + PB_FANOUT, PB_HOLE};
    if (recall(b->leaf_r, b->leaf_r_first, page)) {
        return leaf;
    }
    if (recall(b->leaf_w, b->leaf_w_first, page)) {
        return (pb_leaf){b->leaf_w, b->leaf_w_first, b->leaf_w_first + PB_FANOUT, PB_HOLE};
    }
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    return leaf;
}

/* From so many pages on it pays to find a leaf that is remembered: it may be dense, and then nobody looks
 * at its entries and rows (I17). */
#define MANY_PAGES 64

/* pb_buf_stretch for positions [pos, end) of a tree. */
static pb_stretch
stretch_at(const pb_buf *b, uint64_t pos, uint64_t end)
{
    uint64_t page = page_of(pos), past = page_of(end - 1) + 1;
    pb_extent x;
    if (past - page > MANY_PAGES) {
        x = pb_tree_extent(b->pool, &b->root, page, past);
    }
    else {
        pb_leaf leaf = leaf_of(b, page);
        x = pb_leaf_extent(b->pool, &leaf, page, past);
    }
    uint64_t stop = pb_min(end, (page + x.pages) << PB_PAGE_SHIFT);
    return (pb_stretch){x.kind, extent_address(b, &x, pos), stop - pos};
}

pb_stretch
pb_buf_stretch(const pb_buf *b, uint64_t off, uint64_t n)
{
    if (pb_buf_is_inline(b)) {
        return (pb_stretch){PB_EXTENT_PRESENT, pb_buf_inline(b) + off, n};
    }
    return stretch_at(b, b->root.bias + off, b->root.bias + off + n);
}

bool
pb_buf_note_absent(const pb_buf *b, uint64_t off, uint64_t n)
{
    bool any = false;
    if (PB_LIKELY(!pb_pool_fetches(b->pool)) || pb_buf_is_inline(b)) {
        return false;
    }
    for (pb_stretch s; n; off += s.n, n -= s.n) {
        s = pb_buf_stretch(b, off, n);
        any |= s.kind == PB_EXTENT_ABSENT;
    }
    return any;
}

/* Does the caller's memory overlap a live view of this buffer?  If n is 0, `mem` may be any
 * pointer. */
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
    bool stream = PB_UNLIKELY(b->tail == pb_tail_streams) && off + n == b->root.size;
    while (n) {
        pb_stretch to = pb_buf_stretch(b, off, n);
        /* the range was prepared, so another kind is damage */
        if (PB_LIKELY(to.kind == PB_EXTENT_PRESENT)) {
            stream ? pb_copy_stream(to.at, from, to.n) : pb_copy(to.at, from, to.n);
        }
        from += to.n;
        off += to.n;
        n -= to.n;
    }
}

/* Copy what lies at a position, of an extent, or read it where it is not in memory.  false: neither can
 * be done now. */
static bool
copy_or_read(const pb_buf *b, const pb_extent *x, uint64_t pos, uint8_t *to, uint64_t n)
{
    const pb_zone *z = x->kind == PB_EXTENT_ABSENT ? pb_zone_of(b->pool, x->frame) : NULL;
    uint64_t at = z ? ((uint64_t)(x->frame - z->first) << PB_PAGE_SHIFT) : 0;
    if (z && z->read && z->read(z, at + (pos & PB_PAGE_MASK), n, to)) {
        return true;
    }
    const uint8_t *from = extent_address(b, x, pos);
    from ? pb_copy(to, from, n) : pb_zero(to, n);
    return x->kind != PB_EXTENT_ABSENT;
}

/* pb_buf_copy_out where frames may have left memory: what is not there goes from the file to `dst`, and
 * takes no memory on the way. */
PB_NOINLINE static pb_status
copy_out_through(const pb_buf *b, uint64_t off, uint8_t *to, uint64_t n)
{
    uint64_t pos = b->root.bias + off, end = pos + n;
    bool whole = true;
    for (uint64_t len; pos < end; pos += len, to += len) {
        uint64_t page = page_of(pos);
        pb_extent x = pb_tree_extent(b->pool, &b->root, page, page_of(end - 1) + 1);
        len = pb_min(end, (page + x.pages) << PB_PAGE_SHIFT) - pos;
        whole &= copy_or_read(b, &x, pos, to, len);
    }
    return whole ? PB_OK : PB_ABSENT;
}

pb_status
pb_buf_copy_out(const pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    uint8_t *to = dst;
    bool absent = false;
    if (PB_UNLIKELY(b->pool->root->spills) && !pb_buf_is_inline(b) &&
        !is_own_view(b, dst, n)) {
        return copy_out_through(b, off, dst, n);
    }
    if (is_own_view(b, dst, n)) {
        pb_overlap_copy(b, off, dst, n, false);
        return pb_pool_read_status(b->pool);
    }
    while (n) {
        pb_stretch from = pb_buf_stretch(b, off, n);
        if (from.kind == PB_EXTENT_PRESENT) {
            pb_copy(to, from.at, from.n);
        }
        else {
            absent |= from.kind == PB_EXTENT_ABSENT;
            pb_zero(to, from.n);
        }
        to += from.n;
        off += from.n;
        n -= from.n;
    }
    return absent ? PB_ABSENT : PB_OK;
}

/* The address of a run of which an entry is at `at`, of a zone's frames if they can be read.  Else what is
 * wrong, or absent, is noted: NULL. */
PB_NOINLINE static const uint8_t *
peek_other_run(const pb_buf *b, const pb_entry *at, uint64_t off, uint64_t n)
{
    pb_entry e = pb_entry_load(at);
    uint64_t in_page = (b->root.bias + off) & PB_PAGE_MASK;
    bool there = may_read(b, e, off, page_of(in_page + n - 1) + 1);
    return there ? pb_page_address(b->pool, pb_entry_frame(e)) + in_page : NULL;
}

/* pb_buf_peek for a range in more than one page. */
PB_NOINLINE static const uint8_t *
peek_run(const pb_buf *b, const pb_entry *at, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off;
    uint64_t in_page = pos & PB_PAGE_MASK;
    if (!run_holds(b, at, page_of(pos), in_page, n)) {
        return NULL;
    }
    pb_frame frame = pb_entry_frame(pb_entry_load(at));
    if (PB_LIKELY(pb_run_readable(b->pool, frame, page_of(in_page + n - 1) + 1))) {
        return pb_frame_address(b->pool, frame) + in_page;
    }
    return peek_other_run(b, at, off, n);
}

/* The address of a byte in the page of a zone.  If entry `at`, which lies in the leaf of the read hint
 * or in the root, names none, report it: NULL. */
PB_NOINLINE static const uint8_t *
peek_other(const pb_buf *b, const pb_entry *at, uint64_t in_page)
{
    pb_frame frame = pb_entry_frame(pb_entry_load(at));
    if (pb_zone_reads(b->pool, frame, 1)) {
        return pb_zone_address(b->pool, frame) + in_page;
    }
    if (pb_zone_note_absent(b->pool, frame, 1)) {
        return NULL;
    }
    uint64_t page = b->root.levels > 1 ? b->leaf_r_first + (uint64_t)(at - b->leaf_r)
                                       : (uint64_t)(at - b->root.slot);
    uint64_t off = (page << PB_PAGE_SHIFT) + in_page - b->root.bias;
    pb_pool_found_bad(b->pool, &b->member, frame, off);
    return NULL;
}

/* pb_buf_peek when the entry of the page is known; NULL: there is no leaf. */
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
    return peek_other(b, at, in_page);
}

/* pb_buf_peek where there is no leaf: below a huge entry, or in a hole. */
PB_NOINLINE static const uint8_t *
peek_flat(const pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off, page = page_of(pos), past = page_of(pos + n - 1) + 1;
    pb_extent x = pb_tree_extent(b->pool, &b->root, page, past);
    bool whole = x.pages == past - page || x.kind == PB_EXTENT_ABSENT;
    return whole ? extent_address(b, &x, pos) : NULL;
}

/* pb_buf_peek where no entry is above the page. */
PB_NOINLINE static const uint8_t *
peek_short(pb_buf *b, uint64_t off, uint64_t n)
{
    const pb_entry *at = pb_buf_find_entry(b, page_of(b->root.bias + off));
    return PB_LIKELY(at != NULL) ? peek_at(b, at, off, n) : peek_flat(b, off, n);
}

/* The same below an entry, for a range in more than one page. */
PB_NOINLINE static const uint8_t *
peek_across(const pb_buf *b, pb_entry above, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off, page = page_of(pos), in_page = pos & PB_PAGE_MASK;
    pb_frame frame = frame_of_run(b, above, page, page_of(in_page + n - 1) + 1);
    return frame ? pb_frame_address(b->pool, frame) + in_page
                 : peek_at(b, b->leaf_r + (page - b->leaf_r_first), off, n);
}

/* Calls nothing that comes back, as most reads of a large buffer come here. */
PB_NOINLINE static const uint8_t *
peek_far(pb_buf *b, uint64_t off, uint64_t n)
{
    if (pb_buf_is_inline(b)) {
        return pb_buf_inline(b) + off;
    }
    uint64_t pos = b->root.bias + off, page = page_of(pos), in_page = pos & PB_PAGE_MASK;
    pb_entry above = pb_tree_above(b->pool, &b->root, page);
    if (PB_UNLIKELY(above == PB_HOLE)) {
        return peek_short(b, off, n);
    }
    const pb_entry *at = remember_leaf(b, above, page);
    if (PB_UNLIKELY(in_page + n > PB_PAGE_SIZE)) {
        return peek_across(b, above, off, n);
    }
    uint64_t run = pb_entry_run(above), frame = run + (page & (PB_FANOUT - 1));
    bool there = PB_LIKELY(run != 0) && pb_frame_resident(b->pool, frame);
    return PB_LIKELY(there) ? pb_frame_address(b->pool, (pb_frame)frame) + in_page
                            : peek_at(b, at, off, n);
}

/* If the hinted leaf has the page, this walks no tree. */
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
    pb_extent x = pb_tree_extent(b->pool, &b->root, page, page + 1);
    if (PB_UNLIKELY(x.kind == PB_EXTENT_ABSENT)) {
        (void)pb_zone_note_absent(b->pool, x.frame, 1);
    }
    if (PB_UNLIKELY(x.kind == PB_EXTENT_BAD)) {
        (void)pb_entry_note_bad(b->pool, pb_entry_of(x.frame));
    }
    return x.kind == PB_EXTENT_PRESENT ? pb_page_address(b->pool, x.frame) : NULL;
}

/* The first page in [page, last] that is no hole (want) or is one (!want); last + 1 if none. */
static uint64_t
next_page(const pb_buf *b, uint64_t page, uint64_t last, bool want)
{
    while (page <= last) {
        pb_extent x = pb_tree_shape(b->pool, &b->root, page, last + 1);
        if ((x.kind != PB_EXTENT_HOLE) == want) {
            return page;
        }
        page += x.pages;
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
