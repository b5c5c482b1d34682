/* tree/tree.c: the radix tree of pages. */
#include "tree/tree.h"
#include "base/copy.h"
#include "pool/guard.h"

/* ---- find ---- */

bool
pb_entry_note_bad(const pb_pool *pool, pb_entry e)
{
    pb_pool *noted = (pb_pool *)(uintptr_t)pool;
    pb_pool_found_bad(noted, pb_acting_of(noted)->tree, pb_entry_frame(e), 0);
    return false;
}

pb_entry
pb_tree_entry(const pb_pool *pool, const pb_root *root, uint64_t page, unsigned h)
{
    unsigned k = root->levels - 1u;
    pb_entry e = pb_entry_load(&root->slot[pb_root_index(page, root->levels)]);
    for (; k > h && e != PB_HOLE && pb_entry_good(pool, e); k--) {
        e = pb_entry_load(&pb_node_of(pool, e)[pb_child_index(page, k - 1)]);
    }
    return e;
}

void
pb_tree_leaf(const pb_pool *pool, const pb_root *root, uint64_t page, pb_leaf *leaf)
{
    unsigned h = root->levels - 1u;
    if (h == 0) {
        *leaf = (pb_leaf){(pb_entry *)root->slot, 0, PB_ROOT_SLOTS};
        return;
    }
    pb_entry e = pb_entry_load(&root->slot[pb_root_index(page, root->levels)]);
    leaf->entry = NULL;
    for (; e != PB_HOLE; h--) {
        pb_entry *node = pb_node_of(pool, e);
        if (h == 1) {
            leaf->entry = node;
            break;
        }
        e = pb_entry_load(&node[pb_child_index(page, h - 1)]);
    }
    leaf->first = page >> pb_span_bits(h) << pb_span_bits(h);
    leaf->end = leaf->first + ((uint64_t)1 << pb_span_bits(h));
}

bool
pb_tree_leaf_owned(const pb_pool *pool, const pb_root *root, uint64_t page, pb_leaf *leaf)
{
    pb_entry *at = (pb_entry *)&root->slot[pb_root_index(page, root->levels)];
    *leaf = (pb_leaf){(pb_entry *)root->slot, 0, PB_ROOT_SLOTS};
    for (unsigned h = root->levels - 1u; h > 0; h--) {
        pb_entry e = pb_entry_load(at);
        if (e == PB_HOLE || !pb_frame_in_region(pool, pb_entry_frame(e)) ||
            pb_frame_count(pool, pb_entry_frame(e)) != 1) {
            return false;
        }
        leaf->entry = pb_node_of(pool, e);
        at = leaf->entry + pb_child_index(page, h - 1);
    }
    if (root->levels > 1) {
        leaf->first = page & ~(uint64_t)(PB_FANOUT - 1);
        leaf->end = leaf->first + PB_FANOUT;
    }
    return true;
}

unsigned
pb_tree_walk(const pb_pool *pool, const pb_root *root, uint64_t page, pb_step *steps)
{
    const pb_entry *at = &root->slot[pb_root_index(page, root->levels)];
    uint32_t index = pb_root_index(page, root->levels);
    unsigned n = 0;
    for (unsigned h = root->levels - 1u;; h--) {
        pb_entry e = pb_entry_load(at);
        pb_frame frame = pb_entry_frame(e);
        bool good = pb_frame_readable(pool, frame);
        uintptr_t address = good ? (uintptr_t)pb_frame_address(pool, frame) : 0;
        steps[n] = (pb_step){n + 1, index, e, frame, address};
        n++;
        if (!good || h == 0) {
            return n;
        }
        index = pb_child_index(page, h - 1);
        at = pb_node_of(pool, e) + index;
    }
}

/* ---- count what a change needs (I3) ---- */

/* The children of an entry of height h that the pages [lo, hi] of its span touch, and
 * the part of [lo, hi] in child i. */
typedef struct {
    uint32_t from, to;
    unsigned bits; /* of a child's span */
    uint64_t lo, hi;
} children;

static inline children
children_of(unsigned h, uint64_t lo, uint64_t hi)
{
    unsigned bits = pb_span_bits(h - 1);
    return (children){(uint32_t)(lo >> bits), (uint32_t)(hi >> bits), bits, lo, hi};
}

static inline uint64_t
child_lo(const children *c, uint32_t i)
{
    return i == c->from ? c->lo - ((uint64_t)i << c->bits) : 0;
}

static inline uint64_t
child_hi(const children *c, uint32_t i)
{
    uint64_t span = (uint64_t)1 << c->bits;
    return i == c->to ? c->hi - ((uint64_t)i << c->bits) : span - 1;
}

/* Frames for pages [lo, hi] below an entry of height h that is a hole. */
static uint64_t
need_hole(unsigned h, uint64_t lo, uint64_t hi)
{
    uint64_t n = 0;
    for (unsigned k = 0; k <= h; k++) {
        n += (hi >> pb_span_bits(k)) - (lo >> pb_span_bits(k)) + 1;
    }
    return n;
}

/* Holes among entries of height 0. */
static uint64_t
need_entries(const pb_pool *pool, const pb_entry *entry, uint32_t from, uint32_t to)
{
    uint64_t n = 0;
    for (uint32_t i = from; i <= to; i++) {
        if (entry[i] == PB_HOLE) {
            n++;
        }
        else if (!pb_entry_mine(pool, pb_entry_load(&entry[i]))) {
            break;
        }
    }
    return n;
}

static uint64_t
need_below(const pb_pool *pool, pb_entry e, unsigned h, uint64_t lo, uint64_t hi,
           bool may_share, bool shared)
{
    if (e == PB_HOLE) {
        return need_hole(h, lo, hi);
    }
    if (!(may_share || h ? pb_entry_good(pool, e) : pb_entry_mine(pool, e))) {
        return 0;
    }
    shared = shared || (may_share && pb_frame_count(pool, pb_entry_frame(e)) > 1);
    if (h == 0) {
        return shared;
    }
    const pb_entry *node = pb_node_of(pool, e);
    children c = children_of(h, lo, hi);
    if (h == 1 && !may_share) {
        return need_entries(pool, node, c.from, c.to);
    }
    uint64_t n = shared;
    for (uint32_t i = c.from; i <= c.to; i++) {
        n += need_below(pool, pb_entry_load(&node[i]), h - 1, child_lo(&c, i),
                        child_hi(&c, i), may_share, shared);
    }
    return n;
}

uint64_t
pb_tree_need(const pb_pool *pool, const pb_root *root, uint64_t first, uint64_t last)
{
    children c = children_of(root->levels, first, last);
    uint64_t n = 0;
    for (uint32_t i = c.from; i <= c.to; i++) {
        n += need_below(pool, pb_entry_load(&root->slot[i]), root->levels - 1u,
                        child_lo(&c, i), child_hi(&c, i), root->shared, false);
    }
    return n;
}

/* ---- own ---- */

static pb_entry *
new_node(pb_pool *pool, pb_entry *at)
{
    bool zero;
    pb_frame frame = pb_pool_take_node(pool, &zero);
    pb_entry *node = (pb_entry *)pb_frame_address(pool, frame);
    if (!zero) {
        memset(node, 0, PB_PAGE_SIZE);
    }
    pb_entry_store(at, pb_entry_of(frame));
    return node;
}

/* I2: a shared node is copied before an entry of it changes. */
static pb_entry *
copy_node(pb_pool *pool, pb_entry *at)
{
    bool zero;
    pb_frame old = pb_entry_frame(pb_entry_load(at));
    pb_frame frame = pb_pool_take_node(pool, &zero);
    pb_entry *node = (pb_entry *)pb_frame_address(pool, frame);
    pb_copy(node, pb_frame_address(pool, old), PB_PAGE_SIZE);
    pb_entries_ref(pool, node, PB_FANOUT);
    if (!pb_frame_unref_shared(pool, old)) { /* given up by the others meanwhile */
        pb_tree_release_entry(pool, pb_entry_load(at), 1);
    }
    pb_entry_store(at, pb_entry_of(frame));
    return node;
}

pb_entry *
pb_tree_own_node(pb_pool *pool, const pb_root *root, pb_entry *at)
{
    pb_entry e = pb_entry_load(at);
    if (e == PB_HOLE) {
        return new_node(pool, at);
    }
    if (root->shared && pb_frame_count(pool, pb_entry_frame(e)) > 1) {
        return copy_node(pool, at);
    }
    return pb_node_of(pool, e);
}

void
pb_tree_own_leaf(pb_pool *pool, pb_root *root, uint64_t page, pb_leaf *leaf)
{
    unsigned h = root->levels - 1u;
    pb_entry *at = &root->slot[pb_root_index(page, root->levels)];
    if (h == 0) {
        *leaf = (pb_leaf){root->slot, 0, PB_ROOT_SLOTS};
        return;
    }
    for (; h > 1; h--) {
        at = pb_tree_own_node(pool, root, at) + pb_child_index(page, h - 1);
    }
    leaf->entry = pb_tree_own_node(pool, root, at);
    leaf->first = page & ~(uint64_t)(PB_FANOUT - 1);
    leaf->end = leaf->first + PB_FANOUT;
}

void
pb_tree_own_page(pb_pool *pool, const pb_root *root, pb_entry *at, bool whole)
{
    pb_frame old = pb_entry_frame(pb_entry_load(at));
    uint32_t got;
    bool zero;
    if (PB_UNLIKELY(pool->debug)) {
        pb_guard_thaw(pool, old);
    }
    if (!root->shared || pb_frame_count(pool, old) <= 1) {
        return;
    }
    pb_frame frame = pb_pool_take_run(pool, 0, 1, &got, &zero);
    if (!whole) {
        pb_copy(pb_frame_address(pool, frame), pb_frame_address(pool, old), PB_PAGE_SIZE);
    }
    pb_frame_unref(pool, old);
    pb_pool_keep(pool);
    pb_entry_store(at, pb_entry_of(frame));
}

/* ---- grow taller ---- */

unsigned
pb_tree_levels_for(uint64_t end)
{
    unsigned levels = 1;
    while (levels <= PB_MAX_LEVELS && end > pb_reach(levels)) {
        levels++;
    }
    return levels;
}

/* The slots move down into nodes, FANOUT to a node: one node, but two where a node
 * has fewer entries than the root. */
static unsigned
groups(const pb_root *root)
{
    unsigned n = 0, step = PB_FANOUT < PB_ROOT_SLOTS ? PB_FANOUT : PB_ROOT_SLOTS;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i += step) {
        bool used = false;
        for (unsigned j = i; j < i + step; j++) {
            used |= root->slot[j] != PB_HOLE;
        }
        n += used;
    }
    return n;
}

uint64_t
pb_tree_raise_need(const pb_root *root, unsigned levels)
{
    unsigned n = groups(root);
    /* after the first step one group is left */
    return n && levels > root->levels ? n + (levels - root->levels - 1u) : 0;
}

static void
raise_once(pb_pool *pool, pb_root *root)
{
    pb_entry old[PB_ROOT_SLOTS];
    memcpy(old, root->slot, sizeof old);
    memset(root->slot, 0, sizeof root->slot);
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        if (old[i] != PB_HOLE) {
            pb_entry *at = &root->slot[i / PB_FANOUT];
            pb_entry e = pb_entry_load(at);
            pb_entry *node = e == PB_HOLE ? new_node(pool, at) : pb_node_of(pool, e);
            node[i % PB_FANOUT] = old[i];
        }
    }
    root->levels++;
}

void
pb_tree_raise(pb_pool *pool, pb_root *root, unsigned levels)
{
    while (root->levels < levels) {
        raise_once(pool, root);
    }
}

/* ---- drop ---- */

/* From the back, so that the frames come off the free list in rising order. */
static void
release_node(pb_pool *pool, const pb_entry *node, unsigned h)
{
    for (uint32_t i = PB_FANOUT; i-- > 0;) {
        pb_entry child = pb_entry_load(&node[i]);
        if (child != PB_HOLE) {
            pb_tree_release_entry(pool, child, h - 1);
        }
    }
}

void
pb_tree_release_entry(pb_pool *pool, pb_entry e, unsigned h)
{
    pb_frame frame = pb_entry_frame(e);
    if (h > 0) {
        if (pb_frame_unref_shared(pool, frame)) {
            return;
        }
        if (h == 1) {
            pb_entries_unref(pool, pb_node_of(pool, e), PB_FANOUT);
        }
        else {
            release_node(pool, pb_node_of(pool, e), h);
        }
    }
    pb_frame_unref(pool, frame);
}

/* Is nothing left in a node whose entries up to `to` were just dropped?  What is left
 * nearly always lies right behind them, or right before. */
static bool
node_is_empty(const pb_entry *node, uint32_t to)
{
    for (uint32_t i = to; i < PB_FANOUT; i++) {
        if (node[i] != PB_HOLE) {
            return false;
        }
    }
    for (uint32_t i = to; i-- > 0;) {
        if (node[i] != PB_HOLE) {
            return false;
        }
    }
    return true;
}

static bool
covers(unsigned h, uint64_t lo, uint64_t hi)
{
    return lo == 0 && hi == ((uint64_t)1 << pb_span_bits(h)) - 1;
}

static uint64_t
drop_need_below(const pb_pool *pool, pb_entry e, unsigned h, uint64_t lo, uint64_t hi,
                bool shared)
{
    if (e == PB_HOLE || covers(h, lo, hi) || !pb_entry_good(pool, e)) {
        return 0;
    }
    shared = shared || pb_frame_count(pool, pb_entry_frame(e)) > 1;
    const pb_entry *node = pb_node_of(pool, e);
    children c = children_of(h, lo, hi);
    uint64_t n = shared;
    n += drop_need_below(pool, pb_entry_load(&node[c.from]), h - 1, child_lo(&c, c.from),
                         child_hi(&c, c.from), shared);
    if (c.to != c.from) {
        n += drop_need_below(pool, pb_entry_load(&node[c.to]), h - 1, child_lo(&c, c.to),
                             child_hi(&c, c.to), shared);
    }
    return n;
}

uint64_t
pb_tree_drop_need(const pb_pool *pool, const pb_root *root, uint64_t first, uint64_t last)
{
    if (!root->shared || first > last) {
        return 0;
    }
    children c = children_of(root->levels, first, last);
    uint64_t n = 0;
    for (uint32_t i = c.from; i <= c.to; i++) {
        n += drop_need_below(pool, pb_entry_load(&root->slot[i]), root->levels - 1u,
                             child_lo(&c, i), child_hi(&c, i), false);
    }
    return n;
}

/* 1. a whole subtree: give it up   2. own the node   3. drop in the children, from the
 * back   4. an empty node goes. */
static void
drop_below(pb_pool *pool, const pb_root *root, pb_entry *at, unsigned h, uint64_t lo,
           uint64_t hi)
{
    pb_entry e = pb_entry_load(at);
    if (e == PB_HOLE) {
        return;
    }
    if (covers(h, lo, hi)) {
        pb_entry_store(at, PB_HOLE);
        pb_tree_release_entry(pool, e, h);
        return;
    }
    pb_entry *node = pb_tree_own_node(pool, root, at);
    children c = children_of(h, lo, hi);
    for (uint32_t i = c.to + 1; i-- > c.from;) {
        drop_below(pool, root, &node[i], h - 1, child_lo(&c, i), child_hi(&c, i));
    }
    if (node_is_empty(node, c.to)) {
        pb_frame frame = pb_entry_frame(pb_entry_load(at));
        pb_entry_store(at, PB_HOLE);
        pb_frame_unref(pool, frame);
    }
}

void
pb_tree_drop(pb_pool *pool, pb_root *root, uint64_t first, uint64_t last)
{
    if (first > last) {
        return;
    }
    children c = children_of(root->levels, first, last);
    for (uint32_t i = c.to + 1; i-- > c.from;) {
        drop_below(pool, root, &root->slot[i], root->levels - 1u, child_lo(&c, i),
                   child_hi(&c, i));
    }
    pb_pool_keep(pool);
}

void
pb_tree_release(pb_pool *pool, pb_root *root)
{
    for (unsigned i = PB_ROOT_SLOTS; i-- > 0;) {
        pb_entry e = pb_entry_load(&root->slot[i]);
        if (e != PB_HOLE) {
            pb_entry_store(&root->slot[i], PB_HOLE);
            pb_tree_release_entry(pool, e, root->levels - 1u);
        }
    }
    root->size = root->bias = 0;
    root->levels = 1;
    root->shared = 0;
    pb_pool_keep(pool);
}

/* ---- grow shorter ---- */

/* Shift the root down by the slots that lie before the bias: they are holes. */
static void
leave_slots_behind(pb_root *root)
{
    uint64_t span = pb_slot_span(root->levels);
    if (root->bias < span) {
        return;
    }
    unsigned n = (unsigned)(root->bias / span);
    memmove(root->slot, root->slot + n, (PB_ROOT_SLOTS - n) * sizeof(pb_entry));
    memset(root->slot + (PB_ROOT_SLOTS - n), 0, n * sizeof(pb_entry));
    root->bias -= n * span;
}

/* Move the children of a root slot that lie in [from, from + 4) up; the node goes. */
static void
lift_children(pb_pool *pool, pb_entry e, uint64_t node_first, uint64_t from, pb_entry *slot)
{
    pb_frame frame = pb_entry_frame(e);
    pb_entry *node = pb_node_of(pool, e);
    bool shared = pb_frame_count(pool, frame) > 1;
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        uint64_t at = node_first + i;
        if (node[i] != PB_HOLE && at >= from && at < from + PB_ROOT_SLOTS) {
            slot[at - from] = node[i];
            if (shared) {
                pb_entries_ref(pool, &node[i], 1);
            }
        }
    }
    if (!shared) {
        pb_frame_unref(pool, frame);
    }
    else if (!pb_frame_unref_shared(pool, frame)) { /* given up by the others meanwhile */
        pb_tree_release_entry(pool, e, 1);
    }
}

/* One level less when all that is in use lies in four neighbouring children. */
static bool
lower_once(pb_pool *pool, pb_root *root)
{
    unsigned bits = PB_PAGE_SHIFT + pb_span_bits(root->levels - 2u);
    uint64_t from = root->bias >> bits;
    uint64_t to = (root->bias + root->size - 1) >> bits;
    pb_entry slot[PB_ROOT_SLOTS] = {0};
    if (to - from >= PB_ROOT_SLOTS) {
        return false;
    }
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_entry e = pb_entry_load(&root->slot[i]);
        if (e != PB_HOLE && pb_entry_good(pool, e)) {
            lift_children(pool, e, (uint64_t)i * PB_FANOUT, from, slot);
        }
    }
    memcpy(root->slot, slot, sizeof slot);
    root->bias -= from << bits;
    root->levels--;
    return true;
}

void
pb_tree_shrink(pb_pool *pool, pb_root *root)
{
    if (root->size == 0) {
        pb_tree_release(pool, root);
        return;
    }
    leave_slots_behind(root);
    while (root->levels > 1 && lower_once(pool, root)) {
    }
    pb_pool_keep(pool);
}
