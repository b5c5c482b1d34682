/* pb_buf.c: ranges in, ranges out, ranges away. */
#include "pb_buf.h"

static inline uint64_t
page_of(uint64_t pos)
{
    return pos >> PB_PAGE_SHIFT;
}

/* ---- what is remembered ---- */

static inline void
forget(pb_buf *b)
{
    b->seen = b->mine = NULL;
    b->tail = b->front = NULL;
    b->root.room = 0;
}

/* The entry of a page in the remembered leaf, or NULL. */
static inline pb_entry *
recall(pb_entry *leaf, uint64_t first, uint64_t page)
{
    return leaf && page - first < PB_FANOUT ? leaf + (page - first) : NULL;
}

/* The leaf with `page`, remembered when it is a node. */
static pb_entry *
look_up(pb_buf *b, uint64_t page)
{
    pb_entry *at = recall(b->seen, b->seen_first, page);
    if (at) {
        return at;
    }
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    if (leaf.entry == NULL) {
        return NULL;
    }
    if (b->root.levels > 1) {
        b->seen = leaf.entry;
        b->seen_first = leaf.first;
    }
    return leaf.entry + (page - leaf.first);
}

static inline uint8_t *
page_address(const pb_buf *b, pb_entry e)
{
    return pb_frame_address(b->pool, pb_entry_frame(e));
}

/* The entry of a page that may be written: owned with all of its path, or NULL.  Where
 * nothing is shared every page that is there is owned. */
static pb_entry *
look_up_owned(pb_buf *b, uint64_t page)
{
    pb_entry *at = b->root.shared ? recall(b->mine, b->mine_first, page)
                                  : look_up(b, page);
    if (at == NULL || *at == PB_HOLE) {
        return NULL;
    }
    if (b->root.shared &&
        pb_frame_count(b->pool, pb_entry_frame(pb_entry_load(at))) > 1) {
        return NULL;
    }
    return at;
}

void
pb_buf_remember_tail(pb_buf *b)
{
    uint64_t end = b->root.bias + b->root.size;
    uint32_t used = (uint32_t)(end & PB_PAGE_MASK);
    b->root.room = 0;
    pb_entry *at = used ? look_up_owned(b, page_of(end)) : NULL;
    if (at) {
        b->tail = page_address(b, pb_entry_load(at)) + used;
        /* the page may reach further than the capacity, where a bias has shifted it */
        uint64_t most = pb_buf_capacity(b) - b->root.size;
        b->root.room = (uint16_t)pb_min(PB_PAGE_SIZE - used, most);
    }
}

static void
remember_front(pb_buf *b)
{
    pb_entry *at = look_up(b, page_of(b->root.bias));
    b->front = at && *at != PB_HOLE ? page_address(b, pb_entry_load(at)) : NULL;
}

/* ---- life ---- */

void
pb_buf_init(pb_buf *b, pb_pool *pool, unsigned max_levels)
{
    memset(b, 0, sizeof *b);
    b->pool = pool;
    b->root.levels = 1;
    b->root.max_levels = (uint8_t)max_levels;
    pb_lock_take(&pool->lock);
    b->next = pool->bufs;
    if (b->next) {
        b->next->prev = b;
    }
    pool->bufs = b;
    pb_lock_drop(&pool->lock);
}

void
pb_buf_fini(pb_buf *b)
{
    pb_pool *pool = b->pool;
    pb_buf_clear(b);
    pb_lock_take(&pool->lock);
    if (b->next) {
        b->next->prev = b->prev;
    }
    if (b->prev) {
        b->prev->next = b->next;
    }
    else {
        pool->bufs = b->next;
    }
    pb_lock_drop(&pool->lock);
}

/* ---- in: prepare ---- */

/* Pages [first, last] of positions [pos, pos + n). */
typedef struct {
    uint64_t pos, end; /* bytes */
    uint64_t first, last;
} span;

static inline span
span_of(uint64_t pos, uint64_t n)
{
    return (span){pos, pos + n, page_of(pos), page_of(pos + n - 1)};
}

/* Does the caller overwrite the whole page? */
static inline bool
overwrites(const span *s, uint64_t page)
{
    return (page << PB_PAGE_SHIFT) >= s->pos && ((page + 1) << PB_PAGE_SHIFT) <= s->end;
}

/* I4: what the caller does not overwrite of a page handed out is zero. */
static void
zero_around(uint8_t *at, const span *s, uint64_t page)
{
    uint64_t start = page << PB_PAGE_SHIFT;
    uint64_t from = pb_max(s->pos, start) - start;
    uint64_t to = pb_min(s->end - start, PB_PAGE_SIZE);
    pb_zero(at, from);
    pb_zero(at + to, PB_PAGE_SIZE - to);
}

/* The frame that the next one had best follow.  A buffer that is consumed from the front
 * takes what it has just freed, warm: so it runs round in the same frames. */
static inline pb_frame
frame_before(const pb_buf *b, const pb_leaf *leaf, uint64_t i)
{
    return i && b->root.bias == 0 ? pb_entry_frame(pb_entry_load(&leaf->entry[i - 1])) : 0;
}

/* Fill a stretch of holes in a leaf with frames, neighbours where there are any. */
static void
fill_holes(pb_buf *b, const span *s, pb_leaf *leaf, uint64_t page, uint64_t n)
{
    while (n) {
        uint64_t i = page - leaf->first;
        pb_frame after = frame_before(b, leaf, i);
        uint32_t got;
        bool zero;
        pb_frame frame = pb_pool_take_run(b->pool, after, (uint32_t)n, &got, &zero);
        for (uint32_t k = 0; k < got; k++) {
            pb_entry_store(&leaf->entry[i + k], pb_entry_of(frame + k));
            if (!zero && !overwrites(s, page + k)) {
                zero_around(pb_frame_address(b->pool, frame + k), s, page + k);
            }
        }
        page += got;
        n -= got;
    }
}

static uint64_t
holes_ahead(const pb_leaf *leaf, uint64_t page, uint64_t last)
{
    uint64_t n = 0;
    while (page + n <= last && leaf->entry[page + n - leaf->first] == PB_HOLE) {
        n++;
    }
    return n;
}

static void
own_leaf_pages(pb_buf *b, const span *s, pb_leaf *leaf, uint64_t page, uint64_t last)
{
    while (page <= last) {
        uint64_t n = holes_ahead(leaf, page, last);
        if (n) {
            fill_holes(b, s, leaf, page, n);
            page += n;
        }
        else {
            pb_tree_own_page(b->pool, &b->root, &leaf->entry[page - leaf->first],
                             overwrites(s, page));
            page++;
        }
    }
}

/* Link what pb_tree_need counted and the pool promised.  Cannot fail. */
static void
own_pages(pb_buf *b, const span *s)
{
    pb_leaf leaf;
    for (uint64_t page = s->first; page <= s->last; page = leaf.end) {
        pb_tree_own_leaf(b->pool, &b->root, page, &leaf);
        own_leaf_pages(b, s, &leaf, page, pb_min(s->last, leaf.end - 1));
    }
    if (b->root.levels > 1) {
        b->mine = leaf.entry;
        b->mine_first = leaf.first;
    }
}

static pb_status
raise_to(pb_buf *b, uint64_t end)
{
    unsigned levels = pb_tree_levels_for(end);
    if (levels > PB_MAX_LEVELS) {
        return PB_CAPACITY;
    }
    if (levels <= b->root.levels) {
        return PB_OK;
    }
    pb_status st = pb_pool_promise(b->pool, pb_tree_raise_need(&b->root, levels));
    if (st == PB_OK) {
        pb_tree_raise(b->pool, &b->root, levels);
    }
    return st;
}

/* Does [off, off + n) fit the capacity (I8)?  *end is its end as a tree position. */
static bool
fits(const pb_buf *b, uint64_t off, uint64_t n, uint64_t *end)
{
    return !pb_add_overflows(off, n, end) && *end <= pb_buf_capacity(b) &&
           !pb_add_overflows(b->root.bias, *end, end) && *end <= PB_REACH;
}

/* The buffer is at least `size` long; a tail that lies further on is not remembered. */
static inline void
cover(pb_buf *b, uint64_t size)
{
    if (size > b->root.size) {
        b->root.size = size;
        b->root.room = 0;
    }
}

/* 1. is it in reach?  2. levels  3. speak for the frames  4. link them.  When 3 fails
 * the levels of 2 are given up again. */
pb_status
pb_buf_prepare(pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t end;
    if (!fits(b, off, n, &end)) {
        return PB_CAPACITY;
    }
    span s = span_of(b->root.bias + off, n);
    bool reached = end <= pb_reach(b->root.levels);
    if (reached && s.first == s.last && look_up_owned(b, s.first)) {
        cover(b, off + n);
        return PB_OK;
    }
    pb_status st = raise_to(b, end);
    if (st != PB_OK) {
        return st;
    }
    uint64_t need = pb_tree_need(b->pool, &b->root, s.first, s.last);
    st = pb_pool_promise(b->pool, need);
    if (st != PB_OK) {
        forget(b);
        pb_tree_settle(b->pool, &b->root);
        return st;
    }
    if (need && (off != b->root.size || b->root.shared)) {
        forget(b); /* frames may change under front and tail, nodes under the leaves */
    }
    own_pages(b, &s);
    cover(b, off + n);
    return PB_OK;
}

/* ---- copies ---- */

/* How many entries from `at` on name consecutive frames at consecutive addresses. */
static uint64_t
run_ahead(const pb_entry *at, pb_entry e, uint64_t most)
{
    pb_frame frame = pb_entry_frame(e);
    most = pb_min(most, pb_region_end(pb_region_of(frame)) - frame);
    uint64_t n = 1;
    while (n < most && pb_entry_load(&at[n]) == e + (n << PB_ENTRY_SHIFT)) {
        n++;
    }
    return n;
}

/* One contiguous stretch of the range [pos, end): where it lies (NULL: a hole) and how
 * long it is. */
static uint64_t
stretch_at(const pb_buf *b, uint64_t pos, uint64_t end, uint8_t **address)
{
    uint64_t page = page_of(pos), last = page_of(end - 1);
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    uint64_t most = pb_min(last + 1, leaf.end) - page;
    *address = NULL;
    if (leaf.entry) {
        const pb_entry *at = &leaf.entry[page - leaf.first];
        pb_entry e = pb_entry_load(at);
        if (e == PB_HOLE) {
            most = holes_ahead(&leaf, page, page + most - 1);
        }
        else {
            most = run_ahead(at, e, most);
            *address = page_address(b, e) + (pos & PB_PAGE_MASK);
        }
    }
    return pb_min(end, (page + most) << PB_PAGE_SHIFT) - pos;
}

void
pb_buf_copy_in(const pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    uint64_t pos = b->root.bias + off, end = pos + n;
    const uint8_t *from = src;
    while (pos < end) {
        uint8_t *at;
        uint64_t len = stretch_at(b, pos, end, &at);
        pb_copy(at, from, len);
        from += len;
        pos += len;
    }
}

void
pb_buf_copy_out(const pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    uint64_t pos = b->root.bias + off, end = pos + n;
    uint8_t *to = dst;
    while (pos < end) {
        uint8_t *at;
        uint64_t len = stretch_at(b, pos, end, &at);
        if (at) {
            pb_copy(to, at, len);
        }
        else {
            pb_zero(to, len);
        }
        to += len;
        pos += len;
    }
}

const uint8_t *
pb_buf_peek(pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off;
    uint64_t in_page = pos & PB_PAGE_MASK;
    if (in_page + n > PB_PAGE_SIZE) {
        return NULL;
    }
    pb_entry *at = look_up(b, page_of(pos));
    return at && *at != PB_HOLE ? page_address(b, pb_entry_load(at)) + in_page : NULL;
}

/* ---- in: write and extend ---- */

pb_status
pb_buf_write(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    uint64_t pos = b->root.bias + off;
    uint64_t in_page = pos & PB_PAGE_MASK;
    if (off < b->root.size && n <= b->root.size - off && in_page + n <= PB_PAGE_SIZE) {
        pb_entry *at = look_up_owned(b, page_of(pos));
        if (PB_LIKELY(at != NULL)) {
            pb_copy(page_address(b, pb_entry_load(at)) + in_page, src, n);
            return PB_OK;
        }
    }
    uint64_t old = b->root.size;
    pb_status st = pb_buf_prepare(b, off, n);
    if (st == PB_OK) {
        pb_buf_copy_in(b, off, src, n);
        if (b->root.size != old) {
            pb_buf_remember_tail(b);
        }
    }
    return st;
}

pb_status
pb_buf_extend_slow(pb_buf *b, const void *src, uint64_t n)
{
    uint64_t off = b->root.size;
    pb_status st = pb_buf_prepare(b, off, n);
    if (st == PB_OK) {
        pb_buf_copy_in(b, off, src, n);
        pb_buf_remember_tail(b);
    }
    return st;
}

/* ---- away ---- */

pb_status
pb_buf_drop_front(pb_buf *b, uint64_t n)
{
    pb_root *root = &b->root;
    uint64_t first = page_of(root->bias), last = page_of(root->bias + n);
    bool all = n == root->size;
    if (!all && last > first) {
        pb_status st = pb_pool_promise(
            b->pool, pb_tree_drop_need(b->pool, root, first, last - 1));
        if (st != PB_OK) {
            return st;
        }
        b->seen = b->mine = NULL; /* their nodes may go */
        pb_tree_drop(b->pool, root, first, last - 1);
    }
    root->bias += n;
    root->size -= n;
    if (all) {
        pb_buf_clear(b);
    }
    else {
        if (last > first) {
            pb_tree_settle(b->pool, root);
        }
        remember_front(b);
    }
    return PB_OK;
}

static bool
is_hole(const pb_buf *b, uint64_t page)
{
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    return leaf.entry == NULL || leaf.entry[page - leaf.first] == PB_HOLE;
}

/* A range to be wiped: pages [first, past) wholly inside it, and up to two edges. */
typedef struct {
    uint64_t pos, end, first, past;
    uint64_t edge[2];
    unsigned edges;
} wiping;

static void
add_edge(const pb_buf *b, wiping *w, uint64_t pos)
{
    uint64_t page = page_of(pos);
    bool twice = w->edges && w->edge[0] == page;
    if ((pos & PB_PAGE_MASK) && !twice && !is_hole(b, page)) {
        w->edge[w->edges++] = page;
    }
}

static wiping
wiping_of(const pb_buf *b, uint64_t pos, uint64_t end)
{
    wiping w = {pos, end, page_of(pos + PB_PAGE_MASK), page_of(end), {0, 0}, 0};
    add_edge(b, &w, pos);
    add_edge(b, &w, end);
    return w;
}

static uint64_t
need_to_wipe(const pb_buf *b, const wiping *w)
{
    uint64_t need = 0;
    if (w->first < w->past) {
        need = pb_tree_drop_need(b->pool, &b->root, w->first, w->past - 1);
    }
    for (unsigned i = 0; i < w->edges; i++) {
        need += pb_tree_need(b->pool, &b->root, w->edge[i], w->edge[i]);
    }
    return need;
}

/* Own an edge page and clear its part of the range.  Returns the frames that took. */
static uint64_t
wipe_edge(pb_buf *b, const wiping *w, uint64_t page)
{
    uint64_t used = pb_tree_need(b->pool, &b->root, page, page);
    uint64_t start = page << PB_PAGE_SHIFT;
    pb_leaf leaf;
    pb_tree_own_leaf(b->pool, &b->root, page, &leaf);
    pb_entry *at = &leaf.entry[page - leaf.first];
    pb_tree_own_page(b->pool, &b->root, at, false);
    uint64_t from = pb_max(w->pos, start), to = pb_min(w->end, start + PB_PAGE_SIZE);
    pb_zero(page_address(b, pb_entry_load(at)) + (from - start), to - from);
    return used;
}

/* Make [pos, end) zeros: pages wholly inside are dropped, edges are cleared.
 * 1. speak for what shared pages and nodes need  2. drop  3. clear  4. give back what
 * was counted twice (a node on the way to both). */
static pb_status
wipe(pb_buf *b, uint64_t pos, uint64_t end)
{
    wiping w = wiping_of(b, pos, end);
    uint64_t need = need_to_wipe(b, &w);
    pb_status st = pb_pool_promise(b->pool, need);
    if (st != PB_OK) {
        return st;
    }
    forget(b);
    if (w.first < w.past) {
        need -= pb_tree_drop_need(b->pool, &b->root, w.first, w.past - 1);
        pb_tree_drop(b->pool, &b->root, w.first, w.past - 1);
    }
    for (unsigned i = 0; i < w.edges; i++) {
        need -= wipe_edge(b, &w, w.edge[i]);
    }
    pb_pool_unpromise(b->pool, need);
    return PB_OK;
}

pb_status
pb_buf_truncate(pb_buf *b, uint64_t size)
{
    pb_root *root = &b->root;
    uint64_t end;
    if (size >= root->size) {
        if (!fits(b, 0, size, &end)) {
            return PB_CAPACITY;
        }
        pb_status st = raise_to(b, end);
        if (st == PB_OK && size != root->size) {
            root->size = size;
            b->root.room = 0;
        }
        return st;
    }
    if (size == 0) {
        pb_buf_clear(b);
        return PB_OK;
    }
    /* to the end of the page, so that a whole last page is dropped, not cleared */
    uint64_t past = (root->bias + root->size + PB_PAGE_MASK) & ~(uint64_t)PB_PAGE_MASK;
    pb_status st = wipe(b, root->bias + size, past);
    if (st == PB_OK) {
        root->size = size;
        pb_tree_settle(b->pool, root);
    }
    return st;
}

pb_status
pb_buf_punch(pb_buf *b, uint64_t off, uint64_t n)
{
    pb_root *root = &b->root;
    if (off >= root->size || n == 0) {
        return PB_OK;
    }
    uint64_t pos = root->bias + off, end = pos + pb_min(n, root->size - off);
    if (end == root->bias + root->size) {
        end = (end + PB_PAGE_MASK) & ~(uint64_t)PB_PAGE_MASK;
    }
    if (off == 0) { /* nothing before the bias is in use */
        pos &= ~(uint64_t)PB_PAGE_MASK;
    }
    return wipe(b, pos, end);
}

void
pb_buf_clear(pb_buf *b)
{
    forget(b);
    pb_tree_release(b->pool, &b->root);
}

/* ---- looking in ---- */

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
count_below(const pb_pool *pool, pb_entry e, unsigned h, pb_usage *use)
{
    pb_frame frame = pb_entry_frame(e);
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

void
pb_buf_usage(const pb_buf *b, pb_usage *use)
{
    *use = (pb_usage){0, 0, 0};
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        if (b->root.slot[i] != PB_HOLE) {
            count_below(b->pool, pb_entry_load(&b->root.slot[i]), b->root.levels - 1u, use);
        }
    }
}
