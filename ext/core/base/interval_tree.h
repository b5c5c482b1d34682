/* base/interval_tree.h: ranges of addresses, and which of them contain or touch another one.
 *
 * A node is the caller's memory and stays where it is while it is in a tree; nothing is
 * allocated here, so nothing can fail. */
#ifndef PB_BASE_INTERVAL_TREE_H
#define PB_BASE_INTERVAL_TREE_H

#include "base/bits.h"

/* A range of addresses [start, end), and its place in a tree. */
typedef struct pb_interval {
    uintptr_t start, end;
    uintptr_t reach;              /* the highest end at this node and below it */
    uint64_t priority;            /* no higher than its parent's */
    struct pb_interval *child[2]; /* [0] starts no later, [1] no earlier */
    struct pb_interval *up;       /* the parent; NULL at the root */
} pb_interval;

/* A tree of ranges.  All zero is an empty one. */
typedef struct {
    pb_interval *root;
    size_t count;
    uint64_t serial; /* ranges ever added: where priorities come from */
} pb_intervals;

/* The caller sees to it that nobody else is in the tree. */

/* Put [start, start + n) in; n > 0.  Equal ranges may be there already.  An end past the
 * last address becomes the last address.  O(log n). */
void
pb_intervals_add(pb_intervals *t, pb_interval *x, const void *start, size_t n);

/* Take out what was put in.  x is free for another use then.  O(log n). */
void
pb_intervals_remove(pb_intervals *t, pb_interval *x);

/* The first range in address order that contains [p, p + n) whole, else NULL; NULL too
 * when p + n is past the last address.  O(log n). */
const pb_interval *
pb_intervals_containing(const pb_intervals *t, const void *p, size_t n);

/* The first range in address order that has a byte of [p, p + n), else NULL; NULL too when
 * n is 0.  A p + n past the last address ends there.  O(log n). */
const pb_interval *
pb_intervals_touching(const pb_intervals *t, const void *p, size_t n);

/* The first range in address order, and the one after x; NULL when there is none.  Of
 * ranges that start together the one added first comes first. */
pb_interval *
pb_intervals_first(const pb_intervals *t);

pb_interval *
pb_intervals_next(const pb_interval *x);

/* Is the tree whole (I10)?  false: *why names the first rule that is broken. */
bool
pb_intervals_check(const pb_intervals *t, const char **why);

#endif
