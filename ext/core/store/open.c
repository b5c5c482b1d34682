/* store/open.c: which superblock to believe, and what it says. */
#include "store/internal.h"

#define GROW_BY (((uint64_t)1 << 20) >> PB_PAGE_SHIFT)
#define LIST_MOST 128
#define LOG_MOST 64

void
pb_store_init(pb_store *store, pb_pool *pool, const pb_file *file, unsigned lead)
{
    memset(store, 0, sizeof *store);
    store->file = *file;
    store->pool = pool;
    store->grow_by = GROW_BY;
    store->list_most = LIST_MOST;
    store->log_most = LOG_MOST;
    pb_buf_init_behind(&store->live, pool, PB_MAX_LEVELS, lead);
    pb_buf_init_internal(&store->kept, pool);
    pb_snapshots_init(store);
}

void
pb_store_fini(pb_store *store)
{
    pb_buf_fini(&store->live);
    pb_store_fini_kept(store);
}

void
pb_store_fini_kept(pb_store *store)
{
    pb_buf_fini(&store->kept);
    pb_snapshots_fini(store);
}

void
pb_store_offer_books(pb_store *store, void *memory, uint64_t frames)
{
    if (store->space.room) {
        pb_space_move(&store->space, memory, frames);
    }
    store->books = memory;
    store->books_room = frames;
}

/* ---- create ---- */

pb_store_status
pb_store_create(pb_store *store, const uint8_t uuid[16], uint64_t time)
{
    pb_super *super = &store->super;
    uint8_t bytes[PB_SUPER_BYTES];
    uint64_t frames = PB_FIRST_FRAME + store->grow_by;
    if (PB_PAGE_SHIFT < PB_STORE_LEAST_SHIFT) {
        return PB_STORE_REFUSED;
    }
    *super =
        (pb_super){.sequence = 1, .frames = frames, .held = PB_FIRST_FRAME, .time = time};
    super->flags = PB_SUPER_SEALED | (store->unchecked ? 0 : PB_SUPER_CHECKSUMS);
    memcpy(super->uuid, uuid, sizeof super->uuid);
    pb_super_encode(super, bytes);
    int error = store->file.resize(store->file.arg, frames << PB_PAGE_SHIFT);
    error = error ? error : store->file.write(store->file.arg, 0, bytes, sizeof bytes);
    error = error ? error : store->file.sync(store->file.arg);
    return error ? pb_store_refused(store, error) : PB_STORE_OK;
}

/* ---- which superblock ---- */

typedef struct {
    pb_super super[PB_SUPER_SLOTS];
    pb_super_state state[PB_SUPER_SLOTS];
    uint64_t size; /* of the file */
} choice;

/* A writer must know what the disk has, not what a cache says that it has (S12). */
static int
read_bytes(pb_store *store, uint64_t at, void *bytes, size_t n)
{
    return store->writable && !PB_PLANTED(CACHE)
               ? store->file.read_disk(store->file.arg, at, bytes, n)
               : store->file.read(store->file.arg, at, bytes, n);
}

static pb_store_status
read_slots(pb_store *store, choice *c)
{
    uint8_t bytes[PB_SUPER_BYTES];
    int error = store->file.size(store->file.arg, &c->size);
    for (unsigned slot = 0; slot < PB_SUPER_SLOTS && !error; slot++) {
        error = read_bytes(store, (uint64_t)slot * PB_SUPER_BYTES, bytes, sizeof bytes);
        c->state[slot] = pb_super_decode(&c->super[slot], bytes, slot);
    }
    return error ? pb_store_refused(store, error) : PB_STORE_OK;
}

/* Does the disk have all pages on the list (S5)? */
static bool
list_is_there(pb_store *store, const pb_super *super)
{
    uint8_t bytes[PB_PAGE_SIZE];
    if (PB_PLANTED(BELIEVE)) {
        return true;
    }
    for (uint32_t i = 0; i < super->listed; i++) {
        const pb_listed *page = &super->list[i];
        if (page->frame < PB_FIRST_FRAME || page->frame >= super->frames ||
            read_bytes(store, pb_frame_offset(page->frame), bytes, sizeof bytes) ||
            pb_crc32(0, bytes, sizeof bytes) != page->crc) {
            return false;
        }
    }
    return true;
}

static bool
can_be_believed(pb_store *store, const choice *c, unsigned slot)
{
    const pb_super *super = &c->super[slot];
    return c->state[slot] == PB_SUPER_OK && super->frames << PB_PAGE_SHIFT <= c->size &&
           list_is_there(store, super);
}

static uint64_t
sequence_in(const choice *c, unsigned slot)
{
    return c->state[slot] == PB_SUPER_OK ? c->super[slot].sequence : 0;
}

static bool
somebody_elses(const choice *c, unsigned slot)
{
    return c->state[slot] == PB_SUPER_VERSION || c->state[slot] == PB_SUPER_PAGE_SIZE;
}

static bool
was_written(const choice *c, unsigned slot)
{
    return c->state[slot] != PB_SUPER_BLANK && c->state[slot] != PB_SUPER_FOREIGN;
}

/* Believe the newer one, or else the older. */
static pb_store_status
choose(pb_store *store, const choice *c)
{
    unsigned newer = sequence_in(c, 1) > sequence_in(c, 0);
    if (somebody_elses(c, 0) || somebody_elses(c, 1)) {
        return PB_STORE_REFUSED;
    }
    unsigned slot = can_be_believed(store, c, newer) ? newer : !newer;
    if (slot != newer && !can_be_believed(store, c, slot)) {
        bool any = was_written(c, 0) || was_written(c, 1);
        return any ? pb_store_damaged(store, "no superblock can be believed", 0)
                   : PB_STORE_EMPTY;
    }
    store->super = store->coming = c->super[slot];
    store->durable[slot] = store->super.sequence;
    store->durable[!slot] = slot == newer ? sequence_in(c, !slot) : 0;
    store->fell_back = store->durable[!slot] == 0 && c->state[!slot] != PB_SUPER_BLANK;
    return PB_STORE_OK;
}

/* S9: what was not believed must not become true when the same pages are written again. */
static pb_store_status
bury(pb_store *store)
{
    if (!store->fell_back || !store->writable || PB_PLANTED(NOT_ZEROED)) {
        return PB_STORE_OK;
    }
    pb_store_status st = pb_store_zero_slot(store, !store->super.slot);
    if (st == PB_STORE_OK && !PB_PLANTED(ZERO_LATE)) {
        int error = store->file.sync(store->file.arg);
        st = error ? pb_store_refused(store, error) : PB_STORE_OK;
    }
    return st;
}

/* S6: a barrier that failed may have left the cache with another size than the disk.  Setting it, even
 * to what it is said to be, has the next barrier write it. */
static pb_store_status
set_size(pb_store *store)
{
    if (!store->writable || PB_PLANTED(SIZE)) {
        return PB_STORE_OK;
    }
    int error = store->file.resize(store->file.arg, store->super.frames << PB_PAGE_SHIFT);
    return error ? pb_store_refused(store, error) : PB_STORE_OK;
}

/* ---- load ---- */

typedef struct {
    pb_store *store;
    const pb_file_root *root;
    pb_buf *to;
} loading;

/* Put a page of the file where it lies in the tree; positions begin in the page of the bias. */
static pb_store_status
load_page(void *arg, uint64_t page, const void *bytes)
{
    loading *l = arg;
    uint64_t first = l->root->bias >> PB_PAGE_SHIFT;
    uint64_t end = (l->root->bias & PB_PAGE_MASK) + l->root->size;
    uint64_t at = (page - first) << PB_PAGE_SHIFT;
    if (page < first || at >= end) {
        return pb_store_damaged(l->store, "a page lies outside of its tree", 0);
    }
    l->store->pool_status = pb_buf_write(l->to, at, bytes, pb_min(PB_PAGE_SIZE, end - at));
    return l->store->pool_status == PB_OK ? PB_STORE_OK : PB_STORE_POOL;
}

/* Cut the buffer, whose pages are there, to what the root shows.  It is a tree. */
static pb_status
cut_to_size(const pb_file_root *root, pb_buf *to)
{
    uint64_t skip = root->bias & PB_PAGE_MASK;
    pb_status st = pb_buf_truncate(to, skip + root->size);
    if (st == PB_OK) {
        st = pb_buf_promote(to);
    }
    return st == PB_OK && skip ? pb_buf_drop_front(to, skip) : st;
}

pb_store_status
pb_store_load(pb_store *store, const pb_file_root *root, pb_buf *to, uint64_t *shift)
{
    loading l = {store, root, to};
    pb_buf_clear(to);
    pb_store_status st = pb_file_visit(store, root, load_page, &l);
    if (st == PB_STORE_OK) {
        store->pool_status = cut_to_size(root, to);
        st = store->pool_status == PB_OK ? PB_STORE_OK : PB_STORE_POOL;
    }
    if (st != PB_STORE_OK) {
        pb_buf_clear(to);
        return st;
    }
    *shift = (root->bias - pb_buf_bias(to)) >> PB_PAGE_SHIFT;
    return PB_STORE_OK;
}

static pb_store_status
load_directory(pb_store *store)
{
    pb_buf_clear(&store->kept);
    pb_store_status st =
        pb_store_load(store, &store->super.directory, &store->live, &store->shift);
    if (st != PB_STORE_OK) {
        return st;
    }
    store->pool_status = pb_buf_share(&store->kept, &store->live);
    store->named = store->super.names;
    pb_names_open(store);
    return store->pool_status == PB_OK ? PB_STORE_OK : PB_STORE_POOL;
}

/* 1. a barrier (S8)  2. the superblock  3. what it was chosen against goes (S9)  4. the size
 * 5. the books  6. the tree */
static pb_store_status
open_file(pb_store *store)
{
    choice c;
    int error = 0;
    if (store->writable && !PB_PLANTED(NO_FIRST_SYNC)) {
        error = store->file.sync(store->file.arg);
    }
    pb_store_status st = error ? pb_store_refused(store, error) : read_slots(store, &c);
    if (st == PB_STORE_OK) {
        st = choose(store, &c);
    }
    if (st == PB_STORE_OK && store->writable &&
        store->super.read_only & ~(uint32_t)PB_READ_ONLY_SNAPSHOTS) {
        return PB_STORE_REFUSED;
    }
    if (st == PB_STORE_OK && store->writable && store->super.frames > store->books_room) {
        store->wanted = store->super.frames + 64;
        return PB_STORE_BOOKS;
    }
    if (st == PB_STORE_OK) {
        st = bury(store);
    }
    if (st == PB_STORE_OK) {
        st = set_size(store);
    }
    if (st == PB_STORE_OK && store->writable) {
        st = pb_log_load(store);
    }
    return st == PB_STORE_OK ? load_directory(store) : st;
}

pb_store_status
pb_store_open(pb_store *store, bool writable)
{
    if (PB_PAGE_SHIFT < PB_STORE_LEAST_SHIFT) {
        return PB_STORE_REFUSED;
    }
    store->writable = writable;
    store->space.room = 0;
    store->counted = false;
    pb_snapshots_forget(store);
    pb_store_status st = open_file(store);
    store->writable = writable && st == PB_STORE_OK;
    return st;
}

pb_store_status
pb_store_open_at(pb_store *store, const pb_store *of, const pb_store_snapshot *snapshot)
{
    store->writable = store->counted = false;
    store->space.room = 0;
    pb_snapshots_forget(store);
    store->super = of->super;
    store->super.directory = snapshot->directory;
    store->super.names = snapshot->names;
    store->super.commit = snapshot->commit;
    store->super.time = snapshot->time;
    store->coming = store->super;
    return load_directory(store);
}

pb_store_status
pb_store_count_frames(pb_store *store)
{
    if (store->writable || store->counted) {
        return PB_STORE_OK;
    }
    if (store->super.frames > store->books_room) {
        store->wanted = store->super.frames;
        return PB_STORE_BOOKS;
    }
    pb_store_status st = pb_log_load(store);
    store->counted = st == PB_STORE_OK;
    return st;
}

pb_store_status
pb_store_rollback(pb_store *store)
{
    store->pool_status = pb_buf_restore(&store->live, &store->kept);
    pb_names_open(store);
    return store->pool_status == PB_OK ? PB_STORE_OK : PB_STORE_POOL;
}

/* ---- verify ---- */

typedef struct {
    pb_store *store;
    uint32_t *seen; /* entries that name each frame */
} recount;

/* What lies below a shared entry is counted once. */
static pb_store_status
count_entry(void *arg, pb_entry e, bool *below)
{
    recount *r = arg;
    pb_frame frame = pb_entry_frame(e);
    *below = frame >= r->store->super.frames || r->seen[frame]++ == 0;
    return PB_STORE_OK;
}

/* The directory of each snapshot, and what is below it. */
static pb_store_status
recount_snapshots(pb_store *store, const pb_file_walk *w)
{
    uint8_t name[PB_NAME_MOST];
    uint32_t n = 0;
    pb_store_snapshot s;
    pb_store_status st = PB_STORE_OK;
    while (st == PB_STORE_OK) {
        st = pb_store_snapshot_next(store, (pb_name){name, n}, name, &n);
        if (st != PB_STORE_OK || n == 0) {
            break;
        }
        st = pb_store_snapshot_find(store, (pb_name){name, n}, &s);
        if (st == PB_STORE_OK) {
            st = pb_file_walk_tree(w, &s.directory, s.names.pages != 0);
        }
    }
    const char *broken = st == PB_STORE_OK ? pb_directory_check(&store->past.names) : NULL;
    return broken ? pb_store_damaged(store, broken, 0) : st;
}

static pb_store_status
recount_all(pb_store *store, const pb_file_walk *w)
{
    const pb_super *super = &store->super;
    const pb_file_root *plain[] = {&super->snapshots, &super->rows, &super->log};
    const char *broken = super->names.pages ? pb_directory_check(&store->names) : NULL;
    pb_store_status st = broken ? pb_store_damaged(store, broken, 0) : PB_STORE_OK;
    if (st == PB_STORE_OK) {
        st = pb_file_walk_tree(w, &super->directory, super->names.pages != 0);
    }
    for (unsigned i = 0; i < sizeof plain / sizeof *plain && st == PB_STORE_OK; i++) {
        st = pb_file_walk_tree(w, plain[i], false);
    }
    return st == PB_STORE_OK && super->snapshot_names.names ? recount_snapshots(store, w)
                                                            : st;
}

static pb_store_status
compare_counts(pb_store *store, const uint32_t *seen)
{
    for (uint64_t f = PB_FIRST_FRAME; f < store->space.frames; f++) {
        uint32_t count = pb_space_count(&store->space, (pb_frame)f);
        if (count != seen[f]) {
            return pb_store_damaged(store,
                                    count > seen[f]
                                        ? "a frame is lost"
                                        : "a frame is named more often than counted",
                                    (pb_frame)f);
        }
    }
    return PB_STORE_OK;
}

pb_store_status
pb_store_verify(pb_store *store, uint32_t *scratch)
{
    recount r = {store, scratch};
    pb_file_walk w = {store, count_entry, &r, true};
    memset(scratch, 0, store->super.frames * sizeof *scratch);
    pb_store_status st = pb_store_count_frames(store);
    if (st == PB_STORE_OK) {
        st = recount_all(store, &w);
    }
    return st == PB_STORE_OK ? compare_counts(store, scratch) : st;
}
