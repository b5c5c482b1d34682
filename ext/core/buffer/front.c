/* buffer/front.c: bytes taken off the front of a buffer, and bytes put before them.
 *
 * Neither moves a byte that stays.  Offset 0 is the position `bias`, which goes up and down.
 *
 *    before   |   free   | bias ............ end |
 *    prepend  |   bias - n .................. end |
 *
 * Live views (I7): the views keep the pages that leave, and no page under a view gets another
 * frame.  A page that stays may get new bytes before the first one, which a view of bytes taken
 * off before shows. */
#include "buffer/internal.h"

/* ---- off ---- */

static void
drop_front_inline(pb_buf *b, uint64_t n)
{
    uint8_t *at = pb_buf_inline(b);
    uint64_t left = b->root.size - n;
    memmove(at, at + n, left);
    pb_zero(at + left, n);
    b->root.size = left;
    pb_buf_remember_tail(b);
}

static void
remember_front(pb_buf *b)
{
    uint64_t page = page_of(b->root.bias);
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    pb_entry e = pb_leaf_get(&leaf, page);
    bool ready = e != PB_HOLE && !pb_frame_in_zone(pb_entry_frame(e));
    b->head = ready ? page_address(b, e) : NULL;
    if (leaf.entry && b->root.levels > 1) {
        b->leaf_r = leaf.entry;
        b->leaf_r_first = leaf.first;
    }
}

/* Would pb_buf_shrink find nothing to do?  That is so if the bias lies in the first root slot, and
 * with one level less the range would need more slots than the root has. */
static inline bool
is_shrunk(unsigned levels, uint64_t bias, uint64_t size)
{
    unsigned bits = PB_PAGE_SHIFT + pb_span_bits(levels - 2); /* of a child */
    return bias < pb_slot_span(levels) &&
           ((bias + size - 1) >> bits) - (bias >> bits) >= PB_ROOT_SLOTS;
}

/* The fast path of a FIFO: free the first page, when it and the next one lie in the hinted leaf
 * and no other node changes.  That leaf begins with a hole, so the entry above it says nothing (I17).
 * false: the fast path does not apply, and nothing has changed. */
static bool
drop_one_page(pb_buf *b, uint64_t n, uint64_t page)
{
    uint64_t i = page - b->leaf_r_first;
    if (b->leaf_r == NULL || i == 0 || i >= PB_FANOUT - 1 || b->root.shared ||
        is_watched(b)) {
        return false;
    }
    pb_entry *at = b->leaf_r + i;
    uint64_t bias = b->root.bias + n, size = b->root.size - n;
    if (at[0] == PB_HOLE || at[1] == PB_HOLE || !is_shrunk(b->root.levels, bias, size)) {
        return false;
    }
    pb_frame frame = pb_entry_frame(pb_entry_load(at));
    pb_tree_set(at, PB_HOLE);
    pb_frame_unref(b->pool, frame);
    pb_pool_keep(b->pool);
    b->root.bias = bias;
    b->root.size = size;
    b->head = page_address(b, pb_entry_load(at + 1));
    if (b->pins) {
        pb_pins_run_from(b->pins, page + 1);
    }
    return true;
}

/* Drop the pages before the new front, then move the front. */
static pb_status
drop_front_pages(pb_buf *b, uint64_t n, uint64_t first, uint64_t last)
{
    uint64_t need = pb_tree_drop_need(b->pool, &b->root, first, last);
    pb_status st = pb_pool_reserve(b->pool, need);
    if (st != PB_OK) {
        return st;
    }
    b->leaf_r = b->leaf_w = NULL; /* the cut may free these nodes */
    if (b->pins) {
        pb_pins_run_from(b->pins, last + 1);
        pb_pins_detach(b->pool, &b->root, b->pins, first, last);
    }
    if (b->root.shared) { /* the cut may copy the tail's node, but not its page */
        b->root.tail_room = 0;
    }
    uint64_t taken = pb_pool_taken(b->pool);
    pb_tree_drop(b->pool, &b->root, first, last);
    pb_pool_give_rest(b->pool, need, taken);
    b->root.bias += n;
    b->root.size -= n;
    pb_buf_shrink(b);
    return PB_OK;
}

pb_status
pb_buf_drop_front(pb_buf *b, uint64_t n)
{
    pb_root *root = &b->root;
    if (root->frozen) {
        return PB_FROZEN;
    }
    if (n == root->size) {
        pb_buf_clear(b);
        return PB_OK;
    }
    if (pb_buf_is_inline(b)) {
        drop_front_inline(b, n);
        return PB_OK;
    }
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    uint64_t first = page_of(root->bias), past = page_of(root->bias + n);
    if (past == first + 1 && drop_one_page(b, n, first)) {
        return PB_OK;
    }
    if (past > first) {
        first = unused_from(b, first);
        pb_status st = drop_front_pages(b, n, first, past - 1);
        if (st != PB_OK) {
            return st;
        }
    }
    else {
        root->bias += n;
        root->size -= n;
    }
    remember_front(b);
    refill_tail(b);
    return PB_OK;
}

/* ---- before ---- */

/* How many slots of the root are free behind the last byte. */
static uint64_t
free_slots(const pb_root *root)
{
    return PB_ROOT_SLOTS - 1 - (root->bias + root->size - 1) / pb_slot_span(root->levels);
}

/* Move everything to higher positions, so that n of them are free before the first byte: first into
 * free slots of the root, then into a taller tree. */
static pb_status
raise_bias(pb_pool *pool, pb_root *root, uint64_t n)
{
    while (root->bias < n) {
        uint64_t span = pb_slot_span(root->levels);
        uint64_t slots = (n - root->bias + span - 1) / span;
        if (slots <= free_slots(root)) {
            pb_tree_shift(root, (unsigned)slots);
            return PB_OK;
        }
        if (root->levels == PB_MAX_LEVELS) {
            return PB_CAPACITY;
        }
        pb_status st = pb_pool_reserve(pool, pb_tree_raise_need(root, root->levels + 1u));
        if (st != PB_OK) {
            return st;
        }
        pb_tree_raise_in_middle(pool, root);
    }
    return PB_OK;
}

/* The same for a buffer, whose hints and pins follow. */
static pb_status
open_front(pb_buf *b, uint64_t n)
{
    uint64_t before = page_of(b->root.bias);
    if (n <= b->root.bias) {
        return PB_OK;
    }
    pb_status st = raise_bias(b->pool, &b->root, n);
    b->leaf_r = b->leaf_w = NULL;
    if (b->pins) {
        pb_pins_shift(b->pins, before - page_of(b->root.bias)); /* up: less than 0 */
    }
    return st;
}

static pb_status
prepare_before(pb_buf *b, uint64_t n, uint64_t kept)
{
    pb_status st = open_front(b, n);
    if (st == PB_OK) {
        b->root.bias -= n;
        b->root.size += n;
        st = kept ? pb_buf_prepare_kept(b, 0, n + kept) : pb_buf_prepare(b, 0, n);
        if (st != PB_OK) {
            b->root.bias += n;
            b->root.size -= n;
        }
    }
    if (st != PB_OK) {
        b->leaf_r = b->leaf_w = NULL;
        pb_buf_shrink(b);
    }
    remember_front(b);
    pb_buf_remember_tail(b);
    return st;
}

/* The same for tiny and empty buffers: their few bytes move up. */
static pb_status
prepare_before_few(pb_buf *b, uint64_t n)
{
    uint8_t bytes[PB_INLINE + 1];
    uint64_t size = b->root.size, end;
    if (pb_add_overflows(n, size, &end)) {
        return PB_CAPACITY;
    }
    pb_buf_copy_out(b, 0, bytes, size);
    pb_status st = pb_buf_prepare_kept(b, 0, end);
    if (st == PB_OK) {
        pb_buf_copy_in(b, n, bytes, size);
        pb_buf_remember_tail(b);
    }
    return st;
}

pb_status
pb_buf_prepare_front(pb_buf *b, uint64_t n, uint64_t kept)
{
    uint64_t end;
    if (b->root.size == 0 || pb_buf_is_inline(b)) {
        return prepare_before_few(b, n);
    }
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (!pb_buf_fits(b, n, b->root.size, &end)) {
        return PB_CAPACITY;
    }
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    pb_account_begin_trial(b->pool);
    pb_status st = prepare_before(b, n, kept);
    pb_account_end_trial(b->pool);
    return st;
}

pb_status
pb_buf_prepend(pb_buf *b, const void *src, uint64_t n)
{
    if (!pb_buf_may_use(b, src, n)) {
        return PB_CORRUPT;
    }
    pb_status st = n ? pb_buf_prepare_front(b, n, 0) : PB_OK;
    if (st == PB_OK && n) {
        pb_buf_copy_in(b, 0, src, n);
        pb_buf_remember_tail(b);
    }
    return st;
}
