/* looking.h: calls that change nothing: searches and comparisons, done plainly as well. */
#ifndef PB_FUZZ_LOOKING_H
#define PB_FUZZ_LOOKING_H

#include "asked.h"

#include "range/answers.h"

enum { LONGEST_NEEDLE = 40 };

/* The first place of the needle in [at, past), else `past`. */
static inline uint64_t
find_plainly(const uint8_t *text, uint64_t at, uint64_t past, const uint8_t *needle,
             uint64_t n)
{
    while (at + n <= past && memcmp(text + at, needle, n) != 0) {
        at++;
    }
    return at + n <= past ? at : past;
}

static inline void
compare_finds(const uint8_t *needle, uint64_t n, uint64_t low, uint64_t high)
{
    const pb_buf *b = &to->b;
    const uint8_t *text = to->m.byte;
    uint64_t shift = plain_place(&to->m, low) - low, last = UINT64_MAX, count = 0;
    uint64_t first = find_plainly(text, low, high, needle, n), free_from = low;
    for (uint64_t at = first; at < high; at = find_plainly(text, at + 1, high, needle, n)) {
        last = at + shift;
        if (at >= free_from) {
            count++;
            free_from = at + n;
        }
    }
    uint64_t from_off = low + shift, to_off = high + shift;
    CHECK_EQ(find_in(b, from_off, to_off, needle, n),
             first < high ? first + shift : UINT64_MAX);
    CHECK_EQ(rfind_in(b, from_off, to_off, needle, n), last);
    CHECK_EQ(count_in(b, from_off, to_off, needle, n), count);
}

static inline void
call_find(void)
{
    uint64_t low = offset_inside(to), len = pb_min(to->m.size - low, 64 + 64 * flags);
    uint64_t n = 1 + next_byte(&in) % LONGEST_NEEDLE;
    if (len < n || !plain_one_side(&to->m, low, len)) {
        return;
    }
    const uint8_t *needle = some_content(n);
    if (flags & 1) { /* one that is there, or almost */
        memcpy(f.bytes, to->m.byte + low + next_part(&in, len - n), n);
        f.bytes[0] ^= flags >> 1 & 1;
        f.bytes[n - 1] ^= flags >> 2 & 1;
    }
    compare_finds(needle, n, low, low + len);
}

static inline int
sign(int order)
{
    return (order > 0) - (order < 0);
}

static inline void
call_compare(void)
{
    uint64_t a = offset_inside(to), b = offset_inside(from);
    uint64_t n = pb_min(to->m.size - a, from->m.size - b);
    if (!plain_one_side(&to->m, a, n) || !plain_one_side(&from->m, b, n)) {
        return;
    }
    int order = sign(memcmp(to->m.byte + a, from->m.byte + b, n));
    a = plain_place(&to->m, a);
    CHECK_EQ(sign(compare_bufs(&to->b, a, &from->b, plain_place(&from->m, b), n)), order);
    CHECK_EQ(sign(compare_with(&to->b, a, from->m.byte + b, n)), order);
}

/* Is there a byte in [at, past), which both have, that is the same in both, or is not? */
static inline bool
has_byte(uint64_t at, uint64_t past, bool same)
{
    uint64_t common = pb_min(to->m.size, from->m.size);
    for (; at < pb_min(past, common); at++) {
        if ((to->m.byte[at] == from->m.byte[at]) == same) {
            return true;
        }
    }
    return false;
}

/* What is not told does not differ; what is told does, byte for byte if exact. */
static inline void
call_diff(void)
{
    pb_diff d;
    uint64_t off, n, past = 0, longer = pb_max(to->m.size, from->m.size);
    bool exact = flags & 1, first = true;
    if (!is_flat(to) || !is_flat(from)) {
        return;
    }
    pb_diff_open(&d, &to->b, &from->b, exact);
    while (next_difference(&d, &off, &n)) {
        CHECK(n > 0 && off + n <= longer && (first || off > past));
        CHECK(!has_byte(past, off, false));
        CHECK(!exact || !has_byte(off, off + n, true));
        past = off + n;
        first = false;
    }
    CHECK(!has_byte(past, longer, false));
    CHECK(to->m.size == from->m.size || past == longer);
}

#endif
