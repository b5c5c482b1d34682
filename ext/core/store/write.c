/* store/write.c: trees of the file, changed from front to back, and read. */
#include "store/internal.h"

/* ---- a tree reaches further ---- */

/* The four slots move to a new node, as pb_tree_raise does it. */
static pb_store_status
raise(pb_writer *w)
{
    pb_file_root *root = w->root;
    pb_entry node[PB_FANOUT] = {PB_HOLE};
    for (unsigned i = 0; i < PB_ROOT_SLOTS && i < PB_FANOUT; i++) {
        node[i] = root->slot[i];
    }
    pb_store_status st = pb_store_write(w->store, PB_SPACE_NODE, node, &root->slot[0]);
    for (unsigned i = 1; i < PB_ROOT_SLOTS; i++) {
        root->slot[i] = PB_HOLE;
    }
    root->levels++;
    return st;
}

pb_store_status
pb_writer_begin(pb_writer *w, pb_store *store, pb_file_root *root, uint64_t end)
{
    unsigned levels = pb_tree_levels_for(end);
    w->store = store;
    w->root = root;
    for (unsigned h = 0; h < PB_MAX_LEVELS; h++) {
        w->path[h].open = false;
    }
    if (pb_file_root_is_empty(root)) {
        root->levels = (uint8_t)levels;
    }
    while (root->levels < levels) {
        pb_store_status st = raise(w);
        if (st != PB_STORE_OK) {
            return st;
        }
    }
    return PB_STORE_OK;
}

/* ---- the way to a page ---- */

/* The place of the entry of height h on the way to a page; the way is open down to there. */
static pb_entry *
place(pb_writer *w, uint64_t page, unsigned h)
{
    return h + 1u == w->root->levels ? &w->root->slot[pb_root_index(page, w->root->levels)]
                                     : &w->path[h + 1].node[pb_child_index(page, h)];
}

/* A node that others name, too, stays as it is: what is below it is named once more. */
static pb_store_status
share_children(pb_store *store, const pb_entry *node)
{
    pb_store_status st = PB_STORE_OK;
    for (uint32_t i = 0; i < PB_FANOUT && st == PB_STORE_OK; i++) {
        pb_entry e = pb_entry_load(&node[i]);
        st = e == PB_HOLE ? st : pb_store_ref(store, e);
    }
    return st;
}

/* Have the node of height h in memory.  Its frame is given up. */
static pb_store_status
open_node(pb_writer *w, uint64_t page, unsigned h)
{
    pb_entry *at = place(w, page, h), e = pb_entry_load(at);
    w->path[h].number = page >> pb_span_bits(h);
    w->path[h].open = true;
    if (e == PB_HOLE) {
        memset(w->path[h].node, 0, PB_PAGE_SIZE);
        return PB_STORE_OK;
    }
    uint32_t left = 0;
    pb_store_status st = pb_store_read(w->store, e, w->path[h].node);
    if (st == PB_STORE_OK) {
        st = pb_store_unref(w->store, e, &left);
    }
    if (st == PB_STORE_OK && left > 0 && !PB_PLANTED(FREE_TWICE)) {
        st = share_children(w->store, w->path[h].node);
    }
    pb_tree_set(at, PB_HOLE);
    return st;
}

/* Write the node of height h, which no node below is open. */
static pb_store_status
close_node(pb_writer *w, unsigned h)
{
    uint64_t page = w->path[h].number << pb_span_bits(h);
    pb_entry e = PB_HOLE;
    pb_store_status st = PB_STORE_OK;
    w->path[h].open = false;
    if (pb_live_entries(w->path[h].node, PB_FANOUT)) {
        st = pb_store_write(w->store, PB_SPACE_NODE, w->path[h].node, &e);
    }
    pb_tree_set(place(w, page, h), e);
    return st;
}

/* Close the nodes of height 1 to `most` that the way to a page does not lead through. */
static pb_store_status
leave(pb_writer *w, uint64_t page, unsigned most)
{
    pb_store_status st = PB_STORE_OK;
    unsigned h = most;
    while (h > 0 && w->path[h].open && w->path[h].number == page >> pb_span_bits(h)) {
        h--;
    }
    for (unsigned k = 1; k <= h && st == PB_STORE_OK; k++) {
        if (w->path[k].open) {
            st = close_node(w, k);
        }
    }
    return st;
}

/* Open the way to the entry of height h at a page. */
static pb_store_status
go_to(pb_writer *w, uint64_t page, unsigned h)
{
    unsigned top = w->root->levels - 1u;
    pb_store_status st = leave(w, page, top);
    for (unsigned k = top; k > h && st == PB_STORE_OK; k--) {
        if (!w->path[k].open) {
            st = open_node(w, page, k);
        }
    }
    return st;
}

/* ---- change ---- */

pb_store_status
pb_writer_put(pb_writer *w, uint64_t page, const void *bytes)
{
    pb_entry e = PB_HOLE;
    pb_store_status st = go_to(w, page, 0);
    if (st == PB_STORE_OK) {
        st = pb_store_write(w->store, PB_SPACE_PAGE, bytes, &e);
    }
    if (st != PB_STORE_OK) {
        return st;
    }
    pb_entry *at = place(w, page, 0);
    pb_entry old = pb_entry_load(at);
    if (PB_PLANTED(WRONG_CRC) && old != PB_HOLE && (e >> PB_ENTRY_SHIFT & 7) == 3) {
        e = pb_entry_with_crc(pb_entry_frame(e), pb_entry_crc(old));
    }
    pb_tree_set(at, e);
    uint32_t left;
    return old == PB_HOLE ? PB_STORE_OK : pb_store_unref(w->store, old, &left);
}

/* One entry of height h less names what e names; with the last one goes what is below. */
static pb_store_status
release(pb_store *store, pb_entry e, unsigned h)
{
    pb_entry node[PB_FANOUT];
    uint32_t left = 0;
    pb_store_status st = pb_store_unref(store, e, &left);
    if (st != PB_STORE_OK || left > 0 || h == 0) {
        return st;
    }
    st = pb_store_read(store, e, node);
    for (uint32_t i = 0; i < PB_FANOUT && st == PB_STORE_OK; i++) {
        pb_entry below = pb_entry_load(&node[i]);
        st = below == PB_HOLE ? st : release(store, below, h - 1);
    }
    return st;
}

pb_store_status
pb_file_drop(pb_store *store, pb_file_root *root)
{
    pb_store_status st = PB_STORE_OK;
    for (unsigned i = 0; root->levels && i < PB_ROOT_SLOTS && st == PB_STORE_OK; i++) {
        pb_entry e = pb_entry_load(&root->slot[i]);
        st = e == PB_HOLE ? st : release(store, e, root->levels - 1u);
    }
    *root = (pb_file_root){0};
    return st;
}

/* The height of the tallest subtree that begins at `first`, ends by `last`, and has an entry. */
static unsigned
tallest(const pb_writer *w, uint64_t first, uint64_t last)
{
    unsigned h = 0;
    while (h + 1u < w->root->levels &&
           (first >> pb_span_bits(h + 1)) << pb_span_bits(h + 1) == first &&
           first + (((uint64_t)1 << pb_span_bits(h + 1)) - 1) <= last) {
        h++;
    }
    return h;
}

/* Is there nothing at an entry of height h, or above it? */
static bool
is_hole(pb_writer *w, uint64_t page, unsigned h)
{
    for (unsigned k = w->root->levels - 1u; k > h; k--) {
        bool here = w->path[k].open && w->path[k].number == page >> pb_span_bits(k);
        if (!here) {
            return pb_entry_load(place(w, page, k)) == PB_HOLE;
        }
    }
    return pb_entry_load(place(w, page, h)) == PB_HOLE;
}

static pb_store_status
drop_one(pb_writer *w, uint64_t page, unsigned h)
{
    pb_store_status st = leave(w, page, w->root->levels - 1u);
    if (st != PB_STORE_OK || is_hole(w, page, h)) {
        return st;
    }
    st = go_to(w, page, h);
    if (st != PB_STORE_OK) {
        return st;
    }
    pb_entry *at = place(w, page, h), e = pb_entry_load(at);
    pb_tree_set(at, PB_HOLE);
    return e == PB_HOLE ? PB_STORE_OK : release(w->store, e, h);
}

pb_store_status
pb_writer_drop(pb_writer *w, uint64_t first, uint64_t last)
{
    uint64_t reach = pb_reach(w->root->levels) >> PB_PAGE_SHIFT;
    last = pb_min(last, reach - 1);
    while (first <= last) {
        unsigned h = tallest(w, first, last);
        pb_store_status st = drop_one(w, first, h);
        if (st != PB_STORE_OK) {
            return st;
        }
        first += (uint64_t)1 << pb_span_bits(h);
    }
    return PB_STORE_OK;
}

pb_store_status
pb_writer_end(pb_writer *w)
{
    pb_store_status st = PB_STORE_OK;
    for (unsigned h = 1; h < w->root->levels && st == PB_STORE_OK; h++) {
        if (w->path[h].open) {
            st = close_node(w, h);
        }
    }
    return st;
}

/* ---- look ---- */

typedef struct {
    pb_store *store;
    pb_file_visitor visitor;
    void *arg;
    uint64_t left; /* frames that the file has, and the visit has not met */
} visiting;

static pb_store_status
visit(visiting *v, pb_entry e, unsigned h, uint64_t page)
{
    pb_entry bytes[PB_FANOUT];
    if (v->left-- == 0) {
        return pb_store_damaged(v->store, "a tree names more pages than the file has",
                                pb_entry_frame(e));
    }
    pb_store_status st = pb_store_read(v->store, e, bytes);
    if (st == PB_STORE_OK && h == 0) {
        return v->visitor(v->arg, page, bytes);
    }
    for (uint32_t i = 0; i < PB_FANOUT && st == PB_STORE_OK; i++) {
        pb_entry below = pb_entry_load(&bytes[i]);
        uint64_t first = page + ((uint64_t)i << pb_span_bits(h - 1));
        st = below == PB_HOLE ? st : visit(v, below, h - 1, first);
    }
    return st;
}

pb_store_status
pb_file_visit(pb_store *store, const pb_file_root *root, pb_file_visitor visitor, void *arg)
{
    visiting v = {store, visitor, arg, store->super.frames};
    pb_store_status st = PB_STORE_OK;
    unsigned h = root->levels - 1u;
    for (unsigned i = 0; root->levels && i < PB_ROOT_SLOTS && st == PB_STORE_OK; i++) {
        pb_entry e = pb_entry_load(&root->slot[i]);
        st = e == PB_HOLE ? st : visit(&v, e, h, (uint64_t)i << pb_span_bits(h));
    }
    return st;
}

pb_store_status
pb_file_page(pb_store *store, const pb_file_root *root, uint64_t page, void *bytes)
{
    pb_entry node[PB_FANOUT];
    pb_entry e = pb_entry_load(&root->slot[pb_root_index(page, root->levels)]);
    for (unsigned h = root->levels - 1u; h > 0 && e != PB_HOLE; h--) {
        pb_store_status st = pb_store_read(store, e, node);
        if (st != PB_STORE_OK) {
            return st;
        }
        e = pb_entry_load(&node[pb_child_index(page, h - 1)]);
    }
    if (e == PB_HOLE) {
        memset(bytes, 0, PB_PAGE_SIZE);
        return PB_STORE_OK;
    }
    return pb_store_read(store, e, bytes);
}
