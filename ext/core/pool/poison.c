/* pool/poison.c: poison, quarantine, traces, and the rule about foreign memory. */
#include "pool/poison.h"
#include "base/copy.h"
#include "pool/guard.h"
#include "pool/internal.h"

/* ---- who took it, who freed it ---- */

void
pb_debug_tell(pb_pool *root, pb_frame first, uint32_t n, bool taken)
{
    uint32_t number = root->trace_hook(root, pb_acting_of(root)->tree, first, n, taken);
    const pb_region *r = region_of(root, first);
    for (uint32_t i = 0; r->trace && i < n; i++) {
        pb_trace *trace = r->trace + bit_index(r, first) + i;
        *(taken ? &trace->took : &trace->freed) = number;
    }
}

/* ---- poison ---- */

size_t
pb_debug_first_other(const uint8_t *at, uint8_t byte, size_t n)
{
    size_t i = 0;
    if (n == 0 || (at[0] == byte && memcmp(at, at + 1, n - 1) == 0)) {
        return n;
    }
    while (i < n && at[i] == byte) {
        i++;
    }
    return i;
}

static void
poison(const pb_pool *root, pb_frame frame)
{
    uint8_t *at = pb_frame_address(root, frame);
    memset(at, PB_POISON, PB_PAGE_SIZE - 1);
    at[PB_PAGE_SIZE - 1] = PB_POISON_END;
}

/* Does it hold zeros, from the system or from trim()? */
static bool
is_left_zero(const pb_region *r, pb_frame frame)
{
    return is_untouched(r, frame) || bit_get(r->zero_map, bit_index(r, frame));
}

/* The first byte of an open free frame that somebody has written to; PB_PAGE_SIZE: none. */
static size_t
find_damage(pb_pool *root, pb_frame frame)
{
    const pb_region *r = region_of(root, frame);
    const uint8_t *at = pb_frame_address(root, frame);
    if (is_untouched(r, frame) && !r->fresh_zero) {
        return PB_PAGE_SIZE; /* its bytes are not known */
    }
    if (is_left_zero(r, frame)) {
        return pb_debug_first_other(at, 0, PB_PAGE_SIZE);
    }
    size_t i = pb_debug_first_other(at, PB_POISON, PB_PAGE_SIZE - 1);
    return i + (i == PB_PAGE_SIZE - 1 && at[i] == PB_POISON_END);
}

static void
mend(pb_pool *root, pb_frame frame)
{
    if (is_left_zero(region_of(root, frame), frame)) {
        memset(pb_frame_address(root, frame), 0, PB_PAGE_SIZE);
    }
    else {
        poison(root, frame);
    }
}

bool
pb_debug_find(pb_pool *root, pb_frame frame, pb_fault *fault)
{
    if (pb_guard_of(root, frame) != PB_OPEN) {
        return false;
    }
    size_t at = find_damage(root, frame);
    bool zero = is_left_zero(region_of(root, frame), frame);
    *fault = pb_fault_at(root, zero ? PB_WHY_ZEROS : PB_WHY_POISON, frame, NULL, at);
    return at != PB_PAGE_SIZE;
}

/* Note and mend damage to a free frame. */
static bool
verify(pb_pool *root, pb_frame frame)
{
    pb_fault fault;
    if (!pb_debug_find(root, frame, &fault)) {
        return true;
    }
    pb_pool_found(root, &fault, false);
    mend(root, frame);
    return false;
}

void
pb_debug_taken(pb_pool *root, pb_frame first, uint32_t n)
{
    pb_guard_set(root, first, n, PB_OPEN);
    for (uint32_t i = 0; i < n; i++) {
        verify(root, first + i); /* a closed one, too: the record may be wrong */
    }
}

bool
pb_debug_verify_free(pb_pool *root, uint64_t n)
{
    bool good = true;
    pb_frame frame = root->free_head;
    for (; frame && n; n--, frame = pb_frame_row(root, frame)->free.next) {
        good &= verify(root, frame);
    }
    return good;
}

/* ---- quarantine ---- */

static void
end_oldest(pb_pool *root)
{
    pb_frame frame = quarantine_next(root);
    verify(root, frame);
    list_push(root, frame);
}

void
pb_debug_end_quarantine(pb_pool *root)
{
    while (root->quarantined) {
        end_oldest(root);
    }
}

bool
pb_debug_released(pb_pool *root, pb_frame frame)
{
    if (region_of(root, frame)->sampled) {
        pb_guard_retire(root, frame);
        return true;
    }
    if (!root->debug) {
        return false;
    }
    pb_guard_set(root, frame, 1, PB_OPEN);
    poison(root, frame);
    pb_guard_set(root, frame, 1, PB_CLOSED);
    if (root->quarantined == PB_QUARANTINE) {
        end_oldest(root);
    }
    quarantine_add(root, frame);
    pb_guard_left(root, frame + 1);
    return true;
}

/* ---- foreign memory ---- */

bool
pb_debug_foreign(pb_pool *pool, const void *mem, uint64_t n)
{
    const pb_interval *where;
    pb_map *map = pool->root->map;
    if (n == 0 || map == NULL || pb_map_allows(map, mem, n, &where)) {
        return true;
    }
    const pb_region *r = pb_debug_region(where);
    if (r->pool->debug == 0) { /* views of other pools are not in the map */
        return true;
    }
    uintptr_t at = (uintptr_t)mem < where->start ? where->start : (uintptr_t)mem;
    pb_frame frame = pb_debug_frame_at(r, at);
    uint64_t in_page = (at - (uintptr_t)r->base) & PB_PAGE_MASK;
    pb_fault fault = pb_fault_at(r->pool, PB_WHY_FOREIGN, frame, NULL, in_page);
    fault.look_up = !pb_frame_is_free(r->pool, frame);
    pb_pool_found(pool, &fault, false);
    return false;
}
