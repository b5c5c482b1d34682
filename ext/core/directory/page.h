/* directory/page.h: a page of a directory: records in the order of their names.
 *
 *    0      12           12 + 2 n                    low                            4096
 *    +------+------------+---------------------------+------------------------------+
 *    | head | n places   | room                      | records, in any order        |
 *    +------+------------+---------------------------+------------------------------+
 *
 *    a record of a leaf    name length 1 | kind 1 | value length 2 | value | name
 *    of an inner page      child 4 | name length 1 | name
 *
 * A page has 4096 bytes, whatever the page of the pool.  Names are compared as unsigned bytes.  No
 * name in a child is below that of its record; that of the first record is empty. */
#ifndef PB_DIRECTORY_PAGE_H
#define PB_DIRECTORY_PAGE_H

#include "base/bits.h"

#define PB_DIRECTORY_PAGE 4096
#define PB_NAME_MOST 255
#define PB_VALUE_MOST 128

typedef enum {
    PB_DIRECTORY_LEAF = 1,
    PB_DIRECTORY_INNER = 2,
    PB_DIRECTORY_FREE = 3,
} pb_directory_kind;

typedef struct {
    const uint8_t *bytes;
    uint32_t n;
} pb_name;

typedef struct {
    uint8_t bytes[PB_DIRECTORY_PAGE];
} pb_directory_page;

/* Begin an empty page. */
void
pb_page_begin(pb_directory_page *page, pb_directory_kind kind, unsigned height);

unsigned
pb_page_kind(const pb_directory_page *page);
unsigned
pb_page_height(const pb_directory_page *page);
uint32_t
pb_page_records(const pb_directory_page *page);

/* The page behind a free one in their list. */
uint32_t
pb_page_next_free(const pb_directory_page *page);
void
pb_page_set_next_free(pb_directory_page *page, uint32_t next);

pb_name
pb_page_name(const pb_directory_page *page, uint32_t i);
uint32_t
pb_page_child(const pb_directory_page *page, uint32_t i);

/* The value of a record of a leaf, and its kind. */
const uint8_t *
pb_page_value(const pb_directory_page *page, uint32_t i, uint32_t *size, uint8_t *kind);

/* The first record whose name is not below `name`. */
uint32_t
pb_page_search(const pb_directory_page *page, pb_name name, bool *found);

/* Bytes that records may still take, with 2 for the place of each. */
uint32_t
pb_page_room(const pb_directory_page *page);

/* What a record takes of that. */
static inline uint32_t
pb_leaf_record_bytes(uint32_t name, uint32_t value)
{
    return 2 + 4 + value + name;
}

static inline uint32_t
pb_inner_record_bytes(uint32_t name)
{
    return 2 + 5 + name;
}

/* Insert a record before record i; there is room. */
void
pb_page_insert_leaf(pb_directory_page *page, uint32_t i, pb_name name, uint8_t kind,
                    const uint8_t *value, uint32_t size);
void
pb_page_insert_inner(pb_directory_page *page, uint32_t i, pb_name name, uint32_t child);

void
pb_page_remove(pb_directory_page *page, uint32_t i);

/* Move the records of the second half, by bytes, to an empty page. */
void
pb_page_split(pb_directory_page *page, pb_directory_page *right);

/* The rule that a page breaks; NULL: none. */
const char *
pb_page_check(const pb_directory_page *page);

int
pb_name_compare(pb_name a, pb_name b);

#endif
