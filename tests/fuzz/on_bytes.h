/* on_bytes.h: calls on one buffer: bytes in, out and away, exchanged and moved. */
#ifndef PB_FUZZ_ON_BYTES_H
#define PB_FUZZ_ON_BYTES_H

#include "asked.h"

#include "range/edit.h"
#include "queue/iovec.h"

/* ---- in ---- */

static inline void
call_write(void)
{
    pb_status st;
    uint64_t off = some_offset(to), n = some_length(to, off, MOST - off);
    if (n == 0 || !is_one_side(to, off, n)) {
        return;
    }
    const uint8_t *src = some_content(n);
    uint64_t at = plain_place(&to->m, off);
    CALL(st, pb_buf_write(&to->b, at, src, n));
    if (done(to, st, pb_max(at + n, to->b.root.size))) {
        plain_write(&to->m, off, src, n);
        changed(to);
    }
    agree_around(to, off, n);
}

static inline void
extend(uint64_t n)
{
    pb_status st;
    uint64_t size = to->m.size;
    const uint8_t *src = some_content(n);
    CALL(st, pb_buf_extend(&to->b, src, n));
    if (done(to, st, plain_whole_size(&to->m) + n)) {
        plain_write(&to->m, size, src, n);
        changed(to);
    }
    agree_around(to, size, n);
}

static inline void
call_extend(void)
{
    uint64_t n = some_length(to, to->m.size, MOST - to->m.size);
    if (n) {
        extend(n);
    }
}

/* The remembered tail is used, and used up. */
static inline void
call_extend_often(void)
{
    uint64_t n = 1 + next_byte(&in) % (PB_PAGE_SIZE / 2), times = 1 + flags;
    for (; times && to->m.size + n <= MOST; times--) {
        extend(n);
    }
}

/* Views follow their frames, as nothing moves. */
static inline void
call_prepend(void)
{
    pb_status st;
    uint64_t n = some_length(to, 0, MOST - to->m.size);
    if (n == 0) {
        return;
    }
    const uint8_t *src = some_content(n);
    CALL(st, pb_buf_prepend(&to->b, src, n));
    if (done(to, st, plain_whole_size(&to->m) + n)) {
        plain_prepend(&to->m, src, n);
        move_views(to, 0 - n);
        changed(to);
    }
    agree_around(to, 0, n);
}

/* Prepare pages first, then store bytes: all of them, or only those that change. */
static inline void
call_prepare(void)
{
    pb_status st;
    uint64_t off = some_offset(to), n = some_length(to, off, MOST - off);
    bool kept = flags & 1;
    if (n == 0 || !is_one_side(to, off, n)) {
        return;
    }
    uint64_t at = plain_place(&to->m, off);
    CALL(st, kept ? pb_buf_prepare_kept(&to->b, at, n) : pb_buf_prepare(&to->b, at, n));
    if (done(to, st, pb_max(at + n, to->b.root.size))) {
        uint64_t skip = kept ? n / 2 : 0;
        const uint8_t *src = some_content(n - skip);
        pb_buf_copy_in(&to->b, at + skip, src, n - skip);
        pb_buf_remember_tail(&to->b);
        plain_resize(&to->m, pb_max(to->m.size, off + n));
        plain_write(&to->m, off + skip, src, n - skip);
        changed(to);
    }
    agree_around(to, off, n);
}

/* ---- out ---- */

static inline void
call_read(void)
{
    uint64_t off = offset_inside(to), n = some_length(to, off, to->m.size - off);
    agree_on(to, off, n);
    if (n == 0 || !plain_one_side(&to->m, off, n)) {
        return;
    }
    uint64_t at = plain_place(&to->m, off);
    const uint8_t *peeked = pb_buf_peek(&to->b, at, n);
    CHECK_BYTES(peeked, to->m.byte + off, peeked ? n : 0);
    const uint8_t *run = pb_buf_one_run(&to->b, at, n);
    CHECK_BYTES(run, to->m.byte + off, run ? n : 0);
    uint64_t start, end;
    if (pb_buf_next_data(&to->b, at, &start, &end)) {
        CHECK(start >= at && start < end && end <= to->b.root.size);
    }
}

/* The pieces of a range up to its first hole contain its bytes. */
static inline void
call_list_pieces(void)
{
    struct iovec iov[8];
    uint64_t off = offset_inside(to), n = some_length(to, off, to->m.size - off), bytes;
    if (n == 0 || !plain_one_side(&to->m, off, n)) {
        return;
    }
    unsigned pieces;
    CHECK_OK(pb_iov_list(&to->b, plain_place(&to->m, off), n, iov, 8, &pieces, &bytes));
    CHECK(bytes <= n);
    for (unsigned k = 0; k < pieces; k++) {
        CHECK_BYTES(iov[k].iov_base, to->m.byte + off, iov[k].iov_len);
        off += iov[k].iov_len;
        bytes -= iov[k].iov_len;
    }
    CHECK_EQ(bytes, 0);
}

/* pb_buf_stats counts as many pages as lie between the holes. */
static inline void
call_count_pages(void)
{
    pb_tree_stats use;
    uint64_t bias = pb_buf_bias(&to->b), start, end = 0, pages = 0;
    while (pb_buf_next_data(&to->b, end, &start, &end)) {
        pages += ((bias + end + PB_PAGE_MASK) >> PB_PAGE_SHIFT) -
                 ((bias + start) >> PB_PAGE_SHIFT);
    }
    pb_buf_stats(&to->b, &use);
    CHECK_EQ(use.pages, pb_buf_is_inline(&to->b) ? 0 : pages);
    CHECK_EQ(use.pinned > 0, is_viewed(to));
    CHECK_EQ(pb_buf_viewed(&to->b), is_viewed(to));
}

static inline void
call_take_ready(void)
{
    uint64_t n = 1 + next_byte(&in) % PB_PAGE_SIZE, times = 1 + flags;
    for (; times && n <= to->m.size && !to->b.root.frozen && to->m.gap == 0; times--) {
        const uint8_t *at = pb_buf_ready(&to->b, n);
        if (at == NULL) {
            return;
        }
        CHECK_BYTES(at, to->m.byte, n);
        pb_buf_take_ready(&to->b, n);
        plain_drop_front(&to->m, n);
        move_views(to, n);
        changed(to);
    }
}

/* ---- away ---- */

static inline void
call_truncate(void)
{
    pb_status st;
    plain *m = &to->m;
    uint64_t size = flags & 1 ? some_offset(to) : m->size - some_length(to, 0, m->size);
    uint64_t whole = size < m->size && size <= m->gap_at ? size : size + m->gap;
    CALL(st, pb_buf_truncate(&to->b, whole));
    if (done(to, st, whole)) {
        plain_resize(m, size);
        changed(to);
    }
    agree_around(to, size, 0);
}

static inline void
call_punch(void)
{
    pb_status st;
    plain *m = &to->m;
    uint64_t off = some_offset(to), n = some_length(to, off, MOST);
    uint64_t at = plain_place(m, off), past = plain_place(m, off + n - (n != 0)) + (n != 0);
    CALL(st, pb_buf_punch(&to->b, at, past - at));
    if (done(to, st, to->b.root.size) && off < m->size) {
        plain_write(m, off, NULL, pb_min(n, m->size - off));
        changed(to);
    }
    agree_around(to, off, n);
}

static inline void
call_drop_front(void)
{
    pb_status st;
    plain *m = &to->m;
    uint64_t n = flags & 1 ? offset_inside(to) : some_length(to, 0, m->size);
    uint64_t whole = n >= m->gap_at ? n + m->gap : n;
    if (n == 0) {
        return;
    }
    CALL(st, pb_buf_drop_front(&to->b, whole));
    if (done(to, st, to->b.root.size)) {
        plain_drop_front(m, n);
        move_views(to, whole);
        changed(to);
    }
    agree_around(to, 0, PB_PAGE_SIZE);
}

static inline void
call_clear(void)
{
    if (to->b.root.frozen) {
        return;
    }
    pb_buf_clear(&to->b);
    plain_empty(&to->m);
    changed(to);
}

static inline void
call_renew(void)
{
    member_end(to);
    member_begin(to, some_levels());
}

/* ---- edits ---- */

/* Views follow their frames when the front moves; elsewhere nothing moves that is under
 * one. */
static inline void
note_splice(uint64_t off, uint64_t cut, const uint8_t *src, uint64_t n)
{
    plain_splice(&to->m, off, cut, src, n);
    move_views(to, off == 0 && (n == 0 || cut == 0) ? cut - n : 0);
    changed(to);
}

static inline void
call_replace(void)
{
    pb_status st;
    uint64_t off = offset_inside(to), old = to->m.size - off;
    old = flags & 1 ? pb_min(old, flags) : some_length(to, off, old);
    uint64_t n = flags & 2 ? old : some_length(to, off, MOST - to->m.size + old);
    n = flags & 4 ? 0 : n;
    if (n + old == 0 || !is_flat(to)) {
        return;
    }
    const uint8_t *src = some_content(n);
    CALL(st, pb_buf_replace(&to->b, off, old, src, n));
    if (done(to, st, to->m.size - old + n)) {
        note_splice(off, old, src, n);
    }
    agree_around(to, off, MOST);
}

static inline bool
next_stride(pb_stride *s)
{
    uint64_t size = to->m.size, off = offset_inside(to), step = 1 + next_byte(&in) % 40;
    if (off == size) {
        return false;
    }
    bool down = flags & 1;
    uint64_t room = (down ? off : size - 1 - off) / step;
    *s = (pb_stride){off, 1 + next_part(&in, room), down ? -(int64_t)step : (int64_t)step};
    return true;
}

static inline void
call_set_stride(void)
{
    pb_status st;
    pb_stride s;
    if (!is_flat(to) || !next_stride(&s)) {
        return;
    }
    const uint8_t *src = some_content(s.n);
    CALL(st, pb_buf_set_stride(&to->b, &s, src));
    if (done(to, st, to->m.size)) {
        for (uint64_t i = 0, off = s.start; i < s.n; i++, off += (uint64_t)s.step) {
            to->m.byte[off] = src[i];
        }
        changed(to);
    }
    agree_around(to, 0, MOST);
}

static inline void
delete_places(plain *m, const pb_stride *s)
{
    uint64_t low = s->step < 0 ? s->start + (s->n - 1) * (uint64_t)s->step : s->start;
    uint64_t step = (uint64_t)(s->step < 0 ? -s->step : s->step), to_off = low;
    for (uint64_t off = low, gone = 0; off < m->size; off++) {
        if (gone < s->n && off == low + gone * step) {
            gone++;
        }
        else {
            m->byte[to_off++] = m->byte[off];
        }
    }
    m->size = to_off;
}

static inline void
call_delete_stride(void)
{
    pb_status st;
    pb_stride s;
    if (!is_flat(to) || !next_stride(&s)) {
        return;
    }
    CALL(st, pb_buf_delete_stride(&to->b, &s));
    if (done(to, st, to->m.size)) {
        delete_places(&to->m, &s);
        changed(to);
    }
    agree_around(to, 0, MOST);
}

static inline void
call_reverse(void)
{
    pb_status st;
    uint64_t size = to->m.size;
    if (size == 0 || !is_flat(to)) {
        return;
    }
    CALL(st, pb_buf_reverse(&to->b));
    if (done(to, st, size)) {
        for (uint64_t i = 0; i < size / 2; i++) {
            uint8_t byte = to->m.byte[i];
            to->m.byte[i] = to->m.byte[size - 1 - i];
            to->m.byte[size - 1 - i] = byte;
        }
        changed(to);
    }
    agree_around(to, 0, MOST);
}

#endif
