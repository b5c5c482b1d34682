/* view/protocol.c: pins on behalf of views, and the buffer protocol on a holder.
 *
 * A request to write, and a full request as memoryview() makes it, gets the live view of
 * everything.  A plain read-only request (hashlib, a socket, b"".join) gets bytes that do
 * not change under it, and leaves the tree alone. */
#include "view/object.h"

void
holder_fini(pb_buf *b)
{
    pb_pin_list *pins = pb_buf_is_inline(b) ? NULL : b->pins;
    pb_buf_fini(b);
    trace_forget(b);
    PyMem_Free(pins);
}

void
holder_release(pb_buf *b)
{
    if (b->pool) {
        PoolObject *pool = pool_object(b);
        holder_fini(b);
        pool_tell_unraisable(pool);
        Py_DECREF(pool);
    }
}

/* ---- pins ---- */

static pb_status
pin_range(pb_buf *b, pinning *p, pb_pin_list **pins)
{
    if (b->root.frozen) {
        return PB_FROZEN;
    }
    if (p->off > b->root.size || p->n > b->root.size - p->off) {
        return PB_RANGE; /* cut meanwhile, by another thread */
    }
    if (pb_buf_is_inline(b) || b->pins == NULL) {
        pb_status st = pb_buf_open_pins(b, *pins);
        if (st != PB_OK) {
            return st;
        }
        *pins = NULL; /* it is the buffer's now */
    }
    return pb_buf_pin(b, p->off, p->n, p->pin, &p->address);
}

/* What was a tiny buffer is one again. */
static void
back_inline(pb_buf *b, pb_pin_list **pins)
{
    if (pb_buf_is_inline(b)) {
        return;
    }
    if (b->pins) {
        *pins = b->pins;
        memset(*pins, 0, sizeof **pins);
        b->pins = NULL;
    }
    pb_buf_demote(b);
}

static pb_status
pin_lock_held(pb_buf *b, pinning *p, pb_pin_list **pins)
{
    bool was_inline = pb_buf_is_inline(b);
    pb_account_begin_trial(b->pool);
    pb_status st = p->room ? p->room->begin(b, p->n, &p->off) : PB_OK;
    if (st == PB_OK) {
        st = pin_range(b, p, pins);
        if (st != PB_OK && p->room) {
            p->room->undo(b);
        }
        if (st != PB_OK && was_inline) {
            back_inline(b, pins);
        }
    }
    pb_account_end_trial(b->pool);
    return st;
}

/* A view changes nothing, as the plain text has it; what it takes is a run. */
static void
say_what_is_in_the_way(const pinning *p)
{
    PyErr_Format(
        PyExc_BufferError,
        "%llu bytes at offset %llu asked in one run, but other live views keep pages of "
        "theirs where they are; views() shows runs as they lie",
        (unsigned long long)p->n, (unsigned long long)p->off);
}

static inline bool
has_pins(const pb_buf *b)
{
    return !pb_buf_is_inline(b) && b->pins;
}

int
view_pin_in(pb_buf *b, pinning *p)
{
    pb_pin_list *pins = NULL;
    pb_status st = PB_OK;
    bool ready;
    do {
        if (!has_pins(b) && pins == NULL) {
            pins = PyMem_Calloc(1, sizeof *pins);
            if (pins == NULL) {
                PyErr_NoMemory();
                return -1;
            }
        }
        buffer_lock(b);
        ready = has_pins(b) || pins; /* unless it began anew meanwhile */
        st = ready ? pin_lock_held(b, p, &pins) : PB_OK;
        if (ready && st == PB_OK) {
            p->pool = (PoolObject *)Py_NewRef(pool_object(b));
        }
        buffer_unlock(b);
    } while (!ready || transfer_acquire_again(b, &st, p->off, p->n));
    PyMem_Free(pins);
    if (st == PB_PINNED) {
        say_what_is_in_the_way(p);
    }
    return st == PB_OK ? 0 : -1;
}

int
view_pin(pb_buf *b, uint64_t off, uint64_t n, pb_pin *pin, uint8_t **address)
{
    pinning p = {.off = off, .n = n, .pin = pin};
    int result = view_pin_in(b, &p);
    *address = p.address;
    Py_XDECREF(p.pool); /* the object keeps it: files begin anew without exports only */
    return result;
}

void
view_unpin(PoolObject *pool, pb_pin *pin)
{
    if (pin->count) {
        pb_pin_release(&pool->pool, pin);
    }
}

/* ---- the buffer protocol ---- */

/* Up to so many bytes a plain request gets a copy: cheaper than sharing the tree. */
#define COPY_PLAIN ((uint64_t)4 * PB_PAGE_SIZE)

/* What an export keeps, in view->internal. */
typedef struct export {
    PyObject *copy; /* a bytes object, or */
    bool held;      /* a read snapshot of the tree, or */
    bool pinned;    /* a live pin */
    bool writable;
    PoolObject *pool; /* of snapshot or pin: __init__ may give the object another one */
    const pb_buf *of;
    struct export *next, **link; /* exports of the same pool */
    handed_out seen;
    pb_pin pin;
    pb_buf snapshot;
} export;

static void
list_export(export *e, const pb_buf *b)
{
    e->of = b;
    e->next = e->pool->exports;
    e->link = &e->pool->exports;
    e->pool->exports = e;
    if (e->next) {
        e->next->link = &e->next;
    }
}

static void
unlist_export(export *e)
{
    if (e->link) {
        *e->link = e->next;
        if (e->next) {
            e->next->link = e->link;
        }
    }
}

/* The collector asks objects, and an export is none: the pool answers for the references that
 * exports have to it.  Who keeps an export keeps its object, and that the pool, unless __init__
 * gave it another one. */
int
exports_traverse(PoolObject *pool, visitproc visit, void *arg)
{
    for (export *e = pool->exports; e; e = e->next) {
        if (e->of->pool == &pool->pool) {
            Py_VISIT(pool);
        }
    }
    return 0;
}

/* The length is read, then pinned: where another thread cut the buffer between, anew. */
static int
export_live(pb_buf *b, export *e, uint8_t **address, uint64_t *n)
{
    e->writable = true;
    while ((*n = transfer_size(b)) != 0) {
        pinning p = {.n = *n, .pin = &e->pin};
        if (view_pin_in(b, &p) == 0) {
            e->pinned = true;
            e->pool = p.pool;
            *address = p.address;
            return 0;
        }
        if (transfer_size(b) >= *n || !PyErr_ExceptionMatches(PyExc_IndexError)) {
            return -1;
        }
        PyErr_Clear();
    }
    *address = (uint8_t *)"";
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

static pb_status
snapshot_lock_held(pb_buf *b, export *e)
{
    pb_buf_init(&e->snapshot, b->pool, PB_MAX_LEVELS);
    e->snapshot.root.frozen = PB_FROZEN_INTERNAL;
    pb_status st = pb_buf_read_snapshot(&e->snapshot, b);
    if (st == PB_OK) {
        e->pool = (PoolObject *)Py_NewRef(pool_object(b));
        e->held = true;
    }
    else {
        pb_buf_fini(&e->snapshot);
    }
    return st;
}

static int
export_snapshot(pb_buf *b, export *e, uint8_t **address, uint64_t *n)
{
    pb_status st;
    do {
        buffer_lock(b);
        st = snapshot_lock_held(b, e);
        buffer_unlock(b);
    } while (transfer_acquire_again(b, &st, 0, b->root.size));
    if (st != PB_OK) {
        return -1;
    }
    *n = e->snapshot.root.size;
    *address = *n ? pb_buf_one_run(&e->snapshot, 0, *n) : NULL;
    return *address ? 0 : export_copy(&e->snapshot, e, address, n);
}

static void
export_free(pb_buf *b, export *e)
{
    handed_back(&e->seen);
    unlist_export(e);
    Py_XDECREF(e->copy);
    if (e->pinned) {
        buffer_lock(b);
        view_unpin(e->pool, &e->pin);
        buffer_unlock(b);
    }
    if (e->held) {
        buffer_lock(b);
        pb_buf_end_snapshot(&e->snapshot, b);
        trace_forget(&e->snapshot);
        buffer_unlock(b);
    }
    Py_XDECREF(e->pool);
    PyMem_Free(e);
}

static int
export_fill(pb_buf *b, export *e, int flags, uint8_t **address, uint64_t *n)
{
    bool live = (flags & PyBUF_WRITABLE) || (flags & PyBUF_INDIRECT) == PyBUF_INDIRECT;
    if (live && !b->root.frozen) {
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
        if (e->pool) { /* it is memory of the pool */
            hand_out(&e->seen, state_of_buf(b), address, n);
            list_export(e, b);
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
