/* range/find.c: searches and compares bytes in place.
 *
 * A run that is wide, at least twice as long as the needle, is searched in place.  A match may also
 * cross from one run to the next, or lie in narrow runs.  To find it, the search copies four
 * needles' worth of bytes at a time to a window on the stack.  If the needle is too long for the
 * window, pb_match_pieces reads the runs in place. */
#include "range/find.h"
#include "base/memmem.h"

#define NONE UINT64_MAX
#define WINDOW 4096 /* bytes on the stack */

typedef struct {
    const pb_buf *b;
    const uint8_t *byte;
    size_t n;
    size_t zeros; /* that it begins with */
} sought;

static bool
is_wide(const sought *s, const pb_run *run)
{
    return run->n >= 2 * (uint64_t)s->n;
}

/* ---- zeros ---- */

static bool
is_zero(const uint8_t *p, uint64_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static sought
seek_for(const pb_buf *b, const void *needle, size_t n)
{
    sought s = {b, needle, n, 0};
    while (s.zeros < n && s.byte[s.zeros] == 0) {
        s.zeros++;
    }
    return s;
}

static size_t
zeros_behind(const sought *s)
{
    size_t n = 0;
    while (n < s->n && s->byte[s->n - 1 - n] == 0) {
        n++;
    }
    return n;
}

/* ---- in pieces ---- */

static void
fetch_piece(pb_text *text, uint64_t off)
{
    pb_run run = pb_run_around(text->source, off);
    text->at = run.at;
    text->start = run.start;
    text->end = run.start + run.n;
}

static uint64_t
match_pieces(const sought *s, uint64_t from, uint64_t to, bool back)
{
    pb_text text = {.fetch = fetch_piece, .source = s->b};
    return pb_match_pieces(&text, from, to, s->byte, s->n, back);
}

/* How far to look for the end of the next run: `most`, but at first only *ask, which doubles with
 * each call.  So a match nearby does not pay for a long run. */
static uint64_t
farther(uint64_t *ask, uint64_t most)
{
    uint64_t now = pb_min(*ask, most);
    *ask = now < NONE / 2 ? 2 * now : now;
    return now;
}

static uint64_t
first_ask(const sought *s)
{
    return pb_max(2 * PB_PAGE_SIZE, 4 * (uint64_t)s->n);
}

/* ---- runs ----
 *
 * The tree shows a long hole as many runs.  Here it is one: a needle that begins with zeros would be
 * compared at the border of each, and a long one would take them all for narrow.  Only where the
 * needle lies in the first of them already does the length of the others not matter. */

static bool
lies_in_hole(const sought *s, const pb_run *run)
{
    return is_wide(s, run) && s->zeros == s->n;
}

static pb_run
run_ahead(const sought *s, uint64_t off, uint64_t most, uint64_t to)
{
    pb_run run = pb_run_first(s->b, off, off + most);
    if (PB_UNLIKELY(run.kind ==
                    PB_EXTENT_ABSENT)) { /* look no further: the result is void */
        run.n = to - off;
    }
    else if (run.at == NULL && !lies_in_hole(s, &run)) {
        run.n = pb_run_alike(s->b, off, to - off, false, true);
    }
    return run;
}

static pb_run
run_behind(const sought *s, uint64_t from, uint64_t most, uint64_t to)
{
    pb_run run = pb_run_last(s->b, to - most, to);
    if (PB_UNLIKELY(run.kind == PB_EXTENT_ABSENT)) {
        run.start = from;
        run.n = to - from;
    }
    else if (run.at == NULL && !lies_in_hole(s, &run)) {
        run.n = pb_run_alike(s->b, from, to - from, true, true);
        run.start = to - run.n;
    }
    return run;
}

/* ---- forwards ---- */

static uint64_t
in_run(const sought *s, const pb_run *run)
{
    const uint8_t *at = pb_memmem_first(run->at, run->n, s->byte, s->n);
    return at ? run->start + (uint64_t)(at - run->at) : NONE;
}

static uint64_t
in_window(const sought *s, uint64_t off, uint64_t len)
{
    uint8_t window[WINDOW];
    (void)pb_buf_copy_out(s->b, off, window, len);
    pb_run run = {PB_EXTENT_PRESENT, window, off, len};
    return in_run(s, &run);
}

/* Where the next wide run begins; `to` if there is none. */
static uint64_t
next_wide(const sought *s, uint64_t off, uint64_t to)
{
    while (off < to) {
        pb_run run = run_ahead(s, off, to - off, to);
        if (is_wide(s, &run)) {
            break;
        }
        off += run.n;
    }
    return off;
}

/* Search one step from *off on, and move *off past it: a hole, a wide run, or some of the narrow
 * runs before the next wide one. */
static uint64_t
step_ahead(const sought *s, uint64_t *off, uint64_t to, uint64_t *ask)
{
    pb_run run = run_ahead(s, *off, farther(ask, to - *off), to);
    uint64_t from = *off;
    if (run.kind != PB_EXTENT_PRESENT && is_wide(s, &run)) {
        *off += run.n - s->zeros;
        return s->zeros == s->n ? from : NONE;
    }
    if (run.kind == PB_EXTENT_PRESENT && (is_wide(s, &run) || run.n == to - from)) {
        *off += run.n - s->n + 1;
        return in_run(s, &run);
    }
    if (4 * s->n <= WINDOW) {
        uint64_t len = pb_min(4 * s->n, to - from);
        *off += len - s->n + 1;
        return in_window(s, from, len);
    }
    *off = next_wide(s, from, to);
    return match_pieces(s, from, pb_min(to, *off + s->n - 1), false);
}

static uint64_t
find(const sought *s, uint64_t from, uint64_t to)
{
    uint64_t ask = first_ask(s), found = NONE;
    while (found == NONE && from < to && to - from >= s->n) {
        found = step_ahead(s, &from, to, &ask);
    }
    return found;
}

pb_status
pb_buf_find(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
            uint64_t *at)
{
    sought s = seek_for(b, needle, n);
    to = pb_min(to, b->root.size);
    *at = n ? find(&s, from, to) : from <= to ? from : NONE;
    return pb_pool_read_status(b->pool);
}

/* ---- backwards: the same, mirrored ----
 *
 * One function for both directions would have to branch on the direction at each end of a run. */

static uint64_t
in_run_back(const sought *s, const pb_run *run)
{
    const uint8_t *at = pb_memmem_last(run->at, run->n, s->byte, s->n);
    return at ? run->start + (uint64_t)(at - run->at) : NONE;
}

static uint64_t
in_window_back(const sought *s, uint64_t off, uint64_t len)
{
    uint8_t window[WINDOW];
    (void)pb_buf_copy_out(s->b, off, window, len);
    pb_run run = {PB_EXTENT_PRESENT, window, off, len};
    return in_run_back(s, &run);
}

/* Where the last wide run before `to` ends; `from` if there is none. */
static uint64_t
last_wide(const sought *s, uint64_t from, uint64_t to)
{
    while (to > from) {
        pb_run run = run_behind(s, from, to - from, to);
        if (is_wide(s, &run)) {
            break;
        }
        to = run.start;
    }
    return to;
}

static uint64_t
step_back(const sought *s, uint64_t from, uint64_t *end, uint64_t *ask)
{
    uint64_t to = *end;
    pb_run run = run_behind(s, from, farther(ask, to - from), to);
    if (run.kind != PB_EXTENT_PRESENT && is_wide(s, &run)) {
        size_t zeros = zeros_behind(s);
        *end = run.start + zeros;
        return zeros == s->n ? to - s->n : NONE;
    }
    if (run.kind == PB_EXTENT_PRESENT && (is_wide(s, &run) || run.n == to - from)) {
        *end = run.start + s->n - 1;
        return in_run_back(s, &run);
    }
    if (4 * s->n <= WINDOW) {
        uint64_t len = pb_min(4 * s->n, to - from);
        *end = to - len + s->n - 1;
        return in_window_back(s, to - len, len);
    }
    *end = last_wide(s, from, to);
    uint64_t least = *end - from < s->n ? from : *end - s->n + 1;
    return match_pieces(s, least, to, true);
}

pb_status
pb_buf_rfind(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
             uint64_t *at)
{
    sought s = seek_for(b, needle, n);
    uint64_t ask = first_ask(&s), found = NONE;
    to = pb_min(to, b->root.size);
    if (n == 0 && from <= to) {
        found = to;
    }
    while (n && found == NONE && from < to && to - from >= n) {
        found = step_back(&s, from, &to, &ask);
    }
    *at = found;
    return pb_pool_read_status(b->pool);
}

/* ---- count ---- */

/* The compiler makes vector code of this, which is faster than a search for each match. */
static uint64_t
count_byte(const uint8_t *p, uint64_t n, uint8_t byte)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++) {
        count += p[i] == byte;
    }
    return count;
}

/* Count the needles in a wide run or a hole.  Moves *off to where the next one may begin. */
static uint64_t
count_in_run(const sought *s, const pb_run *run, uint64_t *off)
{
    uint64_t count = 0, at = 0;
    if (run->at == NULL) {
        bool alone = s->zeros == s->n;
        count = alone ? run->n / s->n : 0;
        at = alone ? count * s->n : run->n - s->zeros;
    }
    else if (s->n == 1) {
        count = count_byte(run->at, run->n, s->byte[0]);
        at = run->n;
    }
    else {
        size_t end;
        count = pb_memmem_count(run->at, run->n, s->byte, s->n, &end);
        at = pb_max(end, run->n - s->n + 1);
    }
    *off = run->start + at;
    return count;
}

/* In narrow runs: find one needle, and move *off past it. */
static uint64_t
count_one(const sought *s, uint64_t *off, uint64_t to)
{
    uint64_t at = find(s, *off, to);
    *off = at == NONE ? to : at + s->n;
    return at != NONE;
}

pb_status
pb_buf_count(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
             uint64_t *found)
{
    sought s = seek_for(b, needle, n);
    uint64_t count = 0;
    to = pb_min(to, b->root.size);
    if (n == 0 && from <= to) {
        count = to - from + 1;
    }
    while (n && from < to && to - from >= n) {
        pb_run run = run_ahead(&s, from, to - from, to);
        bool alone = is_wide(&s, &run) || n == 1;
        count += alone ? count_in_run(&s, &run, &from) : count_one(&s, &from, to);
    }
    *found = count;
    return pb_pool_read_status(b->pool);
}

/* ---- compare ---- */

static int
compare_run(const uint8_t *a, const uint8_t *b, uint64_t n)
{
    if (a == b) { /* a shared frame, or two holes */
        return 0;
    }
    if (a && b) {
        return memcmp(a, b, n);
    }
    return is_zero(a ? a : b, n) ? 0 : a ? 1 : -1;
}

pb_status
pb_buf_compare(const pb_buf *b, uint64_t off, const void *bytes, uint64_t n, int *order)
{
    const uint8_t *with = bytes;
    *order = 0;
    for (uint64_t end = off + n; *order == 0 && off < end;) {
        pb_run run = pb_run_first(b, off, end);
        *order = compare_run(run.at, with, run.n);
        with += run.n;
        off += run.n;
    }
    return pb_pool_read_status(b->pool);
}

/* If the run is used up, get the one that begins at *off. */
static void
next_run(const pb_buf *b, uint64_t *off, uint64_t n, pb_run *run)
{
    if (run->n == 0) {
        *run = pb_run_first(b, *off, *off + n);
    }
}

static void
pass(pb_run *run, uint64_t *off, uint64_t n)
{
    run->at = run->at ? run->at + n : NULL;
    run->n -= n;
    *off += n;
}

pb_status
pb_buf_compare_buf(const pb_buf *a, uint64_t a_off, const pb_buf *b, uint64_t b_off,
                   uint64_t n, int *order)
{
    pb_run x = {0}, y = {0};
    *order = 0;
    while (n && *order == 0) {
        next_run(a, &a_off, n, &x);
        next_run(b, &b_off, n, &y);
        uint64_t len = pb_min(x.n, y.n);
        *order = compare_run(x.at, y.at, len);
        pass(&x, &a_off, len);
        pass(&y, &b_off, len);
        n -= len;
    }
    return pb_pool_read_status_two(a->pool, b->pool);
}
