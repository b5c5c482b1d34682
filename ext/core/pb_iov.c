/* pb_iov.c: ranges as lists of pieces. */
#include "pb_iov.h"

uint8_t *
pb_piece_at(pb_buf *b, uint64_t off, uint64_t n, uint64_t *len)
{
    uint64_t pos = b->root.bias + off;
    *len = pb_min(n, PB_PAGE_SIZE - (pos & PB_PAGE_MASK));
    return (uint8_t *)(uintptr_t)pb_buf_peek(b, off, *len);
}

unsigned
pb_iov_list(pb_buf *b, uint64_t off, uint64_t n, struct iovec *iov, unsigned most,
            uint64_t *bytes)
{
    unsigned count = 0;
    uint8_t *end = NULL; /* of the last piece */
    uint64_t len, done = 0;
    for (; done < n; done += len) {
        uint8_t *at = pb_piece_at(b, off + done, n - done, &len);
        if (at == NULL || (at != end && count == most)) {
            break;
        }
        if (at == end) {
            iov[count - 1].iov_len += len;
        }
        else {
            iov[count++] = (struct iovec){at, len};
        }
        end = at + len;
    }
    *bytes = done;
    return count;
}
