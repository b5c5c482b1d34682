/* buffer/buf.h: a growable run of bytes in pages: ranges in, ranges out, ranges away.
 *
 * A buffer is a root and what is remembered of it (a software TLB):
 *    tail, tail_room  where the next byte goes, and how many fit in that page
 *    head             the page that the first byte lies in
 *    leaf_r, leaf_w   the leaf node last read from / last written to (and owned, I2)
 * Whatever changes the shape of the tree forgets what it may have moved.
 *
 * A tiny buffer has no tree: root.levels is 0 and its bytes lie in the object itself,
 * over everything from root.bias on.
 *
 *    +------+------+-------------------+---------------------------------------------+
 *    | pool | tail | size .. tail_room | bias slot[4] leaf_r leaf_w .. pins next prev      |
 *    +------+------+-------------------+---------------------------------------------+
 *                                       ^ PB_INLINE bytes, zeros past the size (I4)
 *
 * In debug pools `tail_room` is 0, so that every change takes the long way, and `tail` says
 * where the fill of the tail begins (buffer/tail.c).
 *
 * Every function is called with the buffer's lock held.  Those that may need frames
 * return PB_NEED_PAGES or PB_LIMIT with nothing changed (I3). */
#ifndef PB_BUFFER_BUF_H
#define PB_BUFFER_BUF_H

#include "base/copy.h"
#include "pool/poison.h"
#include "tree/extent.h"
#include "view/pins.h"

#if PB_LOCKS
/* What other threads look at while one has the lock.  A word of its own: compilers load the whole
 * word around a byte that they are asked for. */
typedef struct {
    _Alignas(8) uint8_t lock;
    uint8_t retired; /* it had other pools before (lock/retired.h) */
} pb_shared_word;
#endif

typedef struct pb_buf {
    pb_pool *pool;
    uint8_t *tail;
#if PB_LOCKS
    pb_shared_word word;
#endif
    pb_root root; /* and in its padding what the accessors below are about */
    pb_entry *leaf_r, *leaf_w;
    uint64_t leaf_r_first, leaf_w_first; /* page of their first entry */
    uint8_t *head;
    pb_pin_list *pins; /* NULL: there never was a live view */
    pb_member member; /* trees of the same pool; of a tiny buffer only its address counts */
} pb_buf;

/* The pool, without the lock: an object may begin anew in another one meanwhile, but keeps the one
 * that it had (lock/retired.h). */
static inline pb_pool *
pb_buf_pool(const pb_buf *b)
{
#if PB_LOCKS
    return __atomic_load_n(&b->pool, __ATOMIC_ACQUIRE);
#else
    return b->pool;
#endif
}

/* The buffer around what its pool knows of it; NULL of NULL. */
static inline pb_buf *
pb_buf_of(const pb_member *tree)
{
    return tree ? (pb_buf *)((uintptr_t)tree - offsetof(pb_buf, member)) : NULL;
}

/* Every tree that draws from a root or one of its children; its lock is held. */
#define EACH_TREE(pool_root, b)                                \
    for (const pb_buf *b = pb_buf_of((pool_root)->members); b; \
         b = pb_buf_of(b->member.next))

#define PB_INLINE_AT (offsetof(pb_buf, root) + offsetof(pb_root, bias))
_Static_assert(PB_INLINE <= sizeof(pb_buf) - PB_INLINE_AT, "inline bytes overlay the tree");

static inline bool
pb_buf_is_inline(const pb_buf *b)
{
    return PB_INLINE && b->root.levels == 0;
}

static inline uint8_t *
pb_buf_inline(const pb_buf *b)
{
    return (uint8_t *)(uintptr_t)b + PB_INLINE_AT;
}

/* Height and bias as a caller sees them: a tiny buffer is a tree of one level. */
static inline unsigned
pb_buf_levels(const pb_buf *b)
{
    return b->root.levels ? b->root.levels : 1;
}

static inline uint64_t
pb_buf_bias(const pb_buf *b)
{
    return pb_buf_is_inline(b) ? 0 : b->root.bias;
}

/* ---- what the root keeps for the holder: asked for and set here, so that it may lie elsewhere ---- */

/* 0, or why the buffer never changes: PB_FROZEN_SNAPSHOT, PB_FROZEN_INTERNAL. */
static inline uint8_t
pb_buf_frozen(const pb_buf *b)
{
    return b->root.frozen;
}

static inline void
pb_buf_freeze(pb_buf *b, uint8_t how)
{
    b->root.frozen = how;
}

/* How many bytes fit behind the last one, at b->tail, without another look. */
static inline uint64_t
pb_buf_tail_room(const pb_buf *b)
{
    return b->root.tail_room;
}

/* The next append takes the long way. */
static inline void
pb_buf_forget_tail(pb_buf *b)
{
    b->root.tail_room = 0;
}

static inline unsigned
pb_buf_max_levels(const pb_buf *b)
{
    return b->root.max_levels;
}

/* ---- life ---- */

/* An empty buffer on a pool, which must outlive it.  Cannot fail. */
void
pb_buf_init(pb_buf *b, pb_pool *pool, unsigned max_levels);

/* The same of a tree inside the library (PB_FROZEN_INTERNAL): no object is around it. */
void
pb_buf_init_internal(pb_buf *b, pb_pool *pool);

/* Give everything back.  Cannot fail.  Views live on; the pin list is the caller's to free. */
void
pb_buf_fini(pb_buf *b);

/* The same as pb_buf_init after pb_buf_fini, for one that goes on under the lock that it is called
 * with: that lock and the count of readers stay as they are. */
void
pb_buf_begin_anew(pb_buf *b, pb_pool *pool, unsigned max_levels);

/* Move tiny contents to a page: what is to be viewed or shared must be in a tree. */
pb_status
pb_buf_promote(pb_buf *b);

/* Undo pb_buf_promote after what it was done for has failed. */
void
pb_buf_demote(pb_buf *b);

static inline uint64_t
pb_buf_capacity(const pb_buf *b)
{
    return pb_reach(b->root.max_levels);
}

/* ---- in ---- */

/* Remember where the next byte goes, after a change that left it open. */
void
pb_buf_remember_tail(pb_buf *b);

/* Make [off, off + n) writable memory of this buffer alone, the bytes around it as they
 * were or zeros (I4), and the buffer long enough to hold it.  n > 0.  Afterwards
 * pb_buf_copy_in cannot fail.  PB_CAPACITY past what max_levels reaches. */
pb_status
pb_buf_prepare(pb_buf *b, uint64_t off, uint64_t n);

/* The same for those who do not overwrite all of it, or read it first: every byte of
 * [off, off + n) stays as it was, zero where there was none. */
pb_status
pb_buf_prepare_kept(pb_buf *b, uint64_t off, uint64_t n);

/* Store n prepared bytes.  Touches neither pool nor shape.  Cannot fail. */
void
pb_buf_copy_in(const pb_buf *b, uint64_t off, const void *src, uint64_t n);

pb_status
pb_buf_write(pb_buf *b, uint64_t off, const void *src, uint64_t n);

/* A write whose bytes somebody copies by hand, in three steps: begin, pb_buf_copy_in, end.  Begin
 * also looks at the source (pb_buf_may_use); after it nothing can fail.  End remembers the tail.
 * Between them the lock may be the only thing that is held, but it is held. */
pb_status
pb_buf_write_begin(pb_buf *b, uint64_t off, const void *src, uint64_t n);

static inline void
pb_buf_write_end(pb_buf *b)
{
    pb_buf_remember_tail(b);
}

/* The remembered tail did not do. */
pb_status
pb_buf_extend_slow(pb_buf *b, const void *src, uint64_t n);

static inline pb_status
pb_buf_extend(pb_buf *b, const void *src, uint64_t n)
{
    if (PB_UNLIKELY(n > b->root.tail_room)) {
        return pb_buf_extend_slow(b, src, n);
    }
    pb_copy(b->tail, src, n);
    b->tail += n;
    b->root.tail_room = (uint16_t)(b->root.tail_room - n);
    b->root.size += n;
    return PB_OK;
}

/* May a copy use this memory of somebody else's?  Debug pools look (pb_debug_foreign). */
static inline bool
pb_buf_may_use(const pb_buf *b, const void *mem, uint64_t n)
{
    return PB_LIKELY(!b->pool->debug) || pb_debug_foreign(b->pool, mem, n);
}

/* ---- out ---- */

/* One contiguous stretch of a range: what it is, where it lies if it is PRESENT (NULL
 * otherwise), and how long it is. */
typedef struct {
    pb_extent_kind kind;
    uint8_t *at;
    uint64_t n;
} pb_stretch;

/* What [off, off + n), n > 0, a range inside the buffer, begins with.  Damage is noted. */
pb_stretch
pb_buf_stretch(const pb_buf *b, uint64_t off, uint64_t n);

/* Copy [off, off + n) to dst; the range lies inside the buffer.  PB_OK.  What is damaged is
 * noted and reads as zeros. */
pb_status
pb_buf_copy_out(const pb_buf *b, uint64_t off, void *dst, uint64_t n);

/* The address of byte `off` when [off, off + n) lies in one run of pages of one leaf (or
 * inline), else NULL.  Remembers the leaf. */
const uint8_t *
pb_buf_peek(pb_buf *b, uint64_t off, uint64_t n);

/* Take n bytes off the front.  Whole pages left behind go back to the pool. */
pb_status
pb_buf_drop_front(pb_buf *b, uint64_t n);

/* Where the first byte lies, when n bytes can be taken from its page without using it
 * up; else NULL. */
static inline const uint8_t *
pb_buf_ready(const pb_buf *b, uint64_t n)
{
    if (pb_buf_is_inline(b)) {
        return NULL;
    }
    uint64_t used = b->root.bias & PB_PAGE_MASK;
    bool ready = b->head && n < PB_PAGE_SIZE - used && n < b->root.size;
    return PB_LIKELY(ready) ? b->head + used : NULL;
}

/* Take n bytes that pb_buf_ready found ready. */
static inline void
pb_buf_take_ready(pb_buf *b, uint64_t n)
{
    b->root.bias += n;
    b->root.size -= n;
}

/* ---- away ---- */

/* Cut, or extend by a hole. */
pb_status
pb_buf_truncate(pb_buf *b, uint64_t size);

/* Make [off, off + n) zeros: whole pages go back to the pool. */
pb_status
pb_buf_punch(pb_buf *b, uint64_t off, uint64_t n);

/* Drop everything.  Cannot fail. */
void
pb_buf_clear(pb_buf *b);

/* ---- looking in ---- */

/* The next range with pages behind it, from `off` on, clipped to the size.  false when
 * there is none. */
bool
pb_buf_next_data(const pb_buf *b, uint64_t off, uint64_t *start, uint64_t *end);

#endif
