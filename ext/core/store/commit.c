/* store/commit.c: frames of the file, barriers, commits. */
#include "store/internal.h"

#include <errno.h>

#ifdef PB_STORE_PLANTS
pb_plant pb_planted;
#endif

/* ---- what goes wrong ---- */

pb_store_status
pb_store_damaged(pb_store *store, const char *rule, pb_frame frame)
{
    store->fault = (pb_store_fault){rule, frame, 0};
    return PB_STORE_CORRUPT;
}

pb_store_status
pb_store_refused(pb_store *store, int error)
{
    store->fault = (pb_store_fault){NULL, 0, error};
    return PB_STORE_IO;
}

/* ---- pages ---- */

static bool
has_checksums(const pb_store *store)
{
    return (store->super.flags & PB_SUPER_CHECKSUMS) != 0;
}

/* Can it be an entry of this file? */
static bool
is_an_entry(const pb_store *store, pb_entry e)
{
    pb_frame frame = pb_entry_frame(e);
    return (e & PB_ENTRY_PRESENT) && frame >= PB_FIRST_FRAME &&
           frame < pb_max(store->super.frames, store->coming.frames);
}

pb_store_status
pb_store_read(pb_store *store, pb_entry e, void *bytes)
{
    pb_frame frame = pb_entry_frame(e);
    if (!is_an_entry(store, e)) {
        return pb_store_damaged(store, "an entry names no page of the file", frame);
    }
    int error =
        store->file.read(store->file.arg, pb_frame_offset(frame), bytes, PB_PAGE_SIZE);
    if (error) {
        return pb_store_refused(store, error);
    }
    if (has_checksums(store) &&
        (pb_crc32(0, bytes, PB_PAGE_SIZE) & PB_CRC31) != pb_entry_crc(e)) {
        return pb_store_damaged(store, "a page does not fit its checksum", frame);
    }
    return PB_STORE_OK;
}

/* The file grows by a few frames at a time, as far as the books reach. */
static pb_store_status
grow(pb_store *store)
{
    pb_space *space = &store->space;
    uint64_t frames = pb_min(space->frames + store->grow_by, space->room), size;
    if (frames == space->frames) {
        store->wanted = 2 * frames;
        return PB_STORE_BOOKS;
    }
    int error = store->file.size(store->file.arg, &size);
    if (!error && size < frames << PB_PAGE_SHIFT) {
        error = store->file.resize(store->file.arg, frames << PB_PAGE_SHIFT);
    }
    if (error) {
        return pb_store_refused(store, error);
    }
    space->frames = store->coming.frames = frames;
    return PB_STORE_OK;
}

static pb_store_status
take(pb_store *store, pb_space_kind kind, pb_frame *frame)
{
    pb_store_status st = PB_STORE_OK;
    *frame = pb_space_take(&store->space, kind);
    if (*frame == 0) {
        st = grow(store);
        *frame = st == PB_STORE_OK ? pb_space_take(&store->space, kind) : 0;
    }
    return st;
}

static bool
is_listed_kind(pb_space_kind kind)
{
    return !(kind == PB_SPACE_NODE ? PB_PLANTED(NODE_UNLISTED) : PB_PLANTED(PAGE_UNLISTED));
}

/* S3: whatever was written since the last barrier is on the list. */
static void
list(pb_store *store, pb_frame frame, uint32_t crc)
{
    pb_super *coming = &store->coming;
    if (coming->listed >= pb_min(store->list_most, PB_LIST_MOST)) {
        store->unlisted = true; /* S4 */
        return;
    }
    coming->list[coming->listed++] = (pb_listed){frame, crc};
    store->space.state[frame] |= PB_SPACE_LISTED;
}

static void
unlist(pb_store *store, pb_frame frame)
{
    pb_super *coming = &store->coming;
    for (uint32_t i = 0; i < coming->listed; i++) {
        if (coming->list[i].frame == frame) {
            coming->list[i] = coming->list[--coming->listed];
            break;
        }
    }
    store->space.state[frame] &= (uint8_t)~PB_SPACE_LISTED;
}

pb_store_status
pb_store_write(pb_store *store, pb_space_kind kind, const void *bytes, pb_entry *e)
{
    pb_frame frame;
    pb_store_status st = take(store, kind, &frame);
    if (st != PB_STORE_OK) {
        return st;
    }
    int error =
        store->file.write(store->file.arg, pb_frame_offset(frame), bytes, PB_PAGE_SIZE);
    if (error) {
        return pb_store_refused(store, error);
    }
    uint32_t crc = pb_crc32(0, bytes, PB_PAGE_SIZE);
    if (is_listed_kind(kind)) {
        list(store, frame, crc);
    }
    pb_tree_set(e, pb_entry_with_crc(frame, has_checksums(store) ? crc : 0));
    return PB_STORE_OK;
}

/* Do the books know of what an entry names? */
static pb_store_status
look_up(pb_store *store, pb_entry e)
{
    pb_frame frame = pb_entry_frame(e);
    return is_an_entry(store, e) && pb_space_count(&store->space, frame) > 0
               ? PB_STORE_OK
               : pb_store_damaged(store, "an entry names a frame that is not counted",
                                  frame);
}

pb_store_status
pb_store_count(pb_store *store, pb_entry e, uint32_t *n)
{
    pb_store_status st = look_up(store, e);
    *n = st == PB_STORE_OK ? pb_space_count(&store->space, pb_entry_frame(e)) : 0;
    return st;
}

pb_store_status
pb_store_ref(pb_store *store, pb_entry e)
{
    pb_store_status st = look_up(store, e);
    if (st == PB_STORE_OK) {
        pb_space_ref(&store->space, pb_entry_frame(e));
    }
    return st;
}

pb_store_status
pb_store_unref(pb_store *store, pb_entry e, uint32_t *left)
{
    pb_store_status st = look_up(store, e);
    if (st != PB_STORE_OK) {
        return st;
    }
    pb_frame frame = pb_entry_frame(e);
    *left = pb_space_unref(&store->space, frame);
    if (*left == 0 && (store->space.state[frame] & PB_SPACE_LISTED)) {
        unlist(store, frame);
    }
    return PB_STORE_OK;
}

/* ---- slots and barriers ---- */

static unsigned
newest_durable(const pb_store *store)
{
    return store->durable[1] > store->durable[0];
}

uint64_t
pb_store_free_up_to(const pb_store *store)
{
    uint64_t newest = store->durable[newest_durable(store)];
    uint64_t older = store->durable[!newest_durable(store)];
    uint64_t most = older ? older : newest; /* the only one there is */
    if (PB_PLANTED(REUSE_NEWEST) || PB_PLANTED(REUSE_AT_ONCE)) {
        most = PB_PLANTED(REUSE_NEWEST) ? newest : store->super.sequence;
    }
    return store->file.oldest_reader
               ? pb_min(most, store->file.oldest_reader(store->file.arg))
               : most;
}

pb_store_status
pb_store_zero_slot(pb_store *store, unsigned slot)
{
    static const uint8_t zeros[PB_SUPER_BYTES];
    store->durable[slot] = 0;
    int error = store->file.write(store->file.arg, (uint64_t)slot * PB_SUPER_BYTES, zeros,
                                  sizeof zeros);
    return error ? pb_store_refused(store, error) : PB_STORE_OK;
}

/* S11: nobody knows what a barrier that failed has left.  So the superblock that it was for goes,
 * and no commit comes any more. */
static pb_store_status
break_down(pb_store *store, unsigned slot, uint64_t durable)
{
    pb_store_fault fault = store->fault;
    bool lasts = durable && store->durable[slot] == durable;
    if (!lasts && !PB_PLANTED(KEEP_SLOT)) {
        (void)pb_store_zero_slot(store, slot);
        (void)store->file.sync(store->file.arg);
    }
    store->fault = fault;
    store->broken = true;
    return PB_STORE_BROKEN;
}

pb_store_status
pb_store_barrier(pb_store *store)
{
    int error = store->file.sync(store->file.arg);
    if (error && !PB_PLANTED(IGNORE_SYNC)) {
        return pb_store_refused(store, error);
    }
    for (uint32_t i = 0; i < store->coming.listed; i++) {
        store->space.state[store->coming.list[i].frame] &= (uint8_t)~PB_SPACE_LISTED;
    }
    store->coming.listed = 0;
    store->unlisted = false;
    store->durable[store->super.slot] = store->super.sequence;
    return PB_STORE_OK;
}

/* ---- publish ---- */

static pb_store_status
write_super(pb_store *store)
{
    uint8_t bytes[PB_SUPER_BYTES];
    pb_super *coming = &store->coming;
    unsigned slot = !newest_durable(store); /* S2 */
    coming->slot = PB_PLANTED(PARITY) ? coming->sequence & 1 : (uint8_t)slot;
    pb_super_encode(coming, bytes);
    int error = store->file.write(store->file.arg, (uint64_t)coming->slot * PB_SUPER_BYTES,
                                  bytes, sizeof bytes);
    return error ? pb_store_refused(store, error) : PB_STORE_OK;
}

/* 1. a barrier, if pages are not listed  2. the superblock  3. the barrier that makes it last */
static pb_store_status
publish(pb_store *store, bool durable)
{
    unsigned slot = store->super.slot;
    bool full = store->unlisted && !PB_PLANTED(NO_BARRIER);
    store->coming.listed = store->unlisted && !full ? 0 : store->coming.listed;
    if (full && pb_store_barrier(store) != PB_STORE_OK) {
        return break_down(store, slot, store->super.sequence);
    }
    pb_store_status st = write_super(store);
    slot = store->coming.slot;
    if (st != PB_STORE_OK) {
        return break_down(store, slot, 0);
    }
    store->super = store->coming;
    store->unlisted = false;
    if (durable && PB_PLANTED(EARLY)) {
        store->durable[slot] = store->super.sequence;
        return PB_STORE_OK;
    }
    if (durable && pb_store_barrier(store) != PB_STORE_OK) {
        return break_down(store, slot, 0);
    }
    store->super.listed = store->coming.listed;
    return PB_STORE_OK;
}

/* ---- commit ---- */

typedef struct {
    pb_store *store;
    pb_writer writer;
    const pb_store_tree *tree;
    uint64_t pages; /* counted */
} changing;

static pb_store_status
count_page(void *arg, uint64_t page, pb_entry e)
{
    changing *c = arg;
    (void)page;
    (void)pb_zone_note_absent(c->store->pool, pb_entry_frame(e), 1); /* I14 */
    c->pages++;
    return PB_STORE_OK;
}

static pb_store_status
count_hole(void *arg, uint64_t first, uint64_t last)
{
    (void)arg;
    (void)first;
    (void)last;
    return PB_STORE_OK;
}

static pb_store_status
write_page(void *arg, uint64_t page, pb_entry e)
{
    changing *c = arg;
    return pb_writer_put(&c->writer, page + c->tree->shift,
                         pb_page_address(c->store->pool, pb_entry_frame(e)));
}

static pb_store_status
write_hole(void *arg, uint64_t first, uint64_t last)
{
    changing *c = arg;
    return pb_writer_drop(&c->writer, first + c->tree->shift, last + c->tree->shift);
}

/* What differs between a tree and what the file has of it. */
static pb_store_status
diff_tree(pb_store *store, const pb_store_tree *tree, pb_differ *differ)
{
    pb_buf none;
    pb_buf_init_internal(&none, store->pool);
    const pb_buf *then = tree->root.levels && tree->then ? tree->then : &none;
    pb_store_status st = pb_store_diff(store, tree->now, then, differ);
    pb_buf_fini(&none);
    return st;
}

/* Add up how many pages and nodes a commit writes of a tree. */
static pb_store_status
count_tree(pb_store *store, const pb_store_tree *tree, uint64_t *n)
{
    changing c = {.store = store, .tree = tree};
    pb_differ counting = {count_page, count_hole, &c, 0};
    pb_store_status st = diff_tree(store, tree, &counting);
    *n += c.pages + counting.nodes + PB_MAX_LEVELS;
    return st;
}

/* What a commit is asked for, and what it makes of it. */
typedef struct {
    pb_store_change *changes;
    size_t n;
    const pb_store_naming *naming; /* NULL: none */
    pb_buf next, past;             /* the directory, and the tree of snapshots */
} task;

/* Are the books large enough for what a commit may take?  That is what it writes, its share of log
 * and rows, and what both write about themselves.  A commit that takes more ends as one whose file
 * is full. */
static pb_store_status
want_books(pb_store *store, const pb_store_tree *directory, const task *t)
{
    uint64_t n = 0;
    pb_store_status st = count_tree(store, directory, &n);
    for (size_t i = 0; i < t->n && st == PB_STORE_OK; i++) {
        if (!t->changes[i].remove && !t->changes[i].few) {
            st = count_tree(store, &t->changes[i].tree, &n);
        }
    }
    if (st == PB_STORE_OK && pb_pool_met_absent(store->pool)) {
        store->pool_status = PB_ABSENT;
        return PB_STORE_POOL;
    }
    n += t->naming ? 3 * PB_MAX_LEVELS : 0;
    uint64_t rows = pb_space_row_pages(store->space.frames + n);
    uint64_t log = 3 * n * PB_LOG_BYTES / PB_PAGE_SIZE + PB_MAX_LEVELS;
    store->wanted = store->space.frames + n + 2 * (rows + log) + 64;
    return st == PB_STORE_OK && store->wanted > store->space.room ? PB_STORE_BOOKS : st;
}

static pb_store_status
write_tree(pb_store *store, pb_store_tree *tree)
{
    changing c = {.store = store, .tree = tree};
    pb_differ writing = {write_page, write_hole, &c, 0};
    pb_file_root root = tree->root;
    pb_store_status st = tree->then ? PB_STORE_OK : pb_file_drop(store, &root);
    uint64_t size = tree->now->root.size;
    uint64_t bias = pb_buf_bias(tree->now) + (tree->shift << PB_PAGE_SHIFT);
    if (bias > pb_reach(PB_MAX_LEVELS) - size) {
        return pb_store_refused(store, EFBIG);
    }
    if (st == PB_STORE_OK) {
        st = pb_writer_begin(&c.writer, store, &root, bias + size);
    }
    if (st == PB_STORE_OK) {
        st = diff_tree(store, tree, &writing);
    }
    if (st == PB_STORE_OK) {
        st = pb_writer_end(&c.writer);
    }
    root.size = size;
    root.bias = bias;
    tree->wrote = size ? root : (pb_file_root){0};
    return st;
}

/* What a name shows: the pages that differ, or none if it goes or has few bytes. */
static pb_store_status
write_change(pb_store *store, pb_store_change *change)
{
    pb_store_tree *tree = &change->tree;
    if (!change->remove && !change->few) {
        return write_tree(store, tree);
    }
    tree->wrote = tree->root;
    return pb_file_drop(store, &tree->wrote);
}

/* Share what is to be committed with an empty buffer, so that it stands still. */
static pb_store_status
freeze(pb_store *store, pb_buf *next, pb_buf *live)
{
    store->pool_status = pb_buf_share(next, live);
    if (store->pool_status == PB_OK) {
        store->pool_status = pb_buf_promote(next);
    }
    return store->pool_status == PB_OK ? PB_STORE_OK : PB_STORE_POOL;
}

static pb_store_status
write_directory(pb_store *store, pb_buf *next)
{
    pb_store_tree tree = {.now = next,
                          .then = &store->kept,
                          .shift = store->shift,
                          .root = store->coming.directory};
    pb_store_status st = freeze(store, next, &store->live);
    if (st == PB_STORE_OK) {
        st = write_tree(store, &tree);
    }
    store->coming.directory = tree.wrote;
    return st;
}

static pb_store_status
write_snapshots(pb_store *store, task *t)
{
    pb_store_tree tree = {.now = &t->past,
                          .then = &store->past.kept,
                          .shift = store->past.shift,
                          .root = store->coming.snapshots};
    pb_store_status st = pb_snapshots_settle(store, t->naming);
    if (st == PB_STORE_OK) {
        st = freeze(store, &t->past, &store->past.live);
    }
    if (st == PB_STORE_OK) {
        st = write_tree(store, &tree);
    }
    store->coming.snapshots = tree.wrote;
    return st;
}

/* 1. what pages of the directory share with snapshots  2. what the names show  3. the directory,
 * which says where  4. snapshots, which say where that is  5. the log */
static pb_store_status
write_all(pb_store *store, task *t)
{
    pb_store_change *changes = t->changes;
    size_t n = t->n;
    pb_store_status st = pb_snapshots_share(store);
    for (size_t i = 0; i < n && st == PB_STORE_OK; i++) {
        st = write_change(store, &changes[i]);
    }
    if (st == PB_STORE_OK) {
        st = pb_names_settle(store, changes, n);
    }
    if (st == PB_STORE_OK) {
        st = write_directory(store, &t->next);
    }
    if (st == PB_STORE_OK) {
        pb_names_close(store);
        st = t->naming ? write_snapshots(store, t) : PB_STORE_OK;
    }
    if (st == PB_STORE_OK) {
        st = pb_log_write(store);
    }
    store->coming.held = store->space.held;
    return st;
}

static void
prepare(pb_store *store, uint64_t time)
{
    store->coming = store->super;
    store->coming.sequence++;
    store->coming.commit++;
    store->coming.time = time;
    store->coming.flags = PB_SUPER_LISTED | (store->super.flags & PB_SUPER_CHECKSUMS);
    if (PB_PLANTED(FORGET_LAZY)) {
        store->coming.listed = 0;
    }
    pb_space_release(&store->space, pb_store_free_up_to(store));
}

/* Nothing has changed: neither the superblock nor what it names was touched.  The books go back to
 * what it says. */
static pb_store_status
give_up(pb_store *store, pb_store_status st)
{
    pb_store_fault fault = store->fault;
    store->coming = store->super;
    store->unlisted = false;
    if (pb_log_load(store) != PB_STORE_OK) {
        store->broken = true;
    }
    store->fault = fault;
    return st;
}

/* Before anything is written: are there pages and books for it? */
static pb_store_status
get_ready(pb_store *store, const task *t)
{
    pb_store_status st = pb_names_change(store, t->changes, t->n);
    pb_store_tree directory = {.now = &store->live,
                               .then = &store->kept,
                               .shift = store->shift,
                               .root = store->super.directory};
    if (st == PB_STORE_OK && t->naming) {
        st = pb_snapshots_change(store, t->naming);
    }
    return st == PB_STORE_OK ? want_books(store, &directory, t) : st;
}

/* What was written is what the last commit wrote. */
static void
keep(pb_store *store, task *t)
{
    pb_buf_adopt(&store->kept, &t->next);
    store->named = store->super.names;
    if (t->naming) {
        pb_buf_adopt(&store->past.kept, &t->past);
        store->past.named = store->super.snapshot_names;
    }
}

/* The names are what they were.  The status of the pool stays: it says why. */
static void
undo(pb_store *store, const task *t)
{
    pb_status pool_status = store->pool_status;
    if (t->naming) {
        pb_snapshots_undo(store);
    }
    if (t->n) {
        (void)pb_store_rollback(store);
    }
    store->pool_status = pool_status;
}

static pb_store_status
commit(pb_store *store, task *t, bool durable, uint64_t time)
{
    pb_store_status st = get_ready(store, t);
    if (st == PB_STORE_OK) {
        prepare(store, time);
        pb_buf_init_internal(&t->next, store->pool);
        pb_buf_init_internal(&t->past, store->pool);
        st = write_all(store, t);
        st = st == PB_STORE_OK ? publish(store, durable) : give_up(store, st);
        if (st == PB_STORE_OK) {
            keep(store, t);
        }
        pb_buf_fini(&t->next);
        pb_buf_fini(&t->past);
    }
    if (st != PB_STORE_OK) {
        undo(store, t);
    }
    return st;
}

pb_store_status
pb_store_commit_naming(pb_store *store, pb_store_change *changes, size_t n,
                       const pb_store_naming *naming, bool durable, uint64_t time)
{
    task t = {.changes = changes, .n = n, .naming = naming};
    return store->broken || !store->writable ? PB_STORE_BROKEN
                                             : commit(store, &t, durable, time);
}

pb_store_status
pb_store_commit_names(pb_store *store, pb_store_change *changes, size_t n, bool durable,
                      uint64_t time)
{
    return pb_store_commit_naming(store, changes, n, NULL, durable, time);
}

pb_store_status
pb_store_commit(pb_store *store, bool durable, uint64_t time)
{
    return pb_store_commit_names(store, NULL, 0, durable, time);
}

pb_store_status
pb_store_seal(pb_store *store, uint64_t time)
{
    if (store->broken || !store->writable) {
        return PB_STORE_BROKEN;
    }
    if (store->super.flags & PB_SUPER_SEALED) {
        return PB_STORE_OK;
    }
    store->coming = store->super;
    store->unlisted = store->coming.listed != 0;
    store->coming.sequence++;
    store->coming.time = time;
    store->coming.flags = PB_SUPER_SEALED | (store->super.flags & PB_SUPER_CHECKSUMS);
    return publish(store, true);
}
