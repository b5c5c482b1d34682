/* pool/grow.c: the memory of a pool: regions, which pagebuf.PagePool maps, and zones. */
#include "pool/object.h"

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

pool_zone *
pool_open_zone(PoolObject *self, Py_buffer *memory)
{
    pb_pool *root = self->pool.root;
    pool_zone *z = PyMem_Malloc(sizeof *z);
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
    z->memory = *memory;
    return z;
}

void
pool_cancel_zone(PoolObject *self, pool_zone *zone)
{
    pb_zone_cancel(self->pool.root, &zone->zone);
    pool_release_zones(self);
}

void
pool_release_zones(PoolObject *self)
{
    pb_zone *z = pb_zone_take_ended(self->pool.root), *next;
    for (; z; z = next) {
        next = z->next;
        PyBuffer_Release(&((pool_zone *)z)->memory);
        PyMem_Free(z);
    }
}

const char pool_short_of_run_doc[] = PyDoc_STR(
    "_short_of_run($self, /)\n--\n\n"
    "Whether the frames that were missing last have to be one run.");

PyObject *
pool_short_of_run(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(pb_refusal_of(&self->pool)->short_of_run);
}
