/* lock/pins.c: the pin list of a buffer, and its views that go in other threads. */
#include "lock/pins.h"

#ifdef Py_GIL_DISABLED

typedef struct {
    pb_pin_list list;
    pb_lock lock;
    pb_buf *of;     /* NULL: no buffer yet, or none any more */
    uint32_t users; /* the buffer and its views */
} shared_pins;

static shared_pins *
shared_of(pb_pin_list *list)
{
    return (shared_pins *)list;
}

pb_pin_list *
pins_new(void)
{
    shared_pins *s = PyMem_Calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    pb_lock_init(&s->lock);
    s->users = 1;
    return &s->list;
}

void
pins_taken(pb_buf *b)
{
    shared_pins *s = shared_of(b->pins);
    pb_lock_take(&s->lock);
    s->of = b;
    s->users++;
    pb_lock_drop(&s->lock);
}

void
pins_free(pb_pin_list *list)
{
    PyMem_Free(list);
}

/* The lock of the list is held, and given back. */
static void
leave(shared_pins *s)
{
    bool last = --s->users == 0;
    pb_lock_drop(&s->lock);
    if (last) {
        PyMem_Free(s);
    }
}

/* A reference to the buffer; NULL where it has gone or is about to. */
static pb_buf *
living_buffer(shared_pins *s)
{
    if (s->of && !PyUnstable_TryIncRef(holder_of(s->of))) {
        s->of = NULL;
    }
    return s->of;
}

void
pins_release(pb_pool *pool, pb_pin *pin)
{
    shared_pins *s = shared_of(pin->list);
    pb_lock_take(&s->lock);
    pb_buf *b = living_buffer(s);
    if (b) {
        pb_lock_drop(&s->lock);
        buffer_lock(b);
        pb_pin_release(pool, pin);
        buffer_unlock(b);
        Py_DECREF(holder_of(b));
        pb_lock_take(&s->lock);
    }
    else {
        pb_pin_release(pool, pin);
    }
    leave(s);
}

void
pins_fini(pb_buf *b)
{
    shared_pins *s = pb_buf_is_inline(b) || b->pins == NULL ? NULL : shared_of(b->pins);
    if (s == NULL) {
        pb_buf_fini(b);
        return;
    }
    pb_lock_take(&s->lock);
    pb_buf_fini(b);
    s->of = NULL;
    leave(s);
}

#else

pb_pin_list *
pins_new(void)
{
    return PyMem_Calloc(1, sizeof(pb_pin_list));
}

void
pins_taken(pb_buf *b)
{
    (void)b;
}

void
pins_free(pb_pin_list *list)
{
    PyMem_Free(list);
}

void
pins_release(pb_pool *pool, pb_pin *pin)
{
    pb_pin_release(pool, pin);
}

void
pins_fini(pb_buf *b)
{
    pb_pin_list *pins = pb_buf_is_inline(b) ? NULL : b->pins;
    pb_buf_fini(b);
    PyMem_Free(pins);
}

#endif
