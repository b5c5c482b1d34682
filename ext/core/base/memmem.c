/* base/memmem.c: a needle in a text. */
#define _GNU_SOURCE /* memmem, memrchr */
#include "base/memmem.h"

#include "base/bits.h"

/* glibc's memmem is linear, and has memrchr. */
#if defined(__GLIBC__) && !PB_PORTABLE
#define GLIBC_SEARCHES 1
#else
#define GLIBC_SEARCHES 0
#endif

#if defined(__SSE2__) && !PB_PORTABLE
#define SSE2_SEARCHES 1
#else
#define SSE2_SEARCHES 0
#endif

#if SSE2_SEARCHES
#include <emmintrin.h>
#endif

/* ---- the two-way algorithm ---- */

/* A needle, read from its end when `back` is set.  It is cut into a left and a right
 * part.  The right part begins at `cut` and has the period `period`; `periodic`: the
 * whole needle has it, too. */
typedef struct {
    const uint8_t *byte;
    int64_t n;
    bool back;
    int64_t cut, period;
    bool periodic;
} needle_parts;

static inline uint8_t
needle_at(const needle_parts *x, int64_t i)
{
    return x->byte[x->back ? x->n - 1 - i : i];
}

/* Where the largest suffix begins, by the order of bytes or its inverse; its period. */
static int64_t
largest_suffix(const needle_parts *x, bool inverse, int64_t *period)
{
    int64_t suffix = 0, j = 1, k = 0; /* compare suffix + k with j + k */
    *period = 1;
    while (j + k < x->n) {
        uint8_t a = needle_at(x, j + k), b = needle_at(x, suffix + k);
        if (a == b) {
            bool whole = k + 1 == *period;
            j += whole ? *period : 0;
            k = whole ? 0 : k + 1;
        }
        else if ((a < b) != inverse) {
            j += k + 1;
            k = 0;
            *period = j - suffix;
        }
        else {
            suffix = j++;
            k = 0;
            *period = 1;
        }
    }
    return suffix;
}

static bool
is_periodic(const needle_parts *x)
{
    for (int64_t i = 0; i < x->cut; i++) {
        if (needle_at(x, i) != needle_at(x, i + x->period)) {
            return false;
        }
    }
    return true;
}

static needle_parts
take_apart(const uint8_t *needle, size_t n, bool back)
{
    needle_parts x = {.byte = needle, .n = (int64_t)n, .back = back};
    int64_t other, other_cut = largest_suffix(&x, true, &other);
    x.cut = largest_suffix(&x, false, &x.period);
    if (other_cut > x.cut) {
        x.cut = other_cut;
        x.period = other;
    }
    x.periodic = is_periodic(&x);
    if (!x.periodic) { /* then a shift by more than either part misses nothing */
        x.period = (x.cut > x.n - x.cut ? x.cut : x.n - x.cut) + 1;
    }
    return x;
}

/* The text being searched: byte k of [from, to), counted from `to` when `back` is set. */
typedef struct {
    pb_text *text;
    uint64_t from, to;
    bool back;
} range_of_text;

static inline uint8_t
text_at(const range_of_text *y, int64_t k)
{
    uint64_t off = y->back ? y->to - 1 - (uint64_t)k : y->from + (uint64_t)k;
    pb_text *text = y->text;
    if (PB_UNLIKELY(off - text->start >= text->end - text->start)) {
        text->fetch(text, off);
    }
    return text->at ? text->at[off - text->start] : 0;
}

/* 1. the right part, forwards: a mismatch shifts past it  2. the left part, backwards,
 * down to what is known from the last shift (`known` bytes)  3. shift by the period. */
static int64_t
two_way(const needle_parts *x, const range_of_text *y)
{
    int64_t last = (int64_t)(y->to - y->from) - x->n;
    for (int64_t j = 0, known = 0; j <= last;) {
        int64_t i = x->cut > known ? x->cut : known;
        while (i < x->n && needle_at(x, i) == text_at(y, j + i)) {
            i++;
        }
        if (i < x->n) {
            j += i - x->cut + 1;
            known = 0;
            continue;
        }
        for (i = x->cut; i > known && needle_at(x, i - 1) == text_at(y, j + i - 1);) {
            i--;
        }
        if (i <= known) {
            return j;
        }
        j += x->period;
        known = x->periodic ? x->n - x->period : 0;
    }
    return -1;
}

uint64_t
pb_match_pieces(pb_text *text, uint64_t from, uint64_t to, const uint8_t *needle, size_t n,
                bool back)
{
    if (to < from || to - from < n) {
        return UINT64_MAX;
    }
    range_of_text y = {text, from, to, back};
    needle_parts x = take_apart(needle, n, back);
    int64_t j = two_way(&x, &y);
    if (j < 0) {
        return UINT64_MAX;
    }
    return back ? to - (uint64_t)j - n : from + (uint64_t)j;
}

/* ---- in memory ---- */

/* A text in one piece never needs another one. */
static const uint8_t *
match_memory(const uint8_t *text, size_t len, const uint8_t *needle, size_t n, bool back)
{
    pb_text whole = {.at = text, .start = 0, .end = len};
    uint64_t at = pb_match_pieces(&whole, 0, len, needle, n, back);
    return at == UINT64_MAX ? NULL : text + at;
}

/* Is scanning still worth while, after this many candidates in this many bytes?  A
 * candidate costs a call and, where its other end fits too, a comparison. */
#define CANDIDATE 16
#define worth_while(work, scanned) ((work) <= 4 * (scanned) + 4096)

/* ---- two bytes of the needle ---- */

#if SSE2_SEARCHES

/* The second byte that is looked for is the last one that differs from the first, so that neither a
 * text of one byte only nor a needle of one has many places that look right. */
typedef struct {
    const uint8_t *byte;
    size_t n, second;
    __m128i one, other; /* 16 times each of the two */
    __m128i head;       /* up to 16 bytes of the needle */
    unsigned few;       /* the lowest n bits; 0: there are more than 16 bytes */
} pair_scan;

static pair_scan
pair_begin(const uint8_t *needle, size_t n)
{
    uint8_t head[16] = {0};
    size_t k = n - 1;
    while (k && needle[k] == needle[0]) {
        k--;
    }
    k = k ? k : n - 1;
    memcpy(head, needle, n < 16 ? n : 16);
    return (pair_scan){
        .byte = needle,
        .n = n,
        .second = k,
        .one = _mm_set1_epi8((char)needle[0]),
        .other = _mm_set1_epi8((char)needle[k]),
        .head = _mm_loadu_si128((const __m128i *)head),
        .few = n <= 16 ? (unsigned)((1u << n) - 1) : 0,
    };
}

static inline __m128i
block_at(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* In which of the 16 places from p on both bytes are right. */
static inline unsigned
pair_places(const pair_scan *x, const uint8_t *p)
{
    __m128i one = _mm_cmpeq_epi8(block_at(p), x->one);
    __m128i other = _mm_cmpeq_epi8(block_at(p + x->second), x->other);
    return (unsigned)_mm_movemask_epi8(_mm_and_si128(one, other));
}

/* There are 16 bytes at p. */
static inline bool
pair_right(const pair_scan *x, const uint8_t *p)
{
    if (x->few == 0) {
        return memcmp(p, x->byte, x->n) == 0;
    }
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block_at(p), x->head));
    return (same & x->few) == x->few;
}

/* Count in the 16 places from p on.  Returns where the next one may begin; adds to *work what
 * comparisons in vain have cost. */
static inline const uint8_t *
pair_count_block(const pair_scan *x, const uint8_t *p, uint64_t *count, size_t *work)
{
    unsigned places = pair_places(x, p);
    while (places) {
        unsigned i = pb_lowest_bit(places);
        if (!pair_right(x, p + i)) {
            *work += CANDIDATE + x->n;
            places &= places - 1;
            continue;
        }
        ++*count;
        if (i + x->n >= 16) {
            return p + i + x->n;
        }
        places &= ~0u << (i + x->n);
    }
    return p + 16;
}

/* Count from *at on, as long as that pays and 32 places are left.  Moves *at to where the next one may
 * begin. */
static uint64_t
pair_count(const pair_scan *x, const uint8_t **at, const uint8_t *past)
{
    const uint8_t *p = *at;
    uint64_t count = 0;
    size_t work = 0;
    while (past - p >= 32 && worth_while(work, (size_t)(p - *at))) {
        p = pair_count_block(x, p, &count, &work);
    }
    *at = p;
    return count;
}

/* The first one from *at on.  NULL: there is none before *at, which has moved. */
static const uint8_t *
pair_first(const pair_scan *x, const uint8_t **at, const uint8_t *past)
{
    const uint8_t *p = *at;
    size_t work = 0;
    for (; past - p >= 32 && worth_while(work, (size_t)(p - *at)); p += 16) {
        for (unsigned places = pair_places(x, p); places; places &= places - 1) {
            const uint8_t *here = p + pb_lowest_bit(places);
            if (pair_right(x, here)) {
                return here;
            }
            work += CANDIDATE + x->n;
        }
    }
    *at = p;
    return NULL;
}
#endif

/* ---- first, and all ---- */

/* What is left when neither of the two scans pays, or there is little text. */
static const uint8_t *
first_linear(const uint8_t *p, size_t len, const uint8_t *needle, size_t n)
{
#if GLIBC_SEARCHES
    return memmem(p, len, needle, n);
#else
    return match_memory(p, len, needle, n, false);
#endif
}

static const uint8_t *
first_of_many(const uint8_t *p, const uint8_t *past, const uint8_t *needle, size_t n)
{
#if SSE2_SEARCHES
    pair_scan x = pair_begin(needle, n);
    const uint8_t *found = pair_first(&x, &p, past);
    if (found) {
        return found;
    }
#endif
    return first_linear(p, (size_t)(past - p) + n - 1, needle, n);
}

const uint8_t *
pb_memmem_first(const uint8_t *text, size_t len, const uint8_t *needle, size_t n)
{
    const uint8_t *p = text, *past = text + (len - n + 1);
    size_t work = 0;
    while (p < past && worth_while(work, (size_t)(p - text))) {
        p = memchr(p, needle[0], (size_t)(past - p));
        if (p == NULL) {
            return NULL;
        }
        if (p[n - 1] == needle[n - 1]) {
            if (memcmp(p, needle, n) == 0) {
                return p;
            }
            work += n;
        }
        work += CANDIDATE;
        p++;
    }
    return p < past ? first_of_many(p, past, needle, n) : NULL;
}

/* Where so many needles were found before `at`, they are found faster in blocks than one by one. */
static bool
found_often(uint64_t count, size_t at)
{
    return count * 64 > (uint64_t)at + 1024;
}

/* Count from *at on, and move it to where the next one may begin. */
static uint64_t
count_often(const uint8_t **at, const uint8_t *past, const uint8_t *needle, size_t n)
{
#if SSE2_SEARCHES
    pair_scan x = pair_begin(needle, n);
    return pair_count(&x, at, past);
#else
    (void)at, (void)past, (void)needle, (void)n;
    return 0;
#endif
}

uint64_t
pb_memmem_count(const uint8_t *text, size_t len, const uint8_t *needle, size_t n,
                size_t *end)
{
    uint64_t count = 0;
    const uint8_t *at = text, *past = text + (len - n + 1);
    while (at < past) {
        if (found_often(count, (size_t)(at - text))) {
            count += count_often(&at, past, needle, n);
        }
        const uint8_t *p =
            at < past ? pb_memmem_first(at, (size_t)(past - at) + n - 1, needle, n) : NULL;
        if (p == NULL) {
            break;
        }
        count++;
        at = p + n;
    }
    *end = (size_t)(at - text);
    return count;
}

/* ---- last ---- */

static const uint8_t *
last_byte(const uint8_t *text, uint8_t byte, size_t len)
{
#if GLIBC_SEARCHES
    return memrchr(text, byte, len);
#else
    while (len && text[len - 1] != byte) {
        len--;
    }
    return len ? text + len - 1 : NULL;
#endif
}

/* The mirror of pb_memmem_first.  Direction, bounds and search differ in every step, so
 * the two share no loop. */
const uint8_t *
pb_memmem_last(const uint8_t *text, size_t len, const uint8_t *needle, size_t n)
{
    size_t left = len - n + 1, work = 0; /* places to look at, the last one first */
    while (left && worth_while(work, len - n + 1 - left)) {
        const uint8_t *p = last_byte(text, needle[0], left);
        if (p == NULL) {
            return NULL;
        }
        if (p[n - 1] == needle[n - 1]) {
            if (memcmp(p, needle, n) == 0) {
                return p;
            }
            work += n;
        }
        work += CANDIDATE;
        left = (size_t)(p - text);
    }
    return left ? match_memory(text, left + n - 1, needle, n, true) : NULL;
}
