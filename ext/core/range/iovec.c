/* range/iovec.c: ranges as lists of pieces. */
#include "range/iovec.h"

unsigned
pb_iov_list(const pb_buf *b, uint64_t off, uint64_t n, struct iovec *iov, unsigned most,
            uint64_t *bytes)
{
    unsigned count = 0;
    uint8_t *at, *end = NULL; /* end of the last piece */
    uint64_t len, done = 0;
    for (; done < n; done += len) {
        len = pb_buf_stretch(b, off + done, n - done, &at);
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
