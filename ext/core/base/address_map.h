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
 * Both are interval trees. */
#ifndef PB_BASE_ADDRESS_MAP_H
#define PB_BASE_ADDRESS_MAP_H

#include "base/interval_tree.h"
#include "base/lock.h"

/* Its lock is the innermost: nothing else is locked while it is held. */
typedef struct {
    pb_lock lock;
    pb_intervals regions, views;
} pb_map;

/* An empty map. */
void
pb_map_init(pb_map *m);

/* pb_intervals_add and pb_intervals_remove; take the lock. */
void
pb_map_add_region(pb_map *m, pb_interval *x, const void *start, size_t n);

void
pb_map_remove_region(pb_map *m, pb_interval *x);

void
pb_map_add_view(pb_map *m, pb_interval *x, const void *start, size_t n);

void
pb_map_remove_view(pb_map *m, pb_interval *x);

/* May [p, p + n) be read or written as foreign memory?  Yes if it touches no region, or
 * lies in one view.  false: *where is the first region it touches; valid as long as that
 * region stays.  O(log n), takes the lock. */
bool
pb_map_allows(pb_map *m, const void *p, size_t n, const pb_interval **where);

/* Are both trees sound, and do no two regions overlap (I10)?  Takes the lock. */
bool
pb_map_check(pb_map *m, const char **why);

#endif
