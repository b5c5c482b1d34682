/* buffer/internal.h: what the files behind buffer/buf.h and buffer/share.h share. */
#ifndef PB_BUFFER_INTERNAL_H
#define PB_BUFFER_INTERNAL_H

#include "buffer/buf.h"
#include "buffer/share.h"

/* Values of root.shared other than 0. */
#define PB_SHARED_FOR_GOOD 1
#define PB_SHARED_BY_READERS 2 /* and by nothing else */

static inline uint64_t
page_of(uint64_t pos)
{
    return pos >> PB_PAGE_SHIFT;
}

static inline uint8_t *
page_address(const pb_buf *b, pb_entry e)
{
    return pb_frame_address(b->pool, pb_entry_frame(e));
}

/* Where a position in the first page of an extent lies; NULL of what is no page.  Damage is noted. */
static inline uint8_t *
extent_address(const pb_buf *b, const pb_extent *x, uint64_t pos)
{
    if (PB_LIKELY(x->kind == PB_EXTENT_PRESENT)) {
        return pb_frame_address(b->pool, x->frame) + (pos & PB_PAGE_MASK);
    }
    if (x->kind == PB_EXTENT_BAD) {
        pb_pool_found_bad(b->pool, &b->member, x->frame, pos - b->root.bias);
    }
    return NULL;
}

/* The shape changes: nothing of the tree is remembered. */
static inline void
forget(pb_buf *b)
{
    b->leaf_r = b->leaf_w = NULL;
    b->tail = b->head = NULL;
    b->root.tail_room = 0;
    if (b->pins) {
        b->pins->run_count = 0;
    }
}

/* The entry of a page in the remembered leaf, or NULL. */
static inline pb_entry *
recall(pb_entry *leaf, uint64_t first, uint64_t page)
{
    return leaf && page - first < PB_FANOUT ? leaf + (page - first) : NULL;
}

/* The entry of `page` in its leaf, NULL where there is no leaf.  Remembers the leaf, which is not
 * the one that is remembered now. */
pb_entry *
pb_buf_find_entry(pb_buf *b, uint64_t page);

/* The same in a tree that may share pages: NULL where this one or its path is shared. */
pb_entry *
pb_buf_alone_entry(pb_buf *b, uint64_t page);

/* The entry of a page whose path is this tree's alone: anywhere, in most trees. */
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

/* The entry of a page that may be written, or NULL.  The long way finds out why it may not. */
pb_entry *
pb_buf_owned_entry(pb_buf *b, uint64_t page);

/* Does entry `at` of a page begin a run that holds n bytes from `in_page` on, as far as
 * the leaf goes? */
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

/* Leave levels and root slots behind; live views keep their place in the tree. */
void
pb_buf_shrink(pb_buf *b);

/* The page in the tree, or NULL for a hole. */
uint8_t *
pb_buf_page(const pb_buf *b, uint64_t page);

/* Make the pages of positions [pos, pos + n) this buffer's own, zeros around what is to be
 * overwritten.  Spends reserved frames as counted by pb_tree_need. */
void
pb_buf_own(pb_buf *b, uint64_t pos, uint64_t n);

/* pb_buf_prepare where the page was looked up already and may not be written as it is. */
pb_status
pb_buf_prepare_looked(pb_buf *b, uint64_t off, uint64_t n);

/* Levels for positions up to `end`. */
pb_status
pb_buf_raise_to(pb_buf *b, uint64_t end);

/* Does [off, off + n) fit the capacity (I8)?  *end is its end as a tree position. */
bool
pb_buf_fits(const pb_buf *b, uint64_t off, uint64_t n, uint64_t *end);

/* The buffer is at least `size` long.  I4: where a live view may have written past the
 * old end, that is zeroed first. */
void
pb_buf_grow_to(pb_buf *b, uint64_t size);

/* Zero what a live view may have written past the end, as far as the page goes. */
void
pb_buf_clean_tail(pb_buf *b);

/* Put frame `to` in the place of what is behind an owned entry, with the same bytes. */
void
pb_buf_move_page(pb_buf *b, pb_entry *at, pb_frame to);

/* ---- buffer/overlap.c: copies from a buffer to itself, through a live view ---- */

/* Does foreign memory [mem, mem + n) touch a live view of this very buffer, a tree with a pin
 * list? */
bool
pb_overlap_found(const pb_buf *b, const void *mem, uint64_t n);

/* Copy between [off, off + n) and such memory, as if the source were copied first. */
void
pb_overlap_copy(const pb_buf *b, uint64_t off, uint8_t *mem, uint64_t n, bool in);

/* ---- buffer/tail.c: bytes past the end of the last page, in debug pools (I4) ---- */

/* Fill them, where the page is this tree's alone and no live view is over it. */
void
pb_tail_fill(pb_buf *b);

/* The first byte of the fill that somebody wrote, as an offset in the buffer; UINT64_MAX:
 * none, or they are not filled. */
uint64_t
pb_tail_damage(const pb_buf *b);

/* The frame of the last page; 0: it is a hole. */
pb_frame
pb_tail_frame(const pb_buf *b);

/* None, or else that is noted. */
bool
pb_tail_intact(const pb_buf *b);

void
pb_tail_end(pb_buf *b);

/* Before a change: look at the fill, then make it zeros, as in other pools.  false: somebody
 * wrote past the end.  It notes and mends that; the change should not go on. */
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

/* A change begins: reports will name this tree.  false: PB_CORRUPT, see pb_tail_close. */
static inline bool
pb_buf_begin(pb_buf *b)
{
    pb_set_actor(b->pool, &b->member);
    return pb_tail_close(b);
}

#endif
