/* base/spares.c: shelves of memory of objects that are gone, and of references to the default pool. */
#include "base/spares.h"

#ifdef Py_GIL_DISABLED

#define SHELVES 64 /* thread_number */
#define MOST 7     /* of each kind on a shelf */

typedef struct {
    uint64_t thread; /* whose memory it is, by a number that no other thread gets */
    uint8_t open;    /* somebody looks at the rest */
    uint8_t pools;   /* references to the default pool */
    uint8_t count[SPARE_KINDS];
    PyObject *spare[SPARE_KINDS][MOST];
} shelf_items;

typedef union {
    shelf_items items;
    char apart[128]; /* no two in one cache line */
} shelf;

int
spares_begin(module_state *state)
{
    state->spares = PyMem_Calloc(SHELVES, sizeof(shelf));
    if (state->spares == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static shelf_items *
shelf_of(const module_state *state, unsigned number)
{
    return &((shelf *)state->spares)[number].items;
}

/* Free the memory on a shelf. */
static void
clear_spares(shelf_items *s)
{
    for (int kind = 0; kind < SPARE_KINDS; kind++) {
        while (s->count[kind]) {
            PyObject *self = s->spare[kind][--s->count[kind]];
            PyTypeObject *type = Py_TYPE(self);
            PyObject_GC_Del(self);
            Py_DECREF(type); /* not the last one: the state has one */
        }
    }
}

/* The shelf of this thread; NULL: another one is there. */
static shelf_items *
open_shelf(const module_state *state)
{
    shelf_items *s = state->spares ? shelf_of(state, thread_number()) : NULL;
    if (s == NULL || __atomic_exchange_n(&s->open, 1, __ATOMIC_ACQUIRE)) {
        return NULL;
    }
    uint64_t thread = PyThreadState_GetID(PyThreadState_GetUnchecked());
    if (PB_UNLIKELY(s->thread != thread)) {
        clear_spares(s);
        s->thread = thread;
    }
    return s;
}

static void
close_shelf(shelf_items *s)
{
    __atomic_store_n(&s->open, 0, __ATOMIC_RELEASE);
}

/* PyObject_Init would count one reference more to the type. */
PyObject *
spare_take(module_state *state, spare_kind kind, bool *pool)
{
    shelf_items *s = open_shelf(state);
    PyObject *self = NULL;
    if (s == NULL) {
        *pool = false;
        return NULL;
    }
    if (s->count[kind]) {
        self = s->spare[kind][--s->count[kind]];
    }
    *pool = *pool && s->pools;
    s->pools -= *pool;
    close_shelf(s);
    if (self) {
        _Py_NewReference(self);
    }
    return self;
}

/* Is it as new, and this thread's own memory?  Where another one had references, nobody owns the object
 * any more.  What the collector has finalized says so for ever, and would not be finalized again. */
static bool
may_serve_again(PyObject *self)
{
    return _Py_IsOwnedByCurrentThread(self) && !PyObject_GC_IsFinalized(self);
}

bool
spare_keep(module_state *state, spare_kind kind, PyObject *self, bool *pool)
{
    shelf_items *s = open_shelf(state);
    if (s == NULL) {
        return *pool = false;
    }
    bool keeps = s->count[kind] < MOST && may_serve_again(self);
    if (keeps) {
        s->spare[kind][s->count[kind]++] = self;
    }
    *pool = *pool && s->pools < MOST;
    s->pools += *pool;
    close_shelf(s);
    return keeps;
}

/* ---- the collector ---- */

static PyTypeObject *
type_of(const module_state *state, spare_kind kind)
{
    return kind == SPARE_FILE ? state->bytesio_type : state->buffer_type;
}

int
spares_traverse(const module_state *state, visitproc visit, void *arg)
{
    for (unsigned i = 0; state->spares && i < SHELVES; i++) {
        const shelf_items *s = shelf_of(state, i);
        for (int n = 0; n < s->pools; n++) {
            Py_VISIT(state->default_pool);
        }
        for (int kind = 0; kind < SPARE_KINDS; kind++) {
            for (int n = 0; n < s->count[kind]; n++) {
                Py_VISIT(type_of(state, (spare_kind)kind));
            }
        }
    }
    return 0;
}

static void
clear_shelf(module_state *state, shelf_items *s)
{
    clear_spares(s);
    for (; s->pools; s->pools--) {
        Py_DECREF(state->default_pool);
    }
}

/* The state has its own references yet, so none of these is the last one. */
void
spares_end(module_state *state)
{
    shelf *shelves = state->spares;
    state->spares = NULL;
    for (unsigned i = 0; shelves && i < SHELVES; i++) {
        clear_shelf(state, &shelves[i].items);
    }
    PyMem_Free(shelves);
}

#endif
