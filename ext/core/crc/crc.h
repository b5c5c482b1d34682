/* crc/crc.h: the checksum of a store: CRC-32 (polynomial 0xedb88320, reflected; the one of
 * zlib and PNG).
 *
 * An entry of a store carries 31 bits of the checksum of what it names, in the bits that the
 * frame and the flags leave free:
 *
 *    63 ......... 44 | 43 | 42 ......... 12 | 11 .......... 1 | 0
 *    bits 11 to 30   | 0  | frame           | bits 0 to 10    | 1
 *
 * Any 31 bits of the checksum find all damage of one and of two bits of a page. */
#ifndef PB_CRC_CRC_H
#define PB_CRC_CRC_H

#include "pool/frame.h"

/* The checksum of n bytes that follow bytes with the checksum `crc`; 0: they are the first. */
uint32_t
pb_crc32(uint32_t crc, const void *bytes, size_t n);

/* The same without the instructions of this processor, for the tests. */
uint32_t
pb_crc32_by_table(uint32_t crc, const void *bytes, size_t n);

#define PB_CRC31 (((uint32_t)1 << 31) - 1)
#define PB_ENTRY_CRC_LOW 11 /* bits of the checksum below the frame */
#define PB_ENTRY_CRC_SHIFT 44

/* The 31 bits of a checksum, in their places in an entry. */
static inline pb_entry
pb_entry_crc_bits(uint32_t crc)
{
    pb_entry low = crc & (((uint32_t)1 << PB_ENTRY_CRC_LOW) - 1);
    pb_entry high = (crc & PB_CRC31) >> PB_ENTRY_CRC_LOW;
    return low << 1 | high << PB_ENTRY_CRC_SHIFT;
}

/* The entry of a file that names a frame whose bytes have this checksum. */
static inline pb_entry
pb_entry_with_crc(pb_frame frame, uint32_t crc)
{
    return pb_entry_of(frame) | pb_entry_crc_bits(crc);
}

/* The 31 bits that an entry carries. */
static inline uint32_t
pb_entry_crc(pb_entry e)
{
    uint32_t low = (uint32_t)(e >> 1) & (((uint32_t)1 << PB_ENTRY_CRC_LOW) - 1);
    return low | (uint32_t)(e >> PB_ENTRY_CRC_SHIFT) << PB_ENTRY_CRC_LOW;
}

#endif
