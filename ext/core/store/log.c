/* store/log.c: what the space log says, and rows: the counts of a file that a crash cannot lose.
 *
 *    rows      a tree of counts, 4 bytes a frame, as they were at some moment of the last checkpoint
 *    log       a tree of records: whatever has changed since that commit began, in order
 *    tail      the last records, in the superblock
 *
 * Records are absolute, so it does no harm to replay one whose change the rows have already.  That
 * is why a checkpoint may write the rows page by page, although writing them changes counts. */
#include "store/internal.h"

/* ---- records as bytes ---- */

static void
put_word(uint8_t *at, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(v >> 8 * i);
    }
}

static uint32_t
get_word(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static pb_log_record
group_of(uint64_t sequence)
{
    return (pb_log_record){0, (uint32_t)sequence, (uint32_t)(sequence >> 32)};
}

static uint64_t
sequence_of(const pb_log_record *r)
{
    return (uint64_t)r->count << 32 | r->length;
}

/* ---- where records go ---- */

typedef struct {
    pb_store *store;
    bool to_tail;
    pb_log_record run; /* not written yet: more frames may join it */
    pb_store_status status;

    /* ---- to the tree ---- */
    pb_writer writer;
    uint64_t size; /* of the log so far */
    uint32_t fill; /* bytes in `page` */
    uint8_t page[PB_PAGE_SIZE];
} pen;

/* Put the page that ends with the log, or with zeros behind it.  The tree becomes taller as the log
 * grows. */
static void
put_page(pen *p)
{
    uint64_t page = (p->size - 1) >> PB_PAGE_SHIFT, end = (page + 1) << PB_PAGE_SHIFT;
    if (end > pb_reach(p->writer.root->levels)) {
        p->status = pb_writer_end(&p->writer);
        if (p->status == PB_STORE_OK) {
            p->status = pb_writer_begin(&p->writer, p->store, p->writer.root, end);
        }
    }
    if (p->status == PB_STORE_OK) {
        p->status = pb_writer_put(&p->writer, page, p->page);
    }
    p->fill = 0;
}

static void
put_bytes(pen *p, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n && p->status == PB_STORE_OK; i++) {
        p->page[p->fill++] = bytes[i];
        p->size++;
        if (p->fill == PB_PAGE_SIZE) {
            put_page(p);
        }
    }
}

static void
put_record(pen *p, pb_log_record r)
{
    pb_super *coming = &p->store->coming;
    if (p->to_tail) {
        coming->tail[coming->logged++] = r;
        return;
    }
    uint8_t bytes[PB_LOG_BYTES];
    put_word(bytes, r.frame);
    put_word(bytes + 4, r.length);
    put_word(bytes + 8, r.count);
    put_bytes(p, bytes, sizeof bytes);
}

static void
put_run(pen *p)
{
    if (p->run.length) {
        put_record(p, p->run);
    }
    p->run.length = 0;
}

static void
put_count(pen *p, pb_frame frame, uint32_t count)
{
    pb_log_record *run = &p->run;
    if (run->length && run->frame + run->length == frame && run->count == count) {
        run->length++;
        return;
    }
    put_run(p);
    *run = (pb_log_record){frame, 1, count};
}

/* What the commit touched, and its sequence number before. */
static void
put_touched(pen *p)
{
    pb_space *space = &p->store->space;
    uint64_t sequence = p->store->coming.sequence;
    put_record(p, group_of(sequence));
    for (pb_frame f; p->status == PB_STORE_OK && (f = pb_space_untouch(space)) != 0;) {
        put_count(p, f, pb_space_count(space, f));
        pb_space_settle(space, f, sequence);
    }
    put_run(p);
}

/* How many records put_touched will put. */
static uint32_t
records_to_come(const pb_space *space)
{
    uint32_t n = 1;
    pb_frame after = 0;
    uint32_t count = 0;
    for (pb_frame f = space->touched.first; f && n <= PB_TAIL_MOST; f = space->link[f]) {
        uint32_t c = pb_space_count(space, f);
        n += f != after || c != count;
        after = f + 1;
        count = c;
    }
    return n;
}

/* ---- to the tail, or to pages ---- */

/* Begin to write behind what the log has. */
static pb_store_status
begin_pages(pen *p)
{
    pb_store *store = p->store;
    pb_file_root *log = &store->coming.log;
    p->size = log->size;
    p->fill = (uint32_t)(log->size & PB_PAGE_MASK);
    if (p->fill) {
        pb_store_status st = pb_file_page(store, log, log->size >> PB_PAGE_SHIFT, p->page);
        if (st != PB_STORE_OK) {
            return st;
        }
    }
    return pb_writer_begin(&p->writer, store, log, log->size + PB_PAGE_SIZE);
}

static pb_store_status
end_pages(pen *p)
{
    if (p->status == PB_STORE_OK && p->fill) {
        memset(p->page + p->fill, 0, PB_PAGE_SIZE - p->fill);
        put_page(p);
    }
    if (p->status == PB_STORE_OK) {
        p->status = pb_writer_end(&p->writer);
    }
    p->store->coming.log.size = p->size;
    return p->status;
}

/* The frames that wait stay in the log, with the commits that freed them (S10). */
static void
put_pending(pen *p)
{
    const pb_space *space = &p->store->space;
    uint64_t now = p->store->coming.sequence, last = 0;
    pb_frame f = PB_PLANTED(LOSE_PENDING) ? 0 : space->freed.first;
    for (; f && p->status == PB_STORE_OK; f = space->link[f]) {
        uint64_t sequence = now - (uint32_t)((uint32_t)now - space->count[f]);
        if (sequence != last) {
            put_run(p);
            put_record(p, group_of(sequence));
            last = sequence;
        }
        put_count(p, f, 0);
    }
    put_run(p);
}

/* Move the tail, or what waits, to pages, and what was touched behind it. */
static pb_store_status
spill(pb_store *store, bool pending)
{
    pen p = {.store = store};
    pb_super *coming = &store->coming;
    p.status = begin_pages(&p);
    for (uint32_t i = 0; i + PB_PLANTED(LOSE_RECORD) < coming->logged; i++) {
        put_record(&p, coming->tail[i]);
    }
    coming->logged = 0;
    if (pending) {
        put_pending(&p);
    }
    put_touched(&p);
    return end_pages(&p);
}

/* ---- checkpoints ---- */

static void
fill_row_page(const pb_space *space, uint64_t page, uint8_t *bytes)
{
    memset(bytes, 0, PB_PAGE_SIZE);
    for (uint64_t i = 0; i < PB_ROWS_PER_PAGE; i++) {
        uint64_t f = page * PB_ROWS_PER_PAGE + i;
        if (f < space->frames) {
            put_word(bytes + 4 * i, pb_space_count(space, (pb_frame)f));
        }
    }
}

/* Write the pages of rows that are wrong.  That makes some of them wrong again; the log says how. */
static pb_store_status
write_rows(pb_store *store)
{
    pb_space *space = &store->space;
    pb_file_root *rows = &store->coming.rows;
    uint8_t bytes[PB_PAGE_SIZE];
    uint64_t pages = pb_space_row_pages(space->frames);
    pb_writer w;
    pb_store_status st = pb_writer_begin(&w, store, rows, pages << PB_PAGE_SHIFT);
    for (uint64_t page = 0; page < pages && st == PB_STORE_OK; page++) {
        if (space->dirty[page]) {
            space->dirty[page] = 0;
            fill_row_page(space, page, bytes);
            st = pb_writer_put(&w, page, bytes);
        }
    }
    rows->size = pages << PB_PAGE_SHIFT;
    return st == PB_STORE_OK ? pb_writer_end(&w) : st;
}

/* 1. the old log goes  2. rows  3. a new log: what waits, and what this commit touched. */
static pb_store_status
checkpoint(pb_store *store)
{
    pb_file_root *log = &store->coming.log;
    pb_writer w;
    pb_store_status st = pb_writer_begin(&w, store, log, log->size);
    if (st == PB_STORE_OK && log->size) {
        st = pb_writer_drop(&w, 0, (log->size - 1) >> PB_PAGE_SHIFT);
    }
    if (st == PB_STORE_OK) {
        st = pb_writer_end(&w);
    }
    *log = (pb_file_root){0};
    store->coming.logged = 0;
    store->coming.checkpoint = store->coming.sequence;
    if (st == PB_STORE_OK) {
        st = write_rows(store);
    }
    return st == PB_STORE_OK ? spill(store, true) : st;
}

static bool
checkpoint_is_due(const pb_store *store)
{
    uint64_t most = pb_max(store->log_most, pb_space_row_pages(store->space.frames) / 4);
    return store->coming.log.size >> PB_PAGE_SHIFT > most;
}

/* Do what was touched and the tail fit beside the list?  If the list has no room, a barrier has to
 * come before the superblock anyway, and the list is empty then. */
static bool
tail_has_room(const pb_store *store)
{
    uint32_t listed = store->unlisted ? 0 : store->coming.listed;
    return pb_super_fits(listed, store->coming.logged + records_to_come(&store->space));
}

pb_store_status
pb_log_write(pb_store *store)
{
    pb_store_status st = checkpoint_is_due(store) ? checkpoint(store) : PB_STORE_OK;
    while (st == PB_STORE_OK && !tail_has_room(store)) {
        if (store->coming.logged == 0 && records_to_come(&store->space) < PB_TAIL_MOST) {
            store->unlisted = true;
            break;
        }
        st = spill(store, false);
    }
    if (st == PB_STORE_OK && store->space.touched.first) {
        pen p = {.store = store, .to_tail = true};
        put_touched(&p);
    }
    return st;
}

/* ---- at open ---- */

typedef struct {
    pb_store *store;
    uint64_t sequence, free_up_to;
    bool again; /* the second time: only put in line what waits */
    uint64_t size;
    uint32_t fill;
    uint8_t record[PB_LOG_BYTES];
} reader;

static pb_store_status
read_record(reader *r, pb_log_record record)
{
    pb_space *space = &r->store->space;
    if (record.frame == 0) {
        r->sequence = sequence_of(&record);
        return r->sequence <= r->store->super.sequence
                   ? PB_STORE_OK
                   : pb_store_damaged(r->store, "the log has a commit of later", 0);
    }
    uint64_t end = (uint64_t)record.frame + record.length;
    if (record.frame < PB_FIRST_FRAME || record.length == 0 || end > space->frames) {
        return pb_store_damaged(r->store, "the log names a frame that is not there",
                                record.frame);
    }
    for (uint64_t f = record.frame; f < end; f++) {
        if (!r->again) {
            pb_space_replay(space, (pb_frame)f, record.count, r->sequence, r->free_up_to);
        }
        else if (record.count == 0) {
            pb_space_queue_pending(space, (pb_frame)f, r->sequence);
        }
    }
    return PB_STORE_OK;
}

static pb_store_status
read_log_page(void *arg, uint64_t page, const void *bytes)
{
    reader *r = arg;
    const uint8_t *at = bytes;
    pb_store_status st = PB_STORE_OK;
    if (page != r->size >> PB_PAGE_SHIFT) {
        return pb_store_damaged(r->store, "the log has a hole", 0);
    }
    for (size_t i = 0; i < PB_PAGE_SIZE && st == PB_STORE_OK; i++, r->size++) {
        if (r->size < r->store->super.log.size) {
            r->record[r->fill++] = at[i];
        }
        if (r->fill == PB_LOG_BYTES) {
            r->fill = 0;
            st =
                read_record(r, (pb_log_record){get_word(r->record), get_word(r->record + 4),
                                               get_word(r->record + 8)});
        }
    }
    return st;
}

static pb_store_status
read_log(pb_store *store, bool again)
{
    const pb_super *super = &store->super;
    reader r = {.store = store, .again = again, .free_up_to = pb_store_free_up_to(store)};
    pb_store_status st = pb_file_visit(store, &super->log, read_log_page, &r);
    if (st == PB_STORE_OK && r.size < super->log.size) {
        st = pb_store_damaged(store, "the log has a hole", 0);
    }
    for (uint32_t i = 0; i < super->logged && st == PB_STORE_OK; i++) {
        st = read_record(&r, super->tail[i]);
    }
    return st;
}

static pb_store_status
read_row_page(void *arg, uint64_t page, const void *bytes)
{
    pb_store *store = arg;
    for (uint64_t i = 0; i < PB_ROWS_PER_PAGE; i++) {
        uint64_t f = page * PB_ROWS_PER_PAGE + i;
        uint32_t count = get_word((const uint8_t *)bytes + 4 * i);
        if (count && (f < PB_FIRST_FRAME || f >= store->space.frames)) {
            return pb_store_damaged(store, "the rows count a frame that is not there", 0);
        }
        if (count) {
            pb_space_replay(&store->space, (pb_frame)f, count, 0, 0);
        }
    }
    return PB_STORE_OK;
}

pb_store_status
pb_log_load(pb_store *store)
{
    const pb_super *super = &store->super;
    pb_space_begin(&store->space, store->books, store->books_room, super->frames);
    pb_store_status st = pb_file_visit(store, &super->rows, read_row_page, store);
    memset(store->space.dirty, 0, pb_space_row_pages(super->frames));
    if (st == PB_STORE_OK) {
        st = read_log(store, false);
    }
    if (st == PB_STORE_OK && store->space.pending) {
        st = read_log(store, true);
    }
    for (uint32_t i = 0; i < super->listed && st == PB_STORE_OK; i++) {
        store->space.state[super->list[i].frame] |= PB_SPACE_LISTED;
    }
    if (st == PB_STORE_OK && store->space.held != super->held) {
        st = pb_store_damaged(store, "the log counts other frames than the superblock", 0);
    }
    return st;
}
