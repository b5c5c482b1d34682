/* buffer/share.c: pin lists, and trees that share frames. */
#include "buffer/internal.h"
#include "pool/guard.h"
#include "tree/visit.h"

/* ---- views ---- */

pb_status
pb_buf_open_pins(pb_buf *b, pb_pin_list *pins)
{
    pb_status st = pb_buf_promote(b);
    if (st == PB_OK) {
        b->pins = pins;
    }
    return st;
}

bool
pb_buf_viewed(const pb_buf *b)
{
    uint64_t first, past;
    return !pb_buf_is_inline(b) && b->pins && pb_pins_next(b->pins, 0, &first, &past);
}

bool
pb_buf_pinned_behind(const pb_buf *b, uint64_t off)
{
    uint64_t first, past;
    return !pb_buf_is_inline(b) && b->pins &&
           pb_pins_next(b->pins, page_of(b->root.bias + off), &first, &past);
}

uint64_t
pb_buf_views_behind(const pb_buf *b, uint64_t off)
{
    bool none = pb_buf_is_inline(b) || b->pins == NULL;
    return none ? 0 : pb_pins_behind(b->pins, page_of(b->root.bias + off));
}

/* ---- trees that share ---- */

static pb_visit
end_if_shared(void *arg, const pb_place *at)
{
    (void)arg;
    return at->good && at->count == 1 ? PB_VISIT_BELOW : PB_VISIT_END;
}

static pb_visit
thaw(void *arg, const pb_place *at)
{
    if (at->h == 0 && at->good) {
        pb_guard_thaw(arg, at->frame);
    }
    return PB_VISIT_BELOW;
}

/* The pool's lock: another tree that copies a shared node raises the counts below it. */
bool
pb_buf_unshare(pb_buf *b)
{
    if (b->root.shared == 0) {
        return true;
    }
    pb_lock_take(&b->pool->root->lock);
    bool alone = pb_tree_visit(b->pool, &b->root, end_if_shared, NULL);
    pb_lock_drop(&b->pool->root->lock);
    if (alone && b->pool->debug >= 2) {
        (void)pb_tree_visit(b->pool, &b->root, thaw, b->pool);
    }
    b->root.shared = alone ? 0 : b->root.shared;
    return alone;
}

static void
share_root(pb_buf *to, pb_buf *from)
{
    pb_entries_ref(from->pool, from->root.slot, PB_ROOT_SLOTS);
    pb_root_copy(&to->root, &from->root);
    to->root.shared = from->root.shared = PB_SHARED_FOR_GOOD;
    forget(to);
    from->leaf_w = NULL;
    from->root.tail_room = 0; /* the tail page is shared now */
}

pb_status
pb_buf_copy_pinned(pb_buf *to, uint64_t first, uint64_t last)
{
    uint64_t need = pb_tree_need(to->pool, &to->root, first, last);
    uint64_t taken = pb_pool_taken(to->pool);
    pb_status st = pb_pool_reserve(to->pool, need);
    if (st != PB_OK) {
        return st;
    }
    uint32_t left = 0;
    pb_frame run = 0;
    for (uint64_t page = first; page <= last; page++) {
        pb_leaf leaf;
        bool zero;
        pb_tree_own_leaf(to->pool, &to->root, page, &leaf);
        pb_entry *at = pb_leaf_at(&leaf, page);
        if (pb_frame_count(to->pool, pb_entry_frame(pb_entry_load(at))) == 1) {
            continue; /* copied before, for another pin */
        }
        if (left == 0) { /* take runs, so that a view of the copy need not gather */
            uint64_t want =
                pb_tree_need(to->pool, &to->root, page, pb_min(last, leaf.end - 1));
            run = pb_pool_take_run(to->pool, run, (uint32_t)want, &left, &zero);
        }
        pb_buf_move_page(to, at, run);
        run += --left != 0; /* keep the last frame: the next run should follow it */
    }
    pb_pool_give_rest(to->pool, need, taken);
    return PB_OK;
}

void
pb_buf_clean_left_tail(pb_buf *b)
{
    pb_pin_list *pins = b->pins;
    if (pins && pins->tail_written &&
        !pb_pins_cover(pins, page_of(b->root.bias + b->root.size))) {
        pb_buf_clean_tail(b);
        pins->tail_written = false;
    }
}

/* Are all entries of the root good?  Reports bad ones: they must not be shared. */
static bool
may_share(const pb_buf *b)
{
    bool good = true;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_entry e = pb_entry_load(&b->root.slot[i]);
        if (e != PB_HOLE && !pb_frame_readable(b->pool, pb_entry_frame(e)) &&
            !pb_zone_has_entry(b->pool, e, b->root.levels - 1u)) {
            pb_pool_found_bad(b->pool, &b->member, pb_entry_frame(e), 0);
            good = false;
        }
    }
    return good;
}

pb_status
pb_buf_share(pb_buf *to, pb_buf *from)
{
    if (pb_buf_is_inline(from)) {
        memcpy(pb_buf_inline(to), pb_buf_inline(from), PB_INLINE);
        to->root.size = from->root.size;
        pb_buf_remember_tail(to);
        return PB_OK;
    }
    pb_status st = pb_buf_promote(to); /* it is empty, so this takes no page */
    if (st != PB_OK) {
        return st;
    }
    uint8_t before = from->root.shared;
    if (!may_share(from) || !pb_tail_close(from)) {
        return PB_CORRUPT;
    }
    pb_set_actor(to->pool, &to->member);
    pb_buf_clean_left_tail(from);
    share_root(to, from);
    for (pb_pin *pin = from->pins ? from->pins->first : NULL; pin; pin = pin->next) {
        st = pin->live ? pb_buf_copy_pinned(to, pin->page, pin->page + pin->live - 1)
                       : PB_OK;
        if (st != PB_OK) {
            pb_buf_clear(to);
            from->root.shared = before;
            pb_buf_remember_tail(from);
            return st;
        }
    }
    if (from->pins) {
        if (from->pins->tail_written) { /* I4 holds in `to`, which has no view */
            pb_buf_clean_tail(to);
        }
        from->pins->copied = 0;
    }
    pb_tree_freeze(to->pool, &to->root);
    return PB_OK;
}

pb_status
pb_buf_read_snapshot(pb_buf *to, pb_buf *from)
{
    uint8_t before = from->root.shared;
    uint64_t copied = pb_buf_is_inline(from) || !from->pins ? 0 : from->pins->copied;
    pb_status st = pb_buf_share(to, from);
    if (st != PB_OK || pb_buf_is_inline(from)) {
        return st;
    }
    if (from->pins) {
        from->pins->copied = copied; /* it is shared for a while only */
    }
    if (before != PB_SHARED_FOR_GOOD && from->root.readers < UINT8_MAX) {
        from->root.shared = PB_SHARED_BY_READERS;
    }
    if (from->root.readers < UINT8_MAX) { /* a full count never changes again */
        from->root.readers++;
    }
    return PB_OK;
}

void
pb_buf_end_snapshot(pb_buf *to, pb_buf *from)
{
    bool counted = !pb_buf_is_inline(to);
    pb_buf_fini(to);
    if (counted && from->root.readers < UINT8_MAX && --from->root.readers == 0 &&
        from->root.shared == PB_SHARED_BY_READERS) {
        from->root.shared = 0;
        pb_buf_remember_tail(from);
    }
}

void
pb_buf_adopt(pb_buf *b, pb_buf *from)
{
    (void)pb_tail_close(from); /* reports damage, but goes on */
    pb_buf_clear(b);
    if (pb_buf_is_inline(from)) {
        memcpy(pb_buf_inline(b), pb_buf_inline(from), PB_INLINE);
        b->root.size = from->root.size;
        pb_buf_remember_tail(b);
        pb_buf_clear(from);
        return;
    }
    (void)pb_buf_promote(b); /* it is empty, so this takes no page */
    pb_root_copy(&b->root, &from->root);
    b->root.shared = from->root.shared;
    pb_root_forget(&from->root);
    forget(b);
    pb_buf_clear(from);
    pb_buf_remember_tail(b);
}

/* 1. share (may fail)  2. promote a tiny copy if `b` has a pin list and so must stay a tree (may
 * fail)  3. adopt. */
pb_status
pb_buf_restore(pb_buf *b, pb_buf *from)
{
    pb_buf copy;
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (pb_buf_viewed(b)) {
        return PB_PINNED;
    }
    if (from->root.size > pb_buf_capacity(b)) {
        return PB_CAPACITY;
    }
    pb_buf_init_internal(&copy, b->pool);
    pb_status st = pb_buf_share(&copy, from);
    if (st == PB_OK && !pb_buf_is_inline(b) && b->pins) {
        st = pb_buf_promote(&copy);
    }
    if (st == PB_OK) {
        pb_buf_adopt(b, &copy);
    }
    pb_buf_fini(&copy);
    return st;
}

pb_status
pb_buf_show(pb_buf *b, pb_buf *from)
{
    uint8_t frozen = b->root.frozen;
    b->root.frozen = 0;
    pb_status st = pb_buf_restore(b, from);
    b->root.frozen = frozen & PB_FROZEN_MASK;
    return st;
}

bool
pb_buf_same_tree(const pb_buf *a, const pb_buf *b)
{
    bool same = !pb_buf_is_inline(a) && !pb_buf_is_inline(b) &&
                a->root.size == b->root.size && a->root.bias == b->root.bias &&
                a->root.levels == b->root.levels;
    for (unsigned i = 0; same && i < PB_ROOT_SLOTS; i++) {
        same = pb_entry_load(&a->root.slot[i]) == pb_entry_load(&b->root.slot[i]);
    }
    return same;
}
