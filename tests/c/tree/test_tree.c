/* The tree: putting and dropping pages by number, alone and shared, with exact
 * reservations; growing taller and shorter; the page walk. */
#include "buffer/model.h"

/* Each page carries its own number, so that a page in the wrong place shows. */
static void
stamp(pair *p, uint64_t page, pb_entry e)
{
    sheet *s = model_make_sheet(&p->m, page);
    memcpy(s->bytes, &page, sizeof page);
    memcpy(pb_frame_address(p->b.pool, pb_entry_frame(e)), &page, sizeof page);
}

/* ---- what a change costs, counted from page walks ---- */

typedef struct {
    pb_step step[PB_MAX_LEVELS + 1];
    unsigned n;
} path;

static path
walk_to(const pair *p, uint64_t page)
{
    path w;
    w.n = pb_tree_walk(p->b.pool, &p->b.root, page, w.step);
    return w;
}

/* Is the frame at this depth, or one above it, named by another tree as well? */
static bool
shared_down_to(const pair *p, const path *w, unsigned depth)
{
    bool shared = false;
    for (unsigned i = 0; i <= depth; i++) {
        shared |= pb_frame_count(p->b.pool, w->step[i].frame) > 1;
    }
    return shared;
}

static bool
is_there(const path *w, unsigned depth)
{
    return depth < w->n && w->step[depth].frame != 0;
}

/* Frames that are missing or shared on the ways to [first, last], each counted once. */
static uint64_t
cost_to_own(const pair *p, uint64_t first, uint64_t last)
{
    uint64_t n = 0;
    unsigned levels = p->b.root.levels;
    for (uint64_t page = first; page <= last; page++) {
        path w = walk_to(p, page);
        for (unsigned depth = 0; depth < levels; depth++) {
            unsigned bits = (levels - 1 - depth) * PB_NODE_BITS;
            bool again = page > first && page >> bits == (page - 1) >> bits;
            n += !again && (!is_there(&w, depth) || shared_down_to(p, &w, depth));
        }
    }
    return n;
}

/* Shared nodes that lie partly inside [first, last], at either end of it. */
static uint64_t
cost_to_drop(const pair *p, uint64_t first, uint64_t last)
{
    uint64_t n = 0, end[2] = {first, last};
    unsigned levels = p->b.root.levels;
    for (unsigned side = 0; side < 2; side++) {
        path w = walk_to(p, end[side]);
        for (unsigned depth = 0; depth + 1 < levels; depth++) {
            unsigned bits = (levels - 1 - depth) * PB_NODE_BITS;
            uint64_t lo = end[side] >> bits << bits, hi = lo + ((uint64_t)1 << bits) - 1;
            bool whole = first <= lo && hi <= last;
            bool again = side == 1 && first >> bits == last >> bits;
            n += !whole && !again && is_there(&w, depth) && shared_down_to(p, &w, depth);
        }
    }
    return n;
}

/* ---- the changes ---- */

static void
put_in_leaf(pair *p, pb_leaf *leaf, uint64_t page, bool whole)
{
    pb_entry *at = &leaf->entry[page - leaf->first];
    uint32_t got;
    bool zero;
    if (*at == PB_HOLE) {
        pb_frame f = pb_pool_take_run(p->b.pool, 0, 1, &got, &zero);
        memset(pb_frame_address(p->b.pool, f), 0, PB_PAGE_SIZE);
        pb_entry_store(at, pb_entry_of(f));
    }
    else {
        pb_tree_own_page(p->b.pool, &p->b.root, at, whole);
        uint8_t *bytes = pb_frame_address(p->b.pool, pb_entry_frame(pb_entry_load(at)));
        if (whole) {
            memset(bytes, 0, PB_PAGE_SIZE);
        }
        CHECK_BYTES(bytes, &page, whole ? 0 : sizeof page);
    }
    stamp(p, page, pb_entry_load(at));
}

/* Putting pages takes exactly as many frames as were reserved for them. */
static void
put_pages(pair *p, uint64_t first, uint64_t last, bool whole)
{
    pb_leaf leaf;
    uint64_t need = pb_tree_need(p->b.pool, &p->b.root, first, last);
    CHECK_EQ(need, cost_to_own(p, first, last));
    memory_reserve(p->mem, need);
    for (uint64_t page = first; page <= last;) {
        pb_tree_own_leaf(p->b.pool, &p->b.root, page, &leaf);
        CHECK(page >= leaf.first && page < leaf.end);
        for (; page <= last && page < leaf.end; page++) {
            put_in_leaf(p, &leaf, page, whole);
        }
    }
    CHECK_EQ(p->b.pool->reserved, 0);
    CHECK_EQ(pb_tree_need(p->b.pool, &p->b.root, first, last), 0);
}

static void
drop_pages(pair *p, uint64_t first, uint64_t last)
{
    uint64_t need = pb_tree_drop_need(p->b.pool, &p->b.root, first, last);
    CHECK_EQ(need, first > last ? 0 : cost_to_drop(p, first, last));
    memory_reserve(p->mem, need);
    pb_tree_drop(p->b.pool, &p->b.root, first, last);
    CHECK_EQ(p->b.pool->reserved, 0);
    if (first <= last) {
        model_remove(&p->m, first, last + 1);
    }
}

/* A tree of `levels` levels, of full size, without pages. */
static void
tree_init(pair *p, memory *mem, unsigned levels)
{
    pair_init(p, mem, PB_MAX_LEVELS);
    pair_promote(p);
    p->b.root.levels = (uint8_t)levels;
    p->m.levels = levels;
    p->b.root.size = p->m.size = pb_reach(levels);
}

static void
check_tree(const pair *p)
{
    pb_tree_stats use;
    pb_leaf leaf;
    pb_buf_stats(&p->b, &use);
    CHECK_EQ(use.pages, p->m.sheets);
    CHECK_EQ(use.nodes, model_nodes(&p->m));
    for (size_t i = 0; i < p->m.sheets; i++) {
        uint64_t page = p->m.sheet[i]->number;
        pb_tree_leaf(p->b.pool, &p->b.root, page, &leaf);
        CHECK(leaf.entry && page >= leaf.first && page < leaf.end);
        pb_entry e = pb_entry_load(&leaf.entry[page - leaf.first]);
        CHECK(e != PB_HOLE);
        CHECK_BYTES(pb_frame_address(p->b.pool, pb_entry_frame(e)), p->m.sheet[i]->bytes,
                    PB_PAGE_SIZE);
    }
    CHECK_POOL(p->b.pool);
}

/* ---- levels and leaves ---- */

static void
test_levels_for(void)
{
    CHECK_EQ(pb_tree_levels_for(0), 1);
    CHECK_EQ(pb_tree_levels_for(1), 1);
    for (unsigned levels = 1; levels <= PB_MAX_LEVELS; levels++) {
        CHECK_EQ(pb_tree_levels_for(pb_reach(levels) - 1), levels);
        CHECK_EQ(pb_tree_levels_for(pb_reach(levels)), levels);
        CHECK_EQ(pb_tree_levels_for(pb_reach(levels) + 1), levels + 1);
    }
    CHECK_EQ(pb_tree_levels_for(UINT64_MAX), PB_MAX_LEVELS + 1);
}

/* The leaf of a hole is as wide as the hole's entry. */
static void
test_leaf_of_a_hole(void)
{
    memory mem;
    pair p;
    memory_init(&mem, PB_UNLIMITED, false);
    for (unsigned levels = 2; levels <= PB_MAX_LEVELS; levels++) {
        pb_leaf leaf;
        NOTE("levels %u", levels);
        tree_init(&p, &mem, levels);
        uint64_t pages = pb_reach(levels) >> PB_PAGE_SHIFT;
        pb_tree_leaf(&mem.pool, &p.b.root, pages - 1, &leaf);
        CHECK(leaf.entry == NULL);
        CHECK_EQ(leaf.first, pages / 4 * 3);
        CHECK_EQ(leaf.end, pages);
        put_pages(&p, 0, 0, false);
        for (unsigned h = 1; h < levels; h++) { /* right behind page 0, ever wider */
            uint64_t span = (uint64_t)1 << pb_span_bits(h);
            pb_tree_leaf(&mem.pool, &p.b.root, span, &leaf);
            CHECK(leaf.entry == NULL);
            CHECK_EQ(leaf.first, span);
            CHECK_EQ(leaf.end, 2 * span);
        }
        pb_tree_leaf(&mem.pool, &p.b.root, PB_FANOUT - 1, &leaf);
        CHECK(leaf.entry && leaf.entry[PB_FANOUT - 1] == PB_HOLE);
        CHECK_EQ(leaf.end, PB_FANOUT);
        check_tree(&p);
        pair_fini(&p);
        CHECK_EMPTY(&mem.pool);
    }
    memory_fini(&mem);
}

/* A page alone in a tall tree costs a node at each level below the root. */
static void
test_one_page_costs_one_node_a_level(void)
{
    memory mem;
    pair p;
    memory_init(&mem, PB_UNLIMITED, true);
    for (unsigned levels = 1; levels <= PB_MAX_LEVELS; levels++) {
        tree_init(&p, &mem, levels);
        put_pages(&p, (pb_reach(levels) >> PB_PAGE_SHIFT) - 1,
                  (pb_reach(levels) >> PB_PAGE_SHIFT) - 1, true);
        CHECK_EQ(mem.pool.held, levels);
        CHECK_EQ(mem.pool.nodes, levels - 1);
        check_tree(&p);
        pair_fini(&p);
    }
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

/* ---- put and drop at random ---- */

/* Pages in clumps, some of them over the borders of high entries. */
static uint64_t
some_page(chance *c, unsigned levels)
{
    uint64_t pages = pb_reach(levels) >> PB_PAGE_SHIFT;
    uint64_t at = one_in(c, 3) ? below(c, pages) : below(c, 4) * (pages / 4);
    if (one_in(c, 3)) {
        at = (uint64_t)1 << pb_span_bits((unsigned)below(c, levels));
    }
    at += below(c, 9);
    return pb_min(at < 5 ? at : at - 5, pages - 1);
}

static void
change_at_random(pair *p, chance *c)
{
    unsigned levels = p->b.root.levels;
    uint64_t pages = pb_reach(levels) >> PB_PAGE_SHIFT,
             most = PB_FANOUT > 64 ? 40 : 3 * PB_FANOUT;
    uint64_t first = some_page(c, levels), last;
    if (one_in(c, 2) && p->m.sheets < 200) {
        last = pb_min(first + below(c, most), pages - 1);
        put_pages(p, first, last, one_in(c, 2));
    }
    else if (one_in(c, 4)) {
        last = some_page(c, levels);
        drop_pages(p, pb_min(first, last), pb_max(first, last));
    }
    else {
        drop_pages(p, first, pb_min(first + below(c, most), pages - 1));
    }
}

static void
test_put_and_drop_at_random(void)
{
    memory mem;
    for (uint64_t seed = 0; seed < 40; seed++) {
        chance c = chance_of(seed);
        unsigned levels = 1 + (unsigned)(seed % PB_MAX_LEVELS);
        pair p;
        memory_init(&mem, PB_UNLIMITED, one_in(&c, 2));
        tree_init(&p, &mem, levels);
        for (int step = 0; step < 60; step++) {
            NOTE("seed %" PRIu64 " levels %u step %d", seed, levels, step);
            change_at_random(&p, &c);
            check_tree(&p);
        }
        drop_pages(&p, 0, (pb_reach(levels) >> PB_PAGE_SHIFT) - 1);
        CHECK_EMPTY(&mem.pool);
        pair_fini(&p);
        memory_fini(&mem);
    }
}

/* I2: nothing that one tree does shows in the others that share its frames. */
static void
test_put_and_drop_in_shared_trees(void)
{
    enum { TREES = 3 };
    memory mem;
    for (uint64_t seed = 0; seed < 40; seed++) {
        chance c = chance_of(1000 + seed);
        unsigned levels = 1 + (unsigned)(seed % pb_min(PB_MAX_LEVELS, 9));
        pair p[TREES];
        memory_init(&mem, PB_UNLIMITED, one_in(&c, 2));
        tree_init(&p[0], &mem, levels);
        for (int i = 0; i < 6; i++) {
            change_at_random(&p[0], &c);
        }
        pair_share(&p[1], &p[0]);
        pair_share(&p[2], &p[1]);
        for (int step = 0; step < 40; step++) {
            NOTE("seed %" PRIu64 " levels %u step %d", seed, levels, step);
            unsigned k = (unsigned)below(&c, TREES);
            if (one_in(&c, 10)) { /* one goes, a new share of another comes */
                unsigned other = (k + 1) % TREES;
                pair_fini(&p[k]);
                pair_share(&p[k], &p[other]);
            }
            change_at_random(&p[k], &c);
            for (unsigned i = 0; i < TREES; i++) {
                check_tree(&p[i]);
            }
        }
        for (unsigned i = 0; i < TREES; i++) {
            pair_fini(&p[i]);
        }
        CHECK_EMPTY(&mem.pool);
        memory_fini(&mem);
    }
}

/* I5: entries of a shared tree are equal; after a write the ones on the way differ. */
static void
test_equal_entries_after_sharing(void)
{
    memory mem;
    pair p, q;
    memory_init(&mem, PB_UNLIMITED, true);
    tree_init(&p, &mem, 3);
    uint64_t slot = (uint64_t)1 << pb_span_bits(2);
    put_pages(&p, 0, 1, true);
    put_pages(&p, slot, slot, true);
    pair_share(&q, &p);
    CHECK(pb_entry_same(p.b.root.slot[0], q.b.root.slot[0]));
    put_pages(&q, 1, 1, false);
    CHECK(!pb_entry_same(p.b.root.slot[0], q.b.root.slot[0]));
    CHECK(pb_entry_same(p.b.root.slot[1], q.b.root.slot[1]));
    path a = walk_to(&p, 0), b = walk_to(&q, 0);
    CHECK(!pb_entry_same(a.step[1].entry, b.step[1].entry));
    CHECK(pb_entry_same(a.step[2].entry, b.step[2].entry));
    check_tree(&p);
    check_tree(&q);
    pair_fini(&p);
    pair_fini(&q);
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

/* ---- taller and shorter ---- */

/* Root slots of one level, all 16 patterns of holes, raised to any height and back. */
static void
test_raise_and_lower_with_holes(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, false);
    for (unsigned from = 1; from <= PB_MAX_LEVELS; from += from < 4 ? 1 : 9) {
        for (unsigned holes = 0; holes < 16; holes++) {
            unsigned to = pb_min(from + 1 + holes % 4, PB_MAX_LEVELS);
            uint64_t span = (uint64_t)1 << pb_span_bits(from - 1);
            pair p;
            NOTE("from %u to %u pattern %u", from, to, holes);
            tree_init(&p, &mem, from);
            for (unsigned i = 0; i < 4; i++) {
                if (holes >> i & 1) {
                    put_pages(&p, (i + 1) * span - 1, (i + 1) * span - 1, true);
                }
            }
            uint64_t before = mem.pool.held, need = pb_tree_raise_need(&p.b.root, to);
            memory_reserve(&mem, need);
            pb_tree_raise(&mem.pool, &p.b.root, to);
            CHECK_EQ(mem.pool.reserved, 0);
            CHECK_EQ(mem.pool.held, before + need);
            CHECK_EQ(p.b.root.levels, to);
            p.m.levels = to;
            check_tree(&p);
            pb_tree_shrink(&mem.pool, &p.b.root);
            model_shrink(&p.m);
            CHECK_EQ(p.b.root.levels, from);
            CHECK_EQ(mem.pool.held, before);
            check_tree(&p);
            pair_fini(&p);
        }
    }
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

static void
test_nothing_is_needed_to_raise_a_hole(void)
{
    pb_root root = {.levels = 1};
    CHECK_EQ(pb_tree_raise_need(&root, PB_MAX_LEVELS), 0);
    root.slot[2] = pb_entry_of(7);
    CHECK_EQ(pb_tree_raise_need(&root, 1), 0);
    CHECK_EQ(pb_tree_raise_need(&root, 2), 1);
    CHECK_EQ(pb_tree_raise_need(&root, PB_MAX_LEVELS), PB_MAX_LEVELS - 1);
    root.slot[0] = pb_entry_of(8);
    CHECK_EQ(pb_tree_raise_need(&root, 2), PB_FANOUT < 4 ? 2 : 1);
}

/* The used part moves to the right; root slots and levels that become unused go. */
static void
test_settle_wherever_the_bytes_lie(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    for (uint64_t seed = 0; seed < 300; seed++) {
        chance c = chance_of(seed);
        unsigned levels = 1 + (unsigned)(seed % PB_MAX_LEVELS);
        pair p, q;
        NOTE("seed %" PRIu64 " levels %u", seed, levels);
        tree_init(&p, &mem, levels);
        uint64_t first = some_page(&c, levels), last = some_page(&c, levels);
        if (first > last || one_in(&c, 2)) {
            last = pb_min(first + below(&c, 8), (pb_reach(levels) >> PB_PAGE_SHIFT) - 1);
        }
        put_pages(&p, first, first, true);
        put_pages(&p, last, last, true);
        p.b.root.bias = p.m.bias = (first << PB_PAGE_SHIFT) + below(&c, PB_PAGE_SIZE);
        p.b.root.size = p.m.size = ((last + 1) << PB_PAGE_SHIFT) - p.m.bias;
        bool shared = one_in(&c, 2);
        if (shared) {
            pair_share(&q, &p);
        }
        pb_tree_shrink(&mem.pool, &p.b.root);
        model_shrink(&p.m);
        CHECK_EQ(p.b.root.bias, p.m.bias);
        CHECK_EQ(p.b.root.levels, p.m.levels);
        if (shared) {
            pb_tree_shrink(&mem.pool, &q.b.root);
            model_shrink(&q.m);
            CHECK_EQ(q.b.root.bias, p.m.bias);
            CHECK_EQ(q.b.root.levels, p.m.levels);
        }
        pb_tree_stats use;
        pb_buf_stats(&p.b, &use);
        CHECK_EQ(use.pages, p.m.sheets);
        CHECK_EQ(use.nodes, model_nodes(&p.m));
        CHECK_POOL(&mem.pool);
        pair_fini(&p);
        if (shared) {
            pair_fini(&q);
        }
        CHECK_EMPTY(&mem.pool);
    }
    memory_fini(&mem);
}

static void
test_release(void)
{
    memory mem;
    pair p;
    memory_init(&mem, PB_UNLIMITED, true);
    tree_init(&p, &mem, pb_tree_levels_for(902 * PB_PAGE_SIZE));
    put_pages(&p, 0, 70, true);
    put_pages(&p, 900, 901, true);
    pb_tree_release(&mem.pool, &p.b.root);
    CHECK_EQ(p.b.root.size + p.b.root.bias, 0);
    CHECK_EQ(p.b.root.levels, 1);
    CHECK_EQ(p.b.root.shared, 0);
    CHECK_EMPTY(&mem.pool);
    model_clear(&p.m);
    pair_fini(&p);
    memory_fini(&mem);
}

/* ---- the page walk ---- */

static void
test_walk(void)
{
    memory mem;
    memory_init(&mem, PB_UNLIMITED, true);
    for (unsigned levels = 1; levels <= PB_MAX_LEVELS; levels++) {
        pair p;
        NOTE("levels %u", levels);
        tree_init(&p, &mem, levels);
        uint64_t page = (pb_reach(levels) >> PB_PAGE_SHIFT) / 3 * 2;
        path w = walk_to(&p, page);
        CHECK_EQ(w.n, 1);
        CHECK_EQ(w.step[0].level, 1);
        CHECK_EQ(w.step[0].index, 2);
        CHECK_EQ(w.step[0].entry | w.step[0].frame | w.step[0].address, 0);
        put_pages(&p, page, page, true);
        w = walk_to(&p, page);
        CHECK_EQ(w.n, levels);
        uint64_t number = 0;
        for (unsigned i = 0; i < w.n; i++) {
            CHECK_EQ(w.step[i].level, i + 1);
            CHECK_EQ(w.step[i].entry, pb_entry_of(w.step[i].frame));
            CHECK_EQ(w.step[i].address,
                     (uintptr_t)pb_frame_address(&mem.pool, w.step[i].frame));
            number = number * PB_FANOUT + w.step[i].index;
        }
        CHECK_EQ(number, page);
        CHECK_EQ(*(uint64_t *)w.step[w.n - 1].address, page);
        w = walk_to(&p, page ^ 1); /* a hole in the same leaf */
        CHECK_EQ(w.n, levels);
        CHECK_EQ(w.step[w.n - 1].frame, 0);
        pair_fini(&p);
    }
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

int
main(void)
{
    RUN(test_levels_for);
    RUN(test_leaf_of_a_hole);
    RUN(test_one_page_costs_one_node_a_level);
    RUN(test_put_and_drop_at_random);
    RUN(test_put_and_drop_in_shared_trees);
    RUN(test_equal_entries_after_sharing);
    RUN(test_raise_and_lower_with_holes);
    RUN(test_nothing_is_needed_to_raise_a_hole);
    RUN(test_settle_wherever_the_bytes_lie);
    RUN(test_release);
    RUN(test_walk);
    return finish();
}
