/* world.h: a store on a simulated disk, and what it should hold. */
#ifndef PB_TEST_WORLD_H
#define PB_TEST_WORLD_H

#include "store/disk.h"
#include "store/internal.h"
#include "store/names.h"

#define MOST_BYTES (90 * PB_PAGE_SIZE)
#define MOST_COMMITS 64 /* the last ones, of which the contents are kept */

#define SNAPSHOTS 3
#define OLDEST_SNAPSHOT \
    24 /* commits later it goes, as its contents will not be kept for ever */

typedef struct {
    uint8_t *bytes;
    uint64_t size;
} contents;

typedef struct {
    memory memory;
    disk disk;
    pb_store store;
    chance chance;
    void *books;
    uint64_t books_frames;
    contents now;
    contents commit[MOST_COMMITS]; /* by number */
    uint64_t newest;               /* that was tried */
    uint64_t safe;                 /* that no crash may lose */
    uint32_t list_most;
    uint64_t log_most, grow_by;
    contents kept; /* what a second root of the file names; no bytes: there is none */
    contents kept_by[MOST_COMMITS]; /* by number of the commit */
    pb_super before;                /* the second root changed, and was not committed yet */
    bool changed;
    bool has_names; /* else the store has one buffer, in the place of the directory */
    named names[NAMES];
    uint64_t name_seeds[MOST_COMMITS][NAMES]; /* by number of the commit */
    /* The commit that each snapshot shows, by number of the commit that has it; 0: it has none. */
    uint64_t snapshot_of[MOST_COMMITS][SNAPSHOTS];
    unsigned snapshot; /* that the next commit makes or drops; SNAPSHOTS: none */
    const char *why;   /* what was wrong */
} world;

/* The buffer that changes. */
static inline pb_buf *
world_live(world *w)
{
    return w->has_names ? &w->names[0].live : &w->store.live;
}

/* ---- contents ---- */

static inline void
contents_set(contents *to, const contents *from)
{
    to->bytes = to->bytes ? to->bytes : malloc(MOST_BYTES);
    if (from->size) {
        memcpy(to->bytes, from->bytes, from->size);
    }
    to->size = from->size;
}

static inline bool
contents_equal(const contents *c, const pb_buf *b)
{
    static uint8_t bytes[MOST_BYTES];
    if (b->root.size != c->size) {
        return false;
    }
    pb_buf_copy_out(b, 0, bytes, c->size);
    return memcmp(bytes, c->bytes, c->size) == 0;
}

/* ---- calls, again until the pool and the books are large enough ---- */

static inline bool
world_helps(world *w, pb_store_status st)
{
    if (st == PB_STORE_POOL && w->store.pool_status == PB_NEED_PAGES) {
        return memory_grow(&w->memory);
    }
    if (st == PB_STORE_BOOKS) {
        void *old = w->books;
        w->books_frames = w->store.wanted;
        w->books = calloc(1, pb_space_bytes(w->books_frames));
        pb_store_offer_books(&w->store, w->books, w->books_frames);
        free(old);
        return true;
    }
    return false;
}

#define ASKING(w, st, call) \
    do {                    \
        st = (call);        \
    } while (world_helps(w, st))

static inline void
world_begin_store(world *w)
{
    pb_file file = disk_file(&w->disk);
    pb_store_init(&w->store, &w->memory.pool, &file, 0);
    w->store.grow_by = w->grow_by;
    w->store.list_most = w->list_most;
    w->store.log_most = w->log_most;
    if (w->books) {
        pb_store_offer_books(&w->store, w->books, w->books_frames);
    }
}

static inline void
world_init_as(world *w, uint64_t seed, bool has_names)
{
    static const uint8_t uuid[16] = {1, 2, 3};
    memset(w, 0, sizeof *w);
    w->chance = chance_of(seed);
    w->disk.chance = &w->chance;
    w->list_most = 24;
    w->log_most = 2;
    w->grow_by = 32;
    w->now.bytes = calloc(1, MOST_BYTES);
    memory_init(&w->memory, PB_UNLIMITED, false);
    world_begin_store(w);
    CHECK_EQ(pb_store_create(&w->store, uuid, 0), PB_STORE_OK);
    contents_set(&w->commit[0], &w->now);
    pb_store_status st;
    ASKING(w, st, pb_store_open(&w->store, true));
    CHECK_EQ(st, PB_STORE_OK);
    w->has_names = has_names;
    w->snapshot = SNAPSHOTS;
    names_init(w->names, &w->memory.pool);
}

static inline void
world_init(world *w, uint64_t seed)
{
    world_init_as(w, seed, false);
}

static inline void
world_fini(world *w)
{
    names_fini(w->names);
    pb_store_fini(&w->store);
    CHECK_EMPTY(&w->memory.pool);
    memory_fini(&w->memory);
    disk_fini(&w->disk);
    for (unsigned i = 0; i < MOST_COMMITS; i++) {
        free(w->commit[i].bytes);
        free(w->kept_by[i].bytes);
    }
    free(w->kept.bytes);
    free(w->now.bytes);
    free(w->books);
}

/* ---- changes ---- */

static inline void
world_write(world *w, uint64_t at, const uint8_t *bytes, uint64_t n)
{
    pb_status st;
    GROWING(&w->memory, st, pb_buf_write(world_live(w), at, bytes, n));
    CHECK_OK(st);
    if (at > w->now.size) {
        memset(w->now.bytes + w->now.size, 0, at - w->now.size);
    }
    memcpy(w->now.bytes + at, bytes, n);
    w->now.size = pb_max(w->now.size, at + n);
}

static inline void
world_truncate(world *w, uint64_t size)
{
    pb_status st;
    GROWING(&w->memory, st, pb_buf_truncate(world_live(w), size));
    CHECK_OK(st);
    if (size > w->now.size) {
        memset(w->now.bytes + w->now.size, 0, size - w->now.size);
    }
    w->now.size = size;
}

static inline void
world_punch(world *w, uint64_t at, uint64_t n)
{
    pb_status st;
    GROWING(&w->memory, st, pb_buf_punch(world_live(w), at, n));
    CHECK_OK(st);
    memset(w->now.bytes + at, 0, n);
}

static inline void
world_change(world *w)
{
    static uint8_t bytes[MOST_BYTES];
    chance *c = &w->chance;
    uint64_t at = below(c, MOST_BYTES), n;
    switch (below(c, 12)) {
    case 0:
        world_truncate(w, below(c, 3) ? below(c, MOST_BYTES) : 0);
        break;
    case 1:
        at = below(c, w->now.size + 1);
        world_punch(w, at, below(c, w->now.size - at + 1));
        break;
    case 2:
        n = below(c, MOST_BYTES - at) + 1;
        fill(c, bytes, n);
        world_write(w, at, bytes, n);
        break;
    default:
        at = below(c, pb_min(w->now.size + 2, MOST_BYTES));
        n = pb_min(below(c, 3 * PB_PAGE_SIZE) + 1, MOST_BYTES - at);
        fill(c, bytes, n);
        world_write(w, at, bytes, n);
    }
}

/* A name comes, goes, or shows other bytes. */
static inline void
world_change_name(world *w)
{
    static uint8_t bytes[9 * PB_PAGE_SIZE];
    named *name = &w->names[1 + below(&w->chance, NAMES - 1)];
    name->seed = one_in(&w->chance, 4) ? 0 : draw(&w->chance) | 1;
    name->changed = true;
    uint64_t n = name->seed ? seed_bytes(name->seed, bytes) : 0;
    pb_status st;
    if (one_in(&w->chance, 2)) {
        pb_buf_clear(&name->live);
    }
    GROWING(&w->memory, st, pb_buf_truncate(&name->live, n));
    CHECK_OK(st);
    if (n) {
        GROWING(&w->memory, st, pb_buf_write(&name->live, 0, bytes, n));
        CHECK_OK(st);
    }
}

/* ---- commits ---- */

static inline pb_name
snapshot_name(unsigned k)
{
    static const uint8_t names[SNAPSHOTS][2] = {"b", "a", "c"};
    return (pb_name){names[k], 1};
}

/* Choose what the next commit does to snapshots, if anything. */
static inline void
world_choose_snapshot(world *w)
{
    const uint64_t *of = w->snapshot_of[w->newest % MOST_COMMITS];
    unsigned k = (unsigned)below(&w->chance, SNAPSHOTS);
    w->snapshot = one_in(&w->chance, 3) ? k : SNAPSHOTS;
    for (k = 0; k < SNAPSHOTS; k++) {
        w->snapshot = of[k] && w->newest - of[k] > OLDEST_SNAPSHOT ? k : w->snapshot;
    }
}

/* The snapshots that the coming commit has. */
static inline pb_store_naming
world_name_it(world *w)
{
    uint64_t *of = w->snapshot_of[w->newest % MOST_COMMITS];
    unsigned k = w->snapshot;
    memcpy(of, w->snapshot_of[(w->newest - 1) % MOST_COMMITS], sizeof *w->snapshot_of);
    if (k == SNAPSHOTS) {
        return (pb_store_naming){.drop = false};
    }
    pb_store_naming naming = {snapshot_name(k), of[k] != 0};
    of[k] = naming.drop ? 0 : w->newest;
    w->snapshot = SNAPSHOTS;
    return naming;
}

static inline pb_store_status
world_commit_names(world *w, bool durable)
{
    static name_changes changes;
    pb_store_naming naming = world_name_it(w);
    pb_store_status st;
    w->names[0].seed = 1;
    w->names[0].changed = true;
    for (unsigned k = 0; k < NAMES; k++) {
        pb_status pst = PB_OK;
        if (w->names[k].changed) {
            GROWING(&w->memory, pst, note_change(&changes, &w->names[k], k));
            CHECK_OK(pst);
        }
        w->name_seeds[w->newest % MOST_COMMITS][k] = w->names[k].seed;
    }
    ASKING(w, st,
           pb_store_commit_naming(&w->store, changes.change, changes.n,
                                  naming.name.n ? &naming : NULL, durable, 0));
    if (st == PB_STORE_OK) {
        keep_changes(&changes, w->names);
    }
    end_changes(&changes);
    return st;
}

static inline contents *
world_commit_of(world *w, uint64_t number)
{
    return &w->commit[number % MOST_COMMITS];
}

/* So many more commits may be lost. */
static inline uint64_t
world_room(const world *w)
{
    return MOST_COMMITS / 2 - (w->newest - w->safe);
}

/* A second root names the tree of the last commit, as a snapshot does. */
static inline void
world_keep(world *w)
{
    pb_super *super = &w->store.super;
    w->before = *super;
    w->changed = true;
    super->snapshots = super->directory;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_entry e = pb_entry_load(&super->snapshots.slot[i]);
        if (e != PB_HOLE) {
            CHECK_EQ(pb_store_ref(&w->store, e), PB_STORE_OK);
        }
    }
    contents_set(&w->kept, world_commit_of(w, w->newest));
}

/* It names nothing any more.  false: the file could not be read. */
static inline bool
world_drop(world *w)
{
    static pb_writer writer;
    pb_super *super = &w->store.super, *coming = &w->store.coming;
    w->before = *super;
    w->changed = true;
    *coming = *super;
    pb_file_root *root = &coming->snapshots;
    if (pb_writer_begin(&writer, &w->store, root, root->size) != PB_STORE_OK ||
        pb_writer_drop(&writer, 0, root->size >> PB_PAGE_SHIFT) != PB_STORE_OK ||
        pb_writer_end(&writer) != PB_STORE_OK) {
        return false;
    }
    *root = (pb_file_root){0};
    *super = *coming;
    w->kept.size = 0;
    return true;
}

/* The commit that was to make it last has changed nothing. */
static inline void
world_undo_second_root(world *w)
{
    if (w->changed && !w->disk.off) {
        w->store.super = w->store.coming = w->before;
        CHECK_EQ(pb_log_load(&w->store), PB_STORE_OK);
        contents_set(&w->kept, &w->kept_by[w->newest % MOST_COMMITS]);
    }
    w->changed = false;
}

/* Does the second root name what it should? */
static inline bool
world_kept_is_there(world *w)
{
    static uint8_t bytes[MOST_BYTES + PB_PAGE_SIZE];
    const pb_file_root *root = &w->store.super.snapshots;
    if (root->size != w->kept.size) {
        return false;
    }
    for (uint64_t at = 0; at < root->size; at += PB_PAGE_SIZE) {
        if (pb_file_page(&w->store, root, at >> PB_PAGE_SHIFT, bytes + at) != PB_STORE_OK) {
            return false;
        }
    }
    return root->size == 0 || memcmp(bytes, w->kept.bytes, root->size) == 0;
}

static inline pb_store_status
world_commit(world *w, bool durable)
{
    pb_store_status st;
    contents_set(world_commit_of(w, ++w->newest), &w->now);
    contents_set(&w->kept_by[w->newest % MOST_COMMITS], &w->kept);
    if (w->has_names) {
        st = world_commit_names(w, durable);
    }
    else {
        ASKING(w, st, pb_store_commit(&w->store, durable, 0));
    }
    if (st == PB_STORE_OK && durable) {
        w->safe = w->newest;
    }
    if (st == PB_STORE_IO) {
        w->newest--; /* nothing has changed */
        world_undo_second_root(w);
    }
    w->changed = false;
    return st;
}

/* ---- checks ---- */

static inline bool
world_verify(world *w)
{
    uint32_t *scratch = malloc(w->store.super.frames * sizeof *scratch);
    pb_store_status st = pb_store_verify(&w->store, scratch);
    free(scratch);
    w->why = st == PB_STORE_OK ? w->why : w->store.fault.rule ? w->store.fault.rule : "I/O";
    return st == PB_STORE_OK;
}

/* Read a name of the file to its buffers. */
static inline pb_store_status
world_read_name(world *w, unsigned k, pb_store_entry *entry)
{
    named *name = &w->names[k];
    pb_store_status st = pb_store_find(&w->store, name_of(k), entry);
    pb_buf_clear(&name->live);
    pb_buf_clear(&name->kept);
    name->root = (pb_file_root){0};
    name->changed = false;
    if (st == PB_STORE_OK && entry->few && entry->size) {
        pb_status pst;
        GROWING(&w->memory, pst, pb_buf_write(&name->live, 0, entry->bytes, entry->size));
        CHECK_OK(pst);
    }
    if (st == PB_STORE_OK && entry->found && !entry->few) {
        name->root = entry->root;
        ASKING(w, st, pb_store_load(&w->store, &entry->root, &name->live, &name->shift));
        if (st == PB_STORE_OK) {
            CHECK_OK(pb_buf_share(&name->kept, &name->live));
        }
    }
    return st;
}

/* Is each name what it was after that commit? */
static inline bool
world_names_are_there(world *w, uint64_t number)
{
    static uint8_t bytes[9 * PB_PAGE_SIZE];
    for (unsigned k = 0; k < NAMES; k++) {
        pb_store_entry entry;
        named *name = &w->names[k];
        name->seed = number ? w->name_seeds[number % MOST_COMMITS][k] : 0;
        if (world_read_name(w, k, &entry) != PB_STORE_OK ||
            entry.found != (name->seed != 0)) {
            w->why = w->store.fault.rule ? w->store.fault.rule : "a name came or went";
            return false;
        }
        contents want = {bytes, k && name->seed ? seed_bytes(name->seed, bytes) : 0};
        if (!contents_equal(k ? &want : world_commit_of(w, number), &name->live)) {
            w->why = "a name shows the bytes of no commit";
            return false;
        }
    }
    return true;
}

/* Does a name of a store that shows a snapshot have the bytes that it had then? */
static inline bool
snapshot_has(world *w, pb_store *view, unsigned k, uint64_t number)
{
    static uint8_t bytes[9 * PB_PAGE_SIZE];
    uint64_t seed = w->name_seeds[number % MOST_COMMITS][k], shift;
    contents want = {bytes, k && seed ? seed_bytes(seed, bytes) : 0};
    const contents *then = k ? &want : world_commit_of(w, number);
    pb_store_entry entry;
    pb_buf buf;
    if (pb_store_find(view, name_of(k), &entry) != PB_STORE_OK ||
        entry.found != (seed != 0)) {
        return false;
    }
    if (!entry.found || entry.few) {
        return !entry.found || (entry.size == then->size &&
                                memcmp(entry.bytes, then->bytes, entry.size) == 0);
    }
    pb_buf_init(&buf, &w->memory.pool, PB_MAX_LEVELS);
    pb_store_status st;
    do {
        st = pb_store_load(view, &entry.root, &buf, &shift);
    } while (st == PB_STORE_POOL && view->pool_status == PB_NEED_PAGES &&
             memory_grow(&w->memory));
    bool has = st == PB_STORE_OK && contents_equal(then, &buf);
    pb_buf_fini(&buf);
    return has;
}

/* Does each snapshot show the commit that it is of? */
static inline bool
world_snapshots_are_there(world *w, uint64_t number)
{
    static pb_store view;
    pb_file file = disk_file(&w->disk);
    bool right = true;
    w->why = "a snapshot shows other bytes, or came or went";
    for (unsigned k = 0; k < SNAPSHOTS && right; k++) {
        uint64_t of = number ? w->snapshot_of[number % MOST_COMMITS][k] : 0;
        pb_store_snapshot s;
        pb_store_status st;
        ASKING(w, st, pb_store_snapshot_find(&w->store, snapshot_name(k), &s));
        right = st == PB_STORE_OK && s.found == (of != 0) && s.commit == of;
        if (!right || !of) {
            continue;
        }
        pb_store_init(&view, &w->memory.pool, &file, 0);
        do {
            st = pb_store_open_at(&view, &w->store, &s);
        } while (st == PB_STORE_POOL && view.pool_status == PB_NEED_PAGES &&
                 memory_grow(&w->memory));
        right = st == PB_STORE_OK;
        for (unsigned i = 0; i < NAMES && right; i++) {
            right = snapshot_has(w, &view, i, of);
        }
        pb_store_fini(&view);
    }
    w->why = right ? NULL : w->store.fault.rule ? w->store.fault.rule : w->why;
    return right;
}

/* Open what a crash has left.  It is a commit that could be there, and whole. */
static inline bool
world_reopen(world *w)
{
    pb_store_status st;
    pb_store_fini(&w->store);
    world_begin_store(w);
    ASKING(w, st, pb_store_open(&w->store, true));
    if (st != PB_STORE_OK) {
        w->why = w->store.fault.rule ? w->store.fault.rule : "does not open";
        return false;
    }
    uint64_t number = w->store.super.commit;
    if (number < w->safe || number > w->newest) {
        w->why = number < w->safe ? "a commit is lost" : "a commit that was never made";
        return false;
    }
    if (w->has_names) {
        if (!world_names_are_there(w, number) || !world_snapshots_are_there(w, number)) {
            return false;
        }
    }
    else if (!contents_equal(world_commit_of(w, number), &w->store.live)) {
        w->why = "the bytes of no commit";
        return false;
    }
    contents_set(&w->now, world_commit_of(w, number));
    contents_set(&w->kept, &w->kept_by[number % MOST_COMMITS]);
    w->newest = w->safe = number;
    w->changed = false;
    if (!w->has_names && !world_kept_is_there(w)) {
        w->why = "a second root names other bytes";
        return false;
    }
    return world_verify(w);
}

#endif
