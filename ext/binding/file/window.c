/* file/window.c: what a stream remembers of the page under its position. */
#include "file/stream.h"

/* Does the position go on from the last window?  Then it pays to find all pages that
 * follow each other in memory: lines may cross pages.  After a jump one page is found
 * more quickly. */
static inline bool
reads_on(const stream *s)
{
    return s->at == NULL || s->pos - s->lo <= s->len + (uint64_t)PB_PAGE_SIZE;
}

/* The window of a file that is lent its bytes begins at the position. */
static void
remember_lent_lock_held(const pb_buf *b, stream *s)
{
    const pb_lender *from = pb_buf_lender(b);
    if (s->pos <= UINT32_MAX) {
        s->at = (uint8_t *)(uintptr_t)from->at +
                s->pos; /* nobody writes: stream_put_lock_held */
        s->lo = (uint32_t)s->pos;
        s->len = (uint32_t)pb_min(from->size - s->pos, STREAM_LEN_MAX) & STREAM_LEN_MAX;
    }
}

void
stream_remember_lock_held(pb_buf *b, stream *s)
{
    if (PB_UNLIKELY(pb_buf_is_lent(b))) {
        remember_lent_lock_held(b, s);
        return;
    }
    if (PB_UNLIKELY(pb_pool_fetches(b->pool))) {
        return; /* pages may leave memory: nobody keeps an address */
    }
    uint64_t in_page = s->pos & PB_PAGE_MASK, lo = s->pos - in_page;
    uint64_t len = pb_min(b->root.size - lo, PB_PAGE_SIZE);
    uint8_t *at;
    if (reads_on(s)) {
        pb_stretch x = pb_buf_stretch(b, lo, pb_min(b->root.size - lo, STREAM_LEN_MAX));
        at = x.at;
        len = x.n;
    }
    else {
        at = (uint8_t *)(uintptr_t)pb_buf_peek(b, s->pos, 1);
        at = at ? at - in_page : NULL;
    }
    if (at && lo <= UINT32_MAX && !b->pool->debug) { /* debug pools check every copy */
        s->at = at;
        s->lo = (uint32_t)lo;
        s->len = (uint32_t)pb_min(len, STREAM_LEN_MAX) & STREAM_LEN_MAX;
    }
}
