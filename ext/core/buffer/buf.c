/* buffer/buf.c: the life of a buffer, ranges in and ranges out. */
#include "buffer/internal.h"
#include "pool/poison.h"
#include "pool/guard.h"

/* ---- level 0: no page is touched that is not there to be touched (I1, I2) ---- */

/* A page that an entry names at offset `off`. */
static inline bool
may_read(const pb_buf *b, pb_entry e, uint64_t off, uint64_t pages)
{
    bool good = pb_run_readable(b->pool, pb_entry_number(e), pages);
    if (PB_UNLIKELY(!good)) {
        pb_pool_found_bad(b->pool, b, pb_entry_frame(e), off);
    }
    return good;
}

/* ---- what is remembered ---- */

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
    pb_entry *at = recall(b->leaf_r, b->leaf_r_first, page);
    if (at) {
        return at;
    }
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    if (leaf.entry == NULL) {
        return NULL;
    }
    if (b->root.levels > 1) {
        b->leaf_r = leaf.entry;
        b->leaf_r_first = leaf.first;
    }
    return leaf.entry + (page - leaf.first);
}

/* The same in a tree that may share nodes: NULL unless the path is this tree's alone. */
static pb_entry *
look_up_owned_leaf(pb_buf *b, uint64_t page)
{
    pb_entry *at = recall(b->leaf_w, b->leaf_w_first, page);
    if (at) {
        return at;
    }
    pb_leaf leaf;
    if (!pb_tree_leaf_owned(b->pool, &b->root, page, &leaf)) {
        return NULL;
    }
    if (b->root.levels > 1) {
        b->leaf_w = leaf.entry;
        b->leaf_w_first = leaf.first;
    }
    return leaf.entry + (page - leaf.first);
}

/* The entry of a page, NULL where it or its path is shared: nowhere, in most trees. */
static inline pb_entry *
look_up_unshared(pb_buf *b, uint64_t page)
{
    if (PB_UNLIKELY(b->root.shared)) {
        pb_entry *at = look_up_owned_leaf(b, page);
        uint64_t frame = at ? pb_entry_number(pb_entry_load(at)) : 0;
        bool alone = frame && pb_frame_writable(b->pool, frame) &&
                     (PB_CHECKS || pb_frame_count(b->pool, (pb_frame)frame) == 1);
        return alone ? at : NULL;
    }
    pb_entry *at = recall(b->leaf_w, b->leaf_w_first, page);
    return at ? at : look_up(b, page);
}

/* The entry of a page that may be written, or NULL.  The long way finds out why it may not. */
static inline pb_entry *
look_up_owned(pb_buf *b, uint64_t page)
{
    pb_entry *at = look_up_unshared(b, page);
    if (at == NULL || *at == PB_HOLE) {
        return NULL;
    }
    uint64_t frame = pb_entry_number(pb_entry_load(at));
    bool owned = pb_frame_writable(b->pool, frame) &&
                 (!PB_UNLIKELY(b->pool->debug) ||
                  pb_guard_of(b->pool->root, (pb_frame)frame) == PB_OPEN);
    return owned ? at : NULL;
}

void
pb_buf_remember_tail(pb_buf *b)
{
    if (PB_UNLIKELY(b->root.frozen)) {
        b->root.tail_room = 0; /* so that every change comes by pb_buf_prepare */
        return;
    }
    if (pb_buf_is_inline(b)) {
        b->tail = pb_buf_inline(b) + b->root.size;
        b->root.tail_room = b->pool->debug ? 0 : (uint16_t)(PB_INLINE - b->root.size);
        return;
    }
    if (PB_UNLIKELY(b->pool->debug)) {
        pb_tail_fill(b);
        return;
    }
    uint64_t end = b->root.bias + b->root.size;
    uint32_t used = (uint32_t)(end & PB_PAGE_MASK);
    b->root.tail_room = 0;
    pb_entry *at = used ? look_up_owned(b, page_of(end)) : NULL;
    if (at && !(b->pins && b->pins->tail_written)) {
        b->tail = page_address(b, pb_entry_load(at)) + used;
        /* the page may reach further than the capacity, where a bias has shifted it */
        uint64_t most = pb_buf_capacity(b) - b->root.size;
        b->root.tail_room = (uint16_t)pb_min(PB_PAGE_SIZE - used, most);
    }
}

/* ---- life ---- */

static void
link_tree(pb_buf *b)
{
    pb_pool *root = b->pool->root;
    pb_lock_take(&root->lock);
    b->prev = NULL;
    b->next = root->bufs;
    if (b->next) {
        b->next->prev = b;
    }
    root->bufs = b;
    pb_lock_drop(&root->lock);
}

static void
unlink_tree(pb_buf *b)
{
    pb_pool *root = b->pool->root;
    pb_lock_take(&root->lock);
    if (b->next) {
        b->next->prev = b->prev;
    }
    if (b->prev) {
        b->prev->next = b->next;
    }
    else {
        root->bufs = b->next;
    }
    pb_lock_drop(&root->lock);
}

/* From a tree that is empty, or from nothing, to no tree at all. */
static void
become_inline(pb_buf *b)
{
    b->root.size = 0;
    b->root.levels = 0;
    b->root.shared = 0;
    memset(pb_buf_inline(b), 0, PB_INLINE);
    pb_buf_remember_tail(b);
}

void
pb_buf_init(pb_buf *b, pb_pool *pool, unsigned max_levels)
{
    memset(b, 0, sizeof *b);
    b->pool = pool;
    b->root.max_levels = (uint8_t)max_levels;
    if (PB_INLINE) {
        become_inline(b);
        return;
    }
    b->root.levels = 1;
    link_tree(b);
}

void
pb_buf_begin_anew(pb_buf *b, pb_pool *pool, unsigned max_levels)
{
    b->pool = pool;
    b->tail = NULL;
    b->root.size = 0;
    b->root.levels = PB_INLINE ? 0 : 1;
    b->root.max_levels = (uint8_t)max_levels;
    b->root.shared = 0;
    b->root.frozen = 0;
    memset((uint8_t *)b + PB_INLINE_AT, 0, sizeof *b - PB_INLINE_AT);
    pb_buf_remember_tail(b);
    if (!PB_INLINE) {
        link_tree(b);
    }
}

void
pb_buf_clear(pb_buf *b)
{
    if (!pb_buf_is_inline(b)) {
        (void)pb_buf_begin(b); /* damage is told, but cannot hold this up */
        forget(b);
        if (b->pins) {
            pb_pins_detach(b, 0, UINT64_MAX);
            b->pins->tail_written = false;
        }
        pb_tree_release(b->pool, &b->root);
        if (!PB_INLINE || b->pins) { /* with a pin list it stays a tree */
            return;
        }
        unlink_tree(b);
    }
    become_inline(b);
}

/* Reports do not name what is gone. */
static void
leave_reports(const pb_buf *b)
{
    pb_pool *root = b->pool->root;
    if (pb_acting_of(root)->tree == b) {
        pb_acting_of(root)->tree = NULL;
    }
    if (root->found.owner == b) {
        root->found.owner = NULL;
    }
    if (root->fault.owner == b) {
        root->fault.owner = NULL;
    }
}

void
pb_buf_fini(pb_buf *b)
{
    pb_buf_clear(b);
    if (!pb_buf_is_inline(b)) {
        pb_pins_close(b);
        unlink_tree(b);
    }
    leave_reports(b);
}

/* ---- tiny contents ---- */

pb_status
pb_buf_promote(pb_buf *b)
{
    uint8_t bytes[PB_INLINE + 1];
    uint64_t size = b->root.size;
    if (!pb_buf_is_inline(b)) {
        return PB_OK;
    }
    pb_set_actor(b->pool, b);
    pb_status st = pb_pool_reserve(b->pool, size != 0);
    if (st != PB_OK) {
        return st;
    }
    memcpy(bytes, pb_buf_inline(b), PB_INLINE);
    memset(pb_buf_inline(b), 0, PB_INLINE);
    b->root.levels = 1;
    b->root.tail_room = 0;
    b->tail = NULL;
    if (size) {
        uint32_t got;
        bool zero;
        pb_frame frame = pb_pool_take_run(b->pool, 0, 1, &got, &zero);
        uint8_t *at = pb_frame_address(b->pool, frame);
        pb_copy(at, bytes, size);
        pb_zero(at + size, zero ? 0 : PB_PAGE_SIZE - size);
        pb_entry_store(&b->root.slot[0], pb_entry_of(frame));
    }
    link_tree(b);
    return PB_OK;
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

/* ---- in: prepare ---- */

/* Pages [first, last] of positions [pos, end). */
typedef struct {
    uint64_t pos, end; /* bytes */
    uint64_t first, last;
    bool keep; /* the bytes are to stay; else they will be overwritten */
} span;

static inline span
span_of(uint64_t pos, uint64_t n, bool keep)
{
    return (span){pos, pos + n, page_of(pos), page_of(pos + n - 1), keep};
}

/* Does the caller overwrite the whole page? */
static inline bool
overwrites(const span *s, uint64_t page)
{
    return !s->keep && (page << PB_PAGE_SHIFT) >= s->pos &&
           ((page + 1) << PB_PAGE_SHIFT) <= s->end;
}

/* I4: what the caller does not overwrite of a page handed out is zero. */
static void
zero_around(uint8_t *at, const span *s, uint64_t page)
{
    uint64_t start = page << PB_PAGE_SHIFT;
    uint64_t from = s->keep ? PB_PAGE_SIZE : pb_max(s->pos, start) - start;
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

/* Link what pb_tree_need counted and the pool reserved.  Cannot fail. */
static void
own_pages(pb_buf *b, const span *s)
{
    pb_leaf leaf;
    for (uint64_t page = s->first; page <= s->last; page = leaf.end) {
        pb_tree_own_leaf(b->pool, &b->root, page, &leaf);
        own_leaf_pages(b, s, &leaf, page, pb_min(s->last, leaf.end - 1));
    }
    if (b->root.levels > 1) {
        b->leaf_w = leaf.entry;
        b->leaf_w_first = leaf.first;
    }
}

void
pb_buf_own(pb_buf *b, uint64_t pos, uint64_t n)
{
    span s = span_of(pos, n, false);
    own_pages(b, &s);
}

pb_status
pb_buf_raise_to(pb_buf *b, uint64_t end)
{
    unsigned levels = pb_tree_levels_for(end);
    if (levels > PB_MAX_LEVELS) {
        return PB_CAPACITY;
    }
    if (levels <= b->root.levels) {
        return PB_OK;
    }
    pb_status st = pb_pool_reserve(b->pool, pb_tree_raise_need(&b->root, levels));
    if (st == PB_OK) {
        pb_tree_raise(b->pool, &b->root, levels);
    }
    return st;
}

bool
pb_buf_fits(const pb_buf *b, uint64_t off, uint64_t n, uint64_t *end)
{
    return !pb_add_overflows(off, n, end) && *end <= pb_buf_capacity(b) &&
           !pb_add_overflows(pb_buf_bias(b), *end, end) && *end <= PB_REACH;
}

void
pb_buf_clean_tail(pb_buf *b)
{
    uint64_t end = b->root.bias + b->root.size;
    uint64_t used = end & PB_PAGE_MASK;
    uint8_t *at = used ? pb_buf_page(b, page_of(end)) : NULL;
    if (at) {
        pb_zero(at + used, PB_PAGE_SIZE - used);
    }
}

void
pb_buf_grow_to(pb_buf *b, uint64_t size)
{
    if (size <= b->root.size) {
        return;
    }
    b->root.tail_room = 0;
    if (pb_buf_is_inline(b)) {
        b->root.size = size;
        return;
    }
    bool dirty = b->pins && b->pins->tail_written;
    if (dirty) {
        pb_buf_clean_tail(b);
    }
    b->root.size = size;
    if (dirty) { /* the view goes on */
        b->pins->tail_written = pb_pins_cover(b->pins, page_of(b->root.bias + size));
    }
}

/* Levels first, then a reservation of frames; when that is refused the levels are given up again. */
static pb_status
speak_for_pages(pb_buf *b, const span *s, uint64_t end, uint64_t *need)
{
    pb_account_begin_trial(b->pool);
    pb_status st = pb_buf_raise_to(b, end);
    if (st == PB_OK) {
        *need = pb_tree_need(b->pool, &b->root, s->first, s->last);
        st = pb_pool_reserve(b->pool, *need);
        if (st != PB_OK) {
            forget(b);
            pb_buf_shrink(b);
        }
    }
    pb_account_end_trial(b->pool);
    return st;
}

static pb_status
prepare_tree(pb_buf *b, uint64_t off, uint64_t n, uint64_t end, bool keep)
{
    span s = span_of(b->root.bias + off, n, keep);
    if (s.first == s.last && end <= pb_reach(b->root.levels) && look_up_owned(b, s.first)) {
        pb_buf_grow_to(b, off + n);
        return PB_OK;
    }
    uint64_t need;
    pb_status st = speak_for_pages(b, &s, end, &need);
    if (st != PB_OK) {
        return st;
    }
    if (need && (off != b->root.size || b->root.shared)) {
        forget(b); /* frames may change under front and tail, nodes under the leaves */
    }
    uint64_t taken = pb_pool_taken(b->pool);
    own_pages(b, &s);
    pb_pool_give_rest(b->pool, need, taken);
    pb_buf_grow_to(b, off + n);
    return PB_OK;
}

static pb_status
prepare_inline(pb_buf *b, uint64_t off, uint64_t n, uint64_t end, bool keep)
{
    if (end <= PB_INLINE) {
        pb_buf_grow_to(b, end);
        return PB_OK;
    }
    pb_account_begin_trial(b->pool);
    pb_status st = pb_buf_promote(b);
    if (st == PB_OK) {
        st = prepare_tree(b, off, n, end, keep);
        if (st != PB_OK) {
            pb_buf_demote(b);
        }
    }
    pb_account_end_trial(b->pool);
    return st;
}

static pb_status
prepare(pb_buf *b, uint64_t off, uint64_t n, bool keep)
{
    uint64_t end;
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (!pb_buf_fits(b, off, n, &end)) {
        return PB_CAPACITY;
    }
    pb_set_actor(b->pool, b);
    if (pb_buf_is_inline(b)) {
        return prepare_inline(b, off, n, end, keep);
    }
    return pb_tail_close(b) ? prepare_tree(b, off, n, end, keep) : PB_CORRUPT;
}

pb_status
pb_buf_prepare(pb_buf *b, uint64_t off, uint64_t n)
{
    return prepare(b, off, n, false);
}

pb_status
pb_buf_prepare_kept(pb_buf *b, uint64_t off, uint64_t n)
{
    return prepare(b, off, n, true);
}

/* ---- copies ---- */

/* One contiguous stretch of the range [pos, end) of a tree. */
static uint64_t
stretch_at(const pb_buf *b, uint64_t pos, uint64_t end, uint8_t **address)
{
    uint64_t page = page_of(pos), last = page_of(end - 1);
    pb_leaf leaf = {b->leaf_r, b->leaf_r_first, b->leaf_r_first + PB_FANOUT};
    if (recall(b->leaf_r, b->leaf_r_first, page) == NULL) {
        pb_tree_leaf(b->pool, &b->root, page, &leaf);
    }
    uint64_t most = pb_min(last + 1, leaf.end) - page;
    *address = NULL;
    if (leaf.entry) {
        const pb_entry *at = &leaf.entry[page - leaf.first];
        pb_entry e = pb_entry_load(at);
        if (e == PB_HOLE) {
            most = holes_ahead(&leaf, page, page + most - 1);
        }
        else {
            most = pb_run_ahead(at, e, most);
            if (PB_LIKELY(may_read(b, e, pos - b->root.bias, most))) {
                *address = page_address(b, e) + (pos & PB_PAGE_MASK);
            }
        }
    }
    return pb_min(end, (page + most) << PB_PAGE_SHIFT) - pos;
}

uint64_t
pb_buf_stretch(const pb_buf *b, uint64_t off, uint64_t n, uint8_t **address)
{
    if (pb_buf_is_inline(b)) {
        *address = pb_buf_inline(b) + off;
        return n;
    }
    return stretch_at(b, b->root.bias + off, b->root.bias + off + n, address);
}

/* Is the foreign side of a copy a live view of this buffer?  No bytes may be nowhere. */
static inline bool
is_own_view(const pb_buf *b, const void *mem, uint64_t n)
{
    return PB_UNLIKELY(!pb_buf_is_inline(b) && b->pins) && n && pb_pins_touch(b, mem, n);
}

void
pb_buf_copy_in(const pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    const uint8_t *from = src;
    if (is_own_view(b, src, n)) {
        pb_pins_move(b, off, (uint8_t *)(uintptr_t)src, n, true);
        return;
    }
    while (n) {
        uint8_t *at;
        uint64_t len = pb_buf_stretch(b, off, n, &at);
        if (PB_LIKELY(at != NULL)) { /* prepared, so that else it is damaged, and noted */
            pb_copy(at, from, len);
        }
        from += len;
        off += len;
        n -= len;
    }
}

void
pb_buf_copy_out(const pb_buf *b, uint64_t off, void *dst, uint64_t n)
{
    uint8_t *to = dst;
    if (is_own_view(b, dst, n)) {
        pb_pins_move(b, off, dst, n, false);
        return;
    }
    while (n) {
        uint8_t *at;
        uint64_t len = pb_buf_stretch(b, off, n, &at);
        if (at) {
            pb_copy(to, at, len);
        }
        else {
            pb_zero(to, len);
        }
        to += len;
        off += len;
        n -= len;
    }
}

/* Does entry `at` of a page begin a run that holds n bytes from `in_page` on, as far as
 * the leaf goes? */
static inline bool
run_holds(const pb_buf *b, const pb_entry *at, uint64_t page, uint64_t in_page, uint64_t n)
{
    uint64_t pages = page_of(in_page + n - 1) + 1;
    if (PB_LIKELY(pages == 1)) {
        return true;
    }
    uint64_t left =
        b->root.levels > 1 ? PB_FANOUT - (page & (PB_FANOUT - 1)) : PB_ROOT_SLOTS - page;
    return pages <= left && pb_run_ahead(at, pb_entry_load(at), pages) == pages;
}

/* In more than one page. */
PB_NOINLINE static const uint8_t *
peek_run(const pb_buf *b, const pb_entry *at, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off;
    uint64_t in_page = pos & PB_PAGE_MASK;
    bool there = run_holds(b, at, page_of(pos), in_page, n) &&
                 may_read(b, pb_entry_load(at), off, page_of(in_page + n - 1) + 1);
    return there ? page_address(b, pb_entry_load(at)) + in_page : NULL;
}

/* Of the leaf that was remembered just now, or of the root. */
PB_NOINLINE static const uint8_t *
peek_bad(const pb_buf *b, const pb_entry *at, uint64_t in_page)
{
    uint64_t page = b->root.levels > 1 ? b->leaf_r_first + (uint64_t)(at - b->leaf_r)
                                       : (uint64_t)(at - b->root.slot);
    uint64_t off = (page << PB_PAGE_SHIFT) + in_page - b->root.bias;
    pb_pool_found_bad(b->pool, b, pb_entry_frame(pb_entry_load(at)), off);
    return NULL;
}

/* With the entry of the page at hand. */
PB_NOINLINE static const uint8_t *
peek_at(const pb_buf *b, const pb_entry *at, uint64_t off, uint64_t n)
{
    uint64_t in_page = (b->root.bias + off) & PB_PAGE_MASK;
    if (at == NULL || *at == PB_HOLE) {
        return NULL;
    }
    pb_entry e = pb_entry_load(at);
    if (PB_UNLIKELY(in_page + n > PB_PAGE_SIZE)) {
        return peek_run(b, at, off, n);
    }
    if (PB_LIKELY(pb_frame_readable(b->pool, pb_entry_number(e)))) {
        return page_address(b, e) + in_page;
    }
    return peek_bad(b, at, in_page);
}

PB_NOINLINE static const uint8_t *
peek_far(pb_buf *b, uint64_t off, uint64_t n)
{
    if (pb_buf_is_inline(b)) {
        return pb_buf_inline(b) + off;
    }
    return peek_at(b, look_up(b, page_of(b->root.bias + off)), off, n);
}

/* In the remembered leaf it takes no call. */
const uint8_t *
pb_buf_peek(pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t page = page_of(b->root.bias + off);
    const pb_entry *at =
        pb_buf_is_inline(b) ? NULL : recall(b->leaf_r, b->leaf_r_first, page);
    return PB_LIKELY(at != NULL) ? peek_at(b, at, off, n) : peek_far(b, off, n);
}

/* ---- in: write and extend ---- */

/* The place of bytes of one page in a remembered leaf that is this tree's alone, where
 * nothing is shared; NULL where it takes more to find out.  Calls nothing. */
static inline uint8_t *
writable_near(const pb_buf *b, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off, page = page_of(pos);
    uint64_t in_page = pos & PB_PAGE_MASK;
    bool plain = off < b->root.size && n <= b->root.size - off &&
                 in_page + n <= PB_PAGE_SIZE && !b->root.frozen && !b->root.shared &&
                 !pb_buf_is_inline(b) && !b->pool->debug;
    if (!plain) {
        return NULL;
    }
    const pb_entry *at = recall(b->leaf_w, b->leaf_w_first, page);
    at = at ? at : recall(b->leaf_r, b->leaf_r_first, page);
    if (at == NULL || *at == PB_HOLE) {
        return NULL;
    }
    pb_entry e = pb_entry_load(at);
    return pb_frame_writable(b->pool, pb_entry_number(e)) ? page_address(b, e) + in_page
                                                          : NULL;
}

/* Where [off, off + n) may be written at once: inside the size and inside one piece. */
static uint8_t *
writable_now(pb_buf *b, uint64_t off, uint64_t n)
{
    if (off >= b->root.size || n > b->root.size - off || b->root.frozen ||
        PB_UNLIKELY(b->pool->debug)) {
        return NULL;
    }
    if (pb_buf_is_inline(b)) {
        return pb_buf_inline(b) + off;
    }
    uint64_t pos = b->root.bias + off;
    uint64_t in_page = pos & PB_PAGE_MASK;
    pb_entry *at = look_up_unshared(b, page_of(pos));
    uint64_t pages = page_of(in_page + n - 1) + 1;
    if (at == NULL || *at == PB_HOLE ||
        (pages > 1 && (b->root.shared || !run_holds(b, at, page_of(pos), in_page, n)))) {
        return NULL;
    }
    pb_entry e = pb_entry_load(at);
    bool owned = pb_run_writable(b->pool, pb_entry_number(e), pages);
    return owned ? page_address(b, e) + in_page : NULL;
}

PB_NOINLINE static pb_status
write_far(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    uint8_t *at = writable_now(b, off, n);
    if (at) {
        pb_copy(at, src, n);
        return PB_OK;
    }
    uint64_t old = b->root.size;
    if (!pb_buf_may_use(b, src, n)) {
        return PB_CORRUPT;
    }
    pb_status st = pb_buf_prepare(b, off, n);
    if (st == PB_OK) {
        pb_buf_copy_in(b, off, src, n);
        if (b->root.size != old || b->pool->debug) {
            pb_buf_remember_tail(b);
        }
    }
    return st;
}

pb_status
pb_buf_write(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    uint8_t *at = writable_near(b, off, n);
    if (PB_UNLIKELY(at == NULL)) {
        return write_far(b, off, src, n);
    }
    pb_copy(at, src, n);
    return PB_OK;
}

/* The entry where an append of up to a page needs its one new page: a hole in the leaf
 * last written to.  NULL when the case is not so plain. */
static inline pb_entry *
next_entry(pb_buf *b, uint64_t n)
{
    uint64_t end = b->root.bias + b->root.size;
    uint64_t left = (0 - end) & PB_PAGE_MASK; /* of the tail page */
    bool plain = b->root.tail_room == left && n > left && n - left <= PB_PAGE_SIZE &&
                 !pb_buf_is_inline(b) && !b->root.shared && !b->root.frozen && !b->pins &&
                 !b->pool->debug && b->root.size + n <= pb_buf_capacity(b);
    pb_entry *at = plain ? recall(b->leaf_w, b->leaf_w_first, page_of(end + left)) : NULL;
    return at && *at == PB_HOLE ? at : NULL;
}

/* Append to the tail page and to one new page.  false: not so plain, or no frame at hand;
 * nothing has changed. */
static bool
append_page(pb_buf *b, const uint8_t *src, uint64_t n)
{
    pb_entry *at = next_entry(b, n);
    if (at == NULL) {
        return false;
    }
    bool has_before = b->root.bias == 0 && at != b->leaf_w;
    bool zero;
    pb_set_actor(b->pool, b);
    pb_frame frame = pb_pool_take_one(
        b->pool, has_before ? pb_entry_frame(pb_entry_load(at - 1)) : 0, &zero);
    if (frame == 0) {
        return false;
    }
    uint64_t left = b->root.tail_room, rest = n - left;
    uint8_t *page = pb_frame_address(b->pool, frame);
    pb_entry_store(at, pb_entry_of(frame));
    if (left) {
        pb_copy(b->tail, src, left);
    }
    pb_copy(page, src + left, rest);
    if (!zero) { /* I4 */
        pb_zero(page + rest, PB_PAGE_SIZE - rest);
    }
    b->root.size += n;
    b->tail = page + rest;
    b->root.tail_room =
        (uint16_t)pb_min(PB_PAGE_SIZE - rest, pb_buf_capacity(b) - b->root.size);
    return true;
}

pb_status
pb_buf_extend_slow(pb_buf *b, const void *src, uint64_t n)
{
    uint64_t off = b->root.size;
    if (append_page(b, src, n)) {
        return PB_OK;
    }
    if (!pb_buf_may_use(b, src, n)) {
        return PB_CORRUPT;
    }
    pb_status st = pb_buf_prepare(b, off, n);
    if (st == PB_OK) {
        pb_buf_copy_in(b, off, src, n);
        pb_buf_remember_tail(b);
    }
    return st;
}
