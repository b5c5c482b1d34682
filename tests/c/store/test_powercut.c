/* The power goes at any moment: what comes back is a commit, whole, and none that was acknowledged is
 * lost.  Then each rule is broken in turn, and the same search has to notice it.
 *
 *    PB_CUTS=n        cuts without a fault (all seeds together)
 *    PB_PLANT_CUTS=n  cuts in which every planted fault has to be found, and not only those that a
 *                     few thousand find; says how many each took
 *    PB_PLANT=n       only the n-th fault of the list
 *    PB_SEED=n        the first seed */
#define _DEFAULT_SOURCE 1 /* mkdtemp, popen */
#include "store/world.h"

#include <unistd.h>

#define CUTS_OF_A_WORLD 60

static world w;
static uint64_t seeds[MOST_COMMITS]; /* of the changes of a commit, by number */
static bool keeps_trees;             /* a second root names trees in this world */
static bool again;                   /* the next commit is that of before the crash */

static uint64_t
setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

/* ---- one life of a process ---- */

static void
plan_trouble(chance *c)
{
    uint64_t most = one_in(c, 3) ? 300 : 30;
    most *= w.has_names ? 6 : 1; /* they write more pages a commit */
    w.disk.off_at = w.disk.steps + 1 + below(c, most);
    w.disk.bad_sync_at = one_in(c, 4) ? w.disk.steps + 1 + below(c, 40) : 0;
    w.disk.full_at = one_in(c, 8) ? w.disk.steps + 1 + below(c, 40) : 0;
}

/* Make the changes that a seed stands for. */
static void
change(uint64_t seed)
{
    chance own = w.chance;
    w.chance = chance_of(seed);
    for (uint64_t n = below(&w.chance, 3); n; n--) {
        world_change(&w);
        if (w.has_names && one_in(&w.chance, 2)) {
            world_change_name(&w);
        }
    }
    w.chance = own;
}

/* Now and then a second root names what the last commit wrote, or nothing again. */
static void
change_second_root(chance *c)
{
    if (w.kept.size == 0 && keeps_trees && one_in(c, 20)) {
        world_keep(&w);
    }
    else if (w.kept.size && one_in(c, 40)) {
        CHECK(world_drop(&w));
    }
}

/* What a crash has undone is often done again: then the same pages are written to the same frames. */
static pb_store_status
one_commit(chance *c, unsigned lazy)
{
    uint64_t *seed = &seeds[(w.newest + 1) % MOST_COMMITS];
    *seed = *seed && again ? *seed : draw(c) | 1;
    again = false;
    change(*seed);
    change_second_root(c);
    if (w.has_names) {
        world_choose_snapshot(&w);
    }
    bool durable = world_room(&w) < 2 || !one_in(c, lazy);
    return world_commit(&w, durable);
}

/* S11: does somebody who only reads see the commit whose barrier has failed? */
static bool
reader_sees_the_newest(void)
{
    static pb_store reader;
    pb_file file = disk_file(&w.disk);
    pb_store_status st;
    pb_store_init(&reader, &w.memory.pool, &file, 0);
    do {
        st = pb_store_open(&reader, false);
    } while (st == PB_STORE_POOL && memory_grow(&w.memory));
    bool sees = st == PB_STORE_OK && reader.super.commit == w.newest;
    pb_store_fini(&reader);
    return sees;
}

/* Commits until the power is gone, a barrier fails, or it is enough.  false: something is wrong. */
static bool
live_for_a_while(chance *c)
{
    unsigned lazy = one_in(c, 2) ? 1000 : one_in(c, 2) ? 2 : 1;
    lazy = lazy == 1 && one_in(c, 2) ? 3 : lazy;
    for (uint64_t n = 1 + below(c, 12); n && !w.disk.off; n--) {
        pb_store_status st = one_commit(c, lazy);
        if (st == PB_STORE_BROKEN) {
            return w.disk.off || !reader_sees_the_newest();
        }
        if (st == PB_STORE_CORRUPT) {
            return false;
        }
    }
    if (one_in(c, 6) && !w.disk.off && pb_store_seal(&w.store, 0) == PB_STORE_OK) {
        w.safe = w.newest;
    }
    return true;
}

/* ---- how it ends ---- */

/* A bit of the newest superblock rots, while the older one is on the disk, too. */
static void
rot(chance *c)
{
    static pb_super super;
    const uint64_t *durable = w.store.durable;
    unsigned newest = durable[1] > durable[0], older = !newest;
    if (durable[older] == 0 || w.store.super.sequence != durable[newest] ||
        pb_super_decode(&super, w.disk.disk + older * PB_SUPER_BYTES, older) !=
            PB_SUPER_OK ||
        super.commit + MOST_COMMITS <= w.newest) {
        return;
    }
    w.disk.disk[newest * PB_SUPER_BYTES + below(c, PB_SUPER_BYTES)] ^= 16;
    w.safe = super.commit;
}

/* false: the cache is still there, so a file is not what the disk has. */
static bool
end_badly(chance *c)
{
    bool may_rot = !w.disk.off;
    if (one_in(c, w.store.broken ? 2 : 4)) {
        disk_kill(&w.disk);
        return false;
    }
    disk_cut(&w.disk);
    if (may_rot && one_in(c, 6)) {
        rot(c);
        memcpy(w.disk.cache, w.disk.disk, w.disk.room);
    }
    return true;
}

/* The power may go once more while the file is being opened. */
static bool
come_back(chance *c, bool once)
{
    if (!once && one_in(c, 4)) {
        w.disk.off_at = w.disk.steps + 1 + below(c, 3);
        pb_store_fini(&w.store);
        world_begin_store(&w);
        pb_store_status st;
        ASKING(&w, st, pb_store_open(&w.store, true));
        if (one_in(c, 2)) {
            disk_kill(&w.disk);
        }
        else {
            disk_cut(&w.disk);
        }
    }
    again = !one_in(c, 4);
    return world_reopen(&w);
}

/* ---- another reader looks, too ---- */

#define KEEP_EVERY 100
#define KEEP_MOST 200

static char folder[] = "/tmp/pagebuf-powercut-XXXXXX";
static bool keeps;
static unsigned kept_files;
static uint64_t kept_commit[KEEP_MOST];

static const char *
kept_path(unsigned i)
{
    static char path[64];
    (void)snprintf(path, sizeof path, "%s/%u", folder, i);
    return path;
}

/* Write what the cut has left to a file. */
static bool
keep(void)
{
    FILE *file =
        keeps && kept_files < KEEP_MOST ? fopen(kept_path(kept_files), "wb") : NULL;
    if (file == NULL) {
        return false;
    }
    size_t wrote = fwrite(w.disk.disk, 1, w.disk.disk_size, file);
    CHECK(fclose(file) == 0 && wrote == w.disk.disk_size);
    kept_files++;
    return true;
}

static void
check_kept_file(FILE *answers, unsigned i)
{
    char line[400], want[100];
    do {
        CHECK(fgets(line, sizeof line, answers) != NULL);
    } while (line[0] == ' ' && strstr(line, "not believed"));
    (void)snprintf(want, sizeof want, "%s: whole: commit %" PRIu64 ",", kept_path(i),
                   kept_commit[i]);
    NOTE("%.50s, wanted %.50s", line, want);
    CHECK(strncmp(line, want, strlen(want)) == 0);
}

/* tools/store_check.py believes the same commit, and finds each file whole. */
static void
check_kept_files(void)
{
    char command[1000], here[400];
    const char *python = getenv("PYTHON");
    CHECK(getcwd(here, sizeof here) != NULL);
    (void)snprintf(command, sizeof command,
                   "cd %s && ls -v | sed s,^,%s/, | xargs %s %s/tools/store_check.py",
                   folder, folder, python ? python : "python3", here);
    FILE *answers = popen(command, "r");
    CHECK(answers != NULL);
    for (unsigned i = 0; i < kept_files; i++) {
        check_kept_file(answers, i);
    }
    while (fgetc(answers) != EOF) { /* what it says of the last file */
    }
    CHECK_EQ(pclose(answers), 0);
    printf("%u files\n", kept_files);
}

static void
remove_kept_files(void)
{
    while (kept_files) {
        (void)remove(kept_path(--kept_files));
    }
    (void)remove(folder);
}

/* Returns after how many cuts something was wrong; 0: never. */
static uint64_t
search(uint64_t seed, uint64_t cuts)
{
    for (uint64_t done = 0; done < cuts;) {
        bool of_snapshots = pb_planted >= PB_PLANT_SHARED_ROOTS;
        world_init_as(&w, seed,
                      of_snapshots || (seed % 4 == 3 && pb_planted == PB_PLANT_NONE));
        seed++;
        chance *c = &w.chance;
        memset(seeds, 0, sizeof seeds);
        w.list_most = w.store.list_most = (uint32_t)(4 + below(c, 60));
        w.log_most = w.store.log_most = one_in(c, 2) ? 0 : below(c, 4);
        keeps_trees = one_in(c, 3) && !w.has_names;
        w.grow_by = w.store.grow_by = 4 + below(c, 28);
        bool right = true;
        for (unsigned i = 0; i < CUTS_OF_A_WORLD && done < cuts && right; i++) {
            plan_trouble(c);
            if (!live_for_a_while(c)) {
                w.why = w.store.broken ? "a reader sees a commit whose barrier failed"
                                       : w.store.fault.rule;
                right = false;
                done++;
                break;
            }
            bool kept = end_badly(c) && done % KEEP_EVERY == 0 && keep();
            right = come_back(c, kept);
            if (kept) {
                kept_commit[kept_files - 1] = w.store.super.commit;
            }
            done++;
        }
        NOTE("seed %" PRIu64 ": %s", seed - 1, w.why ? w.why : "");
        world_fini(&w);
        if (!right) {
            return done;
        }
    }
    return 0;
}

/* ---- tests ---- */

static void
test_no_crash_halves_a_commit(void)
{
    uint64_t cuts = setting("PB_CUTS", PB_PAGE_SHIFT < 12 ? 10000 : 1000);
    pb_planted = PB_PLANT_NONE;
    keeps = mkdtemp(folder) != NULL;
    uint64_t wrong = search(setting("PB_SEED", 1), cuts);
    keeps = false;
    CHECK_EQ(wrong, 0);
    check_kept_files();
    remove_kept_files();
}

typedef struct {
    pb_plant plant;
    const char *name;
    uint64_t within; /* cuts, from seed 1; 0: it takes longer than a test may */
} fault;

static const fault faults[] = {
    {PB_PLANT_HALF_CRC, "S1 half a checksum", 1000},
    {PB_PLANT_PARITY, "S2 slot by parity", 1000},
    {PB_PLANT_NODE_UNLISTED, "S3 nodes are not listed", 1000},
    {PB_PLANT_PAGE_UNLISTED, "S3 pages are not listed", 1000},
    {PB_PLANT_FORGET_LAZY, "S4 lazy commits forgotten", 1000},
    {PB_PLANT_NO_BARRIER, "S4 a full list without a barrier", 1000},
    {PB_PLANT_BELIEVE, "S5 the list is not looked at", 1000},
    {PB_PLANT_SIZE, "S6 the size is not set at open", 0},
    {PB_PLANT_EARLY, "S6 acknowledged before the barrier", 1000},
    {PB_PLANT_REUSE_AT_ONCE, "S7 reused at once", 1000},
    {PB_PLANT_REUSE_NEWEST, "S7 reused up to the newest", 5000},
    {PB_PLANT_NO_FIRST_SYNC, "S8 no barrier at open", 1000},
    {PB_PLANT_NOT_ZEROED, "S9 the slot stays", 8000},
    {PB_PLANT_ZERO_LATE, "S9 no barrier behind the zeros", 0},
    {PB_PLANT_LOSE_PENDING, "S10 a checkpoint forgets what waits", 0},
    {PB_PLANT_IGNORE_SYNC, "S11 a barrier's error is ignored", 1000},
    {PB_PLANT_KEEP_SLOT, "S11 the slot stays", 1000},
    {PB_PLANT_CACHE, "S12 the cache is believed", 6000},
    {PB_PLANT_LOSE_RECORD, "a record is lost", 2000},
    {PB_PLANT_FREE_TWICE, "a share is forgotten", 2000},
    {PB_PLANT_WRONG_CRC, "the checksum of the wrong page", 1000},
    {PB_PLANT_SHARED_ROOTS, "roots that a snapshot shares are forgotten", 1000},
    {PB_PLANT_DROPPED_ROOTS, "a snapshot that goes keeps its trees", 1000},
    {PB_PLANT_UNCOUNTED_SNAPSHOT, "the directory of a snapshot is not counted", 1000},
};

static void
test_planted_faults_are_found(void)
{
    uint64_t most = setting("PB_PLANT_CUTS", 0), missed = 0;
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
        const fault *f = &faults[i];
        if (setting("PB_PLANT", i) != i) {
            continue;
        }
        uint64_t cuts = PB_PAGE_SHIFT < 12 ? pb_max(most, f->within) : 0;
        pb_planted = f->plant;
        uint64_t found = cuts ? search(1, cuts) : 0;
        pb_planted = PB_PLANT_NONE;
        if (most || (!found && cuts)) {
            printf("%7" PRIu64 "  %s\n", found, f->name);
        }
        missed += !found && cuts;
    }
    CHECK_EQ(missed, 0);
}

int
main(void)
{
    if (PB_PAGE_SHIFT < PB_STORE_LEAST_SHIFT) {
        return finish(); /* no store has such pages */
    }
    RUN(test_no_crash_halves_a_commit);
    RUN(test_planted_faults_are_found);
    return finish();
}
