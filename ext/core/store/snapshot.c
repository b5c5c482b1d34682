/* store/snapshot.c: names for what commits wrote.
 *
 *    the newest commit      o-------.           a snapshot shares the directory of its commit; who
 *                          / \       \          copies a page of that, copies the roots in it
 *    a snapshot       o---/   \       o'
 *                          o   o     /|\        so what a root in `o` names has one entry more
 *                          |   |    / | \       from then on (F6)
 *                          trees of names
 *
 * A root in the directory counts once for each *unit* that has it: the page, or the subtree of pages
 * of less than 4096 bytes, with the page of the B+tree.  A unit that is copied while others name it
 * leaves its roots named twice; the last one of a unit takes them with it. */
#include "store/internal.h"

/* A unit is what an entry of this height names.  Pages of the B+tree do not cross its borders. */
#define UNIT_HEIGHT                                                              \
    (PB_PAGE_SIZE < PB_DIRECTORY_PAGE                                            \
         ? (unsigned)(12 - (int)PB_PAGE_SHIFT + PB_NODE_BITS - 1) / PB_NODE_BITS \
         : 0u)
#define UNIT_BYTES ((size_t)PB_PAGE_SIZE << (UNIT_HEIGHT * PB_NODE_BITS))

/* ---- the roots in a unit ---- */

typedef pb_store_status (*root_visitor)(void *arg, pb_file_root *root);

/* Read what lies below an entry: PB_PAGE_SIZE << pb_span_bits(h) bytes. */
static pb_store_status
read_below(pb_store *store, pb_entry e, unsigned h, uint8_t *bytes)
{
    pb_entry node[PB_FANOUT];
    if (e == PB_HOLE) {
        memset(bytes, 0, (size_t)PB_PAGE_SIZE << pb_span_bits(h));
        return PB_STORE_OK;
    }
    if (h == 0) {
        return pb_store_read(store, e, bytes);
    }
    pb_store_status st = pb_store_read(store, e, node);
    for (uint32_t i = 0; i < PB_FANOUT && st == PB_STORE_OK; i++) {
        size_t at = ((size_t)i << pb_span_bits(h - 1)) << PB_PAGE_SHIFT;
        st = read_below(store, pb_entry_load(&node[i]), h - 1, bytes + at);
    }
    return st;
}

static pb_store_status
each_root_of_page(pb_store *store, const pb_directory_page *page, root_visitor visit,
                  void *arg)
{
    pb_file_root root;
    pb_store_status st = PB_STORE_OK;
    if (pb_page_kind(page) != PB_DIRECTORY_LEAF) {
        return PB_STORE_OK;
    }
    if (pb_page_check(page)) {
        return pb_store_damaged(store, "a page of a directory is damaged", 0);
    }
    for (uint32_t i = 0; i < pb_page_records(page) && st == PB_STORE_OK; i++) {
        uint32_t size;
        uint8_t kind;
        const uint8_t *value = pb_page_value(page, i, &size, &kind);
        if (kind != PB_KIND_ROOT) {
            continue;
        }
        st = size == PB_ROOT_BYTES && pb_file_root_decode(&root, value)
                 ? visit(arg, &root)
                 : pb_store_damaged(store, "a root in a directory is wrong", 0);
    }
    return st;
}

/* The roots in what an entry of UNIT_HEIGHT names. */
static pb_store_status
each_root_of_unit(pb_store *store, pb_entry e, root_visitor visit, void *arg)
{
    uint8_t bytes[UNIT_BYTES];
    pb_store_status st = read_below(store, e, UNIT_HEIGHT, bytes);
    for (size_t at = 0; at < UNIT_BYTES && st == PB_STORE_OK; at += PB_DIRECTORY_PAGE) {
        const void *page = bytes + at;
        st = each_root_of_page(store, page, visit, arg);
    }
    return st;
}

/* ---- walks ---- */

static pb_store_status
walk(const pb_file_walk *w, pb_entry e, unsigned h, bool directory);

static pb_store_status
walk_root(void *arg, pb_file_root *root)
{
    return pb_file_walk_tree(arg, root, false);
}

static pb_store_status
walk_node(const pb_file_walk *w, pb_entry e, unsigned h, bool directory)
{
    pb_entry node[PB_FANOUT];
    pb_store_status st = pb_store_read(w->store, e, node);
    for (uint32_t i = 0; i < PB_FANOUT && h > 0 && st == PB_STORE_OK; i++) {
        st = walk(w, pb_entry_load(&node[i]), h - 1, directory);
    }
    return st;
}

static pb_store_status
walk(const pb_file_walk *w, pb_entry e, unsigned h, bool directory)
{
    bool below = false;
    pb_store_status st = e == PB_HOLE ? PB_STORE_OK : w->meet(w->arg, e, &below);
    if (st == PB_STORE_OK && below && directory && h == UNIT_HEIGHT) {
        st = each_root_of_unit(w->store, e, walk_root, (void *)(uintptr_t)w);
    }
    return st == PB_STORE_OK && below && (h > 0 || w->reads) ? walk_node(w, e, h, directory)
                                                             : st;
}

pb_store_status
pb_file_walk_tree(const pb_file_walk *w, const pb_file_root *root, bool directory)
{
    pb_store_status st = PB_STORE_OK;
    for (unsigned i = 0; root->levels && i < PB_ROOT_SLOTS && st == PB_STORE_OK; i++) {
        st = walk(w, pb_entry_load(&root->slot[i]), root->levels - 1u, directory);
    }
    return st;
}

/* ---- units that are about to be copied ---- */

typedef struct {
    pb_store *store;
    uint64_t done; /* units before this one */
} sharing;

/* One entry more names each tree below a root. */
static pb_store_status
ref_root(void *arg, pb_file_root *root)
{
    pb_store_status st = PB_STORE_OK;
    for (unsigned i = 0; root->levels && i < PB_ROOT_SLOTS && st == PB_STORE_OK; i++) {
        pb_entry e = pb_entry_load(&root->slot[i]);
        st = e == PB_HOLE ? st : pb_store_ref(arg, e);
    }
    return st;
}

/* Find the entry of a unit.  Is it, or a node above it, named more than once? */
static pb_store_status
find_unit(pb_store *store, uint64_t page, pb_entry *e, bool *shared)
{
    const pb_file_root *root = &store->super.directory;
    pb_entry node[PB_FANOUT];
    uint32_t count;
    unsigned h = root->levels - 1u;
    pb_store_status st = PB_STORE_OK;
    *shared = false;
    *e = page < pb_reach(root->levels) >> PB_PAGE_SHIFT && root->levels > UNIT_HEIGHT
             ? pb_entry_load(&root->slot[pb_root_index(page, root->levels)])
             : PB_HOLE;
    while (*e != PB_HOLE && st == PB_STORE_OK) {
        st = pb_store_count(store, *e, &count);
        *shared |= st == PB_STORE_OK && count > 1;
        if (h == UNIT_HEIGHT || st != PB_STORE_OK) {
            break;
        }
        st = pb_store_read(store, *e, node);
        *e = pb_entry_load(&node[pb_child_index(page, --h)]);
    }
    return st;
}

/* The unit of a page of the directory is copied: its roots will be in both. */
static pb_store_status
share_unit(sharing *s, uint64_t page)
{
    uint64_t unit = page >> pb_span_bits(UNIT_HEIGHT);
    pb_entry e;
    bool shared;
    if (unit < s->done) { /* pages come in order */
        return PB_STORE_OK;
    }
    s->done = unit + 1;
    pb_store_status st = find_unit(s->store, page, &e, &shared);
    return st == PB_STORE_OK && e != PB_HOLE && shared
               ? each_root_of_unit(s->store, e, ref_root, s->store)
               : st;
}

static pb_store_status
share_put(void *arg, uint64_t page, pb_entry e)
{
    sharing *s = arg;
    (void)e;
    return share_unit(s, page + s->store->shift);
}

static pb_store_status
share_drop(void *arg, uint64_t first, uint64_t last)
{
    sharing *s = arg;
    uint64_t pages = pb_reach(s->store->super.directory.levels) >> PB_PAGE_SHIFT;
    pb_store_status st = PB_STORE_OK;
    last = pb_min(last, pages);
    for (uint64_t page = first; page <= last && st == PB_STORE_OK;
         page += (uint64_t)1 << pb_span_bits(UNIT_HEIGHT)) {
        st = share_unit(s, page + s->store->shift);
    }
    return st == PB_STORE_OK && first <= last ? share_unit(s, last + s->store->shift) : st;
}

/* Before the trees of names change: afterwards nobody knows any more what their roots were. */
pb_store_status
pb_snapshots_share(pb_store *store)
{
    sharing s = {store, 0};
    pb_differ differ = {share_put, share_drop, &s, 0};
    if (store->super.snapshot_names.names == 0 || store->super.names.pages == 0 ||
        PB_PLANTED(SHARED_ROOTS)) {
        return PB_STORE_OK;
    }
    return pb_store_diff(store, &store->live, &store->kept, &differ);
}

/* ---- the tree of snapshots ---- */

static pb_store_status
status_of(pb_store *store, pb_status st)
{
    return pb_store_said(store, st, "a page of the snapshots is damaged");
}

void
pb_snapshots_init(pb_store *store)
{
    pb_buf_init_behind(&store->past.live, store->pool, PB_MAX_LEVELS, PB_LEAD_NONE);
    pb_buf_init_internal(&store->past.kept, store->pool);
}

void
pb_snapshots_fini(pb_store *store)
{
    pb_buf_fini(&store->past.live);
    pb_buf_fini(&store->past.kept);
}

void
pb_snapshots_forget(pb_store *store)
{
    pb_buf_clear(&store->past.live);
    pb_buf_clear(&store->past.kept);
    store->past.loaded = false;
}

static void
open_names(pb_store *store)
{
    pb_names_begin(&store->past.names, &store->past.live, &store->past.named);
}

/* Read the tree, where that was not done since the store was opened. */
static pb_store_status
load(pb_store *store)
{
    pb_past *past = &store->past;
    if (past->loaded) {
        return PB_STORE_OK;
    }
    pb_buf_clear(&past->kept);
    pb_store_status st =
        pb_store_load(store, &store->super.snapshots, &past->live, &past->shift);
    if (st == PB_STORE_OK) {
        st = status_of(store, pb_buf_share(&past->kept, &past->live));
    }
    if (st == PB_STORE_OK) {
        past->named = store->super.snapshot_names;
        open_names(store);
        past->loaded = true;
    }
    return st;
}

/* ---- a value: commit, time, and what the superblock said of the directory ---- */

#define VALUE_BYTES (16 + PB_ROOT_BYTES + PB_FILE_NAMES_BYTES)

static pb_store_status
put(pb_store *store, pb_name name, const pb_store_snapshot *s)
{
    uint8_t value[VALUE_BYTES];
    pb_super_put64(value, s->commit);
    pb_super_put64(value + 8, s->time);
    pb_file_root_encode(&s->directory, value + 16);
    pb_file_names_encode(&s->names, value + 16 + PB_ROOT_BYTES);
    return status_of(store, pb_directory_put(&store->past.names, name, PB_KIND_SNAPSHOT,
                                             value, sizeof value));
}

static bool
decode(const uint8_t *value, uint32_t size, uint8_t kind, pb_store_snapshot *s)
{
    if (kind != PB_KIND_SNAPSHOT || size != VALUE_BYTES) {
        return false;
    }
    s->commit = pb_super_get64(value);
    s->time = pb_super_get64(value + 8);
    return pb_file_root_decode(&s->directory, value + 16) &&
           pb_file_names_decode(&s->names, &s->directory, value + 16 + PB_ROOT_BYTES);
}

pb_store_status
pb_store_snapshot_find(pb_store *store, pb_name name, pb_store_snapshot *s)
{
    uint8_t value[PB_VALUE_MOST], kind = 0;
    uint32_t size = 0;
    memset(s, 0, sizeof *s);
    pb_store_status st = load(store);
    if (st == PB_STORE_OK) {
        st = status_of(store, pb_directory_find(&store->past.names, name, value, &size,
                                                &kind, &s->found));
    }
    return st == PB_STORE_OK && s->found && !decode(value, size, kind, s)
               ? pb_store_damaged(store, "the value of a snapshot is wrong", 0)
               : st;
}

pb_store_status
pb_store_snapshot_next(pb_store *store, pb_name name, uint8_t *next, uint32_t *n)
{
    pb_store_status st = load(store);
    return st == PB_STORE_OK
               ? status_of(store, pb_directory_next(&store->past.names, name, next, n))
               : st;
}

/* ---- make, and drop ---- */

/* Before anything is written: the pages of the tree that will change are there. */
pb_store_status
pb_snapshots_change(pb_store *store, const pb_store_naming *naming)
{
    static const pb_store_snapshot later = {0};
    pb_store_snapshot there;
    bool found;
    pb_store_status st = pb_store_snapshot_find(store, naming->name, &there);
    if (st != PB_STORE_OK || there.found != naming->drop) {
        return st == PB_STORE_OK ? PB_STORE_REFUSED : st;
    }
    return naming->drop ? status_of(store, pb_directory_remove(&store->past.names,
                                                               naming->name, &found))
                        : put(store, naming->name, &later);
}

void
pb_snapshots_undo(pb_store *store)
{
    pb_past *past = &store->past;
    if (past->loaded && pb_buf_restore(&past->live, &past->kept) == PB_OK) {
        open_names(store);
        return;
    }
    pb_snapshots_forget(store);
}

static pb_store_status
give_up_entry(void *arg, pb_entry e, bool *below)
{
    uint32_t left = 0;
    pb_store_status st = pb_store_unref(arg, e, &left);
    *below = st == PB_STORE_OK && left == 0;
    return st;
}

static pb_store_status
drop(pb_store *store, pb_name name)
{
    /* The tree that has the snapshot is that of before. */
    pb_file_walk w = {store, give_up_entry, store, false};
    pb_store_snapshot s;
    uint8_t value[PB_VALUE_MOST], kind = 0;
    uint32_t size = 0;
    pb_directory before;
    pb_names_begin(&before, &store->past.kept, &store->past.named);
    pb_store_status st =
        status_of(store, pb_directory_find(&before, name, value, &size, &kind, &s.found));
    if (st != PB_STORE_OK || !s.found || !decode(value, size, kind, &s)) {
        return st == PB_STORE_OK ? pb_store_damaged(store, "a snapshot is gone", 0) : st;
    }
    return pb_file_walk_tree(&w, &s.directory,
                             s.names.pages != 0 && !PB_PLANTED(DROPPED_ROOTS));
}

static pb_store_status
make(pb_store *store, pb_name name)
{
    const pb_super *coming = &store->coming;
    pb_store_snapshot s = {.commit = coming->commit,
                           .time = coming->time,
                           .directory = coming->directory,
                           .names = coming->names};
    pb_store_status st = put(store, name, &s);
    return st == PB_STORE_OK && !PB_PLANTED(UNCOUNTED_SNAPSHOT)
               ? ref_root(store, &s.directory)
               : st;
}

pb_store_status
pb_snapshots_settle(pb_store *store, const pb_store_naming *naming)
{
    const pb_directory *d = &store->past.names;
    pb_super *coming = &store->coming;
    pb_store_status st =
        naming->drop ? drop(store, naming->name) : make(store, naming->name);
    coming->snapshot_names =
        (pb_file_names){d->names, d->root, d->height, d->free, d->pages};
    coming->read_only = d->names ? coming->read_only | PB_READ_ONLY_SNAPSHOTS
                                 : coming->read_only & ~(uint32_t)PB_READ_ONLY_SNAPSHOTS;
    return st;
}

/* ---- what a snapshot alone keeps ---- */

typedef struct {
    pb_store *store;
    uint32_t *left; /* of the counts, by frame */
    uint64_t pages;
} keeping;

static pb_store_status
take_away(void *arg, pb_entry e, bool *below)
{
    keeping *k = arg;
    uint32_t count;
    pb_store_status st = pb_store_count(k->store, e, &count);
    if (st == PB_STORE_OK && k->left[pb_entry_frame(e)]-- == 0) {
        return pb_store_damaged(k->store, "a frame is named more often than counted",
                                pb_entry_frame(e));
    }
    *below = st == PB_STORE_OK && k->left[pb_entry_frame(e)] == 0;
    k->pages += *below;
    return st;
}

pb_store_status
pb_store_kept_by(pb_store *store, pb_name name, uint32_t *scratch, uint64_t *pages)
{
    keeping k = {store, scratch, 0};
    pb_file_walk w = {store, take_away, &k, false};
    pb_store_snapshot s;
    *pages = 0;
    pb_store_status st = pb_store_snapshot_find(store, name, &s);
    if (st == PB_STORE_OK) {
        st = pb_store_count_frames(store);
    }
    if (st != PB_STORE_OK || !s.found) {
        return st;
    }
    for (uint64_t f = 0; f < store->super.frames; f++) {
        scratch[f] = pb_space_count(&store->space, (pb_frame)f);
    }
    st = pb_file_walk_tree(&w, &s.directory, s.names.pages != 0);
    *pages = k.pages;
    return st;
}
