/* answers.h: what is sought, counted and compared, as values. */
#ifndef PB_TEST_RANGE_ANSWERS_H
#define PB_TEST_RANGE_ANSWERS_H

#include "range/diff.h"
#include "range/find.h"
#include "support.h"

static inline uint64_t
find_in(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n)
{
    uint64_t at;
    CHECK_OK(pb_buf_find(b, from, to, needle, n, &at));
    return at;
}

static inline uint64_t
rfind_in(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n)
{
    uint64_t at;
    CHECK_OK(pb_buf_rfind(b, from, to, needle, n, &at));
    return at;
}

static inline uint64_t
count_in(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n)
{
    uint64_t found;
    CHECK_OK(pb_buf_count(b, from, to, needle, n, &found));
    return found;
}

static inline int
compare_with(const pb_buf *b, uint64_t off, const void *bytes, uint64_t n)
{
    int order;
    CHECK_OK(pb_buf_compare(b, off, bytes, n, &order));
    return order;
}

static inline int
compare_bufs(const pb_buf *a, uint64_t a_off, const pb_buf *b, uint64_t b_off, uint64_t n)
{
    int order;
    CHECK_OK(pb_buf_compare_buf(a, a_off, b, b_off, n, &order));
    return order;
}

/* false: there is no difference more. */
static inline bool
next_difference(pb_diff *d, uint64_t *off, uint64_t *n)
{
    CHECK_OK(pb_diff_next(d, off, n));
    return *n != 0;
}

#endif
