/* pb_check.c: the rules, read back from the structures. */
#include "pb_check.h"
#include "pb_view.h"

typedef struct {
    const pb_buf *b;
    pb_fault *fault;
    uint64_t first, last; /* pages that may be there */
    uint32_t *seen;       /* references counted so far, when recounting */
} checker;

static bool
broken(const checker *c, const char *why, pb_frame frame, uint64_t page)
{
    uint64_t pos = page << PB_PAGE_SHIFT;
    *c->fault = (pb_fault){why, frame, c->b,
                           c->b && pos > c->b->root.bias ? pos - c->b->root.bias : 0};
    return false;
}

/* ---- one tree ---- */

static bool
check_frame(const checker *c, pb_entry e, unsigned h, uint64_t page)
{
    const pb_pool *pool = c->b->pool;
    pb_frame frame = pb_entry_frame(e);
    if ((e & PB_ENTRY_ADDRESS) + PB_ENTRY_PRESENT != e) {
        return broken(c, "an entry has stray bits", frame, page);
    }
    if (!pb_frame_valid(pool, frame)) {
        return broken(c, "an entry names a frame of no region", frame, page);
    }
    if (pb_frame_is_free(pool, frame)) {
        return broken(c, "I1: an entry names a free frame", frame, page);
    }
    const pb_row *row = pb_frame_row(pool, frame);
    if (row->held.kind != (h ? PB_KIND_NODE : PB_KIND_DATA)) {
        return broken(c, "I1: a frame is of the wrong kind", frame, page);
    }
    if (row->held.count == 0) {
        return broken(c, "I1: an entry names a frame with no reference", frame, page);
    }
    if (row->held.count > 1 && row->held.pins) {
        return broken(c, "I11: a live-pinned frame has two references", frame, page);
    }
    if (row->held.count > 1 && !c->b->root.shared) {
        return broken(c, "I2: a shared frame in a tree not marked so", frame, page);
    }
    return true;
}

static bool
check_below(const checker *c, pb_entry e, unsigned h, uint64_t page)
{
    if (!check_frame(c, e, h, page)) {
        return false;
    }
    if (h == 0) {
        return (page >= c->first && page <= c->last) ||
               broken(c, "a page before the bias or past the end", pb_entry_frame(e), page);
    }
    const pb_entry *node = pb_node_of(c->b->pool, e);
    bool empty = true;
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        if (node[i] != PB_HOLE) {
            empty = false;
            if (!check_below(c, pb_entry_load(&node[i]), h - 1,
                             page + ((uint64_t)i << pb_span_bits(h - 1)))) {
                return false;
            }
        }
    }
    return !empty || broken(c, "an empty node", pb_entry_frame(e), page);
}

static bool
check_shape(const checker *c)
{
    const pb_root *r = &c->b->root;
    if (r->levels < 1 || r->levels > PB_MAX_LEVELS) {
        return broken(c, "levels out of range", 0, 0);
    }
    if (r->bias >= pb_slot_span(r->levels)) {
        return broken(c, "the bias has left a root slot behind", 0, 0);
    }
    if (r->size > pb_reach(r->levels) - r->bias) {
        return broken(c, "the size is out of the tree's reach", 0, 0);
    }
    if (r->size > pb_buf_capacity(c->b)) {
        return broken(c, "the size is past the capacity", 0, 0);
    }
    if (r->size == 0 && (r->levels != 1 || r->bias != 0)) {
        return broken(c, "an empty tree has levels", 0, 0);
    }
    return true;
}

/* I4: zeros past the end. */
static bool
check_tail(const checker *c)
{
    const pb_buf *b = c->b;
    uint64_t end = b->root.bias + b->root.size;
    pb_leaf leaf;
    if ((end & PB_PAGE_MASK) == 0 || (b->book && b->book->tail_dirty)) {
        return true;
    }
    pb_tree_leaf(b->pool, &b->root, end >> PB_PAGE_SHIFT, &leaf);
    pb_entry e = leaf.entry ? leaf.entry[(end >> PB_PAGE_SHIFT) - leaf.first] : PB_HOLE;
    if (e == PB_HOLE) {
        return true;
    }
    pb_frame frame = pb_entry_frame(pb_entry_load(&e));
    const uint8_t *at = pb_frame_address(b->pool, frame);
    for (size_t i = end & PB_PAGE_MASK; i < PB_PAGE_SIZE; i++) {
        if (at[i] != 0) {
            return broken(c, "I4: a byte past the end is not zero", frame,
                          end >> PB_PAGE_SHIFT);
        }
    }
    return true;
}

static const uint8_t *
page_at(const pb_buf *b, uint64_t page)
{
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    pb_entry e = leaf.entry ? pb_entry_load(&leaf.entry[page - leaf.first]) : PB_HOLE;
    return e == PB_HOLE ? NULL : (const uint8_t *)pb_node_of(b->pool, e);
}

/* What is remembered is what a walk finds. */
static bool
check_memory(const checker *c)
{
    const pb_buf *b = c->b;
    const pb_root *r = &b->root;
    pb_leaf leaf;
    if (b->seen) {
        pb_tree_leaf(b->pool, r, b->seen_first, &leaf);
        if (leaf.entry != b->seen || leaf.first != b->seen_first) {
            return broken(c, "a stale leaf is remembered", 0, b->seen_first);
        }
    }
    uint64_t end = r->bias + r->size;
    if (r->room && b->tail != page_at(b, end >> PB_PAGE_SHIFT) + (end & PB_PAGE_MASK)) {
        return broken(c, "a stale tail is remembered", 0, end >> PB_PAGE_SHIFT);
    }
    if (b->front && b->front != page_at(b, r->bias >> PB_PAGE_SHIFT)) {
        return broken(c, "a stale front is remembered", 0, r->bias >> PB_PAGE_SHIFT);
    }
    return true;
}

static bool
check_inline(const checker *c)
{
    const pb_buf *b = c->b;
    if (b->root.size > PB_INLINE) {
        return broken(c, "inline bytes past their room", 0, 0);
    }
    if (!b->root.frozen && (b->tail != pb_buf_inline(b) + b->root.size ||
                            b->root.room != PB_INLINE - b->root.size)) {
        return broken(c, "a stale tail is remembered", 0, 0);
    }
    const uint8_t *past = pb_buf_inline(b) + PB_INLINE;
    for (const uint8_t *at = pb_buf_inline(b) + b->root.size; at < past; at++) {
        if (*at != 0) {
            return broken(c, "I4: an inline byte past the end is not zero", 0, 0);
        }
    }
    return true;
}

/* I7, I11: what is live of a pin is its run, page for page, with one reference each. */
static bool
check_pin(const checker *c, const pb_pin *pin)
{
    const pb_buf *b = c->b;
    pb_leaf leaf;
    for (uint64_t page = pin->page; page < pin->page + pin->live; page++) {
        pb_tree_leaf(b->pool, &b->root, page, &leaf);
        pb_entry e = leaf.entry ? pb_entry_load(&leaf.entry[page - leaf.first]) : PB_HOLE;
        pb_frame frame = pb_entry_frame(e);
        if (frame < pin->frame || frame - pin->frame >= pin->count) {
            return broken(c, "I7: a live view has lost a page of its buffer", frame, page);
        }
        if (pb_frame_count(b->pool, frame) != 1) {
            return broken(c, "I11: a live-pinned frame has two references", frame, page);
        }
    }
    return true;
}

static bool
check_book(const checker *c)
{
    for (const pb_pin *pin = c->b->book ? c->b->book->pins : NULL; pin; pin = pin->next) {
        if (!check_pin(c, pin)) {
            return false;
        }
    }
    return true;
}

bool
pb_buf_check(const pb_buf *b, pb_fault *fault)
{
    const pb_root *r = &b->root;
    checker c = {.b = b, .fault = fault};
    if (pb_buf_is_inline(b)) {
        return check_inline(&c);
    }
    if (!check_shape(&c)) {
        return false;
    }
    c.first = r->size ? r->bias >> PB_PAGE_SHIFT : 1;
    c.last = r->size ? (r->bias + r->size - 1) >> PB_PAGE_SHIFT : 0;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        if (r->slot[i] != PB_HOLE &&
            !check_below(&c, pb_entry_load(&r->slot[i]), r->levels - 1u,
                         (uint64_t)i << pb_span_bits(r->levels - 1u))) {
            return false;
        }
    }
    return check_tail(&c) && check_memory(&c) && check_book(&c);
}

/* ---- the pool ---- */

size_t
pb_pool_check_words(const pb_pool *pool)
{
    const pb_region *r = &pool->region[pool->newest];
    return pool->regions ? (size_t)r->first + r->count : 1;
}

/* Count references below an entry; a node seen before has its children counted. */
static void
recount(const pb_pool *pool, uint32_t *seen, pb_entry e, unsigned h)
{
    pb_frame frame = pb_entry_frame(e);
    if (seen[frame]++ || h == 0) {
        return;
    }
    const pb_entry *node = pb_node_of(pool, e);
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        if (node[i] != PB_HOLE) {
            recount(pool, seen, pb_entry_load(&node[i]), h - 1);
        }
    }
}

static bool
check_counts(const checker *c, const pb_pool *pool, const pb_region *r, uint64_t *held,
             uint64_t *nodes)
{
    for (pb_frame f = r->first ? r->first : 1; f < r->first + r->count; f++) {
        bool is_free = pb_frame_is_free(pool, f);
        const pb_row *row = pb_frame_row(pool, f);
        if (is_free && c->seen[f]) {
            return broken(c, "I1: a free frame is named by an entry", f, 0);
        }
        if (is_free) {
            continue;
        }
        ++*held;
        *nodes += row->held.kind == PB_KIND_NODE;
        if (row->held.count != c->seen[f] && row->held.count != PB_COUNT_MAX) {
            return broken(c, "I1: a reference count is not the number of entries", f, 0);
        }
        if (c->seen[f] == 0 && row->held.pins == 0) {
            return broken(c, "I1: a held frame has no owner", f, 0);
        }
    }
    return true;
}

static bool
check_list(const checker *c, const pb_pool *pool)
{
    uint64_t n = 0;
    pb_frame prev = 0;
    for (pb_frame f = pool->free_head; f; f = pb_frame_row(pool, f)->free.next) {
        if (!pb_frame_valid(pool, f) || !pb_frame_is_free(pool, f)) {
            return broken(c, "I1: the free list holds a frame that is not free", f, 0);
        }
        if (pb_frame_row(pool, f)->free.prev != prev || ++n > pool->listed) {
            return broken(c, "the free list is damaged", f, 0);
        }
        prev = f;
    }
    return n == pool->listed || broken(c, "the free list is short", 0, 0);
}

bool
pb_pool_check(const pb_pool *pool, uint32_t *scratch, pb_fault *fault)
{
    checker c = {.fault = fault, .seen = scratch};
    uint64_t held = 0, nodes = 0;
    if (pool->fault.why) {
        *fault = pool->fault;
        return false;
    }
    for (const pb_buf *b = pool->bufs; b; b = b->next) {
        if (!pb_buf_check(b, fault)) {
            return false;
        }
        for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
            if (b->root.slot[i] != PB_HOLE) {
                recount(pool, scratch, pb_entry_load(&b->root.slot[i]),
                        b->root.levels - 1u);
            }
        }
    }
    for (unsigned k = PB_REGION0_BITS - 1; pool->regions && k <= pool->newest; k++) {
        if (!check_counts(&c, pool, &pool->region[k], &held, &nodes)) {
            return false;
        }
    }
    if (held != pool->held || nodes != pool->nodes) {
        return broken(&c, "I1: the pool miscounts what is held", 0, 0);
    }
    if (pool->total != pool->held + pool->listed + pool->virgin || pool->promised) {
        return broken(&c, "I1: held and free do not add up", 0, 0);
    }
    return check_list(&c, pool);
}
