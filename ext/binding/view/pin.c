/* view/pin.c: what views keep: pins, and trees inside the library. */
#include "view/object.h"

#include "lock/pins.h"

static pb_status
pin_range(pb_buf *b, pinning *p, pb_pin_list **pins)
{
    if (pb_buf_frozen(b)) {
        return PB_FROZEN;
    }
    if (p->off > b->root.size || p->n > b->root.size - p->off) {
        return PB_RANGE; /* another thread has cut the buffer meanwhile */
    }
    if (pb_buf_is_inline(b) || b->pins == NULL) {
        pb_status st = pb_buf_open_pins(b, *pins);
        if (st != PB_OK) {
            return st;
        }
        *pins = NULL; /* now it belongs to the buffer */
    }
    return pb_buf_pin(b, p->off, p->n, p->pin, &p->address);
}

/* Demote to inline, and take back an empty pin list. */
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

/* The usual message for PB_PINNED says that a change is forbidden; but a view changes
 * nothing. */
static void
raise_no_run(const pinning *p)
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

/* A pin list for a buffer that has none.  -1 with an exception. */
static int
provide_pins(const pb_buf *b, pb_pin_list **pins)
{
    if (!has_pins(b) && *pins == NULL) {
        *pins = pins_new();
        if (*pins == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

/* One attempt.  false: the buffer has begun anew meanwhile, and needs a list after all. */
static bool
pin_once(pb_buf *b, pinning *p, pb_pin_list **pins, pb_status *st)
{
    buffer_lock(b);
    bool ready = has_pins(b) || *pins;
    *st = ready ? pin_lock_held(b, p, pins) : PB_OK;
    if (ready && *st == PB_OK) {
        p->pool = (PoolObject *)Py_NewRef(pool_object(b));
        pins_taken(b);
    }
    buffer_unlock(b);
    return ready;
}

int
view_pin_in(pb_buf *b, pinning *p)
{
    pb_pin_list *pins = NULL;
    pb_status st = PB_OK;
    do {
        if (provide_pins(b, &pins) < 0) {
            return -1;
        }
    } while (!pin_once(b, p, &pins, &st) || transfer_acquire_again(b, &st, p->off, p->n));
    pins_free(pins);
    if (st == PB_PINNED) {
        raise_no_run(p);
    }
    return st == PB_OK ? 0 : -1;
}

int
view_pin(pb_buf *b, uint64_t off, uint64_t n, pb_pin *pin, uint8_t **address)
{
    pinning p = {.off = off, .n = n, .pin = pin};
    int result = view_pin_in(b, &p);
    *address = p.address;
    Py_XDECREF(p.pool); /* the file keeps it: with exports it cannot begin anew */
    return result;
}

void
view_unpin(PoolObject *pool, pb_pin *pin)
{
    if (pin->count) {
        pins_release(&pool->pool, pin);
    }
}

pb_status
view_hold_lock_held(pb_buf *copy, pb_buf *b, pb_status how(pb_buf *, pb_buf *),
                    PoolObject **pool)
{
    pb_buf_init_internal(copy, b->pool);
    pb_status st = how(copy, b);
    if (st == PB_OK) {
        *pool = (PoolObject *)Py_NewRef(pool_object(b));
    }
    else {
        pb_buf_fini(copy);
    }
    return st;
}
