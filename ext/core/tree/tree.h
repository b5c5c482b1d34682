/* tree/tree.h: the radix tree of pages: find, own, drop, grow taller and shorter.
 *
 * A tree belongs to one pool.  Every function here walks by page number; what lies
 * between bias and bias + size is the business of buffer/buf.h.  Entries that are not in
 * use are holes, always: before the bias as well as past the end. */
#ifndef PB_TREE_TREE_H
#define PB_TREE_TREE_H

#include "pool/pool.h"
#include "tree/root.h"

/* The entries of height 0 for pages [first, end); entry == NULL: all of them holes. */
typedef struct {
    pb_entry *entry;
    uint64_t first, end;
} pb_leaf;

static inline pb_entry *
pb_node_of(const pb_pool *pool, pb_entry e)
{
    return (pb_entry *)pb_frame_address(pool, pb_entry_frame(e));
}

/* The place of a page's entry in a leaf that has one. */
static inline pb_entry *
pb_leaf_at(const pb_leaf *leaf, uint64_t page)
{
    return leaf->entry + (page - leaf->first);
}

/* The entry of a page of a leaf. */
static inline pb_entry
pb_leaf_get(const pb_leaf *leaf, uint64_t page)
{
    return leaf->entry ? pb_entry_load(pb_leaf_at(leaf, page)) : PB_HOLE;
}

/* Is a node nothing but holes?  What is left nearly always lies right behind entry `near`, or
 * right before it. */
static inline bool
pb_node_is_empty(const pb_entry *node, uint32_t near)
{
    for (uint32_t i = near; i < PB_FANOUT; i++) {
        if (node[i] != PB_HOLE) {
            return false;
        }
    }
    for (uint32_t i = near; i-- > 0;) {
        if (node[i] != PB_HOLE) {
            return false;
        }
    }
    return true;
}

/* Notes that an entry must not be followed.  Returns false. */
bool
pb_entry_note_bad(const pb_pool *pool, pb_entry e);

/* May the node behind an entry be gone into?  Else that is noted, and the entry passed over like a
 * hole; in the end the call is refused, or reports it. */
static inline bool
pb_node_good(const pb_pool *pool, pb_entry e)
{
    return pb_frame_readable(pool, pb_entry_frame(e)) || pb_entry_note_bad(pool, e);
}

/* May the page behind an entry be read, or shared?  The same, but of payload. */
static inline bool
pb_page_good(const pb_pool *pool, pb_entry e)
{
    return pb_frame_readable(pool, pb_entry_frame(e)) || pb_entry_note_bad(pool, e);
}

static inline bool
pb_entry_good(const pb_pool *pool, pb_entry e, unsigned h)
{
    return h ? pb_node_good(pool, e) : pb_page_good(pool, e);
}

/* And may the page be written by a tree that shares nothing (I2)? */
static inline bool
pb_page_mine(const pb_pool *pool, pb_entry e)
{
    return pb_frame_writable(pool, pb_entry_frame(e)) || pb_entry_note_bad(pool, e);
}

/* The entry of height h on the way to `page`, or the hole that is met before.  O(levels). */
pb_entry
pb_tree_entry(const pb_pool *pool, const pb_root *root, uint64_t page, unsigned h);

/* Find the leaf with `page`, which the tree reaches.  Changes nothing.  O(levels). */
void
pb_tree_leaf(const pb_pool *pool, const pb_root *root, uint64_t page, pb_leaf *leaf);

/* The same as pb_tree_leaf, but false unless the leaf is there and its path is this tree's alone (I2). */
bool
pb_tree_leaf_owned(const pb_pool *pool, const pb_root *root, uint64_t page, pb_leaf *leaf);

/* Frames it takes to own the pages [first, last]: those that are holes or shared, and
 * the nodes on the way.  The tree reaches them.  O(pages present). */
uint64_t
pb_tree_need(const pb_pool *pool, const pb_root *root, uint64_t first, uint64_t last);

/* Make the path to `page` exist and be owned by this tree alone (I2); returns its leaf.
 * Spends reserved frames as counted by pb_tree_need. */
void
pb_tree_own_leaf(pb_pool *pool, pb_root *root, uint64_t page, pb_leaf *leaf);

/* The same for one entry of height > 0, whose own place is owned. */
pb_entry *
pb_tree_own_node(pb_pool *pool, const pb_root *root, pb_entry *at);

/* Make the page behind an owned entry this tree's alone; its bytes are kept unless
 * `whole` says that the caller overwrites all of them. */
void
pb_tree_own_page(pb_pool *pool, const pb_root *root, pb_entry *at, bool whole);

/* Levels that positions below `end` ask for; more than PB_MAX_LEVELS: out of reach. */
unsigned
pb_tree_levels_for(uint64_t end);

/* Frames it takes to raise the tree to `levels`, and the raising. */
uint64_t
pb_tree_raise_need(const pb_root *root, unsigned levels);
void
pb_tree_raise(pb_pool *pool, pb_root *root, unsigned levels);

/* Frames it takes to drop the pages [first, last] (0 where nothing is shared), and the
 * dropping: they become holes, nodes that are left empty go too. */
uint64_t
pb_tree_drop_need(const pb_pool *pool, const pb_root *root, uint64_t first, uint64_t last);
void
pb_tree_drop(pb_pool *pool, pb_root *root, uint64_t first, uint64_t last);

/* Give up one reference to an entry of height h, and with the last one its subtree. */
void
pb_tree_release_entry(pb_pool *pool, pb_entry e, unsigned h);

/* Leave behind root slots before the bias, and levels that the size no longer asks
 * for.  Cannot fail, keeps every byte. */
void
pb_tree_shrink(pb_pool *pool, pb_root *root);

/* Drop everything: size 0, bias 0, one level.  Cannot fail. */
void
pb_tree_release(pb_pool *pool, pb_root *root);

/* The data pages are a snapshot's from now on: nobody writes them where no live view is over
 * them (level 2).  O(pages).  Takes the pool's lock. */
void
pb_tree_freeze(pb_pool *pool, const pb_root *root);

/* ---- the page walk ---- */

typedef struct {
    unsigned level; /* 1 = root */
    uint32_t index;
    pb_entry entry;
    pb_frame frame;    /* 0: the walk stops here, a hole */
    uintptr_t address; /* of what the entry names */
} pb_step;

/* The way to `page`: at each level the entry.  Returns the number of steps (the last
 * one is the page itself, or the hole); steps has room for PB_MAX_LEVELS + 1. */
unsigned
pb_tree_walk(const pb_pool *pool, const pb_root *root, uint64_t page, pb_step *steps);

#endif
