/* buffer/overlap.c: copies between a buffer and a live view of it.
 *
 * The result is that of memmove.  A view shows tree positions in order, so memmove's rule works
 * on positions instead of addresses: if the destination lies after the source, copy from the
 * back. */
#include "buffer/internal.h"

/* The pin whose pages [mem, mem + n) overlaps, or NULL.  Sets *start to the address of its first
 * page. */
static const pb_pin *
pin_over(const pb_buf *b, const uint8_t *mem, uint64_t n, const uint8_t **start)
{
    for (const pb_pin *pin = b->pins->first; pin; pin = pin->next) {
        *start = pin->live ? pb_buf_page(b, pin->page) : NULL;
        if (*start && mem < *start + (pin->live << PB_PAGE_SHIFT) && mem + n > *start) {
            return pin;
        }
    }
    return NULL;
}

bool
pb_overlap_found(const pb_buf *b, const void *mem, uint64_t n)
{
    const uint8_t *start;
    return pin_over(b, mem, n, &start) != NULL;
}

/* Copy one piece, which lies in one page. */
static void
move_piece(const pb_buf *b, uint64_t off, uint8_t *mem, uint64_t n, bool in)
{
    pb_stretch s = pb_buf_stretch(b, off, n);
    if (s.kind != PB_EXTENT_PRESENT) { /* a read: a range to be written was prepared */
        pb_zero(mem, n);
        return;
    }
    pb_copy(in ? s.at : mem, in ? mem : s.at, n);
}

void
pb_overlap_copy(const pb_buf *b, uint64_t off, uint8_t *mem, uint64_t n, bool in)
{
    const uint8_t *start;
    const pb_pin *pin = pin_over(b, mem, n, &start);
    uint64_t from = (pin->page << PB_PAGE_SHIFT) + (uint64_t)(mem - start);
    uint64_t pos = b->root.bias + off;
    int64_t ahead =
        (int64_t)(pos -
                  from); /* `from` wraps below 0 if mem begins in a page that was dropped */
    bool backwards = in ? ahead > 0 : ahead < 0;
    uint64_t done = 0;
    while (done < n) {
        uint64_t next = backwards ? pos + n - done : pos + done;
        uint64_t room = backwards ? ((next - 1) & PB_PAGE_MASK) + 1
                                  : PB_PAGE_SIZE - (next & PB_PAGE_MASK);
        uint64_t len = pb_min(room, n - done);
        uint64_t at = backwards ? n - done - len : done;
        move_piece(b, off + at, mem + at, len, in);
        done += len;
    }
}
