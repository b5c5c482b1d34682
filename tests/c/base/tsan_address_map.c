/* Threads use one map: each hands out views of its own region and takes them back, while
 * all ask about all regions.  Compiled and run as tsan_pool.c is.  ThreadSanitizer must
 * report nothing, and every answer about a thread's own region must be right. */
#include "base/address_map.h"
#include "support.h"

#include <pthread.h>

#if !PB_LOCKS
#error "this test is about the map's lock: -DPB_LOCKS=1"
#endif

enum { THREADS = 4, STEPS = 4000, VIEWS = 16, SPAN = 1000 };

static pb_map map;

typedef struct {
    pthread_t thread;
    chance c;
    uintptr_t base; /* of its region: [base, base + SPAN) */
    pb_interval region, view[VIEWS];
    size_t size[VIEWS]; /* 0: not out */
    unsigned wrong;
} worker;

static worker workers[THREADS];

/* View k starts at base + 60 k and is shorter than that, so it is alone there. */
static uintptr_t
place(const worker *w, unsigned k)
{
    return w->base + 60 * k;
}

static bool
allows(uintptr_t p, size_t n)
{
    const pb_interval *where;
    return pb_map_allows(&map, (const void *)p, n, &where);
}

/* Hand a view out, or take it back. */
static void
turn(worker *w, unsigned k)
{
    if (w->size[k]) {
        pb_map_remove_view(&map, &w->view[k]);
        w->size[k] = 0;
    }
    else {
        w->size[k] = 1 + below(&w->c, 50);
        pb_map_add_view(&map, &w->view[k], (const void *)place(w, k), w->size[k]);
    }
}

static void *
work(void *arg)
{
    worker *w = arg;
    pb_map_add_region(&map, &w->region, (const void *)w->base, SPAN);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned k = (unsigned)below(&w->c, VIEWS);
        size_t n = 1 + below(&w->c, 50);
        turn(w, k);
        w->wrong += allows(place(w, k), n) != (n <= w->size[k]);
        allows(SPAN * below(&w->c, THREADS + 2),
               n); /* another thread's region: any answer will do */
    }
    for (unsigned k = 0; k < VIEWS; k++) {
        if (w->size[k]) {
            turn(w, k);
        }
    }
    pb_map_remove_region(&map, &w->region);
    return NULL;
}

static void
test_threads_share_a_map(void)
{
    const char *why = NULL;
    pb_map_init(&map);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].c = chance_of(i);
        workers[i].base = SPAN * (i + 1);
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    CHECK(pb_map_check(&map, &why)); /* in the middle of it */
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
        CHECK_EQ(workers[i].wrong, 0);
    }
    CHECK(pb_map_check(&map, &why));
    CHECK_EQ(map.regions.count + map.views.count, 0);
}

int
main(void)
{
    RUN(test_threads_share_a_map);
    return finish();
}
