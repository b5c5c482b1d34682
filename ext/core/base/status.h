/* base/status.h: the result of a call. */
#ifndef PB_BASE_STATUS_H
#define PB_BASE_STATUS_H

/* transfer/status.c of the binding turns it into an exception. */
typedef enum {
    PB_OK = 0,
    PB_NEED_PAGES, /* the pool is short: add a region and try again */
    PB_LIMIT,      /* the pool's limit forbids */
    PB_CAPACITY,   /* past what max_levels reaches */
    PB_RANGE,      /* an offset out of range */
    PB_PINNED,     /* live views forbid */
    PB_FROZEN,     /* a snapshot never changes */
    PB_CORRUPT,    /* a structure is damaged; the pool keeps where */
    PB_ABSENT,     /* pages are not in memory: fetch what is noted, and try again */
} pb_status;

#endif
