/* store/internal.h: what the files behind store/store.h share. */
#ifndef PB_STORE_INTERNAL_H
#define PB_STORE_INTERNAL_H

#include "crc/crc.h"
#include "store/store.h"

/* ---- planted faults: the tests break a rule, and look whether the simulator finds it ---- */

typedef enum {
    PB_PLANT_NONE = 0,
    PB_PLANT_HALF_CRC,      /* S1: only the first 512 bytes of a superblock are checked */
    PB_PLANT_PARITY,        /* S2: the slot is that of the sequence number's parity */
    PB_PLANT_NODE_UNLISTED, /* S3: nodes are not on the verify list */
    PB_PLANT_PAGE_UNLISTED, /* S3: pages are not */
    PB_PLANT_FORGET_LAZY,   /* S4: the list forgets earlier commits without a barrier */
    PB_PLANT_NO_BARRIER,    /* S4: the list is full, and no barrier comes first */
    PB_PLANT_BELIEVE,       /* S5: the list is not looked at */
    PB_PLANT_SIZE,          /* S6: the size is not set when a writer opens */
    PB_PLANT_EARLY,         /* S6: acknowledged before the barrier */
    PB_PLANT_REUSE_AT_ONCE, /* S7: what a commit freed is free for the next one */
    PB_PLANT_REUSE_NEWEST,  /* S7: reused up to the newest durable commit */
    PB_PLANT_NO_FIRST_SYNC, /* S8: no barrier when a writer opens */
    PB_PLANT_NOT_ZEROED,    /* S9: a superblock that was not believed stays */
    PB_PLANT_ZERO_LATE,     /* S9: it is zeroed without a barrier behind */
    PB_PLANT_LOSE_PENDING,  /* S10: a checkpoint forgets which frames wait */
    PB_PLANT_IGNORE_SYNC,   /* S11: a barrier that failed is taken for one that did not */
    PB_PLANT_KEEP_SLOT,     /* S11: the superblock that the barrier was for stays */
    PB_PLANT_CACHE,         /* S12: a writer believes what the cache says */
    PB_PLANT_LOSE_RECORD,   /* a record of the log is lost when it goes to pages */
    PB_PLANT_FREE_TWICE, /* the children of a shared node that is copied are not counted twice */
    PB_PLANT_WRONG_CRC, /* an entry has the checksum of what was there before */
    PB_PLANT_SHARED_ROOTS, /* a page of the directory that a snapshot has, too, is copied, and its
                             * roots are not counted twice */
    PB_PLANT_DROPPED_ROOTS, /* what a snapshot that goes has alone keeps the trees of its names */
    PB_PLANT_UNCOUNTED_SNAPSHOT, /* the directory of a snapshot is not counted */
    PB_PLANTS
} pb_plant;

#ifdef PB_STORE_PLANTS
extern pb_plant pb_planted;
#define PB_PLANTED(what) (pb_planted == PB_PLANT_##what)
#else
#define PB_PLANTED(what) false
#endif

/* ---- frames of the file (store/commit.c) ---- */

static inline uint64_t
pb_frame_offset(pb_frame frame)
{
    return (uint64_t)frame << PB_PAGE_SHIFT;
}

/* Note what is broken. */
pb_store_status
pb_store_damaged(pb_store *store, const char *rule, pb_frame frame);
pb_store_status
pb_store_refused(pb_store *store, int error);
/* What a call of the pool or of a directory says; `broken` is the rule if it found damage. */
pb_store_status
pb_store_said(pb_store *store, pb_status st, const char *broken);

/* Read what an entry names to a page of memory, and compare its checksum. */
pb_store_status
pb_store_read(pb_store *store, pb_entry e, void *bytes);

/* Write a page to a free frame; *e names it. */
pb_store_status
pb_store_write(pb_store *store, pb_space_kind kind, const void *bytes, pb_entry *e);

/* One entry of the file more names what e names, or one less; *left are left.  PB_STORE_CORRUPT if
 * the books do not know of it. */
pb_store_status
pb_store_ref(pb_store *store, pb_entry e);
pb_store_status
pb_store_unref(pb_store *store, pb_entry e, uint32_t *left);

/* How many entries name what e names, as the books say.  PB_STORE_CORRUPT if they do not know it. */
pb_store_status
pb_store_count(pb_store *store, pb_entry e, uint32_t *n);

/* Have the books, also in a reader. */
pb_store_status
pb_store_count_frames(pb_store *store);

/* A barrier.  Afterwards the list is empty. */
pb_store_status
pb_store_barrier(pb_store *store);

/* Zero a slot. */
pb_store_status
pb_store_zero_slot(pb_store *store, unsigned slot);

/* ---- trees of the file (store/write.c) ---- */

/* Changes a tree of the file, from front to back.  The node on each level of the way to the last
 * change is in memory; it is written when the way leaves it. */
typedef struct {
    pb_store *store;
    pb_file_root *root;
    struct {
        uint64_t number; /* of the node: page >> span */
        bool open;
        pb_entry node[PB_FANOUT];
    } path[PB_MAX_LEVELS]; /* by height; 0 is not used */
} pb_writer;

/* Begin to change a tree so that it reaches `end` bytes. */
pb_store_status
pb_writer_begin(pb_writer *w, pb_store *store, pb_file_root *root, uint64_t end);

/* Put a page behind all that were changed; or make [first, last] holes. */
pb_store_status
pb_writer_put(pb_writer *w, uint64_t page, const void *bytes);
pb_store_status
pb_writer_drop(pb_writer *w, uint64_t first, uint64_t last);

/* Write the nodes that are open. */
pb_store_status
pb_writer_end(pb_writer *w);

/* One entry less names each tree below the root, which is empty then. */
pb_store_status
pb_file_drop(pb_store *store, pb_file_root *root);

/* The pages of a tree of the file, from front to back. */
typedef pb_store_status (*pb_file_visitor)(void *arg, uint64_t page, const void *bytes);
pb_store_status
pb_file_visit(pb_store *store, const pb_file_root *root, pb_file_visitor visit, void *arg);

/* The page of a tree; zeros for a hole. */
pb_store_status
pb_file_page(pb_store *store, const pb_file_root *root, uint64_t page, void *bytes);

/* ---- what differs between two trees of the pool (store/diff.c) ---- */

typedef struct {
    pb_store_status (*put)(void *arg, uint64_t page, pb_entry e);
    pb_store_status (*drop)(void *arg, uint64_t first, uint64_t last);
    void *arg;
    uint64_t nodes; /* looked at: at most so many will be written */
} pb_differ;

pb_store_status
pb_store_diff(pb_store *store, const pb_buf *now, const pb_buf *then, pb_differ *differ);

/* ---- names (store/names.c) ---- */

/* Kinds of values. */
enum { PB_KIND_ROOT = 1, PB_KIND_FEW = 2, PB_KIND_SNAPSHOT = 3 };

/* The names that the header of a tree says to be in its bytes. */
void
pb_names_begin(pb_directory *d, pb_buf *bytes, const pb_file_names *names);

/* The names are those of `kept`. */
void
pb_names_open(pb_store *store);

/* Change the names, of trees with a root that is not known yet.  After an error nothing has changed. */
pb_store_status
pb_names_change(pb_store *store, const pb_store_change *changes, size_t n);

/* Now it is. */
pb_store_status
pb_names_settle(pb_store *store, const pb_store_change *changes, size_t n);

/* The coming superblock says where the names are. */
void
pb_names_close(pb_store *store);

/* ---- snapshots (store/snapshot.c) ---- */

/* A walk along the entries of a tree of the file.  `meet` says whether to go to what lies below, or
 * to read it, if it is a page and the walk reads.  In a directory, the trees of its names are walked
 * as well, once for each frame that has them. */
typedef struct {
    pb_store *store;
    pb_store_status (*meet)(void *arg, pb_entry e, bool *below);
    void *arg;
    bool reads;
} pb_file_walk;

pb_store_status
pb_file_walk_tree(const pb_file_walk *w, const pb_file_root *root, bool directory);

void
pb_snapshots_init(pb_store *store);
void
pb_snapshots_fini(pb_store *store);

/* The file was opened anew. */
void
pb_snapshots_forget(pb_store *store);

/* What pages of the directory name that are about to be copied while a snapshot has them, too. */
pb_store_status
pb_snapshots_share(pb_store *store);

/* Change the tree of snapshots, for a directory that is not known yet; now it is; or the commit
 * failed. */
pb_store_status
pb_snapshots_change(pb_store *store, const pb_store_naming *naming);
pb_store_status
pb_snapshots_settle(pb_store *store, const pb_store_naming *naming);
void
pb_snapshots_undo(pb_store *store);

/* ---- the space log (store/log.c) ---- */

/* Log what the coming commit has touched: to the tail, or to pages. */
pb_store_status
pb_log_write(pb_store *store);

/* Fill the books from rows, log and tail of the last commit. */
pb_store_status
pb_log_load(pb_store *store);

/* The sequence number up to which freed frames are free (S7). */
uint64_t
pb_store_free_up_to(const pb_store *store);

#endif
