/* buffer/share.c: pins over runs, and trees that share frames. */
#include "buffer/internal.h"
#include "pool/guard.h"

/* ---- the pin list ---- */

/* The frame behind a page; 0 for a hole. */
static pb_frame
frame_at(const pb_buf *b, uint64_t page)
{
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    return leaf.entry ? pb_entry_frame(pb_entry_load(&leaf.entry[page - leaf.first])) : 0;
}

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
pb_pins_next(const pb_pin_list *pins, uint64_t page, uint64_t *first, uint64_t *past)
{
    *first = *past = UINT64_MAX;
    for (const pb_pin *pin = pins->first; pin; pin = pin->next) {
        uint64_t end = pin->page + pin->live;
        if (pin->live && end > page && pin->page < *first) {
            *first = pin->page;
            *past = end;
        }
    }
    return *first != UINT64_MAX;
}

bool
pb_pins_cover(const pb_pin_list *pins, uint64_t page)
{
    uint64_t first, past;
    return pb_pins_next(pins, page, &first, &past) && first <= page;
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

/* Count one pin on each frame of a page range of the pin: they are about to lose their
 * entries. */
static void
detach_range(pb_buf *b, pb_pin *pin, uint64_t first, uint64_t past)
{
    for (uint64_t page = first; page < past; page++) {
        pb_frame_pin(b->pool, frame_at(b, page));
    }
    pin->detached = true;
}

/* Cut [first, last] off what is live of one pin. */
static void
detach_pin(pb_buf *b, pb_pin *pin, uint64_t first, uint64_t last)
{
    uint64_t end = pin->page + pin->live;
    uint64_t from = pb_max(pin->page, first);
    uint64_t past = last == UINT64_MAX ? end : pb_min(end, last + 1);
    if (from >= past) {
        return;
    }
    detach_range(b, pin, from, past);
    if (from > pin->page) { /* cut at its end */
        pin->live = from - pin->page;
    }
    else { /* at its front, or whole */
        pin->page = past;
        pin->live = end - past;
    }
}

void
pb_pins_detach(pb_buf *b, uint64_t first, uint64_t last)
{
    for (pb_pin *pin = b->pins->first; pin; pin = pin->next) {
        detach_pin(b, pin, first, last);
    }
}

void
pb_pins_shift(pb_pin_list *pins, uint64_t pages)
{
    for (pb_pin *pin = pins->first; pin && pages; pin = pin->next) {
        pin->page -= pages;
    }
    pins->run_page -= pages;
}

void
pb_pins_close(pb_buf *b)
{
    pb_pin *next = b->pins ? b->pins->first : NULL;
    while (next) {
        pb_pin *pin = next;
        next = pin->next;
        pin->next = NULL;
        pin->link = NULL;
    }
    if (b->pins) {
        b->pins->first = NULL;
    }
}

/* ---- runs ---- */

/* Are the pages [first, first + n) one run?  Its first frame, else 0. */
static pb_frame
run_of(const pb_buf *b, uint64_t first, uint64_t n)
{
    pb_frame frame = frame_at(b, first);
    pb_leaf leaf;
    if (frame == 0 || frame + n > pb_region_end(pb_region_of(frame))) {
        return 0;
    }
    for (uint64_t i = 0; i < n;) {
        pb_tree_leaf(b->pool, &b->root, first + i, &leaf);
        const pb_entry *at = leaf.entry ? &leaf.entry[first + i - leaf.first] : NULL;
        if (at == NULL || pb_entry_frame(pb_entry_load(at)) != frame + i) {
            return 0;
        }
        i += pb_run_ahead(at, pb_entry_load(at), pb_min(n - i, leaf.end - first - i));
    }
    return frame;
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

/* Put frame `to` in the place of what is behind an owned entry, with the same bytes. */
static void
move_page(pb_buf *b, pb_entry *at, pb_frame to)
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
    pb_entry_store(at, pb_entry_of(to));
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
        pb_frame frame = pb_entry_frame(pb_entry_load(&leaf.entry[first + i - leaf.first]));
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
        move_page(b, &leaf.entry[first + i - leaf.first], run + (pb_frame)i);
    }
    pb_pool_give_rest(b->pool, nodes, taken); /* the run was taken before */
    pb_pool_keep(b->pool);
    return PB_OK;
}

/* ---- pins ---- */

static bool
run_remembered(const pb_pin_list *pins, uint64_t first, uint64_t n)
{
    return first >= pins->run_page && first - pins->run_page < pins->run_count &&
           n <= pins->run_count - (first - pins->run_page);
}

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
    if (!run_remembered(pins, first, pages)) {
        pb_status st = make_run(b, first, pages);
        if (st != PB_OK) {
            return st;
        }
    }
    *pin = (pb_pin){
        .next = pins->first,
        .link = &pins->first,
        .page = first,
        .live = pages,
        .frame = pins->run_frame + (pb_frame)(first - pins->run_page),
        .count = (uint32_t)pages,
    };
    if (pin->next) {
        pin->next->link = &pin->next;
    }
    pins->first = pin;
    (void)pb_tail_close(b); /* the page is viewed from now on */
    *address = pb_frame_address(b->pool, pin->frame) + (pos & PB_PAGE_MASK);
    return PB_OK;
}

void
pb_buf_unpin(pb_pool *pool, pb_pin *pin)
{
    if (pin->link) {
        *pin->link = pin->next;
        if (pin->next) {
            pin->next->link = pin->link;
        }
    }
    for (uint32_t i = 0; pin->detached && i < pin->count; i++) {
        pb_frame frame = pin->frame + i;
        if (pb_frame_row(pool, frame)->held.kind == PB_KIND_DETACHED) {
            pb_frame_unpin(pool, frame);
        }
    }
    pb_pool_keep(pool);
}

/* ---- trees that share ---- */

static void
share_root(pb_buf *to, pb_buf *from)
{
    pb_entries_ref(from->pool, from->root.slot, PB_ROOT_SLOTS);
    to->root.size = from->root.size;
    to->root.bias = from->root.bias;
    to->root.levels = from->root.levels;
    memcpy(to->root.slot, from->root.slot, sizeof to->root.slot);
    to->root.shared = from->root.shared = PB_SHARED_FOR_GOOD;
    forget(to);
    from->leaf_w = NULL;
    from->root.tail_room = 0; /* the tail page is shared now, and so are remembered runs */
    if (from->pins) {
        from->pins->run_count = 0;
    }
}

/* I11: `to` gets copies of the pages under a live view of `from`. */
static pb_status
copy_pinned(pb_buf *to, const pb_pin *pin)
{
    if (pin->live == 0) {
        return PB_OK;
    }
    uint64_t last = pin->page + pin->live - 1;
    uint64_t need = pb_tree_need(to->pool, &to->root, pin->page, last);
    uint64_t taken = pb_pool_taken(to->pool);
    pb_status st = pb_pool_reserve(to->pool, need);
    if (st != PB_OK) {
        return st;
    }
    uint32_t left = 0;
    pb_frame run = 0;
    for (uint64_t page = pin->page; page <= last; page++) {
        pb_leaf leaf;
        bool zero;
        pb_tree_own_leaf(to->pool, &to->root, page, &leaf);
        pb_entry *at = &leaf.entry[page - leaf.first];
        if (pb_frame_count(to->pool, pb_entry_frame(pb_entry_load(at))) == 1) {
            continue; /* copied for another pin before */
        }
        if (left == 0) { /* in runs, so that a view of the copy need not gather */
            uint64_t want =
                pb_tree_need(to->pool, &to->root, page, pb_min(last, leaf.end - 1));
            run = pb_pool_take_run(to->pool, run, (uint32_t)want, &left, &zero);
        }
        move_page(to, at, run);
        run += --left != 0; /* the last frame stays as a hint */
    }
    pb_pool_give_rest(to->pool, need, taken);
    return PB_OK;
}

/* A view that wrote past the end is gone: what it wrote goes, while the page is still this
 * tree's alone (I2). */
static void
clean_left_tail(pb_buf *b)
{
    pb_pin_list *pins = b->pins;
    if (pins && pins->tail_written &&
        !pb_pins_cover(pins, page_of(b->root.bias + b->root.size))) {
        pb_buf_clean_tail(b);
        pins->tail_written = false;
    }
}

/* Note bad entries; do not share them. */
static bool
may_share(const pb_buf *b)
{
    bool good = true;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_entry e = pb_entry_load(&b->root.slot[i]);
        if (e != PB_HOLE && !pb_frame_readable(b->pool, pb_entry_frame(e))) {
            pb_pool_found_bad(b->pool, b, pb_entry_frame(e), 0);
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
    pb_status st = pb_buf_promote(to); /* empty: becomes a tree, takes no page */
    if (st != PB_OK) {
        return st;
    }
    uint8_t before = from->root.shared;
    if (!may_share(from) || !pb_tail_close(from)) {
        return PB_CORRUPT;
    }
    pb_set_actor(to->pool, to);
    clean_left_tail(from);
    share_root(to, from);
    for (pb_pin *pin = from->pins ? from->pins->first : NULL; pin; pin = pin->next) {
        st = copy_pinned(to, pin);
        if (st != PB_OK) {
            pb_buf_clear(to);
            from->root.shared = before;
            pb_buf_remember_tail(from);
            return st;
        }
    }
    if (from->pins && from->pins->tail_written) { /* I4 in the copy, which nobody views */
        pb_buf_clean_tail(to);
    }
    pb_guard_freeze(to->pool, &to->root);
    return PB_OK;
}

pb_status
pb_buf_read_snapshot(pb_buf *to, pb_buf *from)
{
    uint8_t before = from->root.shared;
    pb_status st = pb_buf_share(to, from);
    if (st != PB_OK || pb_buf_is_inline(from)) {
        return st;
    }
    if (before != PB_SHARED_FOR_GOOD && from->root.readers < UINT8_MAX) {
        from->root.shared = PB_SHARED_BY_HOLDS;
    }
    if (from->root.readers < UINT8_MAX) { /* a count that got there stays */
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
        from->root.shared == PB_SHARED_BY_HOLDS) {
        from->root.shared = 0;
        pb_buf_remember_tail(from);
    }
}

void
pb_buf_adopt(pb_buf *b, pb_buf *from)
{
    (void)pb_tail_close(from); /* damage is told, but cannot hold this up */
    pb_buf_clear(b);
    if (pb_buf_is_inline(from)) {
        memcpy(pb_buf_inline(b), pb_buf_inline(from), PB_INLINE);
        b->root.size = from->root.size;
        pb_buf_remember_tail(b);
        pb_buf_clear(from);
        return;
    }
    (void)pb_buf_promote(b); /* empty: takes no page */
    b->root.size = from->root.size;
    b->root.bias = from->root.bias;
    b->root.levels = from->root.levels;
    b->root.shared = from->root.shared;
    memcpy(b->root.slot, from->root.slot, sizeof b->root.slot);
    memset(from->root.slot, 0, sizeof from->root.slot);
    forget(b);
    pb_buf_clear(from);
    pb_buf_remember_tail(b);
}

/* 1. share (may fail)  2. a buffer with a pin list stays a tree (may fail)  3. adopt */
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
    pb_buf_init(&copy, b->pool, PB_MAX_LEVELS);
    copy.root.frozen = PB_FROZEN_INTERNAL;
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
