/* queue/iovec.h: the addresses of a range, piece by piece, for vectored input and output.  The
 * caller holds the buffer's lock.  An address is valid until the tree changes there. */
#ifndef PB_QUEUE_IOVEC_H
#define PB_QUEUE_IOVEC_H

#include "buffer/buf.h"

#if defined(_WIN32)
struct iovec {
    void *iov_base;
    size_t iov_len;
};
#else
#include <limits.h>
#include <sys/uio.h>
#endif

/* The most pieces that one system call takes: IOV_MAX is at least this on all supported systems. */
#define PB_IOV_MOST 1024

#if defined(IOV_MAX)
_Static_assert(IOV_MAX >= PB_IOV_MOST, "vectored calls take so many pieces");
#endif

/* List [off, off + n), up to `most` pieces or the first hole.  Pages at adjacent addresses are one
 * piece.  Sets *pieces to the number of pieces, *bytes to the sum of their lengths.  Always PB_OK. */
pb_status
pb_iov_list(const pb_buf *b, uint64_t off, uint64_t n, struct iovec *iov, unsigned most,
            unsigned *pieces, uint64_t *bytes);

#endif
