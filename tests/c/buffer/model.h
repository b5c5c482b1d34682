/* model.h: what a buffer should be, kept the plain way: a sorted list of sheets of paper.
 *
 * Positions are tree positions (bias + offset), so the model also knows bias and levels,
 * by the definitions of the design and without any tree. */
#ifndef PB_TEST_MODEL_H
#define PB_TEST_MODEL_H

#include "buffer/share.h"
#include "support.h"

typedef struct {
    uint64_t number; /* of the page in the tree */
    uint8_t bytes[PB_PAGE_SIZE];
} sheet;

typedef struct {
    uint64_t size, bias;
    unsigned levels, max_levels;
    uint64_t shifted; /* bytes that positions fell by so far */
    bool pins;        /* has or had a pin list: never tiny again */
    bool tiny;        /* in the object itself; sheet 0 keeps the bytes, but is no page */
    sheet **sheet;    /* sorted by number */
    size_t sheets, room;
} model;

static inline void
model_init(model *m, unsigned max_levels)
{
    *m = (model){.levels = 1, .max_levels = max_levels, .tiny = PB_INLINE > 0};
}

static inline void
model_clear(model *m)
{
    while (m->sheets) {
        free(m->sheet[--m->sheets]);
    }
    m->size = m->bias = 0;
    m->levels = 1;
    m->tiny = PB_INLINE > 0 && !m->pins;
}

static inline void
model_fini(model *m)
{
    model_clear(m);
    free(m->sheet);
    m->sheet = NULL;
}

/* The first sheet with this number or a higher one. */
static inline size_t
model_find(const model *m, uint64_t number)
{
    size_t lo = 0, hi = m->sheets;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (m->sheet[mid]->number < number) {
            lo = mid + 1;
        }
        else {
            hi = mid;
        }
    }
    return lo;
}

static inline sheet *
model_sheet(const model *m, uint64_t number)
{
    size_t i = model_find(m, number);
    return i < m->sheets && m->sheet[i]->number == number ? m->sheet[i] : NULL;
}

static inline sheet *
model_make_sheet(model *m, uint64_t number)
{
    sheet *s = model_sheet(m, number);
    if (s) {
        return s;
    }
    if (m->sheets == m->room) {
        m->room = m->room ? 2 * m->room : 16;
        m->sheet = realloc(m->sheet, m->room * sizeof *m->sheet);
    }
    size_t i = model_find(m, number);
    memmove(m->sheet + i + 1, m->sheet + i, (m->sheets - i) * sizeof *m->sheet);
    m->sheets++;
    m->sheet[i] = s = calloc(1, sizeof *s);
    s->number = number;
    return s;
}

/* Take away the sheets [first, past). */
static inline void
model_remove(model *m, uint64_t first, uint64_t past)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->sheets; i++) {
        if (m->sheet[i]->number >= first && m->sheet[i]->number < past) {
            free(m->sheet[i]);
        }
        else {
            m->sheet[kept++] = m->sheet[i];
        }
    }
    m->sheets = kept;
}

static inline void
model_copy(model *to, const model *from)
{
    model_init(to, from->max_levels);
    for (size_t i = 0; i < from->sheets; i++) {
        *model_make_sheet(to, from->sheet[i]->number) = *from->sheet[i];
    }
    to->size = from->size;
    to->bias = from->bias;
    to->levels = from->levels;
    to->tiny = from->tiny;
}

/* ---- the shape ---- */

static inline uint64_t
page_number(uint64_t pos)
{
    return pos >> PB_PAGE_SHIFT;
}

/* Bytes that a page, a leaf node, ... reach: of an entry of height h. */
static inline uint64_t
span_bytes(unsigned h)
{
    return (uint64_t)PB_PAGE_SIZE << (h * PB_NODE_BITS);
}

static inline bool
model_fits(const model *m, uint64_t off, uint64_t n)
{
    uint64_t most = 4 * span_bytes(m->max_levels - 1);
    return off <= most && n <= most - off && m->bias + off + n <= (uint64_t)1 << 59;
}

/* Check the status of a call that grows to off + n.  True if it succeeded. */
static inline bool
model_lets(const model *m, uint64_t off, uint64_t n, pb_status st)
{
    bool fits = model_fits(m, off, n);
    CHECK_EQ(st, fits ? PB_OK : PB_CAPACITY);
    return fits;
}

/* As many levels as it takes to reach the end. */
static inline void
model_raise(model *m, uint64_t end)
{
    while (4 * span_bytes(m->levels - 1) < m->bias + end) {
        m->levels++;
    }
}

static inline void
model_shift_down(model *m, uint64_t bytes)
{
    m->bias -= bytes;
    m->shifted += bytes;
    for (size_t i = 0; i < m->sheets; i++) {
        m->sheet[i]->number -= page_number(bytes);
    }
}

/* Drop root slots before the front, and a level if four entries below it suffice. */
static inline void
model_shrink(model *m)
{
    if (m->size == 0) {
        model_clear(m);
        return;
    }
    uint64_t slot = span_bytes(m->levels - 1);
    model_shift_down(m, m->bias / slot * slot);
    while (m->levels > 1) {
        uint64_t below_it = span_bytes(m->levels - 2);
        uint64_t first = m->bias / below_it, last = (m->bias + m->size - 1) / below_it;
        if (last - first > 3) {
            break;
        }
        model_shift_down(m, first * below_it);
        m->levels--;
    }
}

static inline uint64_t
model_nodes(const model *m)
{
    uint64_t n = 0;
    for (unsigned h = 1; h < m->levels; h++) {
        for (size_t i = 0; i < m->sheets; i++) {
            uint64_t at = m->sheet[i]->number >> (h * PB_NODE_BITS);
            n += i == 0 || m->sheet[i - 1]->number >> (h * PB_NODE_BITS) != at;
        }
    }
    return n;
}

/* Tiny contents move to a page, if there are any. */
static inline void
model_promote(model *m)
{
    if (m->tiny && m->size) {
        model_make_sheet(m, 0);
    }
    m->tiny = false;
}

/* ---- the calls ---- */

/* src == NULL: the pages are made, their bytes stay (pb_buf_prepare). */
static inline void
model_write(model *m, uint64_t off, const uint8_t *src, uint64_t n)
{
    if (off + n > PB_INLINE) {
        model_promote(m);
    }
    model_raise(m, off + n);
    for (uint64_t pos = m->bias + off, end = pos + n; pos < end;) {
        uint64_t in = pos & PB_PAGE_MASK, len = pb_min(PB_PAGE_SIZE - in, end - pos);
        sheet *s = model_make_sheet(m, page_number(pos));
        if (src) {
            memcpy(s->bytes + in, src, len);
            src += len;
        }
        pos += len;
    }
    m->size = pb_max(m->size, off + n);
}

static inline void
model_read(const model *m, uint64_t off, uint8_t *dst, uint64_t n)
{
    for (uint64_t pos = m->bias + off, end = pos + n; pos < end;) {
        uint64_t in = pos & PB_PAGE_MASK, len = pb_min(PB_PAGE_SIZE - in, end - pos);
        const sheet *s = model_sheet(m, page_number(pos));
        if (s) {
            memcpy(dst, s->bytes + in, len);
        }
        else {
            memset(dst, 0, len);
        }
        dst += len;
        pos += len;
    }
}

/* Clear the existing bytes of [off, off + n). */
static inline void
model_wipe(model *m, uint64_t off, uint64_t n)
{
    uint64_t from = m->bias + off, to = from + n;
    for (size_t i = 0; i < m->sheets; i++) {
        uint64_t start = m->sheet[i]->number << PB_PAGE_SHIFT;
        uint64_t lo = pb_max(from, start), hi = pb_min(to, start + PB_PAGE_SIZE);
        if (lo < hi) {
            memset(m->sheet[i]->bytes + (lo - start), 0, hi - lo);
        }
    }
}

static inline void
model_truncate(model *m, uint64_t size)
{
    if (size >= m->size) {
        if (size > PB_INLINE) {
            model_promote(m);
        }
        model_raise(m, size);
        m->size = size;
        return;
    }
    model_wipe(m, size, m->size - size);
    m->size = size;
    if (size && !m->tiny) {
        model_remove(m, page_number(m->bias + size - 1) + 1, UINT64_MAX);
    }
    model_shrink(m);
}

/* A page goes if no byte of it inside the buffer lies outside the range. */
static inline void
model_punch(model *m, uint64_t off, uint64_t n)
{
    if (off >= m->size || n == 0) {
        return;
    }
    n = pb_min(n, m->size - off);
    model_wipe(m, off, n);
    if (m->tiny) {
        return;
    }
    uint64_t first = page_number(m->bias + off + (off ? PB_PAGE_MASK : 0));
    uint64_t past = page_number(m->bias + off + n);
    if (off + n == m->size) {
        past = page_number(m->bias + off + n + PB_PAGE_MASK);
    }
    model_remove(m, first, past);
}

static inline void
model_drop_front(model *m, uint64_t n)
{
    if (m->tiny && n < m->size && m->size <= PB_PAGE_SIZE) {
        uint8_t *bytes = model_make_sheet(m, 0)->bytes;
        m->size -= n;
        memmove(bytes, bytes + n, m->size);
        memset(bytes + m->size, 0, n);
        return;
    }
    m->bias += n;
    m->size -= n;
    model_remove(m, 0, page_number(m->bias));
    model_shrink(m);
}

/* ---- are they the same? ---- */

/* The next range with sheets, as pb_buf_next_data finds it. */
static inline bool
model_next_data(const model *m, uint64_t off, uint64_t *start, uint64_t *end)
{
    if (off >= m->size) {
        return false;
    }
    if (m->tiny) {
        *start = off;
        *end = m->size;
        return true;
    }
    size_t i = model_find(m, page_number(m->bias + off));
    if (i == m->sheets) {
        return false;
    }
    uint64_t first = m->sheet[i]->number, past = first;
    for (; i < m->sheets && m->sheet[i]->number == past; i++) {
        past++;
    }
    *start = pb_max(m->bias + off, first << PB_PAGE_SHIFT) - m->bias;
    *end = pb_min(m->bias + m->size, past << PB_PAGE_SHIFT) - m->bias;
    return true;
}

static inline void
agree_on_extents(const pb_buf *b, const model *m)
{
    uint64_t off = 0, start, end, want_start, want_end;
    while (model_next_data(m, off, &want_start, &want_end)) {
        CHECK(pb_buf_next_data(b, off, &start, &end));
        CHECK_EQ(start, want_start);
        CHECK_EQ(end, want_end);
        off = end;
    }
    CHECK(!pb_buf_next_data(b, off, &start, &end));
}

static inline void
agree_on_range(const pb_buf *b, const model *m, uint64_t off, uint64_t n)
{
    uint8_t *got = malloc(n + 2), *want = malloc(n + 1);
    got[0] = got[n + 1] = 0x99; /* a copy writes nothing beside its place */
    pb_buf_copy_out(b, off, got + 1, n);
    model_read(m, off, want, n);
    bool kept = got[0] == 0x99 && got[n + 1] == 0x99;
    bool same = n == 0 || memcmp(got + 1, want, n) == 0;
    uint64_t i = 0;
    while (!same && got[1 + i] == want[i]) {
        i++;
    }
    uint8_t g = n ? got[1 + i] : 0, w = n ? want[i] : 0;
    free(got);
    free(want);
    CHECK(kept);
    if (!same) {
        fail_at(__FILE__, __LINE__,
                "byte %" PRIu64 " of %" PRIu64 ": expected 0x%02x, got 0x%02x", off + i,
                b->root.size, w, g);
    }
}

#define WHOLE_READ ((uint64_t)48 << PB_PAGE_SHIFT)

/* Compare all bytes at once if they are few; else only the pages that exist. */
static inline void
agree_on_bytes(const pb_buf *b, const model *m)
{
    if (m->size <= WHOLE_READ) {
        agree_on_range(b, m, 0, m->size);
        return;
    }
    for (size_t i = 0; i < m->sheets; i++) {
        uint64_t start = m->sheet[i]->number << PB_PAGE_SHIFT;
        uint64_t lo = pb_max(start, m->bias);
        uint64_t hi = pb_min(start + PB_PAGE_SIZE, m->bias + m->size);
        agree_on_range(b, m, lo - m->bias, hi - lo);
    }
}

/* pb_buf_check does not check the write hint: a walk must find that leaf, and no other
 * tree may share it (I2). */
static inline void
check_mine(const pb_buf *b)
{
    if (pb_buf_is_inline(b) || b->leaf_w == NULL) {
        return;
    }
    pb_step steps[PB_MAX_LEVELS + 1];
    unsigned n = pb_tree_walk(b->pool, &b->root, b->leaf_w_first, steps);
    CHECK(b->root.levels > 1 && n >= b->root.levels - 1u);
    for (unsigned i = 0; i + 1 < b->root.levels; i++) {
        CHECK_EQ(pb_frame_count(b->pool, steps[i].frame), 1);
    }
    CHECK_EQ((uintptr_t)b->leaf_w, steps[b->root.levels - 2].address);
}

/* Everything visible of the buffer is as the model says, and its structures are sound. */
static inline void
agree(const pb_buf *b, const model *m)
{
    pb_fault fault = {0};
    if (!pb_buf_check(b, &fault)) {
        fail_at(__FILE__, __LINE__, "the buffer is damaged: %s (frame %" PRIu32 ")",
                fault.why, fault.frame);
    }
    CHECK_POOL(b->pool);
    CHECK_EQ(b->root.size, m->size);
    CHECK_EQ(pb_buf_levels(b), m->levels);
    CHECK_EQ(pb_buf_bias(b), m->bias);
    CHECK_EQ(pb_buf_is_inline(b), m->tiny);
    pb_tree_stats use;
    pb_buf_stats(b, &use);
    CHECK_EQ(use.pages, m->tiny ? 0 : m->sheets);
    CHECK_EQ(use.nodes, model_nodes(m));
    check_mine(b);
    agree_on_extents(b, m);
    agree_on_bytes(b, m);
}

#define AGREE(b, m) (HERE(), agree(b, m))

/* ---- where a tree names a page ---- */

/* The entry of a page, whose leaf must exist. */
static inline pb_entry *
entry_of_page(const pb_buf *b, uint64_t page)
{
    pb_leaf leaf;
    pb_tree_leaf(b->pool, &b->root, page, &leaf);
    CHECK(leaf.entry != NULL);
    return &leaf.entry[page - leaf.first];
}

static inline pb_frame
frame_of_page(const pb_buf *b, uint64_t page)
{
    return pb_entry_frame(pb_entry_load(entry_of_page(b, page)));
}

/* ---- a buffer and its model, side by side ---- */

typedef struct {
    memory *mem;
    pb_buf b;
    model m;
} pair;

static inline void
pair_init(pair *p, memory *mem, unsigned max_levels)
{
    p->mem = mem;
    pb_buf_init(&p->b, &mem->pool, max_levels);
    model_init(&p->m, max_levels);
}

static inline void
pair_fini(pair *p)
{
    pb_buf_fini(&p->b);
    model_fini(&p->m);
}

/* The end of a test whose only buffer this is. */
static inline void
pair_end(pair *p)
{
    AGREE(&p->b, &p->m);
    pair_fini(p);
    CHECK_EMPTY(&p->mem->pool);
    memory_fini(p->mem);
}

/* Each of these makes the call on both; the pool grows as needed. */
static inline void
pair_write(pair *p, uint64_t off, const uint8_t *src, uint64_t n)
{
    pb_status st;
    GROWING(p->mem, st, pb_buf_write(&p->b, off, src, n));
    if (model_lets(&p->m, off, n, st)) {
        model_write(&p->m, off, src, n);
    }
}

static inline void
pair_extend(pair *p, const uint8_t *src, uint64_t n)
{
    pb_status st;
    GROWING(p->mem, st, pb_buf_extend(&p->b, src, n));
    if (model_lets(&p->m, p->m.size, n, st)) {
        model_write(&p->m, p->m.size, src, n);
    }
}

static inline void
pair_truncate(pair *p, uint64_t size)
{
    pb_status st;
    GROWING(p->mem, st, pb_buf_truncate(&p->b, size));
    if (model_lets(&p->m, 0, size, st)) {
        model_truncate(&p->m, size);
    }
}

static inline void
pair_punch(pair *p, uint64_t off, uint64_t n)
{
    pb_status st;
    GROWING(p->mem, st, pb_buf_punch(&p->b, off, n));
    CHECK_OK(st);
    model_punch(&p->m, off, n);
}

static inline void
pair_drop_front(pair *p, uint64_t n)
{
    pb_status st;
    GROWING(p->mem, st, pb_buf_drop_front(&p->b, n));
    CHECK_OK(st);
    model_drop_front(&p->m, n);
}

static inline void
pair_clear(pair *p)
{
    pb_buf_clear(&p->b);
    model_clear(&p->m);
}

static inline void
pair_promote(pair *p)
{
    pb_status st;
    GROWING(p->mem, st, pb_buf_promote(&p->b));
    CHECK_OK(st);
    model_promote(&p->m);
}

/* Bytes of a known pattern at [off, off + n). */
static inline void
pair_scribble(pair *p, uint64_t off, uint64_t n, uint64_t seed)
{
    chance c = chance_of(seed);
    uint8_t *src = malloc(n);
    fill(&c, src, n);
    pair_write(p, off, src, n);
    free(src);
}

/* A second tree with the same four entries. */
static inline void
pair_share(pair *to, pair *from)
{
    pb_status st;
    pair_init(to, from->mem, from->m.max_levels);
    GROWING(from->mem, st, pb_buf_share(&to->b, &from->b));
    CHECK_OK(st);
    model_copy(&to->m, &from->m);
}

#endif
