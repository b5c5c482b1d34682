/* inspect/usage.c: who holds what. */
#include "inspect/usage.h"
#include "pool/internal.h"
#include "tree/visit.h"

/* ---- one tree ---- */

typedef struct {
    pb_tree_stats *stats;
    uint64_t page; /* that goes on with the run, and its frame */
    pb_frame frame;
} counting;

/* n pages from a place on, which lie side by side. */
static void
count_pages(counting *c, const pb_place *at, uint64_t n)
{
    bool goes_on = at->page == c->page && at->frame == c->frame &&
                   pb_region_of(at->frame) == pb_region_of(at->frame - 1);
    c->stats->runs += !goes_on;
    c->page = at->page + n;
    c->frame = at->frame + (pb_frame)n;
}

static pb_visit
count_entry(void *arg, const pb_place *at)
{
    counting *c = arg;
    if (at->good) {
        c->stats->shared += at->count > 1;
        if (at->h) {
            c->stats->nodes++;
        }
        else {
            c->stats->pages++;
            count_pages(c, at, 1);
        }
    }
    if (at->zone) {
        uint64_t n = (uint64_t)1 << pb_span_bits(at->h);
        c->stats->mapped += n;
        count_pages(c, at, n);
    }
    return PB_VISIT_BELOW;
}

static uint64_t
pages_spanned(const pb_root *root)
{
    uint64_t head = root->bias & PB_PAGE_MASK;
    return root->size ? (head + root->size + PB_PAGE_MASK) >> PB_PAGE_SHIFT : 0;
}

void
pb_buf_stats(const pb_buf *b, pb_tree_stats *use)
{
    *use = (pb_tree_stats){0};
    if (pb_buf_is_inline(b)) {
        use->runs = b->root.size > 0;
        return;
    }
    counting c = {use, 0, 0};
    (void)pb_tree_visit(b->pool, &b->root, count_entry, &c);
    use->holes = pages_spanned(&b->root) - use->pages - use->mapped;
    use->pinned = b->pins ? pb_pins_pages(b->pins) : 0;
}

/* ---- shares ---- */

size_t
pb_usage_words(const pb_pool *pool)
{
    return 2 * pb_pool_numbers(pool);
}

/* Is this the tree's first visit to the frame?  *before: has any tree visited it in this
 * round? */
static bool
come_by(pb_usage *c, pb_frame frame, bool *before)
{
    *before = c->seen[frame] != 0;
    bool first = c->seen[frame] != c->tree;
    c->seen[frame] = c->tree;
    return first;
}

/* How many bytes of a frame count for one of the trees that reach it. */
static uint64_t
part_of_frame(const pb_usage *c, pb_frame frame, bool first)
{
    const pb_row *row = pb_frame_row(c->pool, frame);
    uint64_t n = c->reach[frame], even = PB_PAGE_SIZE / n;
    if (!pb_pool_within(pool_charged(c->pool->root, row), c->pool)) {
        return 0;
    }
    return even + (first ? PB_PAGE_SIZE - n * even : 0);
}

static void
add_frame(pb_usage *c, pb_frame frame, bool node, bool first, pb_share *share)
{
    share->frames++;
    share->nodes += node;
    share->uss += c->reach[frame] == 1;
    share->pss += part_of_frame(c, frame, first);
}

typedef struct {
    pb_usage *usage;
    pb_share *share; /* NULL in round 1 */
} visited;

static pb_visit
visit_entry(void *arg, const pb_place *at)
{
    const visited *v = arg;
    bool before;
    if (!at->good || !come_by(v->usage, at->frame, &before)) {
        return PB_VISIT_PAST;
    }
    if (v->share) {
        add_frame(v->usage, at->frame, at->h > 0, !before, v->share);
    }
    else {
        v->usage->reach[at->frame]++;
    }
    return PB_VISIT_BELOW;
}

static void
visit(pb_usage *c, const pb_buf *b, pb_share *share)
{
    visited v = {c, share};
    c->tree++;
    if (!pb_buf_is_inline(b)) {
        (void)pb_tree_visit(c->pool, &b->root, visit_entry, &v);
    }
}

void
pb_usage_begin(pb_usage *c, pb_pool *pool, uint32_t *scratch)
{
    size_t n = pb_pool_numbers(pool);
    *c = (pb_usage){pool, scratch, scratch + n, 0};
    EACH_TREE(pool->root, b)
    {
        visit(c, b, NULL);
    }
    memset(c->seen, 0, n * sizeof *c->seen);
    c->tree = 0;
}

void
pb_usage_of(pb_usage *c, const pb_buf *b, pb_share *share)
{
    *share = (pb_share){0};
    visit(c, b, share);
}

uint64_t
pb_pool_pinned(const pb_pool *pool)
{
    uint64_t n = pool->detached;
    EACH_TREE(pool->root, b)
    {
        n += !pb_buf_is_inline(b) && b->pins && pb_pool_within(b->pool, pool)
                 ? pb_pins_pages(b->pins)
                 : 0;
    }
    return n;
}

/* ---- whose is it? ---- */

typedef struct {
    pb_owner owner;
    pb_frame frame;
} sought;

static pb_visit
compare_frame(void *arg, const pb_place *at)
{
    sought *s = arg;
    uint64_t n = at->zone ? (uint64_t)1 << pb_span_bits(at->h) : 1,
             i = s->frame - at->frame;
    if (s->frame < at->frame || i >= n) {
        return PB_VISIT_BELOW;
    }
    s->owner.offset = (at->page + i) << PB_PAGE_SHIFT;
    s->owner.shared = at->shared;
    return PB_VISIT_END;
}

static bool
find_in(pb_owner *o, const pb_buf *b, pb_frame frame)
{
    sought s = {{.tree = b}, frame};
    bool found =
        !pb_buf_is_inline(b) && !pb_tree_visit(b->pool, &b->root, compare_frame, &s);
    *o = s.owner;
    return found;
}

/* If several trees reach the frame, prefer one that a Python object holds to a read
 * snapshot inside the library. */
pb_owner
pb_owner_of(const pb_pool *pool, pb_frame frame, uint64_t in_page)
{
    pb_owner owner = {0}, o;
    EACH_TREE(pool->root, b)
    {
        if (find_in(&o, b, frame)) {
            owner = o;
            if (!pb_buf_is_internal(b)) {
                break;
            }
        }
    }
    if (owner.tree) {
        bool node = !pb_frame_in_zone(frame) &&
                    pb_frame_row(pool, frame)->held.kind == PB_KIND_NODE;
        uint64_t pos = owner.offset + (node ? 0 : in_page), bias = owner.tree->root.bias;
        owner.offset = pos > bias ? pos - bias : 0;
    }
    return owner;
}

void
pb_fault_find_owner(pb_fault *fault)
{
    pb_owner owner = {0};
    if (fault->look_up) {
        owner = pb_owner_of(fault->pool, fault->frame, fault->offset);
    }
    if (owner.tree) {
        fault->owner = &owner.tree->member;
        fault->offset = owner.offset;
    }
}
