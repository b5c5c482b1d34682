/* range/shift.c: moves bytes to another place of their buffer; holes stay holes. */
#include "range/edit.h"

#include "buffer/internal.h"

/* ---- in prepared memory ---- */

static inline void
put(uint8_t *dst, const uint8_t *src, uint64_t n)
{
    if (src && n == 1) { /* of del buf[::2] each one */
        *dst = *src;
    }
    else if (src) {
        pb_move(dst, src, n);
    }
    else {
        pb_zero(dst, n);
    }
}

/* From the first byte on.  dst <= src. */
static void
move_down(pb_window *to, pb_window *from, uint64_t dst, uint64_t src, uint64_t n)
{
    while (n) {
        uint8_t *d = pb_window_at(to, dst);
        const uint8_t *s = pb_window_at(from, src);
        uint64_t len = pb_min(n, pb_min(to->end - dst, from->end - src));
        put(d, s, len);
        dst += len;
        src += len;
        n -= len;
    }
}

/* The same from the last byte on.  dst >= src. */
static void
move_up(pb_window *to, pb_window *from, uint64_t dst, uint64_t src, uint64_t n)
{
    while (n) {
        uint8_t *d = pb_window_at(to, dst + n - 1);
        const uint8_t *s = pb_window_at(from, src + n - 1);
        uint64_t len = pb_min(n, pb_min(dst + n - to->start, src + n - from->start));
        put(d + 1 - len, s ? s + 1 - len : NULL, len);
        n -= len;
    }
}

void
pb_buf_move(const pb_buf *b, uint64_t dst, uint64_t src, uint64_t n)
{
    pb_window to = {.b = b}, from = {.b = b};
    if (dst < src) {
        move_down(&to, &from, dst, src, n);
    }
    else {
        move_up(&to, &from, dst, src, n);
    }
}

/* ---- gaps ----
 *
 * What a deletion of every step-th byte leaves over, counted from s->start on:
 *
 *    before    | x a b c x d e f x g h i j k      step 4, n 3
 *    after     | a b c d e f g h i j k            byte 6 is the one that was at offset 9 */

/* The offset of byte i. */
static inline uint64_t
kept_place(const pb_stride *s, uint64_t i)
{
    uint64_t between = (uint64_t)s->step - 1;
    uint64_t gone = between ? i / between + 1 : s->n;
    return s->start + i + pb_min(gone, s->n);
}

/* How many of the bytes lie before an offset. */
static inline uint64_t
kept_before(const pb_stride *s, uint64_t off)
{
    uint64_t n = off - s->start, step = (uint64_t)s->step;
    return n - pb_min((n + step - 1) / step, s->n);
}

void
pb_buf_close_gaps(const pb_buf *b, const pb_stride *s, uint64_t done, uint64_t past)
{
    pb_window to = {.b = b}, from = {.b = b};
    uint64_t between = (uint64_t)s->step - 1, src = kept_place(s, done);
    uint64_t gaps = s->n - (src - s->start - done); /* still ahead */
    uint64_t next = gaps ? between - done % between : 0;
    for (uint64_t n; done < past; done += n, src += n + 1) {
        n = gaps ? pb_min(next, past - done) : past - done;
        move_down(&to, &from, s->start + done, src, n);
        gaps -= gaps != 0;
        next = between;
    }
}

/* ---- pieces ----
 *
 * The range that moves is taken piece by piece, from the end at which it leaves no byte behind that
 * is still to be moved: from the front when it moves down, else from the back.  A piece is one of
 * these, by what comes to lie there: */
typedef enum {
    NOTHING, /* there is no further piece */
    BYTES,   /* bytes of pages */
    ZEROS,   /* part of a page, from a hole: clear it, if there is a page */
    DROP,    /* whole pages, from a hole, or pages to cut off: drop those that are there */
    FILL,    /* the new bytes */
} piece_kind;

typedef struct {
    piece_kind kind;
    uint64_t off, n;      /* the bytes */
    uint64_t first, past; /* the pages that they lie in */
    uint64_t done;        /* how much of the plan is done after this piece */
} piece;

/* A shift worked out: [src, src + n) moves to [dst, dst + n), where there are no gaps. */
typedef struct {
    const pb_shift *s;
    uint64_t dst, src, n;
    uint64_t put;  /* where the new bytes go */
    uint64_t size; /* the new one */
    bool up, grows;
} plan;

static plan
plan_of(const pb_buf *b, const pb_shift *s)
{
    uint64_t behind = s->off + s->old;
    plan p = {s, s->off + s->n, behind, b->root.size - behind, s->off, 0, false, false};
    if (s->front) {
        p.src = 0;
        p.dst = s->old - s->n;
        p.n = s->off;
        p.put = s->off + p.dst;
    }
    p.size = b->root.size - s->old + s->n;
    p.up = p.dst > p.src;
    p.grows = s->n > s->old;
    return p;
}

static piece
piece_of(const pb_buf *b, piece_kind kind, uint64_t off, uint64_t n)
{
    uint64_t pos = b->root.bias + off;
    uint64_t past = n ? page_of(pos + n - 1) + 1 : page_of(pos);
    return (piece){kind, off, n, page_of(pos), past, 0};
}

/* The next n bytes that move. */
static piece
moved(const pb_buf *b, const plan *p, piece_kind kind, uint64_t done, uint64_t n)
{
    piece x = piece_of(b, kind, p->up ? p->dst + p->n - done - n : p->dst + done, n);
    x.done = done + n;
    return x;
}

/* How many bytes until the next border of a page, in the direction of the moves. */
static inline uint64_t
to_border(const pb_buf *b, const plan *p, uint64_t done)
{
    uint64_t pos = b->root.bias + p->dst;
    return (p->up ? pos + p->n - done : 0 - (pos + done)) & PB_PAGE_MASK;
}

/* How many of the next n bytes come from a hole (hole), or from pages (!hole). */
static uint64_t
alike(const pb_buf *b, const plan *p, uint64_t done, uint64_t n, bool hole)
{
    const pb_stride *gaps = p->s->gaps;
    if (gaps && n) {
        uint64_t from = kept_place(gaps, done), past = kept_place(gaps, done + n - 1) + 1;
        from += pb_run_alike(b, from, past - from, false, hole);
        return kept_before(gaps, from) - done;
    }
    uint64_t off = p->up ? p->src + p->n - done - n : p->src + done;
    return pb_run_alike(b, off, n, p->up, hole);
}

/* Do the new bytes begin or end in the middle of a page, where this piece ends or begins? */
static bool
shares_page(const pb_buf *b, const plan *p, const piece *x)
{
    uint64_t border = p->s->front ? p->put : p->put + p->s->n;
    bool next_to = x->off == border || x->off + x->n == border;
    return p->s->n && next_to && ((b->root.bias + border) & PB_PAGE_MASK) != 0;
}

/* Part of a page.  If new bytes lie in that page, it is there in any case. */
static piece
edge_piece(const pb_buf *b, const plan *p, uint64_t done, uint64_t n)
{
    piece x = moved(b, p, BYTES, done, n);
    if (!shares_page(b, p, &x) && alike(b, p, done, n, true) == n) {
        x.kind = ZEROS;
    }
    return x;
}

/* DROP for whole pages from a hole, BYTES up to those.  `n` is a multiple of the page. */
static piece
whole_pages(const pb_buf *b, const plan *p, uint64_t done, uint64_t n)
{
    uint64_t at = 0;
    while (at < n) {
        at += alike(b, p, done + at, n - at, false);
        uint64_t from = (at + PB_PAGE_MASK) & ~(uint64_t)PB_PAGE_MASK;
        at += alike(b, p, done + at, n - at, true);
        uint64_t to = at & ~(uint64_t)PB_PAGE_MASK;
        if (to > from) {
            return from ? moved(b, p, BYTES, done, from) : moved(b, p, DROP, done, to);
        }
    }
    return moved(b, p, BYTES, done, n);
}

static piece
fill_piece(const pb_buf *b, const plan *p)
{
    piece x = piece_of(b, FILL, p->put, p->s->n);
    x.done = UINT64_MAX;
    return x;
}

/* What is cut off.  Nothing before the front or past the end is in use, so the cut covers whole
 * nodes there, and copies none that is shared. */
static piece
cut_piece(const pb_buf *b, const plan *p)
{
    uint64_t end = b->root.bias + p->size + PB_PAGE_MASK;
    piece x = {DROP, 0, 0, page_of(end), page_of(pb_reach(b->root.levels)), UINT64_MAX};
    if (p->s->front) {
        x.first = 0;
        x.past = page_of(b->root.bias + (p->s->old - p->s->n));
    }
    return x;
}

static piece
next_piece(const pb_buf *b, const plan *p, uint64_t done)
{
    if (done >= p->n) {
        piece none = {.kind = NOTHING};
        return done > p->n ? none : p->grows ? fill_piece(b, p) : cut_piece(b, p);
    }
    uint64_t left = p->n - done, edge = pb_min(to_border(b, p, done), left);
    if (edge == 0 && left < PB_PAGE_SIZE) {
        edge = left;
    }
    return edge ? edge_piece(b, p, done, edge)
                : whole_pages(b, p, done, left & ~(uint64_t)PB_PAGE_MASK);
}

/* ---- 1. count ---- */

static uint64_t
need_for(const pb_buf *b, const piece *x)
{
    if (x->first >= x->past) {
        return 0;
    }
    if (x->kind == DROP) {
        return pb_tree_drop_need(b->pool, &b->root, x->first, x->past - 1);
    }
    bool none = x->kind == ZEROS && pb_buf_page(b, x->first) == NULL;
    return none ? 0 : pb_tree_need(b->pool, &b->root, x->first, x->past - 1);
}

static uint64_t
need_for_all(const pb_buf *b, const plan *p)
{
    piece x = fill_piece(b, p);
    uint64_t n = p->grows ? 0 : need_for(b, &x);
    for (x = next_piece(b, p, 0); x.kind != NOTHING; x = next_piece(b, p, x.done)) {
        n += need_for(b, &x);
    }
    return n;
}

/* ---- 2. change ---- */

static void
own(pb_buf *b, const piece *x)
{
    bool none = x->n == 0 || x->kind == DROP ||
                (x->kind == ZEROS && pb_buf_page(b, x->first) == NULL);
    if (!none) {
        pb_buf_own_kept(b, b->root.bias + x->off, x->n);
    }
}

static void
carry_out(pb_buf *b, const plan *p, const piece *x)
{
    if (x->kind == BYTES && p->s->gaps) {
        pb_buf_close_gaps(b, p->s->gaps, x->done - x->n, x->done);
    }
    else if (x->kind == BYTES) {
        pb_buf_move(b, x->off, x->off + p->src - p->dst, x->n);
    }
    else if (x->kind == FILL) {
        pb_buf_copy_in(b, x->off, p->s->with, x->n);
    }
    else if (x->kind == DROP && x->first < x->past) {
        pb_tree_drop(b->pool, &b->root, x->first, x->past - 1);
        b->leaf_r = b->leaf_w = NULL; /* perhaps it freed these nodes */
    }
    else if (x->kind == ZEROS && pb_buf_page(b, x->first)) {
        pb_zero(pb_buf_stretch(b, x->off, x->n).at, x->n);
    }
}

/* A piece is owned before the one in front of it is carried out: dropping that one may free nodes
 * that were counted as present, unless this one has pages in them.  Neither changes what a later
 * piece is made of.  New bytes that come first may lie in a page from which the first piece comes.
 * So they get their page when that piece is known. */
static void
carry_out_all(pb_buf *b, const plan *p)
{
    piece next = next_piece(b, p, 0), now = fill_piece(b, p);
    if (!p->grows) {
        own(b, &now);
        own(b, &next);
        carry_out(b, p, &now);
    }
    else {
        own(b, &next);
    }
    while (next.kind != NOTHING) {
        now = next;
        next = next_piece(b, p, now.done);
        own(b, &next);
        carry_out(b, p, &now);
    }
}

static pb_status
reserve(pb_buf *b, const plan *p, uint64_t end, uint64_t *need)
{
    pb_account_begin_trial(b->pool);
    pb_status st = pb_buf_raise_to(b, end);
    if (st == PB_OK) {
        *need = need_for_all(b, p);
        st = pb_pool_reserve(b->pool, *need);
        if (st != PB_OK) {
            forget(b);
            pb_buf_shrink(b);
            pb_buf_remember_tail(b);
        }
    }
    pb_account_end_trial(b->pool);
    return st;
}

/* Everything is in its place: cut off what is left over.  That takes no frame: its pages were
 * dropped, and the page at the border is this tree's alone. */
static pb_status
cut(pb_buf *b, const plan *p)
{
    if (p->grows) {
        pb_buf_remember_tail(b);
        return PB_OK;
    }
    return p->s->front ? pb_buf_drop_front(b, b->root.size - p->size)
                       : pb_buf_truncate(b, p->size);
}

bool
pb_buf_shifts_hole(const pb_buf *b, const pb_shift *s)
{
    plan p = plan_of(b, s);
    return !pb_buf_is_inline(b) && alike(b, &p, 0, p.n, false) < p.n;
}

pb_status
pb_buf_shift(pb_buf *b, const pb_shift *s)
{
    plan p = plan_of(b, s);
    uint64_t end, need = 0;
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (!pb_buf_fits(b, 0, p.size, &end)) {
        return PB_CAPACITY;
    }
    uint64_t from = s->gaps ? s->off : p.src, past = s->gaps ? b->root.size : p.src + p.n;
    if (pb_buf_note_absent(b, from, past - from)) { /* what moves is read (I14) */
        return PB_ABSENT;
    }
    if (!pb_buf_begin(b)) {
        return PB_CORRUPT;
    }
    pb_status st = reserve(b, &p, end, &need);
    if (st != PB_OK) {
        return st;
    }
    forget_from(b, page_of(b->root.bias + pb_min(p.dst, p.put)));
    pb_buf_grow_to(b, p.size); /* clears what a view wrote past the old end */
    uint64_t taken = pb_pool_taken(b->pool);
    carry_out_all(b, &p);
    pb_pool_give_rest(b->pool, need, taken);
    return cut(b, &p);
}
