/* base/lock.h: the pool's lock, and the loads and stores that others may race with.
 *
 * PB_LOCKS is 1 where threads can really meet in the core (free-threaded CPython, the
 * thread tests).  Elsewhere the GIL is held by everyone who touches a pool, and the
 * lock compiles to nothing.  The counts of the frame table are written only under the
 * pool's lock, so they need no read-modify-write: a relaxed store is enough. */
#ifndef PB_BASE_LOCK_H
#define PB_BASE_LOCK_H

#include "base/config.h"

#ifndef PB_LOCKS /* the build says (setup.py) */
#define PB_LOCKS 0
#endif

#if PB_LOCKS
#include <pthread.h>

typedef pthread_mutex_t pb_lock;

static inline void
pb_lock_init(pb_lock *lock)
{
    pthread_mutex_init(lock, NULL);
}

/* Whoever has it gives it back within some hundred nanoseconds.  To sleep and be woken takes a
 * hundred times as long, so look again first. */
#define PB_LOCK_LOOKS 100

static inline void
pb_lock_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void
pb_lock_wait(pb_lock *lock)
{
    for (int i = 1; i <= PB_LOCK_LOOKS; i++) {
        for (int pauses = i < 8 ? i : 8; pauses; pauses--) {
            pb_lock_pause();
        }
        if (pthread_mutex_trylock(lock) == 0) {
            return;
        }
    }
    pthread_mutex_lock(lock);
}

static inline void
pb_lock_take(pb_lock *lock)
{
    if (PB_UNLIKELY(pthread_mutex_trylock(lock) != 0)) {
        pb_lock_wait(lock);
    }
}

static inline void
pb_lock_drop(pb_lock *lock)
{
    pthread_mutex_unlock(lock);
}

static inline uint32_t
pb_load32(const uint32_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline void
pb_store32(uint32_t *at, uint32_t v)
{
    __atomic_store_n(at, v, __ATOMIC_RELEASE);
}

/* A word that is looked at without the lock under which it changes. */
static inline uint64_t
pb_load64(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline void
pb_store64(uint64_t *at, uint64_t v)
{
    __atomic_store_n(at, v, __ATOMIC_RELEASE);
}

/* The same for a byte. */
static inline uint8_t
pb_load8(const uint8_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline void
pb_store8(uint8_t *at, uint8_t v)
{
    __atomic_store_n(at, v, __ATOMIC_SEQ_CST);
}

static inline void
pb_set_bits8(uint8_t *at, uint8_t bits)
{
    __atomic_fetch_or(at, bits, __ATOMIC_ACQ_REL);
}

static inline void
pb_clear_bits8(uint8_t *at, uint8_t bits)
{
    __atomic_fetch_and(at, (uint8_t)~bits, __ATOMIC_ACQ_REL);
}

#else

typedef char pb_lock;

static inline void
pb_lock_init(pb_lock *lock)
{
    *lock = 0;
}

static inline void
pb_lock_take(pb_lock *lock)
{
    (void)lock;
}

static inline void
pb_lock_drop(pb_lock *lock)
{
    (void)lock;
}

static inline uint32_t
pb_load32(const uint32_t *at)
{
    return *at;
}

static inline void
pb_store32(uint32_t *at, uint32_t v)
{
    *at = v;
}

static inline uint64_t
pb_load64(const uint64_t *at)
{
    return *at;
}

static inline void
pb_store64(uint64_t *at, uint64_t v)
{
    *at = v;
}

static inline uint8_t
pb_load8(const uint8_t *at)
{
    return *at;
}

static inline void
pb_store8(uint8_t *at, uint8_t v)
{
    *at = v;
}

static inline void
pb_set_bits8(uint8_t *at, uint8_t bits)
{
    *at = (uint8_t)(*at | bits);
}

static inline void
pb_clear_bits8(uint8_t *at, uint8_t bits)
{
    *at = (uint8_t)(*at & ~bits);
}
#endif

#endif
