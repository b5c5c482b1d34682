/* tree/internal.h: what the files behind tree/tree.h share. */
#ifndef PB_TREE_INTERNAL_H
#define PB_TREE_INTERNAL_H

#include "tree/tree.h"

/* ---- the children of an entry ---- */

/* The children [from, to] of an entry of height h that the pages [lo, hi] of its span
 * touch, and the part of [lo, hi] that lies in one of them. */
typedef struct {
    uint32_t from, to;
    unsigned bits; /* log2 of the pages that a child spans */
    uint64_t lo, hi;
} children;

static inline children
children_of(unsigned h, uint64_t lo, uint64_t hi)
{
    unsigned bits = pb_span_bits(h - 1);
    return (children){(uint32_t)(lo >> bits), (uint32_t)(hi >> bits), bits, lo, hi};
}

static inline uint64_t
child_lo(const children *c, uint32_t i)
{
    return i == c->from ? c->lo - ((uint64_t)i << c->bits) : 0;
}

static inline uint64_t
child_hi(const children *c, uint32_t i)
{
    uint64_t span = (uint64_t)1 << c->bits;
    return i == c->to ? c->hi - ((uint64_t)i << c->bits) : span - 1;
}

/* ---- nodes ---- */

/* Put a new node, all holes, in the place of an entry.  Spends a reserved frame. */
pb_entry *
pb_tree_new_node(pb_pool *pool, pb_entry *at);

#endif
