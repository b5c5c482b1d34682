/* A directory against a sorted list of names: what is found, the order, the pages, and calls that run
 * out of pages. */
#include "buffer/share.h"
#include "directory/directory.h"
#include "support.h"

#define MOST 3000

typedef struct {
    uint8_t name[PB_NAME_MOST], value[PB_VALUE_MOST], kind;
    uint32_t n, size;
} named;

static memory m;
static pb_buf bytes;
static pb_directory d;
static named list[MOST];
static unsigned count;

static void
begin(uint64_t limit)
{
    memory_init(&m, limit, false);
    pb_buf_init(&bytes, &m.pool, PB_MAX_LEVELS);
    pb_directory_begin(&d, &bytes);
    count = 0;
}

static void
end(void)
{
    pb_buf_fini(&bytes);
    CHECK_EMPTY(&m.pool);
    memory_fini(&m);
}

static pb_name
name_of(const named *x)
{
    return (pb_name){x->name, x->n};
}

/* The place of a name in the list, or where it would be. */
static unsigned
place_of(pb_name name, bool *found)
{
    unsigned i = 0;
    while (i < count && pb_name_compare(name_of(&list[i]), name) < 0) {
        i++;
    }
    *found = i < count && pb_name_compare(name_of(&list[i]), name) == 0;
    return i;
}

static named
draw_named(chance *c, unsigned kinds)
{
    named x = {.n = 1 + (uint32_t)below(c, kinds > 1 && one_in(c, 4) ? 255 : 3)};
    for (uint32_t i = 0; i < x.n; i++) {
        x.name[i] = (uint8_t)(one_in(c, 3) ? draw(c) : 'a' + below(c, 8));
    }
    x.size = (uint32_t)below(c, PB_VALUE_MOST + 1);
    x.kind = (uint8_t)below(c, 4);
    fill(c, x.value, x.size);
    return x;
}

/* ---- the same calls on both ---- */

static pb_status
put(const named *x)
{
    pb_status st;
    bool found;
    GROWING(&m, st, pb_directory_put(&d, name_of(x), x->kind, x->value, x->size));
    if (st != PB_OK) {
        return st;
    }
    unsigned i = place_of(name_of(x), &found);
    if (!found) {
        CHECK(count < MOST);
        memmove(&list[i + 1], &list[i], (count - i) * sizeof *list);
        count++;
    }
    list[i] = *x;
    return PB_OK;
}

static void
drop(pb_name name)
{
    bool found, was;
    pb_status st;
    unsigned i = place_of(name, &was);
    named gone = list[i]; /* the name may lie in the list */
    GROWING(&m, st, pb_directory_remove(&d, was ? name_of(&gone) : name, &found));
    CHECK_OK(st);
    CHECK_EQ(found, was);
    if (was) {
        memmove(&list[i], &list[i + 1], (--count - i) * sizeof *list);
    }
}

static void
check_value(const named *x)
{
    uint8_t value[PB_VALUE_MOST], kind;
    uint32_t size;
    bool found;
    CHECK_OK(pb_directory_find(&d, name_of(x), value, &size, &kind, &found));
    CHECK(found);
    CHECK_EQ(kind, x->kind);
    CHECK_EQ(size, x->size);
    CHECK_BYTES(value, x->value, size);
}

static void
check_all(void)
{
    uint8_t name[PB_NAME_MOST], next[PB_NAME_MOST];
    uint32_t n = 0, after;
    const char *why = pb_directory_check(&d);
    NOTE("%s", why ? why : "");
    CHECK(why == NULL);
    CHECK_EQ(d.names, count);
    for (unsigned i = 0; i <= count; i++) {
        CHECK_OK(pb_directory_next(&d, (pb_name){name, n}, next, &after));
        CHECK_EQ(after, i < count ? list[i].n : 0);
        if (i < count) {
            CHECK_BYTES(next, list[i].name, after);
            check_value(&list[i]);
        }
        memcpy(name, next, after);
        n = after;
    }
}

/* ---- tests ---- */

static void
test_without_names(void)
{
    bool found;
    uint8_t value[PB_VALUE_MOST], kind;
    uint32_t size;
    pb_name name = {(const uint8_t *)"a", 1};
    begin(PB_UNLIMITED);
    check_all();
    CHECK_OK(pb_directory_find(&d, name, value, &size, &kind, &found));
    CHECK(!found);
    CHECK_OK(pb_directory_remove(&d, name, &found));
    CHECK(!found);
    CHECK_STATUS(pb_directory_put(&d, (pb_name){value, 0}, 1, value, 1), PB_RANGE);
    CHECK_STATUS(pb_directory_put(&d, name, 1, value, PB_VALUE_MOST + 1), PB_RANGE);
    end();
}

static void
test_at_random(void)
{
    for (uint64_t seed = 0; seed < 6; seed++) {
        chance c = chance_of(seed);
        begin(PB_UNLIMITED);
        for (unsigned i = 0; i < 3000; i++) {
            named x = draw_named(&c, seed % 2 + 1);
            bool shrink = (i / 700) % 2;
            if (count && below(&c, 10) < (shrink ? 7u : 2u)) {
                drop(name_of(&list[below(&c, count)]));
            }
            else if (one_in(&c, 10)) {
                drop(name_of(&x));
            }
            else {
                CHECK_OK(put(&x));
            }
            if (i % 250 == 0) {
                check_all();
            }
        }
        check_all();
        while (count) {
            drop(name_of(&list[below(&c, count)]));
        }
        check_all();
        CHECK_EQ(d.height, 0);
        end();
    }
}

/* The longest names: the fewest records a page. */
static void
test_the_tallest_tree(void)
{
    begin(PB_UNLIMITED);
    for (unsigned i = 0; i < 2000; i++) {
        named x = {.n = PB_NAME_MOST, .size = PB_VALUE_MOST, .kind = 1};
        memset(x.name, 'n', x.n);
        uint32_t mixed = i * 2654435761u;
        memcpy(x.name + PB_NAME_MOST - 4, &mixed, 4);
        CHECK_OK(put(&x));
    }
    CHECK(d.height >= 2);
    check_all();
    end();
}

/* A call that finds no pages changes no name, and its snapshot shows what was there. */
static void
test_short_of_pages(void)
{
    chance c = chance_of(7);
    unsigned refused = 0;
    begin(PB_UNLIMITED);
    for (unsigned i = 0; i < 600; i++) {
        pb_buf snapshot;
        pb_status st;
        pb_directory then = d;
        named x = draw_named(&c, 2);
        pb_buf_init_internal(&snapshot, &m.pool);
        GROWING(&m, st, pb_buf_share(&snapshot, &bytes));
        CHECK_OK(st);
        m.pool.limit = m.pool.held + below(&c, 4);
        refused += put(&x) == PB_LIMIT;
        m.pool.limit = PB_UNLIMITED;
        CHECK(pb_directory_check(&d) == NULL);
        CHECK_EQ(d.names, count);
        then.bytes = &snapshot;
        CHECK(pb_directory_check(&then) == NULL);
        pb_buf_fini(&snapshot);
    }
    CHECK(refused > 20);
    check_all();
    end();
}

/* A page that was changed by somebody else is noticed, and nothing behind it is touched. */
static void
test_damaged_pages(void)
{
    chance c = chance_of(8);
    begin(PB_UNLIMITED);
    for (unsigned i = 0; i < 400; i++) {
        named x = draw_named(&c, 2);
        CHECK_OK(put(&x));
    }
    for (unsigned i = 0; i < 3000; i++) {
        uint8_t was, bad = (uint8_t)draw(&c), value[PB_VALUE_MOST], kind;
        uint64_t at = below(&c, bytes.root.size);
        uint32_t size;
        bool found;
        at = one_in(&c, 2) ? at
                           : at / PB_DIRECTORY_PAGE * PB_DIRECTORY_PAGE + below(&c, 300);
        at = pb_min(at, bytes.root.size - 1);
        (void)pb_buf_copy_out(&bytes, at, &was, 1);
        CHECK_OK(pb_buf_write(&bytes, at, &bad, 1));
        (void)pb_directory_check(&d);
        (void)pb_directory_find(&d, name_of(&list[below(&c, count)]), value, &size, &kind,
                                &found);
        CHECK_OK(pb_buf_write(&bytes, at, &was, 1));
    }
    check_all();
    end();
}

int
main(void)
{
    RUN(test_without_names);
    RUN(test_at_random);
    RUN(test_the_tallest_tree);
    RUN(test_short_of_pages);
    RUN(test_damaged_pages);
    return finish();
}
