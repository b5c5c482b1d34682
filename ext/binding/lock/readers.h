/* lock/readers.h: small reads of one buffer by several threads at once, without a GIL.
 *
 * A lock that all readers take makes them wait for each other, even where none of them changes
 * anything.  So a buffer whose readers have met at its lock lets them read apart: each puts the
 * buffer into a slot of the interpreter, one that no other thread looks at, and reads without the
 * lock.  Whoever takes the lock to change the buffer ends that, and waits until no slot names the
 * buffer; for the next READS_TOGETHER reads under the lock it stays so.
 *
 * Between readers_enter and readers_leave a thread changes nothing of the buffer, not even the leaf
 * that it remembers.  It allocates no object and waits for nothing that another thread does with
 * the interpreter: whoever takes the lock waits for it.  With a GIL there is nothing of all this. */
#ifndef PAGEBUF_LOCK_READERS_H
#define PAGEBUF_LOCK_READERS_H

#include "pool/object.h"

#ifdef Py_GIL_DISABLED

#define READER_SLOTS 64
#define READS_TOGETHER 64

/* Of reads that may be apart, the longest. */
#define READ_APART ((uint64_t)1 << 16)

typedef struct {
    const pb_buf *reads; /* NULL: nobody does */
    char apart[56];      /* in a cache line of its own */
} reader_slot;

/* The state of an interpreter has them (lock/lock.h). */
typedef struct {
    reader_slot slot[READER_SLOTS];
} reader_slots;

/* Read b apart if it lets its readers do so.  NULL: take the lock instead. */
reader_slot *
readers_enter(const pb_buf *b);

static inline void
readers_leave(reader_slot *slot)
{
    __atomic_store_n(&slot->reads, NULL, __ATOMIC_RELEASE);
}

static inline bool
readers_are_apart(const pb_buf *b)
{
    return __atomic_load_n(&b->word.apart, __ATOMIC_RELAXED);
}

/* The lock has just been taken to change the buffer: end reading apart. */
void
readers_gather(pb_buf *b);

/* A small read has the lock, which it found taken, or not: the next ones may be apart. */
void
readers_met(pb_buf *b, bool taken);

/* In the child of a fork, whose only thread does not read: no slot is in use. */
void
readers_after_fork(module_state *state);

#endif

#endif
