/* The n-th frame request fails, for n = 0, 1, 2, ... until the call succeeds: each call of
 * buffer/buf.h, on trees of many shapes, alone and shared.  A call that fails has changed
 * nothing (I3): no byte, no entry, no count. */
#include "buffer/model.h"

static memory mem; /* one pool for all: frames come warm and dirty */

#define PLENTY 600

static void
have_plenty(void)
{
    memory_reserve(&mem, PLENTY);
    pb_pool_unreserve(&mem.pool, PLENTY);
}

/* ---- shapes ---- */

static void
make_empty(pair *p)
{
    (void)p;
}

static void
make_small(pair *p)
{
    pair_scribble(p, 0, 7, 1);
}

static void
make_one_level_full(pair *p)
{
    pair_scribble(p, 0, 4 * PB_PAGE_SIZE, 1);
}

static void
make_one_level_with_holes(pair *p)
{
    pair_scribble(p, PB_PAGE_SIZE, 3, 1);
    pair_scribble(p, 3 * PB_PAGE_SIZE - 1, 2, 2);
}

static void
make_two_levels(pair *p)
{
    pair_scribble(p, 0, 6 * PB_PAGE_SIZE + 5, 1);
}

static void
make_three_levels_with_holes(pair *p)
{
    pair_scribble(p, 0, PB_PAGE_SIZE + 1, 1);
    pair_scribble(p, pb_slot_span(3) - 5, 10, 2);
    pair_scribble(p, pb_reach(3) - PB_PAGE_SIZE - 9, PB_PAGE_SIZE, 3);
}

static void
make_tall(pair *p)
{
    pair_scribble(p, 0, 1, 1);
    pair_scribble(p, PB_REACH / 2 - 1, 2, 2);
}

/* The front is gone: root slots and half a page of it. */
static void
make_biased(pair *p)
{
    pair_scribble(p, 0, 3 * PB_PAGE_SIZE, 1);
    pair_scribble(p, pb_reach(2) - PB_PAGE_SIZE, 3 * PB_PAGE_SIZE, 2);
    pair_drop_front(p, PB_PAGE_SIZE + PB_PAGE_SIZE / 2);
    pair_truncate(p, p->m.size - 3);
}

/* All levels hang on a hole. */
static void
make_hole(pair *p)
{
    pair_truncate(p, pb_reach(3) - 1);
}

static const struct {
    const char *name;
    void (*make)(pair *);
} shapes[] = {
    {"empty", make_empty},
    {"small", make_small},
    {"one level, full", make_one_level_full},
    {"one level with holes", make_one_level_with_holes},
    {"two levels", make_two_levels},
    {"three levels with holes", make_three_levels_with_holes},
    {"tall", make_tall},
    {"biased", make_biased},
    {"hole", make_hole},
};

#define SHAPES (sizeof shapes / sizeof *shapes)

/* ---- calls ---- */

static uint8_t bytes[5 * PB_PAGE_SIZE];

typedef struct {
    uint64_t off, n;
} range;

static pb_status
call_write(pb_buf *b, range r)
{
    return pb_buf_write(b, r.off, bytes, r.n);
}

static void
model_write_bytes(model *m, range r)
{
    model_write(m, r.off, bytes, r.n);
}

static pb_status
call_prepare(pb_buf *b, range r)
{
    uint64_t old = b->root.size;
    pb_status st = pb_buf_prepare(b, r.off, r.n);
    if (st == PB_OK) {
        pb_buf_copy_in(b, r.off, bytes, r.n);
    }
    if (st == PB_OK && b->root.size != old) {
        pb_buf_remember_tail(b);
    }
    return st;
}

static pb_status
call_prepare_kept(pb_buf *b, range r)
{
    pb_status st = pb_buf_prepare_kept(b, r.off, r.n);
    if (st == PB_OK) {
        pb_buf_remember_tail(b);
    }
    return st;
}

static void
model_keep(model *m, range r)
{
    model_write(m, r.off, NULL, r.n);
}

static pb_status
call_extend(pb_buf *b, range r)
{
    return pb_buf_extend(b, bytes, r.n);
}

static void
model_extend(model *m, range r)
{
    model_write(m, m->size, bytes, r.n);
}

static pb_status
call_truncate(pb_buf *b, range r)
{
    return pb_buf_truncate(b, r.off);
}

static void
model_truncate_to(model *m, range r)
{
    model_truncate(m, r.off);
}

static pb_status
call_punch(pb_buf *b, range r)
{
    return pb_buf_punch(b, r.off, r.n);
}

static void
model_punch_out(model *m, range r)
{
    model_punch(m, r.off, r.n);
}

static pb_status
call_drop_front(pb_buf *b, range r)
{
    return pb_buf_drop_front(b, pb_min(r.off, b->root.size));
}

static void
model_drop(model *m, range r)
{
    model_drop_front(m, pb_min(r.off, m->size));
}

typedef struct {
    const char *name;
    pb_status (*call)(pb_buf *, range);
    void (*apply)(model *, range);
    bool adds; /* takes frames, gives none back */
    bool uses_off, uses_n;
} operation;

static const operation operations[] = {
    {"write", call_write, model_write_bytes, true, true, true},
    {"prepare", call_prepare, model_write_bytes, true, true, true},
    {"extend", call_extend, model_extend, true, false, true},
    {"truncate", call_truncate, model_truncate_to, false, true, false},
    {"punch", call_punch, model_punch_out, false, true, true},
    {"drop_front", call_drop_front, model_drop, false, true, false},
    {"prepare_kept", call_prepare_kept, model_keep, true, true, true},
};

/* ---- everything there is to see of a tree and its pool ---- */

typedef struct {
    pb_root root;
    uint64_t held, nodes, free, digest;
} sight;

static uint64_t
digest_of(const pb_pool *pool, uint64_t sum, pb_entry e, unsigned h)
{
    pb_frame frame = pb_entry_frame(e);
    sum = (sum ^ e ^ ((uint64_t)pb_frame_count(pool, frame) << 45)) * 0x100000001b3u;
    const pb_entry *node = pb_node_of(pool, e);
    for (uint32_t i = 0; h && i < PB_FANOUT; i++) {
        sum = (sum ^ i) * 0x100000001b3u;
        if (node[i] != PB_HOLE) {
            sum = digest_of(pool, sum, pb_entry_load(&node[i]), h - 1);
        }
    }
    return sum;
}

static sight
look_at(const pb_buf *b)
{
    const pb_pool *pool = b->pool;
    sight s = {b->root, pool->held, pool->nodes, pool->listed + pool->untouched, 1};
    for (unsigned i = 0; i < PB_ROOT_SLOTS && !pb_buf_is_inline(b); i++) {
        pb_entry e = pb_entry_load(&b->root.slot[i]);
        s.digest =
            e == PB_HOLE ? s.digest * 3 : digest_of(pool, s.digest, e, b->root.levels - 1u);
    }
    return s;
}

static void
check_same(const sight *a, const sight *b)
{
    CHECK_EQ(b->root.size, a->root.size);
    CHECK_EQ(b->root.bias, a->root.bias);
    CHECK_EQ(b->root.levels, a->root.levels);
    CHECK(a->root.size == 0 || b->root.shared == a->root.shared);
    CHECK_BYTES(b->root.slot, a->root.slot, sizeof a->root.slot);
    CHECK_EQ(b->held, a->held);
    CHECK_EQ(b->nodes, a->nodes);
    CHECK_EQ(b->free, a->free);
    CHECK_EQ(b->digest, a->digest);
}

/* ---- the sweep ---- */

typedef enum { BY_LIMIT, BY_MEMORY } lack;

/* Make the call while only n more frames can be had: by the limit, or because the rest
 * is reserved. */
static pb_status
call_with(pair *p, const operation *op, range r, lack by, uint64_t n)
{
    pb_pool *pool = &mem.pool;
    uint64_t others = pool->listed + pool->untouched - n;
    if (by == BY_LIMIT) {
        pool->limit = pool->held + n;
    }
    else {
        CHECK_OK(pb_pool_reserve(pool, others));
    }
    pb_status st = op->call(&p->b, r);
    if (by == BY_LIMIT) {
        pool->limit = PB_UNLIMITED;
    }
    else {
        pb_pool_unreserve(pool, others);
    }
    return st;
}

/* Returns how many frames it took until the call went through. */
static uint64_t
sweep_call(pair *p, const operation *op, range r, lack by)
{
    sight before = look_at(&p->b), after;
    uint64_t asked = 0;
    for (uint64_t n = 0;; n++) {
        DOING("%s %" PRIu64 " +%" PRIu64 ", %" PRIu64 " frames by %s", op->name, r.off, r.n,
              n, by == BY_LIMIT ? "limit" : "memory");
        pb_status st = call_with(p, op, r, by, n);
        if (st == PB_OK) {
            after = look_at(&p->b);
            CHECK(asked <= n); /* never more frames than it needs */
            CHECK(!op->adds || after.held - before.held == n); /* and no less */
            return n;
        }
        CHECK_EQ(st, by == BY_LIMIT ? PB_LIMIT : PB_NEED_PAGES);
        CHECK(n < PLENTY);
        if (by == BY_MEMORY) {
            CHECK(mem.pool.refusal.short_by > 0);
            asked = pb_max(asked, n + mem.pool.refusal.short_by);
        }
        after = look_at(&p->b);
        check_same(&before, &after);
        AGREE(&p->b, &p->m);
    }
}

typedef enum { ALONE, SHARED, HALF_SHARED, COMPANIES } company;

static void
make_pair(pair *p, pair *other, size_t shape, company with)
{
    pair_init(p, &mem, PB_MAX_LEVELS);
    shapes[shape].make(p);
    if (with == ALONE) {
        pair_init(other, &mem, PB_MAX_LEVELS);
        return;
    }
    pair_share(other, p);
    if (with == HALF_SHARED && p->m.size) { /* one path is its own by now */
        pair_scribble(p, p->m.size / 2, 1, 9);
        pair_scribble(p, p->m.size - 1, 1, 10);
    }
}

static void
sweep(size_t shape, company with, const operation *op, range r, lack by)
{
    pair p, other;
    make_pair(&p, &other, shape, with);
    if (op->adds && !model_fits(&p.m, op->uses_off ? r.off : p.m.size, r.n)) {
        CHECK_EQ(op->call(&p.b, r), PB_CAPACITY);
    }
    else if (op->call == call_truncate && !model_fits(&p.m, 0, pb_max(r.off, p.m.size))) {
        CHECK_EQ(op->call(&p.b, r), PB_CAPACITY);
    }
    else {
        bool shrinks = !op->adds && (op->call != call_truncate || r.off <= p.m.size);
        uint64_t took = sweep_call(&p, op, r, by);
        op->apply(&p.m, r);
        CHECK(with != ALONE || !shrinks || took == 0); /* giving back cannot fail */
    }
    AGREE(&p.b, &p.m);
    AGREE(&other.b, &other.m);
    pair_fini(&p);
    pair_fini(&other);
    CHECK_EQ(mem.pool.held + mem.pool.reserved, 0);
}

static void
sweep_ranges(size_t shape, company with, const operation *op)
{
    pair p, other;
    make_pair(&p, &other, shape, with);
    uint64_t size = p.m.size, reach = pb_reach(p.m.levels) - p.m.bias;
    const uint64_t offs[] = {
        0,        1,        PB_PAGE_SIZE - 1,        size / 2,  size - (size > 0),
        size,     size + 1, size + 5 * PB_PAGE_SIZE, reach - 1, reach,
        4 * reach};
    const uint64_t lengths[] = {1, PB_PAGE_SIZE, 3 * PB_PAGE_SIZE + 5};
    pair_fini(&p);
    pair_fini(&other);
    for (size_t i = 0; i < (op->uses_off ? sizeof offs / sizeof *offs : 1); i++) {
        for (size_t k = 0; k < (op->uses_n ? 3 : 1); k++) {
            range r = {offs[i], op->uses_n ? lengths[k] : 0};
            sweep(shape, with, op, r, (i + k) % 2 ? BY_LIMIT : BY_MEMORY);
            if (op->call == call_punch && k == 2) {
                r.n = size;
                sweep(shape, with, op, r, BY_LIMIT);
            }
        }
    }
}

static void
sweep_shapes(const operation *op)
{
    static const char *const names[COMPANIES] = {"alone", "shared", "half shared"};
    memory_init(&mem, PB_UNLIMITED, false);
    have_plenty();
    for (size_t shape = 0; shape < SHAPES; shape++) {
        for (company with = ALONE; with < COMPANIES; with++) {
            NOTE("%s, %s", shapes[shape].name, names[with]);
            sweep_ranges(shape, with, op);
        }
    }
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

#define SWEEP_OF(name, number)             \
    static void name(void)                 \
    {                                      \
        sweep_shapes(&operations[number]); \
    }

SWEEP_OF(test_write, 0)
SWEEP_OF(test_prepare, 1)
SWEEP_OF(test_extend, 2)
SWEEP_OF(test_truncate, 3)
SWEEP_OF(test_punch, 4)
SWEEP_OF(test_drop_front, 5)
SWEEP_OF(test_prepare_kept, 6)

/* After memory has arrived, the failed call succeeds, and so do the calls after it. */
static void
test_growing_one_frame_at_a_time(void)
{
    memory_init(&mem, PB_UNLIMITED, false);
    mem.piece = 2;
    pair p;
    pair_init(&p, &mem, PB_MAX_LEVELS);
    pair_scribble(&p, pb_reach(3) - 5, 10, 1); /* as many regions as it takes, one by one */
    AGREE(&p.b, &p.m);
    pair_scribble(&p, 0, 4 * PB_PAGE_SIZE, 2);
    pair_end(&p);
}

int
main(void)
{
    chance c = chance_of(1);
    fill(&c, bytes, sizeof bytes);
    RUN(test_write);
    RUN(test_prepare);
    RUN(test_extend);
    RUN(test_truncate);
    RUN(test_punch);
    RUN(test_drop_front);
    RUN(test_prepare_kept);
    RUN(test_growing_one_frame_at_a_time);
    return finish();
}
