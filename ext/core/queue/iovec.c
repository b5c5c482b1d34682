/* queue/iovec.c: lists the pieces of a range. */
#include "queue/iovec.h"

pb_status
pb_iov_list(const pb_buf *b, uint64_t off, uint64_t n, struct iovec *iov, unsigned most,
            unsigned *pieces, uint64_t *bytes)
{
    unsigned count = 0;
    uint8_t *end = NULL; /* of the last piece */
    uint64_t done = 0;
    while (done < n) {
        pb_stretch s = pb_buf_stretch(b, off + done, n - done);
        if (s.kind != PB_EXTENT_PRESENT || (s.at != end && count == most)) {
            break;
        }
        if (s.at == end) {
            iov[count - 1].iov_len += s.n;
        }
        else {
            iov[count++] = (struct iovec){s.at, s.n};
        }
        end = s.at + s.n;
        done += s.n;
    }
    *pieces = count;
    *bytes = done;
    return done ? PB_OK : pb_pool_read_status(b->pool);
}
