/* tree/root.h: pages, entries, the root.
 *
 *  pb_root               node (a page)        node (a page)         data pages
 *  +---------+         +-----+-----+---     +-----+-----+---      +------------+
 *  | slot[0] |-------> |  0  |  1  |..511-> |  0  |  1  |..511 -> | 4096 bytes |
 *  | slot[1] |         +-----+-----+---     +-----+-----+---      +------------+
 *  | slot[2] |          height 2: 1 GiB      height 1: 2 MiB       height 0:
 *  | slot[3] |          a slot of the root   a slot                4 KiB a slot
 *  +---------+
 *  levels = 3: the slots of the root are entries of height 2 = levels - 1.
 *
 * An entry of height 0 names a data page; one of height h > 0 names a node whose
 * entries have height h - 1.  An entry of height h spans FANOUT^h pages.  The tree
 * is indexed by page number: position >> PB_PAGE_SHIFT, position = bias + offset.
 *
 * Glossary of parameter names
 *   pos     a tree position in bytes (bias + offset)
 *   off     an offset in bytes as the caller counts, 0 = first byte of the buffer
 *   page    a page number in the tree (pos >> PB_PAGE_SHIFT)
 *   frame   a page-sized place in a region, named by number; 0 means none
 *   h       the height of an entry */
#ifndef PB_TREE_ROOT_H
#define PB_TREE_ROOT_H

#include "pool/frame.h"

#define PB_LEVELS_MASK 127u /* of root.max_levels */

/* Values of root.frozen. */
#define PB_FROZEN_MASK 3
#define PB_FROZEN_SNAPSHOT 1
#define PB_FROZEN_INTERNAL \
    2 /* a read snapshot inside the library: no Python object holds it */

/* Everything a tree is, apart from the object that holds it. size and bias count bytes;
 * bias + size never exceeds the reach of `levels`.  It contains no pointer: without the
 * holder's fields it could be written to a file. */
typedef struct {
    uint64_t size;
    uint8_t levels;         /* 1 .. PB_MAX_LEVELS; 0: no tree, the bytes are inline */
    uint8_t max_levels : 7; /* limits the capacity: what this number of levels reaches */
    uint8_t queue : 1;      /* the holder is a queue (queue/queue.h) */
    uint8_t shared;         /* may hold frames with more than one reference (I2) */
    /* The holder uses bytes that would be padding, so that a tiny buffer fits into its
     * object.  They are not part of the tree; buffer/buf.h has accessors for them. */
    uint8_t lock; /* unused without a GIL (pb_shared_word) */
    uint16_t tail_room;
    uint8_t frozen : 2;
    uint8_t lead : 6;
    uint8_t readers;
    uint64_t bias; /* tree position of offset 0; below the span of a root slot */
    pb_entry slot[PB_ROOT_SLOTS];
} pb_root;

/* The only way to change an entry of a tree.  No other tree shares its place (I2). */
static inline void
pb_tree_set(pb_entry *at, pb_entry e)
{
    pb_entry_store(at, e);
}

/* Copy what a root says of its pages, which is what a file would hold of it: `to` names
 * what `from` names.  No reference is counted.  The holder's fields in `to` stay as they
 * are. */
static inline void
pb_root_copy(pb_root *to, const pb_root *from)
{
    to->size = from->size;
    to->bias = from->bias;
    to->levels = from->levels;
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_tree_set(&to->slot[i], pb_entry_load(&from->slot[i]));
    }
}

/* Forget everything a root names, without releasing a reference. */
static inline void
pb_root_forget(pb_root *root)
{
    for (unsigned i = 0; i < PB_ROOT_SLOTS; i++) {
        pb_tree_set(&root->slot[i], PB_HOLE);
    }
}

/* log2 of the number of pages that an entry of height h spans. */
static inline unsigned
pb_span_bits(unsigned h)
{
    return h * PB_NODE_BITS;
}

/* Bytes that a tree with this number of levels reaches. */
static inline uint64_t
pb_reach(unsigned levels)
{
    return (uint64_t)1 << (PB_ROOT_BITS + PB_PAGE_SHIFT + pb_span_bits(levels - 1));
}

/* Bytes that one slot of the root spans. */
static inline uint64_t
pb_slot_span(unsigned levels)
{
    return pb_reach(levels) >> PB_ROOT_BITS;
}

/* Which entry of a node of height h + 1 (or of the root) leads to `page`. */
static inline uint32_t
pb_child_index(uint64_t page, unsigned h)
{
    return (uint32_t)(page >> pb_span_bits(h)) & (PB_FANOUT - 1);
}

static inline uint32_t
pb_root_index(uint64_t page, unsigned levels)
{
    return (uint32_t)(page >> pb_span_bits(levels - 1)) & (PB_ROOT_SLOTS - 1);
}

#endif
