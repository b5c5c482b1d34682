/* tree/visit.h: every entry of a tree, from the root down: how those who look at a whole tree
 * walk it.  O(frames that it reaches, without what is passed by). */
#ifndef PB_TREE_VISIT_H
#define PB_TREE_VISIT_H

#include "tree/tree.h"

/* An entry that is no hole, and where it is. */
typedef struct {
    pb_entry entry;
    pb_frame frame;
    unsigned h;     /* its height: 0 names a page */
    uint64_t page;  /* the first page that it spans */
    bool good;      /* the frame may be read (I1); below a bad one nobody goes */
    uint32_t count; /* its references, if it is good */
    bool shared;    /* the frame, or a node on the way to it, has several */
} pb_place;

typedef enum {
    PB_VISIT_BELOW, /* go on with what is below the entry */
    PB_VISIT_PAST,  /* pass that by */
    PB_VISIT_END,   /* no more */
} pb_visit;

typedef pb_visit (*pb_visitor)(void *arg, const pb_place *at);

/* Call `visit` for each entry, a node before what it names.  false: it said END. */
bool
pb_tree_visit(const pb_pool *pool, const pb_root *root, pb_visitor visit, void *arg);

#endif
