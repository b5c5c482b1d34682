/* inspect/usage.h: who holds what.
 *
 * A frame may be reached from several trees, also where only one entry names it: below a node
 * that they share.  So shares are counted from the roots down, in two rounds:
 *
 *    1. for each tree, count it at every frame that it reaches
 *    2. for each tree, sum up its frames by that count
 *
 * The bytes of a frame are divided evenly among the trees that reach it, what is left over
 * goes to the first of them: so the shares of all trees add up to what is held. */
#ifndef PB_INSPECT_USAGE_H
#define PB_INSPECT_USAGE_H

#include "buffer/buf.h"

/* ---- one tree ---- */
typedef struct {
    uint64_t pages, nodes; /* frames that the tree names */
    uint64_t mapped;       /* pages that are memory of a zone */
    uint64_t holes;        /* pages without a frame */
    uint64_t shared;       /* frames that have other references, too */
    uint64_t pinned;       /* pages under live views */
    uint64_t runs;         /* pieces that the bytes lie in, side by side in memory */
} pb_tree_stats;

/* O(pages). */
void
pb_buf_stats(const pb_buf *b, pb_tree_stats *use);

/* Frames of a pool under live views.  O(views). */
uint64_t
pb_pool_pinned(const pb_pool *pool);

/* ---- the shares of all trees ---- */

typedef struct {
    uint64_t frames; /* pages and nodes that the tree reaches */
    uint64_t nodes;
    uint64_t uss; /* frames that no other tree reaches */
    uint64_t pss; /* bytes: the tree's part of the frames that the pool took */
} pb_share;

typedef struct {
    pb_pool *pool;   /* whose frames are divided; those of its children are its own, too */
    uint32_t *reach; /* for each frame, how many trees reach it */
    uint32_t *seen;  /* for each frame, the number of the last tree that visited it */
    uint32_t tree;
} pb_usage;

/* Words of zeroed scratch that a usage needs. */
size_t
pb_usage_words(const pb_pool *pool);

/* Round 1, over all trees of the root.  O(frames that they reach). */
void
pb_usage_begin(pb_usage *c, pb_pool *pool, uint32_t *scratch);

/* Round 2, for one tree.  Ask once for each tree, in any order; the first one that
 * reaches a frame gets the remainder of its bytes.  O(frames that the tree reaches). */
void
pb_usage_of(pb_usage *c, const pb_buf *b, pb_share *share);

/* ---- whose is it? ---- */

/* A tree that reaches a frame, and where.  For a node: where its span begins. */
typedef struct {
    const pb_buf *tree; /* NULL: there is none */
    uint64_t offset;    /* the byte's offset in the tree */
    bool shared;        /* another tree has the frame, or a node on the way to it, too */
} pb_owner;

/* The owner of byte `in_page` of a frame.  O(frames). */
pb_owner
pb_owner_of(const pb_pool *pool, pb_frame frame, uint64_t in_page);

/* If the fault asks for it (look_up), fill in the tree that reaches the frame, and the
 * offset there.  O(frames). */
void
pb_fault_find_owner(pb_fault *fault);

#endif
