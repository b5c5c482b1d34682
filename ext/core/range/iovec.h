/* range/iovec.h: where the bytes of a range lie, piece by piece: what vectored input and
 * output asks for.  Called with the buffer's lock held; addresses hold until the tree
 * changes there. */
#ifndef PB_RANGE_IOVEC_H
#define PB_RANGE_IOVEC_H

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

/* The most pieces that one call takes (IOV_MAX, which no system here puts below). */
#define PB_IOV_MOST 1024

#if defined(IOV_MAX)
_Static_assert(IOV_MAX >= PB_IOV_MOST, "vectored calls take so many pieces");
#endif

/* List [off, off + n), pages at neighbouring addresses as one piece, up to `most` pieces
 * or the first hole.  *pieces: how many; *bytes: their sum.  PB_OK. */
pb_status
pb_iov_list(const pb_buf *b, uint64_t off, uint64_t n, struct iovec *iov, unsigned most,
            unsigned *pieces, uint64_t *bytes);

#endif
