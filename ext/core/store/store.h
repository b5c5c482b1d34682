/* store/store.h: trees in a file, changed by commits that a crash cannot halve.
 *
 *    live ----- what the caller changes, a buffer like any other
 *    kept ----- what the last commit wrote: `live` shares its pages, so that whatever differs is
 *               what has changed (I5)
 *    file ----- the same tree in the file, named by a superblock
 *
 * These are the directory.  Names in it have trees of their own, which a commit changes with it:
 * the caller keeps for each what the last commit wrote, and where (pb_store_tree).
 *
 * A commit writes what differs to free frames of the file, and then a superblock.  Until that is on
 * the disk the old superblock counts, and all that it names is there (S1 to S12,
 * docs/store-format.md).
 *
 * A snapshot is a name for what a commit wrote: one more holder of its directory, in a tree of the
 * same kind (store/snapshot.c).  One thread at a time. */
#ifndef PB_STORE_STORE_H
#define PB_STORE_STORE_H

#include "buffer/share.h"
#include "directory/directory.h"
#include "store/file.h"
#include "store/space.h"

typedef enum {
    PB_STORE_OK = 0,
    PB_STORE_POOL, /* store->pool_status says why: PB_NEED_PAGES, ...; nothing has changed */
    PB_STORE_BOOKS, /* hand over books for store->wanted frames, and call again */
    PB_STORE_IO,    /* the file refused, store->fault.error says why; nothing has changed */
    PB_STORE_CORRUPT, /* store->fault says what is broken */
    PB_STORE_BROKEN,  /* a barrier failed: no more commits, what is there can be read */
    PB_STORE_EMPTY,   /* no superblock to believe */
    PB_STORE_REFUSED, /* another version, other pages, an unknown feature */
} pb_store_status;

/* What was found, and where. */
typedef struct {
    const char *rule; /* the one that is broken; NULL: none */
    pb_frame frame;
    int error; /* an errno, after PB_STORE_IO and PB_STORE_BROKEN */
} pb_store_fault;

/* The tree of snapshots, read when somebody asks for it. */
typedef struct {
    pb_buf live, kept;
    uint64_t shift;
    pb_directory names;  /* in `live` */
    pb_file_names named; /* in `kept` */
    bool loaded;
} pb_past;

typedef struct {
    pb_file file;
    pb_pool *pool;
    pb_buf live, kept;
    uint64_t shift;      /* pages that positions of `kept` are behind those in the file */
    pb_directory names;  /* in `live` */
    pb_file_names named; /* in `kept` */
    pb_past past;
    bool writable, broken;
    bool fell_back; /* the newest superblock was not believed at open */

    pb_super super;  /* of the last commit, as it was written */
    pb_super coming; /* of the commit that is being made */
    /* By slot: the sequence number of what a barrier has put there; 0: nothing.  Until the next
     * barrier it may still be there, although the slot was written again: it counts for S7. */
    uint64_t durable[2];
    bool
        unlisted; /* pages were written since the last barrier that the list has no room for */
    pb_space space;
    void *books;         /* the memory of `space` */
    uint64_t books_room; /* frames that it is for */
    bool counted;        /* a reader's `space` is that of its commit */

    uint64_t wanted; /* see PB_STORE_BOOKS */
    pb_status pool_status;
    pb_store_fault fault;

    /* ---- settings, before the first commit ---- */
    uint64_t grow_by;   /* frames that the file grows by */
    uint32_t list_most; /* pages that a superblock lists at most */
    bool unchecked;     /* pb_store_create: entries carry no checksums */
    uint64_t log_most;  /* pages of the log before a checkpoint, at least */
} pb_store;

/* Begin.  The pool, and the table's argument, outlive the store.  If an object is around `live`, so many
 * words lie between its header and that: who links the tree looks for the object at once. */
void
pb_store_init(pb_store *store, pb_pool *pool, const pb_file *file, unsigned lead);

/* Give everything back.  Writes nothing: what was not committed is gone.  The caller frees the
 * books. */
void
pb_store_fini(pb_store *store);

/* The same of all but `live`, which the caller ends. */
void
pb_store_fini_kept(pb_store *store);

/* Hand over memory for pb_space_bytes(frames) bytes of books, which has to stay.  Whoever called
 * before frees the memory of then. */
void
pb_store_offer_books(pb_store *store, void *memory, uint64_t frames);

/* Make an empty store in an empty file. */
pb_store_status
pb_store_create(pb_store *store, const uint8_t uuid[16], uint64_t time);

/* Open what a file has, and load the tree to `live`.  A writer needs books. */
pb_store_status
pb_store_open(pb_store *store, bool writable);

/* Make what `live` shows the next commit.  It is on the disk when this returns PB_STORE_OK, if
 * `durable`; else all or nothing of it will be, at the latest with the next durable one. */
pb_store_status
pb_store_commit(pb_store *store, bool durable, uint64_t time);

/* ---- names ---- */

/* A tree of the pool, and what the file has of it. */
typedef struct {
    const pb_buf *now; /* what the commit shows; it stands still, and is a tree */
    const pb_buf
        *then;      /* what the file has of it; NULL: what `root` names goes, all is new */
    uint64_t shift; /* pages that positions of `then` are behind those in the file */
    pb_file_root root;  /* in the file; levels 0: it has no page there */
    pb_file_root wrote; /* the same after the commit */
} pb_store_tree;

/* What a commit does to a name. */
typedef struct {
    pb_name name;
    bool remove; /* the name goes, and what `tree.root` names */
    bool few;    /* `bytes` are what it shows, up to PB_FEW_MOST; `tree.root` goes */
    uint8_t size;
    const uint8_t *bytes;
    pb_store_tree tree;
} pb_store_change;

#define PB_FEW_MOST 104 /* bytes of a buffer that lies in the directory */

/* pb_store_commit, with what it does to names.  Each name is changed once at most. */
pb_store_status
pb_store_commit_names(pb_store *store, pb_store_change *changes, size_t n, bool durable,
                      uint64_t time);

/* A name for what a commit shows, or the end of one. */
typedef struct {
    pb_name name;
    bool drop;
} pb_store_naming;

/* pb_store_commit_names, which also makes a snapshot of itself, or drops one.  PB_STORE_REFUSED:
 * there is such a snapshot already, or none. */
pb_store_status
pb_store_commit_naming(pb_store *store, pb_store_change *changes, size_t n,
                       const pb_store_naming *naming, bool durable, uint64_t time);

typedef struct {
    bool found;
    uint64_t commit, time;
    pb_file_root directory;
    pb_file_names names;
} pb_store_snapshot;

pb_store_status
pb_store_snapshot_find(pb_store *store, pb_name name, pb_store_snapshot *snapshot);

/* As pb_store_next, for snapshots. */
pb_store_status
pb_store_snapshot_next(pb_store *store, pb_name name, uint8_t *next, uint32_t *n);

/* Open what a snapshot shows, for reading, in the file of a store that has it. */
pb_store_status
pb_store_open_at(pb_store *store, const pb_store *of, const pb_store_snapshot *snapshot);

/* How many pages a snapshot alone keeps.  `scratch` has room for a number for each frame.
 * O(frames). */
pb_store_status
pb_store_kept_by(pb_store *store, pb_name name, uint32_t *scratch, uint64_t *pages);

/* What the last commit says of a name. */
typedef struct {
    bool found, few;
    uint8_t size; /* of `bytes`, if it is few */
    uint8_t bytes[PB_VALUE_MOST];
    pb_file_root root; /* else */
} pb_store_entry;

pb_store_status
pb_store_find(pb_store *store, pb_name name, pb_store_entry *entry);

/* The first name above `name` (an empty one: the first of all); *n = 0: there is none. */
pb_store_status
pb_store_next(pb_store *store, pb_name name, uint8_t *next, uint32_t *n);

/* Read a tree of the file to an empty buffer.  *shift: as in pb_store_tree. */
pb_store_status
pb_store_load(pb_store *store, const pb_file_root *root, pb_buf *to, uint64_t *shift);

/* Go back to what the last commit wrote. */
pb_store_status
pb_store_rollback(pb_store *store);

/* Write a seal: whatever is amiss from then on is damage. */
pb_store_status
pb_store_seal(pb_store *store, uint64_t time);

/* Read everything that the last commit names, and hold it against the books: a page that does not
 * fit its checksum, a frame that is lost, or used twice.  `scratch` has room for a number for each
 * frame.  O(frames). */
pb_store_status
pb_store_verify(pb_store *store, uint32_t *scratch);

#endif
