/* base/memmem.h: the first and the last place where a needle lies in a text, in linear time
 * and constant space.
 *
 * Three ways, each for as long as it pays: a scan for the first byte of the needle, as fast
 * as memchr; where that byte is frequent, a scan for two of its bytes, in sixteen places at
 * a time; else the two-way algorithm (Crochemore and Perrin, 1991), which compares each
 * byte of the text twice at most.  It runs backwards as well: needle and text are then
 * read from their ends. */
#ifndef PB_BASE_MEMMEM_H
#define PB_BASE_MEMMEM_H

#include "base/config.h"

/* In a text in one piece; NULL when there is none.  1 <= n <= len. */
const uint8_t *
pb_memmem_first(const uint8_t *text, size_t len, const uint8_t *needle, size_t n);
const uint8_t *
pb_memmem_last(const uint8_t *text, size_t len, const uint8_t *needle, size_t n);

/* How often the needle lies in a text, one behind the other; *end: where the next one may begin. */
uint64_t
pb_memmem_count(const uint8_t *text, size_t len, const uint8_t *needle, size_t n,
                size_t *end);

/* A text in pieces.  The current piece is [start, end), at `at` (NULL: zeros).  `fetch`
 * makes the piece that contains byte `off` the current one. */
typedef struct pb_text {
    const uint8_t *at;
    uint64_t start, end;
    void (*fetch)(struct pb_text *text, uint64_t off);
    const void *source; /* argument for fetch */
} pb_text;

/* The first (back: the last) place of the needle within [from, to); UINT64_MAX when
 * there is none.  n >= 1. */
uint64_t
pb_match_pieces(pb_text *text, uint64_t from, uint64_t to, const uint8_t *needle, size_t n,
                bool back);

#endif
