/* transfer/write.c: bytes into a tree, and other changes of its length. */
#include "transfer/transfer.h"

/* ---- in ---- */

/* Copies without the GIL. */
PB_NOINLINE static pb_status
write_large(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    pb_status st = pb_buf_write_begin(b, off, src, n);
    if (st == PB_OK) {
        copy_in_lock_held(b, off, src, n);
        pb_buf_write_end(b);
    }
    return st;
}

pb_status
transfer_write_lock_held(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    return PB_LIKELY(n < COPY_WITHOUT_GIL) ? pb_buf_write(b, off, src, n)
                                           : write_large(b, off, src, n);
}

static pb_status
extend_lock_held(pb_buf *b, const void *src, uint64_t n)
{
    if (PB_LIKELY(n < COPY_WITHOUT_GIL)) {
        return pb_buf_extend(b, src, n);
    }
    return write_large(b, b->root.size, src, n);
}

int
transfer_write(pb_buf *b, uint64_t off, const void *src, uint64_t n)
{
    pb_status st = PB_OK;
    do {
        buffer_lock(b);
        st = n ? transfer_write_lock_held(b, off, src, n) : PB_OK;
        buffer_unlock(b);
    } while (transfer_again(b, &st, off, n));
    return st == PB_OK ? 0 : -1;
}

int
transfer_extend(pb_buf *b, const void *src, uint64_t n)
{
    pb_status st = PB_OK;
    do {
        buffer_lock(b);
        st = n ? extend_lock_held(b, src, n) : PB_OK;
        buffer_unlock(b);
    } while (transfer_again(b, &st, AT_THE_END, n));
    return st == PB_OK ? 0 : -1;
}

/* ---- other changes ---- */

int
transfer_truncate(pb_buf *b, uint64_t size)
{
    pb_status st;
    do {
        buffer_lock(b);
        st = pb_buf_truncate(b, size);
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, size));
    return st == PB_OK ? 0 : -1;
}

int
transfer_change(pb_buf *b, pb_status change(pb_buf *, uint64_t, uint64_t), uint64_t off,
                uint64_t n)
{
    pb_status st;
    do {
        buffer_lock(b);
        st = change(b, off, n);
        buffer_unlock(b);
    } while (transfer_again(b, &st, off, n));
    return st == PB_OK ? 0 : -1;
}
