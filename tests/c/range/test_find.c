/* Find, rfind and compare beside a plain search, over scattered pages, runs and holes. */
#include "range/answers.h"
#include "base/memmem.h"
#include "support.h"

#define NONE UINT64_MAX
#define MOST (40 * PB_PAGE_SIZE)

typedef struct {
    memory m;
    pb_buf b;
    uint8_t *plain; /* the same bytes */
    uint64_t size;
} fixture;

static void
write_both(fixture *f, uint64_t off, const void *src, uint64_t n)
{
    pb_status st;
    GROWING(&f->m, st, pb_buf_write(&f->b, off, src, n));
    CHECK_OK(st);
    memcpy(f->plain + off, src, n);
    f->size = pb_max(f->size, off + n);
}

static void
begin(fixture *f)
{
    memory_init(&f->m, UINT64_MAX, false);
    f->m.piece = 64;
    pb_buf_init(&f->b, &f->m.pool, PB_MAX_LEVELS);
    f->plain = calloc(1, MOST + PB_PAGE_SIZE);
    f->size = 0;
}

static void
end(fixture *f)
{
    pb_buf_fini(&f->b);
    CHECK_EMPTY(&f->m.pool);
    memory_fini(&f->m);
    free(f->plain);
}

/* Write the pages in random order, so that few frames are neighbours; some stay holes. */
static void
scatter(fixture *f, chance *c, uint64_t pages, unsigned letters, unsigned holes)
{
    uint8_t page[PB_PAGE_SIZE];
    for (uint64_t i = 0; i < 2 * pages; i++) {
        uint64_t at = below(c, pages);
        if (i + 1 == 2 * pages) {
            at = pages - 1;
        }
        else if (holes && one_in(c, holes)) {
            continue;
        }
        for (size_t k = 0; k < PB_PAGE_SIZE; k++) {
            page[k] = (uint8_t)below(c, letters);
        }
        write_both(f, at << PB_PAGE_SHIFT, page, PB_PAGE_SIZE - (i % 3 == 0));
    }
}

static uint64_t
plain_find(const fixture *f, uint64_t from, uint64_t to, const uint8_t *needle, size_t n)
{
    for (uint64_t i = from; i + n <= to; i++) {
        if (memcmp(f->plain + i, needle, n) == 0) {
            return i;
        }
    }
    return NONE;
}

static uint64_t
plain_rfind(const fixture *f, uint64_t from, uint64_t to, const uint8_t *needle, size_t n)
{
    for (uint64_t i = to; i >= from + n; i--) {
        if (memcmp(f->plain + i - n, needle, n) == 0) {
            return i - n;
        }
    }
    return NONE;
}

static uint64_t
plain_count(const fixture *f, uint64_t from, uint64_t to, const uint8_t *needle, size_t n)
{
    uint64_t count = 0;
    while ((from = plain_find(f, from, to, needle, n)) != NONE) {
        count++;
        from += n;
    }
    return count;
}

static void
check_both(const fixture *f, uint64_t from, uint64_t to, const uint8_t *needle, size_t n)
{
    NOTE("[%" PRIu64 ", %" PRIu64 ") of %" PRIu64 ", needle of %zu: %02x %02x ...", from,
         to, f->size, n, needle[0], needle[n > 1]);
    CHECK_EQ(find_in(&f->b, from, to, needle, n), plain_find(f, from, to, needle, n));
    CHECK_EQ(rfind_in(&f->b, from, to, needle, n), plain_rfind(f, from, to, needle, n));
    CHECK_EQ(count_in(&f->b, from, to, needle, n), plain_count(f, from, to, needle, n));
}

/* Needles that occur, needles that occur except for their last byte, and random needles. */
static void
seek_by_chance(fixture *f, chance *c, unsigned rounds, unsigned letters, uint64_t longest)
{
    uint8_t *needle = malloc(MOST);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t from = below(c, f->size), to = from + below(c, f->size - from + 1);
        uint64_t at = from + below(c, f->size - from);
        uint64_t n = 1 + below(c, pb_min(longest, f->size - at));
        memcpy(needle, f->plain + at, n);
        if (one_in(c, 4)) {
            needle[one_in(c, 2) ? n - 1 : 0] ^= 1;
        }
        if (one_in(c, 8)) {
            memset(needle, (int)below(c, letters), n);
        }
        check_both(f, from, to, needle, n);
        check_both(f, 0, f->size, needle, n);
    }
    free(needle);
}

static void
test_find_in_scattered_pages(void)
{
    chance c = chance_of(1);
    for (unsigned letters = 1; letters <= 4; letters++) {
        for (unsigned holes = 0; holes <= 3; holes++) {
            fixture f;
            begin(&f);
            scatter(&f, &c, PB_PAGE_SHIFT > 8 ? 6 : 40, letters, holes);
            seek_by_chance(&f, &c, PB_PAGE_SHIFT > 8 ? 40 : 200, letters, 12);
            seek_by_chance(&f, &c, PB_PAGE_SHIFT > 8 ? 20 : 100, letters, f.size / 2);
            end(&f);
        }
    }
}

static void
test_find_in_one_run(void)
{
    chance c = chance_of(2);
    fixture f;
    begin(&f);
    uint8_t *bytes = malloc(MOST);
    for (uint64_t i = 0; i < MOST; i++) {
        bytes[i] = (uint8_t)below(&c, 3);
    }
    write_both(&f, 0, bytes, MOST - 5);
    free(bytes);
    seek_by_chance(&f, &c, 40, 3, 20);
    end(&f);
}

/* Offsets count from the bias, not from the first page. */
static void
test_find_behind_a_bias(void)
{
    chance c = chance_of(3);
    fixture f;
    begin(&f);
    scatter(&f, &c, 12, 3, 4);
    uint64_t cut = PB_PAGE_SIZE + 7;
    CHECK_OK(pb_buf_drop_front(&f.b, cut));
    memmove(f.plain, f.plain + cut, f.size - cut);
    f.size -= cut;
    seek_by_chance(&f, &c, 60, 3, 40);
    end(&f);
}

/* Every needle of two letters in every text of two letters, forwards and backwards. */
static void
test_two_way_exhaustively(void)
{
    for (unsigned len = 1; len <= 10; len++) {
        for (unsigned word = 0; word < 1u << len; word++) {
            uint8_t text[16], needle[16];
            for (unsigned i = 0; i < len; i++) {
                text[i] = word >> i & 1;
            }
            for (unsigned n = 1; n <= 5 && n <= len; n++) {
                for (unsigned what = 0; what < 1u << n; what++) {
                    fixture f = {.plain = text, .size = len};
                    pb_text whole = {.at = text, .end = len};
                    for (unsigned i = 0; i < n; i++) {
                        needle[i] = what >> i & 1;
                    }
                    NOTE("text %x of %u, needle %x of %u", word, len, what, n);
                    CHECK_EQ(pb_match_pieces(&whole, 0, len, needle, n, false),
                             plain_find(&f, 0, len, needle, n));
                    CHECK_EQ(pb_match_pieces(&whole, 0, len, needle, n, true),
                             plain_rfind(&f, 0, len, needle, n));
                }
            }
        }
    }
}

/* A hole as large as a tree may reach is passed over, not read. */
static void
test_holes_are_passed_over(void)
{
    uint8_t zeros[4] = {0}, late[4] = {0, 0, 0, 9}, early[4] = {9, 0, 0, 0};
    uint64_t far = (uint64_t)1 << 50;
    fixture f;
    begin(&f);
    write_both(&f, 3, "\t", 1);
    pb_status st;
    GROWING(&f.m, st, pb_buf_write(&f.b, far, "\t", 1));
    CHECK_OK(st);
    CHECK_EQ(find_in(&f.b, 0, NONE, late, 4), 0);
    CHECK_EQ(find_in(&f.b, 1, NONE, late, 4), far - 3);
    CHECK_EQ(rfind_in(&f.b, 0, far, early, 4), 3);
    CHECK_EQ(rfind_in(&f.b, 0, NONE, late, 4), far - 3);
    CHECK_EQ(find_in(&f.b, 0, NONE, zeros, 4), 4);
    CHECK_EQ(rfind_in(&f.b, 0, NONE, zeros, 4), far - 4);
    CHECK_EQ(find_in(&f.b, 0, NONE, "\tx", 2), NONE);
    CHECK_EQ(rfind_in(&f.b, 0, NONE, "x\t", 2), NONE);
    CHECK_EQ(compare_bufs(&f.b, 4, &f.b, far / 2, far / 4), 0);
    CHECK_EQ(compare_bufs(&f.b, 3, &f.b, far, 1), 0);
    CHECK(compare_bufs(&f.b, far - 9, &f.b, 4, 10) > 0);
    CHECK(compare_bufs(&f.b, 4, &f.b, far - 9, 10) < 0);
    end(&f);
}

static void
test_empty_needle_and_empty_buffer(void)
{
    fixture f;
    begin(&f);
    CHECK_EQ(find_in(&f.b, 0, NONE, "", 0), 0);
    CHECK_EQ(rfind_in(&f.b, 0, NONE, "", 0), 0);
    CHECK_EQ(find_in(&f.b, 0, NONE, "a", 1), NONE);
    CHECK_EQ(rfind_in(&f.b, 0, NONE, "a", 1), NONE);
    write_both(&f, 0, "abc", 3);
    CHECK_EQ(find_in(&f.b, 2, NONE, "", 0), 2);
    CHECK_EQ(rfind_in(&f.b, 2, NONE, "", 0), 3);
    CHECK_EQ(find_in(&f.b, 4, NONE, "", 0), NONE);
    CHECK_EQ(find_in(&f.b, 0, NONE, "abcd", 4), NONE);
    CHECK_EQ(rfind_in(&f.b, 0, 2, "bc", 2), NONE);
    CHECK_EQ(rfind_in(&f.b, 3, 2, "b", 1), NONE);
    end(&f);
}

/* Texts that make a naive search quadratic: minutes, were this not linear. */
static void
test_linear_at_worst(void)
{
    uint64_t size = (uint64_t)1 << 19;
    fixture f;
    begin(&f);
    f.m.piece = 0;
    f.plain = realloc(f.plain, size);
    uint8_t *needle = malloc(size);
    memset(needle, 'a', size);
    for (uint64_t at = 0; at < size; at += 2 * PB_PAGE_SIZE) { /* no two neighbours */
        write_both(&f, at, needle, PB_PAGE_SIZE);
    }
    for (uint64_t at = PB_PAGE_SIZE; at < size; at += 2 * PB_PAGE_SIZE) {
        write_both(&f, at, needle, PB_PAGE_SIZE);
    }
    for (uint64_t n = 16; n < size; n *= 8) {
        NOTE("needle of %" PRIu64, n);
        needle[0] = 'b';
        CHECK_EQ(find_in(&f.b, 0, size, needle, n), NONE);
        CHECK_EQ(rfind_in(&f.b, 0, size, needle, n), NONE);
        needle[0] = 'a';
        needle[n / 2] = 'b';
        CHECK_EQ(find_in(&f.b, 0, size, needle, n), NONE);
        CHECK_EQ(rfind_in(&f.b, 0, size, needle, n), NONE);
        needle[n / 2] = 'a';
        needle[n - 1] = 'b';
        CHECK_EQ(find_in(&f.b, 0, size, needle, n), NONE);
        CHECK_EQ(rfind_in(&f.b, 0, size, needle, n), NONE);
        needle[n - 1] = 'a';
    }
    free(needle);
    end(&f);
}

static int
sign(int x)
{
    return (x > 0) - (x < 0);
}

static void
test_compare(void)
{
    chance c = chance_of(5);
    fixture f, g;
    begin(&f);
    begin(&g);
    scatter(&f, &c, 20, 2, 3);
    uint8_t *other = malloc(f.size);
    memcpy(other, f.plain, f.size);
    write_both(&g, 5, other, f.size); /* the same, five bytes further on, in one run */
    for (unsigned i = 0; i < 500; i++) {
        uint64_t off = below(&c, f.size), n = below(&c, f.size - off + 1);
        if (n && one_in(&c, 2)) {
            uint64_t at = off + below(&c, n);
            other[at] ^= 3;
            write_both(&g, 5 + at, &other[at], 1);
        }
        NOTE("[%" PRIu64 ", + %" PRIu64 ")", off, n);
        int want = sign(memcmp(f.plain + off, other + off, n));
        CHECK_EQ(sign(compare_with(&f.b, off, other + off, n)), want);
        CHECK_EQ(sign(compare_bufs(&f.b, off, &g.b, off + 5, n)), want);
        CHECK_EQ(sign(compare_bufs(&g.b, off + 5, &f.b, off, n)), -want);
    }
    free(other);
    end(&f);
    end(&g);
}

int
main(void)
{
    RUN(test_find_in_scattered_pages);
    RUN(test_find_in_one_run);
    RUN(test_find_behind_a_bias);
    RUN(test_two_way_exhaustively);
    RUN(test_holes_are_passed_over);
    RUN(test_empty_needle_and_empty_buffer);
    RUN(test_linear_at_worst);
    RUN(test_compare);
    return finish();
}
