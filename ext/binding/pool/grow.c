/* pool/grow.c: the memory of a pool: regions, which pagebuf.PagePool maps, and zones; and what is done
 * before somebody changes the memory of a zone (pagebuf._save_changes). */
#include "pool/object.h"

#include "inspect/named.h"
#include "pool/report.h"
#include "pool/segv.h"
#include "pool/trace.h"

int
pool_grow(PoolObject *self)
{
    self = pool_around(self->pool.root);
    uint64_t before = self->pool.total;
    bool for_room = pb_refusal_of(&self->pool)->for_room;
    PyObject *needed = PyLong_FromUnsignedLongLong(pb_refusal_of(&self->pool)->short_by);
    module_state *state = self->state;
    if (needed == NULL) {
        return -1;
    }
    Py_INCREF(self); /* Python code runs, and may drop the last other reference */
    PyObject *result = PyObject_CallMethodOneArg((PyObject *)self, state->str_grow, needed);
    bool grown = self->pool.total > before;
    if (result && !grown) {
        PyErr_SetString(PyExc_MemoryError, "the pool added no region");
    }
    bool good = result && grown;
    if (!good && for_room && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear(); /* the next attempt does without room */
        good = true;
    }
    Py_DECREF(needed);
    Py_XDECREF(result);
    Py_DECREF(self);
    return good ? 0 : -1;
}

/* Keep an export of an mmap as long as the pool lives; returns its memory, NULL with an
 * exception. */
static Py_buffer *
keep_export(PoolObject *self, PyObject *obj, uint64_t least)
{
    PyObject *memory = PyMemoryView_GetContiguous(obj, PyBUF_WRITE, 'C');
    if (memory == NULL) {
        return NULL;
    }
    Py_buffer *view = PyMemoryView_GET_BUFFER(memory);
    if ((uint64_t)view->len < least) {
        PyErr_Format(PyExc_ValueError, "a region of %zd bytes where %llu are needed",
                     view->len, (unsigned long long)least);
        view = NULL;
    }
    else if (PyList_Append(self->regions, memory) < 0) {
        view = NULL;
    }
    Py_DECREF(memory);
    return view;
}

/* The memory of a region and of its companion. */
typedef struct {
    Py_buffer *payload, *rows;
} mapping;

static int
keep_mapping(PoolObject *self, PyObject *payload, uint32_t frames, PyObject *table,
             size_t table_bytes, mapping *out)
{
    out->payload = keep_export(self, payload, (uint64_t)frames << PB_PAGE_SHIFT);
    out->rows = out->payload ? keep_export(self, table, table_bytes) : NULL;
    return out->rows ? 0 : -1;
}

const char pool_add_region_doc[] = PyDoc_STR(
    "_add_region($self, payload, table, frames, fresh_zero, discard_zeroes, /)\n"
    "--\n\n"
    "Take a region of ``frames`` frames and its companion for the frame table.");

PyObject *
pool_add_region(PoolObject *self, PyObject *args)
{
    PyObject *payload, *table;
    unsigned int frames;
    int fresh_zero, discard_zeroes;
    mapping m;
    if (!PyArg_ParseTuple(args, "OOIpp:_add_region", &payload, &table, &frames, &fresh_zero,
                          &discard_zeroes) ||
        keep_mapping(self, payload, frames, table,
                     pb_pool_companion_bytes(&self->pool, frames), &m) < 0) {
        return NULL;
    }
    if (pb_pool_add_region(&self->pool, m.payload->buf, m.rows->buf, frames, fresh_zero,
                           discard_zeroes) != PB_OK) {
        PyErr_Format(PyExc_MemoryError, "no frame numbers left for %u frames", frames);
        return NULL;
    }
    Py_RETURN_NONE;
}

const char pool_next_region_doc[] = PyDoc_STR(
    "_next_region($self, /)\n--\n\n"
    "How many frames the next region spans by default.");

PyObject *
pool_next_region(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLong(pb_pool_next_region(&self->pool));
}

const char pool_companion_doc[] = PyDoc_STR(
    "_companion_bytes($self, frames, /)\n--\n\n"
    "Bytes of the companion region for so many frames; of the sample's for 0.");

PyObject *
pool_companion_bytes(PoolObject *self, PyObject *arg)
{
    unsigned long frames = PyLong_AsUnsignedLong(arg);
    if (frames == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromSize_t(frames ? pb_pool_companion_bytes(&self->pool, (uint32_t)frames)
                                    : pb_pool_sample_bytes());
}

const char pool_add_sample_doc[] = PyDoc_STR(
    "_add_sample($self, payload, table, every, /)\n--\n\n"
    "Have one frame in ``every`` come from a small guarded region.");

PyObject *
pool_add_sample(PoolObject *self, PyObject *args)
{
    PyObject *payload, *table;
    unsigned int every;
    mapping m;
    if (!PyArg_ParseTuple(args, "OOI:_add_sample", &payload, &table, &every) ||
        keep_mapping(self, payload, PB_SAMPLE_FRAMES, table, pb_pool_sample_bytes(), &m) <
            0) {
        return NULL;
    }
    pb_pool_add_sample(&self->pool, m.payload->buf, m.rows->buf, every ? every : 1);
    if (trace_begin(self) < 0) {
        return NULL;
    }
    segv_watch(self->pool.map);
    Py_RETURN_NONE;
}

const char pool_short_of_run_doc[] = PyDoc_STR(
    "_short_of_run($self, /)\n--\n\n"
    "Whether the frames that were missing last have to be one run.");

PyObject *
pool_short_of_run(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(pb_refusal_of(&self->pool)->short_of_run);
}

/* ---- zones ---- */

/* -1 with an exception. */
static int
offer_zones(pb_pool *root)
{
    pb_zone **table = PyMem_RawCalloc(PB_ZONE_CHUNKS, sizeof *table);
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (!pb_pool_offer_zones(root, table)) {
        PyMem_RawFree(table); /* another thread was quicker */
    }
    return 0;
}

static bool
has_zones(pb_pool *root)
{
    pb_lock_take(&root->lock);
    bool has = root->zones != NULL;
    pb_lock_drop(&root->lock);
    return has;
}

/* A bit for each page.  A word more than that: bits are looked at by words. */
static size_t
map_words(uint64_t pages)
{
    return (size_t)(pages / 64) + 1;
}

/* Have its pages absent until `fetcher` brings them.  -1: no memory. */
static int
make_absent(pool_zone *z, PyObject *fetcher)
{
    uint64_t *here = PyMem_RawCalloc(map_words(z->zone.count), sizeof *here);
    if (here == NULL) {
        return -1;
    }
    z->fetcher = Py_NewRef(fetcher);
    pb_zone_make_absent(z->root, &z->zone, here);
    return 0;
}

static void
free_zone(pool_zone *z)
{
    PyBuffer_Release(&z->memory);
    Py_XDECREF(z->fetcher);
    PyMem_RawFree(z->zone.here);
    PyMem_RawFree(z->zone.named);
    PyMem_Free(z);
}

pool_zone *
pool_open_zone(PoolObject *self, Py_buffer *memory, PyObject *fetcher)
{
    pb_pool *root = self->pool.root;
    pool_zone *z = PyMem_Calloc(1, sizeof *z);
    if (z == NULL || (!has_zones(root) && offer_zones(root) < 0)) {
        PyMem_Free(z);
        return (pool_zone *)PyErr_NoMemory();
    }
    uint64_t pages = (uint64_t)memory->len >> PB_PAGE_SHIFT;
    if (pb_zone_open(root, &z->zone, memory->buf, pages) != PB_OK) {
        PyMem_Free(z);
        PyErr_Format(PyExc_MemoryError, "the pool has no numbers left to map %zd bytes",
                     memory->len);
        return NULL;
    }
    z->root = root;
    if (fetcher && make_absent(z, fetcher) < 0) {
        pb_zone_cancel(root, &z->zone);
        z->zone.payer = NULL;
        z->unlisted = true;
        PyErr_NoMemory();
        pool_release_zones(self);
        return NULL;
    }
    z->memory = *memory;
    pb_lock_take(&self->state->lists);
    pb_intervals_add(&self->state->zones, &z->place, memory->buf,
                     (size_t)(pages << PB_PAGE_SHIFT));
    pb_lock_drop(&self->state->lists);
    return z;
}

void
pool_cancel_zone(PoolObject *self, pool_zone *zone)
{
    pb_zone_cancel(self->pool.root, &zone->zone);
    pool_release_zones(self);
}

/* The fetcher of a zone of which frames were given up, a reference; NULL: there is none left to tell. */
static PyObject *
take_told(pb_pool *root)
{
    PyObject *fetcher = NULL;
    pb_lock_take(&root->lock);
    for (pb_zone *z = root->told ? root->open_zones : NULL; z && !fetcher; z = z->next) {
        if (z->told) {
            z->told = false;
            fetcher = Py_NewRef(((pool_zone *)z)->fetcher);
        }
    }
    pb_store8(&root->told, fetcher != NULL);
    pb_lock_drop(&root->lock);
    return fetcher;
}

/* Tell those who keep the bytes of frames that no entry names any more (I13). */
static void
tell_given_up(pb_pool *root, const module_state *state)
{
    PyObject *type, *value, *traceback, *fetcher;
    PyErr_Fetch(&type, &value, &traceback);
    while (pb_load8(&root->told) && (fetcher = take_told(root)) != NULL) {
        PyObject *done = PyObject_CallMethodNoArgs(fetcher, state->str_given_up);
        if (done == NULL) {
            PyErr_WriteUnraisable(fetcher);
        }
        Py_XDECREF(done);
        Py_DECREF(fetcher);
    }
    PyErr_Restore(type, value, traceback);
}

void
pool_release_zones(PoolObject *self)
{
    pb_zone *ended = pb_zone_take_ended(self->pool.root), *next;
    for (; ended; ended = next) {
        pool_zone *z = (pool_zone *)ended;
        next = ended->next;
        if (!z->unlisted) {
            pb_lock_take(&self->state->lists);
            pb_intervals_remove(&self->state->zones, &z->place);
            pb_lock_drop(&self->state->lists);
        }
        if (ended->payer) {
            pb_pool_unlend(ended->payer, ended->kept);
            Py_DECREF(pool_around(ended->payer)); /* pool_zone_keeps has taken it */
        }
        free_zone(z);
    }
    if (PB_UNLIKELY(pb_load8(&self->pool.root->told))) {
        tell_given_up(self->pool.root, self->state);
    }
}

/* The zone whose first frame has the number; NULL: it has ended. */
static pool_zone *
zone_of(PoolObject *self, uint64_t frame)
{
    pb_zone *z = frame <= UINT32_MAX ? pb_zone_of(&self->pool, (pb_frame)frame) : NULL;
    return z && z->first == frame ? (pool_zone *)z : NULL;
}

pool_zone *
pool_fetched_zone(PoolObject *self, uint64_t frame, const PyObject *fetcher)
{
    pool_zone *z = zone_of(self, frame);
    return z && z->fetcher == fetcher ? z : NULL;
}

/* ---- which pages do trees name? ---- */

typedef struct {
    pb_asked *at;
    size_t n;
    uint64_t pages;
} asked;

/* A list of (page, count), in rising order.  -1 with an exception. */
static int
parse_asked(PyObject *list, asked *a)
{
    *a = (asked){0};
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "ranges are a list");
        return -1;
    }
    a->n = (size_t)PyList_GET_SIZE(list);
    a->at = PyMem_Calloc(a->n + 1, sizeof *a->at);
    if (a->at == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < a->n; i++) {
        unsigned long long page, count;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(list, (Py_ssize_t)i), "KK", &page, &count)) {
            return -1;
        }
        a->at[i] = (pb_asked){page, page + count, a->pages};
        a->pages += count;
    }
    return 0;
}

/* Add (page, count) to the list.  -1 with an exception. */
static int
add_range(PyObject *list, uint64_t page, uint64_t count)
{
    PyObject *pair =
        Py_BuildValue("KK", (unsigned long long)page, (unsigned long long)count);
    int result = pair ? PyList_Append(list, pair) : -1;
    Py_XDECREF(pair);
    return result;
}

/* Add those pages of a range that are named. */
static int
add_named(PyObject *list, const pb_naming *x, const pb_asked *a)
{
    uint64_t page = a->first;
    int result = 0;
    while (page < a->past && result == 0) {
        uint64_t n = 0;
        while (page + n < a->past && pb_naming_says(x, a->bit + page - a->first + n)) {
            n++;
        }
        result = n ? add_range(list, page, n) : 0;
        page += n ? n : 1;
    }
    return result;
}

static PyObject *
list_named(const pb_naming *x)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < x->n; i++) {
        if (add_named(list, x, &x->asked[i]) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

/* If the tail is the last page that is asked about, and nobody names it, it no longer shows what the
 * memory does. */
static void
give_up_tail(PoolObject *self, const pb_naming *x, pool_zone *z)
{
    const pb_asked *last = x->n ? &x->asked[x->n - 1] : NULL;
    uint64_t tail = z->zone.count;
    if (last && last->first <= tail && tail < last->past &&
        !pb_naming_says(x, last->bit + tail - last->first)) {
        pb_zone_drop_tail(&self->pool, &z->zone);
    }
}

/* Walk with scratch for all numbers that the pool has.  -1 with an exception. */
static int
find_named(PoolObject *self, pb_naming *x, const pb_buf *but)
{
    size_t room = 0, numbers;
    do {
        PyMem_Free(x->seen);
        x->seen = PyMem_Calloc(room / 8 + 1, 1);
        if (x->seen == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        rest_begin(self);
        numbers = pb_pool_numbers(&self->pool);
        if (numbers <= room) {
            pb_zone_named(x, &self->pool, but);
        }
        rest_end(self);
    } while (numbers > room && (room = numbers + numbers / 8) > 0);
    return 0;
}

const char pool_zone_named_doc[] =
    "_zone_named($self, frame, ranges, but, /)\n--\n\n"
    "Those of the pages of a zone that any tree names, apart from the buffer ``but``.  The\n"
    "zone begins with ``frame``; ranges are (page, count) in rising order.  If the end of\n"
    "the source is asked about, and nobody names it, no view will show it any more.";

PyObject *
pool_zone_named(PoolObject *self, PyObject *args)
{
    unsigned long long frame;
    PyObject *ranges, *but, *list = NULL;
    asked a = {0};
    if (!PyArg_ParseTuple(args, "KOO!:_zone_named", &frame, &ranges,
                          self->state->buffer_type, &but)) {
        return NULL;
    }
    pool_zone *z = zone_of(self, frame);
    pb_naming x = {.zone = z ? &z->zone : NULL};
    if (z == NULL) {
        return PyList_New(0);
    }
    if (parse_asked(ranges, &a) == 0) {
        x.asked = a.at;
        x.n = a.n;
        x.named = PyMem_Calloc(a.pages / 8 + 1, 1);
        if (x.named == NULL) {
            PyErr_NoMemory();
        }
        else if (find_named(self, &x, &((Holder *)but)->b) == 0) {
            give_up_tail(self, &x, z);
            list = list_named(&x);
        }
    }
    PyMem_Free(a.at);
    PyMem_Free(x.named);
    PyMem_Free(x.seen);
    return list;
}

/* ---- what is kept of memory that changes ---- */

int
pool_charge_zone(PoolObject *self, pool_zone *z, uint64_t size, const pb_buf *b)
{
    if (pb_pool_lend(&self->pool, size, 0) != PB_OK) {
        raise_limit(b);
        return -1;
    }
    if (z->zone.payer == NULL) {
        Py_INCREF(self);
        z->zone.payer = &self->pool;
    }
    z->zone.kept += size;
    return 0;
}

const char pool_zone_keeps_doc[] =
    "_zone_keeps($self, frame, size, buf, /)\n--\n\n"
    "Charge so many bytes that a zone is about to keep, until it ends, for a buffer.\n"
    "PoolLimitError: nothing is charged.";

PyObject *
pool_zone_keeps(PoolObject *self, PyObject *args)
{
    unsigned long long frame, size;
    PyObject *buf;
    if (!PyArg_ParseTuple(args, "KKO!:_zone_keeps", &frame, &size, self->state->buffer_type,
                          &buf)) {
        return NULL;
    }
    pool_zone *z = zone_of(self, frame);
    if (z && pool_charge_zone(self, z, size, &((Holder *)buf)->b) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- pages that come and go ---- */

uint32_t
pool_noted(PoolObject *self, PyObject **fetcher, pb_frames noted[PB_ABSENT_RUNS])
{
    pb_pool *root = self->pool.root;
    uint32_t n = pb_pool_take_absent(root, noted), kept = 0;
    *fetcher = NULL;
    pb_lock_take(&root->lock);
    pool_zone *z = n ? (pool_zone *)pb_zone_of(root, noted[0].first) : NULL;
    for (uint32_t i = 0; z && z->fetcher && i < n; i++) {
        if (pb_zone_of(root, noted[i].first) == &z->zone) { /* others: the next time */
            noted[kept++] = (pb_frames){noted[i].first - z->zone.first, noted[i].count};
        }
    }
    if (kept) {
        *fetcher = Py_NewRef(z->fetcher);
    }
    pb_lock_drop(&root->lock);
    return kept;
}

const char pool_zone_here_doc[] =
    "_zone_here($self, frame, page, count, here, fetcher, /)\n--\n\n"
    "Pages of the zone that begins with ``frame`` have come into memory, or are about to leave it.\n"
    "Nothing where it has ended.";

PyObject *
pool_zone_here(PoolObject *self, PyObject *args)
{
    unsigned long long frame, page, count;
    int here;
    PyObject *fetcher;
    if (!PyArg_ParseTuple(args, "KKKpO:_zone_here", &frame, &page, &count, &here,
                          &fetcher)) {
        return NULL;
    }
    rest_begin(self); /* nobody reads meanwhile */
    pool_zone *z = pool_fetched_zone(self, frame, fetcher);
    if (z && page <= z->zone.count && count <= z->zone.count - page) {
        pb_zone_set_here(&z->zone, page, count, here);
    }
    rest_end(self);
    Py_RETURN_NONE;
}

const char pool_zone_charge_doc[] =
    "_zone_charge($self, frame, size, fetcher, /)\n--\n\n"
    "Charge the pool for so many bytes more that a zone has in memory, or fewer.  Returns None, or\n"
    "the pool whose limit forbids that.  Nothing where the zone has ended.";

PyObject *
pool_zone_charge(PoolObject *self, PyObject *args)
{
    unsigned long long frame;
    long long size;
    PyObject *fetcher;
    if (!PyArg_ParseTuple(args, "KLO:_zone_charge", &frame, &size, &fetcher)) {
        return NULL;
    }
    pool_zone *z = pool_fetched_zone(self, frame, fetcher);
    if (z == NULL) {
        Py_RETURN_NONE;
    }
    if (size < 0) {
        pb_pool_unlend(&self->pool, (uint64_t)-size);
    }
    else if (pb_pool_lend(&self->pool, (uint64_t)size, 0) != PB_OK) {
        return Py_NewRef((PyObject *)pool_around(pb_refusal_of(&self->pool)->refused));
    }
    if (z->zone.payer == NULL) {
        Py_INCREF(self);
        z->zone.payer = &self->pool;
    }
    z->zone.kept += (uint64_t)size;
    Py_RETURN_NONE;
}
