/* family.h: buffers and queues of one pool beside models of them, their live views and
 * range snapshots; making calls on both, and comparing them. */
#ifndef PB_FUZZ_FAMILY_H
#define PB_FUZZ_FAMILY_H

#include "input.h"
#include "plain.h"

#include "queue/queue.h"
#include "range/paste.h"
#include "range/splice.h"
#include "buffer/share.h"

enum { PLAIN_BUFFERS = 3, MEMBERS = 5, VIEWS = 3, SNAPSHOTS = 2, LONGEST = 7, REGIONS = 6 };

/* What a queue keeps instead of a copy. */
typedef struct {
    unsigned references;
    uint64_t n;
    uint8_t byte[];
} kept;

typedef struct {
    union { /* a queue begins with its tree */
        pb_buf b;
        pb_queue q;
    };
    pb_pin_list pins;
    plain m;
    /* of queues: what their position and reservation should be */
    uint64_t front, uncommitted;
    bool by_hand; /* the reservation has pages of its own, to be filled by hand */
    uint8_t sep;  /* what was sought last */
} member;

/* A live view of n bytes. */
typedef struct {
    pb_pin pin;
    member *of; /* NULL: not open */
    uint8_t *at;
    uint64_t n;
    int64_t off;             /* where its buffer has the first byte, before its front too */
    int64_t live, live_past; /* bytes whose pages are still under the buffer */
    uint8_t shadow[LONGEST * PB_PAGE_SIZE]; /* what it should show */
} view;

typedef struct {
    pb_range_snapshot r;
    member *of; /* NULL: free */
    plain m;    /* what the range held at that moment */
} taken;

typedef struct {
    memory mem;
    uint32_t piece; /* frames of a region; 0: as many as all before it */
    bool full;      /* no further region: anything may be refused */
    bool tight;     /* the current call may be refused... */
    bool stingy;    /* ...since the pool does not grow */
    const char *call;
    uint64_t calls;
    member member[MEMBERS];
    view view[VIEWS];
    taken taken[SNAPSHOTS];
    uint8_t bytes[MOST]; /* for the current call */
} family;

static family f;

static inline bool
is_queue(const member *p)
{
    return p >= &f.member[PLAIN_BUFFERS];
}

/* Does it keep objects?  Then offsets of its tree are not those of its bytes: nothing but the queue's own
 * calls gets at them, and nobody views it. */
static inline bool
keeps(const member *p)
{
    return is_queue(p) && p->q.pieces.count;
}

/* Bytes in it and reserved. */
static inline uint64_t
member_size(const member *p)
{
    return is_queue(p) ? pb_queue_len(&p->q) + p->q.uncommitted : p->b.root.size;
}

/* ---- the pool ---- */

/* One more region, large enough for what the pool is short by. */
static inline bool
family_grow(void)
{
    pb_pool *pool = &f.mem.pool;
    uint64_t frames = f.piece ? f.piece : pb_pool_next_region(pool);
    frames = pb_max(frames, pb_refusal_of(pool)->short_by + 2);
    if (f.stingy) {
        return false;
    }
    if (pool->regions == REGIONS || frames > 4096) {
        f.full = true;
        return false;
    }
    size_t size = (size_t)frames << PB_PAGE_SHIFT;
    /* whole pages of the system, anonymous: what is discarded reads as zeros */
    void *base = memory_block(&f.mem, 4096, size, f.mem.fresh_zero ? 0 : GARBAGE);
    memory_add(&f.mem, base, (uint32_t)frames, true);
    return true;
}

/* Make a call as the binding does: the pool grows until the call needs no more.
 * Whatever the result, nothing stays reserved. */
#define CALL_LOOSE(st, call)              \
    do {                                  \
        st = (call);                      \
        CHECK_EQ(f.mem.pool.reserved, 0); \
    } while (st == PB_NEED_PAGES && family_grow())

/* The same; a refused call has taken and released nothing (I3). */
#define CALL(st, call)                                  \
    do {                                                \
        uint64_t held_ = f.mem.pool.held;               \
        CALL_LOOSE(st, call);                           \
        CHECK(st == PB_OK || f.mem.pool.held == held_); \
    } while (0)

static inline bool
is_viewed(const member *p)
{
    for (unsigned k = 0; k < VIEWS; k++) {
        const view *v = &f.view[k];
        if (v->of == p && v->live < v->live_past) {
            return true;
        }
    }
    return false;
}

/* Were there enough frames?  If not, check that there was a reason. */
static inline bool
granted(pb_status st)
{
    CHECK(st == PB_OK || ((st == PB_LIMIT || st == PB_NEED_PAGES) && (f.tight || f.full)));
    return st == PB_OK;
}

/* Was the buffer changed?  `end`: what its size would be then. */
static inline bool
done(const member *p, pb_status st, uint64_t end)
{
    uint64_t capacity = pb_buf_capacity(&p->b);
    switch (st) {
    case PB_OK:
        CHECK(end <= capacity || is_queue(p)); /* of the tree alone */
        CHECK(p->b.root.frozen != PB_FROZEN_SNAPSHOT);
        return true;
    case PB_CAPACITY: /* where a bias is in the way of the highest trees, before it */
        CHECK(end > capacity || end > PB_REACH / 4);
        break;
    case PB_PINNED:
        CHECK(is_viewed(p));
        break;
    case PB_FROZEN:
        CHECK_EQ(p->b.root.frozen, PB_FROZEN_SNAPSHOT);
        break;
    default:
        return granted(st);
    }
    return false;
}

/* ---- bytes ---- */

/* Bytes [i, i + n) of the model, where the buffer has them. */
static inline void
agree_on_side(const pb_buf *b, uint64_t off, const uint8_t *want, uint64_t n)
{
    static uint8_t got[MOST];
    pb_buf_copy_out(b, off, got, n);
    CHECK_BYTES(got, want, n);
}

/* Objects and the tree in turn, and what is reserved behind them. */
static inline void
agree_on_kept(const member *p, uint64_t i, uint64_t n)
{
    static uint8_t got[MOST];
    uint64_t len = pb_queue_len(&p->q), inside = i < len ? pb_min(n, len - i) : 0;
    CHECK_OK(pb_queue_copy_at(&p->q, i, got, inside));
    CHECK_BYTES(got, p->m.byte + i, inside);
    agree_on_side(&p->b, pb_queue_copied(&p->q) + (i + inside - len),
                  p->m.byte + i + inside, n - inside);
}

static inline void
agree_on(const member *p, uint64_t i, uint64_t n)
{
    const plain *m = &p->m;
    n = i < m->size ? pb_min(n, m->size - i) : 0;
    if (keeps(p)) {
        agree_on_kept(p, i, n);
        return;
    }
    uint64_t before = plain_one_side(m, i, n) ? n : m->gap_at - i;
    agree_on_side(&p->b, plain_place(m, i), m->byte + i, before);
    agree_on_side(&p->b, plain_place(m, i + before), m->byte + i + before, n - before);
}

/* The bytes of a call and a few around them. */
static inline void
agree_around(const member *p, uint64_t i, uint64_t n)
{
    uint64_t before = pb_min(i, 9);
    CHECK_EQ(member_size(p), plain_whole_size(&p->m));
    agree_on(p, i - before, n + before + 9);
}

static inline void
agree_on_gap(const member *p)
{
    static const uint8_t zeros[16];
    const plain *m = &p->m;
    uint64_t n = pb_min(m->gap, sizeof zeros);
    agree_on_side(&p->b, m->gap_at, zeros, n);
    agree_on_side(&p->b, m->gap_at + m->gap - n, zeros, n);
}

static inline void
agree_on_queue(const member *p)
{
    pb_fault fault = {0};
    if (!pb_queue_check(&p->q, &fault)) {
        fail_at(__FILE__, __LINE__, "the queue is damaged: %s", fault.why);
    }
    CHECK_EQ(pb_queue_front(&p->q), p->front);
    CHECK_EQ(p->q.uncommitted, p->uncommitted);
}

static inline void
agree_on_member(const member *p)
{
    CHECK_EQ(member_size(p), plain_whole_size(&p->m));
    agree_on(p, 0, p->m.size);
    agree_on_gap(p);
    if (is_queue(p)) {
        agree_on_queue(p);
    }
}

/* ---- live views ---- */

/* Is byte i under its buffer, but past the end of it or before its front?  The buffer may
 * clear such a byte whenever it wants (I4). */
static inline bool
is_beside(const view *v, uint64_t i)
{
    int64_t at = v->off + (int64_t)i;
    return (int64_t)i >= v->live && (int64_t)i < v->live_past &&
           (at < 0 || at >= (int64_t)v->of->m.size);
}

/* What was cleared beside the buffer stays so when it is detached. */
static inline void
note_cleared(view *v)
{
    bool all_inside = v->off >= 0 && v->off + (int64_t)v->n <= (int64_t)v->of->m.size;
    for (uint64_t i = 0; i < v->n && !all_inside; i++) {
        if (v->at[i] == 0 && v->shadow[i] && is_beside(v, i)) {
            v->shadow[i] = 0;
        }
    }
}

/* What a view shows now is what it should show from here on. */
static inline void
refresh_views(const member *p)
{
    for (unsigned k = 0; k < VIEWS; k++) {
        view *v = &f.view[k];
        if (v->of != p) {
            continue;
        }
        note_cleared(v);
        int64_t from = v->live > -v->off ? v->live : -v->off;
        int64_t size = (int64_t)p->m.size - v->off;
        int64_t past = v->live_past < size ? v->live_past : size;
        from = from > 0 ? from : 0;
        past = past < (int64_t)v->n ? past : (int64_t)v->n;
        if (from < past) {
            memcpy(v->shadow + from, p->m.byte + (v->off + from), (size_t)(past - from));
        }
    }
}

static inline void
cut_live(view *v, int64_t from, int64_t past)
{
    v->live = v->live > from ? v->live : from;
    v->live_past = v->live_past < past ? v->live_past : past;
}

/* Pages that are not between the first and the last one of a buffer are detached (I7).  Its
 * first byte is at position `first`, which may be before 0: within a call, before the bias
 * that it ends with. */
static inline void
detach_views(const member *p, int64_t first, uint64_t size)
{
    const int64_t mask = ~(int64_t)PB_PAGE_MASK;
    int64_t from = first & mask, past = (first + (int64_t)(size + PB_PAGE_MASK)) & mask;
    for (unsigned k = 0; k < VIEWS; k++) {
        view *v = &f.view[k];
        if (v->of == p && v->live < v->live_past) {
            int64_t start = first + v->off;
            cut_live(v, from - start, size ? past - start : v->live);
        }
    }
}

static inline void
move_views(const member *p, uint64_t n)
{
    for (unsigned k = 0; k < VIEWS; k++) {
        if (f.view[k].of == p) {
            f.view[k].off -= (int64_t)n;
        }
    }
}

/* The model has changed as the buffer has. */
static inline void
changed(const member *p)
{
    detach_views(p, (int64_t)pb_buf_bias(&p->b), p->b.root.size);
    refresh_views(p);
}

static inline void
agree_on_view(view *v)
{
    note_cleared(v);
    CHECK_BYTES(v->at, v->shadow, v->n);
}

/* Bytes were stored at `at`, in the memory of a view: update all views that show them,
 * and the buffer. */
static inline void
note_store(const uint8_t *at, uint64_t n)
{
    for (unsigned k = 0; k < VIEWS; k++) {
        view *v = &f.view[k];
        for (uint64_t i = 0; v->of && i < n; i++) {
            uint64_t k_at = (uint64_t)(at + i - v->at);
            int64_t off = v->off + (int64_t)k_at;
            if (k_at >= v->n) {
                continue;
            }
            v->shadow[k_at] = at[i];
            if ((int64_t)k_at >= v->live && (int64_t)k_at < v->live_past && off >= 0 &&
                off < (int64_t)v->of->m.size) {
                v->of->m.byte[off] = at[i];
            }
        }
    }
}

static inline void
close_view(view *v)
{
    if (v->of) {
        agree_on_view(v);
        pb_pin_release(&f.mem.pool, &v->pin);
        v->of = NULL;
    }
}

/* ---- range snapshots ---- */

static inline void
end_range_snapshot(taken *h, bool shared)
{
    agree_on_side(&h->r.b, h->r.off, h->m.byte, h->m.size);
    pb_range_end_snapshot(&h->r, &h->of->b, shared);
    h->of = NULL;
}

/* ---- what queues keep ---- */

static inline void
let_go(kept *object)
{
    CHECK(object->references > 0);
    if (--object->references == 0) {
        free(object);
    }
}

/* Hand a queue memory for `room` records. */
static inline void
set_records(member *p, uint32_t room)
{
    pb_queue_record *records = calloc(room, sizeof *records);
    free(pb_queue_set_records(&p->q, records, room));
}

/* After a call: release what the queue has let go, as the binding does. */
static inline void
settle_queue(member *p)
{
    while (pb_queue_has_released(&p->q)) {
        kept *object = pb_queue_next_released(&p->q);
        if (object) {
            let_go(object);
        }
    }
    uint32_t fewer = pb_queue_fewer_records(&p->q);
    if (fewer) {
        set_records(p, fewer);
    }
}

static inline void
queue_end(member *p)
{
    pb_queue_let_go(&p->q);
    settle_queue(p);
    free(pb_queue_set_records(&p->q, NULL, 0));
}

/* ---- members ---- */

static inline void
member_begin(member *p, unsigned levels)
{
    p->q = (pb_queue){0};
    if (is_queue(p)) {
        pb_queue_init(&p->q, &f.mem.pool, UINT64_MAX, PB_GROW);
        p->b.root.max_levels = (uint8_t)levels;
    }
    else {
        pb_buf_init(&p->b, &f.mem.pool, levels);
    }
    plain_empty(&p->m);
    p->uncommitted = p->front = p->sep = 0;
}

/* Range snapshots end before their buffer; views live on. */
static inline void
member_end(member *p)
{
    for (unsigned k = 0; k < SNAPSHOTS; k++) {
        if (f.taken[k].of == p) {
            end_range_snapshot(&f.taken[k], false);
        }
    }
    plain_empty(&p->m);
    if (is_queue(p)) {
        queue_end(p);
    }
    pb_buf_fini(&p->b);
    for (unsigned k = 0; k < VIEWS; k++) {
        if (f.view[k].of == p) {
            CHECK(f.view[k].pin.link == NULL);
            f.view[k].live = f.view[k].live_past = 0;
        }
    }
}

/* ---- everything ---- */

static inline void
check_whole_pool(void)
{
    static uint32_t scratch[(size_t)1 << (PB_REGION0_BITS + 8)];
    pb_fault fault = {0};
    size_t words = pb_pool_check_words(&f.mem.pool);
    CHECK(words <= sizeof scratch / sizeof *scratch);
    memset(scratch, 0, words * sizeof *scratch);
    if (!pb_pool_check(&f.mem.pool, scratch, &fault)) {
        fail_at(__FILE__, __LINE__, "the pool is damaged: %s (frame %" PRIu32 ")",
                fault.why, fault.frame);
    }
}

static inline void
agree_on_all(void)
{
    pb_fault fault = {0};
    for (unsigned k = 0; k < MEMBERS; k++) {
        if (!pb_buf_check(&f.member[k].b, &fault)) {
            fail_at(__FILE__, __LINE__, "buffer %u is damaged: %s (frame %" PRIu32 ")", k,
                    fault.why, fault.frame);
        }
        agree_on_member(&f.member[k]);
    }
    for (unsigned k = 0; k < VIEWS; k++) {
        if (f.view[k].of) {
            agree_on_view(&f.view[k]);
        }
    }
    for (unsigned k = 0; k < SNAPSHOTS; k++) {
        if (f.taken[k].of) {
            agree_on_side(&f.taken[k].r.b, f.taken[k].r.off, f.taken[k].m.byte,
                          f.taken[k].m.size);
        }
    }
    check_whole_pool();
}

#endif
