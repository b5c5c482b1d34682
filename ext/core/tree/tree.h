/* tree/tree.h: the radix tree of pages: find, own, drop, grow taller and shorter.  A
 * tree belongs to one pool.  Every function here walks by page number; bias and size are
 * the business of buffer/buf.h.  Entries outside of [bias, bias + size) are always
 * holes. */
#ifndef PB_TREE_TREE_H
#define PB_TREE_TREE_H

#include "tree/root.h"
#include "zone/zone.h"

/* The entries of height 0 for the pages [first, end).  entry == NULL: there is no node.  If `flat` is
 * no hole, it is the first of them, and the others name the frames that follow: those of a zone (I12),
 * or of a dense leaf, at which nobody need look then (I17). */
typedef struct {
    pb_entry *entry;
    uint64_t first, end;
    pb_entry flat;
} pb_leaf;

static inline pb_entry *
pb_node_of(const pb_pool *pool, pb_entry e)
{
    return (pb_entry *)pb_frame_address(pool, pb_entry_frame(e));
}

/* Entry i of the node that an entry names, or of the one that could stand for a huge entry. */
static inline pb_entry
pb_tree_child(const pb_pool *pool, pb_entry e, uint32_t i)
{
    return PB_UNLIKELY(pb_entry_is_huge(e)) ? pb_entry_child(e, i)
                                            : pb_entry_load(&pb_node_of(pool, e)[i]);
}

/* The place of a page's entry in a leaf that has one. */
static inline pb_entry *
pb_leaf_at(const pb_leaf *leaf, uint64_t page)
{
    return leaf->entry + (page - leaf->first);
}

/* The same where the leaf has no node, or need not be looked at. */
static inline pb_entry
pb_leaf_flat(const pb_leaf *leaf, uint64_t page)
{
    return leaf->flat ? leaf->flat + ((page - leaf->first) << PB_ENTRY_SHIFT) : PB_HOLE;
}

/* The entry of a page of a leaf. */
static inline pb_entry
pb_leaf_get(const pb_leaf *leaf, uint64_t page)
{
    bool look = leaf->entry && !leaf->flat;
    return look ? pb_entry_load(pb_leaf_at(leaf, page)) : pb_leaf_flat(leaf, page);
}

/* Does a node contain holes only?  If not, the present entry nearly always lies next to `near`, or is
 * one of the last, so look there first. */
static inline bool
pb_node_is_empty(const pb_entry *node, uint32_t near)
{
    bool alone = node[near] == PB_HOLE &&
                 (near + 1 == PB_FANOUT || node[near + 1] == PB_HOLE) &&
                 (near == 0 || node[near - 1] == PB_HOLE);
    return alone && pb_live_entries(node, PB_FANOUT) == 0;
}

/* Report an entry that must not be followed.  Returns false. */
bool
pb_entry_note_bad(const pb_pool *pool, pb_entry e);

/* May we read the node that an entry names?  If not, note the damage; the caller treats
 * the entry as a hole, and the public call refuses or reports it at its end.  A huge entry names no
 * node, so look for that first. */
static inline bool
pb_node_good(const pb_pool *pool, pb_entry e)
{
    return pb_frame_readable(pool, pb_entry_frame(e)) || pb_entry_note_bad(pool, e);
}

/* May we share what an entry of height h names: a node, a page, or frames of a zone?  If not, note
 * the damage. */
static inline bool
pb_entry_good(const pb_pool *pool, pb_entry e, unsigned h)
{
    return pb_frame_readable(pool, pb_entry_frame(e)) || pb_zone_has_entry(pool, e, h) ||
           pb_entry_note_bad(pool, e);
}

/* May we read or share the page that an entry names?  If not, note the damage. */
static inline bool
pb_page_good(const pb_pool *pool, pb_entry e)
{
    return pb_entry_good(pool, e, 0);
}

/* May a tree that shares nothing write the page, too (I2)? */
static inline bool
pb_page_mine(const pb_pool *pool, pb_entry e)
{
    return pb_frame_writable(pool, pb_entry_frame(e)) || pb_entry_note_bad(pool, e);
}

/* The entry of height h on the way to `page`, or the hole that ends the way earlier.  Below a huge
 * entry it is what it would be in a node.  O(levels). */
pb_entry
pb_tree_entry(const pb_pool *pool, const pb_root *root, uint64_t page, unsigned h);

/* Find the leaf with `page`, which the tree reaches.  Changes nothing.  Who then changes entries of
 * it asks pb_tree_own_leaf first.  O(levels). */
void
pb_tree_leaf(const pb_pool *pool, const pb_root *root, uint64_t page, pb_leaf *leaf);

/* The entry above the leaf of a page, which names a node; a hole where there is none.  O(levels). */
static inline pb_entry
pb_tree_above(const pb_pool *pool, const pb_root *root, uint64_t page)
{
    unsigned h = root->levels - 1u;
    pb_entry e = pb_entry_load(&root->slot[pb_root_index(page, root->levels)]);
    for (; h > 1 && (e & PB_ENTRY_PRESENT); h--) {
        e = pb_entry_load(&pb_node_of(pool, e)[pb_child_index(page, h - 1)]);
    }
    return h == 1 && (e & PB_ENTRY_PRESENT) ? e : PB_HOLE;
}

/* May n > 0 frames of a leaf, from this one on, be read?  They are neighbours. */
static inline bool
pb_leaf_readable(const pb_pool *pool, const pb_leaf *leaf, pb_frame frame, uint64_t n)
{
    return leaf->entry && leaf->flat ? pb_run_resident(pool, frame, n)
                                     : pb_pages_readable(pool, frame, n);
}

/* As pb_tree_leaf, but false unless the leaf exists and no other tree shares the path to
 * it (I2). */
bool
pb_tree_leaf_owned(const pb_pool *pool, const pb_root *root, uint64_t page, pb_leaf *leaf);

/* How many frames it takes to own the pages [first, last]: one for each hole and shared
 * page, and for the nodes on the way.  The tree's levels reach them.  O(pages present). */
uint64_t
pb_tree_need(const pb_pool *pool, const pb_root *root, uint64_t first, uint64_t last);

/* Make the path to `page` exist and belong to this tree alone (I2); returns the leaf, which is no longer
 * said to be dense.  Spends reserved frames as pb_tree_need counts them. */
void
pb_tree_own_leaf(pb_pool *pool, pb_root *root, uint64_t page, pb_leaf *leaf);

/* The same for a caller that changes only entries which are holes or shared.  true: the leaf is dense and
 * this tree shares nothing, so there is no such entry. */
bool
pb_tree_own_leaf_or_run(pb_pool *pool, pb_root *root, uint64_t page, pb_leaf *leaf);

/* Own the node that an entry of height > 0 names, as pb_tree_own_leaf does.  This tree owns the place
 * of the entry. */
pb_entry *
pb_tree_own_node(pb_pool *pool, const pb_root *root, pb_entry *at);

/* The first frame of the run that the entries of a leaf's node name; 0: they name none. */
pb_frame
pb_node_run(const pb_entry *node);

/* All entries of a leaf that pb_tree_own_leaf returned have been set: if it is dense, the entry above it
 * says so from now on (I17).  Not in debug pools, where each copy asks about each frame.  O(pages). */
void
pb_tree_note_run(const pb_pool *pool, pb_root *root, const pb_leaf *leaf);

/* An entry changes of the leaf of a page, on a path that only this tree owns and pb_tree_own_leaf did not
 * make: the entry above it says nothing of a run any more (I17).  O(levels). */
void
pb_tree_forget_run(const pb_pool *pool, pb_root *root, uint64_t page);

/* Make the page of an owned entry belong to this tree alone.  Keeps its bytes, unless
 * `whole`: then the caller overwrites all of them. */
void
pb_tree_own_page(pb_pool *pool, const pb_root *root, pb_entry *at, bool whole);

/* How many levels reach all positions below `end`; more than PB_MAX_LEVELS: none do. */
unsigned
pb_tree_levels_for(uint64_t end);

/* How many frames raising the tree to `levels` takes, and the raising itself. */
uint64_t
pb_tree_raise_need(const pb_root *root, unsigned levels);
void
pb_tree_raise(pb_pool *pool, pb_root *root, unsigned levels);

/* Raise by one level, with the same frames, to the middle of the new node: the bias grows, so that
 * there are positions before it. */
void
pb_tree_raise_in_middle(pb_pool *pool, pb_root *root);

/* Move everything up by n slots of the root, of which the last n are holes: the bias grows by as
 * much. */
void
pb_tree_shift(pb_root *root, unsigned n);

/* How many frames dropping the pages [first, last] takes (0 where nothing is shared),
 * and the dropping itself: the pages become holes, and nodes that become empty are
 * released. */
uint64_t
pb_tree_drop_need(const pb_pool *pool, const pb_root *root, uint64_t first, uint64_t last);
void
pb_tree_drop(pb_pool *pool, pb_root *root, uint64_t first, uint64_t last);

/* Release one reference to an entry of height h; with the last one, its subtree. */
void
pb_tree_release_entry(pb_pool *pool, pb_entry e, unsigned h);

/* Drop root slots that lie before the bias, and levels that the size no longer needs.
 * Cannot fail, keeps every byte. */
void
pb_tree_shrink(pb_pool *pool, pb_root *root);

/* Drop everything: size 0, bias 0, one level.  Cannot fail. */
void
pb_tree_release(pb_pool *pool, pb_root *root);

/* Make the data pages of a snapshot read-only, except those under a live view (debug
 * level 2).  O(pages).  Takes the pool's lock. */
void
pb_tree_freeze(pb_pool *pool, const pb_root *root);

/* ---- the page walk ---- */

typedef struct {
    unsigned level; /* 1 = root */
    uint32_t index;
    pb_entry entry;
    pb_frame frame;    /* 0: the walk stops here, a hole; below a huge entry, of the page */
    uintptr_t address; /* address of what the entry names, or of the page */
} pb_step;

/* The way to `page`, one step for each level.  Returns the number of steps; the last one
 * is the page itself, or the hole.  `steps` has room for PB_MAX_LEVELS + 1. */
unsigned
pb_tree_walk(const pb_pool *pool, const pb_root *root, uint64_t page, pb_step *steps);

#endif
