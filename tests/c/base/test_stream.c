/* Copies that pass the caches by move the same bytes as others, wherever the two ends lie; and a buffer
 * uses them for large appends to warm memory, and for nothing else. */
#include "base/stream.h"
#include "buffer/internal.h"
#include "buffer/model.h"

/* ---- the copy ---- */

#define ROOM (8 * 4096)
#define EDGE 160

static uint8_t from[ROOM + 2 * EDGE], to[ROOM + 2 * EDGE], want[ROOM + 2 * EDGE];

static void
check_copy(chance *c, unsigned sides, size_t n)
{
    size_t at = below(c, EDGE), other = below(c, EDGE);
    NOTE("%u sides, %zu bytes from %zu to %zu", sides, n, other, at);
    memset(to, 0x33, sizeof to);
    memset(want, 0x33, sizeof want);
    memcpy(want + at, from + other, n);
    if (sides) {
        pb_copy_stream_by(sides, to + at, from + other, n);
    }
    else {
        pb_copy_stream(to + at, from + other, n);
    }
    CHECK_EQ(memcmp(to, want, sizeof to), 0);
}

static void
test_the_same_bytes_arrive(void)
{
    static const unsigned sides[] = {0, 1, 4};
    chance c = chance_of(1);
    fill(&c, from, sizeof from);
    for (int i = 0; i < 600; i++) {
        check_copy(&c, sides[i % 3], below(&c, ROOM));
    }
    for (size_t n = PB_STREAM_LEAST - 70; n < PB_STREAM_LEAST + 200; n++) {
        check_copy(&c, sides[n % 3], n);
    }
}

static void
test_ranges_that_overlap(void)
{
    static const size_t far[] = {1, 63, 64, 100, 4096};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        for (unsigned sides = 1; sides <= 4; sides += 3) {
            size_t n = sizeof to - far[i];
            memcpy(to, from, sizeof to);
            pb_copy_stream_by(sides, to + far[i], to, n);
            CHECK_EQ(memcmp(to + far[i], from, n), 0);
            memcpy(to, from, sizeof to);
            pb_copy_stream_by(sides, to, to + far[i], n);
            CHECK_EQ(memcmp(to, from + far[i], n), 0);
        }
    }
}

/* ---- the buffer ---- */

#define PIECE ((uint64_t)1 << 20)

static bool
streams(pb_buf *b, uint64_t off, uint64_t n)
{
    static const uint8_t some[PIECE];
    CHECK_OK(pb_buf_write_begin(b, off, some, n));
    bool found = b->tail == pb_tail_streams;
    pb_buf_copy_in(b, off, some, n);
    pb_buf_write_end(b);
    CHECK(b->tail != pb_tail_streams);
    return found;
}

static memory mem;
static pair p;

static void
grow(uint64_t size, uint64_t seed)
{
    while (p.m.size < size) {
        pair_scribble(&p, p.m.size, PIECE - 77, seed++);
    }
    AGREE(&p.b, &p.m);
}

/* 16 MiB on the machines that are known: too many pages for the tiny builds. */
static void
test_large_appends_to_warm_frames_stream(void)
{
    uint64_t from_here = pb_stream_from();
    if (PB_PAGE_SHIFT < 12 || (from_here > 32 * PIECE && from_here != UINT64_MAX)) {
        return;
    }
    bool known = from_here != UINT64_MAX;
    uint64_t size = known ? from_here : 4 * PIECE;
    memory_init(&mem, PB_UNLIMITED, true);
    pair_init(&p, &mem, PB_MAX_LEVELS);
    grow(size, 1);
    CHECK(
        !streams(&p.b, p.b.root.size, PIECE)); /* the system has just made zeros of them */
    pair_clear(&p);
    grow(size, 100); /* what streams is right, too */
    CHECK_EQ(streams(&p.b, p.b.root.size, PB_STREAM_LEAST), known);
    CHECK(!streams(&p.b, p.b.root.size, PB_STREAM_LEAST - 1));
    CHECK(!streams(&p.b, p.b.root.size - PIECE, PIECE));
    CHECK_OK(pb_buf_truncate(&p.b, size));
    CHECK_EQ(streams(&p.b, p.b.root.size, PIECE), known);
    CHECK_OK(pb_buf_drop_front(&p.b, 1));
    CHECK(!streams(&p.b, p.b.root.size, PIECE));
    pb_buf_clear(&p.b);
    pair_clear(&p);
    pair_end(&p);
}

int
main(void)
{
    RUN(test_the_same_bytes_arrive);
    RUN(test_ranges_that_overlap);
    RUN(test_large_appends_to_warm_frames_stream);
    return finish();
}
