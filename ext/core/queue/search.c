/* queue/search.c: looks for bytes in a queue. */
#include "queue/queue.h"

#include "base/memmem.h"
#include "range/find.h"
#include "range/run.h"

/* ---- looking ---- */

/* Find a short separator in bytes that lie in one piece.  memchr finds its first byte at
 * the speed of memory, and needs no preparation. */
static const uint8_t *
find_near(const uint8_t *at, uint64_t len, const uint8_t *sep, uint64_t n)
{
    const uint8_t *last = at + len - n; /* the last place where it may begin */
    while (at <= last) {
        at = memchr(at, sep[0], (size_t)(last - at) + 1);
        uint64_t same = 1;
        while (at && same < n && at[same] == sep[same]) {
            same++;
        }
        if (at == NULL || same == n) {
            return at;
        }
        at++;
    }
    return NULL;
}

/* ---- over pieces ---- */

/* Bytes of a queue, from `from` on, in the order in which they lie. */
typedef struct {
    const pb_queue *q;
    const uint8_t *sub;
    uint64_t n;
} wanted;

static pb_segment
segment_around(const pb_queue *q, uint64_t off)
{
    uint64_t front = pb_queue_front(q);
    return pb_pieces_around(&q->pieces, front, front + off);
}

/* For pb_match_pieces: what lies around byte `off` of the queue, in one piece of memory. */
static void
fetch_around(pb_text *text, uint64_t off)
{
    const pb_queue *q = text->source;
    uint64_t front = pb_queue_front(q);
    pb_segment s = segment_around(q, off);
    uint64_t begun = s.pos < front ? front - s.pos : 0; /* taken already */
    uint64_t start = s.pos + begun - front;
    if (s.at) {
        *text = (pb_text){s.at + begun, start, start + s.n - begun, text->fetch, q};
        return;
    }
    pb_run run = pb_run_around(&q->b, s.tree + (off - start));
    uint64_t skip = run.start < s.tree ? s.tree - run.start : 0; /* before this stretch */
    uint64_t end = pb_min(run.start + run.n, s.tree + pb_min(s.n, UINT64_MAX - s.tree));
    text->at = run.at ? run.at + skip : NULL;
    text->start = start + (run.start + skip - s.tree);
    text->end = start + (end - s.tree);
}

/* In a stretch that holds bytes [from, to) of the queue. */
static pb_status
find_inside(const wanted *w, const pb_segment *s, uint64_t from, uint64_t to, uint64_t *at)
{
    *at = UINT64_MAX;
    if (to - from < w->n) {
        return PB_OK;
    }
    if (s->at == NULL) {
        pb_status st =
            pb_buf_find(&w->q->b, s->tree, s->tree + (to - from), w->sub, (size_t)w->n, at);
        *at += *at == UINT64_MAX ? 0 : from - s->tree;
        return st;
    }
    const uint8_t *found = w->n <= 4 ? find_near(s->at, to - from, w->sub, w->n)
                                     : pb_memmem_first(s->at, to - from, w->sub, w->n);
    *at = found ? from + (uint64_t)(found - s->at) : UINT64_MAX;
    return PB_OK;
}

/* One that begins in [from, border) and ends behind the border. */
static uint64_t
find_across(const wanted *w, uint64_t from, uint64_t border, uint64_t to)
{
    uint64_t before = pb_min(border - from, w->n - 1);
    uint64_t behind = pb_min(to - border, w->n - 1);
    pb_text text = {.fetch = fetch_around, .source = w->q};
    if (before == 0 || before + behind < w->n) {
        return UINT64_MAX;
    }
    return pb_match_pieces(&text, border - before, border + behind, w->sub, (size_t)w->n,
                           false);
}

/* Stretch by stretch, each with the border behind it. */
static pb_status
find_over_pieces(const wanted *w, uint64_t from, uint64_t to, uint64_t *at)
{
    pb_status st = PB_OK;
    uint64_t front = pb_queue_front(w->q);
    *at = UINT64_MAX;
    while (st == PB_OK && *at == UINT64_MAX && from < to && to - from >= w->n) {
        pb_segment s = pb_pieces_from(&w->q->pieces, front, front + from, to - from);
        st = find_inside(w, &s, from, from + s.n, at);
        if (st == PB_OK && *at == UINT64_MAX) {
            *at = find_across(w, from, from + s.n, to);
        }
        from += s.n;
    }
    return st;
}

pb_status
pb_queue_find(const pb_queue *q, uint64_t from, uint64_t to, const void *sub, uint64_t n,
              uint64_t *at)
{
    to = pb_min(to, pb_queue_len(q));
    if (PB_LIKELY(q->pieces.count == 0)) {
        return pb_buf_find(&q->b, from, to, sub, (size_t)n, at);
    }
    if (n == 0) {
        *at = from <= to ? from : UINT64_MAX;
        return PB_OK;
    }
    return find_over_pieces(&(wanted){q, sub, n}, from, to, at);
}

/* ---- separators ---- */

/* Where bytes [from, from + n) lie, if that is one piece of memory; else NULL. */
static inline const uint8_t *
in_one_piece(pb_queue *q, uint64_t from, uint64_t n)
{
    if (PB_LIKELY(q->pieces.count == 0)) {
        return pb_buf_peek(&q->b, from, n);
    }
    uint64_t front = pb_queue_front(q);
    pb_segment s = pb_pieces_from(&q->pieces, front, front + from, n);
    return s.n == n ? s.at : NULL;
}

/* Look for a short separator in bytes [from, to), if they lie in one piece of memory; else false. */
static bool
search_piece(pb_queue *q, uint64_t from, uint64_t to, const void *sep, uint64_t n,
             uint64_t *found)
{
    *found = UINT64_MAX;
    const uint8_t *at = n <= 4 && n <= to - from ? in_one_piece(q, from, to - from) : NULL;
    const uint8_t *there = at ? find_near(at, to - from, sep, n) : NULL;
    if (there) {
        *found = from + (uint64_t)(there - at);
    }
    return at != NULL;
}

/* The end of the page of byte `from`, or `len`.  The search looks there first: most separators are
 * near, and it takes time to find out for each page behind whether it lies beside the one before. */
static inline uint64_t
end_of_page(const pb_queue *q, uint64_t from, uint64_t len)
{
    return from +
           pb_min(len - from, PB_PAGE_SIZE - ((q->b.root.bias + from) & PB_PAGE_MASK));
}

/* *found: where the first separator in bytes [from, len) begins, which are n at least. */
static pb_status
search(pb_queue *q, uint64_t from, uint64_t len, const void *sep, uint64_t n,
       uint64_t *found)
{
    uint64_t end = end_of_page(q, from, len);
    bool looked = search_piece(q, from, end, sep, n, found);
    if (PB_LIKELY(looked && (*found != UINT64_MAX || end == len))) {
        return PB_OK;
    }
    from = looked ? end + 1 - n : from;
    return search_piece(q, from, len, sep, n, found)
               ? PB_OK
               : pb_queue_find(q, from, len, sep, n, found);
}

pb_status
pb_queue_search_from(pb_queue *q, const void *sep, uint64_t n, uint64_t *searched,
                     uint64_t *end)
{
    uint64_t front = pb_queue_front(q), len = pb_queue_len(q);
    uint64_t from = *searched > front ? *searched - front : 0;
    *end = UINT64_MAX;
    if (len < n || from > len - n) {
        return PB_OK;
    }
    uint64_t found;
    pb_status st = search(q, from, len, sep, n, &found);
    if (st == PB_OK) {
        uint64_t none_before = found == UINT64_MAX ? len - n + 1 : found;
        *searched = front + none_before;
        *end = found == UINT64_MAX ? found : found + n;
        q->looked += none_before + n - 1 - from;
    }
    return st;
}
