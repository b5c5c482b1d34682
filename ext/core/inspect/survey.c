/* inspect/survey.c: looking into a buffer: pages, extents, usage, pins. */
#include "buffer/internal.h"
#include "pool/internal.h"

uint8_t *
pb_buf_page(const pb_buf *b, uint64_t page)
{
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    pb_entry e = leaf.entry ? pb_entry_load(&leaf.entry[page - leaf.first]) : PB_HOLE;
    return e == PB_HOLE || !pb_entry_good(b->pool, e) ? NULL : page_address(b, e);
}

/* The first page in [page, last] that is there (want) or is a hole; last + 1 if none. */
static uint64_t
next_page(const pb_buf *b, uint64_t page, uint64_t last, bool want)
{
    pb_leaf leaf;
    while (page <= last) {
        pb_tree_leaf(b->pool, &b->root, page, &leaf);
        uint64_t stop = pb_min(leaf.end, last + 1);
        if (leaf.entry == NULL) {
            if (!want) {
                return page;
            }
            page = stop;
        }
        for (; page < stop; page++) {
            if ((leaf.entry[page - leaf.first] != PB_HOLE) == want) {
                return page;
            }
        }
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

static void
count_below(const pb_pool *pool, pb_entry e, unsigned h, pb_tree_stats *use)
{
    pb_frame frame = pb_entry_frame(e);
    if (!pb_frame_readable(pool, frame)) {
        return;
    }
    use->shared += pb_frame_count(pool, frame) > 1;
    if (h == 0) {
        use->pages++;
        return;
    }
    use->nodes++;
    const pb_entry *node = pb_node_of(pool, e);
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        if (node[i] != PB_HOLE) {
            count_below(pool, pb_entry_load(&node[i]), h - 1, use);
        }
    }
}

static uint64_t
pages_spanned(const pb_root *root)
{
    uint64_t head = root->bias & PB_PAGE_MASK;
    return root->size ? (head + root->size + PB_PAGE_MASK) >> PB_PAGE_SHIFT : 0;
}

/* Pages under live views, each once. */
static uint64_t
pages_pinned(const pb_pin_list *pins)
{
    uint64_t n = 0, first, past;
    for (uint64_t page = 0; pb_pins_next(pins, page, &first, &past); page = past) {
        n += past - pb_max(page, first);
    }
    return n;
}

void
pb_buf_stats(const pb_buf *b, pb_tree_stats *use)
{
    *use = (pb_tree_stats){0};
    if (pb_buf_is_inline(b)) {
        return;
    }
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        if (b->root.slot[i] != PB_HOLE) {
            count_below(b->pool, pb_entry_load(&b->root.slot[i]), b->root.levels - 1u, use);
        }
    }
    use->holes = pages_spanned(&b->root) - use->pages;
    use->pinned = b->pins ? pages_pinned(b->pins) : 0;
}

/* Rows of frames that were ever handed out, and the maps. */
uint64_t
pb_pool_tables(const pb_pool *pool)
{
    uint64_t bytes = 0;
    EACH_REGION(pool->root, r)
    {
        uint64_t used = r->count - (r->hi - r->lo);
        bytes += used * sizeof(pb_row) +
                 (pb_pool_table_bytes(r->count) - r->count * sizeof(pb_row));
        bytes += r->trace ? used * (sizeof *r->trace + 1) : 0;
    }
    return bytes;
}

uint64_t
pb_pool_pinned(const pb_pool *pool)
{
    uint64_t n = pool->detached;
    for (const pb_buf *b = pool->root->bufs; b; b = b->next) {
        n += b->pins && pb_pool_within(b->pool, pool) ? pages_pinned(b->pins) : 0;
    }
    return n;
}
