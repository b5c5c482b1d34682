/* Threads: every buffer has one thread at a time, all of them share one pool, and some of
 * them frames that were copied for another thread (I2).  Compiled on its own,
 * with the pool's lock compiled in (-DPB_LOCKS=1) and under ThreadSanitizer, which must
 * have nothing to say; there are no suppressions.  See the target `tsan` of the Makefile
 * beside this file. */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include "buffer/share.h"
#include "support.h"

#include <pthread.h>

#if !PB_LOCKS
#error "this test is about the pool's lock: -DPB_LOCKS=1"
#endif

enum { THREADS = 4, MOST = 24 * PB_PAGE_SIZE };

static memory mem;
static pthread_mutex_t growing = PTHREAD_MUTEX_INITIALIZER;

/* A buffer and its bytes; threads pass it on. */
typedef struct {
    pb_buf b;
    uint8_t model[MOST];
    uint64_t size;
} item;

typedef struct {
    pthread_t thread;
    chance c;
    item *mine, *mail; /* what another thread left; under the lock of the post */
    uint8_t bytes[MOST];
    unsigned steps, refused;
    bool shares;
    const char *wrong; /* the first thing that went wrong */
} worker;

static pthread_mutex_t post = PTHREAD_MUTEX_INITIALIZER;
static worker workers[THREADS];

/* More frames than any call here needs: its pages, as many nodes, and levels. */
#define ENOUGH (2 * MOST / PB_PAGE_SIZE + PB_MAX_LEVELS)

/* Grow as the binding does: one thread at a time, and only if no other has grown the
 * pool meanwhile. */
static bool
grow_together(void)
{
    pb_pool *pool = &mem.pool;
    pthread_mutex_lock(&growing);
    pb_lock_take(&pool->lock);
    uint64_t left = pool->listed + pool->untouched - pool->reserved;
    pb_lock_drop(&pool->lock);
    if (left < ENOUGH) {
        memory_grow(&mem);
    }
    pthread_mutex_unlock(&growing);
    return true;
}

#define TOGETHER(st, call) \
    do {                   \
        st = (call);       \
    } while (st == PB_NEED_PAGES && grow_together())

static void
went_wrong(worker *w, const char *what)
{
    if (w->wrong == NULL) {
        w->wrong = what;
    }
}

/* true when the call went through; the limit may refuse it, then nothing has changed. */
static bool
done(worker *w, pb_status st)
{
    w->refused += st == PB_LIMIT;
    if (st != PB_OK && st != PB_LIMIT) {
        went_wrong(w, status_name(st));
    }
    return st == PB_OK;
}

static void
work_write(worker *w, uint64_t off, uint64_t n)
{
    pb_status st;
    n = pb_min(n, MOST - off);
    fill(&w->c, w->bytes, n);
    if (n == 0) {
        return;
    }
    if (off == w->mine->size) {
        TOGETHER(st, pb_buf_extend(&w->mine->b, w->bytes, n));
    }
    else {
        TOGETHER(st, pb_buf_write(&w->mine->b, off, w->bytes, n));
    }
    if (done(w, st)) {
        memcpy(w->mine->model + off, w->bytes, n);
        w->mine->size = pb_max(w->mine->size, off + n);
    }
}

static void
work_drop(worker *w, uint64_t n)
{
    pb_status st;
    TOGETHER(st, pb_buf_drop_front(&w->mine->b, n));
    if (done(w, st)) {
        memmove(w->mine->model, w->mine->model + n, MOST - n);
        memset(w->mine->model + MOST - n, 0, n);
        w->mine->size -= n;
    }
}

static void
work_cut(worker *w, uint64_t size)
{
    pb_status st;
    TOGETHER(st, pb_buf_truncate(&w->mine->b, size));
    if (done(w, st)) {
        memset(w->mine->model + size, 0, MOST - size);
        w->mine->size = size;
    }
}

static void
work_punch(worker *w, uint64_t off, uint64_t n)
{
    pb_status st;
    n = pb_min(n, w->mine->size - off);
    TOGETHER(st, pb_buf_punch(&w->mine->b, off, n));
    if (done(w, st)) {
        memset(w->mine->model + off, 0, n);
    }
}

static item *
new_item(void)
{
    item *it = calloc(1, sizeof *it);
    pb_buf_init(&it->b, &mem.pool, PB_MAX_LEVELS);
    return it;
}

static void
free_item(item *it)
{
    if (it) {
        pb_buf_fini(&it->b);
        free(it);
    }
}

/* Leave a copy of my buffer, which shares its frames, with another thread. */
static void
work_give(worker *w)
{
    item *copy = new_item();
    worker *to = &workers[below(&w->c, THREADS)];
    pb_status st;
    TOGETHER(st, pb_buf_share(&copy->b, &w->mine->b));
    if (done(w, st)) {
        memcpy(copy->model, w->mine->model, MOST);
        copy->size = w->mine->size;
        pthread_mutex_lock(&post);
        item *old = to->mail;
        to->mail = copy;
        pthread_mutex_unlock(&post);
        copy = old;
    }
    free_item(copy);
}

/* Go on with what another thread has left for me. */
static void
work_take(worker *w)
{
    pthread_mutex_lock(&post);
    item *mail = w->mail;
    w->mail = NULL;
    pthread_mutex_unlock(&post);
    if (mail) {
        free_item(w->mine);
        w->mine = mail;
    }
}

static void
work_share(worker *w)
{
    if (one_in(&w->c, 2)) {
        work_give(w);
    }
    else {
        work_take(w);
    }
}

static void
work_step(worker *w)
{
    uint64_t n = 1 + below(&w->c, 3 * PB_PAGE_SIZE), off = below(&w->c, w->mine->size + 1);
    switch (below(&w->c, 8)) {
    case 0:
        work_drop(w, off);
        break;
    case 1:
        work_cut(w, off);
        break;
    case 2:
        work_punch(w, off, n);
        break;
    case 3:
        work_write(w, off, n);
        break;
    case 4:
        if (one_in(&w->c, 16)) {
            pb_pool_trim(&mem.pool);
        }
        break;
    case 5:
        if (w->shares) {
            work_share(w);
        }
        break;
    default:
        work_write(w, w->mine->size, n);
    }
    pb_buf_copy_out(&w->mine->b, 0, w->bytes, w->mine->size);
    if (w->mine->b.root.size != w->mine->size ||
        memcmp(w->bytes, w->mine->model, w->mine->size) != 0) {
        went_wrong(w, "bytes differ from the model");
    }
}

static void *
work(void *at)
{
    worker *w = at;
    w->mine = new_item();
    for (unsigned i = 0; i < w->steps && w->wrong == NULL; i++) {
        if (i % 200 == 199) { /* buffers come and go */
            free_item(w->mine);
            w->mine = new_item();
        }
        work_step(w);
    }
    return NULL;
}

/* Returns how often the limit refused. */
static unsigned
run_workers(uint64_t seed, uint64_t limit, unsigned steps, bool shares)
{
    unsigned refused = 0;
    memory_init(&mem, limit, false);
    mem.piece = 20; /* many regions: growth is often under way */
    memset(workers, 0, sizeof workers);
    for (unsigned i = 0; i < THREADS; i++) {
        worker *w = &workers[i];
        w->c = chance_of(seed + i);
        w->steps = steps;
        w->shares = shares;
        CHECK_EQ(pthread_create(&w->thread, NULL, work, w), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    CHECK_POOL(&mem.pool);
    for (unsigned i = 0; i < THREADS; i++) {
        worker *w = &workers[i];
        if (w->wrong) {
            fail_at(__FILE__, __LINE__, "thread %u: %s", i, w->wrong);
        }
        refused += w->refused;
        free_item(w->mine);
        free_item(w->mail);
    }
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
    return refused;
}

static void
test_threads_on_one_pool(void)
{
    run_workers(1, PB_UNLIMITED, 2500, false);
}

/* Threads race for the last frames; a thread that comes late is refused and loses
 * nothing. */
static void
test_threads_at_the_limit(void)
{
    CHECK(run_workers(100, 30, 1500, false) > 0);
}

/* Copies go from thread to thread, and all write: each changes only its own copy. */
static void
test_threads_that_share_frames(void)
{
    for (uint64_t seed = 0; seed < 12; seed++) {
        NOTE("seed %" PRIu64, seed);
        run_workers(200 + 10 * seed, PB_UNLIMITED, 3000, true);
    }
}

/* Frame 255 is the last of its region, and 256 will be the first of the next one.  A thread
 * asks for the neighbour of 255 over and over, while another one adds that region. */
static uint32_t asked; /* how often; UINT32_MAX: stop */

static void *
ask_for_a_neighbour(void *at)
{
    pb_pool *pool = at;
    uint32_t got, n = 0;
    bool zero;
    while (pb_load32(&asked) != UINT32_MAX) {
        if (pb_pool_reserve(pool, 1) == PB_OK) {
            pb_frame_unref(pool, pb_pool_take_run(pool, 255, 1, &got, &zero));
        }
        if (n < 1000) {
            pb_store32(&asked, ++n);
        }
    }
    return NULL;
}

static void
test_a_region_comes_while_its_neighbour_is_asked_for(void)
{
    pthread_t thread;
    memory_init(&mem, PB_UNLIMITED, true);
    pb_frame last = 0;
    while (last != 255) {
        last = take_data(&mem, last);
    }
    pb_frame_unref(&mem.pool, 7);
    asked = 0;
    CHECK_EQ(pthread_create(&thread, NULL, ask_for_a_neighbour, &mem.pool), 0);
    while (pb_load32(&asked) < 1000) {
    }
    memory_grow(&mem);
    memory_grow(&mem);
    pb_store32(&asked, UINT32_MAX);
    pthread_join(thread, NULL);
    CHECK_EQ(mem.pool.held, 254);
    for (pb_frame f = 1; f < 256; f++) {
        if (f != 7) {
            pb_frame_unref(&mem.pool, f);
        }
    }
    CHECK_EMPTY(&mem.pool);
    memory_fini(&mem);
}

/* Threads that find the pool short at once: each region has a place of its own. */
enum { REGIONS = 10, SMALL = 4 };

static void *
add_regions(void *at)
{
    memory *m = at;
    for (int i = 0; i < REGIONS; i++) {
        memory_grow_by(m, SMALL);
    }
    return NULL;
}

static void
test_two_threads_grow_one_pool(void)
{
    static memory halves[2];
    pthread_t threads[2];
    memory_init(&mem, PB_UNLIMITED, true);
    for (int i = 0; i < 2; i++) { /* the memory of each, and the pool of neither */
        memory_init(&halves[i], PB_UNLIMITED, true);
        halves[i].pool.root = &mem.pool;
        CHECK_EQ(pthread_create(&threads[i], NULL, add_regions, &halves[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQ(mem.pool.regions, 2 * REGIONS);
    CHECK_EQ(mem.pool.total, 2 * REGIONS * SMALL - 1); /* frame 0 is none */
    CHECK_POOL(&mem.pool);
    memory_fini(&mem);
    for (int i = 0; i < 2; i++) {
        halves[i].pool.root = &halves[i].pool;
        memory_fini(&halves[i]);
    }
}

/* Children that are made in two threads: no number twice. */
enum { CHILDREN = 200 };

static pb_pool *accounts[PB_MOST_POOLS], children[2][CHILDREN];

static void *
join_children(void *at)
{
    pb_pool *mine = at;
    for (int i = 0; i < CHILDREN; i++) {
        pb_pool_init(&mine[i], PB_UNLIMITED);
        pb_pool_join(&mine[i], &mem.pool, 1);
    }
    return NULL;
}

static void
test_children_made_in_two_threads(void)
{
    pthread_t threads[2];
    memory_init(&mem, PB_UNLIMITED, true);
    memset(accounts, 0, sizeof accounts);
    CHECK(pb_pool_offer_accounts(&mem.pool, accounts));
    CHECK(!pb_pool_offer_accounts(&mem.pool, accounts));
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, join_children, children[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < CHILDREN; i++) {
        CHECK(accounts[children[0][i].account] == &children[0][i]);
        CHECK(accounts[children[1][i].account] == &children[1][i]);
    }
    mem.pool.accounts = NULL;
    memory_fini(&mem);
}

int
main(void)
{
    RUN(test_threads_on_one_pool);
    RUN(test_threads_at_the_limit);
    RUN(test_threads_that_share_frames);
    RUN(test_two_threads_grow_one_pool);
    RUN(test_children_made_in_two_threads);
    RUN(test_a_region_comes_while_its_neighbour_is_asked_for);
    return finish();
}
