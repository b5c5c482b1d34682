/* range/run.c: the contiguous stretches of a range, forwards and backwards. */
#include "range/run.h"
#include "buffer/internal.h"

/* The run of pages [first, first + x->pages), clipped to the positions [pos, end). */
static pb_run
run_of(const pb_buf *b, const pb_extent *x, uint64_t first, uint64_t pos, uint64_t end)
{
    uint64_t from = pb_max(pos, first << PB_PAGE_SHIFT);
    uint64_t to = pb_min(end, (first + x->pages) << PB_PAGE_SHIFT);
    return (pb_run){x->kind, extent_address(b, x, from), from - b->root.bias, to - from};
}

/* A tiny buffer is one run. */
static pb_run
run_inline(const pb_buf *b, uint64_t off, uint64_t end)
{
    return (pb_run){PB_EXTENT_PRESENT, pb_buf_peek((pb_buf *)(uintptr_t)b, off, end - off),
                    off, end - off};
}

pb_run
pb_run_first(const pb_buf *b, uint64_t off, uint64_t end)
{
    if (b->root.levels == 0) {
        return run_inline(b, off, end);
    }
    uint64_t pos = b->root.bias + off;
    end += b->root.bias;
    uint64_t first = pos >> PB_PAGE_SHIFT, last = (end - 1) >> PB_PAGE_SHIFT;
    pb_extent x = pb_tree_extent(b->pool, &b->root, first, last + 1);
    return run_of(b, &x, first, pos, end);
}

pb_run
pb_run_last(const pb_buf *b, uint64_t off, uint64_t end)
{
    if (b->root.levels == 0) {
        return run_inline(b, off, end);
    }
    uint64_t pos = b->root.bias + off;
    end += b->root.bias;
    uint64_t first = pos >> PB_PAGE_SHIFT, last = (end - 1) >> PB_PAGE_SHIFT;
    pb_extent x = pb_tree_extent_back(b->pool, &b->root, first, last + 1);
    return run_of(b, &x, last + 1 - x.pages, pos, end);
}

/* How far pb_run_around looks to either side.  A caller may use only some of the bytes, so the
 * lookup must stay cheap. */
#define AROUND (16 * (uint64_t)PB_PAGE_SIZE)

pb_run
pb_run_around(const pb_buf *b, uint64_t off)
{
    pb_run run = pb_run_last(b, off < AROUND ? 0 : off - AROUND, off + 1);
    pb_run ahead = pb_run_first(b, off, pb_min(b->root.size, off + AROUND));
    run.n = ahead.start + ahead.n - run.start;
    return run;
}

uint64_t
pb_run_alike(const pb_buf *b, uint64_t off, uint64_t n, bool back, bool hole)
{
    uint64_t done = 0;
    while (done < n) {
        pb_run run = back ? pb_run_last(b, off, off + n - done)
                          : pb_run_first(b, off + done, off + n);
        if ((run.at == NULL) != hole) { /* a damaged page counts as a hole */
            break;
        }
        done += run.n;
    }
    return done;
}
