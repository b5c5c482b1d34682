/* zone/zone.h: memory of somebody else as frames of a pool: a mapped file, the bytes of an object.
 *
 *    numbers   0 ........ 2^31 | first ......... + count | . | first ....
 *              regions         | a zone                  |   | another
 *
 * The frames are read in place.  Nobody writes, frees or counts one of them (I12), so a zone needs
 * neither rows nor a companion, and its first byte may lie anywhere.  Entries name its frames one by
 * one, or many at once: a huge entry of height h stands where a node of that height could stand, and
 * names 512^h frames that follow one another.  The zone counts the entries, a huge one once.  With the
 * last one its numbers are free, and whoever opened it is to be told (PB_PENDING_ZONE).
 *
 * A run of frames ends with its zone, as one number stays free behind it.  All frames are whole pages of
 * the source.  What is left over of it, less than a page, is copied to a frame of a region, which
 * the zone holds, too: as long as that frame is named behind the last one of the zone, its bytes
 * are also those behind the zone's memory. */
#ifndef PB_ZONE_ZONE_H
#define PB_ZONE_ZONE_H

#include "pool/pool.h"

/* Give the root a table for its zones: PB_ZONE_CHUNKS NULL pointers that stay valid as long as the
 * root.  false: it has one already. */
bool
pb_pool_offer_zones(pb_pool *root, pb_zone **table);

/* Give numbers to `count` > 0 pages of memory at `base`, of which no entry names one yet.  The pool has a table.
 * PB_RANGE: no numbers are left. */
pb_status
pb_zone_open(pb_pool *pool, pb_zone *zone, const void *base, uint64_t count);

/* End a zone that no entry has ever named. */
void
pb_zone_cancel(pb_pool *pool, pb_zone *zone);

/* The zones that ended since the last call, linked by `next`; NULL: none. */
pb_zone *
pb_zone_take_ended(pb_pool *pool);

/* Does one zone have n > 0 frames from this one on? */
static inline bool
pb_zone_has(const pb_pool *pool, pb_frame frame, uint64_t n)
{
    const pb_zone *z = pb_zone_of(pool, frame);
    return z && n <= z->count - (frame - z->first);
}

/* ---- frames that may be absent (I14) ---- */

/* From now on a bit of `here` says of each frame whether it is in memory: none is.  No entry names one
 * yet, and the map stays until the zone has ended. */
void
pb_zone_make_absent(pb_pool *pool, pb_zone *zone, uint64_t *here);

/* And from now on each frame counts the entries that name it, in `named`, which is all zeros, so that it
 * can be used again for other bytes when none does (I13).  `read` may be NULL. */
void
pb_zone_count_names(pb_pool *pool, pb_zone *zone, uint32_t *named,
                    bool (*read)(const pb_zone *z, uint64_t at, uint64_t n, void *dst));

/* The pages [page, page + n) of a zone have come into memory, or are about to leave it.  One thread does
 * that at a time. */
void
pb_zone_set_here(pb_zone *zone, uint64_t page, uint64_t n, bool here);

/* How many of n > 0 frames that the zone has are alike, from the first one on: *here, or absent. */
uint64_t
pb_zone_alike(const pb_zone *zone, pb_frame frame, uint64_t n, bool *here);

/* Has one zone these frames, and are all of them in memory? */
bool
pb_zone_reads(const pb_pool *pool, pb_frame frame, uint64_t n);

/* Note those of n > 0 frames of a zone that are absent, to be fetched before the call is made again
 * (PB_PENDING_ABSENT).  false: none of them is.  Any number may be asked about. */
bool
pb_zone_note_absent(const pb_pool *pool, pb_frame frame, uint64_t n);

/* Is the frame one that may be absent? */
static inline bool
pb_frame_is_fetched(const pb_pool *pool, pb_frame frame)
{
    const pb_zone *z = pb_zone_of(pool, frame);
    return z && z->here;
}

/* Does the zone of the frame count the entries that name it?  Then each names one frame (I13). */
static inline bool
pb_frame_is_counted(const pb_pool *pool, pb_frame frame)
{
    const pb_zone *z = pb_zone_of(pool, frame);
    return z && z->named;
}

/* Is it the entry of height h of frames that one zone has? */
bool
pb_zone_has_entry(const pb_pool *pool, pb_entry e, unsigned h);

/* The address of a frame that a zone has. */
uint8_t *
pb_zone_address(const pb_pool *pool, pb_frame frame);

/* The address of a frame that may be read: of a region, or of a zone, which nobody writes to. */
static inline uint8_t *
pb_page_address(const pb_pool *pool, pb_frame frame)
{
    return PB_LIKELY(!pb_frame_in_zone(frame)) ? pb_frame_address(pool, frame)
                                               : pb_zone_address(pool, frame);
}

/* May n > 0 frames from this one on be read?  They are neighbours in a region, or in a zone. */
static inline bool
pb_pages_readable(const pb_pool *pool, pb_frame frame, uint64_t n)
{
    return PB_LIKELY(pb_run_readable(pool, frame, n)) || pb_zone_reads(pool, frame, n);
}

#endif
