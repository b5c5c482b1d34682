/* disk.h: a disk that loses power, and the page cache before it.
 *
 *    cache     what the process reads: the latest bytes of everything
 *    disk      what the last barrier has made sure of
 *    writes    what came since then: the disk may have any of it, in any order, in part
 *
 * `off` says that the power is gone: every operation fails and has no effect. */
#ifndef PB_TEST_DISK_H
#define PB_TEST_DISK_H

#include "store/file.h"
#include "support.h"

#include <errno.h>

/* What a disk writes as a whole. */
#define SECTOR (PB_PAGE_SIZE / 2 < 512 ? PB_PAGE_SIZE / 2 : 512)

typedef struct {
    uint64_t at, n; /* n = 0: the file got the size `at` */
    uint8_t *bytes;
} disk_write;

typedef struct {
    uint8_t *cache, *disk;
    uint64_t cache_size, disk_size, room;
    disk_write *writes;
    size_t count, space;
    uint64_t steps;  /* writes, resizes and barriers so far */
    uint64_t off_at; /* the power goes before this step; 0: never */
    bool off;
    uint64_t full_at;     /* this step finds the disk full */
    uint64_t bad_sync_at; /* a barrier from this step on fails */
    chance *chance;
} disk;

/* ---- memory ---- */

static inline void
disk_room(disk *d, uint64_t size)
{
    if (size <= d->room) {
        return;
    }
    uint64_t room = 2 * size;
    d->cache = realloc(d->cache, room);
    d->disk = realloc(d->disk, room);
    memset(d->cache + d->room, 0, room - d->room);
    memset(d->disk + d->room, 0, room - d->room);
    d->room = room;
}

static inline void
disk_forget_writes(disk *d)
{
    while (d->count) {
        free(d->writes[--d->count].bytes);
    }
}

static inline void
disk_fini(disk *d)
{
    disk_forget_writes(d);
    free(d->writes);
    free(d->cache);
    free(d->disk);
}

static inline void
disk_note(disk *d, uint64_t at, uint64_t n, const void *bytes)
{
    if (d->count == d->space) {
        d->space = 2 * d->space + 16;
        d->writes = realloc(d->writes, d->space * sizeof *d->writes);
    }
    disk_write *w = &d->writes[d->count++];
    *w = (disk_write){at, n, n ? malloc(n) : NULL};
    if (n) {
        memcpy(w->bytes, bytes, n);
    }
}

static inline void
disk_set_size(uint8_t *bytes, uint64_t *size, uint64_t to)
{
    if (to < *size) {
        memset(bytes + to, 0, *size - to);
    }
    *size = to;
}

/* ---- the operations ---- */

/* One step further.  Returns an errno if it is the last. */
static inline int
disk_step(disk *d)
{
    d->steps++;
    if (d->off_at && d->steps >= d->off_at) {
        d->off = true;
    }
    return d->off ? EIO : d->full_at && d->steps == d->full_at ? ENOSPC : 0;
}

static inline int
disk_read(void *arg, uint64_t at, void *bytes, size_t n)
{
    disk *d = arg;
    disk_room(d, at + n);
    memcpy(bytes, d->cache + at, n);
    return d->off ? EIO : 0;
}

static inline void
disk_overlay(uint8_t *bytes, uint64_t at, uint64_t n, const disk_write *w)
{
    uint64_t first = pb_max(at, w->at), past = pb_min(at + n, w->at + w->n);
    if (first < past) {
        memcpy(bytes + (first - at), w->bytes + (first - w->at), past - first);
    }
}

/* Dirty pages of the cache are written before the disk is read; clean ones do not count. */
static inline int
disk_read_disk(void *arg, uint64_t at, void *bytes, size_t n)
{
    disk *d = arg;
    disk_room(d, at + n);
    memcpy(bytes, d->disk + at, n);
    for (size_t i = 0; i < d->count; i++) {
        disk_overlay(bytes, at, n, &d->writes[i]);
    }
    return d->off ? EIO : 0;
}

static inline int
disk_write_bytes(void *arg, uint64_t at, const void *bytes, size_t n)
{
    disk *d = arg;
    int error = disk_step(d);
    if (error) {
        return error;
    }
    disk_room(d, at + n);
    memcpy(d->cache + at, bytes, n);
    d->cache_size = pb_max(d->cache_size, at + n);
    disk_note(d, at, n, bytes);
    return 0;
}

static inline int
disk_resize(void *arg, uint64_t size)
{
    disk *d = arg;
    int error = disk_step(d);
    if (error) {
        return error;
    }
    disk_room(d, size);
    disk_set_size(d->cache, &d->cache_size, size);
    disk_note(d, size, 0, NULL);
    return 0;
}

static inline int
disk_size(void *arg, uint64_t *size)
{
    disk *d = arg;
    *size = d->cache_size;
    return d->off ? EIO : 0;
}

static inline void
disk_put(disk *d, const disk_write *w)
{
    if (w->n == 0) {
        disk_room(d, w->at);
        disk_set_size(d->disk, &d->disk_size, w->at);
        return;
    }
    memcpy(d->disk + w->at, w->bytes, w->n);
    d->disk_size = pb_max(d->disk_size, w->at + w->n);
}

static inline void
disk_lose(disk *d);

/* A barrier that fails has written some of what it was for; the rest looks clean in the cache. */
static inline int
disk_sync(void *arg)
{
    disk *d = arg;
    int error = disk_step(d);
    if (error) {
        return error;
    }
    if (d->bad_sync_at && d->steps >= d->bad_sync_at) {
        d->bad_sync_at = d->full_at = 0; /* one thing after the other */
        disk_lose(d);
        return EIO;
    }
    for (size_t i = 0; i < d->count; i++) {
        disk_put(d, &d->writes[i]);
    }
    disk_forget_writes(d);
    return 0;
}

static inline pb_file
disk_file(disk *d)
{
    return (pb_file){.arg = d,
                     .read = disk_read,
                     .read_disk = disk_read_disk,
                     .write = disk_write_bytes,
                     .sync = disk_sync,
                     .resize = disk_resize,
                     .size = disk_size};
}

/* ---- what is left ---- */

/* Put some sectors of a write, and garbage in some of the others. */
static inline void
disk_tear(disk *d, const disk_write *w)
{
    bool garbage = one_in(d->chance, 4);
    for (uint64_t at = 0; at < w->n; at += SECTOR) {
        uint64_t n = pb_min(SECTOR, w->n - at);
        disk_write sector = {w->at + at, n, w->bytes + at};
        if (one_in(d->chance, 2)) {
            disk_put(d, &sector);
        }
        else if (garbage && one_in(d->chance, 2)) {
            fill(d->chance, d->disk + sector.at, n);
        }
    }
}

static inline void
disk_shuffle(disk *d)
{
    for (size_t i = d->count; i > 1; i--) {
        size_t j = below(d->chance, i);
        disk_write w = d->writes[i - 1];
        d->writes[i - 1] = d->writes[j];
        d->writes[j] = w;
    }
}

/* The disk has some of the writes. */
static inline void
disk_lose(disk *d)
{
    unsigned how = (unsigned)below(d->chance, 6);
    size_t one = d->count ? below(d->chance, d->count) : 0;
    bool size_lost = one_in(d->chance, 4);
    uint64_t size = d->disk_size;
    if (how >= 2 && one_in(d->chance, 2)) {
        disk_shuffle(d);
    }
    for (size_t i = 0; i < d->count; i++) {
        const disk_write *w = &d->writes[i];
        bool put = how == 0   ? i < one  /* the first ones */
                   : how == 1 ? true     /* all */
                   : how == 2 ? i == one /* one */
                   : how == 3 ? i != one /* all but one */
                   : how == 4 ? one_in(d->chance, 2)
                              : !one_in(d->chance, 8);
        if (w->n && one_in(d->chance, 6)) {
            disk_tear(d, w);
        }
        else if (put) {
            disk_put(d, w);
        }
    }
    if (size_lost && size < d->disk_size) {
        disk_set_size(d->disk, &d->disk_size, size);
    }
    disk_forget_writes(d);
}

/* The power is gone, and comes back: the cache is what the disk has. */
static inline void
disk_cut(disk *d)
{
    disk_lose(d);
    memcpy(d->cache, d->disk, d->room);
    d->cache_size = d->disk_size;
    d->off = false;
    d->off_at = d->full_at = d->bad_sync_at = 0;
}

/* The process is gone; the cache is not. */
static inline void
disk_kill(disk *d)
{
    d->off = false;
    d->off_at = d->full_at = d->bad_sync_at = 0;
}

#endif
