/* Replace, strides and reverse beside plain memory: on scattered pages, holes, biased and
 * shared trees; and the n-th frame request fails, until the call succeeds (I3). */
#include "range/edit.h"
#include "buffer/share.h"
#include "support.h"

#define MOST (24 * PB_PAGE_SIZE)
#define ROOM (2 * MOST)

static memory mem; /* one pool for all: frames come warm and dirty */

typedef struct {
    pb_buf b, kept; /* kept: shares the pages, when shared is set */
    bool shared;
    uint8_t *plain, *before;
    uint64_t size;
} fixture;

static void
store(fixture *f, uint64_t off, const uint8_t *src, uint64_t n)
{
    pb_status st;
    GROWING(&mem, st, pb_buf_write(&f->b, off, src, n));
    CHECK_OK(st);
    memcpy(f->plain + off, src, n);
    f->size = pb_max(f->size, off + n);
}

/* Some pages, some holes, a bias. */
static void
begin(fixture *f, chance *c, bool shared)
{
    uint8_t bytes[3 * PB_PAGE_SIZE];
    pb_buf_init(&f->b, &mem.pool, PB_MAX_LEVELS);
    pb_buf_init(&f->kept, &mem.pool, PB_MAX_LEVELS);
    f->plain = calloc(1, ROOM);
    f->before = malloc(ROOM);
    f->size = 0;
    f->shared = shared;
    for (uint64_t i = 1 + below(c, 6); i; i--) {
        uint64_t n = 1 + below(c, sizeof bytes);
        fill(c, bytes, n);
        store(f, below(c, MOST / 2), bytes, n);
    }
    uint64_t cut = below(c, pb_min(f->size, 2 * PB_PAGE_SIZE));
    CHECK_OK(pb_buf_drop_front(&f->b, cut));
    f->size -= cut;
    memmove(f->plain, f->plain + cut, f->size);
    memset(f->plain + f->size, 0, ROOM - f->size);
    memcpy(f->before, f->plain, ROOM);
    pb_status st = PB_OK;
    if (shared) {
        GROWING(&mem, st, pb_buf_share(&f->kept, &f->b));
    }
    CHECK_OK(st);
}

static void
check_bytes(const pb_buf *b, const uint8_t *want, uint64_t size)
{
    uint8_t *got = malloc(size + 1);
    pb_fault fault = {0};
    CHECK_EQ(b->root.size, size);
    pb_buf_copy_out(b, 0, got, size);
    CHECK_BYTES(got, want, size);
    CHECK(pb_buf_check(b, &fault));
    free(got);
}

static void
finish_with(fixture *f)
{
    check_bytes(&f->b, f->plain, f->size);
    if (f->shared) {
        check_bytes(&f->kept, f->before, f->kept.root.size);
    }
    CHECK_POOL(&mem.pool);
    pb_buf_fini(&f->b);
    pb_buf_fini(&f->kept);
    free(f->plain);
    free(f->before);
}

/* ---- calls, as asked of the buffer and of plain memory ---- */

typedef struct {
    enum { REPLACE, SET_STRIDE, DELETE_STRIDE, REVERSE, KINDS } kind;
    uint64_t off, old, n;
    pb_stride stride;
    uint8_t src[4 * PB_PAGE_SIZE];
} edit;

static void
edit_by_chance(edit *e, chance *c, uint64_t size)
{
    e->kind = below(c, KINDS);
    e->off = below(c, size + 1);
    e->old = below(c, size - e->off + 1);
    e->n = one_in(c, 3) ? 0 : below(c, sizeof e->src);
    if (one_in(c, 4)) {
        e->off = 0;
    }
    int64_t step = 1 + (int64_t)below(c, 2 * PB_PAGE_SIZE);
    e->stride.start = below(c, size);
    bool back = one_in(c, 2);
    uint64_t reach = back ? e->stride.start : size - 1 - e->stride.start;
    e->stride.n = 1 + below(c, reach / (uint64_t)step + 1);
    e->stride.n = pb_min(e->stride.n, sizeof e->src);
    e->stride.step = back ? -step : step;
    fill(c, e->src, sizeof e->src);
}

static pb_status
edit_buffer(pb_buf *b, const edit *e)
{
    switch (e->kind) {
    case REPLACE:
        return pb_buf_replace(b, e->off, e->old, e->src, e->n);
    case SET_STRIDE:
        return pb_buf_set_stride(b, &e->stride, e->src);
    case DELETE_STRIDE:
        return pb_buf_delete_stride(b, &e->stride);
    default:
        return pb_buf_reverse(b);
    }
}

static void
delete_plain(fixture *f, uint64_t off, uint64_t n)
{
    memmove(f->plain + off, f->plain + off + n, ROOM - off - n);
    f->size -= n;
}

static void
edit_stride_plain(fixture *f, const edit *e)
{
    for (uint64_t i = 0; i < e->stride.n; i++) {
        /* the highest place first, when they are taken out */
        bool up = e->kind == DELETE_STRIDE && e->stride.step > 0;
        uint64_t k = up ? e->stride.n - 1 - i : i;
        uint64_t at = e->stride.start + k * (uint64_t)e->stride.step;
        if (e->kind == DELETE_STRIDE) {
            delete_plain(f, at, 1);
        }
        else {
            f->plain[at] = e->src[k];
        }
    }
}

static void
edit_plain(fixture *f, const edit *e)
{
    if (e->kind == REPLACE) {
        delete_plain(f, e->off, e->old);
        memmove(f->plain + e->off + e->n, f->plain + e->off, f->size - e->off);
        memcpy(f->plain + e->off, e->src, e->n);
        f->size += e->n;
    }
    else if (e->kind == REVERSE) {
        for (uint64_t i = 0; i < f->size / 2; i++) {
            uint8_t byte = f->plain[i];
            f->plain[i] = f->plain[f->size - 1 - i];
            f->plain[f->size - 1 - i] = byte;
        }
    }
    else {
        edit_stride_plain(f, e);
    }
}

#define NOTE_EDIT(e)                                                              \
    NOTE("edit %d: off %" PRIu64 " old %" PRIu64 " n %" PRIu64 "; start %" PRIu64 \
         " n %" PRIu64 " step %" PRId64,                                          \
         (int)(e).kind, (e).off, (e).old, (e).n, (e).stride.start, (e).stride.n,  \
         (e).stride.step)

static void
test_edits_by_chance(void)
{
    static edit e;
    chance c = chance_of(1);
    for (unsigned round = 0; round < 400; round++) {
        fixture f;
        begin(&f, &c, round % 2);
        for (unsigned i = 0; i < 6 && f.size && f.size < MOST; i++) {
            pb_status st;
            edit_by_chance(&e, &c, f.size);
            NOTE_EDIT(e);
            GROWING(&mem, st, edit_buffer(&f.b, &e));
            CHECK_OK(st);
            edit_plain(&f, &e);
            check_bytes(&f.b, f.plain, f.size);
        }
        finish_with(&f);
    }
    CHECK_EMPTY(&mem.pool);
}

/* The edit is refused and changes nothing as long as frames are short. */
static void
check_every_shortage(fixture *f, const edit *e)
{
    uint64_t held = mem.pool.held, limit = held;
    pb_status st = PB_LIMIT;
    for (; st != PB_OK; limit++) {
        mem.pool.limit = limit;
        st = edit_buffer(&f->b, e);
        CHECK(st == PB_OK || st == PB_LIMIT || st == PB_NEED_PAGES);
        if (st == PB_NEED_PAGES) {
            mem.pool.limit = UINT64_MAX;
            memory_grow(&mem);
            continue;
        }
        if (st != PB_OK) {
            CHECK_EQ(mem.pool.held, held);
            CHECK_EQ(mem.pool.reserved, 0);
            check_bytes(&f->b, f->plain, f->size);
        }
        CHECK(limit < held + 300);
    }
    mem.pool.limit = UINT64_MAX;
}

static void
test_the_nth_frame_is_refused(void)
{
    static edit e;
    chance c = chance_of(2);
    for (unsigned round = 0; round < 300; round++) {
        fixture f;
        begin(&f, &c, round % 2);
        edit_by_chance(&e, &c, f.size);
        NOTE_EDIT(e);
        check_every_shortage(&f, &e);
        edit_plain(&f, &e);
        finish_with(&f);
    }
    CHECK_EMPTY(&mem.pool);
}

/* ---- holes ---- */

#define PIECES 5

/* Pieces of data far apart, in a buffer whose pages nobody could make. */
typedef struct {
    pb_buf b, kept;
    uint64_t size, at[PIECES], pages;
    uint8_t byte[PIECES][3 * PB_PAGE_SIZE];
    uint64_t n[PIECES];
} sparse;

static void
begin_sparse(sparse *f, chance *c, bool shared)
{
    pb_status st;
    pb_tree_stats use;
    pb_buf_init(&f->b, &mem.pool, PB_MAX_LEVELS);
    pb_buf_init(&f->kept, &mem.pool, PB_MAX_LEVELS);
    f->size = ((uint64_t)1 << 50) + below(c, PB_PAGE_SIZE);
    GROWING(&mem, st, pb_buf_truncate(&f->b, f->size));
    CHECK_OK(st);
    for (unsigned i = 0; i < PIECES; i++) {
        f->n[i] = 1 + below(c, sizeof f->byte[i]);
        f->at[i] = f->size / PIECES * i + below(c, 4 * PB_PAGE_SIZE);
        fill(c, f->byte[i], f->n[i]);
        GROWING(&mem, st, pb_buf_write(&f->b, f->at[i], f->byte[i], f->n[i]));
        CHECK_OK(st);
    }
    if (shared) {
        GROWING(&mem, st, pb_buf_share(&f->kept, &f->b));
        CHECK_OK(st);
    }
    pb_buf_stats(&f->b, &use);
    f->pages = use.pages;
}

/* The pieces lie there, each `moved` bytes behind its place or (turned) mirrored, and nothing else
 * does but `more` bytes. */
static void
check_sparse(const sparse *f, unsigned first, int64_t moved, bool turned, uint64_t more)
{
    static uint8_t got[3 * PB_PAGE_SIZE];
    uint64_t start, end, sum = 0;
    pb_tree_stats use;
    pb_fault fault = {0};
    CHECK(pb_buf_check(&f->b, &fault));
    for (unsigned i = 0; i < PIECES; i++) {
        uint64_t at = f->at[i] + (i < first ? 0 : (uint64_t)moved), n = f->n[i];
        pb_buf_copy_out(&f->b, turned ? f->b.root.size - at - n : at, got, n);
        for (uint64_t k = 0; k < n; k++) {
            CHECK_EQ(got[turned ? n - 1 - k : k], f->byte[i][k]);
        }
    }
    pb_buf_stats(&f->b, &use);
    CHECK(use.pages <= f->pages + (turned ? 0 : PIECES + 2 + more / PB_PAGE_SIZE));
    for (uint64_t off = 0; pb_buf_next_data(&f->b, off, &start, &end); off = end) {
        sum += end - start;
    }
    CHECK(sum <= use.pages * PB_PAGE_SIZE);
}

static void
end_sparse(sparse *f)
{
    CHECK_POOL(&mem.pool);
    pb_buf_fini(&f->b);
    pb_buf_fini(&f->kept);
}

static void
test_holes_stay_when_bytes_move(void)
{
    static sparse f;
    static uint8_t src[2 * PB_PAGE_SIZE];
    chance c = chance_of(5);
    fill(&c, src, sizeof src);
    for (unsigned round = 0; round < 60; round++) {
        pb_status st;
        begin_sparse(&f, &c, round % 2);
        unsigned first = (unsigned)below(&c, PIECES - 1) + 1;
        uint64_t off = f.size / PIECES * first - 4 * PB_PAGE_SIZE - below(&c, PB_PAGE_SIZE);
        uint64_t old = below(&c, 2 * PB_PAGE_SIZE), n = below(&c, sizeof src);
        GROWING(&mem, st, pb_buf_replace(&f.b, off, old, src, n));
        CHECK_OK(st);
        CHECK_EQ(f.b.root.size, f.size - old + n);
        check_sparse(&f, first, (int64_t)(n - old), false, n);
        end_sparse(&f);
    }
    CHECK_EMPTY(&mem.pool);
}

static void
test_holes_stay_when_bytes_are_turned_round(void)
{
    static sparse f;
    chance c = chance_of(6);
    for (unsigned round = 0; round < 60; round++) {
        pb_status st;
        begin_sparse(&f, &c, round % 2);
        GROWING(&mem, st, pb_buf_reverse(&f.b));
        CHECK_OK(st);
        check_sparse(&f, 0, 0, true, 0);
        GROWING(&mem, st,
                pb_buf_write(&f.b, f.size, "end", 3)); /* zeros were past the end */
        CHECK_OK(st);
        GROWING(&mem, st, pb_buf_reverse(&f.b));
        CHECK_OK(st);
        check_sparse(&f, 0, 3, false, 3);
        end_sparse(&f);
    }
    CHECK_EMPTY(&mem.pool);
}

static void
test_holes_stay_behind_a_stride(void)
{
    static sparse f;
    chance c = chance_of(7);
    for (unsigned round = 0; round < 60; round++) {
        pb_status st;
        begin_sparse(&f, &c, round % 2);
        uint64_t start = f.size / PIECES - 4 * PB_PAGE_SIZE - below(&c, PB_PAGE_SIZE);
        pb_stride s = {start, 1 + below(&c, 9), 2 + (int64_t)below(&c, PB_PAGE_SIZE / 5)};
        GROWING(&mem, st, pb_buf_delete_stride(&f.b, &s));
        CHECK_OK(st);
        check_sparse(&f, 1, -(int64_t)s.n, false, 2 * PB_PAGE_SIZE);
        end_sparse(&f);
    }
    CHECK_EMPTY(&mem.pool);
}

/* Where a byte is when every step-th one has gone; UINT64_MAX: it has gone, too. */
static uint64_t
place_after(const pb_stride *s, uint64_t off)
{
    uint64_t behind = off - s->start, step = (uint64_t)s->step;
    if (off < s->start) {
        return off;
    }
    bool gone = behind % step == 0 && behind / step < s->n;
    return gone ? UINT64_MAX : off - pb_min((behind + step - 1) / step, s->n);
}

static void
check_after_stride(const sparse *f, const pb_stride *s)
{
    pb_tree_stats use;
    pb_fault fault = {0};
    CHECK(pb_buf_check(&f->b, &fault));
    CHECK_EQ(f->b.root.size, f->size - s->n);
    for (unsigned i = 0; i < PIECES; i++) {
        for (uint64_t k = 0; k < f->n[i]; k++) {
            uint64_t at = place_after(s, f->at[i] + k);
            uint8_t byte = f->byte[i][k];
            if (at != UINT64_MAX) {
                pb_buf_copy_out(&f->b, at, &byte, 1);
            }
            CHECK_EQ(byte, f->byte[i][k]);
        }
    }
    pb_buf_stats(&f->b, &use);
    CHECK(use.pages <= f->pages + PIECES);
}

/* The offsets that go begin in front of some piece and end in another one, or behind all. */
static void
test_holes_stay_between_the_offsets_of_a_stride(void)
{
    static sparse f;
    chance c = chance_of(8);
    for (unsigned round = 0; round < 200; round++) {
        pb_status st;
        begin_sparse(&f, &c, round % 2);
        pb_stride s = {below(&c, f.size / 2), 0, 2 + (int64_t)below(&c, 2 * PB_PAGE_SIZE)};
        s.step = one_in(&c, 4) ? 2 : s.step;
        uint64_t most = (f.size - 1 - s.start) / (uint64_t)s.step + 1;
        s.n = one_in(&c, 3) ? most : 1 + below(&c, most);
        pb_stride asked = s;
        if (one_in(&c, 3)) {
            asked = (pb_stride){s.start + (s.n - 1) * (uint64_t)s.step, s.n, -s.step};
        }
        GROWING(&mem, st, pb_buf_delete_stride(&f.b, &asked));
        CHECK_OK(st);
        check_after_stride(&f, &s);
        end_sparse(&f);
    }
    CHECK_EMPTY(&mem.pool);
}

/* Deleting at the front moves nothing, and frees the page left behind. */
static void
test_off_the_front_moves_nothing(void)
{
    chance c = chance_of(3);
    uint8_t bytes[8 * PB_PAGE_SIZE];
    fill(&c, bytes, sizeof bytes);
    for (uint64_t n = 0; n <= 3 * PB_PAGE_SIZE; n += 1 + PB_PAGE_SIZE / 4) {
        pb_buf b;
        pb_status st;
        pb_buf_init(&b, &mem.pool, PB_MAX_LEVELS);
        GROWING(&mem, st, pb_buf_write(&b, 0, bytes, sizeof bytes));
        CHECK_OK(st);
        const uint8_t *far = pb_buf_peek(&b, 5 * PB_PAGE_SIZE, 1);
        CHECK_OK(pb_buf_replace(&b, 0, n, NULL, 0));
        CHECK(pb_buf_peek(&b, 5 * PB_PAGE_SIZE - n, 1) == far);
        pb_tree_stats use;
        pb_buf_stats(&b, &use);
        CHECK_EQ(use.pages, 8 - n / PB_PAGE_SIZE);
        pb_buf_fini(&b);
    }
}

/* No sum of offsets wraps (I8). */
static void
test_past_the_capacity(void)
{
    pb_buf b;
    pb_status st;
    pb_buf_init(&b, &mem.pool, 1);
    uint8_t bytes[4 * PB_PAGE_SIZE + 1] = {0};
    GROWING(&mem, st, pb_buf_write(&b, 0, bytes, 4 * PB_PAGE_SIZE));
    CHECK_OK(st);
    CHECK_STATUS(pb_buf_replace(&b, 1, 0, bytes, 1), PB_CAPACITY);
    CHECK_STATUS(pb_buf_replace(&b, 1, 1, bytes, 2), PB_CAPACITY);
    CHECK_OK(pb_buf_replace(&b, 1, 1, bytes, 1));
    pb_buf_fini(&b);
}

int
main(void)
{
    memory_init(&mem, UINT64_MAX, false);
    RUN(test_edits_by_chance);
    RUN(test_the_nth_frame_is_refused);
    RUN(test_holes_stay_when_bytes_move);
    RUN(test_holes_stay_when_bytes_are_turned_round);
    RUN(test_holes_stay_behind_a_stride);
    RUN(test_holes_stay_between_the_offsets_of_a_stride);
    RUN(test_off_the_front_moves_nothing);
    RUN(test_past_the_capacity);
    memory_fini(&mem);
    return finish();
}
