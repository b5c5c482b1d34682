/* tree/graft.c: pages and whole subtrees of one tree made entries of another. */
#include "tree/graft.h"
#include "tree/extent.h"

typedef struct {
    pb_pool *pool;
    pb_root *to;
    const pb_root *from;
} graft;

/* Pages [lo, hi] within the span of an entry of height h of `to`; `from`'s page for lo. */
typedef struct {
    unsigned h;
    uint64_t lo, hi, at;
} part;

static inline uint64_t
span_mask(unsigned h)
{
    return ((uint64_t)1 << pb_span_bits(h)) - 1;
}

static inline bool
is_whole(const part *p)
{
    return p->lo == 0 && p->hi == span_mask(p->h);
}

/* Does one entry of `from` cover all of it? */
static inline bool
has_entry(const pb_root *from, const part *p)
{
    return is_whole(p) && p->h < from->levels && (p->at & span_mask(p->h)) == 0;
}

/* Are all of these pages frames of one zone that follow one another in `from`?  Then *e is the huge
 * entry for them, which needs no entry of `from` in the same place. */
static bool
is_flat(const pb_pool *pool, const pb_root *from, const part *p, pb_entry *e)
{
    uint64_t past = p->at + span_mask(p->h) + 1;
    if (!from->shared || !is_whole(p)) { /* I12 */
        return false;
    }
    pb_extent x = pb_tree_shape(pool, from, p->at, past);
    if (pb_frame_is_counted(pool, x.frame)) { /* I13 */
        return false;
    }
    *e = pb_entry_of_zone(x.frame, p->h);
    pb_frame next = x.frame;
    uint64_t page = p->at;
    while (pb_frame_in_zone(next) && x.frame == next && page + x.pages < past) {
        page += x.pages;
        next += (pb_frame)x.pages;
        x = pb_tree_shape(pool, from, page, past);
    }
    return pb_frame_in_zone(next) && x.frame == next;
}

/* Are all of these pages holes in `from`? */
static bool
is_hole(const pb_pool *pool, const pb_root *from, const part *p)
{
    uint64_t past = p->at + (p->hi - p->lo) + 1;
    for (uint64_t page = p->at; page < past;) {
        pb_extent x = pb_tree_shape(pool, from, page, past);
        if (x.kind != PB_EXTENT_HOLE) {
            return false;
        }
        page += x.pages;
    }
    return true;
}

/* The part of child i; the part as a whole touches the children [from, to]. */
static inline part
child_of(const part *p, uint64_t i, uint64_t from, uint64_t to)
{
    uint64_t start = i << pb_span_bits(p->h - 1);
    part c = {p->h - 1, i == from ? p->lo - start : 0, 0, 0};
    c.hi = i == to ? p->hi - start : span_mask(c.h);
    c.at = p->at + (start + c.lo - p->lo);
    return c;
}

static inline uint64_t
child_index(const part *p, uint64_t page)
{
    return page >> pb_span_bits(p->h - 1);
}

/* ---- count ---- */

static uint64_t
need_below(const pb_pool *pool, pb_entry e, const pb_root *from, const part *p, bool shared)
{
    pb_entry flat;
    if (p->h == 0 || has_entry(from, p) || is_flat(pool, from, p, &flat) ||
        ((e == PB_HOLE || is_whole(p)) && is_hole(pool, from, p))) {
        return 0;
    }
    bool huge = pb_entry_is_huge(e); /* is split */
    bool has_node = huge || (e != PB_HOLE && pb_node_good(pool, e));
    shared = has_node && (shared || huge || pb_frame_count(pool, pb_entry_frame(e)) > 1);
    uint64_t n = e == PB_HOLE || shared;
    uint64_t first = child_index(p, p->lo), last = child_index(p, p->hi);
    for (uint64_t i = first; p->h > 1 && i <= last; i++) {
        part c = child_of(p, i, first, last);
        pb_entry child = has_node ? pb_tree_child(pool, e, (uint32_t)i) : PB_HOLE;
        n += need_below(pool, child, from, &c, shared);
    }
    return n;
}

/* The whole range, as a part of the root taken for an entry. */
static inline part
part_of_root(const pb_root *to, uint64_t first, uint64_t last, uint64_t at)
{
    return (part){to->levels, first, last, at};
}

uint64_t
pb_graft_need(const pb_pool *pool, const pb_root *to, uint64_t first, uint64_t last,
              const pb_root *from, uint64_t at)
{
    part p = part_of_root(to, first, last, at);
    uint64_t i0 = child_index(&p, first), i1 = child_index(&p, last), n = 0;
    for (uint64_t i = i0; i <= i1; i++) {
        part c = child_of(&p, i, i0, i1);
        n += need_below(pool, pb_entry_load(&to->slot[i]), from, &c, false);
    }
    return n;
}

/* ---- change ---- */

static void
put_entry(const graft *g, pb_entry *at, pb_entry e, unsigned h)
{
    pb_entry old = pb_entry_load(at);
    if (pb_entry_same(old, e)) {
        return;
    }
    if (e != PB_HOLE && pb_entry_good(g->pool, e, h)) {
        pb_entries_ref(g->pool, &(pb_entry){pb_le64(e)}, 1);
    }
    pb_tree_set(at, e);
    if (old != PB_HOLE) {
        pb_tree_release_entry(g->pool, old, h);
    }
}

/* The entries of a leaf, page by page. */
static void
graft_pages(const graft *g, pb_entry *node, const part *p)
{
    pb_leaf leaf = {0};
    for (uint64_t i = p->lo, page = p->at; i <= p->hi; i++, page++) {
        if (page >= leaf.end) {
            pb_tree_leaf(g->pool, g->from, page, &leaf);
        }
        put_entry(g, &node[i], pb_leaf_get(&leaf, page), 0);
    }
}

/* 1. share one entry for all of it  2. or drop all of it where `from` has a hole  3.
 * else own the node  4. graft into its children  5. release the node if that leaves it
 * empty. */
static void
graft_below(const graft *g, pb_entry *at, const part *p)
{
    pb_entry e = pb_entry_load(at), flat;
    if (has_entry(g->from, p)) {
        put_entry(g, at, pb_tree_entry(g->pool, g->from, p->at, p->h), p->h);
        return;
    }
    if (is_flat(g->pool, g->from, p, &flat)) {
        put_entry(g, at, flat, p->h);
        return;
    }
    if ((e == PB_HOLE || is_whole(p)) && is_hole(g->pool, g->from, p)) {
        put_entry(g, at, PB_HOLE, p->h);
        return;
    }
    pb_entry *node = pb_tree_own_node(g->pool, g->to, at);
    if (p->h == 1) {
        graft_pages(g, node, p);
    }
    uint64_t first = child_index(p, p->lo), last = child_index(p, p->hi);
    for (uint64_t i = first; p->h > 1 && i <= last; i++) {
        part c = child_of(p, i, first, last);
        graft_below(g, &node[i], &c);
    }
    if (pb_node_is_empty(node, 0)) {
        put_entry(g, at, PB_HOLE, p->h);
    }
}

void
pb_graft(pb_pool *pool, pb_root *to, uint64_t first, uint64_t last, const pb_root *from,
         uint64_t at)
{
    graft g = {pool, to, from};
    part p = part_of_root(to, first, last, at);
    uint64_t i0 = child_index(&p, first), i1 = child_index(&p, last);
    for (uint64_t i = i0; i <= i1; i++) {
        part c = child_of(&p, i, i0, i1);
        graft_below(&g, &to->slot[i], &c);
    }
    pb_pool_keep(pool);
}
