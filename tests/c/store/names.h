/* names.h: what a world of names has: one buffer that changes in part, and some that come and go. */
#ifndef PB_TEST_NAMES_H
#define PB_TEST_NAMES_H

#include "store/disk.h"
#include "store/internal.h"

#define NAMES 7 /* the first one is what worlds without names have as their only buffer */

/* A name, and what a crash has left of it. */
typedef struct {
    pb_buf live, kept;
    pb_file_root root;
    uint64_t shift;
    uint64_t seed; /* of its bytes; 0: the name is not there */
    bool changed;
} named;

static inline pb_name
name_of(unsigned k)
{
    /* Long names fill pages of the directory. */
    static uint8_t bytes[PB_NAME_MOST];
    uint32_t n = k % 2 ? 250 : 3 + k;
    memset(bytes, 'a' + (int)k, n);
    return (pb_name){bytes, n};
}

/* How many bytes a seed stands for: none, few, or some pages. */
static inline uint64_t
seed_bytes(uint64_t seed, uint8_t *bytes)
{
    chance c = chance_of(seed);
    uint64_t n = below(&c, 3) ? below(&c, 9 * PB_PAGE_SIZE) : below(&c, PB_FEW_MOST + 1);
    fill(&c, bytes, n);
    return n;
}

static inline void
names_init(named *names, pb_pool *pool)
{
    for (unsigned k = 0; k < NAMES; k++) {
        names[k] = (named){.seed = 0};
        pb_buf_init(&names[k].live, pool, PB_MAX_LEVELS);
        pb_buf_init_internal(&names[k].kept, pool);
    }
}

static inline void
names_fini(named *names)
{
    for (unsigned k = 0; k < NAMES; k++) {
        pb_buf_fini(&names[k].live);
        pb_buf_fini(&names[k].kept);
    }
}

/* ---- commit ---- */

typedef struct {
    pb_store_change change[NAMES];
    uint8_t name[NAMES][PB_NAME_MOST], few[NAMES][PB_FEW_MOST];
    pb_buf now[NAMES];
    unsigned of[NAMES];
    size_t n;
} name_changes;

/* Note what has changed of a name.  PB_NEED_PAGES: call again with more. */
static inline pb_status
note_change(name_changes *c, named *name, unsigned k)
{
    size_t i = c->n;
    pb_store_change *to = &c->change[i];
    pb_name called = name_of(k);
    memcpy(c->name[i], called.bytes, called.n);
    *to = (pb_store_change){.name = {c->name[i], called.n}, .remove = name->seed == 0};
    to->tree =
        (pb_store_tree){.then = &name->kept, .shift = name->shift, .root = name->root};
    if (k && name->seed >> 9 & 1) { /* all of it anew, as who has not read it does */
        to->tree.then = NULL;
        to->tree.shift = 0;
    }
    uint64_t size = name->live.root.size;
    pb_status st = PB_OK;
    if (!to->remove && size <= PB_FEW_MOST) {
        to->few = true;
        to->size = (uint8_t)size;
        to->bytes = c->few[i];
        (void)pb_buf_copy_out(&name->live, 0, c->few[i], size);
    }
    pb_buf_init_internal(&c->now[i], name->live.pool);
    if (!to->remove && !to->few) {
        st = pb_buf_share(&c->now[i], &name->live);
        to->tree.now = &c->now[i];
    }
    if (st != PB_OK) {
        pb_buf_fini(&c->now[i]);
    }
    c->of[i] = k;
    c->n += st == PB_OK;
    return st;
}

/* The commit is made: what it wrote is what is kept. */
static inline void
keep_changes(name_changes *c, named *names)
{
    for (size_t i = 0; i < c->n; i++) {
        named *name = &names[c->of[i]];
        name->root = c->change[i].tree.wrote;
        name->shift = c->change[i].tree.shift;
        name->changed = false;
        pb_buf_adopt(&name->kept, &c->now[i]);
    }
}

static inline void
end_changes(name_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        pb_buf_fini(&c->now[i]);
    }
    c->n = 0;
}

#endif
