/* Checksums against what everybody else computes, and superblocks to bytes and back. */
#include "store/internal.h"
#include "support.h"

/* ---- checksums ---- */

static uint8_t bytes[8192];

/* A bit at a time, as the definition has it. */
static uint32_t
crc_by_bits(const uint8_t *at, size_t n)
{
    uint32_t reg = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        reg ^= at[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            reg = reg >> 1 ^ (reg & 1 ? UINT32_C(0xedb88320) : 0);
        }
    }
    return ~reg;
}

static void
test_known_checksums(void)
{
    CHECK_EQ(pb_crc32(0, "123456789", 9), 0xcbf43926);
    CHECK_EQ(pb_crc32(0, "", 0), 0);
    CHECK_EQ(pb_crc32(0, bytes, 0), 0);
}

static void
check_crc(size_t at, size_t n)
{
    NOTE("%zu bytes from %zu", n, at);
    uint32_t want = crc_by_bits(bytes + at, n);
    CHECK_EQ(pb_crc32(0, bytes + at, n), want);
    CHECK_EQ(pb_crc32_by_table(0, bytes + at, n), want);
    uint32_t first = pb_crc32(0, bytes + at, n / 3);
    CHECK_EQ(pb_crc32(first, bytes + at + n / 3, n - n / 3), want);
}

static void
test_every_length(void)
{
    chance c = chance_of(1);
    fill(&c, bytes, sizeof bytes);
    for (size_t n = 0; n < 300; n++) {
        check_crc(n % 17, n);
    }
    for (size_t n = 4000; n < 4200; n += 7) {
        check_crc(n % 13, n);
    }
}

static void
test_an_entry_carries_31_bits(void)
{
    chance c = chance_of(2);
    for (unsigned i = 0; i < 1000; i++) {
        pb_frame frame = (pb_frame)below(&c, PB_MOST_FRAMES);
        uint32_t crc = (uint32_t)draw(&c);
        pb_entry e = pb_entry_with_crc(frame, crc);
        CHECK_EQ(pb_entry_frame(e), frame);
        CHECK_EQ(pb_entry_crc(e), crc & PB_CRC31);
        CHECK(e & PB_ENTRY_PRESENT);
        CHECK(pb_entry_same(e, pb_entry_of(frame)));
    }
}

/* ---- superblocks ---- */

static pb_super was, is;

static void
draw_super(chance *c)
{
    memset(&was, 0, sizeof was);
    was.slot = (uint8_t)below(c, 2);
    fill(c, was.uuid, sizeof was.uuid);
    was.sequence = 1 + draw(c) / 2;
    was.commit = draw(c);
    was.frames = PB_FIRST_FRAME + below(c, PB_MOST_FRAMES - PB_FIRST_FRAME);
    was.held = below(c, was.frames);
    was.time = draw(c);
    was.flags = (uint32_t)below(c, 8);
    was.compatible = (uint32_t)draw(c);
    was.checkpoint = below(c, was.sequence);
    pb_file_root *roots[] = {&was.directory, &was.snapshots, &was.rows, &was.log};
    for (unsigned i = 0; i < 4; i++) {
        roots[i]->levels = (uint8_t)(1 + below(c, 3));
        roots[i]->size = below(c, pb_reach(roots[i]->levels) / 2 / 12 + 1) * 12;
        roots[i]->bias = below(c, pb_reach(roots[i]->levels) / 2 + 1);
        roots[i]->slot[below(c, 4)] = pb_entry_with_crc((pb_frame)draw(c) >> 1, 7);
    }
    was.listed = (uint32_t)below(c, PB_LIST_MOST + 1);
    do {
        was.logged = (uint32_t)below(c, PB_TAIL_MOST + 1);
    } while (!pb_super_fits(was.listed, was.logged));
    for (uint32_t i = 0; i < was.listed; i++) {
        was.list[i] = (pb_listed){(pb_frame)draw(c), (uint32_t)draw(c)};
    }
    for (uint32_t i = 0; i < was.logged; i++) {
        was.tail[i] =
            (pb_log_record){(pb_frame)draw(c), (uint32_t)draw(c), (uint32_t)draw(c)};
    }
}

static void
check_root(const pb_file_root *got, const pb_file_root *want)
{
    CHECK_EQ(got->size, want->size);
    CHECK_EQ(got->bias, want->bias);
    CHECK_EQ(got->levels, want->levels);
    CHECK_BYTES(got->slot, want->slot, sizeof want->slot);
}

static void
test_there_and_back(void)
{
    chance c = chance_of(3);
    for (unsigned i = 0; i < 300; i++) {
        NOTE("superblock %u", i);
        draw_super(&c);
        pb_super_encode(&was, bytes);
        CHECK_EQ(pb_super_decode(&is, bytes, was.slot), PB_SUPER_OK);
        CHECK_EQ(is.sequence, was.sequence);
        CHECK_EQ(is.commit, was.commit);
        CHECK_EQ(is.frames, was.frames);
        CHECK_EQ(is.held, was.held);
        CHECK_EQ(is.time, was.time);
        CHECK_EQ(is.flags, was.flags);
        CHECK_EQ(is.compatible, was.compatible);
        CHECK_EQ(is.checkpoint, was.checkpoint);
        CHECK_BYTES(is.uuid, was.uuid, sizeof was.uuid);
        check_root(&is.directory, &was.directory);
        check_root(&is.snapshots, &was.snapshots);
        check_root(&is.rows, &was.rows);
        check_root(&is.log, &was.log);
        CHECK_EQ(is.listed, was.listed);
        CHECK_EQ(is.logged, was.logged);
        CHECK_BYTES(is.list, was.list, was.listed * sizeof *was.list);
        CHECK_BYTES(is.tail, was.tail, was.logged * sizeof *was.tail);
    }
}

/* S1: any flip of a bit is found, and so is a superblock in the wrong place. */
static void
test_damage_is_found(void)
{
    chance c = chance_of(4);
    draw_super(&c);
    pb_super_encode(&was, bytes);
    CHECK_EQ(pb_super_decode(&is, bytes, !was.slot), PB_SUPER_WRONG);
    for (unsigned bit = 0; bit < 8 * PB_SUPER_BYTES; bit += 1 + bit / 4096) {
        NOTE("bit %u", bit);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_EQ(pb_super_decode(&is, bytes, was.slot),
                 bit < 64 ? PB_SUPER_FOREIGN : PB_SUPER_DAMAGED);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memset(bytes, 0, PB_SUPER_BYTES);
    CHECK_EQ(pb_super_decode(&is, bytes, 0), PB_SUPER_BLANK);
}

/* The checksum fits, and the field is one that nobody may believe. */
static void
check_refused(unsigned at, uint8_t byte, pb_super_state want)
{
    NOTE("byte %u", at);
    uint8_t before = bytes[at];
    bytes[at] = byte;
    uint32_t crc = pb_crc32(0, bytes, 4092);
    for (unsigned i = 0; i < 4; i++) {
        bytes[4092 + i] = (uint8_t)(crc >> 8 * i);
    }
    CHECK_EQ(pb_super_decode(&is, bytes, 0), want);
    bytes[at] = before;
}

static void
test_fields_that_cannot_be(void)
{
    chance c = chance_of(5);
    draw_super(&c);
    was.slot = 0;
    was.frames = was.held = PB_FIRST_FRAME;
    pb_super_encode(&was, bytes);
    check_refused(8, 1, PB_SUPER_VERSION);
    check_refused(13, 1, PB_SUPER_VERSION);
    check_refused(20, 1, PB_SUPER_OK); /* a compatible feature */
    check_refused(24, PB_PAGE_SHIFT + 1, PB_SUPER_PAGE_SIZE);
    check_refused(26, 5, PB_SUPER_WRONG);
    check_refused(28, 1, PB_SUPER_WRONG);
    check_refused(68, 1, PB_SUPER_WRONG);   /* more than 2^31 frames */
    check_refused(76, 1, PB_SUPER_WRONG);   /* more of them held than there are */
    check_refused(93, 2, PB_SUPER_WRONG);   /* a list of 512 and more */
    check_refused(120, 99, PB_SUPER_WRONG); /* levels of the directory */
    check_refused(320, 1, PB_SUPER_WRONG);  /* half a record of the log */
}

int
main(void)
{
    RUN(test_known_checksums);
    RUN(test_every_length);
    RUN(test_an_entry_carries_31_bits);
    RUN(test_there_and_back);
    RUN(test_damage_is_found);
    RUN(test_fields_that_cannot_be);
    return finish();
}
