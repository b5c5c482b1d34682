/* answers.h: results of searches, counts and comparisons as values. */
#ifndef PB_TEST_RANGE_ANSWERS_H
#define PB_TEST_RANGE_ANSWERS_H

#include "range/diff.h"
#include "range/find.h"
#include "support.h"

typedef pb_status
search(const pb_buf *b, uint64_t from, uint64_t to, const void *needle, size_t n,
       uint64_t *answer);

static inline uint64_t
answer_of(search *call, const pb_buf *b, uint64_t from, uint64_t to, const void *needle,
          size_t n)
{
    uint64_t answer;
    CHECK_OK(call(b, from, to, needle, n, &answer));
    return answer;
}

#define find_in(...) answer_of(pb_buf_find, __VA_ARGS__)
#define rfind_in(...) answer_of(pb_buf_rfind, __VA_ARGS__)
#define count_in(...) answer_of(pb_buf_count, __VA_ARGS__)

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

/* false: there is no further difference. */
static inline bool
next_difference(pb_diff *d, uint64_t *off, uint64_t *n)
{
    CHECK_OK(pb_diff_next(d, off, n));
    return *n != 0;
}

#endif
