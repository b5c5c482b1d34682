/* view/pins.c: the live views of a tree, and the pages under them. */
#include "view/pins.h"

/* ---- looking ---- */

bool
pb_pins_next(const pb_pin_list *pins, uint64_t page, uint64_t *first, uint64_t *past)
{
    *first = *past = UINT64_MAX;
    for (const pb_pin *pin = pins->first; pin; pin = pin->next) {
        uint64_t end = pin->page + pin->live;
        if (pin->live && end > page && pin->page < *first) {
            *first = pin->page;
            *past = end;
        }
    }
    return *first != UINT64_MAX;
}

bool
pb_pins_cover(const pb_pin_list *pins, uint64_t page)
{
    uint64_t first, past;
    return pb_pins_next(pins, page, &first, &past) && first <= page;
}

uint64_t
pb_pins_behind(const pb_pin_list *pins, uint64_t page)
{
    uint64_t n = 0;
    for (const pb_pin *pin = pins->first; pin; pin = pin->next) {
        n += pin->live && pin->page + pin->live > page;
    }
    return n;
}

uint64_t
pb_pins_pages(const pb_pin_list *pins)
{
    uint64_t n = 0, first, past;
    for (uint64_t page = 0; pb_pins_next(pins, page, &first, &past); page = past) {
        n += past - pb_max(page, first);
    }
    return n;
}

uint64_t
pb_pins_known(const pb_pin_list *pins, uint64_t first, uint64_t n)
{
    uint64_t before = first - pins->run_page;
    bool known = first >= pins->run_page && before < pins->run_count;
    return known ? pb_min(n, pins->run_count - before) : 0;
}

void
pb_pins_run_from(pb_pin_list *pins, uint64_t page)
{
    uint64_t gone =
        page > pins->run_page ? pb_min(page - pins->run_page, pins->run_count) : 0;
    pins->run_page += gone;
    pins->run_frame += (pb_frame)gone;
    pins->run_count -= gone;
}

void
pb_pins_run_to(pb_pin_list *pins, uint64_t page)
{
    uint64_t most = page > pins->run_page ? page - pins->run_page : 0;
    pins->run_count = pb_min(pins->run_count, most);
}

/* ---- pins ---- */

void
pb_pins_add(pb_pin_list *pins, pb_pin *pin, uint64_t first, uint64_t n)
{
    *pin = (pb_pin){
        .next = pins->first,
        .link = &pins->first,
        .page = first,
        .live = n,
        .frame = pins->run_frame + (pb_frame)(first - pins->run_page),
        .count = (uint32_t)n,
    };
#if PB_LOCKS
    pin->list = pins;
#endif
    if (pin->next) {
        pin->next->link = &pin->next;
    }
    pins->first = pin;
}

void
pb_pin_release(pb_pool *pool, pb_pin *pin)
{
    /* who inspects the pool reads the list under this lock */
    pb_lock_take(&pool->root->lock);
    if (pin->link) {
        *pin->link = pin->next;
        if (pin->next) {
            pin->next->link = pin->link;
        }
    }
    pb_lock_drop(&pool->root->lock);
    for (uint32_t i = 0; pin->detached && i < pin->count; i++) {
        pb_frame frame = pin->frame + i;
        if (pb_frame_row(pool, frame)->held.kind == PB_KIND_DETACHED) {
            pb_frame_unpin(pool, frame);
        }
    }
    pb_pool_keep(pool);
}

/* ---- pages that go ---- */

/* Pin each frame of a page range of the pin, because the frames are about to lose their entries. */
static void
detach_range(pb_pool *pool, const pb_root *root, pb_pin *pin, uint64_t first, uint64_t past)
{
    for (uint64_t page = first; page < past; page++) {
        pb_frame_pin(pool, pb_tree_frame(pool, root, page));
    }
    pin->detached = true;
}

/* Cut the pages [first, last] off the live part of one pin. */
static void
detach_pin(pb_pool *pool, const pb_root *root, pb_pin *pin, uint64_t first, uint64_t last)
{
    uint64_t end = pin->page + pin->live;
    uint64_t from = pb_max(pin->page, first);
    uint64_t past = last == UINT64_MAX ? end : pb_min(end, last + 1);
    if (from >= past) {
        return;
    }
    detach_range(pool, root, pin, from, past);
    if (from > pin->page) { /* cut off its end */
        pin->live = from - pin->page;
    }
    else { /* cut off its front, or all of it */
        pin->page = past;
        pin->live = end - past;
    }
}

void
pb_pins_detach(pb_pool *pool, const pb_root *root, pb_pin_list *pins, uint64_t first,
               uint64_t last)
{
    for (pb_pin *pin = pins->first; pin; pin = pin->next) {
        detach_pin(pool, root, pin, first, last);
    }
}

void
pb_pins_shift(pb_pin_list *pins, uint64_t pages)
{
    for (pb_pin *pin = pins->first; pin && pages; pin = pin->next) {
        pin->page -= pages;
    }
    pins->run_page -= pages;
}

void
pb_pins_close(pb_pin_list *pins)
{
    pb_pin *next = pins->first;
    while (next) {
        pb_pin *pin = next;
        next = pin->next;
        pin->next = NULL;
        pin->link = NULL;
    }
    pins->first = NULL;
}
