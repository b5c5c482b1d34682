/* Needles in texts in one piece: where they are and how many, beside a search that looks at each place.
 * Texts of two bytes have many places that look right; the three ways of searching take turns there. */
#include "base/memmem.h"
#include "support.h"

#define MOST_TEXT 9000
#define MOST_NEEDLE 40

/* ---- the plain search ---- */

static size_t
plain_first(const uint8_t *text, size_t len, const uint8_t *needle, size_t n)
{
    for (size_t at = 0; at + n <= len; at++) {
        if (memcmp(text + at, needle, n) == 0) {
            return at;
        }
    }
    return SIZE_MAX;
}

static uint64_t
plain_count(const uint8_t *text, size_t len, const uint8_t *needle, size_t n)
{
    uint64_t count = 0;
    size_t at = 0, found;
    while (at + n <= len &&
           (found = plain_first(text + at, len - at, needle, n)) != SIZE_MAX) {
        count++;
        at += found + n;
    }
    return count;
}

/* ---- both ---- */

static void
check_search(const uint8_t *text, size_t len, const uint8_t *needle, size_t n)
{
    /* memory of its own, so that the sanitizer sees a byte that is read behind it */
    uint8_t *own = malloc(len);
    CHECK(own != NULL);
    memcpy(own, text, len);
    const uint8_t *at = pb_memmem_first(own, len, needle, n);
    CHECK_EQ(at ? (size_t)(at - own) : SIZE_MAX, plain_first(text, len, needle, n));
    size_t end;
    uint64_t count = pb_memmem_count(own, len, needle, n, &end);
    CHECK_EQ(count, plain_count(text, len, needle, n));
    CHECK(end <= len);
    free(own);
}

/* Mostly zeros; one byte in `rare` is something else. */
static void
fill_rarely(chance *c, uint8_t *text, size_t len, size_t rare)
{
    memset(text, 0, len);
    for (size_t i = 0; i < len; i++) {
        text[i] = below(c, rare) == 0 ? (uint8_t)(1 + below(c, 2)) : 0;
    }
}

static void
test_beside_a_plain_search(void)
{
    static uint8_t text[MOST_TEXT], needle[MOST_NEEDLE];
    chance c = chance_of(5);
    for (int i = 0; i < 3000; i++) {
        size_t n = 1 + below(&c, MOST_NEEDLE), len = n + below(&c, MOST_TEXT - n);
        len = i % 4 ? n + len % 200 : len;
        fill_rarely(&c, text, len, 2 + below(&c, 400));
        fill_rarely(&c, needle, n, 1 + below(&c, 40));
        if (i % 3 == 0) { /* it is there */
            memcpy(text + below(&c, len - n + 1), needle, n);
        }
        NOTE("round %d: %zu bytes in %zu", i, n, len);
        check_search(text, len, needle, n);
    }
}

static void
test_texts_of_zeros(void)
{
    static uint8_t text[MOST_TEXT], needle[MOST_NEEDLE];
    memset(text, 0, sizeof text);
    for (size_t n = 1; n <= MOST_NEEDLE; n++) {
        memset(needle, 0, n);
        check_search(text, sizeof text, needle, n);
        for (size_t i = 0; i < n; i++) { /* a byte that is nowhere, at each place */
            needle[i] = 1;
            check_search(text, sizeof text, needle, n);
            text[sizeof text - n + i] = 1; /* at the very end */
            check_search(text, sizeof text, needle, n);
            text[sizeof text - n + i] = 0;
            needle[i] = 0;
        }
    }
}

int
main(void)
{
    RUN(test_beside_a_plain_search);
    RUN(test_texts_of_zeros);
    return finish();
}
