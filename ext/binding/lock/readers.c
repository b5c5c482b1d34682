/* lock/readers.c: the slots of those who read apart. */
#include "lock/lock.h"

#include "base/spares.h"
#include "buffer/share.h"

#ifdef Py_GIL_DISABLED

#include <sched.h>

static reader_slots *
slots_of(const pb_buf *b)
{
    return &locks_of(state_of_buf(b))->readers;
}

static bool
claim(reader_slot *slot, const pb_buf *b)
{
    const pb_buf *none = NULL;
    return __atomic_compare_exchange_n(&slot->reads, &none, b, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* Either this thread sees that reading apart has ended, or who ends it sees the slot: each stores
 * first and loads then. */
reader_slot *
readers_enter(const pb_buf *b)
{
    if (!readers_are_apart(b)) {
        return NULL;
    }
    reader_slots *slots = slots_of(b);
    unsigned first = thread_number();
    for (unsigned i = 0; i < READER_SLOTS; i++) {
        reader_slot *slot = &slots->slot[(first + i) % READER_SLOTS];
        if (claim(slot, b)) {
            if (PB_LIKELY(__atomic_load_n(&b->word.apart, __ATOMIC_SEQ_CST))) {
                return slot;
            }
            readers_leave(slot);
            return NULL;
        }
    }
    return NULL;
}

void
readers_gather(pb_buf *b)
{
    __atomic_store_n(&b->word.apart, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&b->word.together, READS_TOGETHER, __ATOMIC_RELAXED);
    reader_slots *slots = slots_of(b);
    for (unsigned i = 0; i < READER_SLOTS; i++) {
        while (__atomic_load_n(&slots->slot[i].reads, __ATOMIC_SEQ_CST) == b) {
            sched_yield(); /* with the interpreter: who has a slot waits for nobody */
        }
    }
}

/* Not with live views: they bring a thread to the lock again and again. */
void
readers_met(pb_buf *b, bool taken)
{
    uint8_t together = __atomic_load_n(&b->word.together, __ATOMIC_RELAXED);
    if (together) {
        __atomic_store_n(&b->word.together, together - 1, __ATOMIC_RELAXED);
    }
    else if (taken && (pb_buf_is_inline(b) || !pb_buf_viewed(b))) {
        __atomic_store_n(&b->word.apart, 1, __ATOMIC_SEQ_CST);
    }
}

void
readers_after_fork(module_state *state)
{
    memset(&locks_of(state)->readers, 0, sizeof locks_of(state)->readers);
}

#endif
