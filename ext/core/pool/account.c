/* pool/account.c: reservations, limits, and the accounts of pools that share their frames. */
#include "pool/poison.h"
#include "pool/internal.h"

/* ---- reservations (I3) ---- */

/* What counts against the limit of a pool, in frames. */
static inline uint64_t
counted(const pb_pool *pool)
{
    return pool->held + pool->reserved - pool->moving + pb_pool_lent_frames(pool);
}

/* The pool that n more frames are too many for, or NULL.  Where none are asked for, no limit refuses: it
 * may have been set below what is held, and what is given back needs no frame. */
static pb_pool *
over_limit(pb_pool *pool, uint64_t n)
{
    for (; pool && n; pool = pool->parent) {
        if (counted(pool) + n > pool->limit) {
            return pool;
        }
    }
    return NULL;
}

static void
add_reserved(pb_pool *pool, uint64_t n)
{
    for (; pool; pool = pool->parent) {
        pool->reserved += n;
    }
}

/* The pool has fewer free frames than `wanted`. */
static bool
is_short(pb_pool *root, uint64_t wanted)
{
    if (PB_UNLIKELY(root->listed + root->untouched < wanted) && root->debug) {
        pb_debug_end_quarantine(root); /* those frames come first, then new memory */
    }
    return root->listed + root->untouched < wanted;
}

/* Limits count n of the n + moved frames. */
static inline pb_status
reserve_locked(pb_pool *pool, uint64_t n, uint64_t moved)
{
    pb_pool *root = pool->root;
    uint64_t wanted = root->reserved + n + moved;
    pb_refusal *refusal = pb_refusal_of(pool);
    pb_status trouble = PB_OK; /* perhaps found while the caller counted n */
    if (PB_UNLIKELY(pb_pending(root) & (PB_PENDING_FAULT | PB_PENDING_ABSENT)) &&
        (trouble = pb_pool_trouble(root)) != PB_OK) {
        return trouble;
    }
    pb_pool *refused = wanted < n ? root : over_limit(pool, n);
    if (PB_UNLIKELY(refused != NULL)) {
        refusal->asked = n;
        refusal->refused = refused;
        return PB_LIMIT;
    }
    if (is_short(root, wanted)) {
        refusal->short_by = wanted - root->listed - root->untouched;
        refusal->short_of_run = refusal->for_room = false;
        return PB_NEED_PAGES;
    }
    if (PB_UNLIKELY(root->debug) && !pb_debug_verify_free(root, n + moved)) {
        return PB_CORRUPT;
    }
    add_reserved(pool, n + moved);
    return PB_OK;
}

pb_status
pb_reserve_locked(pb_pool *pool, uint64_t n)
{
    return reserve_locked(pool, n, 0);
}

/* The pool refuses n frames: use those of the claim.  Damage and absent pages refuse nevertheless. */
PB_NOINLINE static pb_status
reserve_claimed(pb_pool *pool, uint64_t n, pb_status st)
{
    pb_acting *acting = pb_acting_of(pool);
    if (st == PB_CORRUPT || st == PB_ABSENT || n > acting->claimed) {
        return st;
    }
    acting->claimed -= n;
    return PB_OK;
}

pb_status
pb_pool_reserve(pb_pool *pool, uint64_t n)
{
    pb_lock_take(&pool->root->lock);
    pb_status st = pb_reserve_locked(pool, n);
    if (PB_UNLIKELY(st != PB_OK)) {
        st = reserve_claimed(pool, n, st);
    }
    pb_lock_drop(&pool->root->lock);
    return st;
}

void
pb_add_moving(pb_pool *pool, uint64_t n)
{
    for (; pool; pool = pool->parent) {
        pool->moving += n;
    }
}

pb_status
pb_pool_reserve_move(pb_pool *pool, uint64_t n, uint64_t moved)
{
    pb_lock_take(&pool->root->lock);
    pb_status st = reserve_locked(pool, n, moved);
    if (st == PB_OK) {
        pb_add_moving(pool, moved);
    }
    pb_lock_drop(&pool->root->lock);
    return st;
}

void
pb_pool_end_move(pb_pool *pool, uint64_t left)
{
    pb_lock_take(&pool->root->lock);
    pb_add_moving(pool, 0 - left);
    for (pb_pool *p = pool; p; p = p->parent) {
        account_moved(p);
    }
    pb_lock_drop(&pool->root->lock);
}

void
pb_pool_unreserve(pb_pool *pool, uint64_t n)
{
    pb_lock_take(&pool->root->lock);
    add_reserved(pool, 0 - n);
    pb_lock_drop(&pool->root->lock);
}

/* ---- bytes of others ---- */

/* How many frames so many bytes would fill. */
static inline uint64_t
frames_for(uint64_t bytes)
{
    return (bytes >> PB_PAGE_SHIFT) + ((bytes & PB_PAGE_MASK) != 0);
}

static void
add_lent(pb_pool *pool, uint64_t n)
{
    for (; pool; pool = pool->parent) {
        pool->lent += n;
        pool->lent_frames = frames_for(pool->lent);
        if (PB_UNLIKELY(pool->mark_count != 0)) {
            account_moved(pool);
        }
    }
}

/* The pool that n more lent bytes are too many for, if `frames` go; or NULL. */
static pb_pool *
over_limit_lent(pb_pool *pool, uint64_t n, uint64_t frames)
{
    for (; pool; pool = pool->parent) {
        uint64_t lent = frames_for(pool->lent + n);
        uint64_t all = counted(pool) - pb_pool_lent_frames(pool) + lent;
        if (pool->limit != PB_UNLIMITED && all - pb_min(all, frames) > pool->limit) {
            break;
        }
    }
    return pool;
}

pb_status
pb_pool_lend(pb_pool *pool, uint64_t n, uint64_t frames)
{
    pb_lock_take(&pool->root->lock);
    pb_pool *refused = over_limit_lent(pool, n, frames);
    if (refused) {
        pb_refusal *refusal = pb_refusal_of(pool);
        refusal->asked = frames_for(n);
        refusal->refused = refused;
    }
    else {
        add_lent(pool, n);
    }
    pb_lock_drop(&pool->root->lock);
    return refused ? PB_LIMIT : PB_OK;
}

void
pb_pool_lend_again(pb_pool *pool, uint64_t n)
{
    pb_lock_take(&pool->root->lock);
    add_lent(pool, n);
    pb_lock_drop(&pool->root->lock);
}

void
pb_pool_unlend(pb_pool *pool, uint64_t n)
{
    pb_lock_take(&pool->root->lock);
    add_lent(pool, 0 - n);
    pb_lock_drop(&pool->root->lock);
}

/* ---- marks ---- */

/* Marks are of what counts against the limit; high_water is of frames that are held. */
PB_NOINLINE static void
look_at_marks(pb_pool *pool)
{
    uint64_t lent = pb_pool_lent_frames(pool), counts = pool->held + lent;
    while (pool->reached < pool->mark_count && counts >= pool->marks[pool->reached]) {
        pool->crossed |= 1u << pool->reached++;
        pb_set_bits8(&pool->root->pending, PB_PENDING_PRESSURE);
    }
    while (pool->reached && counts < pool->marks[pool->reached - 1]) {
        pool->reached--;
    }
    if (pool->reached < pool->mark_count) {
        pool->watch = pb_min(pool->watch, pool->marks[pool->reached] - lent);
    }
    uint64_t passed = pool->reached ? pool->marks[pool->reached - 1] : 0;
    pool->rearm = passed - pb_min(passed, lent);
}

/* A pool that grows calls this for each frame, and few pools have marks. */
void
account_moved(pb_pool *pool)
{
    if (pool->moving) {
        return; /* the end of the move looks */
    }
    if (pool->held > pool->high_water) {
        pool->high_water = pool->held;
    }
    pool->watch = pool->high_water + 1;
    pool->rearm = 0;
    if (PB_UNLIKELY(pool->mark_count != 0)) {
        look_at_marks(pool);
    }
}

void
pb_account_end_trial(pb_pool *pool)
{
    if (--pb_acting_of(pool)->trying) {
        return;
    }
    pb_lock *lock = &pool->root->lock;
    pb_lock_take(lock);
    for (; pool; pool = pool->parent) {
        if (pool->held >= pool->watch) {
            account_moved(pool);
        }
    }
    pb_lock_drop(lock);
}

void
pb_pool_set_marks(pb_pool *pool, const uint64_t *marks, uint32_t n)
{
    pb_lock_take(&pool->root->lock);
    memcpy(pool->marks, marks, n * sizeof *marks);
    pool->mark_count = n;
    pool->reached = pool->crossed = 0;
    uint64_t counts = pool->held + pb_pool_lent_frames(pool);
    while (pool->reached < n && counts >= marks[pool->reached]) {
        pool->reached++; /* marks already reached are not reported */
    }
    account_moved(pool);
    pb_lock_drop(&pool->root->lock);
}

/* ---- children ---- */

bool
pb_pool_offer_accounts(pb_pool *root, pb_pool **table)
{
    pb_lock_take(&root->lock);
    bool taken = root->accounts == NULL;
    if (taken) {
        root->accounts = table;
    }
    pb_lock_drop(&root->lock);
    return taken;
}

static unsigned
free_account(const pb_pool *root, unsigned from)
{
    while (from < PB_MOST_POOLS && root->accounts[from]) {
        from++;
    }
    return from;
}

bool
pb_pool_join(pb_pool *child, pb_pool *parent, unsigned from)
{
    pb_pool *root = parent->root;
    pb_lock_take(&root->lock);
    unsigned account = free_account(root, from);
    bool joins = account < PB_MOST_POOLS;
    if (joins) {
        child->root = root;
        child->parent = parent;
        child->account = (uint16_t)account;
        child->debug = root->debug;
        memcpy(child->addr, root->addr, sizeof child->addr);
        memcpy(child->rows, root->rows, sizeof child->rows);
        memcpy(child->resident, root->resident, sizeof child->resident);
        memcpy(child->past, root->past, sizeof child->past);
        root->accounts[account] = child;
    }
    pb_lock_drop(&root->lock);
    return joins;
}

/* Charge frames of the child that others still hold to its parent.  The parent has
 * counted them all along. */
static void
charge_parent(pb_pool *child)
{
    EACH_REGION(child->root, r)
    {
        for (uint32_t i = 0; i < r->count; i++) {
            pb_row *row = r->table + i;
            if (has_holder(r, i) && row->held.account == child->account) {
                row->held.account = child->parent->account & (PB_MOST_POOLS - 1);
            }
        }
    }
}

void
pb_pool_leave(pb_pool *child)
{
    pb_pool *root = child->root;
    pb_lock_take(&root->lock);
    if (child->held) {
        charge_parent(child);
    }
    root->accounts[child->account] = NULL;
    pb_lock_drop(&root->lock);
}
