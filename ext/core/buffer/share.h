/* buffer/share.h: live views, and trees that share frames (I2, I7, I11).
 *
 * A live view is a run of frames under a writable memoryview, and has a pin in the list of its
 * buffer (view/pins.h).  The list is made with the first live view. */
#ifndef PB_BUFFER_SHARE_H
#define PB_BUFFER_SHARE_H

#include "buffer/buf.h"

/* ---- live views ---- */

/* Move the buffer to pages and give it a pin list.  The list is zeroed memory of the caller. */
pb_status
pb_buf_open_pins(pb_buf *b, pb_pin_list *pins);

/* Pin [off, off + n), n > 0, which lies inside the size, as one run of frames.  Holes become
 * pages, shared pages are copied, and scattered pages are gathered.  Sets *address to the start.
 * PB_PINNED if pages would have to move that another live view pins.  O(1) if the pin list
 * remembers the run, else O(pages). */
pb_status
pb_buf_pin(pb_buf *b, uint64_t off, uint64_t n, pb_pin *pin, uint8_t **address);

/* Bring the bytes of a buffer that has a pin list and is not empty into one run, unless that takes
 * more frames, or others keep pages where they are.  *address: where the run begins if it is one
 * and nobody writes to it by a live view; else NULL.  O(pages that are new or moved).
 * PB_NEED_PAGES if no free place is large enough. */
pb_status
pb_buf_unite(pb_buf *b, uint8_t **address);

/* Has the buffer any live view? */
bool
pb_buf_viewed(const pb_buf *b);

/* Does a live view cover the page of `off` or a later one?  Then no bytes from `off` on may be
 * shifted. */
bool
pb_buf_pinned_behind(const pb_buf *b, uint64_t off);

/* How many of them do so. */
uint64_t
pb_buf_views_behind(const pb_buf *b, uint64_t off);

/* ---- trees that share ---- */

/* Make `to`, an empty buffer on the same pool, hold what `from` holds now.  O(1), apart from
 * pages under live views, which it copies (I11).  PB_NEED_PAGES, PB_LIMIT: nothing has changed. */
pb_status
pb_buf_share(pb_buf *to, pb_buf *from);

/* Make `to`, an empty tree of the library on the same pool, hold the pages of [off, off + n) as they
 * are now, n > 0, and of the rest at most as many.  The range begins at byte *at of it.  Takes up to two
 * nodes a level, none for four pages.  O(levels + pages at the edges).  PB_NEED_PAGES, PB_LIMIT:
 * nothing has changed. */
pb_status
pb_buf_share_part(pb_buf *to, pb_buf *from, uint64_t off, uint64_t n, uint64_t *at);

/* A read snapshot: `to` shares what `from` holds until pb_buf_end_snapshot.  If nothing else
 * shared `from` meanwhile, the end of the last one frees writes to `from` from the check of
 * reference counts.  `from` outlives the snapshot. */
pb_status
pb_buf_read_snapshot(pb_buf *to, pb_buf *from);
void
pb_buf_end_snapshot(pb_buf *to, pb_buf *from);

/* Make `b`, which has no live views, share what `from` holds.  Both are on one pool. */
pb_status
pb_buf_restore(pb_buf *b, pb_buf *from);

/* The same for a frozen buffer that shows something of others, which has changed. */
pb_status
pb_buf_show(pb_buf *b, pb_buf *from);

/* Do two trees name the same, with the same size?  Then neither has changed since one shared the
 * other.  O(1). */
bool
pb_buf_same_tree(const pb_buf *a, const pb_buf *b);

/* Move what `from` holds to `b`, on the same pool; `from` is empty afterwards.  If `b` has a pin
 * list, `from` must be a tree.  Cannot fail. */
void
pb_buf_adopt(pb_buf *b, pb_buf *from);

/* How many of n bytes from `off` on the first `most` runs of pages and the holes between them take. */
uint64_t
pb_buf_first_runs(const pb_buf *b, uint64_t off, uint64_t n, uint64_t most);

/* ---- the parts of a tree that somebody wants ----
 *
 * Views of many ranges share one tree.  When half of the pages that were wanted are wanted no longer,
 * the tree gives up all that lies between the others.  So it holds at most about twice what is
 * wanted, and a list of views costs O(1) a view. */

typedef struct pb_part {
    struct pb_part *prev, *next; /* in the order of their pages */
    uint64_t page, pages;        /* page: as the tree counted when it had the first part */
} pb_part;

typedef struct {
    pb_part *first, *last;
    uint64_t pages;   /* of all parts */
    uint64_t again;   /* with so many the tree gives up the others */
    uint64_t shifted; /* pages that the tree's positions have fallen by */
} pb_parts;

/* Somebody wants [off, off + n) of `b`, a tree of the library; it lies behind the other parts. */
void
pb_parts_add(pb_parts *parts, const pb_buf *b, pb_part *part, uint64_t off, uint64_t n);

/* There are no more parts to come.  exact: the tree has no other pages.  At least one is there. */
void
pb_parts_complete(pb_parts *parts, pb_buf *b, bool exact);

/* Nobody wants the part any longer.  The tree may give up pages.  Cannot fail. */
void
pb_parts_remove(pb_parts *parts, pb_buf *b, pb_part *part);

/* The address of [off, off + n) if its pages are one run, or if it is inline; else NULL. */
uint8_t *
pb_buf_one_run(const pb_buf *b, uint64_t off, uint64_t n);

/* ---- bytes that lie in memory of somebody else ----
 *
 * A buffer can be lent bytes instead of holding a copy.  It is empty then, and says where the bytes
 * lie and who keeps them.  root.shared marks it, and it has no tail room: so every change takes the
 * slow path, where whoever lent the bytes takes them back first (pb_buf_unlend), and copies them.
 * The mark lives with the buffer, so a buffer that is emptied or begins anew is not lent any more;
 * take the owner out of it before.
 *
 * The record lies where a tiny buffer has its bytes, and on builds without those behind the rest. */

static inline bool
pb_buf_is_lent(const pb_buf *b)
{
    return b->root.shared == PB_SHARED_LENT;
}

/* Where the bytes of a buffer that is lent them lie. */
static inline pb_lender *
pb_buf_lender(const pb_buf *b)
{
#if PB_INLINE
    return (pb_lender *)(void *)pb_buf_inline(b);
#else
    return (pb_lender *)(uintptr_t)&b->lender;
#endif
}

/* May it be lent bytes?  Debug pools copy, since they watch over copies only.  Live views keep a
 * tree. */
static inline bool
pb_buf_may_be_lent(const pb_buf *b)
{
    return !b->pool->debug && !b->root.frozen && (pb_buf_is_inline(b) || b->pins == NULL);
}

#if PB_INLINE
_Static_assert(offsetof(pb_buf, member) >= PB_INLINE_AT + sizeof(pb_lender),
               "the record leaves the links of the pool's list alone");
#endif

/* Reports show a buffer that is lent so many bytes, also where they are not charged.  Of fewer, the two
 * changes of the list in a short life of a file would be felt. */
#define PB_LENT_SHOWN ((uint64_t)64 << 10)

/* Does the pool list, as it does trees, who is lent these bytes? */
static inline bool
pb_lender_is_listed(const pb_lender *from)
{
    return from->charged || from->size >= PB_LENT_SHOWN;
}

/* Drop all bytes, and lend it others.  Cannot fail.  Who makes a lender charged has charged its bytes;
 * here and in pb_buf_unlend nothing is. */
static inline void
pb_buf_lend(pb_buf *b, const pb_lender *from)
{
    pb_buf_clear(b);
    *pb_buf_lender(b) = *from;
    pb_buf_forget_tail(b);
    b->root.shared = PB_SHARED_LENT;
    if (pb_lender_is_listed(from) && pb_buf_is_inline(b)) {
        pb_pool_link(b->pool, &b->member);
    }
}

/* Take the bytes back: it is empty, and no longer lent any. */
static inline pb_lender
pb_buf_unlend(pb_buf *b)
{
    pb_lender was = *pb_buf_lender(b);
    if (pb_lender_is_listed(&was) && pb_buf_is_inline(b)) {
        pb_pool_unlink(b->pool, &b->member);
        b->member = (pb_member){NULL, NULL};
    }
    memset(pb_buf_lender(b), 0, sizeof was); /* I4 */
    b->root.shared = 0;
    pb_buf_remember_tail(b);
    return was;
}

/* After pb_buf_unlend: nobody needs the bytes any more. */
static inline void
pb_buf_uncharge(const pb_buf *b, const pb_lender *was)
{
    if (was->charged) {
        pb_pool_unlend(b->pool, was->size);
    }
}

/* ... or they are lent again, because a change was refused. */
static inline void
pb_buf_lend_again(pb_buf *b, const pb_lender *was)
{
    if (was->charged) {
        pb_pool_lend_again(b->pool, was->size);
    }
    pb_buf_lend(b, was);
}

#endif
