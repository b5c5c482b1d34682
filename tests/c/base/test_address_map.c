/* The map of addresses beside a plain array of ranges that is searched from end to end.
 * The addresses are made up, because the map never dereferences them. */
#include "base/address_map.h"
#include "support.h"

enum { SLOTS = 120, MANY = 100000 };

/* ---- the model: slot i holds a range while end[i] is not 0 ---- */

static pb_intervals tree;
static pb_interval node[SLOTS];
static uintptr_t start[SLOTS], end[SLOTS];

static const void *
at(uintptr_t address)
{
    return (const void *)address;
}

static void
begin(void)
{
    memset(&tree, 0, sizeof tree);
    memset(end, 0, sizeof end);
}

static void
put(unsigned i, uintptr_t from, size_t n)
{
    pb_intervals_add(&tree, &node[i], at(from), n);
    start[i] = from;
    end[i] = from + n;
}

static void
take_out(unsigned i)
{
    pb_intervals_remove(&tree, &node[i]);
    end[i] = 0;
    memset(&node[i], GARBAGE, sizeof node[i]); /* the tree must not read it from now on */
}

/* ---- does the tree agree with it? ---- */

static void
check_tree(const pb_intervals *t)
{
    const char *why = NULL;
    if (!pb_intervals_check(t, &why)) {
        fail_at(__FILE__, __LINE__, "the tree is damaged: %s", why);
    }
    CHECK(why == NULL);
}

/* The slot of a tree node; checks that the model has the same range there. */
static unsigned
slot_of(const pb_interval *x)
{
    unsigned i = (unsigned)(x - node);
    CHECK(i < SLOTS && end[i] != 0);
    CHECK_EQ(x->start, start[i]);
    CHECK_EQ(x->end, end[i]);
    return i;
}

/* The tree has every range once, in order of address. */
static void
check_order(void)
{
    bool seen[SLOTS] = {false};
    uintptr_t before = 0;
    unsigned in_tree = 0, in_model = 0;
    for (const pb_interval *x = pb_intervals_first(&tree); x; x = pb_intervals_next(x)) {
        unsigned i = slot_of(x);
        CHECK(!seen[i] && before <= x->start);
        seen[i] = true;
        before = x->start;
        in_tree++;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        in_model += end[i] != 0;
    }
    CHECK_EQ(in_tree, in_model);
    CHECK_EQ(tree.count, in_model);
}

static bool
model_contains(unsigned i, uintptr_t p, size_t n)
{
    return end[i] && start[i] <= p && p + n <= end[i];
}

static bool
model_touches(unsigned i, uintptr_t p, size_t n)
{
    return n && end[i] && start[i] < p + n && p < end[i];
}

/* The lowest start of the matching ranges; 0: none matches. */
static uintptr_t
model_first(bool (*is)(unsigned, uintptr_t, size_t), uintptr_t p, size_t n)
{
    uintptr_t first = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        if (is(i, p, n) && (first == 0 || start[i] < first)) {
            first = start[i];
        }
    }
    return first;
}

static void
check_question(uintptr_t p, size_t n)
{
    const pb_interval *in = pb_intervals_containing(&tree, at(p), n);
    const pb_interval *on = pb_intervals_touching(&tree, at(p), n);
    DOING("asked for %zu bytes at %zu", n, (size_t)p);
    CHECK_EQ(in ? in->start : 0, model_first(model_contains, p, n));
    CHECK_EQ(on ? on->start : 0, model_first(model_touches, p, n));
    CHECK(in == NULL || model_contains(slot_of(in), p, n));
    CHECK(on == NULL || model_touches(slot_of(on), p, n));
}

/* Ask every possible question about a few addresses. */
static void
check_all_questions(uintptr_t low, uintptr_t high)
{
    for (uintptr_t p = low; p <= high; p++) {
        for (size_t n = 0; p + n <= high; n++) {
            check_question(p, n);
        }
    }
}

/* ---- one tree ---- */

static void
test_empty_tree(void)
{
    begin();
    check_tree(&tree);
    CHECK(pb_intervals_first(&tree) == NULL);
    check_all_questions(1, 4);
    CHECK(pb_intervals_containing(&tree, NULL, 0) == NULL);
    CHECK(pb_intervals_touching(&tree, NULL, SIZE_MAX) == NULL);
}

static void
test_one_range_and_one_byte(void)
{
    for (size_t n = 1; n <= 6; n += 5) {
        NOTE("a range of %zu", n);
        begin();
        put(0, 20, n);
        check_tree(&tree);
        check_all_questions(17, 30);
        take_out(0);
        check_tree(&tree);
        check_order();
        check_all_questions(17, 30);
    }
}

/* Adjacent ranges share no byte, and no range across both is contained in one. */
static void
test_adjacent_ranges_stay_two(void)
{
    begin();
    put(0, 10, 5);
    put(1, 15, 5);
    check_order();
    check_all_questions(8, 22);
    CHECK(pb_intervals_containing(&tree, at(14), 2) == NULL);
    CHECK(pb_intervals_containing(&tree, at(10), 5) == &node[0]);
    CHECK(pb_intervals_containing(&tree, at(15), 5) == &node[1]);
    CHECK(pb_intervals_touching(&tree, at(15), 1) == &node[1]);
}

/* The outermost range starts first, far left of the question: only its reach leads
 * there. */
static void
test_nested_ranges(void)
{
    begin();
    for (unsigned i = 0; i < 10; i++) {
        put(i, 10 + i, 30 - 2 * i);
        check_tree(&tree);
    }
    check_all_questions(8, 42);
    for (unsigned i = 0; i < 10; i++) {
        take_out(i);
        check_tree(&tree);
        check_all_questions(8, 42);
    }
}

static void
test_equal_ranges_come_in_the_order_they_were_added(void)
{
    begin();
    for (unsigned i = 0; i < SLOTS; i++) {
        put(i, 50, 7);
    }
    pb_interval *x = pb_intervals_first(&tree);
    for (unsigned i = 0; i < SLOTS; i++, x = pb_intervals_next(x)) {
        CHECK_EQ(slot_of(x), i);
    }
    CHECK(x == NULL);
    for (unsigned i = 0; i < SLOTS; i++) {
        take_out(i * 7 % SLOTS); /* 7 and SLOTS have no factor in common */
        check_tree(&tree);
        check_order();
        check_question(50, 7);
    }
}

/* Any node can go out and come back as another range. */
static void
random_step(chance *c, uintptr_t width, size_t longest)
{
    unsigned i = (unsigned)below(c, SLOTS);
    if (end[i]) {
        DOING("taking out slot %u", i);
        take_out(i);
    }
    else {
        size_t n = one_in(c, 4) ? 1 : 1 + below(c, longest);
        DOING("putting slot %u in", i);
        put(i, 100 + below(c, width), n);
    }
    check_tree(&tree);
    check_order();
}

static void
test_random(void)
{
    static const size_t longest[] = {1, 8, 40, 300};
    for (unsigned k = 0; k < 4; k++) {
        chance c = chance_of(k);
        begin();
        for (unsigned step = 0; step < 2500; step++) {
            NOTE("longest %zu, step %u", longest[k], step);
            random_step(&c, 200, longest[k]);
            for (unsigned i = 0; i < 8; i++) {
                check_question(90 + below(&c, 220), below(&c, 2 + longest[k]));
            }
        }
    }
}

/* Only a few addresses, so that starts and ends meet all the time; asks everything. */
static void
test_random_in_a_narrow_place(void)
{
    chance c = chance_of(9);
    begin();
    for (unsigned step = 0; step < 300; step++) {
        NOTE("step %u", step);
        random_step(&c, 12, 6);
        check_all_questions(98, 120);
    }
}

/* ---- the ends of the address space ---- */

static void
test_first_byte_of_the_address_space(void)
{
    pb_interval x;
    begin();
    pb_intervals_add(&tree, &x, NULL, 3);
    check_tree(&tree);
    CHECK(pb_intervals_containing(&tree, NULL, 3) == &x);
    CHECK(pb_intervals_containing(&tree, NULL, 0) == &x);
    CHECK(pb_intervals_containing(&tree, NULL, 4) == NULL);
    CHECK(pb_intervals_touching(&tree, NULL, 1) == &x);
    CHECK(pb_intervals_touching(&tree, at(2), 1) == &x);
    CHECK(pb_intervals_touching(&tree, at(3), 1) == NULL);
}

/* I8: an end that would wrap is the last address, not a small number. */
static void
test_end_past_the_address_space(void)
{
    const uintptr_t top = UINTPTR_MAX;
    pb_interval low, high;
    begin();
    pb_intervals_add(&tree, &low, at(10), 10);
    pb_intervals_add(&tree, &high, at(top - 10), 10);
    check_tree(&tree);
    CHECK(pb_intervals_containing(&tree, at(top - 10), 10) == &high);
    CHECK(pb_intervals_containing(&tree, at(top - 10), 11) == NULL);
    CHECK(pb_intervals_containing(&tree, at(top - 10), SIZE_MAX) == NULL);
    CHECK(pb_intervals_containing(&tree, at(15), SIZE_MAX) == NULL);
    CHECK(pb_intervals_containing(&tree, at(15), SIZE_MAX - 14) == NULL); /* wraps to 15 */
    CHECK(pb_intervals_touching(&tree, at(top - 3), SIZE_MAX) == &high);
    CHECK(pb_intervals_touching(&tree, at(top - 3), 4) == &high);
    CHECK(pb_intervals_touching(&tree, at(20), SIZE_MAX) == &high);
    CHECK(pb_intervals_touching(&tree, at(20), top - 30) == NULL);
    CHECK(pb_intervals_touching(&tree, at(20), top - 29) == &high);
    CHECK(pb_intervals_touching(&tree, at(19), SIZE_MAX) == &low);
    CHECK(pb_intervals_touching(&tree, at(top), 1) == NULL);
}

static void
test_range_past_the_address_space_ends_with_it(void)
{
    pb_interval x;
    begin();
    pb_intervals_add(&tree, &x, at(UINTPTR_MAX - 4), 100);
    check_tree(&tree);
    CHECK_EQ(x.end, UINTPTR_MAX);
    CHECK(pb_intervals_containing(&tree, at(UINTPTR_MAX - 4), 4) == &x);
    CHECK(pb_intervals_containing(&tree, at(UINTPTR_MAX - 4), 100) == NULL);
    CHECK(pb_intervals_touching(&tree, at(UINTPTR_MAX - 2), 100) == &x);
}

/* ---- how deep it gets ---- */

static pb_interval many[MANY];

static unsigned
depth(const pb_interval *x)
{
    if (x == NULL) {
        return 0;
    }
    unsigned a = depth(x->child[0]), b = depth(x->child[1]);
    return 1 + (a > b ? a : b);
}

static void
check_depth(const pb_intervals *t)
{
    unsigned most = 4 * (pb_log2((uint32_t)t->count) + 1) + 8, is = depth(t->root);
    check_tree(t);
    if (is > most) {
        fail_at(__FILE__, __LINE__, "%zu ranges are %u deep, more than %u", t->count, is,
                most);
    }
}

static uintptr_t
ascending(uintptr_t i)
{
    return 1 + 16 * i;
}

static uintptr_t
descending(uintptr_t i)
{
    return ascending(MANY - i);
}

static uintptr_t
from_both_ends(uintptr_t i)
{
    return i % 2 ? ascending(i) : descending(i);
}

static uintptr_t
all_the_same(uintptr_t i)
{
    (void)i;
    return 1;
}

/* Then all but every 16th are removed.  The rest must be as shallow as if added alone. */
static void
grow_and_thin_out(uintptr_t (*place)(uintptr_t))
{
    pb_intervals t = {0};
    for (unsigned i = 0; i < MANY; i++) {
        pb_intervals_add(&t, &many[i], at(place(i)), 24);
    }
    check_depth(&t);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 16) {
            pb_intervals_remove(&t, &many[i]);
        }
    }
    CHECK_EQ(t.count, MANY / 16);
    check_depth(&t);
}

static void
test_depth_in_any_order(void)
{
    NOTE("ascending");
    grow_and_thin_out(ascending);
    NOTE("descending");
    grow_and_thin_out(descending);
    NOTE("from both ends");
    grow_and_thin_out(from_both_ends);
    NOTE("all the same");
    grow_and_thin_out(all_the_same);
}

/* As views of a queue do: a new range at the top each time, and the oldest one leaves. */
static void
test_depth_of_a_window_that_moves_on(void)
{
    pb_intervals t = {0};
    for (uintptr_t i = 0; i < 2 * MANY; i++) {
        pb_interval *x = &many[i % 1000];
        if (i >= 1000) {
            pb_intervals_remove(&t, x);
        }
        pb_intervals_add(&t, x, at(ascending(i)), 16);
    }
    CHECK_EQ(t.count, 1000);
    check_depth(&t);
}

/* ---- the rule ---- */

static pb_map map;
static const char *why;

#define CHECK_MAP() (CHECK(pb_map_check(&map, &why)), CHECK(why == NULL))

static void
allowed(uintptr_t from, uintptr_t to)
{
    const pb_interval *where;
    DOING("%zu to %zu", (size_t)from, (size_t)to);
    CHECK(pb_map_allows(&map, at(from), to - from, &where));
}

static void
refused(uintptr_t from, uintptr_t to, const pb_interval *region)
{
    const pb_interval *where = NULL;
    DOING("%zu to %zu", (size_t)from, (size_t)to);
    CHECK(!pb_map_allows(&map, at(from), to - from, &where));
    CHECK(where == region);
}

static void
test_empty_map_allows_everything(void)
{
    pb_map_init(&map);
    CHECK_MAP();
    allowed(0, 0);
    allowed(0, UINTPTR_MAX);
}

/* Regions [100, 200) and [300, 400), nothing handed out. */
static void
test_regions_are_refused_at_their_edges(void)
{
    pb_interval a, b;
    pb_map_init(&map);
    pb_map_add_region(&map, &b, at(300), 100);
    pb_map_add_region(&map, &a, at(100), 100);
    CHECK_MAP();
    allowed(50, 100);
    refused(50, 101, &a);
    refused(100, 101, &a);
    refused(199, 200, &a);
    refused(199, 250, &a);
    allowed(200, 300);
    refused(200, 301, &b);
    refused(399, 500, &b);
    allowed(400, 500);
    refused(0, 1000, &a); /* around both: the first */
    allowed(150, 150);    /* no bytes: always allowed */
}

/* Views [110, 150), inside it [120, 130) twice, and side by side [160, 170), [170, 180). */
static void
test_views_are_allowed_one_at_a_time(void)
{
    pb_interval a, outer, inner[2], x, y;
    pb_map_init(&map);
    pb_map_add_region(&map, &a, at(100), 100);
    pb_map_add_view(&map, &inner[0], at(120), 10);
    pb_map_add_view(&map, &outer, at(110), 40);
    pb_map_add_view(&map, &inner[1], at(120), 10);
    pb_map_add_view(&map, &x, at(160), 10);
    pb_map_add_view(&map, &y, at(170), 10);
    CHECK_MAP();
    allowed(110, 150);
    allowed(120, 130);
    allowed(115, 125); /* past the inner ones, in the outer one */
    refused(109, 111, &a);
    refused(149, 151, &a);
    refused(150, 160, &a);
    allowed(160, 170);
    allowed(170, 180);
    refused(165, 175, &a); /* x and y hold it, neither holds all */

    pb_map_remove_view(&map, &outer);
    refused(110, 150, &a);
    refused(115, 125, &a);
    allowed(120, 130);
    pb_map_remove_view(&map, &inner[0]);
    allowed(120, 130); /* the other one is still out */
    pb_map_remove_view(&map, &inner[1]);
    refused(120, 130, &a);
    pb_map_remove_region(&map, &a);
    allowed(120, 130);
    CHECK_MAP();
}

/* A view may be of memory that no region has, and may reach over an edge. */
static void
test_views_beside_regions(void)
{
    pb_interval a, copy, over;
    pb_map_init(&map);
    pb_map_add_region(&map, &a, at(100), 100);
    pb_map_add_view(&map, &copy, at(20), 10);
    pb_map_add_view(&map, &over, at(190), 20);
    CHECK_MAP();
    allowed(15, 35);
    allowed(190, 210);
    allowed(205, 250);
    refused(195, 211, &a);
}

/* Two regions side by side, and a view over the seam. */
static void
test_regions_side_by_side(void)
{
    pb_interval a, b, v;
    pb_map_init(&map);
    pb_map_add_region(&map, &a, at(100), 100);
    pb_map_add_region(&map, &b, at(200), 100);
    CHECK_MAP();
    refused(199, 201, &a);
    refused(200, 201, &b);
    pb_map_add_view(&map, &v, at(190), 20);
    allowed(190, 210);
    refused(189, 210, &a);
}

/* I8 */
static void
test_foreign_memory_past_the_address_space(void)
{
    const uintptr_t top = UINTPTR_MAX;
    pb_interval a, v;
    const pb_interval *where;
    pb_map_init(&map);
    pb_map_add_region(&map, &a, at(top - 100), 100);
    pb_map_add_view(&map, &v, at(top - 50), 50);
    CHECK_MAP();
    allowed(top - 50, top);
    CHECK(!pb_map_allows(&map, at(top - 50), 51, &where));
    CHECK(where == &a);
    CHECK(!pb_map_allows(&map, at(top - 50), SIZE_MAX, &where));
    CHECK(!pb_map_allows(&map, at(1), SIZE_MAX, &where));
    CHECK(pb_map_allows(&map, at(1), top - 101, &where));
    CHECK(!pb_map_allows(&map, at(1), top - 100, &where));
}

/* ---- the checks themselves (I10) ---- */

static void
check_named(const char *words)
{
    const char *said = NULL;
    DOING("planted: %s", words);
    CHECK(!pb_intervals_check(&tree, &said));
    if (strstr(said, words) == NULL) {
        fail_at(__FILE__, __LINE__, "named instead: %s", said);
    }
}

/* Plant a value, check that it is named, and take it out again. */
#define PLANT(type, place, value, words) \
    do {                                 \
        type was_ = (place);             \
        (place) = (value);               \
        check_named(words);              \
        (place) = was_;                  \
        check_tree(&tree);               \
    } while (0)

static void
test_damage_is_named(void)
{
    begin();
    for (unsigned i = 0; i < 64; i++) {
        put(i, 100 + 10 * (i * 29 % 64), 15);
    }
    pb_interval *root = tree.root, *below = root->child[1];
    CHECK(root->child[0] && below && below->child[1]);
    PLANT(size_t, tree.count, 63, "count");
    PLANT(pb_interval *, root->up, below, "above the root");
    PLANT(pb_interval *, below->up, NULL, "not linked");
    PLANT(pb_interval *, below->child[1], root, "not linked"); /* a ring */
    PLANT(pb_interval *, root->child[0], below, "out of order");
    PLANT(uint64_t, root->priority, 0, "betters");
    PLANT(uintptr_t, root->reach, root->reach - 1, "reach");
    PLANT(uintptr_t, root->reach, root->reach + 1, "reach");
    PLANT(uintptr_t, root->start, root->end, "empty");
    PLANT(uintptr_t, root->start, 1, "out of order");
    PLANT(uintptr_t, below->start, 1, "out of order");
}

static void
test_overlapping_regions_are_named(void)
{
    pb_interval a, b;
    pb_map_init(&map);
    pb_map_add_region(&map, &a, at(100), 100);
    pb_map_add_region(&map, &b, at(199), 100);
    CHECK(!pb_map_check(&map, &why));
    CHECK(strstr(why, "overlap") != NULL);
    pb_map_remove_region(&map, &b);
    CHECK_MAP();
    pb_map_add_view(&map, &b, at(199), 100);
    b.reach++;
    CHECK(!pb_map_check(&map, &why));
    CHECK(strstr(why, "reach") != NULL);
}

int
main(void)
{
    RUN(test_empty_tree);
    RUN(test_one_range_and_one_byte);
    RUN(test_adjacent_ranges_stay_two);
    RUN(test_nested_ranges);
    RUN(test_equal_ranges_come_in_the_order_they_were_added);
    RUN(test_random);
    RUN(test_random_in_a_narrow_place);
    RUN(test_first_byte_of_the_address_space);
    RUN(test_end_past_the_address_space);
    RUN(test_range_past_the_address_space_ends_with_it);
    RUN(test_depth_in_any_order);
    RUN(test_depth_of_a_window_that_moves_on);
    RUN(test_empty_map_allows_everything);
    RUN(test_regions_are_refused_at_their_edges);
    RUN(test_views_are_allowed_one_at_a_time);
    RUN(test_views_beside_regions);
    RUN(test_regions_side_by_side);
    RUN(test_foreign_memory_past_the_address_space);
    RUN(test_damage_is_named);
    RUN(test_overlapping_regions_are_named);
    return finish();
}
