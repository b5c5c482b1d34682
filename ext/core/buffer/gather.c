/* buffer/gather.c: pages made one run, for live views over them. */
#include "buffer/internal.h"
#include "pool/guard.h"

/* ---- runs ---- */

/* Are the pages [first, first + n) one run?  Its first frame, else 0. */
static pb_frame
run_of(const pb_buf *b, uint64_t first, uint64_t n)
{
    pb_frame run = 0;
    for (uint64_t done = 0; done < n;) {
        pb_extent x = pb_tree_extent(b->pool, &b->root, first + done, first + n);
        run = done ? run : x.frame;
        if (x.kind != PB_EXTENT_PRESENT || x.frame != run + done ||
            pb_region_of(x.frame) != pb_region_of(run)) {
            return 0;
        }
        done += x.pages;
    }
    return run;
}

uint8_t *
pb_buf_one_run(const pb_buf *b, uint64_t off, uint64_t n)
{
    if (pb_buf_is_inline(b)) {
        return pb_buf_inline(b) + off;
    }
    uint64_t pos = b->root.bias + off;
    uint64_t first = page_of(pos), pages = page_of(pos + n - 1) - first + 1;
    pb_frame frame = run_of(b, first, pages);
    return frame ? pb_frame_address(b->pool, frame) + (pos & PB_PAGE_MASK) : NULL;
}

/* ---- gathering ---- */

void
pb_buf_move_page(pb_buf *b, pb_entry *at, pb_frame to)
{
    pb_frame old = pb_entry_frame(pb_entry_load(at));
    uint8_t *dst = pb_frame_address(b->pool, to);
    if (old) {
        pb_copy(dst, pb_frame_address(b->pool, old), PB_PAGE_SIZE);
        pb_frame_unref(b->pool, old);
    }
    else {
        pb_zero(dst, PB_PAGE_SIZE);
    }
    pb_tree_set(at, pb_entry_of(to));
}

/* The nodes that owning the pages takes, without the pages. */
static uint64_t
need_nodes(const pb_buf *b, uint64_t first, uint64_t n)
{
    uint64_t pages = 0;
    for (uint64_t i = 0; i < n; i++) {
        pb_leaf leaf;
        if (!pb_tree_leaf_owned(b->pool, &b->root, first + i, &leaf) ||
            leaf.entry == NULL) {
            pages++; /* its nodes are counted by pb_tree_need, the page comes with them */
            continue;
        }
        pb_frame frame = pb_entry_frame(pb_leaf_get(&leaf, first + i));
        pages += frame == 0 || pb_frame_count(b->pool, frame) > 1;
    }
    return pb_tree_need(b->pool, &b->root, first, first + n - 1) - pages;
}

/* Is another live view in the way, so that pages may not move? */
static bool
pinned_between(const pb_buf *b, uint64_t first, uint64_t n)
{
    uint64_t from, past;
    return pb_pins_next(b->pins, first, &from, &past) && from < first + n;
}

/* 1. reserve run and nodes  2. take the run  3. move the pages into it. */
static pb_status
gather(pb_buf *b, uint64_t first, uint64_t n)
{
    if (pinned_between(b, first, n)) {
        return PB_PINNED;
    }
    if (n > UINT32_MAX / 2) {
        return PB_CAPACITY;
    }
    uint64_t nodes = need_nodes(b, first, n);
    pb_status st = pb_pool_reserve(b->pool, n + nodes);
    if (st != PB_OK) {
        return st;
    }
    pb_frame run = pb_pool_take_exact(b->pool, (uint32_t)n);
    if (run == 0) {
        pb_pool_unreserve(b->pool, n + nodes);
        b->pool->root->short_by = n + nodes; /* a region that has it whole */
        b->pool->root->short_of_run = true;
        return PB_NEED_PAGES;
    }
    forget(b);
    uint64_t taken = pb_pool_taken(b->pool);
    pb_leaf leaf = {NULL, 0, 0};
    for (uint64_t i = 0; i < n; i++) {
        if (first + i >= leaf.end) {
            pb_tree_own_leaf(b->pool, &b->root, first + i, &leaf);
        }
        pb_buf_move_page(b, pb_leaf_at(&leaf, first + i), run + (pb_frame)i);
    }
    pb_pool_give_rest(b->pool, nodes, taken); /* the run was taken before */
    pb_pool_keep(b->pool);
    return PB_OK;
}

/* ---- pins ---- */

/* Make the pages one run of this buffer's own frames, and remember it. */
static pb_status
make_run(pb_buf *b, uint64_t first, uint64_t pages)
{
    pb_pin_list *pins = b->pins;
    uint64_t need = pb_tree_need(b->pool, &b->root, first, first + pages - 1);
    if (PB_UNLIKELY(b->pool->root->pending & PB_PENDING_FAULT)) {
        return PB_CORRUPT; /* found while counting */
    }
    bool whole = need == 0 && run_of(b, first, pages) != 0;
    pb_status st = whole ? PB_OK : gather(b, first, pages);
    if (st != PB_OK) {
        return st;
    }
    pins->run_page = first;
    pins->run_count = pages;
    pins->run_frame = run_of(b, first, pages);
    for (uint64_t i = 0; b->pool->debug && i < pages; i++) {
        pb_guard_thaw(b->pool, pins->run_frame + (pb_frame)i);
    }
    pb_buf_remember_tail(b);
    return PB_OK;
}

pb_status
pb_buf_pin(pb_buf *b, uint64_t off, uint64_t n, pb_pin *pin, uint8_t **address)
{
    pb_pin_list *pins = b->pins;
    uint64_t pos = b->root.bias + off;
    uint64_t first = page_of(pos), pages = page_of(pos + n - 1) - first + 1;
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    if (!pb_pins_know_run(pins, first, pages)) {
        pb_status st = make_run(b, first, pages);
        if (st != PB_OK) {
            return st;
        }
    }
    pb_pins_add(pins, pin, first, pages);
    (void)pb_tail_close(b); /* the page is viewed from now on */
    *address = pb_frame_address(b->pool, pin->frame) + (pos & PB_PAGE_MASK);
    return PB_OK;
}
