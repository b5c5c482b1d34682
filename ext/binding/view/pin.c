/* view/pin.c: what views keep: pins, and trees inside the library. */
#include "view/object.h"

#include "lock/pins.h"
#include "pool/report.h"

/* ---- ranges ---- */

pb_status
view_find_lock_held(pb_buf *b, view_range *r)
{
    if (r->find) {
        pb_status st = r->find(b, r);
        if (st != PB_OK) {
            return st;
        }
    }
    r->size = b->root.size;
    if (r->off > r->size) {
        return PB_RANGE;
    }
    r->n = r->n == TO_THE_END ? r->size - r->off : r->n;
    return r->n <= r->size - r->off ? PB_OK : PB_RANGE;
}

void
view_raise_range(const view_range *r)
{
    PyErr_Format(PyExc_IndexError, "a view of %llu bytes at offset %llu of %llu",
                 (unsigned long long)(r->n == TO_THE_END ? 0 : r->n),
                 (unsigned long long)r->off, (unsigned long long)r->size);
}

/* ---- pins ---- */

pb_status
view_pin_lock_held(pb_buf *b, pinning *p, pb_pin_list **pins)
{
    if (pb_buf_frozen(b)) {
        return PB_FROZEN;
    }
    if (pb_buf_is_inline(b) || b->pins == NULL) {
        pb_status st = pb_buf_open_pins(b, *pins);
        if (st != PB_OK) {
            return st;
        }
        *pins = NULL; /* now it belongs to the buffer */
    }
    return pb_buf_pin(b, p->range.off, p->range.n, p->pin, &p->address);
}

void
view_back_inline_lock_held(pb_buf *b, pb_pin_list **pins)
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
find_and_pin_lock_held(pb_buf *b, pinning *p, pb_pin_list **pins)
{
    bool was_inline = pb_buf_is_inline(b);
    pb_account_begin_trial(b->pool);
    pb_status st = view_find_lock_held(b, &p->range);
    if (st == PB_OK && p->range.n) {
        st = view_pin_lock_held(b, p, pins);
        if (st != PB_OK) {
            view_undo_lock_held(b, &p->range);
        }
        if (st != PB_OK && was_inline) {
            view_back_inline_lock_held(b, pins);
        }
    }
    pb_account_end_trial(b->pool);
    return st;
}

/* The usual message for PB_PINNED says that a change is forbidden; but a view changes
 * nothing. */
void
view_raise_no_run(const pb_buf *b, const view_range *range)
{
    char place[48] = "";
    PyObject *who = tree_called(b);
    if (who == NULL) {
        return;
    }
    if (range->off) {
        PyOS_snprintf(place, sizeof place, " at offset %llu",
                      (unsigned long long)range->off);
    }
    PyErr_Format(
        PyExc_BufferError,
        "%llu bytes%s of %U asked in one run, but other live views keep pages of "
        "theirs where they are: release them, or take views(), which shows runs as "
        "they lie",
        (unsigned long long)range->n, place, who);
    Py_DECREF(who);
}

int
view_new_pins(pb_pin_list **pins)
{
    *pins = pins_new();
    if (*pins == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

bool
view_lacks_pins_lock_held(const pb_buf *b)
{
    return !pb_buf_is_inline(b) && b->pins == NULL && !pb_buf_frozen(b);
}

pb_status
view_unite_lock_held(pb_buf *b, pb_pin_list **pins, uint8_t **address)
{
    *address = NULL;
    if (pb_buf_is_inline(b) || b->root.size == 0 || pb_buf_frozen(b)) {
        return PB_OK;
    }
    if (b->pins == NULL && *pins) {
        (void)pb_buf_open_pins(b, *pins); /* a tree: takes no page */
        *pins = NULL;
    }
    return b->pins ? pb_buf_unite(b, address) : PB_OK;
}

/* The pin of a view stays, and that of a run that is only gathered goes in the same moment. */
static void
keep_pin_lock_held(pb_buf *b, pinning *p)
{
    if (p->gathers) {
        pb_pin_release(b->pool, p->pin);
        return;
    }
    p->pool = (PoolObject *)Py_NewRef(pool_object(b));
    pins_taken(b);
}

/* One attempt.  false: the buffer needs a list. */
static bool
pin_once(pb_buf *b, pinning *p, pb_pin_list **pins, pb_status *st)
{
    buffer_lock(b);
    bool ready = view_has_pins_lock_held(b) || *pins;
    *st = ready ? find_and_pin_lock_held(b, p, pins) : PB_OK;
    if (ready && *st == PB_OK && p->range.n) {
        keep_pin_lock_held(b, p);
    }
    buffer_unlock(b);
    return ready;
}

int
view_pin(pb_buf *b, const view_range *asked, pinning *p)
{
    pb_pin_list *pins = NULL;
    pb_status st = PB_OK;
    p->pool = NULL;
    p->address = NULL;
    bool ready;
    do {
        p->range = *asked;
        ready = pin_once(b, p, &pins, &st);
        if (!ready && view_new_pins(&pins) < 0) {
            return -1;
        }
    } while (!ready ||
             (st != PB_RANGE && transfer_acquire_again(b, &st, p->range.off, p->range.n)));
    pins_free(pins);
    if (st == PB_RANGE) {
        view_raise_range(&p->range);
    }
    if (st == PB_PINNED) {
        view_raise_no_run(b, &p->range);
    }
    return st == PB_OK ? 0 : -1;
}

int
view_gather(pb_buf *b)
{
    pb_pin pin = {0};
    pinning p = {.pin = &pin, .gathers = true};
    return view_pin(b, &(view_range){.n = TO_THE_END}, &p);
}

void
view_unpin(PoolObject *pool, pb_pin *pin)
{
    if (pin->count) {
        pins_release(&pool->pool, pin);
    }
}

/* A share that was tried. */
static pb_status
held(pb_buf *copy, const pb_buf *b, pb_status st, PoolObject **pool)
{
    if (st == PB_OK) {
        *pool = (PoolObject *)Py_NewRef(pool_object(b));
    }
    else {
        pb_buf_fini(copy);
    }
    return st;
}

pb_status
view_hold_lock_held(pb_buf *copy, pb_buf *b, pb_status how(pb_buf *, pb_buf *),
                    PoolObject **pool)
{
    pb_buf_init_internal(copy, b->pool);
    return held(copy, b, how(copy, b), pool);
}

pb_status
view_hold_part_lock_held(pb_buf *copy, pb_buf *b, view_part *part, PoolObject **pool)
{
    pb_buf_init_internal(copy, b->pool);
    part->at = part->off;
    pb_status st = part->part ? pb_buf_share_part(copy, b, part->off, part->n, &part->at)
                              : pb_buf_share(copy, b);
    return held(copy, b, st, pool);
}
