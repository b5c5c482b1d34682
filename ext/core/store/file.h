/* store/file.h: what a store asks of its file: a table of operations.  The core opens, maps and
 * locks nothing; whoever has the file hands it over like this, and the tests hand over files that
 * fail, that note what was asked, and that lose power.
 *
 * Between two barriers the disk may take writes in any order, in part, or not at all. */
#ifndef PB_STORE_FILE_H
#define PB_STORE_FILE_H

#include "base/bits.h"

/* Each operation returns 0, or an errno that the store hands on. */
typedef struct {
    void *arg;

    /* Read exactly n bytes; past the end they are zeros. */
    int (*read)(void *arg, uint64_t at, void *bytes, size_t n);

    /* The same, but from the disk: bytes that only a cache has do not count.  A cache may keep
     * pages that a failed barrier could not write, and call them clean. */
    int (*read_disk)(void *arg, uint64_t at, void *bytes, size_t n);

    /* Write exactly n bytes.  They may lie past the end: then the file grows. */
    int (*write)(void *arg, uint64_t at, const void *bytes, size_t n);

    /* A barrier: what was written before is on the disk when it returns, the size of the file,
     * too.  After an error nobody knows what is; asking again proves nothing. */
    int (*sync)(void *arg);

    /* Set the size.  New bytes are zeros, and the disk has room for them. */
    int (*resize)(void *arg, uint64_t size);
    int (*size)(void *arg, uint64_t *size);

    /* The sequence number of the oldest commit that a reader looks at; UINT64_MAX: nobody
     * reads.  NULL: nobody can. */
    uint64_t (*oldest_reader)(void *arg);
} pb_file;

#endif
