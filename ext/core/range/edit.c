/* range/edit.c: replaces, moves, sets and deletes bytes. */
#include "range/edit.h"
#include "buffer/share.h"

/* ---- from byte to byte ---- */

/* The contiguous piece of the buffer that was looked up last. */
typedef struct {
    const pb_buf *b;
    uint8_t *at; /* NULL: a hole */
    uint64_t start, end;
} window;

/* The address of byte `off`; NULL in a hole. */
static inline uint8_t *
at_byte(window *w, uint64_t off)
{
    if (PB_UNLIKELY(off - w->start >= w->end - w->start)) {
        pb_run run = pb_run_around(w->b, off);
        *w = (window){w->b, (uint8_t *)(uintptr_t)run.at, run.start, run.start + run.n};
    }
    return w->at ? w->at + (off - w->start) : NULL;
}

static inline void
put(uint8_t *dst, const uint8_t *src, uint64_t n)
{
    if (src) {
        pb_move(dst, src, n);
    }
    else {
        pb_zero(dst, n);
    }
}

/* Move n bytes from src to dst, which is prepared, from the first byte on.  dst <= src. */
static void
move_down(window *to, window *from, uint64_t dst, uint64_t src, uint64_t n)
{
    while (n) {
        uint8_t *d = at_byte(to, dst);
        const uint8_t *s = at_byte(from, src);
        uint64_t len = pb_min(n, pb_min(to->end - dst, from->end - src));
        put(d, s, len);
        dst += len;
        src += len;
        n -= len;
    }
}

/* The same from the last byte on.  dst >= src. */
static void
move_up(window *to, window *from, uint64_t dst, uint64_t src, uint64_t n)
{
    while (n) {
        uint8_t *d = at_byte(to, dst + n - 1);
        const uint8_t *s = at_byte(from, src + n - 1);
        uint64_t len = pb_min(n, pb_min(dst + n - to->start, src + n - from->start));
        put(d + 1 - len, s ? s + 1 - len : NULL, len);
        n -= len;
    }
}

static void
move(pb_buf *b, uint64_t dst, uint64_t src, uint64_t n)
{
    window to = {.b = b}, from = {.b = b};
    if (dst < src) {
        move_down(&to, &from, dst, src, n);
    }
    else {
        move_up(&to, &from, dst, src, n);
    }
}

/* ---- replace ---- */

/* Keeps the bytes: the calls below read them after this, to move them. */
static pb_status
prepare(pb_buf *b, uint64_t off, uint64_t n)
{
    return n ? pb_buf_prepare_kept(b, off, n) : PB_OK;
}

/* Replace by more bytes: the bytes after the range move up. */
static pb_status
grow(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n)
{
    uint64_t tail = b->root.size - (off + old), end;
    if (pb_add_overflows(off + n, tail, &end)) {
        return PB_CAPACITY;
    }
    pb_status st = prepare(b, off, end - off);
    if (st == PB_OK) {
        move(b, off + n, off + old, tail);
        pb_buf_copy_in(b, off, src, n);
        pb_buf_remember_tail(b);
    }
    return st;
}

/* Replace by fewer bytes: the bytes after the range move down.  This prepares the page at the new
 * end and the path to it, so that the cut at the end needs no frame. */
static pb_status
shrink_at_end(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n)
{
    uint64_t tail = b->root.size - (off + old);
    pb_status st = prepare(b, off, n + tail);
    if (st == PB_OK) {
        pb_buf_copy_in(b, off, src, n);
        move(b, off + n, off + old, tail);
        st = pb_buf_truncate(b, off + n + tail);
    }
    return st;
}

/* Replace by fewer bytes: the bytes before the range move up, then the front is cut off.  For the
 * reason above, the cut needs no frame. */
static pb_status
shrink_at_front(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n)
{
    uint64_t less = old - n;
    pb_status st = prepare(b, less, off + n);
    if (st == PB_OK) {
        move(b, less, 0, off);
        pb_buf_copy_in(b, off + less, src, n);
        st = pb_buf_drop_front(b, less);
    }
    return st;
}

pb_status
pb_buf_replace(pb_buf *b, uint64_t off, uint64_t old, const void *src, uint64_t n)
{
    uint64_t tail = b->root.size - (off + old);
    bool front =
        off == 0 && n == 0; /* allowed under views: no byte moves to another frame */
    if (!pb_buf_may_use(b, src, n)) {
        return PB_CORRUPT;
    }
    if (n == old) {
        pb_status st = n ? pb_buf_prepare(b, off, n) : PB_OK;
        if (st == PB_OK) {
            pb_buf_copy_in(b, off, src, n);
        }
        return st;
    }
    if (tail && !front && pb_buf_pinned_behind(b, off)) {
        return PB_PINNED;
    }
    if (n > old) {
        return grow(b, off, old, src, n);
    }
    if (front || (off + n < tail && !pb_buf_pinned_behind(b, 0))) {
        return shrink_at_front(b, off, old, src, n);
    }
    return shrink_at_end(b, off, old, src, n);
}

/* ---- strides ---- */

pb_status
pb_buf_set_stride(pb_buf *b, const pb_stride *s, const void *src)
{
    const uint8_t *from = src;
    uint64_t past = s->start + (s->n - 1) * (uint64_t)s->step; /* the last one; may wrap */
    uint64_t low = pb_min(s->start, past), high = pb_max(s->start, past);
    if (!pb_buf_may_use(b, src, s->n)) {
        return PB_CORRUPT;
    }
    pb_status st = prepare(b, low, high - low + 1);
    if (st == PB_OK) {
        window to = {.b = b};
        uint64_t off = s->start;
        for (uint64_t i = 0; i < s->n; i++, off += (uint64_t)s->step) {
            *at_byte(&to, off) = from[i];
        }
    }
    return st;
}

/* The same offsets in ascending order. */
static pb_stride
upwards(const pb_stride *s)
{
    if (s->step > 0) {
        return *s;
    }
    return (pb_stride){s->start + (s->n - 1) * (uint64_t)s->step, s->n, -s->step};
}

pb_status
pb_buf_delete_stride(pb_buf *b, const pb_stride *stride)
{
    pb_stride s = upwards(stride);
    uint64_t size = b->root.size, step = (uint64_t)s.step;
    if (pb_buf_pinned_behind(b, s.start)) {
        return PB_PINNED;
    }
    pb_status st = prepare(b, s.start, size - s.start);
    if (st != PB_OK) {
        return st;
    }
    window to = {.b = b}, from = {.b = b};
    uint64_t dst = s.start, gone = s.start;
    for (uint64_t i = 1; i < s.n; i++, gone += step, dst += step - 1) {
        move_down(&to, &from, dst, gone + 1, step - 1);
    }
    move_down(&to, &from, dst, gone + 1, size - gone - 1);
    return pb_buf_truncate(b, size - s.n);
}

/* ---- reverse ---- */

/* Swap the n bytes from `a` upwards with those from `z` downwards. */
static void
swap_ends(uint8_t *a, uint8_t *z, uint64_t n)
{
    for (; n; n--, a++, z--) {
        uint8_t byte = *a;
        *a = *z;
        *z = byte;
    }
}

pb_status
pb_buf_reverse(pb_buf *b)
{
    uint64_t low = 0, high = b->root.size;
    pb_status st = prepare(b, 0, high);
    if (st != PB_OK) {
        return st;
    }
    window a = {.b = b}, z = {.b = b};
    while (high - low > 1) {
        uint8_t *first = at_byte(&a, low), *last = at_byte(&z, high - 1);
        uint64_t len =
            pb_min((high - low) / 2, pb_min(a.end - low, high - pb_max(z.start, low)));
        swap_ends(first, last, len);
        low += len;
        high -= len;
    }
    return PB_OK;
}

bool
pb_buf_is_own_memory(const pb_buf *b, const void *p, uint64_t n)
{
    uintptr_t from = (uintptr_t)p;
    for (unsigned i = 0; i < PB_REGION_SLOTS; i++) {
        const pb_region *r = &b->pool->root->region[i];
        uintptr_t base = (uintptr_t)r->base,
                  past = base + ((uintptr_t)r->count << PB_PAGE_SHIFT);
        if (r->count && from < past && from + n > base) {
            return true;
        }
    }
    return false;
}
