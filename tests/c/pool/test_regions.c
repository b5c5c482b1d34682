/* Regions: numbers and addresses at every border, regions of partial size, and memory
 * that goes back to the system. */
#include "pool/mapped.h"

/* ---- numbers and addresses ---- */

static void
test_regions_grow_by_powers_of_two(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    mem.piece = 2;
    uint64_t want = 256, total = 0;
    for (unsigned k = 7; k < 31; k++) { /* numbers have 31 bits */
        CHECK_EQ(pb_pool_next_region(&mem.pool), want);
        memory_grow(&mem);
        total += k == 7 ? 1 : 2; /* number 0 is never handed out */
        CHECK_EQ(mem.pool.total, total);
        want = k == 7 ? 256 : 2 * want;
    }
    CHECK_EQ(pb_pool_next_region(&mem.pool), 0);
    uint64_t room[16];
    CHECK_STATUS(pb_pool_add_region(&mem.pool, room, room, 2, true, true), PB_RANGE);
    CHECK_EQ(mem.pool.regions, 24);
    memory_fini(&mem);
}

static void
test_a_region_of_the_wrong_size_is_refused(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    uint64_t room[16];
    uint32_t too_many = ((uint32_t)1 << 30) + 1;
    CHECK_STATUS(pb_pool_add_region(&mem.pool, room, room, 0, true, true), PB_RANGE);
    CHECK_STATUS(pb_pool_add_region(&mem.pool, room, room, 1, true, true), PB_RANGE);
    CHECK_STATUS(pb_pool_add_region(&mem.pool, room, room, too_many, true, true), PB_RANGE);
    CHECK_EQ(mem.pool.regions, 0);
    CHECK_EQ(mem.pool.total, 0);
    memory_grow(&mem);
    CHECK_STATUS(pb_pool_add_region(&mem.pool, room, room, too_many, true, true), PB_RANGE);
    CHECK_EQ(mem.pool.regions, 1);
    CHECK_POOL(&mem.pool);
    memory_fini(&mem);
}

/* A region larger than the next slot skips numbers, which no frame has. */
static void
test_a_large_region_skips_numbers(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, false);
    memory_grow_by(&mem, 300);
    CHECK_EQ(mem.pool.total, 300);
    CHECK_EQ(pb_pool_next_region(&mem.pool), 1024);
    memory_grow_by(&mem, 5000);
    CHECK_EQ(pb_pool_next_region(&mem.pool), 16384);
    CHECK_EQ(mem.pool.total, 5300);
    CHECK(!pb_frame_valid(&mem.pool, 1) && !pb_frame_valid(&mem.pool, 511));
    CHECK(pb_frame_valid(&mem.pool, 512) && pb_frame_valid(&mem.pool, 811));
    CHECK(!pb_frame_valid(&mem.pool, 812) && !pb_frame_valid(&mem.pool, 1024));
    CHECK(!pb_frame_valid(&mem.pool, 8191) && pb_frame_valid(&mem.pool, 8192));
    CHECK(pb_frame_valid(&mem.pool, 13191) && !pb_frame_valid(&mem.pool, 13192));
    pair p;
    pair_init(&p, &mem, PB_MAX_LEVELS);
    pair_scribble(&p, 0, 400 * PB_PAGE_SIZE + 1, 7);
    AGREE(&p.b, &p.m);
    memory_reserve(&mem, 300);
    CHECK_EQ(pb_pool_take_exact(&mem.pool, 300), 512);
    unref_frames(&mem.pool, 512, 300);
    AGREE(&p.b, &p.m);
    pair_fini(&p);
    CHECK_EMPTY(&mem.pool);
    CHECK_EQ(pb_pool_shared(&mem.pool) + pb_pool_pinned(&mem.pool), 0);
    memory_fini(&mem);
}

/* Up to number 2^31 - 1: the frames below and above each power of two. */
static void
test_address_at_every_power_of_two(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    mem.piece = 4;
    for (unsigned k = 7; k < 31; k++) {
        memory_grow(&mem);
        const pb_region *r = &mem.pool.region[k];
        pb_frame first = k == 7 ? 0 : (pb_frame)1 << k;
        for (uint32_t i = first ? 0 : 1; i < 4; i++) {
            NOTE("frame %" PRIu32, first + i);
            CHECK_EQ(pb_region_of(first + i), k);
            CHECK(pb_frame_valid(&mem.pool, first + i));
            CHECK(pb_frame_address(&mem.pool, first + i) ==
                  (uint8_t *)mem.block[2 * (k - 7)] + i * PB_PAGE_SIZE);
            CHECK(pb_frame_row(&mem.pool, first + i) ==
                  (pb_row *)mem.block[2 * (k - 7) + 1] + i);
        }
        CHECK(!pb_frame_valid(&mem.pool, first + 4)); /* not mapped */
        CHECK_EQ(r->count, 4);
        pb_frame last = (pb_frame)(pb_region_end(k) - 1);
        CHECK_EQ(pb_region_of(last), k);
        CHECK(!pb_frame_valid(&mem.pool, last));
        CHECK(!pb_frame_valid(&mem.pool, last + 1)); /* of the next region, or 0 */
    }
    CHECK(!pb_frame_valid(&mem.pool, 0));
    CHECK_EQ(pb_region_end(30), (uint64_t)1 << 31);
    memory_fini(&mem);
}

/* The tables are asked before they are believed: also about numbers of 32 bits. */
static void
test_any_number_may_be_asked_about(void)
{
    static const pb_frame none[] = {0,          7,          255,        263,
                                    511,        519,        1 << 10,    1 << 20,
                                    1 << 30,    INT32_MAX,  0x80000000, 0x80000003,
                                    0x80000100, 0xc0000001, UINT32_MAX};
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    mem.piece = 7;
    pb_frame last = 0;
    for (int i = 0; i < 6 + 7 + 7; i++) {
        last = take_data(&mem, last);
        NOTE("frame %" PRIu32, last);
        CHECK(pb_frame_readable(&mem.pool, last) && pb_frame_writable(&mem.pool, last));
        CHECK(pb_run_readable(&mem.pool, last, 1) && pb_run_writable(&mem.pool, last, 1));
        CHECK(!pb_run_readable(&mem.pool, last, 8) && !pb_run_writable(&mem.pool, last, 8));
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        NOTE("number %" PRIu32, none[i]);
        CHECK(!pb_frame_readable(&mem.pool, none[i]));
        CHECK(!pb_frame_writable(&mem.pool, none[i]));
        CHECK(!pb_run_readable(&mem.pool, none[i], 1));
        CHECK(!pb_run_writable(&mem.pool, none[i], 1));
    }
    memory_fini(&mem);
}

/* Whole regions, reserved but hardly touched: both sides of each border have a page. */
static void
test_address_on_both_sides_of_a_border(void)
{
    pb_pool pool;
    pb_pool_init(&pool, PB_UNLIMITED);
    uint8_t *base[17];
    void *table[17];
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    for (unsigned k = 7; k < 17; k++) {
        uint32_t frames = pb_pool_next_region(&pool);
        size_t bytes = (size_t)frames << PB_PAGE_SHIFT, rows = pb_pool_table_bytes(frames);
        base[k] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
        table[k] = mmap(NULL, rows, PROT_READ | PROT_WRITE, flags, -1, 0);
        CHECK(base[k] != MAP_FAILED && table[k] != MAP_FAILED);
        CHECK_OK(pb_pool_add_region(&pool, base[k], table[k], frames, true, true));
    }
    pb_pool_fini(&pool);
    for (unsigned k = 7; k < 17; k++) {
        pb_frame first = k == 7 ? 0 : (pb_frame)1 << k, last = ((pb_frame)2 << k) - 1;
        CHECK(pb_frame_address(&pool, first + 1) == base[k] + PB_PAGE_SIZE);
        CHECK(pb_frame_address(&pool, last) ==
              base[k] + ((size_t)(last - first) << PB_PAGE_SHIFT));
        CHECK(pb_frame_row(&pool, last) == (pb_row *)table[k] + (last - first));
        CHECK(pb_frame_valid(&pool, last));
        CHECK_EQ(pb_frame_valid(&pool, last + 1), k < 16);
        munmap(base[k], (size_t)(last - first + 1) << PB_PAGE_SHIFT);
        munmap(table[k], pb_pool_table_bytes(last - first + 1));
    }
}

/* Every region counts what it brings, as the sum says. */
static void
test_partial_regions_are_used_up_to_their_end(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    mem.piece = 7;
    pb_frame last = 0;
    for (int i = 0; i < 6 + 7 + 7; i++) {
        pb_frame f = take_data(&mem, last);
        memset(pb_frame_address(&mem.pool, f), 0xff, PB_PAGE_SIZE); /* ASan looks on */
        CHECK_EQ(f, i < 6 ? 1 + i : i < 13 ? 256 + i - 6 : 512 + i - 13);
        last = f;
    }
    CHECK_EQ(mem.pool.regions, 3);
    CHECK_EQ(mem.pool.untouched, 0);
    CHECK_EQ(mem.pool.table_bytes, 3 * pb_pool_table_bytes(7));
    memory_fini(&mem);
}

static void
check_counts(const memory *mem, const pb_frame *frames, uint32_t n, uint32_t want)
{
    for (uint32_t i = 0; i < n; i++) {
        NOTE("frame %" PRIu32, frames[i]);
        CHECK_EQ(pb_frame_count(&mem->pool, frames[i]), want + (i % 3 == 0));
    }
}

/* Entries in the order of a shuffle, holes between them, every third frame twice. */
static uint32_t
fill_node(chance *c, pb_entry *node, const pb_frame *frames, uint32_t n)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < n; i++) {
        node[used++] = pb_entry_of(frames[i]);
        node[used++] = i % 3 ? PB_HOLE : pb_entry_of(frames[i]);
    }
    for (uint32_t i = used; i > 1; i--) {
        uint32_t other = (uint32_t)below(c, i);
        pb_entry e = node[i - 1];
        node[i - 1] = node[other];
        node[other] = e;
    }
    return used;
}

static void
test_references_of_a_node(void)
{
    enum { FRAMES = 6 + 7 + 5 };
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    mem.piece = 7;
    pb_frame frames[FRAMES];
    pb_entry node[2 * FRAMES];
    for (int i = 0; i < FRAMES; i++) {
        frames[i] = take_data(&mem, i ? frames[i - 1] : 0);
    }
    for (uint64_t seed = 1; seed <= 20; seed++) {
        chance c = chance_of(seed);
        uint32_t n = fill_node(&c, node, frames, FRAMES);
        pb_entries_ref(&mem.pool, node, n);
        check_counts(&mem, frames, FRAMES, 2);
        pb_entries_unref(&mem.pool, node, n);
        for (uint32_t i = 0; i < FRAMES; i++) {
            CHECK_EQ(pb_frame_count(&mem.pool, frames[i]), 1);
        }
    }
    for (uint32_t i = 0; i < FRAMES; i++) {
        node[i] = pb_entry_of(frames[i]);
    }
    pb_entries_unref(&mem.pool, node, FRAMES); /* the last references */
    CHECK_EQ(mem.pool.held, 0);
    CHECK_EQ(take_data(&mem, 0), frames[0]); /* in rising order again */
    CHECK_EQ(mem.pool.pending, 0);
    memory_fini(&mem);
}

/* ---- by runs, and one by one ---- */

enum { BESIDE = 90 }; /* frames of a root and of a child, over two regions */

/* A pool whose frames lie in runs, with holes, shared ones and pinned ones among them; the same for
 * the same seed. */
typedef struct {
    memory mem;
    pb_pool child;
    pb_pool *table[PB_MOST_POOLS];
    pb_entry node[BESIDE + 20];
    uint32_t n, told; /* frames that the trace hook was told of */
} mixture;

static mixture *telling;

static uint32_t
count_told(pb_pool *root, const pb_member *actor, pb_frame first, uint32_t n, bool taken)
{
    (void)root;
    (void)actor;
    (void)first;
    telling->told += taken ? 0 : n;
    return 0;
}

static void
mixture_begin(mixture *m, uint64_t seed)
{
    chance c = chance_of(seed);
    memset(m, 0, sizeof *m);
    memory_init(&m->mem, PB_UNLIMITED, true);
    m->mem.piece = 60;
    pb_pool *root = &m->mem.pool;
    CHECK(pb_pool_offer_accounts(root, m->table));
    pb_pool_init(&m->child, PB_UNLIMITED);
    CHECK(pb_pool_join(&m->child, root, 1));
    for (uint32_t i = 0, used = 0; i < BESIDE; i++, used++) {
        pb_frame frame = take_data(&m->mem, 0);
        pb_row *row = pb_frame_row(root, frame);
        if (one_in(&c, 10)) { /* as if the child had taken it */
            row->held.account = 1;
            m->child.held++;
        }
        row->held.count += one_in(&c, 12);
        row->held.pins = one_in(&c, 15);
        used += one_in(&c, 6) && used - i < 20;
        m->node[used] = pb_entry_of(frame);
        m->n = used + 1;
    }
    pb_pool_set_trace(root, count_told, NULL);
}

static void
mixture_end(mixture *m)
{
    m->mem.pool.accounts = NULL;
    memory_fini(&m->mem);
}

static void
check_alike(const pb_pool *one, const pb_pool *other)
{
    CHECK_EQ(one->held, other->held);
    CHECK_EQ(one->detached, other->detached);
    CHECK_EQ(one->listed, other->listed);
    CHECK_EQ(one->free_head, other->free_head);
    CHECK_EQ(one->free_tail, other->free_tail);
    for (unsigned k = 0; k < PB_REGION_SLOTS; k++) {
        const pb_region *a = &one->region[k], *b = &other->region[k];
        CHECK_EQ(a->count, b->count);
        if (a->count) {
            CHECK_EQ(memcmp(a->table, b->table, pb_pool_table_bytes(a->count)), 0);
        }
    }
}

/* Frames that go as runs leave the tables as if they had gone one by one, from the back; and so do
 * those that are taken again. */
static void
test_runs_go_as_single_frames_do(void)
{
    static mixture one, other;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        NOTE("seed %" PRIu64, seed);
        mixture_begin(&one, seed);
        mixture_begin(&other, seed);
        telling = &one;
        pb_entries_unref(&one.mem.pool, one.node, one.n);
        telling = &other;
        for (uint32_t i = other.n; i-- > 0;) {
            if (other.node[i] != PB_HOLE) {
                pb_frame_unref(&other.mem.pool,
                               pb_entry_frame(pb_entry_load(&other.node[i])));
            }
        }
        check_alike(&one.mem.pool, &other.mem.pool);
        CHECK_EQ(one.child.held, other.child.held);
        CHECK_EQ(one.told, other.told);
        CHECK_EQ(one.told, one.mem.pool.listed);
        CHECK_EQ(one.mem.pool.pending, 0);
        mixture_end(&one);
        mixture_end(&other);
    }
}

/* A run that is taken from the middle of the lists, in one piece or in many. */
static void
test_a_run_is_taken_from_where_its_frames_are_listed(void)
{
    enum { N = 100 };
    for (uint64_t seed = 1; seed <= 60; seed++) {
        chance c = chance_of(seed);
        memory mem;
        memory_init(&mem, PB_UNLIMITED, true);
        memory_grow(&mem);
        pb_frame order[N], first = take_frames(&mem.pool, N);
        for (uint32_t i = 0; i < N; i++) {
            order[i] = first + N - 1 - i;
        }
        for (uint64_t swaps = below(&c, 12); swaps; swaps--) {
            uint64_t i = below(&c, N), j = below(&c, N);
            pb_frame f = order[i];
            order[i] = order[j];
            order[j] = f;
        }
        for (uint32_t i = 0; i < N; i++) {
            pb_frame_unref(&mem.pool, order[i]);
        }
        uint32_t at = (uint32_t)below(&c, N), n = 1 + (uint32_t)below(&c, N - at);
        CHECK_OK(pb_pool_reserve(&mem.pool, n));
        CHECK(pb_pool_take_behind(&mem.pool, first + at - 1, n));
        CHECK_EQ(mem.pool.listed, N - n);
        pb_frame prev = 0, seen = 0;
        for (pb_frame f = mem.pool.free_head; f;
             f = pb_frame_row(&mem.pool, f)->free.next) {
            CHECK_EQ(pb_frame_row(&mem.pool, f)->free.prev, prev);
            CHECK(f < first + at || f >= first + at + n);
            prev = f;
            seen++;
        }
        CHECK_EQ(seen, N - n);
        CHECK_EQ(mem.pool.free_tail, prev);
        unref_frames(&mem.pool, first + at, n);
        CHECK_POOL(&mem.pool);
        memory_fini(&mem);
    }
}

/* What a damaged node names is told, and no row outside of the tables is touched. */
static void
test_references_of_a_damaged_node(void)
{
    static const struct {
        pb_frame frame;
        const char *why;
    } bad[] = {{7, "no region"},          {263, "no region"},
               {1 << 20, "no region"},    {INT32_MAX, "no region"},
               {0x80000000, "no region"}, {0x80000002, "no region"},
               {UINT32_MAX, "no region"}, {3, "freed twice"}};
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    mem.piece = 7;
    for (int i = 0; i < 6 + 7; i++) {
        take_data(&mem, i == 6 ? 6 : 0);
    }
    pb_frame_unref(&mem.pool, 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pb_entry node[] = {pb_entry_of(1), pb_entry_of(bad[i].frame), pb_entry_of(257)};
        NOTE("frame %" PRIu32, bad[i].frame);
        pb_entries_ref(&mem.pool, node, 3);
        CHECK_EQ(mem.pool.pending, 0); /* who looks at the page finds it */
        CHECK_EQ(pb_frame_count(&mem.pool, 1), 2);
        CHECK_EQ(pb_frame_count(&mem.pool, 257), 2);
        pb_entries_unref(&mem.pool, node, 3);
        CHECK_EQ(pb_frame_count(&mem.pool, 1), 1);
        CHECK_EQ(pb_frame_count(&mem.pool, 257), 1);
        CHECK_EQ(mem.pool.pending & PB_PENDING_FAULT, PB_PENDING_FAULT);
        CHECK(strstr(mem.pool.found.why, bad[i].why) != NULL);
        CHECK_EQ(mem.pool.found.frame, bad[i].frame);
        mem.pool.pending = 0;
    }
    CHECK(pb_frame_is_free(&mem.pool, 3));
    memory_fini(&mem);
}

/* A count at its highest value stays, a reference more or less. */
static void
test_a_count_that_stays(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    pb_frame frame = take_data(&mem, 0);
    pb_entry node[] = {pb_entry_of(frame)};
    pb_frame_row(&mem.pool, frame)->held.count = PB_COUNT_MAX - 1;
    for (int i = 0; i < 3; i++) {
        pb_entries_ref(&mem.pool, node, 1);
        CHECK_EQ(pb_frame_count(&mem.pool, frame), PB_COUNT_MAX);
    }
    pb_entries_unref(&mem.pool, node, 1);
    CHECK_EQ(pb_frame_count(&mem.pool, frame), PB_COUNT_MAX);
    CHECK_EQ(mem.pool.pending, 0);
    memory_fini(&mem);
}

/* A run of bytes over frames of many regions, the highest numbers among them. */
static void
test_a_buffer_over_all_regions(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, false);
    mem.piece = 2;
    pb_buf b;
    pb_buf_init(&b, &mem.pool, PB_MAX_LEVELS);
    chance c = chance_of(3);
    static uint8_t all[20 * PB_PAGE_SIZE], back[sizeof all];
    fill(&c, all, sizeof all);
    for (size_t at = 0; at < sizeof all; at += PB_PAGE_SIZE / 2) {
        pb_status st;
        GROWING(&mem, st, pb_buf_extend(&b, all + at, PB_PAGE_SIZE / 2));
        CHECK_OK(st);
    }
    CHECK(mem.pool.regions > 10);
    pb_buf_copy_out(&b, 0, back, sizeof all);
    CHECK_BYTES(back, all, sizeof all);
    pb_buf_fini(&b);
    CHECK_EQ(mem.pool.held, 0);
    memory_fini(&mem);
}

/* Frames 255 and 256 have neighbouring numbers, but no neighbouring addresses: copies in
 * and out end at the border. */
static void
test_copies_stop_at_the_border_of_a_region(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, false);
    for (pb_frame f = 0; f < 257;) {
        f = take_data(&mem, f);
    }
    unref_backwards(&mem.pool, 254, 4);
    pair p;
    pair_init(&p, &mem, PB_MAX_LEVELS);
    pair_scribble(&p, 0, 4 * PB_PAGE_SIZE, 4); /* one level: no nodes in between */
    CHECK_EQ(pb_entry_frame(pb_entry_load(&p.b.root.slot[1])), 255);
    CHECK_EQ(pb_entry_frame(pb_entry_load(&p.b.root.slot[2])), 256);
    HERE();
    agree_on_bytes(&p.b, &p.m);
    pair_scribble(&p, 1, 4 * PB_PAGE_SIZE - 2, 5);
    HERE();
    agree_on_bytes(&p.b, &p.m);
    pair_fini(&p);
    memory_fini(&mem);
}

/* ---- trim ---- */

typedef struct {
    memory mem;
    mapping ground;
    uint8_t *base;
    size_t bytes;
    uint32_t per_page; /* frames in a page of the system */
} mapped;

static void
mapped_init(mapped *m, bool discard_zeroes)
{
    memory_init(&m->mem, PB_UNLIMITED, true);
    map_region(&m->mem, &m->ground, PB_REGION0_FRAMES, discard_zeroes);
    m->base = m->ground.at;
    m->bytes = m->ground.size;
    m->per_page = frames_of_system_page();
}

static void
mapped_fini(mapped *m)
{
    memory_fini(&m->mem);
    unmap(&m->ground);
}

/* Nobody owns frame 0. */
static void
mapped_fill(mapped *m)
{
    memset(m->base + PB_PAGE_SIZE, 0xee, m->bytes - PB_PAGE_SIZE);
}

/* All frames, each full of 0xee. */
static void
mapped_take_all(mapped *m)
{
    CHECK_EQ(take_frames(&m->mem.pool, PB_REGION0_FRAMES - 1), 1);
    mapped_fill(m);
}

static void
mapped_free(mapped *m, pb_frame first, pb_frame past)
{
    unref_backwards(&m->mem.pool, first, past - first);
}

static pb_frame
mapped_take(mapped *m, pb_frame after, uint32_t want, uint32_t *got, bool *zero)
{
    CHECK_OK(pb_pool_reserve(&m->mem.pool, want));
    pb_frame first = pb_pool_take_run(&m->mem.pool, after, want, got, zero);
    pb_pool_unreserve(&m->mem.pool, want - *got);
    return first;
}

static bool
all_bytes_are(const uint8_t *at, size_t n, int byte)
{
    while (n && *at == byte) {
        at++;
        n--;
    }
    return n == 0;
}

/* The free stretch [first, past), of which whole system pages [lo, hi) can go. */
static void
trim_a_stretch(mapped *m, pb_frame first, pb_frame past, bool zeroes)
{
    uint32_t per = m->per_page, got;
    pb_frame lo = (first + per - 1) / per * per, hi = past / per * per;
    uint64_t bytes = hi > lo ? (uint64_t)(hi - lo) << PB_PAGE_SHIFT : 0;
    bool zero;
    NOTE("[%" PRIu32 ", %" PRIu32 ")", first, past);
    mapped_free(m, first, past);
    CHECK_EQ(pb_pool_trim(&m->mem.pool), bytes);
    for (pb_frame f = first; f < past; f++) {
        CHECK_EQ(mapped_take(m, f - 1, 1, &got, &zero), f);
        CHECK_EQ(zero, zeroes && f >= lo && f < hi);
        CHECK(!zero || all_bytes_are(pb_frame_address(&m->mem.pool, f), PB_PAGE_SIZE, 0));
    }
    size_t at = (size_t)first << PB_PAGE_SHIFT, end = (size_t)past << PB_PAGE_SHIFT;
    /* held frames keep their bytes */
    CHECK(all_bytes_are(m->base + PB_PAGE_SIZE, at - PB_PAGE_SIZE, 0xee));
    CHECK(all_bytes_are(m->base + end, m->bytes - end, 0xee));
    mapped_fill(m);
}

static void
test_trim_gives_whole_system_pages_back(void)
{
    for (int zeroes = 0; zeroes < 2; zeroes++) {
        mapped m;
        mapped_init(&m, zeroes);
        CHECK_EQ(pb_pool_trim(&m.mem.pool), 0); /* never used is nothing to give */
        mapped_take_all(&m);
        CHECK_EQ(pb_pool_trim(&m.mem.pool), 0);
        trim_a_stretch(&m, 1, 256, zeroes);
        trim_a_stretch(&m, 64, 128, zeroes);
        trim_a_stretch(&m, 63, 129, zeroes);
        trim_a_stretch(&m, 65, 127, zeroes);
        trim_a_stretch(&m, 5, 6, zeroes);
        trim_a_stretch(&m, 100, 256, zeroes);
        CHECK_EQ(m.mem.pool.held, 255);
        mapped_fini(&m);
    }
}

/* Frames given back once and known to be zero have nothing left to give back. */
static void
test_trim_twice(void)
{
    mapped m;
    mapped_init(&m, true);
    mapped_take_all(&m);
    mapped_free(&m, m.per_page, 256);
    CHECK(pb_pool_trim(&m.mem.pool) == m.bytes - m.per_page * PB_PAGE_SIZE);
    CHECK_EQ(pb_pool_trim(&m.mem.pool), 0);
    mapped_fini(&m);
}

/* A run of which only a part is known to be zero does not count as zeros. */
static void
test_zero_of_a_run_means_all_of_it(void)
{
    mapped m;
    uint32_t got;
    bool zero;
    mapped_init(&m, true);
    mapped_take_all(&m);
    pb_frame lo = m.per_page < 256 ? m.per_page : 0, hi = 256;
    mapped_free(&m, lo ? lo : 1, hi);
    pb_pool_trim(&m.mem.pool);
    CHECK_EQ(mapped_take(&m, lo, 8, &got, &zero), lo + 1);
    CHECK_EQ(zero, lo != 0);         /* a region of one system page has none to give back */
    mapped_free(&m, lo + 4, lo + 5); /* in use again, so known no more */
    for (uint32_t want = 1; want < 8; want++) {
        CHECK_EQ(mapped_take(&m, lo + 3, want, &got, &zero), lo + 4);
        CHECK_EQ(got, want > 1 && lo == 0 ? 1 : got);
        CHECK(!zero);
        mapped_free(&m, lo + 4, lo + 4 + got);
    }
    CHECK_EQ(mapped_take(&m, lo + 8, 4, &got, &zero), lo + 9);
    CHECK_EQ(zero, lo != 0);
    mapped_fini(&m);
}

/* A buffer over trimmed frames, used and trimmed again: never an old byte (I4). */
static void
test_a_buffer_over_trimmed_frames(void)
{
    mapped m;
    mapped_init(&m, true);
    mapped_take_all(&m);
    mapped_free(&m, 1, 256);
    pb_buf b;
    pb_buf_init(&b, &m.mem.pool, PB_MAX_LEVELS);
    chance c = chance_of(5);
    static uint8_t all[100 * PB_PAGE_SIZE], want[sizeof all];
    for (int round = 0; round < 20; round++) {
        pb_pool_trim(&m.mem.pool);
        memset(want, 0, sizeof want);
        for (int i = 0; i < 30; i++) {
            uint64_t off = below(&c, sizeof all - 1), n = 1 + below(&c, 2 * PB_PAGE_SIZE);
            n = pb_min(n, sizeof all - off);
            fill(&c, all, n);
            memcpy(want + off, all, n);
            CHECK_OK(pb_buf_write(&b, off, all, n));
        }
        CHECK_OK(pb_buf_truncate(&b, sizeof all));
        CHECK_POOL(&m.mem.pool);
        pb_buf_copy_out(&b, 0, all, sizeof all);
        CHECK_BYTES(all, want, sizeof all);
        pb_buf_clear(&b);
    }
    pb_buf_fini(&b);
    CHECK_EMPTY(&m.mem.pool);
    mapped_fini(&m);
}

int
main(void)
{
    RUN(test_regions_grow_by_powers_of_two);
    RUN(test_a_region_of_the_wrong_size_is_refused);
    RUN(test_a_large_region_skips_numbers);
    RUN(test_address_at_every_power_of_two);
    RUN(test_any_number_may_be_asked_about);
    RUN(test_address_on_both_sides_of_a_border);
    RUN(test_partial_regions_are_used_up_to_their_end);
    RUN(test_references_of_a_node);
    RUN(test_runs_go_as_single_frames_do);
    RUN(test_a_run_is_taken_from_where_its_frames_are_listed);
    RUN(test_references_of_a_damaged_node);
    RUN(test_a_count_that_stays);
    RUN(test_a_buffer_over_all_regions);
    RUN(test_copies_stop_at_the_border_of_a_region);
    RUN(test_trim_gives_whole_system_pages_back);
    RUN(test_trim_twice);
    RUN(test_zero_of_a_run_means_all_of_it);
    RUN(test_a_buffer_over_trimmed_frames);
    return finish();
}
