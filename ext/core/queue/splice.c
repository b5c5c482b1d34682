/* queue/splice.c: moves bytes from one queue to another. */
#include "queue/internal.h"

#include "range/paste.h"

/* ---- from another queue ---- */

/* Pages that moved whole have one reference again, and the move shared nothing else. */
static void
mark_unshared(pb_buf *b)
{
    if (!pb_buf_is_inline(b)) {
        b->root.shared = 0;
        pb_buf_remember_tail(b);
    }
}

/* ---- what moves ---- */

/* A splice of bytes [surplus, n) of `from`. */
typedef struct {
    pb_queue *q, *from;
    uint64_t first, past;  /* the stream positions there */
    uint64_t tree, length; /* those of them that lie in the tree */
    uint64_t kept;         /* those in objects */
    uint32_t pieces[2];    /* from, to */
} moving;

static moving
plan(pb_queue *q, pb_queue *from, uint64_t surplus, uint64_t n)
{
    uint64_t front = pb_queue_front(from);
    moving m = {q, from, front + surplus, front + n, surplus, n - surplus, 0, {0, 0}};
    if (from->pieces.count) {
        const pb_pieces *p = &from->pieces;
        m.tree = pb_pieces_tree_part(p, front, m.first);
        m.length = pb_pieces_tree_part(p, front, m.past) - m.tree;
        m.kept = n - surplus - m.length;
        m.pieces[0] = pb_pieces_around(p, front, m.first).piece;
        m.pieces[1] = pb_pieces_before(p, m.past);
    }
    return m;
}

/* Charge the objects.  In one pool they come from, too. */
static pb_status
charge(const moving *m)
{
    bool same = m->q->b.pool == m->from->b.pool;
    return m->kept
               ? pb_pool_lend(m->q->b.pool, m->kept, same ? m->kept >> PB_PAGE_SHIFT : 0)
               : PB_OK;
}

/* Move one object, or share it if some of its bytes stay.  `end` and `in_tree` are of the queue before
 * the splice. */
static void *
move_piece(const moving *m, pb_piece *piece, uint64_t base, uint64_t end, uint64_t in_tree)
{
    uint64_t first = pb_max(piece->pos, m->first);
    uint64_t past = pb_min(piece->pos + piece->size, m->past);
    if (first >= past) {
        return NULL;
    }
    pb_lender of = {piece->owner, piece->at + (first - piece->pos), past - first, true};
    uint64_t before = piece->tree - base - m->tree; /* bytes of the tree that come first */
    pb_pieces_push(&m->q->pieces, &of, pb_queue_front(m->q), end + (first - m->first),
                   in_tree + before);
    bool stays = past < piece->pos + piece->size;
    if (!stays) {
        piece->owner = NULL; /* it will be released without one */
    }
    return stays ? of.owner : NULL;
}

static void *
move_pieces(const moving *m, uint64_t end, uint64_t in_tree)
{
    pb_pieces *p = &m->from->pieces;
    uint64_t base = pb_pieces_tree_at(p, pb_queue_front(m->from));
    void *both = NULL;
    for (uint32_t i = m->pieces[0]; i < m->pieces[1]; i++) {
        both = move_piece(m, pb_pieces_at(p, i), base, end, in_tree);
    }
    if (m->kept) {
        pb_queue_pieces_changed(m->q);
    }
    return both;
}

uint32_t
pb_queue_splice_records(const pb_queue *from, uint64_t n)
{
    uint64_t past = pb_queue_front(from) + n;
    return from->pieces.count ? pb_pieces_before(&from->pieces, past) : 0;
}

/* ---- the splice ---- */

/* 1. get a tree, since pools list trees  2. charge the objects  3. make room for the bytes */
static pb_status
begin_bytes(const moving *m, pb_paste *p)
{
    pb_buf *b = &m->q->b;
    bool was_inline = pb_buf_is_inline(b);
    pb_status st = m->kept ? pb_buf_promote(b) : PB_OK;
    if (st == PB_OK) {
        st = charge(m);
        if (st == PB_OK && m->length) {
            st = pb_paste_begin(p, b, b->root.size, &m->from->b, m->tree, m->length);
            if (st != PB_OK && m->kept) {
                pb_pool_unlend(b->pool, m->kept);
            }
        }
    }
    if (st != PB_OK && was_inline && !pb_buf_is_inline(b)) {
        pb_buf_demote(b);
    }
    return st;
}

/* Do everything on this side that can be refused.  Shared pages may arrive below shared nodes, and the
 * tree may become taller, so reserve frames for the tallest tree. */
static pb_status
begin_here(const moving *m, pb_paste *p, uint64_t *secured)
{
    pb_queue *q = m->q;
    bool shares = q->b.root.shared || m->from->b.root.shared;
    bool drops = pb_queue_excess(q, m->past - m->first);
    *p = (pb_paste){0};
    pb_status st = pb_queue_secure(q, shares && drops ? PB_MAX_LEVELS : 0, secured);
    if (st != PB_OK) {
        return st;
    }
    pb_account_begin_trial(q->b.pool);
    st = begin_bytes(m, p);
    pb_account_end_trial(q->b.pool);
    if (st != PB_OK) {
        pb_queue_give_back(q, *secured);
    }
    return st;
}

/* 1. reserve frames for dropping on both sides  2. share whole pages, copy the other bytes of the tree,
 * move objects  3. drop the bytes there, and here the oldest that exceed the bound. */
pb_status
pb_queue_splice(pb_queue *q, pb_queue *from, uint64_t n, pb_queue **short_of, void **both)
{
    uint64_t here, there, surplus = pb_queue_surplus(q, n);
    bool shares = q->b.root.shared || from->b.root.shared;
    pb_paste p;
    *short_of = q;
    *both = NULL;
    pb_status st = pb_queue_cancel(q);
    moving m = plan(q, from, surplus, n);
    uint64_t end = pb_queue_in(q), in_tree = q->b.root.size;
    if (st == PB_OK) {
        *short_of = from;
        st = pb_queue_begin_out(from, &there);
    }
    if (st != PB_OK) {
        return st;
    }
    *short_of = q;
    st = begin_here(&m, &p, &here);
    if (st != PB_OK) {
        pb_queue_end_out(from, 0, there);
        return st;
    }
    if (m.length) {
        pb_paste_finish(&p);
    }
    if (p.shared) {
        pb_buf_mark_shared(&from->b);
    }
    *both = move_pieces(&m, end, in_tree);
    pb_queue_end_out(from, n, there);
    if (p.shared && !shares) {
        mark_unshared(&q->b);
        mark_unshared(&from->b);
    }
    st = pb_queue_push_out(q, PB_OK, here);
    pb_queue_pass(q, surplus);
    return st;
}
