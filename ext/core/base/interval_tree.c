/* base/interval_tree.c: a treap of ranges.
 *
 * In order of start the nodes are a search tree, in order of priority a heap.  Priorities
 * are as good as random, so the tree has the shape that a tree would have into which the
 * ranges came in random order, whatever order they came in: its depth is O(log n). */
#include "base/interval_tree.h"

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
reach_of(const pb_interval *x)
{
    return x ? x->reach : 0;
}

static uintptr_t
reach_here(const pb_interval *x)
{
    return higher(x->end, higher(reach_of(x->child[0]), reach_of(x->child[1])));
}

/* Is x the left (0) or the right (1) child of its parent? */
static int
side_of(const pb_interval *x)
{
    return x->up->child[1] == x;
}

/* The one place that names x. */
static pb_interval **
link_to(pb_intervals *t, const pb_interval *x)
{
    return x->up ? &x->up->child[side_of(x)] : &t->root;
}

/* The first in address order of x and all below it. */
static pb_interval *
first_below(pb_interval *x)
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
rise(pb_intervals *t, pb_interval *x)
{
    pb_interval *up = x->up;
    int side = side_of(x);
    pb_interval *between = x->child[!side];
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

/* Insert x below a node that has no child on that side, and update how far the nodes
 * above reach. */
static void
hang(pb_intervals *t, pb_interval *x)
{
    pb_interval **at = &t->root;
    while (*at) {
        x->up = *at;
        x->up->reach = higher(x->up->reach, x->end);
        at = &x->up->child[x->up->start <= x->start];
    }
    *at = x;
}

void
pb_intervals_add(pb_intervals *t, pb_interval *x, const void *start, size_t n)
{
    *x = (pb_interval){.start = address(start), .priority = scatter(++t->serial)};
    end_overflows(start, n, &x->end);
    x->reach = x->end;
    hang(t, x);
    while (x->up && x->up->priority < x->priority) {
        rise(t, x);
    }
    t->count++;
}

/* The child with the higher priority, which must come above the other; NULL for a leaf. */
static pb_interval *
heir(const pb_interval *x)
{
    pb_interval *a = x->child[0], *b = x->child[1];
    return b == NULL || (a && a->priority >= b->priority) ? a : b;
}

void
pb_intervals_remove(pb_intervals *t, pb_interval *x)
{
    for (pb_interval *child; (child = heir(x)) != NULL;) {
        rise(t, child);
    }
    *link_to(t, x) = NULL;
    for (pb_interval *up = x->up; up; up = up->up) {
        up->reach = reach_here(up);
    }
    x->up = NULL;
    t->count--;
}

/* ---- searching ---- */

/* Does a range at x or below end at `to` or after? */
static bool
reaches(const pb_interval *x, uintptr_t to)
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
static const pb_interval *
find(const pb_intervals *t, uintptr_t from, uintptr_t to)
{
    const pb_interval *x = t->root;
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

const pb_interval *
pb_intervals_containing(const pb_intervals *t, const void *p, size_t n)
{
    uintptr_t end;
    return end_overflows(p, n, &end) ? NULL : find(t, address(p), end);
}

const pb_interval *
pb_intervals_touching(const pb_intervals *t, const void *p, size_t n)
{
    uintptr_t end;
    end_overflows(p, n, &end);
    return end == address(p) ? NULL : find(t, end - 1, address(p) + 1);
}

pb_interval *
pb_intervals_first(const pb_intervals *t)
{
    return first_below(t->root);
}

pb_interval *
pb_intervals_next(const pb_interval *x)
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

/* Note the first broken rule. */
static bool
holds(checker *c, bool rule, const char *why)
{
    c->why = rule ? c->why : why;
    return rule;
}

static bool
check_child(checker *c, const pb_interval *x, const pb_interval *child)
{
    return child == NULL ||
           (holds(c, child->up == x, "a range is not linked to the one above it") &&
            holds(c, child->priority <= x->priority,
                  "a range is above one of its betters"));
}

static bool
check_extent(checker *c, const pb_interval *x)
{
    return check_child(c, x, x->child[0]) && check_child(c, x, x->child[1]) &&
           holds(c, x->start < x->end, "a range is empty") &&
           holds(c, x->reach == reach_here(x), "a reach is not the highest end below");
}

static bool
check_order(checker *c, const pb_interval *x)
{
    bool in_order = holds(c, c->start <= x->start, "ranges are out of order");
    c->start = x->start;
    c->seen++;
    return in_order;
}

/* Check each link before following it: so a cycle is found, not walked for ever. */
static bool
check_below(checker *c, const pb_interval *x)
{
    return x == NULL || (check_extent(c, x) && check_below(c, x->child[0]) &&
                         check_order(c, x) && check_below(c, x->child[1]));
}

bool
pb_intervals_check(const pb_intervals *t, const char **why)
{
    checker c = {0};
    bool whole =
        holds(&c, t->root == NULL || t->root->up == NULL, "a range is above the root") &&
        check_below(&c, t->root) &&
        holds(&c, c.seen == t->count, "the count of ranges is wrong");
    *why = c.why;
    return whole;
}
