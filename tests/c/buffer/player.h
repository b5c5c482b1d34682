/* player.h: one random call after another on a buffer and its model. */
#ifndef PB_TEST_PLAYER_H
#define PB_TEST_PLAYER_H

#include "buffer/model.h"

#define MOST_DENSE ((uint64_t)(PB_PAGE_SHIFT == 12 ? 36 : 150) << PB_PAGE_SHIFT)

typedef struct {
    pair p;
    chance c;
    bool sparse; /* offsets over the whole reach; else a size that can be read whole */
    uint8_t bytes[8 * PB_PAGE_SIZE + 8];
} player;

/* ---- sizes and places on the edges ---- */

static inline uint64_t
near(chance *c, uint64_t x)
{
    uint64_t d = below(c, 5);
    return x + d < 2 ? 0 : x + d - 2;
}

static inline uint64_t
some_length(player *y)
{
    chance *c = &y->c;
    uint64_t most = 8 * PB_PAGE_SIZE, n = 1 + below(c, 3 * PB_PAGE_SIZE);
    switch (below(c, 6)) {
    case 0:
        n = 1 + below(c, 8);
        break;
    case 1:
        n = near(c, PB_PAGE_SIZE);
        break;
    case 2:
        n = below(c, most);
        break;
    case 3: /* to the end of the page, or just not */
        n = near(c, PB_PAGE_SIZE - ((y->p.m.bias + y->p.m.size) & PB_PAGE_MASK));
    }
    return pb_max(1, pb_min(n, most));
}

static inline uint64_t
some_offset(player *y)
{
    chance *c = &y->c;
    uint64_t size = y->p.m.size;
    if (y->sparse && one_in(c, 3)) {
        return near(c, (uint64_t)1 << below(c, 60));
    }
    if (y->sparse && one_in(c, 3)) {
        return below(c, (uint64_t)1 << below(c, 60));
    }
    switch (below(c, 6)) {
    case 0:
        return near(c, size);
    case 1:
        return near(c, 0);
    case 2: /* a border of pages */
        return near(c, ((below(c, size + 1) + y->p.m.bias) & ~(uint64_t)PB_PAGE_MASK) -
                           pb_min(y->p.m.bias, y->p.m.bias & PB_PAGE_MASK));
    case 3:
        return size + below(c, 4 * PB_PAGE_SIZE);
    default:
        return below(c, size + 1);
    }
}

/* An offset where n bytes more keep a dense buffer small. */
static inline uint64_t
offset_for(player *y, uint64_t n)
{
    uint64_t off = some_offset(y);
    return y->sparse ? off : pb_min(off, MOST_DENSE - n);
}

/* ---- steps ---- */

static inline void
step_write(player *y)
{
    uint64_t n = some_length(y), off = offset_for(y, n);
    fill(&y->c, y->bytes, n);
    DOING("write %" PRIu64 " at %" PRIu64, n, off);
    pair_write(&y->p, off, y->bytes, n);
}

static inline void
step_extend(player *y)
{
    uint64_t n = some_length(y);
    if (!y->sparse && y->p.m.size + n > MOST_DENSE) {
        return;
    }
    fill(&y->c, y->bytes, n);
    DOING("extend %" PRIu64, n);
    pair_extend(&y->p, y->bytes, n);
}

/* Many small appends: the remembered tail is used and used up. */
static inline void
step_extend_often(player *y)
{
    uint64_t n = 1 + below(&y->c, PB_PAGE_SIZE / 2), times = 1 + below(&y->c, 8);
    for (; times && (y->sparse || y->p.m.size + n <= MOST_DENSE); times--) {
        fill(&y->c, y->bytes, n);
        pair_extend(&y->p, y->bytes, n);
    }
}

/* Write by hand: prepare the pages first, store the bytes later. */
static inline void
step_prepare(player *y)
{
    uint64_t n = some_length(y), off = offset_for(y, n), old = y->p.m.size;
    pb_status st;
    DOING("prepare %" PRIu64 " at %" PRIu64, n, off);
    GROWING(y->p.mem, st, pb_buf_prepare(&y->p.b, off, n));
    if (!model_lets(&y->p.m, off, n, st)) {
        return;
    }
    fill(&y->c, y->bytes, n);
    pb_buf_copy_in(&y->p.b, off, y->bytes, n);
    model_write(&y->p.m, off, y->bytes, n);
    /* optional for a tree: the next append finds its place itself */
    if (y->p.m.size != old && (y->p.m.tiny || one_in(&y->c, 2))) {
        pb_buf_remember_tail(&y->p.b);
    }
}

/* Prepare a range but keep its bytes: as they were, or zeros where there were none. */
static inline void
step_prepare_kept(player *y)
{
    uint64_t n = some_length(y), off = offset_for(y, n);
    pb_status st;
    DOING("prepare_kept %" PRIu64 " at %" PRIu64, n, off);
    GROWING(y->p.mem, st, pb_buf_prepare_kept(&y->p.b, off, n));
    if (model_lets(&y->p.m, off, n, st)) {
        model_write(&y->p.m, off, NULL, n);
        pb_buf_remember_tail(&y->p.b);
    }
}

static inline void
step_drop_front(player *y)
{
    uint64_t n = pb_min(one_in(&y->c, 2) ? some_length(y) : some_offset(y), y->p.m.size);
    DOING("drop_front %" PRIu64, n);
    pair_drop_front(&y->p, n);
}

/* What pb_buf_ready shows is the front, and taking it is dropping it. */
static inline void
step_take_ready(player *y)
{
    for (uint64_t times = below(&y->c, 6); times; times--) {
        uint64_t n = 1 + below(&y->c, PB_PAGE_SIZE / 2);
        const uint8_t *at = pb_buf_ready(&y->p.b, n);
        DOING("take %" PRIu64, n);
        if (at == NULL) {
            return;
        }
        CHECK(n < y->p.m.size);
        model_read(&y->p.m, 0, y->bytes, n);
        CHECK_BYTES(at, y->bytes, n);
        pb_buf_take_ready(&y->p.b, n);
        model_drop_front(&y->p.m, n);
    }
}

static inline void
step_truncate(player *y)
{
    uint64_t size = y->sparse ? some_offset(y) : pb_min(some_offset(y), MOST_DENSE);
    if (one_in(&y->c, 2)) {
        size = y->p.m.size - pb_min(y->p.m.size, some_length(y));
    }
    DOING("truncate %" PRIu64, size);
    pair_truncate(&y->p, size);
}

static inline void
step_punch(player *y)
{
    uint64_t off = some_offset(y), n = one_in(&y->c, 3) ? some_offset(y) : some_length(y);
    if (one_in(&y->c, 6)) {
        n = y->p.m.size - pb_min(off, y->p.m.size);
    }
    DOING("punch %" PRIu64 " at %" PRIu64, n, off);
    pair_punch(&y->p, off, n);
}

/* Cut and grow again: the bytes that were cut off read as zeros. */
static inline void
step_cut_and_regrow(player *y)
{
    uint64_t size = y->p.m.size;
    pair_truncate(&y->p, size - pb_min(size, some_length(y)));
    pair_truncate(&y->p, y->sparse ? size : pb_min(size, MOST_DENSE));
}

/* ---- looking, which remembers leaves ---- */

static inline void
look(player *y)
{
    const model *m = &y->p.m;
    for (int i = 0; i < 3 && m->size; i++) {
        uint64_t off = pb_min(some_offset(y), m->size - 1);
        uint64_t n = pb_min(some_length(y), m->size - off);
        const uint8_t *at = pb_buf_peek(&y->p.b, off, n);
        uint64_t pos = m->bias + off;
        bool one_page = page_number(pos) == page_number(pos + n - 1);
        bool there = m->tiny || (one_page && model_sheet(m, page_number(pos)));
        CHECK(at || !there); /* pages side by side may do as well */
        if (at) {
            model_read(m, off, y->bytes, n);
            CHECK_BYTES(at, y->bytes, n);
        }
        agree_on_range(&y->p.b, m, off, n);
        uint64_t start = 0, end = 0, want_start = 0, want_end = 0;
        bool found = pb_buf_next_data(&y->p.b, off, &start, &end);
        CHECK_EQ(found, model_next_data(m, off, &want_start, &want_end));
        CHECK_EQ(start, want_start);
        CHECK_EQ(end, want_end);
    }
}

static inline void
step(player *y)
{
    static void (*const steps[])(player *) = {
        step_write,        step_write,        step_write,      step_extend,
        step_extend,       step_prepare,      step_drop_front, step_drop_front,
        step_take_ready,   step_truncate,     step_punch,      step_cut_and_regrow,
        step_extend_often, step_prepare_kept,
    };
    if (one_in(&y->c, 60)) {
        pair_clear(&y->p);
    }
    else {
        steps[below(&y->c, sizeof steps / sizeof *steps)](y);
    }
    AGREE(&y->p.b, &y->p.m);
    if (one_in(&y->c, 2)) {
        look(y);
    }
    if (y->p.m.sheets > 300) {
        pair_drop_front(&y->p, y->p.m.size / 2);
    }
}

#endif
