/* Buffers over memory of somebody else (I12), each beside plain bytes.  The source is a block of its own
 * size, so the sanitizer sees a read beyond it, and it is compared with a copy at the end.
 *
 * The same changes are made to sources whose pages may be absent (I14).  Before each call all pages are
 * sent out, and garbage lies in their place; what the call then notes is brought, and no more. */
#include "buffer/share.h"
#include "range/diff.h"
#include "range/edit.h"
#include "range/find.h"
#include "range/paste.h"
#include "range/splice.h"
#include "support.h"

#define WIDE (PB_FANOUT < 64 ? PB_FANOUT : 64) /* large pages take long to compare */
#define MOST (24 * WIDE * PB_PAGE_SIZE)
#define BUFFERS 3

static memory mem;
static pb_zone *table[PB_ZONE_CHUNKS];

/* A source, and the zone over it. */
typedef struct {
    uint8_t *block, *bytes, *copy;
    uint64_t size;
    pb_zone zone;
    uint64_t *here; /* NULL: its pages are never absent */
} source;

static source *fetched[2];

/* A buffer and what it should hold. */
typedef struct {
    pb_buf b;
    uint8_t *bytes;
    uint64_t size;
} plain;

static void
source_make(source *s, uint64_t size, unsigned odd)
{
    chance c = chance_of(size + odd);
    s->block = malloc(size + odd);
    s->bytes = s->block + odd;
    s->copy = malloc(size);
    s->size = size;
    s->here = NULL;
    fill(&c, s->bytes, size);
    memcpy(s->copy, s->bytes, size);
}

static uint64_t
pages_of(const source *s)
{
    return s->here ? (s->size + PB_PAGE_MASK) >> PB_PAGE_SHIFT : s->size >> PB_PAGE_SHIFT;
}

/* Have its pages absent. */
static void
source_fetched(source *s)
{
    uint64_t pages = (s->size + PB_PAGE_MASK) >> PB_PAGE_SHIFT;
    free(s->block);
    s->bytes = s->block = malloc(pages << PB_PAGE_SHIFT);
    s->here = calloc(pages / 64 + 1, sizeof *s->here);
    *(fetched[0] ? &fetched[1] : &fetched[0]) = s;
}

/* Nothing stays in memory. */
static void
send_out(void)
{
    for (unsigned i = 0; i < 2 && fetched[i]; i++) {
        source *s = fetched[i];
        memset(s->bytes, GARBAGE, pages_of(s) << PB_PAGE_SHIFT);
        if (pb_zone_of(&mem.pool, s->zone.first) == &s->zone) {
            pb_zone_set_here(&s->zone, 0, pages_of(s), false);
        }
    }
}

static void
bring_pages(source *s, uint64_t page, uint64_t n)
{
    uint64_t off = page << PB_PAGE_SHIFT, len = n << PB_PAGE_SHIFT;
    CHECK(page + n <= pages_of(s));
    memset(s->bytes + off, 0, len);
    memcpy(s->bytes + off, s->copy + off, pb_min(len, s->size - off));
    pb_zone_set_here(&s->zone, page, n, true);
}

/* Bring what the last call has noted. */
static bool
bring(void)
{
    pb_frames noted[PB_ABSENT_RUNS];
    uint32_t n = pb_pool_take_absent(&mem.pool, noted);
    CHECK(n > 0);
    CHECK(!(pb_pending(&mem.pool) & PB_PENDING_ABSENT));
    for (uint32_t i = 0; i < n; i++) {
        pb_zone *zone = pb_zone_of(&mem.pool, noted[i].first);
        source *s = fetched[0];
        s = zone == &s->zone ? s : fetched[1];
        CHECK(s && zone == &s->zone);
        bring_pages(s, noted[i].first - zone->first, noted[i].count);
    }
    return true;
}

/* st = call, made again until it needs no frames and no pages. */
#define CALL(st, call)                        \
    do {                                      \
        send_out();                           \
        do {                                  \
            GROWING(&mem, st, call);          \
        } while (st == PB_ABSENT && bring()); \
    } while (0)

#define CALL_OK(call)    \
    do {                 \
        pb_status st_;   \
        CALL(st_, call); \
        CHECK_OK(st_);   \
    } while (0)

static void
source_end(source *s)
{
    if (s->here == NULL) {
        CHECK_BYTES(s->bytes, s->copy, s->size);
    }
    free(s->here);
    free(s->block);
    free(s->copy);
}

static void
start(uint64_t limit)
{
    memset(table, 0, sizeof table);
    memory_init(&mem, limit, false);
    CHECK(pb_pool_offer_zones(&mem.pool, table));
    CHECK(!pb_pool_offer_zones(&mem.pool, table));
}

static void
stop(void)
{
    CHECK_EMPTY(&mem.pool);
    CHECK(mem.pool.open_zones == NULL);
    for (uint32_t i = 0; i < PB_ZONE_CHUNKS; i++) {
        CHECK(table[i] == NULL);
    }
    memory_fini(&mem);
}

static void
map(plain *p, source *s)
{
    pb_status st;
    pb_buf_init(&p->b, &mem.pool, PB_MAX_LEVELS);
    CHECK_OK(pb_zone_open(&mem.pool, &s->zone, s->bytes, pages_of(s)));
    if (s->here) {
        pb_zone_make_absent(&mem.pool, &s->zone, s->here);
    }
    CALL(st, pb_buf_map(&p->b, &s->zone, s->size));
    CHECK_OK(st);
    p->bytes = calloc(1, MOST);
    p->size = s->size;
    memcpy(p->bytes, s->copy, s->size);
}

static void
begin_empty(plain *p)
{
    pb_buf_init(&p->b, &mem.pool, PB_MAX_LEVELS);
    p->bytes = calloc(1, MOST);
    p->size = 0;
}

static void
end(plain *p)
{
    pb_buf_fini(&p->b);
    free(p->bytes);
}

static void
agree(plain *p)
{
    static uint8_t read[MOST];
    pb_fault fault = {0};
    if (!pb_buf_check(&p->b, &fault)) {
        fail_at(__FILE__, __LINE__, "%s", fault.why);
    }
    CHECK_EQ(p->b.root.size, p->size);
    memset(read, GARBAGE, p->size);
    CALL_OK(pb_buf_copy_out(&p->b, 0, read, p->size));
    CHECK_BYTES(read, p->bytes, p->size);
}

/* ---- plain changes ---- */

static void
resize(plain *p, uint64_t size)
{
    if (size < p->size) {
        memset(p->bytes + size, 0, p->size - size);
    }
    p->size = size;
}

static void
splice_bytes(plain *p, uint64_t off, uint64_t cut, const uint8_t *with, uint64_t n)
{
    uint64_t behind = p->size - off - cut, size = p->size - cut + n;
    memmove(p->bytes + off + n, p->bytes + off + cut, behind);
    if (with) {
        memmove(p->bytes + off, with, n);
    }
    else {
        memset(p->bytes + off, 0, n);
    }
    if (size < p->size) {
        memset(p->bytes + size, 0, p->size - size);
    }
    p->size = size;
}

/* ---- one change after another ---- */

static uint64_t
some_place(chance *c, uint64_t size)
{
    uint64_t off = below(c, size + 1);
    return one_in(c, 2) ? off & ~(uint64_t)PB_PAGE_MASK : off;
}

static uint64_t
some_length(chance *c, uint64_t most)
{
    uint64_t n = one_in(c, 3) ? below(c, 40) : below(c, 3 * WIDE * PB_PAGE_SIZE);
    n = one_in(c, 2) ? n & ~(uint64_t)PB_PAGE_MASK : n;
    return pb_min(n, most);
}

static void
change(chance *c, plain *p, plain *other)
{
    static uint8_t bytes[MOST];
    uint64_t off = some_place(c, p->size), n = some_length(c, p->size - off);
    uint64_t more = some_length(c, MOST - p->size);
    pb_status st = PB_OK;
    bool shared;
    switch (below(c, 12)) {
    case 0:
    case 1:
    case 2:
        fill(c, bytes, n);
        DOING("write %" PRIu64 " at %" PRIu64, n, off);
        CALL(st, n ? pb_buf_write(&p->b, off, bytes, n) : PB_OK);
        memcpy(p->bytes + off, bytes, n);
        break;
    case 3:
        DOING("punch %" PRIu64 " at %" PRIu64, n, off);
        CALL(st, pb_buf_punch(&p->b, off, n));
        memset(p->bytes + off, 0, n);
        break;
    case 4:
        DOING("truncate %" PRIu64, p->size - n);
        CALL(st, pb_buf_truncate(&p->b, p->size - n));
        resize(p, p->size - n);
        break;
    case 5:
        DOING("lengthen by %" PRIu64, more);
        CALL(st, pb_buf_truncate(&p->b, p->size + more));
        resize(p, p->size + more);
        break;
    case 6:
        n = pb_min(n, p->size);
        DOING("drop %" PRIu64 " off the front", n);
        CALL(st, pb_buf_drop_front(&p->b, n));
        splice_bytes(p, 0, n, NULL, 0);
        break;
    case 7:
        DOING("collapse %" PRIu64 " at %" PRIu64, n, off);
        CALL(st, pb_buf_collapse(&p->b, off, n));
        splice_bytes(p, off, n, NULL, 0);
        break;
    case 8:
        DOING("insert hole %" PRIu64 " at %" PRIu64, more, off);
        CALL(st, pb_buf_insert_hole(&p->b, off, more));
        splice_bytes(p, off, 0, NULL, more);
        break;
    case 9:
        more = pb_min(more, 300);
        fill(c, bytes, more);
        DOING("replace %" PRIu64 " at %" PRIu64 " by %" PRIu64, n, off, more);
        CALL(st, pb_buf_replace(&p->b, off, n, bytes, more));
        splice_bytes(p, off, n, bytes, more);
        break;
    case 10: {
        uint64_t from = some_place(c, other->size);
        uint64_t size = some_length(c, other->size - from);
        size = pb_min(size, MOST - (p->size - n));
        DOING("splice %" PRIu64 " of another at %" PRIu64, size, off);
        CALL(st, pb_buf_splice(&p->b, off, n, &other->b, from, size, &shared));
        if (shared) {
            pb_buf_mark_shared(&other->b);
        }
        splice_bytes(p, off, n, other->bytes + from, size);
        break;
    }
    default:
        if (one_in(c, 6)) {
            DOING("reverse");
            CALL(st, pb_buf_reverse(&p->b));
            for (uint64_t i = 0; i < p->size / 2; i++) {
                uint8_t byte = p->bytes[i];
                p->bytes[i] = p->bytes[p->size - 1 - i];
                p->bytes[p->size - 1 - i] = byte;
            }
        }
        else {
            DOING("restore");
            CALL(st, pb_buf_restore(&p->b, &other->b));
            memcpy(p->bytes, other->bytes, MOST);
            p->size = other->size;
        }
    }
    CHECK_OK(st);
    agree(p);
}

/* ---- looking ---- */

static void
look(chance *c, plain *p, plain *other)
{
    uint64_t at, want, off = some_place(c, p->size);
    uint64_t n = pb_min(p->size - off, 1 + below(c, 20));
    if (n) {
        DOING("find");
        CALL_OK(pb_buf_find(&p->b, 0, p->size, p->bytes + off, n, &at));
        CHECK(at <= off);
        CHECK_BYTES(p->bytes + at, p->bytes + off, n);
        CALL_OK(pb_buf_rfind(&p->b, 0, p->size, p->bytes + off, n, &at));
        CHECK(at >= off && at != UINT64_MAX);
        CHECK_BYTES(p->bytes + at, p->bytes + off, n);
        const uint8_t *seen = pb_buf_peek(&p->b, off, n);
        bool one = (p->b.root.bias + off) >> PB_PAGE_SHIFT ==
                   (p->b.root.bias + off + n - 1) >> PB_PAGE_SHIFT;
        CHECK(seen || !one || p->bytes[off] == 0 || pb_buf_is_inline(&p->b) || fetched[0]);
        CHECK_BYTES(seen ? seen : p->bytes + off, p->bytes + off, n);
        uint8_t *run = pb_buf_one_run(&p->b, off, p->size - off);
        CHECK_BYTES(run ? run : p->bytes + off, p->bytes + off, p->size - off);
    }
    DOING("compare");
    int order;
    n = pb_min(p->size, other->size);
    CALL_OK(pb_buf_compare_buf(&p->b, 0, &other->b, 0, n, &order));
    CHECK_EQ(order == 0, memcmp(p->bytes, other->bytes, n) == 0);
    DOING("count");
    CALL_OK(pb_buf_count(&p->b, 0, p->size, "\1\2", 2, &at));
    uint64_t pairs = 0;
    for (uint64_t i = 0; i + 1 < p->size; i++) {
        pairs += p->bytes[i] == 1 && p->bytes[i + 1] == 2;
    }
    CHECK_EQ(at, pairs);
    DOING("diff");
    pb_diff d;
    send_out();
    pb_diff_open(&d, &p->b, &other->b, true);
    for (want = 0;; want = at + n) {
        pb_status st = pb_diff_next(&d, &at, &n);
        if (st == PB_ABSENT && bring()) {
            pb_diff_open(&d, &p->b, &other->b, true); /* from the beginning */
            at = n = 0;
            continue;
        }
        CHECK_OK(st);
        uint64_t stop = n ? at : pb_min(p->size, other->size);
        CHECK(stop <= want || memcmp(p->bytes + want, other->bytes + want,
                                     pb_min(stop, d.common) - pb_min(want, d.common)) == 0);
        if (n == 0) {
            break;
        }
        for (uint64_t i = at; i < pb_min(at + n, d.common); i++) {
            CHECK(p->bytes[i] != other->bytes[i]);
        }
    }
}

static void
play(uint64_t seed, uint64_t size, int steps, bool absent)
{
    static source s[2];
    static plain p[BUFFERS];
    chance c = chance_of(seed);
    start(PB_UNLIMITED);
    source_make(&s[0], size, seed % 3);
    source_make(&s[1], size / 2 + PB_PAGE_SIZE, 0);
    fetched[0] = fetched[1] = NULL;
    if (absent) {
        source_fetched(&s[0]);
        source_fetched(&s[1]);
    }
    map(&p[0], &s[0]);
    map(&p[1], &s[1]);
    begin_empty(&p[2]);
    for (int i = 0; i < steps; i++) {
        NOTE("seed %" PRIu64 " size %" PRIu64 " step %d", seed, size, i);
        unsigned k = (unsigned)below(&c, BUFFERS), o = (k + 1) % BUFFERS;
        change(&c, &p[k], &p[o]);
        agree(&p[o]);
        look(&c, &p[k], &p[o]);
        CHECK_POOL(&mem.pool);
    }
    for (unsigned i = 0; i < BUFFERS; i++) {
        end(&p[i]);
    }
    stop();
    source_end(&s[0]);
    source_end(&s[1]);
    fetched[0] = fetched[1] = NULL;
}

static void
play_all(bool absent)
{
    const uint64_t n = WIDE * PB_PAGE_SIZE;
    const uint64_t sizes[] = {
        PB_PAGE_SIZE, PB_PAGE_SIZE + 1, n - 1,     n,    n + PB_PAGE_SIZE,
        4 * n,        4 * n + 3,        7 * n + 9, 9 * n};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (uint64_t seed = 0; seed < (PB_PAGE_SHIFT == 12 ? 1 : 6); seed++) {
            play(seed, sizes[i], PB_PAGE_SHIFT == 12 ? 12 : 60, absent);
        }
    }
}

static void
test_at_random(void)
{
    play_all(false);
}

static void
test_everything_is_absent_before_each_call(void)
{
    play_all(true);
}

/* ---- one by one ---- */

/* Every entry is huge that can be, and the tree has the nodes of one path at most. */
static void
test_a_map_takes_a_few_frames(void)
{
    static uint8_t few[PB_PAGE_SIZE];
    const uint64_t pages = ((uint64_t)1 << 28) + 12345;
    pb_zone zone;
    pb_buf b;
    pb_status st;
    start(PB_UNLIMITED);
    pb_buf_init(&b, &mem.pool, PB_MAX_LEVELS);
    CHECK_OK(pb_zone_open(&mem.pool, &zone, few, pages)); /* nobody reads it */
    GROWING(&mem, st, pb_buf_map(&b, &zone, pages << PB_PAGE_SHIFT));
    CHECK_OK(st);
    CHECK(mem.pool.held < b.root.levels);
    CHECK(zone.entries <= (uint64_t)b.root.levels * PB_FANOUT);
    pb_tree_stats use;
    pb_buf_stats(&b, &use);
    CHECK_EQ(use.mapped, pages);
    CHECK_EQ(use.pages, 0);
    CHECK_EQ(use.holes, 0);
    CHECK_EQ(use.runs, 1);
    CHECK_POOL(&mem.pool);
    pb_step steps[PB_MAX_LEVELS + 1];
    unsigned n = pb_tree_walk(&mem.pool, &b.root, pages - 1, steps);
    CHECK_EQ(steps[n - 1].frame, zone.first + pages - 1);
    CHECK_EQ(steps[n - 1].address, (uintptr_t)few + ((pages - 1) << PB_PAGE_SHIFT));
    n = pb_tree_walk(&mem.pool, &b.root, 5, steps);
    CHECK_EQ(n, 1);
    CHECK_EQ(steps[0].address, (uintptr_t)few + (5 << PB_PAGE_SHIFT));
    /* holes before, between and behind: whole subtrees go, or their frames are named anew */
    GROWING(&mem, st, pb_buf_insert_hole(&b, (pages / 3) << PB_PAGE_SHIFT, PB_PAGE_SIZE));
    CHECK_OK(st);
    CHECK(mem.pool.held < 4 * PB_MAX_LEVELS);
    CHECK_EQ(pb_tree_frame(&mem.pool, &b.root, pages), zone.first + pages - 1);
    CHECK_POOL(&mem.pool);
    GROWING(&mem, st, pb_buf_collapse(&b, PB_PAGE_SIZE, (pages / 2) << PB_PAGE_SHIFT));
    CHECK_OK(st);
    CHECK_POOL(&mem.pool);
    pb_buf_fini(&b);
    stop();
}

/* The last entry that goes ends the zone; then its owner is told, and its numbers are free. */
static void
test_a_zone_ends_with_its_last_entry(void)
{
    source s, t;
    plain p, q;
    start(PB_UNLIMITED);
    source_make(&s, 5 * PB_PAGE_SIZE + 7, 1);
    source_make(&t, 9 * PB_PAGE_SIZE, 2);
    map(&p, &s);
    map(&q, &t);
    CHECK(s.zone.first != t.zone.first);
    pb_buf snap;
    pb_buf_init(&snap, &mem.pool, PB_MAX_LEVELS);
    CHECK_OK(pb_buf_share(&snap, &p.b));
    end(&p);
    CHECK_POOL(&mem.pool);
    CHECK(pb_zone_take_ended(&mem.pool) == NULL);
    CHECK_EQ(pb_pending(&mem.pool), 0);
    pb_status st;
    GROWING(&mem, st, pb_buf_truncate(&snap, PB_PAGE_SIZE + 1));
    CHECK_OK(st);
    GROWING(&mem, st, pb_buf_write(&snap, 0, "x", 1));
    CHECK_OK(st);
    CHECK_EQ(pb_pending(&mem.pool), PB_PENDING_ZONE); /* both pages are its own by now */
    CHECK(pb_zone_take_ended(&mem.pool) == &s.zone);
    CHECK_EQ(pb_pending(&mem.pool), 0);
    CHECK_POOL(&mem.pool);
    pb_frame first = s.zone.first;
    CHECK_OK(pb_zone_open(&mem.pool, &s.zone, s.bytes, 5));
    CHECK_EQ(s.zone.first, first);
    pb_zone_cancel(&mem.pool, &s.zone);
    CHECK(pb_zone_take_ended(&mem.pool) == &s.zone);
    pb_buf_fini(&snap);
    end(&q);
    stop();
    source_end(&s);
    source_end(&t);
}

/* A source is one run up to its last byte, though its last page is a copy, as long as nobody writes to that. */
static void
test_one_run(void)
{
    source s;
    plain p;
    pb_status st;
    start(PB_UNLIMITED);
    source_make(&s, 6 * PB_PAGE_SIZE + 5, 1);
    map(&p, &s);
    CHECK(pb_buf_one_run(&p.b, 0, s.size) == s.bytes);
    CHECK(pb_buf_one_run(&p.b, PB_PAGE_SIZE + 1, s.size - PB_PAGE_SIZE - 1) ==
          s.bytes + PB_PAGE_SIZE + 1);
    GROWING(&mem, st, pb_buf_truncate(&p.b, s.size + 1));
    CHECK_OK(st);
    CHECK(pb_buf_one_run(&p.b, 0, s.size + 1) == NULL);
    CHECK(pb_buf_one_run(&p.b, 0, s.size) == s.bytes);
    GROWING(&mem, st, pb_buf_write(&p.b, s.size, "x", 1));
    CHECK_OK(st);
    CHECK(pb_buf_one_run(&p.b, 0, s.size) == NULL);
    CHECK_EQ(s.bytes[s.size - 1], s.copy[s.size - 1]);
    end(&p);
    stop();
    source_end(&s);
}

/* A refused change has changed nothing, whatever frame it lacks (I3). */
static void
test_short(void)
{
    for (uint64_t limit = 0; limit < 60; limit += PB_PAGE_SHIFT == 12 ? 6 : 1) {
        source s;
        plain p;
        pb_status st;
        NOTE("limit %" PRIu64, limit);
        start(PB_UNLIMITED);
        source_make(&s, 9 * WIDE * PB_PAGE_SIZE + 9, 1);
        map(&p, &s);
        mem.pool.limit = mem.pool.held + limit;
        uint64_t entries = s.zone.entries, off = 3 * PB_PAGE_SIZE + 1, n = 5 * PB_PAGE_SIZE;
        GROWING(&mem, st, pb_buf_punch(&p.b, off, n));
        CHECK(st == PB_OK || (st == PB_LIMIT && s.zone.entries == entries));
        memset(p.bytes + off, 0, st == PB_OK ? n : 0);
        agree(&p);
        CHECK_POOL(&mem.pool);
        GROWING(&mem, st, pb_buf_insert_hole(&p.b, 3 * PB_PAGE_SIZE, 2 * PB_PAGE_SIZE));
        if (st == PB_OK) {
            splice_bytes(&p, 3 * PB_PAGE_SIZE, 0, NULL, 2 * PB_PAGE_SIZE);
        }
        agree(&p);
        CHECK_POOL(&mem.pool);
        end(&p);
        stop();
        source_end(&s);
    }
}

/* Damage is found, and no memory is touched for it (I10, I12). */
static void
test_damage(void)
{
    source s;
    plain p;
    pb_fault fault = {0};
    start(PB_UNLIMITED);
    source_make(&s, 4 * PB_PAGE_SIZE, 0);
    map(&p, &s);
    pb_entry e = pb_entry_load(&p.b.root.slot[1]);
    pb_entry_store(&p.b.root.slot[1], pb_entry_of(s.zone.first + s.zone.count));
    CHECK(!pb_buf_check(&p.b, &fault));
    CHECK_EQ(strcmp(fault.why, "I1: an entry names a frame of no region"), 0);
    pb_entry_store(&p.b.root.slot[1], pb_entry_of_zone(s.zone.first + 1, 1));
    CHECK(!pb_buf_check(&p.b, &fault));
    CHECK_EQ(strcmp(fault.why, "I12: an entry names frames that no zone has"), 0);
    pb_entry_store(&p.b.root.slot[1], pb_entry_of(s.zone.first + s.zone.count));
    uint8_t byte = 1;
    CHECK_OK(pb_buf_copy_out(&p.b, PB_PAGE_SIZE, &byte, 1));
    CHECK_EQ(byte, 0);
    CHECK_EQ(pb_pending(&mem.pool), PB_PENDING_FAULT);
    CHECK(pb_pool_take_fault(&mem.pool, &fault));
    pb_entry_store(&p.b.root.slot[1], e);
    p.b.root.shared = 0;
    CHECK(!pb_buf_check(&p.b, &fault));
    CHECK_EQ(strcmp(fault.why, "I12: frames of a zone in a tree not marked as shared"), 0);
    p.b.root.shared = 1;
    s.zone.entries++;
    mem.pool.fault.why = NULL;
    CHECK(!pool_is_whole(&mem.pool, &fault));
    CHECK_EQ(strcmp(fault.why, "I12: a zone miscounts the entries that name it"), 0);
    s.zone.entries--;
    end(&p);
    stop();
    source_end(&s);
}

int
main(void)
{
    RUN(test_a_map_takes_a_few_frames);
    RUN(test_a_zone_ends_with_its_last_entry);
    RUN(test_one_run);
    RUN(test_short);
    RUN(test_damage);
    RUN(test_at_random);
    RUN(test_everything_is_absent_before_each_call);
    return finish();
}
