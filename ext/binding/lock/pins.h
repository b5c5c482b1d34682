/* lock/pins.h: the pin list of a buffer, and its views that go in other threads.
 *
 * A list changes under the lock of its buffer.  A view that goes does not know whether that is still
 * there.  So the list knows it, and stays until buffer and views have all gone; its own lock only
 * says whether there is a buffer.  While there is one the view takes a reference and the lock of the
 * buffer; once there is none, or it is in its dealloc, the list's own lock does. */
#ifndef PAGEBUF_LOCK_PINS_H
#define PAGEBUF_LOCK_PINS_H

#include "lock/lock.h"

/* An empty list; NULL: no memory. */
pb_pin_list *
pins_new(void);

/* The buffer has it, and one view more.  The lock of `b` is held. */
void
pins_taken(pb_buf *b);

/* A list that no buffer has had. */
void
pins_free(pb_pin_list *list);

/* Give back a pin.  No lock is held. */
void
pins_release(pb_pool *pool, pb_pin *pin);

/* pb_buf_fini of a buffer that may have a list.  Its lock is held. */
void
pins_fini(pb_buf *b);

#endif
