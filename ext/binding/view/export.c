/* view/export.c: the buffer protocol of a holder.
 *
 * A request for writing gets a live view of everything, and so does a full request,
 * which memoryview() makes.  A plain read-only request (hashlib, a socket, b"".join)
 * gets bytes that never change, and leaves the tree alone. */
#include "view/object.h"

#include "lock/pins.h"

#include "pool/trace.h"

/* Up to so many bytes a copy is cheaper than a read snapshot. */
#define COPY_PLAIN ((uint64_t)4 * PB_PAGE_SIZE)

/* What an export keeps, in view->internal: one of a copy, a read snapshot and a live
 * pin. */
typedef struct {
    PyObject *copy; /* a bytes object */
    bool held;      /* there is a snapshot */
    bool pinned;    /* there is a pin */
    bool writable;
    PoolObject *pool; /* a reference: __init__ may move the object to another pool */
    pool_export listed;
    mapped_view in_map;
    pb_pin pin;
    pb_buf snapshot;
} export;

static int
export_live(pb_buf *b, export *e, uint8_t **address, uint64_t *n)
{
    pinning p = {.pin = &e->pin};
    e->writable = true;
    if (view_pin(b, &(view_range){.n = TO_THE_END}, &p) < 0) {
        return -1;
    }
    e->pool = p.pool;
    e->pinned = p.pool != NULL;
    *n = p.range.n;
    *address = p.pool ? p.address : (uint8_t *)"";
    return 0;
}

static int
export_copy(pb_buf *b, export *e, uint8_t **address, uint64_t *n)
{
    e->copy = transfer_read(b, 0, UINT64_MAX);
    if (e->copy == NULL) {
        return -1;
    }
    *address = (uint8_t *)PyBytes_AS_STRING(e->copy);
    *n = (uint64_t)PyBytes_GET_SIZE(e->copy);
    return 0;
}

/* One piece first, then the snapshot.  `pins` is NULL once the piece could not be had: the bytes
 * are copied then. */
static pb_status
snapshot_lock_held(pb_buf *b, export *e, pb_pin_list **pins, uint8_t **address)
{
    *address = NULL;
    pb_status st = pins ? view_unite_lock_held(b, pins, address) : PB_OK;
    if (st == PB_OK) {
        st = view_hold_lock_held(&e->snapshot, b, pb_buf_read_snapshot, &e->pool);
    }
    e->held = st == PB_OK;
    return st;
}

/* The system has no memory for one piece more: do without. */
static bool
do_without(pb_pin_list ***pins)
{
    if (*pins == NULL || !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return false;
    }
    PyErr_Clear();
    *pins = NULL;
    return true;
}

/* One attempt.  false: the buffer needs a pin list first. */
static bool
hold_once(pb_buf *b, export *e, pb_pin_list **pins, uint8_t **address, pb_status *st)
{
    buffer_lock(b);
    bool ready = pins == NULL || *pins || !view_lacks_pins_lock_held(b);
    *st = ready ? snapshot_lock_held(b, e, pins, address) : PB_OK;
    buffer_unlock(b);
    return ready;
}

static int
hold_snapshot(pb_buf *b, export *e, pb_pin_list **pins, uint8_t **address)
{
    for (;;) {
        pb_status st;
        if (!hold_once(b, e, pins, address, &st)) {
            if (view_new_pins(pins) == 0) {
                continue;
            }
        }
        else if (transfer_acquire_again(b, &st, 0, 0)) {
            continue;
        }
        else if (st == PB_OK) {
            return 0;
        }
        if (!do_without(&pins)) {
            return -1;
        }
    }
}

static int
export_snapshot(pb_buf *b, export *e, uint8_t **address, uint64_t *n)
{
    pb_pin_list *pins = NULL;
    int held = hold_snapshot(b, e, &pins, address);
    pins_free(pins);
    if (held < 0) {
        return -1;
    }
    *n = e->snapshot.root.size;
    if (*address == NULL && *n) {
        *address = pb_buf_one_run(&e->snapshot, 0, *n);
    }
    return *address ? 0 : export_copy(&e->snapshot, e, address, n);
}

static void
export_free(pb_buf *b, export *e)
{
    unmap_view(&e->in_map);
    if (e->pool) {
        pool_remove_export(e->pool, &e->listed);
    }
    Py_XDECREF(e->copy);
    if (e->pinned) {
        view_unpin(e->pool, &e->pin);
    }
    if (e->held) {
        buffer_lock_two(b, &e->snapshot); /* a tree that is listed ends under its lock */
        pb_buf_end_snapshot(&e->snapshot, b);
        trace_forget(&e->snapshot);
        buffer_unlock_two(b, &e->snapshot);
    }
    Py_XDECREF(e->pool);
    PyMem_Free(e);
}

static int
export_fill(pb_buf *b, export *e, int flags, uint8_t **address, uint64_t *n)
{
    bool live = (flags & PyBUF_WRITABLE) || (flags & PyBUF_INDIRECT) == PyBUF_INDIRECT;
    if (live && !pb_buf_frozen(b)) {
        return export_live(b, e, address, n);
    }
    return transfer_size(b) <= COPY_PLAIN ? export_copy(b, e, address, n)
                                          : export_snapshot(b, e, address, n);
}

int
holder_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    pb_buf *b = &((Holder *)self)->b;
    uint8_t *address;
    uint64_t n;
    export *e = PyMem_Calloc(1, sizeof *e);
    if (e == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (export_fill(b, e, flags, &address, &n) == 0 &&
        PyBuffer_FillInfo(view, self, address, (Py_ssize_t)n, !e->writable, flags) == 0) {
        if (e->pool) { /* not a copy: memory of the pool */
            map_view(&e->in_map, state_of_buf(b), address, n);
            pool_add_export(e->pool, &e->listed, b);
        }
        view->internal = e;
        return 0;
    }
    view->obj = NULL;
    export_free(b, e);
    return -1;
}

void
holder_releasebuffer(PyObject *self, Py_buffer *view)
{
    export_free(&((Holder *)self)->b, view->internal);
}
