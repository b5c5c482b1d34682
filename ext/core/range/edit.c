/* range/edit.c: replaces, sets and deletes bytes. */
#include "range/edit.h"

#include "buffer/internal.h"

/* ---- replace ---- */

/* Keeps the bytes: the calls below read them after this, to move them. */
static pb_status
prepare(pb_buf *b, uint64_t off, uint64_t n)
{
    return n ? pb_buf_prepare_kept(b, off, n) : PB_OK;
}

/* The same, and `len` bytes from `src` on move there: they may begin or end in a page that is not
 * prepared, as nothing comes to lie in it (I14). */
static pb_status
prepare_to_move(pb_buf *b, uint64_t off, uint64_t n, uint64_t src, uint64_t len)
{
    return pb_buf_note_absent(b, src, len) ? PB_ABSENT : prepare(b, off, n);
}

/* Replace by more bytes: the bytes after the range move up. */
static pb_status
grow_at_end(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n)
{
    uint64_t tail = b->root.size - (off + old), end;
    if (pb_add_overflows(off + n, tail, &end)) {
        return PB_CAPACITY;
    }
    pb_status st = prepare_to_move(b, off, end - off, off + old, tail);
    if (st == PB_OK) {
        pb_buf_move(b, off + n, off + old, tail);
        pb_buf_copy_in(b, off, src, n);
        pb_buf_remember_tail(b);
    }
    return st;
}

/* The same where fewer bytes lie before the range: those move down, into new room before the first
 * one.  Of an insertion at the front no byte moves. */
static pb_status
grow_at_front(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n)
{
    uint64_t more = n - old;
    pb_status st = pb_buf_note_absent(b, 0, off) ? PB_ABSENT
                                                 : pb_buf_prepare_front(b, more, off + old);
    if (st == PB_OK) {
        pb_buf_move(b, 0, more, off);
        pb_buf_copy_in(b, off, src, n);
        pb_buf_remember_tail(b);
    }
    return st;
}

/* Replace by fewer bytes: the bytes after the range move down.  This prepares the page at the new
 * end and the path to it, so that the cut at the end needs no frame. */
static pb_status
shrink_at_end(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n)
{
    uint64_t tail = b->root.size - (off + old);
    pb_status st = prepare_to_move(b, off, n + tail, off + old, tail);
    if (st == PB_OK) {
        pb_buf_copy_in(b, off, src, n);
        pb_buf_move(b, off + n, off + old, tail);
        st = pb_buf_truncate(b, off + n + tail);
    }
    return st;
}

/* Replace by fewer bytes: the bytes before the range move up, then the front is cut off.  For the
 * reason above, the cut needs no frame. */
static pb_status
shrink_at_front(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n)
{
    uint64_t less = old - n;
    pb_status st = prepare_to_move(b, less, off + n, 0, off);
    if (st == PB_OK) {
        pb_buf_move(b, less, 0, off);
        pb_buf_copy_in(b, off + less, src, n);
        st = pb_buf_drop_front(b, less);
    }
    return st;
}

/* The bytes after the range move, too, where holes in front would become pages, or where the
 * highest tree has no room in front. */
static pb_status
grow(pb_buf *b, pb_shift *s)
{
    if (s->front && !pb_buf_shifts_hole(b, s)) {
        pb_status st = grow_at_front(b, s->off, s->old, s->with, s->n);
        if (st != PB_CAPACITY || pb_buf_pinned_behind(b, s->off)) {
            return st;
        }
    }
    s->front = false;
    return pb_buf_shifts_hole(b, s) ? pb_buf_shift(b, s)
                                    : grow_at_end(b, s->off, s->old, s->with, s->n);
}

static pb_status
shrink(pb_buf *b, const pb_shift *s)
{
    if (pb_buf_shifts_hole(b, s)) {
        return pb_buf_shift(b, s);
    }
    return s->front ? shrink_at_front(b, s->off, s->old, s->with, s->n)
                    : shrink_at_end(b, s->off, s->old, s->with, s->n);
}

static pb_status
overwrite(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    pb_status st = n ? pb_buf_prepare(b, off, n) : PB_OK;
    if (st == PB_OK) {
        pb_buf_copy_in(b, off, src, n);
    }
    return st;
}

pb_status
pb_buf_replace(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n)
{
    uint64_t tail = b->root.size - (off + old);
    /* allowed under views: no byte moves to another frame */
    bool front = off == 0 && (n == 0 || old == 0);
    if (!pb_buf_may_use(b, src, n)) {
        return PB_CORRUPT;
    }
    if (n == old) {
        return overwrite(b, off, src, n);
    }
    if (tail && !front && pb_buf_pinned_behind(b, off)) {
        return PB_PINNED;
    }
    bool in_front = front || (off + pb_min(n, old) < tail && !pb_buf_pinned_behind(b, 0));
    pb_shift s = {off, old, n, in_front, src, NULL};
    return n > old ? grow(b, &s) : shrink(b, &s);
}

/* Bytes taken off the end one by one: the cut at each page makes the next page the last one, which
 * pb_buf_pop then knows. */
pb_status
pb_buf_take_byte(pb_buf *b, uint64_t off, uint8_t *byte)
{
    if (PB_LIKELY(off + 1 == b->root.size) && pb_buf_pop(b, byte)) {
        return PB_OK;
    }
    const uint8_t *at = pb_buf_peek(b, off, 1);
    if (at == NULL && pb_pool_met_absent(b->pool)) {
        return PB_ABSENT; /* what removes the byte need not read it (I14) */
    }
    *byte = at ? *at : 0;
    pb_status st = pb_buf_replace(b, off, 1, NULL, 0);
    if (st == PB_OK && !b->pool->debug) {
        pb_buf_remember_tail(b);
    }
    return st;
}

/* ---- strides ---- */

#define EACH_ITEM(s, off, i)   \
    uint64_t off = (s)->start; \
    for (uint64_t i = 0; i < (s)->n; i++, off += (uint64_t)(s)->step)

static inline uint64_t
page_of_item(const pb_buf *b, uint64_t off)
{
    return page_of(b->root.bias + off);
}

/* Frames for the pages of all items; a node may be counted with each of them. */
static uint64_t
need_for_items(const pb_buf *b, const pb_stride *s)
{
    uint64_t n = 0;
    EACH_ITEM(s, off, i)
    {
        uint64_t page = page_of_item(b, off);
        n += pb_tree_need(b->pool, &b->root, page, page);
    }
    return n;
}

/* Prepare the pages of items alone: what lies between them stays as it is. */
static pb_status
prepare_items(pb_buf *b, const pb_stride *s, uint64_t need)
{
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    pb_status st = pb_pool_reserve(b->pool, need);
    if (st == PB_OK) {
        forget(b);
        uint64_t taken = pb_pool_taken(b->pool);
        EACH_ITEM(s, off, i)
        {
            pb_buf_own_kept(b, b->root.bias + off, 1);
        }
        pb_pool_give_rest(b->pool, need, taken);
    }
    pb_buf_remember_tail(b);
    return st;
}

/* Items lie in [low, high].  Prepare all of that, unless fewer pages hold them. */
static pb_status
prepare_stride(pb_buf *b, const pb_stride *s, uint64_t low, uint64_t high)
{
    bool far = high - low >= (s->n - 1) * PB_PAGE_SIZE && s->n > 1;
    if (far && !pb_buf_is_inline(b) && !b->root.frozen) {
        pb_set_actor(b->pool, &b->member);
        uint64_t need = need_for_items(b, s);
        if (need <
            pb_tree_need(b->pool, &b->root, page_of_item(b, low), page_of_item(b, high))) {
            return prepare_items(b, s, need);
        }
    }
    return prepare(b, low, high - low + 1);
}

pb_status
pb_buf_set_stride(pb_buf *b, const pb_stride *s, const void *src)
{
    const uint8_t *from = src;
    uint64_t past = s->start + (s->n - 1) * (uint64_t)s->step; /* the last one; may wrap */
    uint64_t low = pb_min(s->start, past), high = pb_max(s->start, past);
    if (!pb_buf_may_use(b, src, s->n)) {
        return PB_CORRUPT;
    }
    pb_status st = prepare_stride(b, s, low, high);
    if (st == PB_OK) {
        pb_window to = {.b = b};
        EACH_ITEM(s, off, i)
        {
            *pb_window_at(&to, off) = from[i];
        }
    }
    return st;
}

/* The same offsets in ascending order. */
static pb_stride
upwards(const pb_stride *s)
{
    if (s->step > 0) {
        return *s;
    }
    return (pb_stride){s->start + (s->n - 1) * (uint64_t)s->step, s->n, -s->step};
}

pb_status
pb_buf_delete_stride(pb_buf *b, const pb_stride *stride)
{
    pb_stride s = upwards(stride);
    uint64_t left = b->root.size - s.start - s.n;
    if (pb_buf_pinned_behind(b, s.start)) {
        return PB_PINNED;
    }
    pb_shift shift = {.off = s.start, .old = s.n, .gaps = &s};
    if (pb_buf_shifts_hole(b, &shift)) {
        return pb_buf_shift(b, &shift);
    }
    pb_status st = prepare(b, s.start, left + s.n);
    if (st != PB_OK) {
        return st;
    }
    pb_buf_close_gaps(b, &s, 0, left);
    return pb_buf_truncate(b, s.start + left);
}

bool
pb_buf_is_own_memory(const pb_buf *b, const void *p, uint64_t n)
{
    uintptr_t from = (uintptr_t)p;
    for (unsigned i = 0; i < PB_REGION_SLOTS; i++) {
        const pb_region *r = &b->pool->root->region[i];
        uintptr_t base = (uintptr_t)r->base,
                  past = base + ((uintptr_t)r->count << PB_PAGE_SHIFT);
        if (r->count && from < past && from + n > base) {
            return true;
        }
    }
    return false;
}
