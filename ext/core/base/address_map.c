/* base/address_map.c: the rule about foreign memory. */
#include "base/address_map.h"

void
pb_map_init(pb_map *m)
{
    *m = (pb_map){.regions = {0}};
    pb_lock_init(&m->lock);
}

static void
add_under_lock(pb_map *m, pb_intervals *t, pb_interval *x, const void *start, size_t n)
{
    pb_lock_take(&m->lock);
    pb_intervals_add(t, x, start, n);
    pb_lock_drop(&m->lock);
}

static void
remove_under_lock(pb_map *m, pb_intervals *t, pb_interval *x)
{
    pb_lock_take(&m->lock);
    pb_intervals_remove(t, x);
    pb_lock_drop(&m->lock);
}

/* Four names for two steps: callers say region or view, and none passes a tree. */
void
pb_map_add_region(pb_map *m, pb_interval *x, const void *start, size_t n)
{
    add_under_lock(m, &m->regions, x, start, n);
}

void
pb_map_remove_region(pb_map *m, pb_interval *x)
{
    remove_under_lock(m, &m->regions, x);
}

void
pb_map_add_view(pb_map *m, pb_interval *x, const void *start, size_t n)
{
    add_under_lock(m, &m->views, x, start, n);
}

void
pb_map_remove_view(pb_map *m, pb_interval *x)
{
    remove_under_lock(m, &m->views, x);
}

bool
pb_map_allows(pb_map *m, const void *p, size_t n, const pb_interval **where)
{
    pb_lock_take(&m->lock);
    *where = pb_intervals_touching(&m->regions, p, n);
    bool allowed = *where == NULL || pb_intervals_containing(&m->views, p, n) != NULL;
    pb_lock_drop(&m->lock);
    return allowed;
}

/* In a sound tree, neighbours in order are neighbours in memory: compare each range with
 * the next. */
static bool
check_apart(const pb_intervals *t, const char **why)
{
    uintptr_t end = 0;
    for (const pb_interval *x = pb_intervals_first(t); x; x = pb_intervals_next(x)) {
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
    bool whole = pb_intervals_check(&m->regions, why) && check_apart(&m->regions, why) &&
                 pb_intervals_check(&m->views, why);
    pb_lock_drop(&m->lock);
    return whole;
}
