/* directory/directory.h: names in order, and a value for each: a B+tree in the bytes of a buffer.
 *
 * Page p is the bytes from 4096 p on, changed where it lies: what is copied when a snapshot keeps
 * the old state, and what a store writes for one name, the pages of the buffer say.  The header
 * lives with whoever has the buffer; a store keeps it in its superblock.
 *
 * A page that is full is split on the way down, which changes no name.  So a call that has to stop
 * for want of pages leaves a tree that is right, and says the same (I3). */
#ifndef PB_DIRECTORY_DIRECTORY_H
#define PB_DIRECTORY_DIRECTORY_H

#include "buffer/buf.h"
#include "directory/page.h"

#define PB_DIRECTORY_HEIGHT 12 /* more than 2^31 pages of records of any size take */

typedef struct {
    pb_buf *bytes;
    uint64_t names;
    uint32_t root, height; /* of the root's page; without pages both are 0 */
    uint32_t free;         /* the first of the free pages; 0: none */
    uint32_t pages;        /* page 0 is not used */
} pb_directory;

/* Begin without names, in an empty buffer. */
void
pb_directory_begin(pb_directory *d, pb_buf *bytes);

/* Find a name.  The value, of up to PB_VALUE_MOST bytes, is copied.  PB_CORRUPT: a page is damaged. */
pb_status
pb_directory_find(const pb_directory *d, pb_name name, uint8_t *value, uint32_t *size,
                  uint8_t *kind, bool *found);

/* Give a name, of 1 to PB_NAME_MOST bytes, a value of up to PB_VALUE_MOST bytes, in the place of the
 * one it has.  PB_NEED_PAGES, PB_LIMIT: no name has changed. */
pb_status
pb_directory_put(pb_directory *d, pb_name name, uint8_t kind, const uint8_t *value,
                 uint32_t size);

/* Remove a name. */
pb_status
pb_directory_remove(pb_directory *d, pb_name name, bool *found);

/* The first name above `name` (an empty one: the first of all), copied to `next`; 0 bytes: none. */
pb_status
pb_directory_next(const pb_directory *d, pb_name name, uint8_t *next, uint32_t *n);

/* The first rule that is broken; NULL: none.  O(pages). */
const char *
pb_directory_check(const pb_directory *d);

#endif
