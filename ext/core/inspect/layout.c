/* inspect/layout.c: the states of frames and of entries, for those who draw them. */
#include "inspect/layout.h"
#include "pool/internal.h"
#include "buffer/share.h"

const char *
pb_state_name(pb_state state)
{
    static const char *const names[PB_STATES] = {
        [PB_STATE_UNUSED] = "unused",
        [PB_STATE_FREE] = "free",
        [PB_STATE_GIVEN_BACK] = "given back",
        [PB_STATE_DATA] = "data",
        [PB_STATE_SHARED_DATA] = "shared data",
        [PB_STATE_NODE] = "node",
        [PB_STATE_SHARED_NODE] = "shared node",
        [PB_STATE_PINNED] = "pinned",
        [PB_STATE_DETACHED] = "detached",
        [PB_STATE_QUARANTINED] = "quarantined",
        [PB_STATE_GUARD] = "guard",
        [PB_STATE_MAPPED] = "mapped",
    };
    return names[state];
}

/* ---- one frame ---- */

/* The state of the same frame when more than one tree reaches it. */
static pb_state
as_shared(pb_state state)
{
    return state == PB_STATE_DATA   ? PB_STATE_SHARED_DATA
           : state == PB_STATE_NODE ? PB_STATE_SHARED_NODE
                                    : state;
}

/* Live views are not seen here: the pin lists know them.  The pool's lock is held. */
static pb_state
state_of_frame(const pb_pool *pool, pb_frame frame)
{
    static const uint8_t states[PB_KINDS] = {
        [PB_KIND_NONE] = PB_STATE_UNUSED,
        [PB_KIND_DATA] = PB_STATE_DATA,
        [PB_KIND_NODE] = PB_STATE_NODE,
        [PB_KIND_DETACHED] = PB_STATE_DETACHED,
        [PB_KIND_QUARANTINED] = PB_STATE_QUARANTINED,
        [PB_KIND_GUARD] = PB_STATE_GUARD,
        [PB_KIND_FREE] = PB_STATE_FREE,
    };
    if (!pb_frame_valid(pool, frame)) {
        return pb_zone_of(pool, frame) ? PB_STATE_MAPPED : PB_STATE_UNUSED;
    }
    const pb_row *row = pb_frame_row(pool, frame);
    pb_state state =
        (pb_state)states[pb_frame_kind(&pool->root->region[pb_region_of(frame)], frame)];
    if (state == PB_STATE_FREE && row->free.cold) {
        return PB_STATE_GIVEN_BACK;
    }
    return row->held.count > 1 ? as_shared(state) : state;
}

static bool
is_shared(pb_state state)
{
    return state == PB_STATE_SHARED_DATA || state == PB_STATE_SHARED_NODE;
}

/* ---- a pool ---- */

size_t
pb_layout_frames(const pb_pool *pool)
{
    return pool->root->regions ? pb_pool_numbers(pool) : 0;
}

bool
pb_layout_region(const pb_pool *pool, size_t from, pb_frame *first, uint32_t *count)
{
    EACH_REGION(pool->root, r)
    {
        uint32_t skip = r->first == 0; /* frame 0 */
        if (r->count && from <= r->first + skip) {
            *first = r->first + skip;
            *count = r->count - skip;
            return true;
        }
    }
    return false;
}

/* Mark everything below a shared node as shared.  Nobody changes a shared node in place
 * (I2), so reading it is safe.  A subtree that is marked already is skipped. */
static void
mark_below(const pb_pool *pool, uint8_t *state, size_t n, pb_frame frame)
{
    const pb_entry *node = (const pb_entry *)pb_frame_address(pool, frame);
    for (uint32_t i = 0; i < PB_FANOUT; i++) {
        pb_frame child = pb_entry_frame(pb_entry_load(&node[i]));
        if (child == 0 || child >= n || is_shared(state[child])) {
            continue;
        }
        bool down = state[child] == PB_STATE_NODE;
        state[child] = (uint8_t)as_shared(state[child]);
        if (down) {
            mark_below(pool, state, n, child);
        }
    }
}

static void
read_states(const pb_pool *pool, uint8_t *state, size_t n)
{
    memset(state, PB_STATE_UNUSED, n);
    for (size_t f = 1; f < n; f++) {
        if (pb_frame_valid(pool, (pb_frame)f)) {
            state[f] = (uint8_t)state_of_frame(pool, (pb_frame)f);
        }
    }
}

/* Frames under a live view are data until they are detached (I7). */
static void
mark_pins(const pb_pin_list *pins, uint8_t *state, size_t n)
{
    for (const pb_pin *pin = pins->first; pin; pin = pin->next) {
        for (size_t f = pin->frame; f < (size_t)pin->frame + pin->count && f < n; f++) {
            if (state[f] == PB_STATE_DATA) {
                state[f] = PB_STATE_PINNED;
            }
        }
    }
}

void
pb_layout_pool(pb_pool *pool, uint8_t *state, size_t n)
{
    pool = pool->root;
    read_states(pool, state, n);
    for (size_t f = 1; f < n; f++) {
        if (state[f] == PB_STATE_SHARED_NODE) {
            mark_below(pool, state, n, (pb_frame)f);
        }
    }
    EACH_TREE(pool, b)
    {
        if (!pb_buf_is_inline(b) && b->pins) {
            mark_pins(b->pins, state, n);
        }
    }
}

/* ---- a tree ---- */

void
pb_layout_open(pb_layout *c, const pb_buf *b)
{
    const pb_root *root = &b->root;
    *c = (pb_layout){.b = b, .level = 1};
    if (pb_buf_is_inline(b) || root->size == 0) {
        c->level = PB_MAX_LEVELS + 1; /* past the last level */
        return;
    }
    c->begin = c->page = root->bias >> PB_PAGE_SHIFT;
    c->end = ((root->bias + root->size - 1) >> PB_PAGE_SHIFT) + 1;
}

/* The entry of height h on the way to `page`, or the hole that ends the way earlier.
 * *past: the first page behind its span.  *shared: more than one tree reaches it. */
static pb_entry
entry_at(const pb_buf *b, uint64_t page, unsigned h, uint64_t *past, bool *shared)
{
    const pb_root *root = &b->root;
    unsigned at = root->levels - 1u;
    pb_entry e = pb_entry_load(&root->slot[pb_root_index(page, root->levels)]);
    *shared = false;
    while (at > h && e != PB_HOLE && !pb_entry_is_huge(e) && pb_node_good(b->pool, e)) {
        *shared |= pb_frame_count(b->pool, pb_entry_frame(e)) > 1;
        at--;
        e = pb_entry_load(&pb_node_of(b->pool, e)[pb_child_index(page, at)]);
    }
    *past = ((page >> pb_span_bits(at)) + 1) << pb_span_bits(at);
    return e;
}

/* Does a live view lie over the page at c->page? */
static bool
is_pinned(pb_layout *c)
{
    const pb_pin_list *pins = c->b->pins;
    if (pins && c->page >= c->pin_past) {
        pb_pins_next(pins, c->page, &c->pin_first, &c->pin_past);
    }
    return pins && c->page >= c->pin_first;
}

static pb_state
state_of_entry(pb_layout *c, pb_entry e, bool shared)
{
    pb_pool *pool = c->b->pool->root;
    pb_lock_take(&pool->lock);
    pb_state state = state_of_frame(pool, pb_entry_frame(e));
    pb_lock_drop(&pool->lock);
    if (state == PB_STATE_DATA && is_pinned(c)) {
        return PB_STATE_PINNED;
    }
    return shared ? as_shared(state) : state;
}

/* Go on from c->page within its level. false: the level has no more entries. */
static bool
next_of_level(pb_layout *c, pb_layout_run *run)
{
    unsigned h = c->b->root.levels - c->level;
    bool found = false, shared;
    uint64_t past;
    for (; c->page < c->end; c->page = pb_min(past, c->end)) {
        pb_entry e = entry_at(c->b, c->page, h, &past, &shared);
        if (e == PB_HOLE) {
            if (found) {
                break;
            }
            continue;
        }
        pb_state state = state_of_entry(c, e, shared);
        if (found && state != run->state) {
            break;
        }
        if (!found) {
            *run = (pb_layout_run){c->level, c->page - c->begin, 0, state};
            found = true;
        }
        run->past = pb_min(past, c->end) - c->begin;
    }
    return found;
}

bool
pb_layout_next(pb_layout *c, pb_layout_run *run)
{
    for (; c->level <= c->b->root.levels; c->level++) {
        if (next_of_level(c, run)) {
            return true;
        }
        c->page = c->begin;
    }
    return false;
}
