/* queue/pieces.h: bytes that a queue does not copy: it keeps the objects that they lie in.
 *
 *    stream    tree | piece | tree | piece | piece | tree
 *                   ^ pos          ^ pos   ^ pos
 *    tree      ...........|........|.....................
 *                         ^ tree   ^ tree  = the same
 *
 * The tree of the queue holds the copied bytes only, without gaps.  A record says where in the stream
 * a piece begins, and how many bytes of the tree come before it.  Both only grow from record to
 * record, so a search by halves finds what lies at a stream position.
 *
 * Only the first piece may be taken in part.  It stays whole, and charged (pb_pool_lend), until its
 * last byte is taken.
 *
 * The records lie in a ring, in memory that the holder of the queue provides.  A piece that is taken
 * off leaves its record at the front of the ring, until the holder has released its owner: no
 * finalizer runs under the lock of the queue.
 *
 *    ring      . . | released | pieces | . .
 *                  ^ first */
#ifndef PB_QUEUE_PIECES_H
#define PB_QUEUE_PIECES_H

#include "buffer/buf.h"

typedef struct {
    void *owner;
    const uint8_t *at;
    uint64_t size;
    uint64_t pos;  /* its first byte in the stream */
    uint64_t tree; /* bytes of the tree before it, counted from some point in the past */
} pb_piece;

typedef struct {
    pb_piece *ring;
    uint32_t room; /* places, a power of two, or 0 */
    uint32_t first;
    uint32_t released;
    uint32_t count; /* pieces */
    uint64_t kept;  /* the sum of their sizes: what is charged */
} pb_pieces;

/* Piece i; 0 is the oldest. */
static inline pb_piece *
pb_pieces_at(const pb_pieces *p, uint32_t i)
{
    return &p->ring[(p->first + p->released + i) & (p->room - 1)];
}

/* The functions below are told where the queue begins: the stream position of its first byte. */

/* How many bytes of the pieces are in the queue. */
static inline uint64_t
pb_pieces_bytes(const pb_pieces *p, uint64_t front)
{
    if (PB_LIKELY(p->count == 0)) {
        return 0;
    }
    uint64_t pos = pb_pieces_at(p, 0)->pos;
    return p->kept - (front > pos ? front - pos : 0);
}

/* How many bytes of the tree come before the first piece; UINT64_MAX if there is none. */
static inline uint64_t
pb_pieces_lead(const pb_pieces *p, uint64_t front)
{
    if (PB_LIKELY(p->count == 0)) {
        return UINT64_MAX;
    }
    uint64_t pos = pb_pieces_at(p, 0)->pos;
    return pos > front ? pos - front : 0;
}

/* The first piece, if the queue begins in it; else NULL. */
static inline const pb_piece *
pb_pieces_front(const pb_pieces *p, uint64_t front)
{
    const pb_piece *piece = p->count ? pb_pieces_at(p, 0) : NULL;
    return piece && piece->pos <= front ? piece : NULL;
}

/* ---- the ring ---- */

/* Is there a place for `more` records? */
static inline bool
pb_pieces_have_room(const pb_pieces *p, uint32_t more)
{
    return p->room - p->released - p->count >= more;
}

/* Move the records to a ring of `room` places, a power of two that is large enough.  Returns the old
 * one, which the caller frees. */
pb_piece *
pb_pieces_move(pb_pieces *p, pb_piece *ring, uint32_t room);

/* Put a piece behind the last byte of a queue that ends at stream position `end` and has `in_tree`
 * bytes in its tree.  There is room. */
void
pb_pieces_push(pb_pieces *p, const pb_lender *of, uint64_t front, uint64_t end,
               uint64_t in_tree);

/* The queue begins at `front` now: pieces that lie before it are released.  Returns how many bytes are
 * not kept any more. */
uint64_t
pb_pieces_pass(pb_pieces *p, uint64_t front);

/* Take the first piece off without releasing its owner, which the caller gets. */
static inline pb_piece
pb_pieces_pop(pb_pieces *p)
{
    pb_piece *first = pb_pieces_at(p, 0), was = *first;
    *first = p->ring[p->first & (p->room - 1)]; /* one that waits for its release, if any */
    p->first++;
    p->count--;
    p->kept -= was.size;
    return was;
}

/* The next owner to be released.  NULL: somebody else has it by now. */
static inline void *
pb_pieces_next_released(pb_pieces *p)
{
    p->released--;
    return p->ring[p->first++ & (p->room - 1)].owner;
}

/* So many bytes came before all that is there, and are gone. */
void
pb_pieces_shift(pb_pieces *p, uint64_t n);

/* Bytes will be put before the front: what is taken of the first piece is no longer a part of it.
 * Returns how many bytes are not kept any more. */
uint64_t
pb_pieces_trim(pb_pieces *p, uint64_t front);

/* ---- looking ---- */

/* A stretch of the queue: in a piece, or in the tree. */
typedef struct {
    const uint8_t *at; /* NULL: in the tree */
    uint64_t tree;     /* the offset there, also that of the tree bytes behind a piece */
    uint64_t pos, n;   /* where it begins in the stream, and its length */
    uint32_t piece;    /* which piece it lies in, or comes before */
} pb_segment;

/* The stretch around stream position `pos`, which lies in the queue.  The last one has no end. */
pb_segment
pb_pieces_around(const pb_pieces *p, uint64_t front, uint64_t pos);

/* The same from `pos` on, at most n bytes. */
static inline pb_segment
pb_pieces_from(const pb_pieces *p, uint64_t front, uint64_t pos, uint64_t n)
{
    pb_segment s = pb_pieces_around(p, front, pos);
    uint64_t passed = pos - s.pos;
    s.at = s.at ? s.at + passed : NULL;
    s.tree += s.at ? 0 : passed;
    s.pos = pos;
    s.n = pb_min(s.n - passed, n);
    return s;
}

/* The first piece that ends behind `pos`; `count` if there is none. */
uint32_t
pb_pieces_ending_after(const pb_pieces *p, uint64_t pos);

/* How many pieces begin before `pos`. */
static inline uint32_t
pb_pieces_before(const pb_pieces *p, uint64_t pos)
{
    uint32_t i = pb_pieces_ending_after(p, pos);
    return i + (i < p->count && pb_pieces_at(p, i)->pos < pos);
}

/* The number that `tree` of a record has at the front of the queue. */
uint64_t
pb_pieces_tree_at(const pb_pieces *p, uint64_t front);

/* How many bytes of the tree lie in [front, pos). */
static inline uint64_t
pb_pieces_tree_part(const pb_pieces *p, uint64_t front, uint64_t pos)
{
    return pb_pieces_from(p, front, pos, 0).tree;
}

/* What is wrong with the records of a queue that has `in_tree` bytes in its tree; NULL: nothing. */
const char *
pb_pieces_check(const pb_pieces *p, uint64_t front, uint64_t in_tree);

#endif
