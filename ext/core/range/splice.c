/* range/splice.c: replaces a range of a buffer by a range of another length. */
#include "range/splice.h"

#include "buffer/internal.h"
#include "range/edit.h"

/* The arguments of pb_buf_splice: [off, off + cut) is replaced by n bytes of `from`. */
typedef struct {
    uint64_t off, cut;
    const pb_buf *from; /* NULL: a hole */
    uint64_t from_off, n;
    bool *shared;
} exchange;

/* ---- a second tree ---- */

/* A second tree that names the same frames as a buffer, those under live views included.  It ends, or
 * takes the buffer's place, before anyone can see it (I11).  No pool lists it. */
static pb_buf
second_tree(const pb_buf *b)
{
    pb_buf t;
    memset(&t, 0, sizeof t);
    t.pool = b->pool;
    pb_root_copy(&t.root, &b->root);
    t.root.max_levels = b->root.max_levels;
    t.root.shared = PB_SHARED_FOR_GOOD;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_entry e = pb_entry_load(&b->root.slot[i]);
        if (e != PB_HOLE) { /* notes what is bad, which the next call skips */
            (void)pb_entry_good(b->pool, e, b->root.levels - 1u);
        }
    }
    pb_entries_ref(b->pool, b->root.slot, PB_ROOT_SLOTS);
    return t;
}

/* Put the second tree in the place of the first, and release the first.  Cannot fail. */
static void
take_place(pb_buf *b, pb_buf *t, bool shared)
{
    pb_root old = b->root;
    uint8_t mark = shared ? PB_SHARED_FOR_GOOD : old.shared;
    if (b->pins) {
        pb_pins_shift(b->pins, page_of(old.bias) - page_of(t->root.bias));
    }
    forget(b);
    pb_root_copy(&b->root, &t->root);
    pb_tree_release(b->pool, &old);
    b->root.shared = mark;
    pb_buf_remember_tail(b);
}

static pb_status
paste(pb_buf *to, uint64_t off, const pb_buf *from, uint64_t from_off, uint64_t n,
      bool *shared)
{
    pb_paste p;
    pb_status st = pb_paste_begin(&p, to, off, from, from_off, n);
    if (st == PB_OK) {
        pb_paste_finish(&p);
        *shared |= p.shared;
    }
    return st;
}

/* 1. paste the bytes behind the cut at their new place  2. set the new end  3. paste the new range. */
static pb_status
exchange_in(pb_buf *t, const pb_buf *b, const exchange *x)
{
    uint64_t behind = b->root.size - x->off - x->cut, past = x->off + x->n;
    bool moved = false; /* ignored: the old tree, whose frames are shared, ends */
    pb_status st = paste(t, past, b, x->off + x->cut, behind, &moved);
    if (st == PB_OK) {
        st = pb_buf_truncate(t, past + behind);
    }
    if (st == PB_OK && x->from) {
        st = paste(t, x->off, x->from, x->from_off, x->n, x->shared);
    }
    else if (st == PB_OK) {
        st = pb_buf_punch(t, x->off, x->n);
    }
    return st;
}

static pb_status
exchange_tree(pb_buf *b, const exchange *x)
{
    if (b->pins && b->pins->tail_written) { /* no view is there: the caller checked (I4) */
        pb_buf_clean_tail(b);
        b->pins->tail_written = false;
    }
    if (!pb_tail_close(b)) {
        return PB_CORRUPT;
    }
    pb_buf t = second_tree(b);
    /* frames that the second tree takes belong to this one */
    pb_acting_of(b->pool)->on_behalf = &b->member;
    pb_status st = exchange_in(&t, b, x);
    pb_acting_of(b->pool)->on_behalf = NULL;
    if (st != PB_OK) {
        pb_tree_release(t.pool, &t.root);
        *x->shared = false;
        return st;
    }
    (void)pb_tail_close(&t); /* cannot be damaged: nobody has seen it */
    take_place(b, &t, *x->shared);
    return PB_OK;
}

/* ---- tiny buffers ---- */

static pb_status
exchange_inline(pb_buf *b, const exchange *x)
{
    uint8_t bytes[PB_INLINE + 1];
    uint64_t old = b->root.size, behind = old - x->off - x->cut;
    pb_status st = PB_OK;
    if (x->from) {
        st = pb_buf_copy_out(x->from, x->from_off, bytes, x->n);
    }
    else {
        pb_zero(bytes, x->n);
    }
    if (st != PB_OK) {
        return st;
    }
    uint8_t *at = pb_buf_inline(b) + x->off;
    memmove(at + x->n, at + x->cut, behind);
    memcpy(at, bytes, x->n);
    uint64_t size = x->off + x->n + behind;
    pb_zero(pb_buf_inline(b) + size, PB_INLINE - size);
    b->root.size = size;
    pb_buf_remember_tail(b);
    return PB_OK;
}

static pb_status
exchange_promoted(pb_buf *b, const exchange *x)
{
    bool was_inline = pb_buf_is_inline(b);
    pb_account_begin_trial(b->pool);
    pb_status st = pb_buf_promote(b);
    if (st == PB_OK) {
        st = exchange_tree(b, x);
        if (st != PB_OK && was_inline) {
            pb_buf_demote(b);
        }
    }
    pb_account_end_trial(b->pool);
    return st;
}

/* ---- the calls ---- */

/* Does a removal move bytes in place?  It does so if pages cannot go to their new places, because
 * they move by a part of a page. */
static bool
moves_in_place(const pb_buf *b, uint64_t n)
{
    return !pb_buf_is_inline(b) && (n & PB_PAGE_MASK) != 0;
}

/* A splice of the same length, or at the end: no bytes behind it move. */
static pb_status
exchange_same(pb_buf *b, const exchange *x)
{
    if (x->from) {
        return paste(b, x->off, x->from, x->from_off, x->n, x->shared);
    }
    return x->off < b->root.size ? pb_buf_punch(b, x->off, x->n)
                                 : pb_buf_truncate(b, x->off + x->n);
}

pb_status
pb_buf_splice(pb_buf *b, uint64_t off, uint64_t cut, const pb_buf *from, uint64_t from_off,
              uint64_t n, bool *shared)
{
    exchange x = {off, cut, from, from_off, n, shared};
    uint64_t size = b->root.size, grown;
    *shared = false;
    if (pb_buf_frozen(b)) {
        return PB_FROZEN;
    }
    if (pb_add_overflows(size - cut, n, &grown) || grown > pb_buf_capacity(b)) {
        return PB_CAPACITY;
    }
    if (n == 0 && cut == 0) {
        return PB_OK;
    }
    if (n == cut || (cut == 0 && off == size)) {
        return exchange_same(b, &x);
    }
    if (n == 0 && off + cut == size) {
        return pb_buf_truncate(b, off);
    }
    if (n == 0 && off == 0) {
        return pb_buf_drop_front(b, cut);
    }
    if (pb_buf_pinned_behind(b, off)) {
        return PB_PINNED;
    }
    if (n == 0 && moves_in_place(b, cut)) {
        return pb_buf_replace(b, off, cut, NULL, 0);
    }
    return pb_buf_is_inline(b) && grown <= PB_INLINE ? exchange_inline(b, &x)
                                                     : exchange_promoted(b, &x);
}

pb_status
pb_buf_collapse(pb_buf *b, uint64_t off, uint64_t n)
{
    bool shared;
    uint64_t size = b->root.size;
    off = pb_min(off, size);
    return pb_buf_splice(b, off, pb_min(n, size - off), NULL, 0, 0, &shared);
}

pb_status
pb_buf_insert_hole(pb_buf *b, uint64_t off, uint64_t n)
{
    bool shared;
    return pb_buf_splice(b, pb_min(off, b->root.size), 0, NULL, 0, n, &shared);
}
