/* tree/visit.h: visit every entry of a tree, from the root down.  Whoever inspects a
 * whole tree walks it with this.  O(frames visited). */
#ifndef PB_TREE_VISIT_H
#define PB_TREE_VISIT_H

#include "tree/tree.h"

/* An entry that is not a hole, and its place. */
typedef struct {
    pb_entry entry;
    pb_frame frame;
    unsigned h;     /* its height: 0 names a page */
    uint64_t page;  /* the first page that it spans */
    bool good;      /* the frame may be read (I1); the visit does not go below a bad one */
    bool zone;      /* it names frames of a zone; nothing is below */
    uint32_t count; /* the references of the frame, if it is good */
    bool shared;    /* the frame, or a node on the way to it, has several references */
} pb_place;

typedef enum {
    PB_VISIT_BELOW, /* go on below the entry */
    PB_VISIT_PAST,  /* skip what is below it */
    PB_VISIT_END,   /* stop */
} pb_visit;

typedef pb_visit (*pb_visitor)(void *arg, const pb_place *at);

/* Call `visit` for each entry, a node before what is below it. false: it returned END. */
bool
pb_tree_visit(const pb_pool *pool, const pb_root *root, pb_visitor visit, void *arg);

#endif
