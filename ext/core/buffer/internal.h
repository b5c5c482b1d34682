/* buffer/internal.h: what the files behind buffer/buf.h and buffer/share.h share. */
#ifndef PB_BUFFER_INTERNAL_H
#define PB_BUFFER_INTERNAL_H

#include "buffer/buf.h"
#include "buffer/share.h"

/* Values of root.shared other than 0 and PB_SHARED_LENT. */
#define PB_SHARED_FOR_GOOD 1
#define PB_SHARED_BY_READERS 2 /* only read snapshots share it: 0 again when they end */

static inline uint64_t
page_of(uint64_t pos)
{
    return pos >> PB_PAGE_SHIFT;
}

/* The pages [first_page, past_page) hold the bytes of a tree, which is not empty. */
static inline uint64_t
first_page(const pb_buf *b)
{
    return page_of(b->root.bias);
}

static inline uint64_t
past_page(const pb_buf *b)
{
    return page_of(b->root.bias + b->root.size - 1) + 1;
}

static inline uint8_t *
page_address(const pb_buf *b, pb_entry e)
{
    return pb_frame_address(b->pool, pb_entry_frame(e));
}

/* The address of a position in the first page of an extent; NULL where no page is.  Damage is
 * reported to the pool. */
static inline uint8_t *
extent_address(const pb_buf *b, const pb_extent *x, uint64_t pos)
{
    if (PB_LIKELY(x->kind == PB_EXTENT_PRESENT)) {
        return pb_page_address(b->pool, x->frame) + (pos & PB_PAGE_MASK);
    }
    if (x->kind == PB_EXTENT_ABSENT) {
        (void)pb_zone_note_absent(b->pool, x->frame, x->pages);
    }
    else if (x->kind == PB_EXTENT_BAD) {
        pb_pool_found_bad(b->pool, &b->member, x->frame, pos - b->root.bias);
    }
    return NULL;
}

/* In `tail`, which says nothing else while tail_room is 0: the bytes that the buffer has just grown by
 * are not there yet, and go to memory past the caches (base/stream.h). */
extern uint8_t pb_tail_streams[];

/* Clear all hints, because the tree changes its shape.  The remembered run stays as far as `page`:
 * frames before that do not change. */
static inline void
forget_from(pb_buf *b, uint64_t page)
{
    b->leaf_r = b->leaf_w = NULL;
    b->tail = b->head = NULL;
    b->root.tail_room = 0;
    if (b->pins) {
        pb_pins_run_to(b->pins, page);
    }
}

static inline void
forget(pb_buf *b)
{
    forget_from(b, 0);
}

/* Must changes take care of live views, or of what one wrote past the end? */
static inline bool
is_watched(const pb_buf *b)
{
    return b->pins && (b->pins->first || b->pins->tail_written);
}

/* The entry of a page in a hinted leaf; NULL if the leaf does not hold it. */
static inline pb_entry *
recall(pb_entry *leaf, uint64_t first, uint64_t page)
{
    return leaf && page - first < PB_FANOUT ? leaf + (page - first) : NULL;
}

/* The entry of `page` in its leaf; NULL where there is no leaf.  Sets the read hint to that leaf.
 * Call it when the hints do not cover the page. */
pb_entry *
pb_buf_find_entry(pb_buf *b, uint64_t page);

/* The same where the entry above the leaf is known.  Does not look at the leaf. */
static inline pb_entry *
remember_leaf(pb_buf *b, pb_entry above, uint64_t page)
{
    uint64_t i = page & (PB_FANOUT - 1);
    b->leaf_r = pb_node_of(b->pool, above);
    b->leaf_r_first = page - i;
    return b->leaf_r + i;
}

/* The frame of a page, if the entry above its leaf says that the leaf is dense, and if `pages` pages from
 * this one on lie in it and in memory (I17); else 0. */
static inline pb_frame
frame_of_run(const pb_buf *b, pb_entry above, uint64_t page, uint64_t pages)
{
    uint64_t i = page & (PB_FANOUT - 1);
    pb_frame run = pb_entry_run(above), frame = run + (pb_frame)i;
    bool there = run && pages <= PB_FANOUT - i && pb_run_resident(b->pool, frame, pages);
    return there ? frame : 0;
}

/* The entry of a page in a tree that may share nodes; NULL unless only this tree owns the path.  Sets the
 * write hint. */
pb_entry *
pb_buf_owned_leaf_entry(pb_buf *b, uint64_t page);

/* As pb_buf_find_entry in a tree that may share pages: also NULL where this page or its path is shared. */
pb_entry *
pb_buf_alone_entry(pb_buf *b, uint64_t page);

/* The entry of a page whose path only this tree owns; else NULL.  Most trees share nothing, and
 * there it finds any page that has a leaf. */
static inline pb_entry *
pb_buf_unshared_entry(pb_buf *b, uint64_t page)
{
    if (PB_UNLIKELY(b->root.shared)) {
        return pb_buf_alone_entry(b, page);
    }
    pb_entry *at = recall(b->leaf_w, b->leaf_w_first, page);
    at = at ? at : recall(b->leaf_r, b->leaf_r_first, page);
    return at ? at : pb_buf_find_entry(b, page);
}

/* The entry of a page that may be written, or NULL.  The slow path then finds out why. */
pb_entry *
pb_buf_owned_entry(pb_buf *b, uint64_t page);

/* Do n bytes from `in_page` on lie in one run of frames, which begins at entry `at` of `page`?
 * false if the leaf ends before them. */
static inline bool
run_holds(const pb_buf *b, const pb_entry *at, uint64_t page, uint64_t in_page, uint64_t n)
{
    uint64_t pages = page_of(in_page + n - 1) + 1;
    if (PB_LIKELY(pages == 1)) {
        return true;
    }
    uint64_t left =
        b->root.levels > 1 ? PB_FANOUT - (page & (PB_FANOUT - 1)) : PB_ROOT_SLOTS - page;
    return pages <= left && pb_run_ahead(at, pb_entry_load(at), pages) == pages;
}

/* Drop levels and root slots that are not needed.  Pins then move with the positions. */
void
pb_buf_shrink(pb_buf *b);

/* The page in the tree, or NULL for a hole. */
uint8_t *
pb_buf_page(const pb_buf *b, uint64_t page);

/* Make this buffer the only owner of the pages of positions [pos, pos + n), and zero what the
 * caller will not overwrite of new pages.  Spends the reserved frames that pb_tree_need counted. */
void
pb_buf_own(pb_buf *b, uint64_t pos, uint64_t n);

/* The same for a caller that reads the range first: its bytes keep their values. */
void
pb_buf_own_kept(pb_buf *b, uint64_t pos, uint64_t n);

/* pb_buf_prepare for a caller that has just looked the page up: it may not be written as it is. */
pb_status
pb_buf_prepare_looked(pb_buf *b, uint64_t off, uint64_t n);

/* Move tiny contents to a page together with n more bytes, which no longer fit the object.  false: one
 * page is too small, the pool has no frame ready, or the slow way must look at it; nothing has changed. */
bool
pb_buf_outgrow(pb_buf *b, const void *src, uint64_t n);

/* Add the levels that positions up to `end` need. */
pb_status
pb_buf_raise_to(pb_buf *b, uint64_t end);

/* Does [off, off + n) fit the capacity (I8)?  Sets *end to its end as a position. */
bool
pb_buf_fits(const pb_buf *b, uint64_t off, uint64_t n, uint64_t *end);

/* Make the buffer at least `size` long.  I4: if a live view may have written past the old end,
 * zero those bytes first. */
void
pb_buf_grow_to(pb_buf *b, uint64_t size);

/* Make the pages [page, past) zeros: drop them, but clear those under live views in place (I7).
 * Spends the reserved frames that pb_tree_drop_need counted. */
void
pb_buf_wipe_pages(pb_buf *b, uint64_t page, uint64_t past);

/* Zero the last page past the end, where a live view may have written. */
void
pb_buf_clean_tail(pb_buf *b);

/* Copy the page of an owned entry to frame `to`, and make the entry name that frame. */
void
pb_buf_move_page(pb_buf *b, pb_entry *at, pb_frame to);

/* Does no other tree name a frame of this one?  Then changes need not look at counts from now on.
 * O(pages), but ends at the first frame that is shared. */
bool
pb_buf_unshare(pb_buf *b);

/* I11: replace the pages [first, last] of `to`, which another buffer has under live views, by copies.
 * PB_NEED_PAGES, PB_LIMIT: they are the other buffer's still, so `to` must be cleared. */
pb_status
pb_buf_copy_pinned(pb_buf *to, uint64_t first, uint64_t last);

/* If the view that may have written past the end is gone, zero those bytes now, while only this
 * tree owns the page (I2). */
void
pb_buf_clean_left_tail(pb_buf *b);

/* Fill the tail again.  Only debug pools need it: the tail hint of other pools may stay empty. */
static inline void
refill_tail(pb_buf *b)
{
    if (PB_UNLIKELY(b->pool->debug)) {
        pb_buf_remember_tail(b);
    }
}

/* Where a cut that reaches the front begins.  Nothing before the bias is in use.  In a tree with
 * shared nodes the cut begins at page 0, so that it covers whole nodes: then the tree only drops
 * its reference, instead of copying a node to empty it. */
static inline uint64_t
unused_from(const pb_buf *b, uint64_t page)
{
    return b->root.shared ? 0 : page;
}

/* ---- buffer/overlap.c: copies from a buffer to itself, through a live view ---- */

/* Does the caller's memory [mem, mem + n) overlap a live view of this buffer?  The buffer is a
 * tree with a pin list. */
bool
pb_overlap_found(const pb_buf *b, const void *mem, uint64_t n);

/* Copy between [off, off + n) and memory that overlaps a view, as memmove does. */
void
pb_overlap_copy(const pb_buf *b, uint64_t off, uint8_t *mem, uint64_t n, bool in);

/* ---- buffer/tail.c: bytes past the end of the last page, in debug pools (I4) ---- */

/* Fill the bytes, if only this tree owns the page and no live view covers it. */
void
pb_tail_fill(pb_buf *b);

/* The offset of the first byte of the fill that somebody overwrote; UINT64_MAX if there is no
 * such byte or no fill. */
uint64_t
pb_tail_damage(const pb_buf *b);

/* The frame of the last page; 0 if that is a hole. */
pb_frame
pb_tail_frame(const pb_buf *b);

/* Is the fill intact?  If not, report it to the pool. */
bool
pb_tail_intact(const pb_buf *b);

/* Zero the fill, as in other pools (I4). */
void
pb_tail_end(pb_buf *b);

/* Call before a change: checks the fill, then zeros it, as in other pools (I4).  false: somebody
 * wrote past the end.  That is reported and undone, and the caller returns PB_CORRUPT. */
static inline bool
pb_tail_close(pb_buf *b)
{
    bool good = true;
    if (PB_UNLIKELY(b->pool->debug) && !pb_buf_is_inline(b) && b->tail) {
        good = pb_tail_intact(b);
        pb_tail_end(b);
    }
    return good;
}

/* Begin a change: reports will name this tree.  false: return PB_CORRUPT (pb_tail_close). */
static inline bool
pb_buf_begin(pb_buf *b)
{
    pb_set_actor(b->pool, &b->member);
    return pb_tail_close(b);
}

#endif
