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
    uint64_t holes;        /* pages of the size that are absent */
    uint64_t shared;       /* frames that another tree names too */
    uint64_t pinned;       /* pages under live views */
} pb_tree_stats;

/* O(pages). */
void
pb_buf_stats(const pb_buf *b, pb_tree_stats *use);

/* Frames of a pool under live views.  O(views). */
uint64_t
pb_pool_pinned(const pb_pool *pool);

/* ---- the shares of all trees ---- */

typedef struct {
    uint64_t frames; /* that the tree reaches: pages and nodes */
    uint64_t nodes;
    uint64_t uss; /* that no other tree reaches */
    uint64_t pss; /* bytes: its share of what the pool asked about took */
} pb_share;

typedef struct {
    pb_pool *pool;   /* frames that it or its children took are divided up */
    uint32_t *reach; /* trees that reach a frame */
    uint32_t *seen;  /* the last tree that came by, by number */
    uint32_t tree;
} pb_usage;

/* Words of zeroed scratch that a usage takes. */
size_t
pb_usage_words(const pb_pool *pool);

/* Round 1, over all trees of the root.  O(frames that they reach). */
void
pb_usage_begin(pb_usage *c, pb_pool *pool, uint32_t *scratch);

/* Round 2, for one tree.  Each may be asked once, in any order; that of those asked for the
 * first one pays what is left over.  O(frames that it reaches). */
void
pb_usage_of(pb_usage *c, const pb_buf *b, pb_share *share);

/* ---- whose is it? ---- */

/* A tree that reaches a frame, and where: of a node, where what it leads to begins. */
typedef struct {
    const pb_buf *tree; /* NULL: there is none */
    uint64_t offset;    /* in it, of the byte that was asked about */
    bool shared;        /* the frame, or a node on the way to it, is another tree's too */
} pb_owner;

/* Of byte `in_page` of a frame.  O(frames). */
pb_owner
pb_owner_of(const pb_pool *pool, pb_frame frame, uint64_t in_page);

/* A fault that says so (look_up) gets the tree that reaches the frame, and the offset in it.
 * O(frames). */
void
pb_fault_find_owner(pb_fault *fault);

#endif
