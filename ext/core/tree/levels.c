/* tree/levels.c: a tree grows taller and shorter. */
#include "tree/internal.h"

/* ---- grow taller ---- */

unsigned
pb_tree_levels_for(uint64_t end)
{
    unsigned levels = 1;
    while (levels <= PB_MAX_LEVELS && end > pb_reach(levels)) {
        levels++;
    }
    return levels;
}

/* How many nodes the slots of the root need when they move one level down: one, or two
 * on tiny pages, where a node has fewer entries than the root. */
static unsigned
groups(const pb_root *root)
{
    unsigned n = 0, step = PB_FANOUT < PB_ROOT_SLOTS ? PB_FANOUT : PB_ROOT_SLOTS;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i += step) {
        bool used = false;
        for (unsigned j = i; j < i + step; j++) {
            used |= root->slot[j] != PB_HOLE;
        }
        n += used;
    }
    return n;
}

uint64_t
pb_tree_raise_need(const pb_root *root, unsigned levels)
{
    unsigned n = groups(root);
    /* every further level needs one */
    return n && levels > root->levels ? n + (levels - root->levels - 1u) : 0;
}

/* Put the slots of the root into nodes, from entry `first` of the first node on. */
static void
raise_once(pb_pool *pool, pb_root *root, unsigned first)
{
    pb_entry old[PB_ROOT_SLOTS];
    memcpy(old, root->slot, sizeof old);
    pb_root_forget(root);
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        if (old[i] != PB_HOLE) {
            pb_entry *at = &root->slot[(first + i) / PB_FANOUT];
            pb_entry e = pb_entry_load(at);
            pb_entry *node =
                e == PB_HOLE ? pb_tree_new_node(pool, at) : pb_node_of(pool, e);
            pb_tree_set(&node[(first + i) % PB_FANOUT], pb_entry_load(&old[i]));
        }
    }
    root->bias += first * pb_slot_span(root->levels);
    root->levels++;
}

void
pb_tree_raise(pb_pool *pool, pb_root *root, unsigned levels)
{
    while (root->levels < levels) {
        raise_once(pool, root, 0);
    }
}

void
pb_tree_raise_in_middle(pb_pool *pool, pb_root *root)
{
    bool fits = PB_FANOUT / 2 + PB_ROOT_SLOTS <= PB_FANOUT; /* all slots in one node */
    raise_once(pool, root, fits ? PB_FANOUT / 2 : 0);
}

void
pb_tree_shift(pb_root *root, unsigned n)
{
    for (unsigned i = PB_ROOT_SLOTS; i-- > 0;) {
        pb_tree_set(&root->slot[i], i < n ? PB_HOLE : pb_entry_load(&root->slot[i - n]));
    }
    root->bias += n * pb_slot_span(root->levels);
}

/* ---- grow shorter ---- */

/* Drop the root slots that lie before the bias, all holes, by moving the others down. */
static void
leave_slots_behind(pb_root *root)
{
    uint64_t span = pb_slot_span(root->levels);
    if (root->bias < span) {
        return;
    }
    unsigned n = (unsigned)(root->bias / span);
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_tree_set(&root->slot[i],
                    i + n < PB_ROOT_SLOTS ? pb_entry_load(&root->slot[i + n]) : PB_HOLE);
    }
    root->bias -= n * span;
}

/* Move the children [from, from + 4) of a root slot into the root, and release their
 * node. */
static void
lift_children(pb_pool *pool, pb_entry e, uint64_t node_first, uint64_t from, pb_entry *slot)
{
    pb_frame frame = pb_entry_frame(e);
    pb_entry *node = pb_node_of(pool, e);
    bool shared = pb_frame_count(pool, frame) > 1;
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        uint64_t at = node_first + i;
        if (node[i] != PB_HOLE && at >= from && at < from + PB_ROOT_SLOTS) {
            pb_tree_set(&slot[at - from], pb_entry_load(&node[i]));
            if (shared) {
                pb_entries_ref(pool, &node[i], 1);
            }
        }
    }
    if (!shared) {
        pb_frame_unref(pool, frame);
    }
    else if (!pb_frame_unref_shared(pool, frame)) { /* the last owner by now */
        pb_tree_release_entry(pool, e, 1);
    }
}

/* The same for a huge entry, which has no node. */
static void
lift_huge(pb_pool *pool, pb_entry e, uint64_t node_first, uint64_t from, pb_entry *slot)
{
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        uint64_t at = node_first + i;
        if (at >= from && at < from + PB_ROOT_SLOTS) {
            pb_tree_set(&slot[at - from], pb_entry_child(e, i));
            pb_zone_ref(pool, pb_entry_frame(e), 1);
        }
    }
    pb_frame_unref(pool, pb_entry_frame(e));
}

/* Take away one level if everything in use lies in four neighbouring children. */
static bool
lower_once(pb_pool *pool, pb_root *root)
{
    unsigned bits = PB_PAGE_SHIFT + pb_span_bits(root->levels - 2u);
    uint64_t from = root->bias >> bits;
    uint64_t to = (root->bias + root->size - 1) >> bits;
    pb_entry slot[PB_ROOT_SLOTS] = {0};
    if (to - from >= PB_ROOT_SLOTS) {
        return false;
    }
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_entry e = pb_entry_load(&root->slot[i]);
        if (pb_entry_is_huge(e)) {
            lift_huge(pool, e, (uint64_t)i * PB_FANOUT, from, slot);
        }
        else if (e != PB_HOLE && pb_node_good(pool, e)) {
            lift_children(pool, e, (uint64_t)i * PB_FANOUT, from, slot);
        }
    }
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_tree_set(&root->slot[i], pb_entry_load(&slot[i]));
    }
    root->bias -= from << bits;
    root->levels--;
    return true;
}

void
pb_tree_shrink(pb_pool *pool, pb_root *root)
{
    if (root->size == 0) {
        pb_tree_release(pool, root);
        return;
    }
    leave_slots_behind(root);
    while (root->levels > 1 && lower_once(pool, root)) {
    }
    pb_pool_keep(pool);
}
