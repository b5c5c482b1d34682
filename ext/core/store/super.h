/* store/super.h: superblocks, the two places of a file that are written again and again.
 *
 *    0                 512               512 + 8 n                                4092
 *    +-----------------+-----------------+--------------------------+-------------+-----+
 *    | fields          | verify list     | tail of the space log    | zeros       | CRC |
 *    +-----------------+-----------------+--------------------------+-------------+-----+
 *
 * A superblock has 4096 bytes, whatever the page, and lies at byte 0 or 4096.  Everything else is
 * reached from it.  docs/store-format.md says what each byte means.  The checksum covers all, so
 * one that was torn is no superblock, and the other one counts. */
#ifndef PB_STORE_SUPER_H
#define PB_STORE_SUPER_H

#include "tree/root.h"

#define PB_SUPER_BYTES 4096
#define PB_SUPER_SLOTS 2
#define PB_SUPER_ROOM (4092 - 512) /* bytes for the verify list and the tail of the log */
#define PB_LIST_BYTES 8            /* of an item of the verify list */
#define PB_LOG_BYTES 12            /* of a record of the space log */
#define PB_LIST_MOST 256           /* pages that one superblock may list */
#define PB_TAIL_MOST (PB_SUPER_ROOM / PB_LOG_BYTES)

#define PB_STORE_MAJOR 0
#define PB_STORE_MINOR 1
#define PB_STORE_LEAST_SHIFT 6 /* smaller pages hold too few records of the log */

/* The first frame that is no superblock. */
#define PB_MOST_FRAMES ((uint64_t)1 << 31)
#define PB_FIRST_FRAME ((pb_frame)((PB_SUPER_SLOTS * PB_SUPER_BYTES) >> PB_PAGE_SHIFT))

/* The bits of `flags`. */
#define PB_SUPER_LISTED 1 /* believe it only if the disk has every page that it lists */
#define PB_SUPER_SEALED 2 /* closed in order: a page that does not fit its CRC is damage */
#define PB_SUPER_CHECKSUMS 4 /* entries carry checksums */

/* A page that was written since the last barrier, and its checksum. */
typedef struct {
    pb_frame frame;
    uint32_t crc;
} pb_listed;

/* A record of the space log: `count` entries name each of the frames [frame, frame + length).
 * Frame 0 opens the group of a commit: its sequence number is count << 32 | length. */
typedef struct {
    pb_frame frame;
    uint32_t length, count;
} pb_log_record;

/* A tree of a file, as a superblock names it. */
typedef struct {
    uint64_t size, bias;
    uint8_t levels;
    pb_entry slot[PB_ROOT_SLOTS];
} pb_file_root;

#define PB_ROOT_BYTES 56 /* of a root in a file */

/* Does it name no page? */
static inline bool
pb_file_root_is_empty(const pb_file_root *root)
{
    return pb_live_entries(root->slot, PB_ROOT_SLOTS) == 0;
}

/* Write a root to PB_ROOT_BYTES bytes, and read it.  false: it breaks a rule. */
void
pb_file_root_encode(const pb_file_root *root, uint8_t *at);
bool
pb_file_root_decode(pb_file_root *root, const uint8_t *at);

/* Where the names are in the bytes of the directory (directory/directory.h). */
typedef struct {
    uint64_t names;
    uint32_t root, height, free, pages; /* pages 0: bytes without names */
} pb_file_names;

#define PB_FILE_NAMES_BYTES 24 /* of that in a file */

/* Write it, and read what belongs to a tree.  false: it breaks a rule. */
void
pb_file_names_encode(const pb_file_names *names, uint8_t *at);
bool
pb_file_names_decode(pb_file_names *names, const pb_file_root *tree, const uint8_t *at);

/* A number of 8 bytes of a file. */
void
pb_super_put64(uint8_t *at, uint64_t v);
uint64_t
pb_super_get64(const uint8_t *at);

/* A bit of `read_only`: there are snapshots, whose pages a writer of before would take for its own. */
#define PB_READ_ONLY_SNAPSHOTS 1

typedef struct {
    uint8_t slot;      /* the place that it was written for */
    uint8_t uuid[16];  /* of the store */
    uint64_t sequence; /* the higher one counts */
    uint64_t commit;   /* as callers count */
    uint64_t frames;   /* the file has, superblocks included */
    uint64_t held;     /* of them are in use */
    uint64_t time;     /* microseconds since 1970 */
    uint32_t flags, listed, logged;
    uint32_t read_only, compatible; /* features of later minor versions */
    pb_file_root directory, snapshots, rows, log;
    pb_file_names names;          /* of the directory */
    pb_file_names snapshot_names; /* of the tree of snapshots */
    uint64_t checkpoint;          /* the sequence number that the log begins with */
    pb_listed list[PB_LIST_MOST];
    pb_log_record tail[PB_TAIL_MOST];
} pb_super;

/* Why bytes are no superblock that this code may use. */
typedef enum {
    PB_SUPER_OK = 0,
    PB_SUPER_BLANK,     /* all zeros: never written, or zeroed after a failed commit */
    PB_SUPER_FOREIGN,   /* not the magic */
    PB_SUPER_DAMAGED,   /* the checksum does not fit */
    PB_SUPER_VERSION,   /* another major version, or a feature that nobody here knows */
    PB_SUPER_PAGE_SIZE, /* pages of another size */
    PB_SUPER_WRONG,     /* the checksum fits, and a field breaks a rule */
} pb_super_state;

/* Do the list and the tail fit into one superblock? */
static inline bool
pb_super_fits(uint32_t listed, uint32_t logged)
{
    return listed <= PB_LIST_MOST && logged <= PB_TAIL_MOST &&
           (size_t)listed * PB_LIST_BYTES + (size_t)logged * PB_LOG_BYTES <= PB_SUPER_ROOM;
}

/* Write a superblock whose list and tail fit into PB_SUPER_BYTES bytes. */
void
pb_super_encode(const pb_super *super, uint8_t *bytes);

/* Read the superblock of a place, 0 or 1.  *super is whole only after PB_SUPER_OK. */
pb_super_state
pb_super_decode(pb_super *super, const uint8_t *bytes, unsigned slot);

#endif
