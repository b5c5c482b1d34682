/* Pages and entries: the words of tree/root.h and base/config.h, and what levels reach. */
#include "base/copy.h"
#include "support.h"

static void
test_page_and_fanout(void)
{
    CHECK_EQ(PB_PAGE_SIZE, (size_t)1 << PB_PAGE_SHIFT);
    CHECK_EQ(PB_PAGE_MASK, PB_PAGE_SIZE - 1);
    CHECK_EQ(PB_FANOUT, PB_PAGE_SIZE / sizeof(pb_entry));
    CHECK_EQ(PB_ROOT_SLOTS, 4);
    CHECK_EQ(sizeof(pb_entry), 8);
    CHECK_EQ(sizeof(pb_row), 8);
}

static void
test_entry_of_every_frame_bit(void)
{
    for (unsigned k = 0; k < 32; k++) {
        for (int d = -1; d <= 1; d++) {
            pb_frame frame = ((pb_frame)1 << k) + (pb_frame)d;
            pb_entry e = pb_entry_of(frame);
            CHECK_EQ(e, (pb_entry)frame << 12 | 1);
            CHECK_EQ(pb_entry_frame(e), frame);
            CHECK_EQ(e >> 44, 0);
        }
    }
    CHECK_EQ(pb_entry_frame(PB_HOLE), 0);
    CHECK_EQ(pb_entry_frame(pb_entry_of(UINT32_MAX)), UINT32_MAX);
}

/* Bits 44-63 are kept for checksums: no part of the frame, left out when compared. */
static void
test_entry_checksum_bits_do_not_count(void)
{
    pb_entry e = pb_entry_of(0xfedcba98), sum = e | (uint64_t)0xabcde << 44;
    CHECK_EQ(pb_entry_frame(sum), 0xfedcba98);
    CHECK(pb_entry_same(e, sum));
    CHECK(pb_entry_same(e, e ^ PB_ENTRY_PRESENT));
    for (unsigned bit = 0; bit < 32; bit++) {
        CHECK(!pb_entry_same(e, e ^ (uint64_t)1 << (12 + bit)));
    }
    CHECK(!pb_entry_same(pb_entry_of(1), PB_HOLE));
}

/* An entry lies in memory as eight little-endian bytes, on every machine. */
static void
test_entry_in_memory_is_little_endian(void)
{
    pb_entry at;
    pb_entry_store(&at, pb_entry_of(0x12345678));
    const uint8_t want[8] = {0x01, 0x80, 0x67, 0x45, 0x23, 0x01, 0x00, 0x00};
    CHECK_BYTES(&at, want, sizeof want);
    CHECK_EQ(pb_entry_load(&at), pb_entry_of(0x12345678));
    pb_entry_store(&at, PB_HOLE);
    CHECK_EQ(at, 0);
}

static void
test_reach_of_levels(void)
{
    uint64_t reach = 4 * PB_PAGE_SIZE;
    for (unsigned levels = 1; levels <= PB_MAX_LEVELS; levels++) {
        NOTE("levels %u", levels);
        CHECK_EQ(pb_reach(levels), reach);
        CHECK_EQ(pb_slot_span(levels), reach / 4);
        reach *= PB_FANOUT;
    }
    CHECK_EQ(pb_reach(PB_MAX_LEVELS), (uint64_t)1 << 59);
    CHECK_EQ(PB_REACH, (uint64_t)1 << 59);
#if PB_PAGE_SHIFT == 12
    CHECK_EQ(PB_MAX_LEVELS, 6);
    CHECK_EQ(pb_reach(1), 16384);
    CHECK_EQ(pb_reach(2), (uint64_t)8 << 20);
    CHECK_EQ(pb_reach(3), 4294967296);
    CHECK_EQ(pb_reach(4), (uint64_t)2 << 40);
    CHECK_EQ(pb_reach(5), (uint64_t)1 << 50);
#endif
}

/* Root index and child indices take a page number apart, and nothing is lost of it. */
static void
test_indices_take_a_page_number_apart(void)
{
    chance c = chance_of(1);
    for (unsigned levels = 1; levels <= PB_MAX_LEVELS; levels++) {
        for (int i = 0; i < 50; i++) {
            uint64_t page = below(&c, pb_reach(levels) >> PB_PAGE_SHIFT);
            NOTE("levels %u page %" PRIu64, levels, page);
            uint64_t back = pb_root_index(page, levels);
            CHECK(back < PB_ROOT_SLOTS);
            for (unsigned h = levels - 1; h-- > 0;) {
                CHECK(pb_child_index(page, h) < PB_FANOUT);
                back = back * PB_FANOUT + pb_child_index(page, h);
            }
            CHECK_EQ(back, page);
        }
    }
}

static void
test_checked_addition(void)
{
    uint64_t sum;
    CHECK(!pb_add_overflows(0, 0, &sum));
    CHECK(!pb_add_overflows(UINT64_MAX, 0, &sum));
    CHECK_EQ(sum, UINT64_MAX);
    CHECK(pb_add_overflows(UINT64_MAX, 1, &sum));
    CHECK(pb_add_overflows(1, UINT64_MAX, &sum));
    CHECK(pb_add_overflows((uint64_t)1 << 63, (uint64_t)1 << 63, &sum));
    CHECK(!pb_add_overflows((uint64_t)1 << 63, ((uint64_t)1 << 63) - 1, &sum));
    CHECK_EQ(sum, UINT64_MAX);
}

static void
test_bits(void)
{
    for (unsigned k = 0; k < 64; k++) {
        CHECK_EQ(pb_lowest_bit((uint64_t)1 << k), k);
        CHECK_EQ(pb_lowest_bit(UINT64_MAX << k), k);
    }
    for (unsigned k = 0; k < 32; k++) {
        CHECK_EQ(pb_log2((uint32_t)1 << k), k);
        CHECK_EQ(pb_log2(UINT32_MAX >> (31 - k)), k);
    }
    CHECK_EQ(pb_min(3, 4) + pb_max(3, 4) + pb_min(4, 3) + pb_max(4, 3), 14);
}

/* I9: the one copy routine moves each byte of its range and none beside it. */
static void
test_copy_of_every_small_size(void)
{
    uint8_t src[300], dst[300], want[300];
    chance c = chance_of(2);
    fill(&c, src, sizeof src);
    for (size_t n = 0; n <= 200; n++) {
        for (size_t shift = 0; shift < 17; shift += 8) {
            memset(dst, 0, sizeof dst);
            memset(want, 0, sizeof want);
            memcpy(want + 20 + shift, src + 3, n);
            pb_copy(dst + 20 + shift, src + 3, n);
            NOTE("%zu bytes", n);
            CHECK_BYTES(dst, want, sizeof want);
            pb_zero(dst + 20 + shift, n);
            memset(want, 0, sizeof want);
            CHECK_BYTES(dst, want, sizeof want);
        }
    }
}

int
main(void)
{
    RUN(test_page_and_fanout);
    RUN(test_entry_of_every_frame_bit);
    RUN(test_entry_checksum_bits_do_not_count);
    RUN(test_entry_in_memory_is_little_endian);
    RUN(test_reach_of_levels);
    RUN(test_indices_take_a_page_number_apart);
    RUN(test_checked_addition);
    RUN(test_bits);
    RUN(test_copy_of_every_small_size);
    return finish();
}
