/* view/pin_runs.c: pins of a range, one for each run that it lies in.
 *
 * All of them are made under one lock, so they are of one moment.  The objects around the pins are
 * made before, without the lock; how many it takes only the lock tells (run_pins). */
#include "view/object.h"

#include "lock/pins.h"

static size_t
count_runs_lock_held(const pb_buf *b, const view_range *r, uint64_t most)
{
    size_t count = 0;
    uint64_t off = r->off, left = r->n;
    for (; left && count < most; count++) {
        uint64_t n = pb_buf_stretch(b, off, left).n;
        off += n;
        left -= n;
    }
    return count;
}

/* Take back the first n pins.  Holes stay pages, which read the same. */
static void
unpin_lock_held(pb_buf *b, run_pins *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pb_pin_release(b->pool, w->each[i].pin);
        *w->each[i].pin = (pb_pin){0};
    }
}

/* What is pinned stays where it is, and so does what comes after it: the runs are those that were
 * counted. */
static pb_status
pin_each_lock_held(pb_buf *b, run_pins *w, pb_pin_list **pins)
{
    uint64_t off = w->range.off, left = w->range.n;
    for (size_t i = 0; i < w->n; i++) {
        pinning *p = &w->each[i];
        p->range = (view_range){.off = off, .n = pb_buf_stretch(b, off, left).n};
        pb_status st = view_pin_lock_held(b, p, pins);
        if (st != PB_OK) {
            unpin_lock_held(b, w, i);
            w->range = p->range; /* for the message */
            return st;
        }
        off += p->range.n;
        left -= p->range.n;
    }
    return PB_OK;
}

static pb_status
pin_lock_held(pb_buf *b, run_pins *w, pb_pin_list **pins)
{
    bool was_inline = pb_buf_is_inline(b);
    pb_account_begin_trial(b->pool);
    pb_status st = pin_each_lock_held(b, w, pins);
    if (st != PB_OK && was_inline) {
        view_back_inline_lock_held(b, pins);
    }
    pb_account_end_trial(b->pool);
    for (size_t i = 0; st == PB_OK && i < w->n; i++) {
        w->each[i].pool = (PoolObject *)Py_NewRef(pool_object(b));
        pins_taken(b);
    }
    return st;
}

/* One attempt.  false: the buffer needs a list. */
static bool
pin_once(pb_buf *b, run_pins *w, pb_pin_list **pins, pb_status *st)
{
    bool ready = true;
    buffer_lock(b);
    *st = view_find_lock_held(b, &w->range);
    w->n = *st == PB_OK ? count_runs_lock_held(b, &w->range, w->most) : 0;
    if (w->n && w->n <= w->room) {
        ready = view_has_pins_lock_held(b) || *pins;
        *st = ready ? pin_lock_held(b, w, pins) : PB_OK;
    }
    buffer_unlock(b);
    return ready;
}

int
view_pin_runs(pb_buf *b, run_pins *w)
{
    view_range asked = w->range;
    pb_pin_list *pins = NULL;
    pb_status st = PB_OK;
    bool ready;
    do {
        w->range = asked;
        ready = pin_once(b, w, &pins, &st);
        if (!ready && view_new_pins(&pins) < 0) {
            return -1;
        }
    } while (!ready ||
             (st != PB_RANGE && transfer_acquire_again(b, &st, w->range.off, w->range.n)));
    pins_free(pins);
    if (st == PB_RANGE) {
        view_raise_range(&w->range);
    }
    if (st == PB_PINNED) {
        view_raise_no_run(b, &w->range);
    }
    return st == PB_OK ? 0 : -1;
}
