/* transfer/status.c: what follows an attempt: another one, an exception, or success. */
#include "transfer/transfer.h"

#include "buffer/share.h"
#include "pool/report.h"

static void
raise_capacity(pb_buf *b, uint64_t off, uint64_t n)
{
    char place[48] = "";
    PyObject *who = tree_called(b);
    if (who == NULL) {
        return;
    }
    buffer_lock_to_look(b);
    uint64_t reach = pb_buf_capacity(b);
    int levels = (int)pb_buf_max_levels(b);
    buffer_unlock_after_look(b);
    if (off) {
        PyOS_snprintf(place, sizeof place, " at offset %llu", (unsigned long long)off);
    }
    PyErr_Format(state_of_buf(b)->capacity_error,
                 "%llu bytes%s asked of %U, which reaches %llu bytes (max_levels=%d%s)",
                 (unsigned long long)n, place, who, (unsigned long long)reach, levels,
                 levels < PB_MAX_LEVELS ? ": make it with more" : "");
    Py_DECREF(who);
}

/* How many there are, at or behind `off` if possible: a change may forbid others, too. */
static uint64_t
count_views(pb_buf *b, uint64_t off)
{
    buffer_lock(b);
    uint64_t n = pb_buf_views_behind(b, off);
    n = n ? n : pb_buf_views_behind(b, 0);
    buffer_unlock(b);
    return n;
}

static void
raise_pinned(pb_buf *b, uint64_t off)
{
    unsigned long long n = count_views(b, off);
    PyObject *who = tree_called(b);
    if (who == NULL) {
        return;
    }
    if (n == 0) { /* another thread has released them meanwhile */
        PyErr_Format(PyExc_BufferError, "live views of %U pinned these pages: try again",
                     who);
    }
    else if (n == 1) {
        PyErr_Format(PyExc_BufferError, "a live view of %U pins these pages: release it",
                     who);
    }
    else {
        PyErr_Format(PyExc_BufferError,
                     "%llu live views of %U pin these pages: release them", n, who);
    }
    Py_DECREF(who);
}

void
raise_status(pb_buf *b, pb_status st, uint64_t off, uint64_t n)
{
    uint64_t size = transfer_size(b);
    off = off == AT_THE_END ? size : off;
    switch (st) {
    case PB_CAPACITY:
        raise_capacity(b, off, n);
        break;
    case PB_LIMIT:
        raise_limit(b);
        break;
    case PB_RANGE:
        PyErr_Format(PyExc_IndexError, "%llu bytes at offset %llu asked of %llu",
                     (unsigned long long)n, (unsigned long long)off,
                     (unsigned long long)size);
        break;
    case PB_FROZEN:
        PyErr_SetString(PyExc_TypeError, "a snapshot never changes; clone() it");
        break;
    case PB_PINNED:
        raise_pinned(b, off);
        break;
    default:
        PyErr_Format(PyExc_SystemError, "pagebuf: unexpected status %d", (int)st);
    }
}

/* "'log': the system has no memory for ...", or NULL with an exception. */
static PyObject *
with_holder(const pb_buf *b, PyObject *error)
{
    PyObject *who = tree_called(b);
    PyObject *text = who ? PyObject_Str(error) : NULL;
    PyObject *whole = NULL;
    if (text) {
        whole = PyUnicode_GET_LENGTH(text) ? PyUnicode_FromFormat("%U: %U", who, text)
                                           : PyUnicode_FromFormat("%U: no memory", who);
    }
    Py_XDECREF(who);
    Py_XDECREF(text);
    return whole;
}

/* Have the MemoryError that is raised say who needs the memory.  Where there is none for that, either,
 * it stays as it is. */
static void
name_holder(const pb_buf *b)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    PyObject *text = type == PyExc_MemoryError ? with_holder(b, error) : NULL;
    PyObject *args = text ? PyTuple_Pack(1, text) : NULL;
    if (args && PyObject_SetAttrString(error, "args", args) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(text);
    Py_XDECREF(args);
    PyErr_Restore(type, error, traceback);
}

/* 1, or -1 with an exception. */
static int
grow_for(pb_buf *b)
{
    if (pool_grow(pool_object(b)) == 0) {
        return 1;
    }
    name_holder(b);
    return -1;
}

/* If another thread has reported the damage meanwhile, raise without the details. */
static void
raise_corrupt(const pb_buf *b)
{
    if (pool_report_pending(pool_object(b), true) == 0) {
        PyErr_SetString(state_of_buf(b)->corruption_error, "the pool is damaged");
    }
}

static bool
has_fetched(const pb_buf *b)
{
    return pb_pool_fetches(pb_buf_pool(b));
}

/* Let go of pages that can be fetched again, instead of refusing.  1: some are gone; 0; -1 with an
 * exception. */
static int
make_room_for(pb_buf *b)
{
    pb_pool *root = pb_buf_pool(b)->root;
    pb_refusal *refusal = pb_refusal_of(root);
    pb_pool *refused = refusal->refused ? refusal->refused : root;
    PyObject *module = PyImport_ImportModule("pagebuf._remote");
    PyObject *gone = NULL;
    if (module) {
        gone =
            PyObject_CallMethod(module, "make_room", "OK", (PyObject *)pool_around(refused),
                                (unsigned long long)refusal->asked);
    }
    int result = gone ? PyObject_IsTrue(gone) : -1;
    Py_XDECREF(module);
    Py_XDECREF(gone);
    return result;
}

static int
refuse_limit(pb_buf *b, uint64_t off, uint64_t n)
{
    pb_refusal was = *pb_refusal_of(pb_buf_pool(b)); /* Python code runs */
    int made = 0;
    if (has_fetched(b)) {
        made = make_room_for(b);
        pb_set_bits8(&pb_buf_pool(b)->root->pending,
                     PB_PENDING_HELD); /* it may be its turn */
    }
    if (made == 0) {
        *pb_refusal_of(pb_buf_pool(b)) = was;
        raise_status(b, PB_LIMIT, off, n);
        return -1;
    }
    return made;
}

static int
retry(pb_buf *b, pb_status st, uint64_t off, uint64_t n, bool acquires)
{
    switch (st) {
    case PB_OK:
        return pool_report_pending(pool_object(b), !acquires);
    case PB_NEED_PAGES:
        return grow_for(b);
    case PB_ABSENT:
        return transfer_fetch(b);
    case PB_LIMIT:
        return refuse_limit(b, off, n);
    case PB_CORRUPT:
        raise_corrupt(b);
        return -1;
    default:
        raise_status(b, st, off, n);
        return -1;
    }
}

int
transfer_retry(pb_buf *b, pb_status st, uint64_t off, uint64_t n, bool acquires)
{
    int result = retry(b, st, off, n, acquires);
    if (PB_UNLIKELY(result < 0) && pb_pending(pb_buf_pool(b)) & PB_PENDING_HELD) {
        pool_let_go(pool_object(b));
    }
    return result;
}

int
transfer_may_use(const pb_buf *b, const void *mem, uint64_t n)
{
    if (PB_LIKELY(pb_buf_may_use(b, mem, n))) {
        return 0;
    }
    return pool_report_pending(pool_object(b), true);
}
