/* Files that somebody or something has changed: each opens and is right, or is refused.
 *
 *    with checksums     flips, swapped and lost pages, cut files: what opens shows a commit
 *    without, or with   superblocks and pages that were changed on purpose: whatever opens can be
 *    checksums made     looked at, verified and changed, and nothing is touched that is not there
 *    anew
 *
 * PB_MUTANTS=n   how many */
#include "store/world.h"

static world w;
static uint8_t *base;
static uint64_t base_size;

/* ---- a file to begin with ---- */

static void
make_base(uint64_t seed, bool checked)
{
    world_init(&w, seed);
    if (!checked) {
        static const uint8_t uuid[16] = {9};
        w.store.unchecked = true;
        CHECK_EQ(pb_store_create(&w.store, uuid, 0), PB_STORE_OK);
        pb_store_status st;
        ASKING(&w, st, pb_store_open(&w.store, true));
        CHECK_EQ(st, PB_STORE_OK);
    }
    for (unsigned i = 0; i < 30; i++) {
        world_change(&w);
        CHECK_EQ(world_commit(&w, true), PB_STORE_OK);
    }
    if (seed % 2) {
        CHECK_EQ(pb_store_seal(&w.store, 0), PB_STORE_OK);
    }
    CHECK(world_verify(&w));
    base_size = w.disk.disk_size;
    base = malloc(base_size);
    memcpy(base, w.disk.disk, base_size);
}

static void
set_file(const uint8_t *bytes, uint64_t size)
{
    disk_forget_writes(&w.disk);
    memset(w.disk.disk, 0, w.disk.room);
    memcpy(w.disk.disk, bytes, size);
    memcpy(w.disk.cache, w.disk.disk, w.disk.room);
    w.disk.disk_size = w.disk.cache_size = size;
}

/* ---- mutants ---- */

static uint64_t
some_page(chance *c, uint64_t size)
{
    return below(c, size / PB_PAGE_SIZE) * PB_PAGE_SIZE;
}

static uint64_t
mutate(chance *c, uint8_t *bytes, uint64_t size)
{
    uint64_t a = some_page(c, size), b = some_page(c, size);
    switch (below(c, 6)) {
    case 0:
        memcpy(bytes + a, bytes + b, PB_PAGE_SIZE);
        break;
    case 1:
        memset(bytes + a, 0, PB_PAGE_SIZE);
        break;
    case 2:
        return below(c, size) + 1;
    case 3:
        fill(c, bytes + a, PB_PAGE_SIZE);
        break;
    default:
        for (uint64_t n = 1 + below(c, 3); n; n--) {
            bytes[below(c, size)] ^= (uint8_t)(1 << below(c, 8));
        }
    }
    return size;
}

/* Numbers that are likely to be at a border. */
static uint64_t
nasty(chance *c)
{
    uint64_t v = below(c, 3) ? (uint64_t)1 << below(c, 64) : draw(c) << 20;
    return v + below(c, 3) - 1;
}

/* Change some fields of a superblock, and make its checksum anew. */
static void
forge_super(chance *c, uint8_t *bytes, unsigned slot)
{
    uint8_t *b = bytes + slot * PB_SUPER_BYTES;
    for (uint64_t n = 1 + below(c, 3); n; n--) {
        uint64_t at = one_in(c, 3) ? 512 + below(c, 600) : 32 + below(c, 352), v = nasty(c);
        memcpy(b + at, &v, 1 + below(c, 8));
    }
    uint32_t crc = pb_crc32(0, b, 4092);
    for (unsigned i = 0; i < 4; i++) {
        b[4092 + i] = (uint8_t)(crc >> 8 * i);
    }
}

/* Change entries of pages, which nothing protects. */
static void
forge_page(chance *c, uint8_t *bytes, uint64_t size)
{
    uint64_t at = 2 * PB_SUPER_BYTES + below(c, (size - 2 * PB_SUPER_BYTES) / 8) * 8;
    uint64_t e =
        one_in(c, 3) ? nasty(c) : pb_entry_of((pb_frame)below(c, size / PB_PAGE_SIZE + 2));
    memcpy(bytes + at, &e, sizeof e);
}

/* ---- what becomes of them ---- */

static pb_store_status
open_mutant(void)
{
    pb_store_status st;
    pb_store_fini(&w.store);
    world_begin_store(&w);
    w.why = NULL;
    ASKING(&w, st, pb_store_open(&w.store, below(&w.chance, 4) != 0));
    return st;
}

static bool
is_a_commit(void)
{
    uint64_t number = w.store.super.commit;
    return number <= w.newest && w.newest - number < 2 &&
           contents_equal(world_commit_of(&w, number), &w.store.live);
}

static unsigned
try_mutants(uint64_t n, bool forged)
{
    uint8_t *bytes = malloc(base_size);
    unsigned opened = 0;
    for (uint64_t i = 0; i < n; i++) {
        NOTE("mutant %" PRIu64, i);
        uint64_t size = base_size;
        memcpy(bytes, base, size);
        if (!forged) {
            size = mutate(&w.chance, bytes, size);
        }
        for (uint64_t k = forged ? 1 + below(&w.chance, 3) : 0; k; k--) {
            if (one_in(&w.chance, 2)) {
                forge_super(&w.chance, bytes, (unsigned)below(&w.chance, 2));
            }
            else {
                forge_page(&w.chance, bytes, size);
            }
        }
        set_file(bytes, size);
        if (open_mutant() != PB_STORE_OK) {
            continue;
        }
        opened++;
        CHECK(forged || is_a_commit());
        (void)world_verify(&w);
        pb_status st;
        GROWING(&w.memory, st, pb_buf_write(&w.store.live, below(&w.chance, 5000), "x", 1));
        if (st == PB_OK) {
            pb_store_status done;
            ASKING(&w, done, pb_store_commit(&w.store, true, 0));
        }
    }
    free(bytes);
    return opened;
}

static uint64_t
mutants(uint64_t otherwise)
{
    const char *value = getenv("PB_MUTANTS");
    return value ? strtoull(value, NULL, 10) : otherwise;
}

static void
run_mutants(uint64_t seed, bool checked, bool forged)
{
    make_base(seed, checked);
    w.memory.pool.limit = 8192;
    unsigned opened = try_mutants(mutants(PB_PAGE_SHIFT < 12 ? 1500 : 150), forged);
    CHECK(opened > 0);
    world_fini(&w);
    free(base);
}

static void
test_damage(void)
{
    for (uint64_t seed = 1; seed < 5; seed++) {
        run_mutants(seed, true, false);
    }
}

static void
test_forged_files(void)
{
    for (uint64_t seed = 1; seed < 5; seed++) {
        run_mutants(seed, false, true);
        run_mutants(seed, true, true);
    }
}

int
main(void)
{
    if (PB_PAGE_SHIFT < PB_STORE_LEAST_SHIFT) {
        return finish(); /* no store has such pages */
    }
    RUN(test_damage);
    RUN(test_forged_files);
    return finish();
}
