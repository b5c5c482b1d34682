/* tree/graft.h: pages and whole subtrees of one tree made entries of another.
 *
 * Both trees are of one pool.  What is grafted is named by both afterwards (I2); nothing
 * below it is looked at, so that a subtree costs as much as a page.
 *
 *    from    [ . . a b | c d e f | g . . . ]      entries of height h: b .. g
 *    to      [ . . x b | c d e f | g . y . ]      edges by entries of height h - 1
 *
 * Glossary: `first`, `last` are pages of `to`; `at` is the page of `from` that becomes
 * `first`. */
#ifndef PB_TREE_GRAFT_H
#define PB_TREE_GRAFT_H

#include "tree/tree.h"

/* How many nodes grafting copies or makes on the way to the grafted entries.  O(nodes
 * touched). */
uint64_t
pb_graft_need(const pb_pool *pool, const pb_root *to, uint64_t first, uint64_t last,
              const pb_root *from, uint64_t at);

/* Make the pages [first, last] of `to` the pages of `from` from `at` on, holes included.
 * What was there is released.  Both ranges lie inside their trees, and no page of them
 * is under a live view (I11).  Spends reserved frames, at most as many as pb_graft_need
 * counted. */
void
pb_graft(pb_pool *pool, pb_root *to, uint64_t first, uint64_t last, const pb_root *from,
         uint64_t at);

#endif
