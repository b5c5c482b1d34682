/* buffer/life.c: a buffer begins, gets a tree when it is no longer tiny or is to show a zone, is
 * emptied, and ends. */
#include "buffer/internal.h"

/* Make an empty tree, or zeroed memory, a tiny buffer. */
static void
become_inline(pb_buf *b)
{
    b->root.size = 0;
    b->root.levels = 0;
    b->root.shared = 0;
    memset(pb_buf_inline(b), 0, PB_INLINE);
    pb_buf_remember_tail(b);
}

static inline void
begin(pb_buf *b, pb_pool *pool, unsigned max_levels, unsigned frozen, unsigned lead)
{
    memset(b, 0, sizeof *b);
    b->pool = pool;
    b->root.max_levels = max_levels & PB_LEVELS_MASK;
    b->root.frozen = frozen & PB_FROZEN_MASK;
    b->root.lead = lead & PB_LEAD_NONE; /* before the pool looks for the object */
    if (PB_INLINE) {
        become_inline(b);
        return;
    }
    b->root.levels = 1;
    pb_pool_link(b->pool, &b->member);
}

void
pb_buf_init(pb_buf *b, pb_pool *pool, unsigned max_levels)
{
    begin(b, pool, max_levels, 0, 0);
}

void
pb_buf_init_behind(pb_buf *b, pb_pool *pool, unsigned max_levels, unsigned lead)
{
    begin(b, pool, max_levels, 0, lead);
}

void
pb_buf_init_internal(pb_buf *b, pb_pool *pool)
{
    begin(b, pool, PB_MAX_LEVELS, PB_FROZEN_INTERNAL, 0);
}

/* Never called for a snapshot, so `frozen` is 0 and stays 0. */
void
pb_buf_begin_anew(pb_buf *b, pb_pool *pool, unsigned max_levels)
{
#if PB_LOCKS
    __atomic_store_n(&b->pool, pool, __ATOMIC_RELEASE); /* pb_buf_pool */
#else
    b->pool = pool;
#endif
    b->tail = NULL;
    b->root.size = 0;
    b->root.levels = PB_INLINE ? 0 : 1;
    b->root.max_levels = max_levels & PB_LEVELS_MASK;
    b->root.shared = 0;
    memset((uint8_t *)b + PB_INLINE_AT, 0, sizeof *b - PB_INLINE_AT);
    pb_buf_remember_tail(b);
    if (!PB_INLINE) {
        pb_pool_link(b->pool, &b->member);
    }
}

void
pb_buf_clear(pb_buf *b)
{
    if (!pb_buf_is_inline(b)) {
        (void)pb_buf_begin(b); /* reports damage, but goes on */
        forget(b);
        if (b->pins) {
            pb_pins_detach(b->pool, &b->root, b->pins, 0, UINT64_MAX);
            b->pins->tail_written = false;
        }
        pb_tree_release(b->pool, &b->root);
        if (!PB_INLINE || b->pins) { /* a buffer with a pin list stays a tree */
            return;
        }
        pb_pool_unlink(b->pool, &b->member);
    }
    become_inline(b);
}

void
pb_buf_fini(pb_buf *b)
{
    pb_buf_clear(b);
    if (!pb_buf_is_inline(b)) {
        if (b->pins) {
            pb_pins_close(b->pins);
        }
        pb_pool_unlink(b->pool, &b->member);
    }
    pb_pool_forget(b->pool, &b->member);
}

/* ---- tiny contents move from the object to a page, and back ---- */

/* What a tiny buffer holds. */
typedef struct {
    uint8_t byte[PB_INLINE + 1];
    uint64_t size;
} tiny_bytes;

/* Make a tree without pages of it.  Links the tree before it takes a frame, so that whoever inspects
 * the pool finds an owner for each frame. */
static void
leave_object(pb_buf *b, tiny_bytes *was)
{
    pb_set_actor(b->pool, &b->member);
    was->size = b->root.size;
    memcpy(was->byte, pb_buf_inline(b), PB_INLINE);
    memset(pb_buf_inline(b), 0, PB_INLINE);
    b->root.levels = 1;
    pb_pool_link(b->pool, &b->member);
}

static void
return_to_object(pb_buf *b, const tiny_bytes *was)
{
    pb_pool_unlink(b->pool, &b->member);
    b->root.levels = 0;
    memcpy(pb_buf_inline(b), was->byte, PB_INLINE);
}

/* Copy the bytes, and the n bytes behind them, to their first page.  Returns where they end. */
static uint8_t *
fill_first_page(pb_buf *b, pb_frame frame, bool zero, const tiny_bytes *was,
                const void *src, uint64_t n)
{
    uint8_t *at = pb_frame_address(b->pool, frame), *end = at + was->size + n;
    if (PB_INLINE && was->size) {
        pb_copy(at, was->byte, was->size);
    }
    pb_copy(at + was->size, src, n);
    pb_zero(end, zero ? 0 : PB_PAGE_SIZE - was->size - n); /* I4 */
    pb_tree_set(&b->root.slot[0], pb_entry_of(frame));
    return end;
}

pb_status
pb_buf_promote(pb_buf *b)
{
    tiny_bytes was;
    uint32_t got;
    bool zero;
    if (!pb_buf_is_inline(b)) {
        return PB_OK;
    }
    leave_object(b, &was);
    pb_status st = pb_pool_reserve(b->pool, was.size != 0);
    if (st != PB_OK) {
        return_to_object(b, &was);
        return st;
    }
    b->root.tail_room = 0;
    b->tail = NULL;
    if (was.size) {
        pb_frame frame = pb_pool_take_run(b->pool, 0, 1, &got, &zero);
        (void)fill_first_page(b, frame, zero, &was, was.byte, 0);
    }
    return PB_OK;
}

bool
pb_buf_outgrow(pb_buf *b, const void *src, uint64_t n)
{
    tiny_bytes was;
    bool zero;
    uint64_t size = b->root.size;
    if (n > PB_PAGE_SIZE - size || b->root.shared || b->root.frozen || b->pool->debug) {
        return false;
    }
    leave_object(b, &was);
    pb_frame frame = pb_pool_take_one(b->pool, 0, &zero);
    if (frame == 0) {
        return_to_object(b, &was);
        return false;
    }
    b->tail = fill_first_page(b, frame, zero, &was, src, n);
    b->root.size = size + n;
    b->root.tail_room = (uint16_t)(PB_PAGE_SIZE - b->root.size);
    return true;
}

void
pb_buf_demote(pb_buf *b)
{
    uint8_t bytes[PB_INLINE + 1];
    uint64_t size = b->root.size;
    pb_buf_copy_out(b, 0, bytes, size);
    pb_buf_clear(b);
    memcpy(pb_buf_inline(b), bytes, size);
    b->root.size = size;
    pb_buf_remember_tail(b);
}

/* ---- a tree over the frames of a zone ---- */

/* The pages [0, past) of the tree are those of a zone.  If `tail`, the page behind them has its own. */
typedef struct {
    const pb_zone *zone;
    uint64_t past;
    bool tail;
} mapping;

/* The nodes on the way to the page where the zone ends: one on each level on which a huge entry does
 * not end there, or on all levels where the tail comes next. */
static uint64_t
need_nodes(const mapping *m, unsigned levels)
{
    uint64_t n = 0;
    for (unsigned h = 1; h < levels; h++) {
        n += m->tail || (m->past & (((uint64_t)1 << pb_span_bits(h)) - 1)) != 0;
    }
    return n;
}

/* The frame of a page of the zone. */
static pb_frame
frame_at(const mapping *m, uint64_t page)
{
    return m->zone->first + (pb_frame)page;
}

/* Fill entries that span 2^bits pages each, the first of them from page `page` on.  Returns how many
 * whole ones there are before the zone ends. */
static uint32_t
fill_entries(const mapping *m, pb_entry *at, uint32_t most, uint64_t page, unsigned h)
{
    uint32_t n = (uint32_t)pb_min(most, (m->past - page) >> pb_span_bits(h));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t first = page + ((uint64_t)i << pb_span_bits(h));
        pb_tree_set(&at[i], pb_entry_of_zone(frame_at(m, first), h));
    }
    return n;
}

/* Fill the root, then the node in which the zone ends, level by level. */
static uint64_t
fill_tree(pb_buf *b, const mapping *m)
{
    unsigned h = b->root.levels - 1u;
    pb_entry *at = b->root.slot;
    uint32_t n = fill_entries(m, at, PB_ROOT_SLOTS, 0, h);
    uint64_t entries = n, page = (uint64_t)n << pb_span_bits(h);
    while (h > 0 && page < m->past) {
        at = pb_tree_own_node(b->pool, &b->root, at + n); /* a hole: a new node */
        h--;
        n = fill_entries(m, at, PB_FANOUT, page, h);
        entries += n;
        page += (uint64_t)n << pb_span_bits(h);
    }
    return entries;
}

/* What is left of the source behind its last whole page goes to a page of its own (I4), which the zone
 * holds, too. */
static void
add_tail(pb_buf *b, const mapping *m, pb_zone *zone, uint64_t n)
{
    uint32_t got;
    bool zero;
    pb_leaf leaf;
    pb_frame frame = pb_pool_take_run(b->pool, 0, 1, &got, &zero);
    uint8_t *page = pb_frame_address(b->pool, frame);
    pb_copy(page, zone->base + (m->past << PB_PAGE_SHIFT), n);
    pb_zero(page + n, PB_PAGE_SIZE - n);
    pb_tree_own_leaf(b->pool, &b->root, m->past, &leaf);
    pb_tree_set(pb_leaf_at(&leaf, m->past), pb_entry_of(frame));
    pb_entries_ref(b->pool, pb_leaf_at(&leaf, m->past), 1);
    zone->tail_bytes = (uint32_t)n;
    zone->tail = frame;
}

/* 1. levels  2. reserve  3. huge entries, and the nodes where they end  4. the tail. */
pb_status
pb_buf_map(pb_buf *b, pb_zone *zone, uint64_t size)
{
    mapping m = {zone, size >> PB_PAGE_SHIFT, (size & PB_PAGE_MASK) != 0};
    if (zone->here) { /* its memory is ours, and zeros behind the end */
        m.past += m.tail;
        m.tail = false;
    }
    unsigned levels = pb_tree_levels_for(size);
    if (size > pb_buf_capacity(b)) {
        return PB_CAPACITY;
    }
    pb_status st = pb_buf_promote(b); /* it is empty, so this takes no page */
    uint64_t need = need_nodes(&m, levels) + m.tail, taken = pb_pool_taken(b->pool);
    if (st == PB_OK) {
        pb_set_actor(b->pool, &b->member);
        st = pb_pool_reserve(b->pool, need);
    }
    if (st != PB_OK) {
        return st;
    }
    b->root.levels = (uint8_t)levels;
    b->root.size = size;
    b->root.shared = PB_SHARED_FOR_GOOD; /* I12 */
    pb_zone_ref(b->pool, zone->first, fill_tree(b, &m));
    if (m.tail) {
        add_tail(b, &m, zone, size & PB_PAGE_MASK);
    }
    pb_pool_give_rest(b->pool, need, taken);
    pb_buf_remember_tail(b);
    return PB_OK;
}
