/* pool/trim.c: free frames given back to the system. */
#include "pool/advise.h"
#include "pool/internal.h"

/* Is the free frame i of a region warm? */
static inline bool
is_warm(const pb_region *r, uint32_t i)
{
    return bit_get(r->free_map, i) && !r->table[i].free.cold;
}

/* Discard the warm frames [i, i + n) of a region, whole system pages only.  They move to
 * the cold list, the lowest in front.  Debug pools note what a free frame contains. */
static uint64_t
cool(pb_pool *root, pb_region *r, uint32_t i, uint32_t n)
{
    uint32_t from = i, to = i + n;
    if (root->debug && !r->discard_zeroes) {
        return 0;
    }
    uint64_t bytes = pb_advise_discard(r, &from, &to);
    if (bytes) {
        list_remove_run(root, r->first + from, to - from);
        list_push_cold(root, r->first + from, to - from);
    }
    if (bytes && r->discard_zeroes) {
        bits_set(r->zero_map, from, to - from);
    }
    return bytes;
}

static uint64_t
trim_region(pb_pool *root, pb_region *r)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0, n; i < r->count; i += n + 1) {
        for (n = 0; i + n < r->count && is_warm(r, i + n); n++) {
        }
        bytes += n ? cool(root, r, i, n) : 0;
    }
    return bytes;
}

uint64_t
pb_pool_trim(pb_pool *pool)
{
    pb_pool *root = pool->root;
    uint64_t bytes = 0;
    pb_lock_take(&root->lock);
    EACH_REGION(root, r)
    {
        bytes += trim_region(root, r) + pb_advise_rest(r);
    }
    pb_lock_drop(&root->lock);
    return bytes;
}

/* Discard up to `most` warm frames around this one, upwards first: a tree is freed from
 * its end, so the frames above were freed earlier. */
static uint64_t
cool_around(pb_pool *root, pb_frame frame, uint64_t most)
{
    pb_region *r = region_of(root, frame);
    uint32_t i = bit_index(r, frame), n = 1;
    while (n < most && i + n < r->count && is_warm(r, i + n)) {
        n++;
    }
    while (n < most && i && is_warm(r, i - 1)) {
        i--;
        n++;
    }
    return cool(root, r, i, n);
}

/* A stretch smaller than a system page stays.  After this many of those the search ends
 * for now. */
#define MOST_FAILURES 16

/* Down to three quarters of `keep`, so that not every freed frame triggers it. */
void
pb_give_back_locked(pb_pool *root)
{
    pb_advise_rest(&root->region[root->newest]);
    uint64_t target = root->keep - root->keep / 4;
    pb_frame frame = root->free_tail;
    for (unsigned failures = 0; frame && failures < MOST_FAILURES;) {
        uint64_t warm = pb_pool_warm(root);
        if (warm <= target) {
            break;
        }
        if (cool_around(root, frame, warm - target)) {
            frame = root->free_tail;
        }
        else {
            failures++;
            frame = pb_frame_row(root, frame)->free.prev;
        }
    }
}

void
pb_pool_give_back(pb_pool *pool)
{
    pb_pool *root = pool->root;
    pb_lock_take(&root->lock);
    if (pb_pool_warm(root) > root->keep) {
        pb_give_back_locked(root);
    }
    pb_lock_drop(&root->lock);
}
