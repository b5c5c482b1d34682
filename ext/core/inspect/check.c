/* inspect/check.c: the rules, read back from the structures. */
#include "inspect/check.h"
#include "buffer/internal.h"
#include "buffer/share.h"
#include "inspect/usage.h"
#include "queue/queue.h"
#include "tree/visit.h"
#include "pool/poison.h"
#include "pool/internal.h"

typedef struct {
    const pb_buf *b;
    pb_fault *fault;
    uint64_t first, last; /* pages that may be present */
    pb_place no_run; /* the first leaf that is not what the entry above it says (I17) */
    uint32_t *seen;  /* of each frame, the references counted so far (recounting only) */
} checker;

static bool
broken(const checker *c, const char *why, pb_frame frame, uint64_t page)
{
    uint64_t pos = page << PB_PAGE_SHIFT;
    if (c->b) {
        uint64_t bias = c->b->root.bias;
        *c->fault =
            pb_fault_at(c->b->pool, why, frame, &c->b->member, pos > bias ? pos - bias : 0);
    }
    else {
        *c->fault = (pb_fault){.why = why, .frame = frame};
    }
    return false;
}

/* ---- one tree ---- */

/* I12: frames of one zone, in a tree that looks before it writes. */
static bool
check_zone(const checker *c, pb_entry e, unsigned h, uint64_t page)
{
    pb_frame frame = pb_entry_frame(e);
    uint64_t last = page + ((uint64_t)1 << pb_span_bits(h)) - 1;
    if (e & ~(PB_ENTRY_ADDRESS | (((pb_entry)1 << PB_ENTRY_SHIFT) - 1)) ||
        !pb_zone_has_entry(c->b->pool, e, h)) {
        return broken(c, "I12: an entry names frames that no zone has", frame, page);
    }
    if (!c->b->root.shared) {
        return broken(c, "I12: frames of a zone in a tree not marked as shared", frame,
                      page);
    }
    if (page < c->first || last > c->last) {
        return broken(c, "a page before the bias or past the end", frame, page);
    }
    return true;
}

static bool
check_frame(const checker *c, pb_entry e, unsigned h, uint64_t page)
{
    const pb_pool *pool = c->b->pool;
    pb_frame frame = pb_entry_frame(e);
    if (pb_zone_of(pool, frame)) {
        return check_zone(c, e, h, page);
    }
    if (pb_entry_of(frame) != (h == 1 ? pb_entry_with_run(e, 0) : e)) {
        return broken(c, "I1: an entry has stray bits", frame, page);
    }
    if (!pb_frame_valid(pool, frame)) {
        return broken(c, "I1: an entry names a frame of no region", frame, page);
    }
    if (pb_frame_is_free(pool, frame)) {
        return broken(c, "I1: an entry names a free frame", frame, page);
    }
    const pb_row *row = pb_frame_row(pool, frame);
    if (row->held.kind != (h ? PB_KIND_NODE : PB_KIND_DATA)) {
        return broken(c, "I1: a frame is of the wrong kind", frame, page);
    }
    uint32_t count = pb_load32(&row->held.count); /* other threads may drop shares */
    if (count == 0) {
        return broken(c, "I1: an entry names a frame with no reference", frame, page);
    }
    if (count > 1 && row->held.pins) {
        return broken(c, "I11: a live-pinned frame has two references", frame, page);
    }
    if (count > 1 && !c->b->root.shared) {
        return broken(c, "I2: a shared frame in a tree not marked so", frame, page);
    }
    return true;
}

/* I17: is the leaf that an entry names the run that the entry says, if it says one? */
static bool
says_true(const checker *c, pb_entry e)
{
    pb_frame run = pb_entry_run(e);
    return run == 0 || run == pb_node_run(pb_node_of(c->b->pool, e));
}

static pb_visit
check_entry(void *arg, const pb_place *at)
{
    checker *c = arg;
    bool good = check_frame(c, at->entry, at->h, at->page);
    if (good && at->h == 0 && (at->page < c->first || at->page > c->last)) {
        good = broken(c, "a page before the bias or past the end", at->frame, at->page);
    }
    if (good && at->h == 1 && !at->zone && !c->no_run.frame && !says_true(c, at->entry)) {
        c->no_run = *at;
    }
    if (good && at->h && !at->zone &&
        pb_node_is_empty(pb_node_of(c->b->pool, at->entry), 0)) {
        good = broken(c, "an empty node", at->frame, at->page);
    }
    return good ? PB_VISIT_BELOW : PB_VISIT_END;
}

static bool
check_shape(const checker *c)
{
    const pb_root *r = &c->b->root;
    if (r->levels < 1 || r->levels > PB_MAX_LEVELS) {
        return broken(c, "levels out of range", 0, 0);
    }
    if (r->bias >= pb_slot_span(r->levels)) {
        return broken(c, "the bias has left a root slot behind", 0, 0);
    }
    if (r->size > pb_reach(r->levels) - r->bias) {
        return broken(c, "the size is out of the tree's reach", 0, 0);
    }
    if (r->size > pb_buf_capacity(c->b)) {
        return broken(c, "the size is past the capacity", 0, 0);
    }
    if (r->size == 0 && (r->levels != 1 || r->bias != 0)) {
        return broken(c, "an empty tree has levels", 0, 0);
    }
    return true;
}

/* I4: behind the end are zeros, or the fill pattern of debug pools. */
static bool
check_tail(const checker *c)
{
    const pb_buf *b = c->b;
    uint64_t end = b->root.bias + b->root.size;
    if (b->pool->debug && b->tail) {
        uint64_t off = pb_tail_damage(b);
        bool good = off == UINT64_MAX ||
                    broken(c, PB_WHY_TAIL, pb_tail_frame(b), end >> PB_PAGE_SHIFT);
        c->fault->offset = good ? c->fault->offset : off;
        return good;
    }
    if ((end & PB_PAGE_MASK) == 0 || (b->pins && b->pins->tail_written)) {
        return true;
    }
    pb_frame frame = pb_tree_frame(b->pool, &b->root, end >> PB_PAGE_SHIFT);
    if (frame == 0) {
        return true;
    }
    if (pb_frame_is_fetched(b->pool, frame) && pb_zone_of(b->pool, frame)) {
        return true; /* zeros, or absent */
    }
    if (pb_frame_in_zone(frame)) {
        return broken(c, "I4: the last page has bytes of a zone past the end", frame,
                      end >> PB_PAGE_SHIFT);
    }
    const uint8_t *at = pb_frame_address(b->pool, frame);
    for (size_t i = end & PB_PAGE_MASK; i < PB_PAGE_SIZE; i++) {
        if (at[i] != 0) {
            return broken(c, "I4: a byte past the end is not zero", frame,
                          end >> PB_PAGE_SHIFT);
        }
    }
    return true;
}

static const uint8_t *
page_at(const pb_buf *b, uint64_t page)
{
    pb_frame frame = pb_tree_frame(b->pool, &b->root, page);
    return frame ? pb_frame_address(b->pool, frame) : NULL;
}

static bool
check_run(const checker *c)
{
    const pb_pin_list *pins = c->b->pins;
    for (uint64_t i = 0; pins && i < pins->run_count; i++) {
        uint64_t page = pins->run_page + i;
        if (pb_tree_frame(c->b->pool, &c->b->root, page) != pins->run_frame + (pb_frame)i) {
            return broken(c, "a stale run is remembered", pins->run_frame + (pb_frame)i,
                          page);
        }
    }
    return true;
}

/* The remembered leaf, tail and front are those that a walk of the tree finds. */
static bool
check_memory(const checker *c)
{
    const pb_buf *b = c->b;
    const pb_root *r = &b->root;
    pb_leaf leaf;
    if (b->leaf_r) {
        pb_tree_leaf(b->pool, r, b->leaf_r_first, &leaf);
        if (leaf.entry != b->leaf_r || leaf.first != b->leaf_r_first) {
            return broken(c, "a stale leaf is remembered", 0, b->leaf_r_first);
        }
    }
    uint64_t end = r->bias + r->size;
    if ((r->tail_room || (b->pool->debug && b->tail)) &&
        b->tail != page_at(b, end >> PB_PAGE_SHIFT) + (end & PB_PAGE_MASK)) {
        return broken(c, "a stale tail is remembered", 0, end >> PB_PAGE_SHIFT);
    }
    if (b->head && b->head != page_at(b, r->bias >> PB_PAGE_SHIFT)) {
        return broken(c, "a stale front is remembered", 0, r->bias >> PB_PAGE_SHIFT);
    }
    return check_run(c);
}

/* A buffer that is lent its bytes has none itself.  Any change takes the slow path. */
static bool
check_lent(const checker *c)
{
    const pb_buf *b = c->b;
    const pb_lender *from = pb_buf_lender(b);
    if (b->root.size || pb_buf_tail_room(b)) {
        return broken(c, "a buffer that is lent its bytes has some itself", 0, 0);
    }
    return (from->owner && from->at) || broken(c, "bytes are lent by nobody", 0, 0);
}

static bool
check_inline(const checker *c)
{
    const pb_buf *b = c->b;
    if (b->root.size > PB_INLINE) {
        return broken(c, "inline bytes past their room", 0, 0);
    }
    uint64_t room = b->pool->debug ? 0 : PB_INLINE - b->root.size;
    if (!pb_buf_frozen(b) &&
        (b->tail != pb_buf_inline(b) + b->root.size || pb_buf_tail_room(b) != room)) {
        return broken(c, "a stale tail is remembered", 0, 0);
    }
    const uint8_t *past = pb_buf_inline(b) + PB_INLINE;
    for (const uint8_t *at = pb_buf_inline(b) + b->root.size; at < past; at++) {
        if (*at != 0) {
            return broken(c, "I4: an inline byte past the end is not zero", 0, 0);
        }
    }
    return true;
}

/* I7, I11: the tree still names the live part of a pin, page for page, and each frame
 * has one reference. */
static bool
check_pin(const checker *c, const pb_pin *pin)
{
    const pb_buf *b = c->b;
    for (uint64_t page = pin->page; page < pin->page + pin->live; page++) {
        pb_frame frame = pb_tree_frame(b->pool, &b->root, page);
        if (frame < pin->frame || frame - pin->frame >= pin->count) {
            return broken(c, "I7: a live view has lost a page of its buffer", frame, page);
        }
        if (pb_frame_count(b->pool, frame) != 1) {
            return broken(c, "I11: a live-pinned frame has two references", frame, page);
        }
    }
    return true;
}

static bool
check_pins(const checker *c)
{
    for (const pb_pin *pin = c->b->pins ? c->b->pins->first : NULL; pin; pin = pin->next) {
        if (!check_pin(c, pin)) {
            return false;
        }
    }
    return true;
}

bool
pb_buf_check(const pb_buf *b, pb_fault *fault)
{
    const pb_root *r = &b->root;
    checker c = {.b = b, .fault = fault};
    if (pb_buf_is_lent(b) && !check_lent(&c)) {
        return false;
    }
    if (pb_buf_is_inline(b)) {
        return pb_buf_is_lent(b) || check_inline(&c);
    }
    if (!check_shape(&c)) {
        return false;
    }
    c.first = r->size ? r->bias >> PB_PAGE_SHIFT : 1;
    c.last = r->size ? (r->bias + r->size - 1) >> PB_PAGE_SHIFT : 0;
    if (!pb_tree_visit(b->pool, r, check_entry, &c)) {
        return false;
    }
    if (c.no_run.frame) { /* said last: damage to a page tells more */
        return broken(&c, "I17: a leaf is not the run that the entry above it says",
                      c.no_run.frame, c.no_run.page);
    }
    return check_tail(&c) && check_memory(&c) && check_pins(&c);
}

/* ---- the pool ---- */

size_t
pb_pool_check_words(const pb_pool *pool)
{
    return pb_pool_numbers(pool) + (pool->root->accounts ? PB_MOST_POOLS : 1) * 3;
}

/* A number for each index, so that sums of different ones differ. */
static inline uint64_t
scattered(uint64_t i)
{
    uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 32;
}

/* Count a reference.  The subtree of a node is counted once, at its first reference. */
static pb_visit
recount(void *arg, const pb_place *at)
{
    const checker *c = arg;
    if (at->zone) {
        pb_zone *z = pb_zone_of(c->b->pool, at->frame);
        z->seen++;
        z->seen_sum += scattered(at->frame - z->first);
        return PB_VISIT_PAST;
    }
    return c->seen[at->frame]++ ? PB_VISIT_PAST : PB_VISIT_BELOW;
}

#define EACH_ZONE(root, z) for (pb_zone *z = (root)->open_zones; z; z = z->next)

/* A zone holds the frame of its tail. */
static void
recount_tails(const checker *c, const pb_pool *root)
{
    EACH_ZONE(root, z)
    {
        z->seen = z->seen_sum = 0;
        c->seen[z->tail] += z->tail != 0;
    }
}

/* I13: which frames the entries name is summed up, too. */
static bool
counts_names(const pb_zone *z)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; z->named && i < z->count; i++) {
        sum += z->named[i] * scattered(i);
    }
    return z->named == NULL || sum == z->seen_sum;
}

/* I12.  A zone that nobody names yet is about to be. */
static bool
check_zones(const checker *c, const pb_pool *root)
{
    EACH_ZONE(root, z)
    {
        if (z->seen != z->entries) {
            return broken(c, "I12: a zone miscounts the entries that name it", z->first, 0);
        }
        if (!counts_names(z)) {
            return broken(c, "I13: a zone miscounts the names of its frames", z->first, 0);
        }
    }
    return true;
}

/* The sums of a recount, to compare with the pool's own. */
typedef struct {
    uint64_t held, nodes, detached, quarantined, guards;
    uint32_t *charged; /* by account */
    uint32_t *lent;    /* by account, in bytes: two words each */
} sums;

static inline uint64_t
lent_to_account(const sums *s, unsigned account)
{
    return s->lent[2 * account] | (uint64_t)s->lent[2 * account + 1] << 32;
}

/* Bytes of others that a tree keeps, and its pool is charged for. */
static uint64_t
kept_by(const pb_buf *b)
{
    if (pb_buf_is_lent(b)) {
        return pb_buf_lender(b)->charged ? pb_buf_lender(b)->size : 0;
    }
    return b->root.queue ? pb_queue_kept((const pb_queue *)(const void *)b) : 0;
}

static void
add_lent(sums *s, unsigned account, uint64_t more)
{
    uint64_t n = lent_to_account(s, account) + more;
    s->lent[2 * account] = (uint32_t)n;
    s->lent[2 * account + 1] = (uint32_t)(n >> 32);
}

/* What zones keep of their sources counts like lent bytes. */
static void
recount_kept(const pb_zone *z, sums *s)
{
    for (; z; z = z->next) {
        if (z->payer) {
            add_lent(s, z->payer->account, z->kept);
        }
    }
}

static void
recount_lent(const pb_buf *b, sums *s)
{
    unsigned account = b->pool->account;
    add_lent(s, account, kept_by(b));
}

/* Name as the owner a tree that reaches the frame. */
static bool
broken_frame(const checker *c, const pb_pool *pool, const char *why, pb_frame frame)
{
    pb_owner owner = pb_owner_of(pool, frame, 0);
    *c->fault = pb_fault_at(pool, why, frame, owner.tree ? &owner.tree->member : NULL,
                            owner.offset);
    return false;
}

/* A frame that more entries name than its count says; 0: there is none. */
static pb_frame
named_too_often(const checker *c, const pb_pool *root)
{
    EACH_REGION((pb_pool *)(uintptr_t)root, r)
    {
        for (pb_frame f = r->first; f < r->first + r->count; f++) {
            uint32_t count =
                pb_frame_is_free(root, f) ? 0 : r->table[f - r->first].held.count;
            if (f && c->seen[f] > count) {
                return f;
            }
        }
    }
    return 0;
}

/* If damage made an entry name another frame, the frame it used to name does not tell
 * whose entry that was.  The frame it names now does, so report that one. */
static bool
miscounted(const checker *c, const pb_pool *root, pb_frame f)
{
    pb_frame other = c->seen[f] ? 0 : named_too_often(c, root);
    return broken_frame(c, root, "I1: a reference count is not the number of entries",
                        other ? other : f);
}

static bool
check_held(const checker *c, const pb_pool *root, pb_frame f, const pb_row *row, sums *s)
{
    s->held++;
    s->nodes += row->held.kind == PB_KIND_NODE;
    s->detached += row->held.kind == PB_KIND_DETACHED;
    s->charged[row->held.account]++;
    if (row->held.count != c->seen[f] && row->held.count != PB_COUNT_MAX) {
        return miscounted(c, root, f);
    }
    if (c->seen[f] == 0 && row->held.pins == 0) {
        return broken_frame(c, root, "I1: a held frame has no owner", f);
    }
    return true;
}

/* A frame that no tree reaches. */
static bool
check_left(const checker *c, pb_pool *root, pb_frame f)
{
    pb_fault damage;
    if (c->seen[f]) {
        return broken_frame(c, root, "I1: a free frame is named by an entry", f);
    }
    if (root->debug && pb_debug_find(root, f, &damage)) {
        *c->fault = damage;
        return false;
    }
    return true;
}

/* Of the untouched frames only those at the edge are checked: the others are many, and
 * taking one finds what was written there. */
#define EDGE 16

static bool
is_far_ground(const pb_region *r, pb_frame f)
{
    return f >= r->lo + EDGE && f + EDGE < r->hi;
}

static bool
check_region(const checker *c, pb_pool *root, const pb_region *r, sums *s)
{
    for (pb_frame f = r->first ? r->first : 1; f < r->first + r->count; f++) {
        const pb_row *row = r->table + (f - r->first);
        bool left = pb_frame_is_free(root, f);
        if (is_far_ground(r, f) && c->seen[f] == 0) {
            continue;
        }
        if (!left && row->held.kind >= PB_KIND_QUARANTINED) {
            s->quarantined += row->held.kind == PB_KIND_QUARANTINED;
            s->guards += row->held.kind == PB_KIND_GUARD;
            left = true;
        }
        if (left ? !check_left(c, root, f) : !check_held(c, root, f, row, s)) {
            return false;
        }
        if (bit_get(r->resident_map, bit_index(r, f)) != (!left && row->held.count > 0)) {
            return broken_frame(c, root, "I17: the resident map is wrong about a frame", f);
        }
    }
    return true;
}

static bool
check_list(const checker *c, const pb_pool *root, pb_frame head, bool cold, uint64_t count)
{
    uint64_t n = 0;
    pb_frame prev = 0;
    for (pb_frame f = head; f; f = pb_frame_row(root, f)->free.next) {
        if (!pb_frame_valid(root, f) || !pb_frame_is_free(root, f)) {
            return broken(c, "I1: the free list holds a frame that is not free", f, 0);
        }
        const pb_row *row = pb_frame_row(root, f);
        if (row->free.prev != prev || !row->free.is_free || row->free.cold != cold ||
            ++n > count) {
            return broken(c, "I1: the free list is damaged", f, 0);
        }
        prev = f;
    }
    if (n != count) {
        return broken(c, "I1: the free list is short", 0, 0);
    }
    return cold || prev == root->free_tail ||
           broken(c, "I1: the free list ends elsewhere", prev, 0);
}

static bool
check_trees(const checker *c, const pb_pool *root, sums *s)
{
    recount_tails(c, root);
    EACH_TREE(root, b)
    {
        if (!pb_buf_check(b, c->fault)) {
            return false;
        }
        recount_lent(b, s);
        if (pb_buf_is_inline(b)) {
            continue;
        }
        checker here = {.b = b, .fault = c->fault, .seen = c->seen};
        (void)pb_tree_visit(root, &b->root, recount, &here);
    }
    recount_kept(root->open_zones, s);
    recount_kept(root->ended_zones, s);
    return check_zones(c, root);
}

#define WHY_LENT "I1: a pool miscounts the bytes that it is lent"

/* A frame charged to a child pool counts in every pool above it, too, and so do bytes that it is lent. */
static bool
check_accounts(const checker *c, const pb_pool *root, const sums *s)
{
    uint64_t all = lent_to_account(s, 0);
    for (unsigned i = 1; root->accounts && i < PB_MOST_POOLS; i++) {
        const pb_pool *child = root->accounts[i];
        uint64_t held = 0, lent = 0;
        for (unsigned j = 1; child && j < PB_MOST_POOLS; j++) {
            bool below = root->accounts[j] && pb_pool_within(root->accounts[j], child);
            held += below ? s->charged[j] : 0;
            lent += below ? lent_to_account(s, j) : 0;
        }
        if (child && held != child->held) { /* its limit may have been set below that */
            return broken(c, "I1: a child pool miscounts what it holds", 0, 0);
        }
        if (child && lent != child->lent) {
            return broken(c, WHY_LENT, 0, 0);
        }
        all += lent_to_account(s, i);
    }
    return all == root->lent || broken(c, WHY_LENT, 0, 0);
}

static bool
check_sums(const checker *c, const pb_pool *root, const sums *s)
{
    uint64_t all =
        root->held + root->listed + root->untouched + root->quarantined + root->guards;
    if (s->held != root->held || s->nodes != root->nodes || s->detached != root->detached) {
        return broken(c, "I1: the pool miscounts what is held", 0, 0);
    }
    if (s->quarantined != root->quarantined || s->guards != root->guards) {
        return broken(c, "I1: the pool miscounts what is kept back", 0, 0);
    }
    if (root->total != all || root->reserved) {
        return broken(c, "I1: held and free do not add up", 0, 0);
    }
    return check_accounts(c, root, s);
}

bool
pb_pool_check(const pb_pool *pool, uint32_t *scratch, pb_fault *fault)
{
    pb_pool *root = pool->root;
    checker c = {.fault = fault, .seen = scratch};
    sums s = {.charged = scratch + pb_pool_numbers(root)};
    s.lent = s.charged + (root->accounts ? PB_MOST_POOLS : 1);
    if (root->fault.why) {
        *fault = root->fault;
        return false;
    }
    if (!check_trees(&c, root, &s)) {
        return false;
    }
    EACH_REGION(root, r)
    {
        if (!check_region(&c, root, r, &s)) {
            return false;
        }
    }
    return check_sums(&c, root, &s) &&
           check_list(&c, root, root->free_head, false, root->listed - root->cold) &&
           check_list(&c, root, root->cold_head, true, root->cold);
}
