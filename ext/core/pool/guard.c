/* pool/guard.c: mprotect where there is one. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "pool/guard.h"
#include "pool/poison.h"
#include "pool/internal.h"

#if PB_ON_UNIX
#include <sys/mman.h>
#include <unistd.h>

bool
pb_guard_possible(void)
{
    return PB_PAGE_SIZE % (size_t)sysconf(_SC_PAGESIZE) == 0;
}

static bool
protect(uint8_t *at, size_t n, pb_protection how)
{
    static const int flags[] = {PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE};
    return mprotect(at, n, flags[how]) == 0;
}

#else

bool
pb_guard_possible(void)
{
    return false;
}

static bool
protect(uint8_t *at, size_t n, pb_protection how)
{
    (void)at;
    (void)n;
    (void)how;
    return false;
}

#endif

static bool
is_guarded(const pb_pool *root, const pb_region *r)
{
    return r->guard && (root->debug >= 2 || r->sampled) && pb_guard_possible();
}

bool
pb_guard_wanted(const pb_pool *root)
{
    return root->debug >= 2 && pb_guard_possible() && root->mappings < root->most_mappings;
}

/* ---- protection, and how many pieces it makes ---- */

/* How many i in [from, to] there are with a border between frames i - 1 and i. */
static uint32_t
borders(const pb_region *r, uint32_t from, uint32_t to)
{
    uint32_t n = 0;
    for (uint32_t i = from ? from : 1; i <= to && i < r->count; i++) {
        n += r->guard[i] != r->guard[i - 1];
    }
    return n;
}

/* How many more pieces the region has after [i, i + n) becomes `how`. */
static int64_t
pieces_more(const pb_region *r, uint32_t i, uint32_t n, pb_protection how)
{
    uint32_t before = borders(r, i, i + n);
    uint32_t after = i && r->guard[i - 1] != how;
    after += i + n < r->count && r->guard[i + n] != how;
    return (int64_t)after - before;
}

/* Widen [i, i + n) by the pieces its ends lie in: protecting all of that makes no new
 * piece. */
static void
widen(const pb_region *r, uint32_t *i, uint32_t *n)
{
    while (*i && r->guard[*i - 1] == r->guard[*i]) {
        --*i;
        ++*n;
    }
    while (*i + *n < r->count && r->guard[*i + *n] == r->guard[*i + *n - 1]) {
        ++*n;
    }
}

void
pb_guard_set(pb_pool *root, pb_frame first, uint32_t n, pb_protection how)
{
    pb_region *r = region_of(root, first);
    if (!is_guarded(root, r)) {
        return;
    }
    uint32_t i = bit_index(r, first);
    int64_t more = pieces_more(r, i, n, how);
    if (r->guard[i] == how && borders(r, i + 1, i + n - 1) == 0) {
        return;
    }
    if (more > 0 && root->mappings + more > root->most_mappings) {
        if (how != PB_OPEN) {
            return;
        }
        widen(r, &i, &n);
        more = pieces_more(r, i, n, how);
    }
    if (protect(r->base + ((size_t)i << PB_PAGE_SHIFT), (size_t)n << PB_PAGE_SHIFT, how)) {
        memset(r->guard + i, how, n);
        root->mappings = (uint32_t)(root->mappings + more);
    }
}

void
pb_guard_thaw(pb_pool *pool, pb_frame frame)
{
    pb_pool *root = pool->root;
    if (pb_guard_of(root, frame) == PB_READ_ONLY && pb_frame_count(root, frame) == 1) {
        pb_lock_take(&root->lock);
        pb_guard_set(root, frame, 1, PB_OPEN);
        pb_lock_drop(&root->lock);
    }
}

pb_protection
pb_guard_of(const pb_pool *root, pb_frame frame)
{
    const pb_region *r = &root->region[pb_region_of(frame)];
    return r->guard ? (pb_protection)r->guard[bit_index(r, frame)] : PB_OPEN;
}

/* ---- guards ---- */

void
pb_guard_behind(pb_pool *root, pb_frame frame)
{
    pb_region *r = region_of(root, frame);
    uint32_t bit = bit_index(r, frame);
    if (bit >= r->count || root->listed + root->untouched <= root->reserved) {
        return;
    }
    pb_row *row = r->table + bit;
    if (bit_get(r->free_map, bit)) {
        list_remove(root, row);
        bit_clear(r->free_map, bit);
    }
    else if (frame == r->lo && r->lo < r->hi && r->fresh_zero) {
        r->lo++;
        root->untouched--;
        bit_set(r->zero_map, bit);
    }
    else { /* held, or its bytes are not known */
        return;
    }
    memset(row, 0, sizeof *row);
    row->held.kind = PB_KIND_GUARD;
    root->guards++;
}

void
pb_guard_left(pb_pool *root, pb_frame frame)
{
    pb_region *r = region_of(root, frame);
    uint32_t bit = bit_index(r, frame);
    if (bit >= r->count || is_untouched(r, frame) || r->table[bit].free.is_free ||
        r->table[bit].held.kind != PB_KIND_GUARD) {
        return;
    }
    root->guards--;
    if (bit_get(r->zero_map, bit)) { /* untouched, or given back to the system */
        list_push_cold(root, frame, 1);
    }
    else {
        list_push(root, frame);
    }
}

/* ---- the sample ---- */

pb_frame
pb_guard_sample(pb_pool *root)
{
    if (root->sample_left > 1) {
        return 0;
    }
    if (root->quarantined == 0) { /* all in use: take an ordinary frame this time */
        root->sample_left = root->sample_every + 1;
        return 0;
    }
    root->sample_left = root->sample_every;
    pb_frame frame = quarantine_next(root);
    pb_guard_set(root, frame, 1, PB_OPEN);
    return frame;
}

void
pb_guard_retire(pb_pool *root, pb_frame frame)
{
    memset(pb_frame_row(root, frame), 0, sizeof(pb_row));
    quarantine_add(root, frame);
    pb_guard_set(root, frame, 1, PB_CLOSED);
}
