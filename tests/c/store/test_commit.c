/* Commits: what comes back after them, with and without errors of the file. */
#include "store/world.h"

static void
check_world_at(const char *file, int line, world *w)
{
    if (!contents_equal(&w->now, world_live(w))) {
        fail_at(file, line, "other bytes than were written");
    }
    if (!world_verify(w)) {
        fail_at(file, line, "the file is damaged: %s (frame %" PRIu32 ")", w->why,
                w->store.fault.frame);
    }
}

#define CHECK_WORLD(w) check_world_at(__FILE__, __LINE__, w)
#define CHECK_REOPEN(w) \
    (world_reopen(w) ? (void)0 : fail_at(__FILE__, __LINE__, "reopened: %s", (w)->why))

static world w;

static void
test_an_empty_store(void)
{
    world_init(&w, 1);
    CHECK_WORLD(&w);
    CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    CHECK_WORLD(&w);
    CHECK_REOPEN(&w);
    world_fini(&w);
}

/* Changes at random, commits, and a store that is opened again now and then. */
static void
commit_at_random(uint64_t seed, bool names)
{
    world_init_as(&w, seed, names);
    for (unsigned i = 0; i < 400; i++) {
        NOTE("commit %u", i);
        for (uint64_t n = below(&w.chance, 4); n; n--) {
            world_change(&w);
            if (names) {
                world_change_name(&w);
            }
        }
        CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
        CHECK_WORLD(&w);
        if (one_in(&w.chance, 4)) {
            CHECK_REOPEN(&w);
        }
    }
    world_fini(&w);
}

static void
test_what_was_committed_comes_back(void)
{
    commit_at_random(2, false);
}

/* Without barriers the list fills, and a barrier comes by itself. */
static void
test_lazy_commits(void)
{
    world_init(&w, 3);
    for (unsigned i = 0; i < 400; i++) {
        NOTE("commit %u", i);
        world_change(&w);
        CHECK_EQ(world_commit(&w, one_in(&w.chance, 10)), PB_STORE_OK);
        CHECK_WORLD(&w);
        if (world_room(&w) == 0) {
            CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
        }
    }
    CHECK_REOPEN(&w);
    world_fini(&w);
}

static void
test_rollback(void)
{
    world_init(&w, 4);
    for (unsigned i = 0; i < 50; i++) {
        world_change(&w);
        CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
        world_change(&w);
        pb_store_status st;
        ASKING(&w, st, pb_store_rollback(&w.store));
        CHECK_EQ(st, PB_STORE_OK);
        contents_set(&w.now, world_commit_of(&w, w.newest));
        CHECK_WORLD(&w);
    }
    world_fini(&w);
}

/* Names come and go, and all of them change at one moment. */
static void
test_names(void)
{
    commit_at_random(8, true);
}

/* The names of a store in their order, and none that is not there. */
static void
test_the_order_of_names(void)
{
    uint8_t name[PB_NAME_MOST];
    uint32_t n = 0, count = 0;
    world_init_as(&w, 9, true);
    for (unsigned k = 1; k < NAMES; k++) {
        w.names[k].seed = k % 3 ? k : 0;
        w.names[k].changed = true;
    }
    CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    do {
        CHECK_EQ(pb_store_next(&w.store, (pb_name){name, n}, name, &n), PB_STORE_OK);
        CHECK(n == 0 || name[0] - 'a' == (int)(count + count / 3));
        count += n != 0;
    } while (n);
    CHECK_EQ(count, 5);
    CHECK_EQ(w.store.names.names, 5);
    world_fini(&w);
}

/* A directory whose bytes are no names takes none. */
static void
test_bytes_without_names(void)
{
    world_init(&w, 10);
    world_write(&w, 0, (const uint8_t *)"bytes", 5);
    CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    w.has_names = true;
    w.names[0].changed = true;
    CHECK_EQ(world_commit(&w, true), PB_STORE_REFUSED);
    w.has_names = false;
    CHECK_REOPEN(&w);
    world_fini(&w);
}

/* Frames that commits gave up are used again: a file does not grow with the number of commits. */
static void
test_space_is_used_again(void)
{
    uint8_t bytes[8] = {0};
    world_init(&w, 5);
    world_truncate(&w, MOST_BYTES);
    for (unsigned i = 0; i < 2000; i++) {
        memcpy(bytes, &i, sizeof i);
        world_write(&w, below(&w.chance, MOST_BYTES - 8), bytes, 8);
        CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    }
    CHECK_WORLD(&w);
    CHECK(w.store.space.frames < 4 * MOST_BYTES / PB_PAGE_SIZE + PB_FIRST_FRAME);
    CHECK(w.store.super.checkpoint > 1);
    CHECK_REOPEN(&w);
    world_fini(&w);
}

/* A commit of one page writes its path, and hardly anything else. */
static void
test_a_small_commit_is_small(void)
{
    world_init(&w, 6);
    w.store.log_most = 64;
    world_truncate(&w, MOST_BYTES);
    for (uint64_t at = 0; at < MOST_BYTES; at += PB_PAGE_SIZE) {
        world_write(&w, at, (const uint8_t *)"page", 4);
    }
    CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    uint64_t before = w.disk.steps, levels = w.store.super.directory.levels;
    for (unsigned i = 0; i < 20; i++) {
        world_write(&w, below(&w.chance, MOST_BYTES - 8), (const uint8_t *)"changed", 7);
        CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    }
    CHECK(w.disk.steps - before <= 20 * (levels + 1 + 2) + 20);
    world_fini(&w);
}

/* The n-th write, or resize, finds the disk full: nothing is lost, and the next try succeeds. */
static void
test_a_full_disk(void)
{
    world_init(&w, 7);
    unsigned refused = 0;
    for (unsigned i = 0; i < 600; i++) {
        NOTE("commit %u", i);
        world_change(&w);
        w.disk.full_at = w.disk.steps + 1 + below(&w.chance, 20);
        bool durable = one_in(&w.chance, 2);
        pb_store_status st = world_commit(&w, durable);
        if (st == PB_STORE_IO) {
            refused++;
            CHECK_EQ(w.store.fault.error, ENOSPC);
            CHECK_WORLD(&w);
            w.disk.full_at = 0;
            st = world_commit(&w, durable);
        }
        if (st == PB_STORE_BROKEN) { /* it was the superblock, or a barrier */
            CHECK_REOPEN(&w);
        }
        else {
            CHECK_EQ(st, PB_STORE_OK);
        }
        CHECK_WORLD(&w);
        if (world_room(&w) < 3) {
            w.disk.full_at = 0;
            CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
        }
    }
    CHECK(refused > 50);
    world_fini(&w);
}

/* Twenty commits, during which step n goes wrong.  false: it was not reached. */
static bool
commits_with_an_error(uint64_t n, bool barrier)
{
    world_init(&w, 14);
    uint64_t *when = barrier ? &w.disk.bad_sync_at : &w.disk.full_at;
    *when = w.disk.steps + n;
    for (unsigned i = 0; i < 20; i++) {
        NOTE("step %" PRIu64 ", commit %u", n, i);
        world_change(&w);
        bool durable = i % 3 == 0;
        pb_store_status st = world_commit(&w, durable);
        if (st == PB_STORE_IO) {
            CHECK_WORLD(&w);
            st = world_commit(&w, durable);
        }
        if (st == PB_STORE_BROKEN) {
            CHECK_EQ(w.store.fault.error, barrier ? EIO : ENOSPC);
            CHECK(contents_equal(&w.now, &w.store.live));
            CHECK_REOPEN(&w);
            st = PB_STORE_OK;
        }
        CHECK_EQ(st, PB_STORE_OK);
    }
    bool reached = barrier ? w.disk.bad_sync_at == 0 : w.disk.steps > w.disk.full_at;
    *when = 0;
    CHECK_WORLD(&w);
    CHECK_REOPEN(&w);
    world_fini(&w);
    return reached;
}

static void
test_every_step_finds_the_disk_full(void)
{
    uint64_t n = 1, most = PB_PAGE_SHIFT < 12 ? UINT64_MAX : 40;
    while (n <= most && commits_with_an_error(n, false)) {
        n++;
    }
    CHECK(n > 40);
}

static void
test_every_barrier_fails(void)
{
    uint64_t n = 1, most = PB_PAGE_SHIFT < 12 ? UINT64_MAX : 40;
    while (n <= most && commits_with_an_error(n, true)) {
        n += 3;
    }
    CHECK(n > 40);
}

/* After a barrier that failed nothing is written any more, and what was there can be read. */
static void
test_a_barrier_fails(void)
{
    world_init(&w, 8);
    world_change(&w);
    CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    world_change(&w);
    w.disk.bad_sync_at = w.disk.steps;
    CHECK_EQ(world_commit(&w, true), PB_STORE_BROKEN);
    CHECK_EQ(w.store.fault.error, EIO);
    CHECK(contents_equal(&w.now, &w.store.live));
    uint64_t before = w.disk.steps;
    CHECK_EQ(world_commit(&w, true), PB_STORE_BROKEN);
    CHECK_EQ(w.disk.steps, before);
    CHECK_REOPEN(&w);
    world_fini(&w);
}

static void
test_a_seal(void)
{
    world_init(&w, 9);
    world_change(&w);
    CHECK_EQ(world_commit(&w, false), PB_STORE_OK);
    CHECK_EQ(pb_store_seal(&w.store, 0), PB_STORE_OK);
    CHECK_EQ(pb_store_seal(&w.store, 0), PB_STORE_OK);
    w.safe = w.newest;
    CHECK(w.store.super.flags & PB_SUPER_SEALED);
    CHECK_WORLD(&w);
    disk_cut(&w.disk);
    CHECK_REOPEN(&w);
    CHECK(!w.store.fell_back);
    world_fini(&w);
}

/* A byte of a page rots: the store says which page it is. */
static void
test_rot_is_found(void)
{
    world_init(&w, 10);
    world_write(&w, 0, (const uint8_t *)"here", 4);
    CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    CHECK_EQ(pb_store_seal(&w.store, 0), PB_STORE_OK);
    pb_frame frame = pb_entry_frame(pb_entry_load(&w.store.super.directory.slot[0]));
    w.disk.cache[pb_frame_offset(frame) + 1] ^= 4;
    w.disk.disk[pb_frame_offset(frame) + 1] ^= 4;
    CHECK(!world_reopen(&w));
    CHECK_EQ(w.store.fault.frame, frame);
    CHECK_EQ(strcmp(w.why, "a page does not fit its checksum"), 0);
    world_fini(&w);
}

/* ---- trees that share nodes ---- */

static void
test_a_tree_that_two_roots_name(void)
{
    world_init(&w, 12);
    for (unsigned i = 0; i < 300; i++) {
        NOTE("commit %u", i);
        world_change(&w);
        CHECK_EQ(world_commit(&w, one_in(&w.chance, 2) || world_room(&w) < 2), PB_STORE_OK);
        CHECK_WORLD(&w);
        CHECK(world_kept_is_there(&w));
        if (one_in(&w.chance, 8)) {
            CHECK_REOPEN(&w);
        }
        if (w.kept.size && one_in(&w.chance, 15)) {
            CHECK(world_drop(&w));
        }
        else if (!w.kept.size && one_in(&w.chance, 3)) {
            world_keep(&w);
        }
    }
    world_fini(&w);
}

/* The checks of the test before find it if the children of a node that is copied are not counted. */
static void
test_a_page_freed_twice_is_found(void)
{
    bool whole = true;
    world_init(&w, 13);
    world_truncate(&w, MOST_BYTES);
    for (uint64_t at = 0; at < MOST_BYTES; at += PB_PAGE_SIZE) {
        world_write(&w, at, (const uint8_t *)"page", 4);
    }
    CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    world_keep(&w);
    pb_planted = PB_PLANT_FREE_TWICE;
    for (unsigned i = 0; i < 10 && whole; i++) {
        world_write(&w, below(&w.chance, MOST_BYTES - 8), (const uint8_t *)"changed", 7);
        whole = world_commit(&w, true) == PB_STORE_OK && world_verify(&w);
    }
    pb_planted = PB_PLANT_NONE;
    CHECK(!whole);
    world_fini(&w);
}

static void
test_what_is_no_store(void)
{
    world_init(&w, 11);
    memset(w.disk.cache, 0, w.disk.room);
    memset(w.disk.disk, 0, w.disk.room);
    CHECK_EQ(pb_store_open(&w.store, true), PB_STORE_EMPTY);
    memset(w.disk.cache, 'x', 8192);
    memset(w.disk.disk, 'x', 8192);
    CHECK_EQ(pb_store_open(&w.store, true), PB_STORE_EMPTY);
    world_fini(&w);
}

int
main(void)
{
    if (PB_PAGE_SHIFT < PB_STORE_LEAST_SHIFT) {
        return finish(); /* no store has such pages */
    }
    RUN(test_an_empty_store);
    RUN(test_what_was_committed_comes_back);
    RUN(test_lazy_commits);
    RUN(test_rollback);
    RUN(test_names);
    RUN(test_the_order_of_names);
    RUN(test_bytes_without_names);
    RUN(test_space_is_used_again);
    RUN(test_a_small_commit_is_small);
    RUN(test_a_full_disk);
    RUN(test_every_step_finds_the_disk_full);
    RUN(test_every_barrier_fails);
    RUN(test_a_barrier_fails);
    RUN(test_a_seal);
    RUN(test_rot_is_found);
    RUN(test_a_tree_that_two_roots_name);
    RUN(test_a_page_freed_twice_is_found);
    RUN(test_what_is_no_store);
    return finish();
}
