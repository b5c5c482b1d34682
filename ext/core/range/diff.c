/* range/diff.c: where two buffers differ. */
#include "range/diff.h"

#include "buffer/internal.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static const uint8_t zeros[PB_PAGE_SIZE];

void
pb_diff_open(pb_diff *d, const pb_buf *a, const pb_buf *b, bool exact)
{
    uint64_t apart = pb_buf_bias(a) ^ pb_buf_bias(b);
    *d = (pb_diff){.a = a, .b = b, .exact = exact};
    d->common = pb_min(a->root.size, b->root.size);
    d->size = pb_max(a->root.size, b->root.size);
    d->by_entry = pb_pool_same(a->pool, b->pool) && !pb_buf_is_inline(a) &&
                  !pb_buf_is_inline(b) && (apart & PB_PAGE_MASK) == 0;
}

/* ---- bytes ---- */

static inline uint64_t
load64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return pb_le64(v);
}

/* How many bytes are equal, from the first on.  Compares 32 at a time. */
static uint64_t
equal_bytes(const uint8_t *a, const uint8_t *b, uint64_t n)
{
    uint64_t i = 0, x;
    for (; i + 32 <= n; i += 32) {
        x = (load64(a + i) ^ load64(b + i)) | (load64(a + i + 8) ^ load64(b + i + 8)) |
            (load64(a + i + 16) ^ load64(b + i + 16)) |
            (load64(a + i + 24) ^ load64(b + i + 24));
        if (x) {
            break;
        }
    }
    for (; i + 8 <= n; i += 8) {
        x = load64(a + i) ^ load64(b + i);
        if (x) {
            return i + pb_lowest_bit(x) / 8;
        }
    }
    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* Which of 16 bytes are equal, the first one in the lowest bit. */
#if defined(__SSE2__)
static inline uint32_t
equal_of_16(const uint8_t *a, const uint8_t *b)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y));
}
#endif

/* How many bytes differ, from the first on: their exclusive or has no zero byte. */
static uint64_t
differing_bytes(const uint8_t *a, const uint8_t *b, uint64_t n)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t i = 0;
#if defined(__SSE2__)
    for (; i + 16 <= n; i += 16) {
        uint32_t equal = equal_of_16(a + i, b + i);
        if (equal) {
            return i + pb_lowest_bit(equal);
        }
    }
#endif
    for (; i + 8 <= n; i += 8) {
        uint64_t x = load64(a + i) ^ load64(b + i);
        uint64_t zero = (x - ones) & ~x & (ones << 7);
        if (zero) {
            return i + pb_lowest_bit(zero) / 8;
        }
    }
    while (i < n && a[i] != b[i]) {
        i++;
    }
    return i;
}

/* ---- stretches ---- */

/* The n bytes at one offset of both buffers.  If `same` is not set, a and b are their addresses. */
typedef struct {
    bool same;
    uint64_t n;
    const uint8_t *a, *b;
} stretch;

static inline bool
in_leaf(const pb_leaf *leaf, uint64_t page)
{
    return page >= leaf->first && page < leaf->end;
}

static inline pb_entry
entry_at(const pb_buf *b, uint64_t page, unsigned h)
{
    return pb_tree_entry(b->pool, &b->root, page, h);
}

/* How many pages from `a` and `b` on lie below one entry that both trees have.  Takes the highest
 * such entry. */
static uint64_t
same_subtree(const pb_diff *d, uint64_t a, uint64_t b)
{
    unsigned h =
        (d->a->root.levels < d->b->root.levels ? d->a->root.levels : d->b->root.levels) -
        1u;
    for (; h > 1; h--) {
        uint64_t mask = ((uint64_t)1 << pb_span_bits(h)) - 1;
        if (((a ^ b) & mask) == 0 &&
            pb_entry_same(entry_at(d->a, a, h), entry_at(d->b, b, h))) {
            return mask + 1 - (a & mask);
        }
    }
    return 0;
}

static inline pb_entry
leaf_entry(const pb_leaf *leaf, uint64_t page)
{
    return pb_leaf_get(leaf, page);
}

/* How many pages from `a` and `b` on have the same entries, in the two leaves that `d` keeps. */
static uint64_t
same_entries(const pb_diff *d, uint64_t a, uint64_t b)
{
    uint64_t most = pb_min(d->leaf_a.end - a, d->leaf_b.end - b), i = 0;
    const pb_entry *x = d->leaf_a.entry, *y = d->leaf_b.entry;
    if (x == NULL || y == NULL) {
        while (i < most && leaf_entry(&d->leaf_a, a + i) == leaf_entry(&d->leaf_b, b + i)) {
            i = x == y ? most : i + 1;
        }
        return i;
    }
    x += a - d->leaf_a.first;
    y += b - d->leaf_b.first;
    if (x == y) {
        return most;
    }
    while (i < most && pb_entry_same(x[i], y[i])) {
        i++;
    }
    return i;
}

static const uint8_t *
page_or_zeros(const pb_buf *b, pb_entry e)
{
    bool good = e != PB_HOLE && pb_page_good(b->pool, e) &&
                !(pb_frame_in_zone(pb_entry_frame(e)) &&
                  pb_zone_note_absent(b->pool, pb_entry_frame(e), 1));
    return good ? pb_page_address(b->pool, pb_entry_frame(e)) : zeros;
}

/* The number of bytes from `off` to the end of `pages` pages, the page of `off` included. */
static uint64_t
bytes_to(const pb_buf *b, uint64_t off, uint64_t pages)
{
    uint64_t pos = b->root.bias + off;
    return ((page_of(pos) + pages) << PB_PAGE_SHIFT) - pos;
}

/* Compare 1. the nodes above the leaves, when a new leaf begins  2. the entries of the leaves
 * 3. nothing more: return the addresses of the two pages. */
static stretch
stretch_of_entries(pb_diff *d, uint64_t off, uint64_t n)
{
    uint64_t a = page_of(d->a->root.bias + off), b = page_of(d->b->root.bias + off);
    uint64_t same = 0;
    if (!in_leaf(&d->leaf_a, a) || !in_leaf(&d->leaf_b, b)) {
        same = same_subtree(d, a, b);
        if (same == 0) {
            pb_tree_leaf(d->a->pool, &d->a->root, a, &d->leaf_a);
            pb_tree_leaf(d->b->pool, &d->b->root, b, &d->leaf_b);
        }
    }
    same = same ? same : same_entries(d, a, b);
    if (same) {
        return (stretch){true, pb_min(n, bytes_to(d->a, off, same)), NULL, NULL};
    }
    uint64_t in = (d->a->root.bias + off) & PB_PAGE_MASK;
    return (stretch){false, pb_min(n, PB_PAGE_SIZE - in),
                     page_or_zeros(d->a, leaf_entry(&d->leaf_a, a)) + in,
                     page_or_zeros(d->b, leaf_entry(&d->leaf_b, b)) + in};
}

static stretch
stretch_of_bytes(const pb_diff *d, uint64_t off, uint64_t n)
{
    pb_stretch a = pb_buf_stretch(d->a, off, n), b = pb_buf_stretch(d->b, off, a.n);
    if (a.at == b.at) { /* one page, or two holes */
        return (stretch){true, b.n, NULL, NULL};
    }
    n = a.at && b.at ? b.n : pb_min(b.n, PB_PAGE_SIZE);
    return (stretch){false, n, a.at ? a.at : zeros, b.at ? b.at : zeros};
}

static inline stretch
stretch_at(pb_diff *d, uint64_t off, uint64_t n)
{
    return d->by_entry ? stretch_of_entries(d, off, n) : stretch_of_bytes(d, off, n);
}

/* ---- ranges ---- */

/* The first place in [off, end) that differs, else end.  Both buffers reach to `end`. */
static uint64_t
seek_different(pb_diff *d, uint64_t off, uint64_t end)
{
    while (off < end) {
        stretch s = stretch_at(d, off, end - off);
        uint64_t same = s.n;
        if (!s.same) {
            same = d->by_entry && !d->exact ? 0 : equal_bytes(s.a, s.b, s.n);
        }
        off += same;
        if (same < s.n) {
            return off;
        }
    }
    return end;
}

/* The first byte in [off, end) that does not differ, else end. */
static uint64_t
seek_equal(pb_diff *d, uint64_t off, uint64_t end)
{
    while (off < end) {
        stretch s = stretch_at(d, off, end - off);
        uint64_t different = s.same ? 0 : differing_bytes(s.a, s.b, s.n);
        off += different;
        if (different < s.n) {
            return off;
        }
    }
    return end;
}

/* Where the page of a's tree begins, and where the next one does. */
static uint64_t
page_start(const pb_diff *d, uint64_t off)
{
    uint64_t in = (pb_buf_bias(d->a) + off) & PB_PAGE_MASK;
    return off > in ? off - in : 0;
}

static uint64_t
page_past(const pb_diff *d, uint64_t off)
{
    uint64_t in = (pb_buf_bias(d->a) + off) & PB_PAGE_MASK;
    return off + (PB_PAGE_SIZE - in);
}

/* The end of the range of differing pages that begins with the page of `off`. */
static uint64_t
end_of_pages(pb_diff *d, uint64_t off)
{
    uint64_t end = page_past(d, off);
    while (end < d->common) {
        uint64_t past = pb_min(d->common, page_past(d, end));
        if (seek_different(d, end, past) == past) {
            return end;
        }
        end = page_past(d, end);
    }
    return end;
}

pb_status
pb_diff_next(pb_diff *d, uint64_t *off, uint64_t *n)
{
    *n = 0;
    if (d->at >= d->size) {
        return PB_OK;
    }
    uint64_t start = d->at < d->common ? seek_different(d, d->at, d->common) : d->common;
    uint64_t end = start;
    if (start == d->common && start == d->size) {
        return pb_pool_read_status_two(d->a->pool, d->b->pool);
    }
    if (start < d->common) {
        end = d->exact ? seek_equal(d, start, d->common) : end_of_pages(d, start);
    }
    start = d->exact ? start : page_start(d, start);
    /* bytes past the shorter end differ; in page mode so does the whole page of that end */
    uint64_t tail = d->exact ? d->common : page_start(d, d->common);
    if (d->common < d->size && end >= tail) {
        end = d->size;
    }
    end = pb_min(end, d->size);
    d->at = end;
    *off = start;
    *n = end - start;
    return pb_pool_read_status_two(d->a->pool, d->b->pool);
}
