/* base/address_map.c: a treap of ranges, and the rule about foreign memory.
 *
 * In order of start the nodes are a search tree, in order of priority a heap.  Priorities
 * are as good as random, so the tree has the shape that a tree would have into which the
 * ranges came in random order, whatever order they came in: its depth is O(log n). */
#include "base/address_map.h"

/* ---- ranges ---- */

static uintptr_t
address(const void *p)
{
    return (uintptr_t)p;
}

/* true when p + n is past the last address (I8); *end is the last address then. */
static bool
end_overflows(const void *p, size_t n, uintptr_t *end)
{
    bool over = n > UINTPTR_MAX - address(p);
    *end = over ? UINTPTR_MAX : address(p) + n;
    return over;
}

/* ---- nodes ---- */

static uintptr_t
higher(uintptr_t a, uintptr_t b)
{
    return a > b ? a : b;
}

/* 0 for no node at all: no range ends there. */
static uintptr_t
reach_of(const pb_extent *x)
{
    return x ? x->reach : 0;
}

static uintptr_t
reach_here(const pb_extent *x)
{
    return higher(x->end, higher(reach_of(x->child[0]), reach_of(x->child[1])));
}

/* Which child of its parent x is. */
static int
side_of(const pb_extent *x)
{
    return x->up->child[1] == x;
}

/* The one place that names x. */
static pb_extent **
link_to(pb_extents *t, const pb_extent *x)
{
    return x->up ? &x->up->child[side_of(x)] : &t->root;
}

/* The first in address order of x and all below it. */
static pb_extent *
first_below(pb_extent *x)
{
    while (x && x->child[0]) {
        x = x->child[0];
    }
    return x;
}

/* x and its parent change places, and nothing changes its place in the order:
 *
 *          up              x
 *         /  \            / \
 *        x    c    =>    a   up        or the same in a mirror
 *       / \                 /  \
 *      a   b               b    c     */
static void
rise(pb_extents *t, pb_extent *x)
{
    pb_extent *up = x->up;
    int side = side_of(x);
    pb_extent *between = x->child[!side];
    *link_to(t, up) = x;
    x->up = up->up;
    x->child[!side] = up;
    up->up = x;
    up->child[side] = between;
    if (between) {
        between->up = up;
    }
    up->reach = reach_here(up);
    x->reach = reach_here(x);
}

/* A number that looks random but depends on what has been done to the tree alone, not on
 * addresses: what went wrong once goes wrong again. */
static uint64_t
scatter(uint64_t serial)
{
    uint64_t h = serial * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 31) * 0xd6e8feb86659fd93u;
    h = (h ^ h >> 29) * 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

/* ---- in and out ---- */

/* Hang x below a node without a child on that side; everything above reaches x now. */
static void
hang(pb_extents *t, pb_extent *x)
{
    pb_extent **at = &t->root;
    while (*at) {
        x->up = *at;
        x->up->reach = higher(x->up->reach, x->end);
        at = &x->up->child[x->up->start <= x->start];
    }
    *at = x;
}

void
pb_extents_add(pb_extents *t, pb_extent *x, const void *start, size_t n)
{
    *x = (pb_extent){.start = address(start), .priority = scatter(++t->serial)};
    end_overflows(start, n, &x->end);
    x->reach = x->end;
    hang(t, x);
    while (x->up && x->up->priority < x->priority) {
        rise(t, x);
    }
    t->count++;
}

/* The child that must be above the other one; NULL for a leaf. */
static pb_extent *
heir(const pb_extent *x)
{
    pb_extent *a = x->child[0], *b = x->child[1];
    return b == NULL || (a && a->priority >= b->priority) ? a : b;
}

void
pb_extents_remove(pb_extents *t, pb_extent *x)
{
    for (pb_extent *child; (child = heir(x)) != NULL;) {
        rise(t, child);
    }
    *link_to(t, x) = NULL;
    for (pb_extent *up = x->up; up; up = up->up) {
        up->reach = reach_here(up);
    }
    x->up = NULL;
    t->count--;
}

/* ---- searching ---- */

/* Does a range at x or below end at `to` or after? */
static bool
reaches(const pb_extent *x, uintptr_t to)
{
    return x && x->reach >= to;
}

/* The first range that starts at `from` or before and ends at `to` or after.  "Contains
 * [p, q)" is from = p, to = q; "touches [p, q)" is from = q - 1, to = p + 1.
 *
 * At each node x whose tree reaches `to` (else there is no such range):
 *   1. x starts too late.  So does all on its right: on to the left.
 *   2. x starts early enough, so all on its left does.  If that reaches `to`, an answer is
 *      on the left, before x: on to the left.  1 will not happen again.
 *   3. Nothing on the left will do.  If x ends late enough it is the first.
 *   4. Else what there may be is on the right: on to the right.
 * Why this is O(log n): each step goes down, and none has to be taken back, since 2 leaves
 * the right side unseen only when the left side is known to hold an answer.  So there are
 * no more steps than the tree is deep. */
static const pb_extent *
find(const pb_extents *t, uintptr_t from, uintptr_t to)
{
    const pb_extent *x = t->root;
    while (reaches(x, to)) {
        if (x->start > from || reaches(x->child[0], to)) {
            x = x->child[0]; /* 1, 2 */
        }
        else if (x->end >= to) {
            return x; /* 3 */
        }
        else {
            x = x->child[1]; /* 4 */
        }
    }
    return NULL;
}

const pb_extent *
pb_extents_containing(const pb_extents *t, const void *p, size_t n)
{
    uintptr_t end;
    return end_overflows(p, n, &end) ? NULL : find(t, address(p), end);
}

const pb_extent *
pb_extents_touching(const pb_extents *t, const void *p, size_t n)
{
    uintptr_t end;
    end_overflows(p, n, &end);
    return end == address(p) ? NULL : find(t, end - 1, address(p) + 1);
}

pb_extent *
pb_extents_first(const pb_extents *t)
{
    return first_below(t->root);
}

pb_extent *
pb_extents_next(const pb_extent *x)
{
    if (x->child[1]) {
        return first_below(x->child[1]);
    }
    while (x->up && side_of(x) == 1) {
        x = x->up;
    }
    return x->up;
}

/* ---- checks ---- */

typedef struct {
    const char *why;
    uintptr_t start; /* of the range before, in address order */
    size_t seen;
} checker;

/* Notes the first broken rule. */
static bool
holds(checker *c, bool rule, const char *why)
{
    c->why = rule ? c->why : why;
    return rule;
}

static bool
check_child(checker *c, const pb_extent *x, const pb_extent *child)
{
    return child == NULL ||
           (holds(c, child->up == x, "a range is not linked to the one above it") &&
            holds(c, child->priority <= x->priority,
                  "a range is above one of its betters"));
}

static bool
check_extent(checker *c, const pb_extent *x)
{
    return check_child(c, x, x->child[0]) && check_child(c, x, x->child[1]) &&
           holds(c, x->start < x->end, "a range is empty") &&
           holds(c, x->reach == reach_here(x), "a reach is not the highest end below");
}

static bool
check_order(checker *c, const pb_extent *x)
{
    bool in_order = holds(c, c->start <= x->start, "ranges are out of order");
    c->start = x->start;
    c->seen++;
    return in_order;
}

/* Links are checked before they are followed, so a ring of them is found, not walked. */
static bool
check_below(checker *c, const pb_extent *x)
{
    return x == NULL || (check_extent(c, x) && check_below(c, x->child[0]) &&
                         check_order(c, x) && check_below(c, x->child[1]));
}

bool
pb_extents_check(const pb_extents *t, const char **why)
{
    checker c = {0};
    bool whole =
        holds(&c, t->root == NULL || t->root->up == NULL, "a range is above the root") &&
        check_below(&c, t->root) &&
        holds(&c, c.seen == t->count, "the count of ranges is wrong");
    *why = c.why;
    return whole;
}

/* ---- the map ---- */

void
pb_map_init(pb_map *m)
{
    *m = (pb_map){.regions = {0}};
    pb_lock_init(&m->lock);
}

static void
add_under_lock(pb_map *m, pb_extents *t, pb_extent *x, const void *start, size_t n)
{
    pb_lock_take(&m->lock);
    pb_extents_add(t, x, start, n);
    pb_lock_drop(&m->lock);
}

static void
remove_under_lock(pb_map *m, pb_extents *t, pb_extent *x)
{
    pb_lock_take(&m->lock);
    pb_extents_remove(t, x);
    pb_lock_drop(&m->lock);
}

void
pb_map_add_region(pb_map *m, pb_extent *x, const void *start, size_t n)
{
    add_under_lock(m, &m->regions, x, start, n);
}

void
pb_map_remove_region(pb_map *m, pb_extent *x)
{
    remove_under_lock(m, &m->regions, x);
}

void
pb_map_add_view(pb_map *m, pb_extent *x, const void *start, size_t n)
{
    add_under_lock(m, &m->views, x, start, n);
}

void
pb_map_remove_view(pb_map *m, pb_extent *x)
{
    remove_under_lock(m, &m->views, x);
}

bool
pb_map_allows(pb_map *m, const void *p, size_t n, const pb_extent **where)
{
    pb_lock_take(&m->lock);
    *where = pb_extents_touching(&m->regions, p, n);
    bool allowed = *where == NULL || pb_extents_containing(&m->views, p, n) != NULL;
    pb_lock_drop(&m->lock);
    return allowed;
}

/* Next to each other in a whole tree is next to each other in memory. */
static bool
check_apart(const pb_extents *t, const char **why)
{
    uintptr_t end = 0;
    for (const pb_extent *x = pb_extents_first(t); x; x = pb_extents_next(x)) {
        if (x->start < end) {
            *why = "two regions overlap";
            return false;
        }
        end = x->end;
    }
    return true;
}

bool
pb_map_check(pb_map *m, const char **why)
{
    pb_lock_take(&m->lock);
    bool whole = pb_extents_check(&m->regions, why) && check_apart(&m->regions, why) &&
                 pb_extents_check(&m->views, why);
    pb_lock_drop(&m->lock);
    return whole;
}
