/* input.h: what the bytes of an input decide: numbers, and content to be written. */
#ifndef PB_FUZZ_INPUT_H
#define PB_FUZZ_INPUT_H

#include "support.h"

typedef struct {
    const uint8_t *at, *end;
} input;

/* The next byte; 0 past the end, so that every input is a whole one. */
static inline uint8_t
next_byte(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* 0 .. most, over the whole range whatever it is. */
static inline uint64_t
next_part(input *in, uint64_t most)
{
    uint64_t high = next_byte(in);
    return (high << 8 | next_byte(in)) * most / 0xffff;
}

/* Content: one byte again and again (zeros too), or bytes of which each says where it
 * stands and which call wrote it.  The first sort is what searches find. */
static inline void
next_content(input *in, uint64_t call, uint8_t *to, uint64_t n)
{
    uint8_t kind = next_byte(in);
    if (kind < 64) {
        memset(to, kind & 3, n);
        return;
    }
    uint64_t x = (call << 8 | kind) * 0x9e3779b97f4a7c15u;
    for (uint64_t i = 0; i < n; i++) {
        to[i] = (uint8_t)((x >> (8 * (i & 7))) + (i >> 3) * kind);
    }
}

#endif
