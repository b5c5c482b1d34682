/* plain.h: what a buffer should hold: bytes in one array, and perhaps one gap of zeros, too
 * large for any array, that makes its tree tall.
 *
 *    byte[]     0 .. gap_at - 1            gap_at .. size - 1
 *    buffer     the same offsets   | gap | gap bytes further on */
#ifndef PB_FUZZ_PLAIN_H
#define PB_FUZZ_PLAIN_H

#include "support.h"

/* Enough for six levels of 16-byte pages; a few pages of 4096 bytes, so that an input does
 * not spend its time on copies. */
#define MOST ((uint64_t)(PB_PAGE_SHIFT == 12 ? 20 : 150) << PB_PAGE_SHIFT)

typedef struct {
    uint64_t size;
    uint64_t gap_at, gap; /* gap == 0: there is none */
    uint8_t byte[MOST];
} plain;

/* The offset in the buffer of byte i. */
static inline uint64_t
plain_place(const plain *m, uint64_t i)
{
    return m->gap && i >= m->gap_at ? i + m->gap : i;
}

static inline uint64_t
plain_whole_size(const plain *m)
{
    return m->size + m->gap;
}

/* Does [i, i + n) lie on one side of the gap? */
static inline bool
plain_one_side(const plain *m, uint64_t i, uint64_t n)
{
    return m->gap == 0 || i >= m->gap_at || i + n <= m->gap_at;
}

static inline void
plain_copy(plain *to, const plain *from)
{
    to->size = from->size;
    to->gap_at = from->gap_at;
    to->gap = from->gap;
    memcpy(to->byte, from->byte, from->size);
}

static inline void
plain_empty(plain *m)
{
    m->size = m->gap_at = m->gap = 0;
}

/* Longer by zeros, or cut; what is cut off takes a gap behind the new end with it. */
static inline void
plain_resize(plain *m, uint64_t size)
{
    if (size > m->size) {
        memset(m->byte + m->size, 0, size - m->size);
    }
    if (size < m->size && size <= m->gap_at) {
        m->gap = m->gap_at = 0;
    }
    m->size = size;
}

/* src == NULL: zeros. */
static inline void
plain_write(plain *m, uint64_t i, const uint8_t *src, uint64_t n)
{
    if (i + n > m->size) {
        plain_resize(m, i + n);
    }
    if (src) {
        memmove(m->byte + i, src, n);
    }
    else {
        memset(m->byte + i, 0, n);
    }
}

/* Put n bytes, or zeros, in the place of [i, i + cut), on one side of the gap. */
static inline void
plain_splice(plain *m, uint64_t i, uint64_t cut, const uint8_t *src, uint64_t n)
{
    memmove(m->byte + i + n, m->byte + i + cut, m->size - i - cut);
    m->size = m->size - cut + n;
    if (m->gap && i < m->gap_at) {
        m->gap_at = m->gap_at - cut + n;
    }
    plain_write(m, i, src, n);
}

/* A gap at the front stays behind the new bytes. */
static inline void
plain_prepend(plain *m, const uint8_t *src, uint64_t n)
{
    memmove(m->byte + n, m->byte, m->size);
    memcpy(m->byte, src, n);
    m->size += n;
    m->gap_at += m->gap ? n : 0;
}

/* A gap that the front reaches goes with it. */
static inline void
plain_drop_front(plain *m, uint64_t n)
{
    memmove(m->byte, m->byte + n, m->size - n);
    m->size -= n;
    if (n >= m->gap_at) {
        m->gap = 0;
    }
    m->gap_at = m->gap ? m->gap_at - n : 0;
}

#endif
