/* view/export.c: the buffer protocol of a holder.
 *
 * A request for writing gets a live view of everything, and so does a full request,
 * which memoryview() makes.  A plain read-only request (hashlib, a socket, b"".join)
 * gets bytes that never change.  It gathers them, unless others keep pages where they
 * are; then it gets a copy. */
#include "view/object.h"

#include "lock/pins.h"

#include "pool/trace.h"

/* Up to this many bytes a copy is cheaper than a read snapshot. */
#define COPY_PLAIN ((uint64_t)4 * PB_PAGE_SIZE)

/* What an export keeps, in view->internal: a live pin; or a read snapshot, a copy, or
 * both where the snapshot is not one run. */
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

/* One piece for a reader. */
typedef struct {
    bool given_up;     /* it could not be had: the bytes are copied then */
    pb_pin_list *pins; /* for a buffer that has no list */
    uint8_t *address;  /* out; NULL: there is none */
} one_piece;

/* The piece first, then the snapshot.  false: the buffer needs a pin list. */
static bool
snapshot_once(pb_buf *b, export *e, one_piece *piece, pb_status *st)
{
    piece->address = NULL;
    *st = PB_OK;
    buffer_lock(b);
    bool ready = piece->given_up || piece->pins || !view_lacks_pins_lock_held(b);
    if (ready && !piece->given_up) {
        *st = view_unite_lock_held(b, &piece->pins, &piece->address);
    }
    if (ready && *st == PB_OK) {
        *st = view_hold_lock_held(&e->snapshot, b, pb_buf_read_snapshot, &e->pool);
        e->held = *st == PB_OK;
    }
    buffer_unlock(b);
    return ready;
}

/* The system has no memory for one piece more: do without, once. */
static bool
give_up(one_piece *piece)
{
    if (piece->given_up || !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return false;
    }
    PyErr_Clear();
    return piece->given_up = true;
}

static int
hold_snapshot(pb_buf *b, export *e, one_piece *piece)
{
    for (;;) {
        pb_status st;
        bool ready = snapshot_once(b, e, piece, &st);
        bool again =
            ready ? transfer_acquire_again(b, &st, 0, 0) : view_new_pins(&piece->pins) == 0;
        if (again) {
            continue;
        }
        if (ready && st == PB_OK) {
            return 0;
        }
        if (!give_up(piece)) {
            return -1;
        }
    }
}

static int
export_snapshot(pb_buf *b, export *e, uint8_t **address, uint64_t *n)
{
    one_piece piece = {0};
    int held = hold_snapshot(b, e, &piece);
    pins_free(piece.pins);
    if (held < 0) {
        return -1;
    }
    *n = e->snapshot.root.size;
    *address = piece.address;
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
        pool_report_unraisable(e->pool);
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
        if (e->pool) {
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
