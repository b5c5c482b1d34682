/* buffer/buf.h: a growable sequence of bytes in pages: write, read and cut ranges of it.
 *
 * A buffer is a root and some hints about its tree, which save walks (a software TLB):
 *    tail, tail_room  where the next byte goes, and how many fit in that page
 *    head             the page that the first byte lies in
 *    leaf_r, leaf_w   the leaf node last read from / last written to (and owned, I2)
 * A change of the tree's shape clears each hint that it may have made wrong.
 *
 * A tiny buffer has no tree: root.levels is 0.  Its bytes lie in the object itself, in the
 * memory from root.bias on.
 *
 *    +------+------+-------------------+----------------------------------------------+
 *    | pool | tail | size .. tail_room | bias slot[4] leaf_r leaf_w .. pins next prev |
 *    +------+------+-------------------+----------------------------------------------+
 *                                        ^ PB_INLINE bytes, zeros past the size (I4)
 *
 * In debug pools `tail_room` is 0, so that every append takes the slow path.  There `tail`
 * points to the first byte of the tail fill (buffer/tail.c).
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
/* What other threads read while one thread holds the lock.  It has a word of its own, because
 * a compiler may load the whole word to get one byte of it. */
typedef struct {
    _Alignas(8) uint8_t lock;
    uint8_t retired;  /* the buffer had other pools before (lock/retired.h) */
    uint8_t apart;    /* small reads need no lock (lock/readers.h) */
    uint8_t together; /* how many reads under the lock before that may be */
} pb_shared_word;
#endif

/* Bytes of somebody else: `size` bytes at `at`, which do not change while the owner keeps them.  What
 * the owner is, and how it is told that nobody needs the bytes any more, its holder knows.
 *
 * Bytes that only this buffer keeps alive are charged to its pool (pb_pool_lend).  Those that were
 * handed in are not. */
typedef struct {
    void *owner;
    const uint8_t *at;
    uint64_t size;
    bool charged;
} pb_lender;

typedef struct pb_buf {
    pb_pool *pool;
    uint8_t *tail;
#if PB_LOCKS
    pb_shared_word word;
#endif
    pb_root root; /* its padding holds the fields that the accessors below read */
    pb_entry *leaf_r, *leaf_w;
    uint64_t leaf_r_first, leaf_w_first; /* page of their first entry */
    uint8_t *head;
    pb_pin_list *pins; /* NULL: there never was a live view */
    pb_member member;  /* links the trees of a pool; a tiny buffer is not linked */
#if !PB_INLINE
    pb_lender lender; /* buffer/share.h */
#endif
} pb_buf;

/* A value of root.shared: the buffer is lent its bytes (buffer/share.h). */
#define PB_SHARED_LENT 3

/* The pool, for a caller without the lock.  Another thread may move the buffer to another pool
 * meanwhile.  The old pool stays alive (lock/retired.h). */
static inline pb_pool *
pb_buf_pool(const pb_buf *b)
{
#if PB_LOCKS
    return __atomic_load_n(&b->pool, __ATOMIC_ACQUIRE);
#else
    return b->pool;
#endif
}

/* The buffer that contains a member; NULL for NULL. */
static inline pb_buf *
pb_buf_of(const pb_member *tree)
{
    return tree ? (pb_buf *)((uintptr_t)tree - offsetof(pb_buf, member)) : NULL;
}

/* Every tree of a root pool and of its children.  The root's lock is held. */
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

/* Levels and bias as a caller sees them: a tiny buffer looks like a tree of one level. */
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

/* ---- what the root's padding keeps for the buffer.  Only these functions know where it lies ---- */

/* 0, or why the buffer never changes: PB_FROZEN_SNAPSHOT, PB_FROZEN_INTERNAL.  It is set before
 * other threads know the buffer, and stays: needs no lock. */
static inline uint8_t
pb_buf_frozen(const pb_buf *b)
{
    return b->root.frozen;
}

static inline void
pb_buf_freeze(pb_buf *b, uint8_t how)
{
    b->root.frozen = how & PB_FROZEN_MASK;
}

/* How many words of the object lie between its header and the buffer (pb_buf_init_behind). */
static inline unsigned
pb_buf_lead(const pb_buf *b)
{
    return b->root.lead;
}

#define PB_LEAD_MOST 62
#define PB_LEAD_NONE 63 /* there is no such object, and still the tree changes */

/* Does the library use the tree itself, without an object around it? */
static inline bool
pb_buf_is_internal(const pb_buf *b)
{
    return pb_buf_frozen(b) == PB_FROZEN_INTERNAL || pb_buf_lead(b) == PB_LEAD_NONE;
}

/* How many bytes pb_buf_extend can store at b->tail without any check. */
static inline uint64_t
pb_buf_tail_room(const pb_buf *b)
{
    return b->root.tail_room;
}

/* Make the next append take the slow path. */
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

/* Make an empty buffer on a pool, which must outlive it.  Cannot fail. */
void
pb_buf_init(pb_buf *b, pb_pool *pool, unsigned max_levels);

/* The same in an object that has `lead` words of something else before it, or in none: PB_LEAD_NONE. */
void
pb_buf_init_behind(pb_buf *b, pb_pool *pool, unsigned max_levels, unsigned lead);

/* The same for a tree that the library uses itself, without an object around it
 * (PB_FROZEN_INTERNAL). */
void
pb_buf_init_internal(pb_buf *b, pb_pool *pool);

/* Give everything back.  Cannot fail.  Live views stay valid.  The caller frees the pin list. */
void
pb_buf_fini(pb_buf *b);

/* Call pb_buf_init after pb_buf_fini, but keep the lock, which the caller holds, and the count of
 * readers. */
void
pb_buf_begin_anew(pb_buf *b, pb_pool *pool, unsigned max_levels);

/* Move tiny contents to a page: only a tree can be viewed or shared. */
pb_status
pb_buf_promote(pb_buf *b);

/* Undo pb_buf_promote, when the call that needed it has failed. */
void
pb_buf_demote(pb_buf *b);

static inline uint64_t
pb_buf_capacity(const pb_buf *b)
{
    return pb_reach(b->root.max_levels);
}

/* Make an empty buffer show the first `size` bytes of a zone, at least one page.
 * It names every frame of the zone.  O(levels).  PB_NEED_PAGES, PB_LIMIT, PB_CAPACITY: it stays empty, and no entry
 * names the zone. */
pb_status
pb_buf_map(pb_buf *b, pb_zone *zone, uint64_t size);

/* Copy every page that is a zone's to a frame of the buffer's own.  O(pages).  PB_NEED_PAGES, PB_LIMIT:
 * nothing is copied. */
pb_status
pb_buf_detach(pb_buf *b);

/* ---- in ---- */

/* Set the tail hint again, after a change that cleared it. */
void
pb_buf_remember_tail(pb_buf *b);

/* Make [off, off + n), n > 0, writable memory that only this buffer owns, and make the buffer
 * long enough to hold it.  Bytes around the range keep their values; new ones are zero (I4).
 * Afterwards pb_buf_copy_in cannot fail.  PB_CAPACITY past what max_levels reaches. */
pb_status
pb_buf_prepare(pb_buf *b, uint64_t off, uint64_t n);

/* The same for a caller that reads the range first, or does not overwrite all of it: the bytes
 * in the range, too, keep their values, and new ones are zero. */
pb_status
pb_buf_prepare_kept(pb_buf *b, uint64_t off, uint64_t n);

/* Copy n bytes into a range that was prepared.  Changes neither the pool nor the tree.  Cannot
 * fail. */
void
pb_buf_copy_in(const pb_buf *b, uint64_t off, const void *src, uint64_t n);

pb_status
pb_buf_write(pb_buf *b, uint64_t off, const void *src, uint64_t n);

/* A write in three steps, for a caller that copies the bytes itself: begin, pb_buf_copy_in, end.
 * Begin also checks the source (pb_buf_may_use); after it nothing can fail.  End sets the tail
 * hint.  The caller keeps the buffer's lock from begin to end, and may give up the GIL. */
pb_status
pb_buf_write_begin(pb_buf *b, uint64_t off, const void *src, uint64_t n);

static inline void
pb_buf_write_end(pb_buf *b)
{
    pb_buf_remember_tail(b);
}

/* Append where pb_buf_extend cannot use the tail hint. */
pb_status
pb_buf_extend_slow(pb_buf *b, const void *src, uint64_t n);

/* Append n bytes, for which there is room where the tail hint says. */
static inline void
pb_buf_extend_here(pb_buf *b, const void *src, uint64_t n)
{
    pb_copy(b->tail, src, n);
    b->tail += n;
    b->root.tail_room = (uint16_t)(b->root.tail_room - n);
    b->root.size += n;
}

static inline pb_status
pb_buf_extend(pb_buf *b, const void *src, uint64_t n)
{
    if (PB_UNLIKELY(n > b->root.tail_room)) {
        return pb_buf_extend_slow(b, src, n);
    }
    pb_buf_extend_here(b, src, n);
    return PB_OK;
}

/* Take the last byte off where pb_buf_extend would put the next one: it lies in the page of that, with a
 * byte before it.  A buffer that had live views has to look for them.  false: nothing has changed. */
static inline bool
pb_buf_pop(pb_buf *b, uint8_t *byte)
{
    bool tiny = pb_buf_is_inline(b);
    uint64_t size = b->root.size;
    uint64_t in_page = tiny ? size : (b->root.bias + size) & PB_PAGE_MASK;
    if (PB_UNLIKELY(b->root.tail_room == 0 || in_page < 2 || size < 2 ||
                    (!tiny && b->pins))) {
        return false;
    }
    *byte = *--b->tail;
    *b->tail = 0; /* I4 */
    b->root.tail_room++;
    b->root.size--;
    return true;
}

/* Put n bytes before the first one.  No byte moves: the pages in front of them are new, and the
 * bias falls.  O(n). */
pb_status
pb_buf_prepend(pb_buf *b, const void *src, uint64_t n);

/* Make room for n > 0 bytes before the first one, which the caller fills, and prepare the `kept`
 * bytes behind them as well, which keep their values (pb_buf_prepare_kept). */
pb_status
pb_buf_prepare_front(pb_buf *b, uint64_t n, uint64_t kept);

/* May a copy use this memory, which may belong to anybody?  Only debug pools check
 * (pb_debug_foreign). */
static inline bool
pb_buf_may_use(const pb_buf *b, const void *mem, uint64_t n)
{
    return PB_LIKELY(!b->pool->debug) || pb_debug_foreign(b->pool, mem, n);
}

/* ---- out ---- */

/* The contiguous start of a range: its kind, its address if it is PRESENT (else NULL), and its
 * length. */
typedef struct {
    pb_extent_kind kind;
    uint8_t *at;
    uint64_t n;
} pb_stretch;

/* The first stretch of [off, off + n), n > 0, which lies inside the buffer.  Damage is reported
 * to the pool. */
pb_stretch
pb_buf_stretch(const pb_buf *b, uint64_t off, uint64_t n);

/* Note what is absent of n bytes that a change is about to read (I14).  false: nothing is. */
bool
pb_buf_note_absent(const pb_buf *b, uint64_t off, uint64_t n);

/* Copy [off, off + n), which lies inside the buffer, to dst.  Always PB_OK.  Damaged pages are
 * reported to the pool and read as zeros. */
pb_status
pb_buf_copy_out(const pb_buf *b, uint64_t off, void *dst, uint64_t n);

/* The address of byte `off` when [off, off + n) lies in one run of pages of one leaf (or
 * inline), else NULL.  Remembers the leaf. */
const uint8_t *
pb_buf_peek(pb_buf *b, uint64_t off, uint64_t n);

/* Take n bytes off the front.  Whole pages left behind go back to the pool. */
pb_status
pb_buf_drop_front(pb_buf *b, uint64_t n);

/* The address of the first byte, if taking n bytes leaves some of its page in use; else NULL. */
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

/* Take n bytes for which pb_buf_ready returned an address. */
static inline void
pb_buf_take_ready(pb_buf *b, uint64_t n)
{
    b->root.bias += n;
    b->root.size -= n;
}

/* ---- away ---- */

/* Cut the buffer to `size` bytes, or extend it to that by a hole. */
pb_status
pb_buf_truncate(pb_buf *b, uint64_t size);

/* Make [off, off + n) zeros: whole pages go back to the pool. */
pb_status
pb_buf_punch(pb_buf *b, uint64_t off, uint64_t n);

/* Drop everything.  Cannot fail. */
void
pb_buf_clear(pb_buf *b);

/* ---- inspection ---- */

/* The next range that is no hole, from `off` on, clipped to the size.  false when there is
 * none. */
bool
pb_buf_next_data(const pb_buf *b, uint64_t off, uint64_t *start, uint64_t *end);

#endif
