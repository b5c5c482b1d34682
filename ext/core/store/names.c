/* store/names.c: the directory of a store: which names it has, and what they show. */
#include "store/internal.h"

void
pb_names_begin(pb_directory *d, pb_buf *bytes, const pb_file_names *names)
{
    pb_directory_begin(d, bytes);
    if (names->pages) {
        d->names = names->names;
        d->root = names->root;
        d->height = names->height;
        d->free = names->free;
        d->pages = names->pages;
    }
}

void
pb_names_open(pb_store *store)
{
    pb_names_begin(&store->names, &store->live, &store->named);
}

void
pb_names_close(pb_store *store)
{
    const pb_directory *d = &store->names;
    if (store->coming.names.pages || d->pages > 1) {
        store->coming.names =
            (pb_file_names){d->names, d->root, d->height, d->free, d->pages};
    }
}

pb_store_status
pb_store_said(pb_store *store, pb_status st, const char *broken)
{
    store->pool_status = st;
    if (st == PB_CORRUPT) {
        return pb_store_damaged(store, broken, 0);
    }
    return st == PB_OK ? PB_STORE_OK : PB_STORE_POOL;
}

static pb_store_status
status_of(pb_store *store, pb_status st)
{
    return pb_store_said(store, st, "a page of the directory is damaged");
}

/* ---- change ---- */

static pb_store_status
put_few(pb_store *store, const pb_store_change *change)
{
    return status_of(store, pb_directory_put(&store->names, change->name, PB_KIND_FEW,
                                             change->bytes, change->size));
}

static pb_store_status
put_root(pb_store *store, const pb_store_change *change, const pb_file_root *root)
{
    uint8_t value[PB_ROOT_BYTES];
    pb_file_root_encode(root, value);
    return status_of(store, pb_directory_put(&store->names, change->name, PB_KIND_ROOT,
                                             value, sizeof value));
}

static pb_store_status
remove_name(pb_store *store, const pb_store_change *change)
{
    bool found;
    return status_of(store, pb_directory_remove(&store->names, change->name, &found));
}

/* A file whose directory has bytes without names is not for this. */
static bool
may_have_names(const pb_store *store)
{
    return store->super.names.pages || store->super.directory.size == 0;
}

pb_store_status
pb_names_change(pb_store *store, const pb_store_change *changes, size_t n)
{
    static const pb_file_root later = {0};
    pb_store_status st = n == 0 || may_have_names(store) ? PB_STORE_OK : PB_STORE_REFUSED;
    for (size_t i = 0; i < n && st == PB_STORE_OK; i++) {
        const pb_store_change *c = &changes[i];
        st = c->remove ? remove_name(store, c)
             : c->few  ? put_few(store, c)
                       : put_root(store, c, &later);
    }
    return st;
}

pb_store_status
pb_names_settle(pb_store *store, const pb_store_change *changes, size_t n)
{
    pb_store_status st = PB_STORE_OK;
    for (size_t i = 0; i < n && st == PB_STORE_OK; i++) {
        if (!changes[i].remove && !changes[i].few) {
            st = put_root(store, &changes[i], &changes[i].tree.wrote);
        }
    }
    return st;
}

/* ---- look ---- */

static pb_store_status
decode(pb_store *store, const uint8_t *value, uint32_t size, uint8_t kind,
       pb_store_entry *entry)
{
    entry->few = kind == PB_KIND_FEW;
    bool right = entry->few ? size <= PB_FEW_MOST
                            : kind == PB_KIND_ROOT && size == PB_ROOT_BYTES &&
                                  pb_file_root_decode(&entry->root, value);
    if (right && entry->few) {
        entry->size = (uint8_t)size;
        memcpy(entry->bytes, value, size);
    }
    return right ? PB_STORE_OK
                 : pb_store_damaged(store, "the value of a name is neither root nor bytes",
                                    0);
}

pb_store_status
pb_store_find(pb_store *store, pb_name name, pb_store_entry *entry)
{
    uint8_t value[PB_VALUE_MOST], kind = 0;
    uint32_t size = 0;
    memset(entry, 0, sizeof *entry);
    pb_store_status st = status_of(
        store, pb_directory_find(&store->names, name, value, &size, &kind, &entry->found));
    return st == PB_STORE_OK && entry->found ? decode(store, value, size, kind, entry) : st;
}

pb_store_status
pb_store_next(pb_store *store, pb_name name, uint8_t *next, uint32_t *n)
{
    return status_of(store, pb_directory_next(&store->names, name, next, n));
}
