/* range/run.h: the contiguous stretches of a range, forwards and backwards.
 *
 * A stretch is a run of pages at consecutive addresses, or a hole, or the bytes of a tiny buffer.
 * It does not go beyond one leaf, so finding one is O(levels + FANOUT).  These calls change nothing
 * and set no hints, so several threads may make them at once. */
#ifndef PB_RANGE_RUN_H
#define PB_RANGE_RUN_H

#include "buffer/buf.h"

typedef struct {
    pb_extent_kind kind;
    const uint8_t *at; /* address of its first byte if it is PRESENT, else NULL */
    uint64_t start, n; /* offset and length */
} pb_run;

/* The stretch that [off, end) begins with; off < end <= size. */
pb_run
pb_run_first(const pb_buf *b, uint64_t off, uint64_t end);

/* The stretch that [off, end) ends with; off < end <= size. */
pb_run
pb_run_last(const pb_buf *b, uint64_t off, uint64_t end);

/* The contiguous bytes around `off`, up to 16 pages to either side; off < size.  For callers that
 * go from byte to byte. */
pb_run
pb_run_around(const pb_buf *b, uint64_t off);

/* The stretch that was looked up last, for a caller that goes from byte to byte.  It is valid until
 * the tree changes.  Begin with the buffer alone: {.b = b}. */
typedef struct {
    const pb_buf *b;
    uint8_t *at; /* NULL: a hole */
    uint64_t start, end;
} pb_window;

/* The address of byte `off`, which is prepared if the caller writes there; NULL in a hole. */
static inline uint8_t *
pb_window_at(pb_window *w, uint64_t off)
{
    if (PB_UNLIKELY(off - w->start >= w->end - w->start)) {
        pb_run run = pb_run_around(w->b, off);
        *w = (pb_window){w->b, (uint8_t *)(uintptr_t)run.at, run.start, run.start + run.n};
    }
    return w->at ? w->at + (off - w->start) : NULL;
}

/* How many of the n bytes from `off` on are a hole (hole), or no hole (!hole).  Goes from the
 * front, or from the back. */
uint64_t
pb_run_alike(const pb_buf *b, uint64_t off, uint64_t n, bool back, bool hole);

#endif
