/* pool/trace.c: the trace hook of a pool.
 *
 * An event is a tree and a line of Python.  Events are numbered; a ring keeps the last
 * ones.  The hook runs under the pool's lock, so it must run no Python code.  Making a
 * frame object could run the collector: that is off meanwhile. */
#include "pool/trace.h"

#define EVENTS 8192
#define LABEL 64

typedef struct event {
    uint32_t number; /* 0: none yet */
    int line;
    const pb_buf *tree; /* tells events apart; NULL: it is gone or has another name now */
    PyObject *file;     /* str, or NULL */
    const char *path;   /* its text, or NULL */
    char label[LABEL];
} event;

/* ---- tracemalloc ---- */

/* Pages have a domain of their own in tracemalloc: 'page' as a number. */
#define DOMAIN 0x70616765u

/* Whether tracemalloc is on.  No call of the C API is there for that, but all others say when it is off; no
 * page has the address 0. */
static bool
is_tracing(void)
{
    return PyTraceMalloc_Untrack(DOMAIN, 0) != -2;
}

static void
track(const pb_pool *root, pb_frame first, uint32_t n, bool taken)
{
    uintptr_t at = (uintptr_t)pb_frame_address(root, first);
    for (uint32_t i = 0; i < n; i++, at += PB_PAGE_SIZE) {
        int result = taken ? PyTraceMalloc_Track(DOMAIN, at, PB_PAGE_SIZE)
                           : PyTraceMalloc_Untrack(DOMAIN, at);
        if (result == -2) { /* tracemalloc is off */
            return;
        }
    }
}

/* ---- labels ---- */

const char *
trace_type_name(const PyTypeObject *type)
{
    const char *dot = strrchr(type->tp_name, '.');
    return dot ? dot + 1 : type->tp_name;
}

static void
label_of(const pb_buf *b, char *out, size_t size)
{
    if (b == NULL || pb_buf_is_internal(b)) {
        PyOS_snprintf(out, size, "a view");
        return;
    }
    PyObject *obj = holder_of(b);
    PyObject *name = state_of_buf(b)->name_of(state_of_buf(b), obj);
    const char *text = name ? PyUnicode_AsUTF8(name) : NULL; /* name_check has made it */
    const char *type = pb_buf_frozen(b) ? "snapshot" : trace_type_name(Py_TYPE(obj));
    if (text) {
        PyOS_snprintf(out, size, "%s '%s'", type, text);
    }
    else {
        PyOS_snprintf(out, size, "%s at %p", type, (void *)obj);
    }
    Py_XDECREF(name); /* a str: no code of anybody runs */
}

/* ---- events ---- */

/* The line of Python that is running.  Returns its file, a new reference, or NULL. */
static PyObject *
where_now(int *line)
{
    PyObject *file = NULL;
    int collecting = PyGC_Disable();
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    if (frame) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        file = Py_NewRef(code->co_filename);
        *line = PyFrame_GetLineNumber(frame);
        Py_DECREF(code);
        Py_DECREF(frame);
    }
    if (collecting) {
        PyGC_Enable();
    }
    return file;
}

static uint32_t
note(PoolObject *self, const pb_buf *tree)
{
    int line = 0;
    PyObject *file = where_now(&line);
    event *last = &self->events[self->event_count % EVENTS];
    if (last->number && last->tree == tree && last->file == file && last->line == line) {
        Py_XDECREF(file);
        return last->number;
    }
    uint32_t number = ++self->event_count;
    number += number == 0; /* it wraps; 0 means none */
    event *next = &self->events[number % EVENTS];
    Py_XSETREF(next->file, file); /* freeing a str runs no Python code */
    next->path = file ? PyUnicode_AsUTF8(file) : NULL;
    if (next->path == NULL) {
        PyErr_Clear();
    }
    next->number = self->event_count = number;
    next->line = line;
    next->tree = tree;
    label_of(tree, next->label, sizeof next->label);
    return number;
}

static uint32_t
trace_hook(pb_pool *root, const pb_member *actor, pb_frame first, uint32_t n, bool taken)
{
    PoolObject *self = pool_around(root);
    track(root, first, n, taken);
    bool kept = self->events && (root->debug || root->region[pb_region_of(first)].sampled);
    return kept ? note(self, pb_buf_of(actor)) : 0;
}

int
trace_begin(PoolObject *self)
{
    pb_pool *root = &self->pool;
    bool always = root->debug || root->sample_every;
    if (self->events == NULL && always) {
        self->events = PyMem_Calloc(EVENTS, sizeof *self->events);
        if (self->events == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    pb_pool_set_trace(root, trace_hook, always ? NULL : is_tracing);
    return 0;
}

void
trace_end(PoolObject *self)
{
    for (int i = 0; self->events && i < EVENTS; i++) {
        Py_XDECREF(self->events[i].file);
    }
    PyMem_Free(self->events);
    self->events = NULL;
}

void
trace_forget(const pb_buf *b)
{
    PoolObject *self = pool_around(pb_buf_pool(b)->root);
    if (self->events == NULL) {
        return;
    }
    pb_lock_take(&self->pool.lock);
    event *last = &self->events[self->event_count % EVENTS];
    if (last->tree == b) {
        last->tree = NULL;
    }
    pb_lock_drop(&self->pool.lock);
}

uint32_t
trace_count(PoolObject *self)
{
    self = pool_around(self->pool.root);
    pb_lock_take(&self->pool.lock);
    uint32_t count = self->event_count;
    pb_lock_drop(&self->pool.lock);
    return count;
}

void
trace_replace(uint32_t since, const pb_buf *old, const pb_buf *now)
{
    PoolObject *self = pool_around(old->pool->root); /* nobody else knows `old` */
    pb_lock_take(&self->pool.lock);
    for (uint32_t n = self->event_count; self->events && n != since; n--) {
        event *e = &self->events[n % EVENTS];
        if (e->number != n) {
            break; /* the ring has dropped the older ones */
        }
        if (e->tree == old) {
            e->tree = now;
            label_of(now, e->label, sizeof e->label);
        }
    }
    pb_lock_drop(&self->pool.lock);
}

static const event *
find_event(const PoolObject *self, uint32_t number)
{
    const event *e = self->events ? &self->events[number % EVENTS] : NULL;
    return number && e && e->number == number ? e : NULL;
}

const char *
trace_who(const PoolObject *self, uint32_t number)
{
    const event *e = find_event(self, number);
    return e ? e->label : NULL;
}

const char *
trace_where(const PoolObject *self, uint32_t number, int *line)
{
    const event *e = find_event(self, number);
    *line = e ? e->line : 0;
    return e ? e->path : NULL;
}

/* Copied under the lock; the text is made when it is given back. */
PyObject *
trace_text(PoolObject *self, uint32_t number)
{
    event copy = {0};
    pb_lock_take(&self->pool.root->lock);
    const event *e = find_event(self, number);
    if (e) {
        copy = *e;
        Py_XINCREF(copy.file);
    }
    pb_lock_drop(&self->pool.root->lock);
    if (copy.number == 0) {
        Py_RETURN_NONE;
    }
    PyObject *text =
        copy.file ? PyUnicode_FromFormat("%s (%U:%d)", copy.label, copy.file, copy.line)
                  : PyUnicode_FromString(copy.label);
    Py_XDECREF(copy.file);
    return text;
}
