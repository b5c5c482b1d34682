/* base/address_map.h: which addresses belong to regions, and which of them were handed out.
 *
 *   regions   [ A                      ]     [ B                 ] never overlap
 *   views        [ v           ]                [ x   ][ y   ]     overlap, nest, repeat
 *                   [ u   ]
 *   fine              ========          ====     ====              in v; no region; in x
 *   refused                 ========       =====    ======         past v; into B; in no
 *                                                                  one view
 *
 * Memory that a caller passes in may lie anywhere.  Where it touches a region it must be
 * memory that was handed out, else it is read from under a buffer's feet.
 *
 * Both are trees of ranges of addresses.  A node is the caller's memory and stays where it
 * is while it is in a tree; nothing is allocated here, so nothing can fail. */
#ifndef PB_BASE_ADDRESS_MAP_H
#define PB_BASE_ADDRESS_MAP_H

#include "base/lock.h"

/* A range of addresses [start, end), and its place in a tree. */
typedef struct pb_extent {
    uintptr_t start, end;
    uintptr_t reach;            /* the highest end at this node and below it */
    uint64_t priority;          /* no higher than its parent's */
    struct pb_extent *child[2]; /* [0] starts no later, [1] no earlier */
    struct pb_extent *up;       /* the parent; NULL at the root */
} pb_extent;

/* A tree of ranges.  All zero is an empty one. */
typedef struct {
    pb_extent *root;
    size_t count;
    uint64_t serial; /* ranges ever added: where priorities come from */
} pb_extents;

/* ---- one tree; the caller sees to it that nobody else is in it ---- */

/* Put [start, start + n) in; n > 0.  Equal ranges may be there already.  An end past the
 * last address becomes the last address.  O(log n). */
void
pb_extents_add(pb_extents *t, pb_extent *x, const void *start, size_t n);

/* Take out what was put in.  x is free for another use then.  O(log n). */
void
pb_extents_remove(pb_extents *t, pb_extent *x);

/* The first range in address order that contains [p, p + n) whole, else NULL; NULL too
 * when p + n is past the last address.  O(log n). */
const pb_extent *
pb_extents_containing(const pb_extents *t, const void *p, size_t n);

/* The first range in address order that has a byte of [p, p + n), else NULL; NULL too when
 * n is 0.  A p + n past the last address ends there.  O(log n). */
const pb_extent *
pb_extents_touching(const pb_extents *t, const void *p, size_t n);

/* The first range in address order, and the one after x; NULL when there is none.  Of
 * ranges that start together the one added first comes first. */
pb_extent *
pb_extents_first(const pb_extents *t);

pb_extent *
pb_extents_next(const pb_extent *x);

/* Is the tree whole (I10)?  false: *why names the first rule that is broken. */
bool
pb_extents_check(const pb_extents *t, const char **why);

/* ---- the map ---- */

/* Its lock is the innermost: nothing else is locked while it is held. */
typedef struct {
    pb_lock lock;
    pb_extents regions, views;
} pb_map;

/* An empty map. */
void
pb_map_init(pb_map *m);

/* pb_extents_add and pb_extents_remove, under the lock. */
void
pb_map_add_region(pb_map *m, pb_extent *x, const void *start, size_t n);

void
pb_map_remove_region(pb_map *m, pb_extent *x);

void
pb_map_add_view(pb_map *m, pb_extent *x, const void *start, size_t n);

void
pb_map_remove_view(pb_map *m, pb_extent *x);

/* May [p, p + n) be read or written as foreign memory?  Yes where it touches no region, or
 * lies in one view.  false: *where is the first region it touches, which may be looked at
 * as long as that region stays.  O(log n), under the lock. */
bool
pb_map_allows(pb_map *m, const void *p, size_t n, const pb_extent **where);

/* Are both trees whole, and do no two regions overlap (I10)?  Under the lock. */
bool
pb_map_check(pb_map *m, const char **why);

#endif
