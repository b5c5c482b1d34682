/* crc/crc.c: CRC-32 by carry-less multiplication where the processor has it, else eight bytes at
 * a time by tables. */
#include "crc/crc.h"

/* ---- by tables ----
 *
 * table[k][b] is the checksum register after byte b and k bytes of zeros.  A checksum is linear, so
 * each value is the sum of those of its bits. */

#define BIT(n, i, v) (((n) >> (i) & 1) * UINT32_C(v))
#define V0(n)                                                                \
    (BIT(n, 0, 0x77073096) ^ BIT(n, 1, 0xee0e612c) ^ BIT(n, 2, 0x076dc419) ^ \
     BIT(n, 3, 0x0edb8832) ^ BIT(n, 4, 0x1db71064) ^ BIT(n, 5, 0x3b6e20c8) ^ \
     BIT(n, 6, 0x76dc4190) ^ BIT(n, 7, 0xedb88320))
#define V1(n)                                                                \
    (BIT(n, 0, 0x191b3141) ^ BIT(n, 1, 0x32366282) ^ BIT(n, 2, 0x646cc504) ^ \
     BIT(n, 3, 0xc8d98a08) ^ BIT(n, 4, 0x4ac21251) ^ BIT(n, 5, 0x958424a2) ^ \
     BIT(n, 6, 0xf0794f05) ^ BIT(n, 7, 0x3b83984b))
#define V2(n)                                                                \
    (BIT(n, 0, 0x01c26a37) ^ BIT(n, 1, 0x0384d46e) ^ BIT(n, 2, 0x0709a8dc) ^ \
     BIT(n, 3, 0x0e1351b8) ^ BIT(n, 4, 0x1c26a370) ^ BIT(n, 5, 0x384d46e0) ^ \
     BIT(n, 6, 0x709a8dc0) ^ BIT(n, 7, 0xe1351b80))
#define V3(n)                                                                \
    (BIT(n, 0, 0xb8bc6765) ^ BIT(n, 1, 0xaa09c88b) ^ BIT(n, 2, 0x8f629757) ^ \
     BIT(n, 3, 0xc5b428ef) ^ BIT(n, 4, 0x5019579f) ^ BIT(n, 5, 0xa032af3e) ^ \
     BIT(n, 6, 0x9b14583d) ^ BIT(n, 7, 0xed59b63b))
#define V4(n)                                                                \
    (BIT(n, 0, 0x3d6029b0) ^ BIT(n, 1, 0x7ac05360) ^ BIT(n, 2, 0xf580a6c0) ^ \
     BIT(n, 3, 0x30704bc1) ^ BIT(n, 4, 0x60e09782) ^ BIT(n, 5, 0xc1c12f04) ^ \
     BIT(n, 6, 0x58f35849) ^ BIT(n, 7, 0xb1e6b092))
#define V5(n)                                                                \
    (BIT(n, 0, 0xcb5cd3a5) ^ BIT(n, 1, 0x4dc8a10b) ^ BIT(n, 2, 0x9b914216) ^ \
     BIT(n, 3, 0xec53826d) ^ BIT(n, 4, 0x03d6029b) ^ BIT(n, 5, 0x07ac0536) ^ \
     BIT(n, 6, 0x0f580a6c) ^ BIT(n, 7, 0x1eb014d8))
#define V6(n)                                                                \
    (BIT(n, 0, 0xa6770bb4) ^ BIT(n, 1, 0x979f1129) ^ BIT(n, 2, 0xf44f2413) ^ \
     BIT(n, 3, 0x33ef4e67) ^ BIT(n, 4, 0x67de9cce) ^ BIT(n, 5, 0xcfbd399c) ^ \
     BIT(n, 6, 0x440b7579) ^ BIT(n, 7, 0x8816eaf2))
#define V7(n)                                                                \
    (BIT(n, 0, 0xccaa009e) ^ BIT(n, 1, 0x4225077d) ^ BIT(n, 2, 0x844a0efa) ^ \
     BIT(n, 3, 0xd3e51bb5) ^ BIT(n, 4, 0x7cbb312b) ^ BIT(n, 5, 0xf9766256) ^ \
     BIT(n, 6, 0x299dc2ed) ^ BIT(n, 7, 0x533b85da))
#define ROW4(V, n) V(n), V((n) + 1), V((n) + 2), V((n) + 3)
#define ROW16(V, n) ROW4(V, n), ROW4(V, (n) + 4), ROW4(V, (n) + 8), ROW4(V, (n) + 12)
#define ROW64(V, n) ROW16(V, n), ROW16(V, (n) + 16), ROW16(V, (n) + 32), ROW16(V, (n) + 48)
#define TABLE(V) {ROW64(V, 0), ROW64(V, 64), ROW64(V, 128), ROW64(V, 192)}

static const uint32_t table[8][256] = {
    TABLE(V0), TABLE(V1), TABLE(V2), TABLE(V3), TABLE(V4), TABLE(V5), TABLE(V6), TABLE(V7),
};

static inline uint64_t
load64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, 8);
    return pb_le64(v);
}

/* The register after n bytes. */
static uint32_t
register_by_table(uint32_t reg, const uint8_t *at, size_t n)
{
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t v = load64(at) ^ reg;
        reg = 0;
        for (unsigned k = 0; k < 8; k++) {
            reg ^= table[7 - k][v >> (8 * k) & 255];
        }
    }
    for (; n; n--, at++) {
        reg = reg >> 8 ^ table[0][(reg ^ *at) & 255];
    }
    return reg;
}

uint32_t
pb_crc32_by_table(uint32_t crc, const void *bytes, size_t n)
{
    return ~register_by_table(~crc, bytes, n);
}

/* ---- by carry-less multiplication ----
 *
 * Sixteen bytes that lie D bits before others can be exchanged for what they leave modulo the
 * polynomial there: their halves times x^(D+64) and x^D (Gopal and others, "Fast CRC Computation
 * for Generic Polynomials Using PCLMULQDQ", 2009).  So 64 bytes at a time are folded into the 64
 * that follow, and the last 16 bytes go through the tables. */

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define FOLDED 64
#define CARRYLESS __attribute__((target("pclmul,sse2")))

/* x^(D+32) and x^(D-32) modulo the polynomial, reflected, for D = 512 and 128: that is what a
 * product of reflected halves takes. */
static const uint64_t by_512[2] = {0x154442bd4, 0x1c6e41596};
static const uint64_t by_128[2] = {0x1751997d0, 0x0ccaa009e};

CARRYLESS static inline __m128i
load128(const void *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

CARRYLESS static inline __m128i
fold(__m128i x, __m128i by, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(x, by, 0x00);
    __m128i high = _mm_clmulepi64_si128(x, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* n is at least FOLDED. */
CARRYLESS static uint32_t
register_carryless(uint32_t reg, const uint8_t *at, size_t n)
{
    __m128i x[4], by = load128(by_512);
    for (unsigned i = 0; i < 4; i++) {
        x[i] = load128(at + 16 * i);
    }
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)reg));
    for (at += FOLDED, n -= FOLDED; n >= FOLDED; at += FOLDED, n -= FOLDED) {
        for (unsigned i = 0; i < 4; i++) {
            x[i] = fold(x[i], by, load128(at + 16 * i));
        }
    }
    by = load128(by_128);
    __m128i sum = x[0];
    for (unsigned i = 1; i < 4; i++) {
        sum = fold(sum, by, x[i]);
    }
    for (; n >= 16; at += 16, n -= 16) {
        sum = fold(sum, by, load128(at));
    }
    uint8_t last[16];
    _mm_storeu_si128((__m128i *)(void *)last, sum);
    return register_by_table(register_by_table(0, last, sizeof last), at, n);
}

uint32_t
pb_crc32(uint32_t crc, const void *bytes, size_t n)
{
    if (n >= FOLDED && __builtin_cpu_supports("pclmul")) {
        return ~register_carryless(~crc, bytes, n);
    }
    return pb_crc32_by_table(crc, bytes, n);
}

#else

uint32_t
pb_crc32(uint32_t crc, const void *bytes, size_t n)
{
    return pb_crc32_by_table(crc, bytes, n);
}

#endif
