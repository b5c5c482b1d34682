/* Ranges put over ranges, spliced in and out, and compared: three buffers of one pool and
 * one of another, each beside plain bytes.  Before each call succeeds it fails with every
 * smaller number of frames, and then nothing has changed (I3). */
#include "support.h"

#include "range/answers.h"
#include "range/splice.h"
#include "buffer/share.h"

#define MOST ((uint64_t)24 * PB_PAGE_SIZE)
#define BUFS 4

static memory mem, other;

typedef struct {
    pb_buf b;
    uint8_t *bytes;
    uint64_t size;
} pair;

static pair all[BUFS];

static void
start(void)
{
    memory_init(&mem, PB_UNLIMITED, true);
    memory_init(&other, PB_UNLIMITED, false);
    for (unsigned i = 0; i < BUFS; i++) {
        pb_buf_init(&all[i].b, i ? &mem.pool : &other.pool, PB_MAX_LEVELS);
        all[i].bytes = calloc(1, 8 * MOST);
        all[i].size = 0;
    }
}

static void
stop(void)
{
    for (unsigned i = 0; i < BUFS; i++) {
        pb_buf_fini(&all[i].b);
        free(all[i].bytes);
    }
    CHECK_EMPTY(&mem.pool);
    CHECK_EMPTY(&other.pool);
    memory_fini(&mem);
    memory_fini(&other);
}

static void
check_pair(const pair *p)
{
    static uint8_t read[8 * MOST];
    pb_fault fault = {0};
    if (!pb_buf_check(&p->b, &fault)) {
        fail_at(__FILE__, __LINE__, "a buffer is damaged: %s", fault.why);
    }
    CHECK_EQ(p->b.root.size, p->size);
    pb_buf_copy_out(&p->b, 0, read, p->size);
    CHECK_BYTES(read, p->bytes, p->size);
}

static void
check_all(void)
{
    for (unsigned i = 0; i < BUFS; i++) {
        check_pair(&all[i]);
    }
    CHECK_POOL(&mem.pool);
    CHECK_POOL(&other.pool);
}

/* ---- the models ---- */

static void
model_over(pair *p, uint64_t off, const uint8_t *src, uint64_t n)
{
    if (n && off > p->size) {
        memset(p->bytes + p->size, 0, off - p->size);
    }
    if (n) {
        memcpy(p->bytes + off, src, n);
        p->size = pb_max(p->size, off + n);
    }
}

static void
model_splice(pair *p, uint64_t off, uint64_t cut, const uint8_t *src, uint64_t n)
{
    memmove(p->bytes + off + n, p->bytes + off + cut, p->size - off - cut);
    if (src) {
        memcpy(p->bytes + off, src, n);
    }
    else {
        memset(p->bytes + off, 0, n);
    }
    p->size = p->size - cut + n;
}

/* ---- calls, each until it succeeds ---- */

typedef struct {
    pair *to;
    const pair *from; /* NULL: a hole */
    uint64_t off, cut, from_off, n;
    bool over;
} call;

static pb_status
attempt(const call *c)
{
    pb_paste p;
    bool shared;
    if (!c->over) {
        return pb_buf_splice(&c->to->b, c->off, c->cut, c->from ? &c->from->b : NULL,
                             c->from_off, c->n, &shared);
    }
    pb_status st = pb_paste_begin(&p, &c->to->b, c->off, &c->from->b, c->from_off, c->n);
    if (st == PB_OK) {
        pb_paste_finish(&p);
    }
    return st;
}

/* Try with no free frame, then with one more each time. */
static void
do_call(const call *c)
{
    memory *m = c->to == &all[0] ? &other : &mem;
    pb_status st = PB_LIMIT;
    for (uint64_t spare = 0; st != PB_OK; spare++) {
        uint64_t held = m->pool.held;
        m->pool.limit = held + spare;
        GROWING(m, st, attempt(c));
        m->pool.limit = PB_UNLIMITED;
        if (st != PB_OK) {
            CHECK_STATUS(st, PB_LIMIT);
            CHECK_EQ(m->pool.held, held);
            check_pair(c->to);
            CHECK_POOL(&m->pool);
        }
    }
    if (c->from && c->from->b.pool == c->to->b.pool && !pb_buf_is_inline(&c->from->b)) {
        pb_buf_mark_shared((pb_buf *)(uintptr_t)&c->from->b);
    }
    const uint8_t *src = c->from ? c->from->bytes + c->from_off : NULL;
    if (c->over) {
        model_over(c->to, c->off, src, c->n);
    }
    else {
        model_splice(c->to, c->off, c->cut, src, c->n);
    }
}

/* ---- by chance ---- */

static uint64_t
some_offset(chance *c, uint64_t most)
{
    uint64_t off = below(c, most + 1);
    return one_in(c, 2) ? off : off & ~(uint64_t)PB_PAGE_MASK;
}

static call
some_call(chance *c)
{
    call x = {.to = &all[below(c, BUFS)], .over = one_in(c, 2)};
    do {
        x.from = &all[below(c, BUFS)];
    } while (x.from == x.to);
    x.from_off = some_offset(c, x.from->size);
    x.n = pb_min(some_offset(c, MOST / 3), x.from->size - x.from_off);
    x.off = some_offset(c, x.to->size);
    x.cut = x.over ? 0 : pb_min(some_offset(c, MOST / 2), x.to->size - x.off);
    if (!x.over && one_in(c, 3)) {
        x.from = NULL;
    }
    if (x.over && one_in(c, 2)) { /* congruent, past the end too */
        uint64_t apart = pb_buf_bias(&x.from->b) + x.from_off - pb_buf_bias(&x.to->b);
        x.off = (x.off & ~(uint64_t)PB_PAGE_MASK) + (apart & PB_PAGE_MASK);
    }
    return x;
}

static void
scribble(chance *c, pair *p)
{
    uint8_t bytes[3 * PB_PAGE_SIZE];
    uint64_t off = some_offset(c, pb_min(p->size, MOST)), n = 1 + below(c, sizeof bytes);
    memory *m = p == &all[0] ? &other : &mem;
    pb_status st;
    fill(c, bytes, n);
    GROWING(m, st, pb_buf_write(&p->b, off, bytes, n));
    CHECK_OK(st);
    model_over(p, off, bytes, n);
}

static void
cut_some(chance *c, pair *p)
{
    memory *m = p == &all[0] ? &other : &mem;
    pb_status st;
    uint64_t n = p->size > MOST ? p->size / 2 : some_offset(c, p->size) / 3;
    GROWING(m, st, pb_buf_drop_front(&p->b, n));
    CHECK_OK(st);
    model_splice(p, 0, n, NULL, 0);
}

/* An exact comparison reports what differs, and nothing else. */
static void
check_diff(const pair *a, const pair *b)
{
    pb_diff d;
    uint64_t off, n, past = 0, common = pb_min(a->size, b->size);
    pb_diff_open(&d, &a->b, &b->b, true);
    while (next_difference(&d, &off, &n)) {
        CHECK(off == 0 || off > past || past == 0);
        for (uint64_t i = past; i < off; i++) {
            CHECK_EQ(a->bytes[i], b->bytes[i]);
        }
        for (uint64_t i = off; i < off + n && i < common; i++) {
            CHECK(a->bytes[i] != b->bytes[i]);
        }
        past = off + n;
    }
    for (uint64_t i = past; i < common; i++) {
        CHECK_EQ(a->bytes[i], b->bytes[i]);
    }
    CHECK(a->size == b->size || past == pb_max(a->size, b->size));
}

static void
test_by_chance(void)
{
    for (uint64_t seed = 0; seed < (PB_PAGE_SHIFT > 6 ? 6 : 60); seed++) {
        chance c = chance_of(seed);
        start();
        for (unsigned step = 0; step < 60; step++) {
            NOTE("seed %u step %u", (unsigned)seed, step);
            pair *p = &all[below(&c, BUFS)];
            if (p->size > 2 * MOST || one_in(&c, 8)) {
                cut_some(&c, p);
            }
            else if (one_in(&c, 3)) {
                scribble(&c, p);
            }
            else {
                call x = some_call(&c);
                do_call(&x);
            }
            check_all();
            check_diff(&all[below(&c, BUFS)], &all[below(&c, BUFS)]);
        }
        stop();
    }
}

/* A subtree is shared by one entry: a tall tree costs as much as a page. */
static void
test_tall_trees(void)
{
    for (unsigned levels = 2; levels <= PB_MAX_LEVELS; levels++) {
        NOTE("levels %u", levels);
        pb_paste p;
        pb_buf from, to;
        pb_status st;
        memory_init(&mem, PB_UNLIMITED, true);
        pb_buf_init(&from, &mem.pool, PB_MAX_LEVELS);
        pb_buf_init(&to, &mem.pool, PB_MAX_LEVELS);
        uint64_t size = pb_reach(levels);
        GROWING(&mem, st, pb_buf_write(&from, 0, "a", 1));
        CHECK_OK(st);
        GROWING(&mem, st, pb_buf_write(&from, size - 1, "z", 1));
        CHECK_OK(st);
        uint64_t held = mem.pool.held;
        GROWING(&mem, st, pb_paste_begin(&p, &to, 0, &from, 0, size));
        CHECK_OK(st);
        pb_paste_finish(&p);
        pb_buf_mark_shared(&from);
        CHECK_EQ(mem.pool.held, held);
        CHECK_EQ(to.root.size, size);
        CHECK_POOL(&mem.pool);
        GROWING(&mem, st, pb_buf_collapse(&to, size / 4, size / 4));
        CHECK_OK(st);
        GROWING(&mem, st, pb_buf_insert_hole(&to, size / 4, size / 4));
        CHECK_OK(st);
        CHECK_POOL(&mem.pool);
        uint8_t byte;
        pb_buf_copy_out(&to, size - 1, &byte, 1);
        CHECK_EQ(byte, 'z');
        pb_buf_fini(&from);
        pb_buf_fini(&to);
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
}

/* A range snapshot stays as it is while its buffer changes; live pages are copied for it
 * (I11). */
static void
test_range_snapshots(void)
{
    uint8_t bytes[8 * PB_PAGE_SIZE], read[8 * PB_PAGE_SIZE] = {0}, *address = NULL;
    chance c = chance_of(7);
    fill(&c, bytes, sizeof bytes);
    for (unsigned viewed = 0; viewed < 2; viewed++) {
        pb_status st;
        pb_buf b;
        pb_pin_list pins = {0};
        pb_pin pin;
        pb_range_snapshot r;
        memory_init(&mem, PB_UNLIMITED, false);
        pb_buf_init(&b, &mem.pool, PB_MAX_LEVELS);
        GROWING(&mem, st, pb_buf_write(&b, 0, bytes, sizeof bytes));
        CHECK_OK(st);
        GROWING(&mem, st, pb_buf_open_pins(&b, &pins));
        if (viewed) {
            GROWING(&mem, st,
                    pb_buf_pin(&b, 3 * PB_PAGE_SIZE, PB_PAGE_SIZE, &pin, &address));
            CHECK_OK(st);
        }
        GROWING(&mem, st, pb_range_read_snapshot(&r, &b, 5, sizeof bytes - 5));
        CHECK_OK(st);
        CHECK_POOL(&mem.pool);
        if (viewed) {
            memset(address, 0, PB_PAGE_SIZE);
        }
        GROWING(&mem, st, pb_buf_write(&b, 0, read, PB_PAGE_SIZE));
        CHECK_OK(st);
        pb_buf_copy_out(&r.b, r.off, read, sizeof bytes - 5);
        CHECK_BYTES(read, bytes + 5, sizeof bytes - 5);
        pb_range_end_snapshot(&r, &b, false);
        CHECK_POOL(&mem.pool);
        pb_buf_fini(&b);
        if (viewed) {
            pb_pin_release(&mem.pool, &pin);
        }
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
}

int
main(void)
{
    RUN(test_by_chance);
    RUN(test_tall_trees);
    RUN(test_range_snapshots);
    return finish();
}
