/* queue/pieces.c: a ring of records about pieces. */
#include "queue/pieces.h"

/* ---- the ring ---- */

pb_piece *
pb_pieces_move(pb_pieces *p, pb_piece *ring, uint32_t room)
{
    pb_piece *old = p->ring;
    for (uint32_t i = 0; i < p->released + p->count; i++) {
        ring[i] = old[(p->first + i) & (p->room - 1)];
    }
    p->ring = ring;
    p->room = room;
    p->first = 0;
    return old;
}

uint64_t
pb_pieces_tree_at(const pb_pieces *p, uint64_t front)
{
    if (p->count == 0) {
        return 0;
    }
    const pb_piece *first = pb_pieces_at(p, 0);
    return first->tree - (first->pos > front ? first->pos - front : 0);
}

void
pb_pieces_push(pb_pieces *p, const pb_lender *of, uint64_t front, uint64_t end,
               uint64_t in_tree)
{
    uint64_t tree = pb_pieces_tree_at(p, front) + in_tree;
    *pb_pieces_at(p, p->count++) = (pb_piece){of->owner, of->at, of->size, end, tree};
    p->kept += of->size;
}

uint64_t
pb_pieces_pass(pb_pieces *p, uint64_t front)
{
    uint64_t passed = 0;
    while (p->count) {
        const pb_piece *first = pb_pieces_at(p, 0);
        if (first->pos + first->size > front) {
            break;
        }
        passed += first->size;
        p->count--;
        p->released++;
    }
    p->kept -= passed;
    return passed;
}

uint64_t
pb_pieces_trim(pb_pieces *p, uint64_t front)
{
    pb_piece *first = p->count ? pb_pieces_at(p, 0) : NULL;
    if (first == NULL || first->pos >= front) {
        return 0;
    }
    uint64_t taken = front - first->pos;
    first->at += taken;
    first->size -= taken;
    first->pos = front;
    p->kept -= taken;
    return taken;
}

void
pb_pieces_shift(pb_pieces *p, uint64_t n)
{
    for (uint32_t i = 0; i < p->count; i++) {
        pb_pieces_at(p, i)->pos += n;
    }
}

/* ---- looking ---- */

uint32_t
pb_pieces_ending_after(const pb_pieces *p, uint64_t pos)
{
    uint32_t low = 0, high = p->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const pb_piece *piece = pb_pieces_at(p, middle);
        if (piece->pos + piece->size > pos) {
            high = middle;
        }
        else {
            low = middle + 1;
        }
    }
    return low;
}

pb_segment
pb_pieces_around(const pb_pieces *p, uint64_t front, uint64_t pos)
{
    uint32_t i = pb_pieces_ending_after(p, pos);
    const pb_piece *next = i < p->count ? pb_pieces_at(p, i) : NULL;
    const pb_piece *last = i ? pb_pieces_at(p, i - 1) : NULL;
    uint64_t base = pb_pieces_tree_at(p, front);
    if (next && next->pos <= pos) {
        return (pb_segment){next->at, next->tree - base, next->pos, next->size, i};
    }
    uint64_t start = last ? last->pos + last->size : front;
    uint64_t tree = last ? last->tree - base : 0;
    return (pb_segment){NULL, tree, start, next ? next->pos - start : UINT64_MAX - start,
                        i};
}

/* ---- check ---- */

const char *
pb_pieces_check(const pb_pieces *p, uint64_t front, uint64_t in_tree)
{
    uint64_t base = pb_pieces_tree_at(p, front), pos = front, tree = base, kept = 0;
    if (p->room & (p->room - 1) || p->released + p->count > p->room) {
        return "a ring of pieces that holds more than it has room for";
    }
    for (uint32_t i = 0; i < p->count; i++) {
        const pb_piece *piece = pb_pieces_at(p, i);
        bool begun = i == 0 && piece->pos < front;
        if (piece->size == 0 || piece->owner == NULL || piece->at == NULL) {
            return "a piece of no bytes, or of nobody";
        }
        if (piece->pos + piece->size <= front ||
            (!begun && piece->pos - pos != piece->tree - tree) ||
            piece->tree - base > in_tree) {
            return "pieces that do not follow each other";
        }
        pos = piece->pos + piece->size;
        tree = piece->tree;
        kept += piece->size;
    }
    return kept == p->kept ? NULL : "kept bytes that no piece has";
}
