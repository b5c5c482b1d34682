/* queue/read.c: reads for parsers: exactly n bytes, or all up to a separator, or nothing
 * yet. */
#include "queue/object.h"

#include "base/errors.h"

const char queue_readexactly_doc[] =
    "readexactly($self, n, /, *, timeout=0)\n--\n\n"
    "Remove and return exactly ``n`` bytes; None, and nothing removed, while there are\n"
    "fewer.\n\n"
    "Another ``timeout`` waits for them: so many seconds (then TimeoutError, and nothing\n"
    "is removed), or for ever (None).  EOFError when the queue is closed with fewer.  O(n).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'abcde')\n"
    "True\n"
    ">>> queue.readexactly(4), queue.readexactly(4), len(queue)\n"
    "(b'abcd', None, 1)\n";

PyObject *
queue_readexactly(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    uint64_t n;
    patience p = NO_PATIENCE;
    if (check_nargs("readexactly", nargs, 1, 1) < 0 || arg_offset(args[0], "n", &n) < 0 ||
        queue_arg_timeout("readexactly", args + nargs, kwnames, &p) < 0) {
        return NULL;
    }
    PyObject *out = queue_take_fast(self, n);
    return PB_LIKELY(out || PyErr_Occurred()) ? out : queue_exactly(self, n, &p);
}

/* ---- separators ----
 *
 * Each one remembers how far it has looked.  That of the one in use stands in the queue itself;
 * when another one comes into use, the two change places. */

static bool
is_same(PyObject *a, PyObject *b)
{
    return a == b || (PyBytes_GET_SIZE(a) == PyBytes_GET_SIZE(b) &&
                      memcmp(PyBytes_AS_STRING(a), PyBytes_AS_STRING(b),
                             (size_t)PyBytes_GET_SIZE(a)) == 0);
}

/* A place for one more separator; there is room for `most` at least.  NULL if there is
 * no memory; then each search for it starts at the front. */
static separator *
new_place(QueueObject *self, uint32_t most)
{
    most = most < SEPARATORS_MOST ? SEPARATORS_MOST : most;
    if (self->other_count < most) {
        size_t size = (self->other_count + 1) * sizeof(separator);
        separator *grown = PyMem_Realloc(self->others, size);
        if (grown) {
            self->others = grown;
            return &grown[self->other_count++];
        }
        return NULL;
    }
    separator *place = &self->others[self->other_next++ % self->other_count];
    Py_DECREF(place->sep); /* bytes: that runs no Python code */
    return place;
}

static separator *
find_other(QueueObject *self, PyObject *sep)
{
    for (uint32_t i = 0; i < self->other_count; i++) {
        if (is_same(self->others[i].sep, sep)) {
            return &self->others[i];
        }
    }
    return NULL;
}

/* Take a separator out of the list of others.  Its `sep` is NULL if it is not in the
 * list. */
static separator
take_other(QueueObject *self, PyObject *sep)
{
    separator *place = find_other(self, sep);
    separator found = {NULL, 0};
    if (place) {
        found = *place;
        *place = self->others[--self->other_count];
    }
    return found;
}

/* Put the separator in use into the list of others. */
static void
put_away(QueueObject *self)
{
    separator *place = self->sep ? new_place(self, 0) : NULL;
    if (place) {
        *place = (separator){self->sep, self->q.searched};
    }
    else {
        Py_XDECREF(self->sep);
    }
}

/* Make `sep` the separator in use. */
static void
use_separator(QueueObject *self, PyObject *sep)
{
    PyObject *same = Py_NewRef(sep);
    if (self->sep && is_same(self->sep, sep)) { /* another object with the same bytes */
        Py_DECREF(self->sep);
    }
    else {
        separator was = take_other(self, sep);
        put_away(self);
        pb_queue_search_anew(&self->q, was.searched);
        Py_XDECREF(was.sep);
    }
    self->sep = same;
}

/* Where the queue remembers how far one of `count` separators, asked for together, has
 * looked; NULL if there is no memory. */
static uint64_t *
searched_of(QueueObject *self, PyObject *sep, Py_ssize_t count)
{
    if (self->sep && is_same(self->sep, sep)) {
        return &self->q.searched;
    }
    separator *place = find_other(self, sep);
    if (place == NULL) {
        place = new_place(self, (uint32_t)count);
        if (place) {
            *place = (separator){Py_NewRef(sep), 0};
        }
    }
    return place ? &place->searched : NULL;
}

void
queue_search_again_lock_held(QueueObject *self, uint64_t from)
{
    pb_queue_search_anew(&self->q, pb_min(self->q.searched, from));
    for (uint32_t i = 0; i < self->other_count; i++) {
        self->others[i].searched = pb_min(self->others[i].searched, from);
    }
}

void
queue_forget_separators(QueueObject *self)
{
    Py_XDECREF(self->sep);
    for (uint32_t i = 0; i < self->other_count; i++) {
        Py_DECREF(self->others[i].sep);
    }
    PyMem_Free(self->others);
}

/* ---- up to a separator ---- */

/* What to look for: exact bytes, not empty, one or several. */
typedef struct {
    PyObject **item;
    Py_ssize_t count;
} sought;

/* *end: the end of the separator that ends first. */
static pb_status
look_for_several(QueueObject *self, const sought *s, uint64_t *end)
{
    pb_status st = PB_OK;
    *end = UINT64_MAX;
    for (Py_ssize_t i = 0; i < s->count && st == PB_OK; i++) {
        uint64_t its_end = UINT64_MAX, none = 0;
        uint64_t *searched = searched_of(self, s->item[i], s->count);
        st = pb_queue_search_from(&self->q, PyBytes_AS_STRING(s->item[i]),
                                  (uint64_t)PyBytes_GET_SIZE(s->item[i]),
                                  searched ? searched : &none, &its_end);
        *end = pb_min(*end, its_end);
    }
    return st;
}

static inline pb_status
look_for_lock_held(QueueObject *self, const sought *s, uint64_t *end)
{
    if (PB_UNLIKELY(s->count != 1)) {
        return look_for_several(self, s, end);
    }
    PyObject *sep = s->item[0];
    if (PB_UNLIKELY(self->sep != sep)) {
        use_separator(self, sep);
    }
    return pb_queue_search(&self->q, PyBytes_AS_STRING(sep),
                           (uint64_t)PyBytes_GET_SIZE(sep), end);
}

/* A separator was found, but the bytes up to it lie in more than one page.  The object
 * is made outside the lock, so another thread may take them meanwhile; then search
 * again. */
static PyObject *
take_until(QueueObject *self, const sought *s, uint64_t end)
{
    for (;;) {
        PyObject *out = new_bytes(end);
        if (out == NULL) {
            return NULL;
        }
        uint64_t now;
        queue_lock(self);
        pb_status st = look_for_lock_held(self, s, &now);
        if (st == PB_OK) {
            st = now == end ? queue_take_lock_held(self, PyBytes_AS_STRING(out), end, true)
                            : PB_RANGE;
        }
        queue_unlock(self);
        bool again = st == PB_RANGE || queue_again(self, &st, end);
        if (PB_LIKELY(st == PB_OK)) {
            return out;
        }
        Py_DECREF(out);
        if (!again) {
            return NULL;
        }
        if (now == UINT64_MAX) {
            Py_RETURN_NONE;
        }
        end = now;
    }
}

/* The caller keeps the separators alive. */
static PyObject *
read_until(QueueObject *self, const sought *s)
{
    PyObject *out = NULL;
    queue_lock(self);
    uint64_t end;
    pb_status st = look_for_lock_held(self, s, &end);
    const uint8_t *at = end == UINT64_MAX ? NULL : pb_queue_ready(&self->q, end);
    if (PB_LIKELY(at != NULL)) {
        out = PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)end);
        if (PB_LIKELY(out != NULL)) {
            pb_queue_take_ready(&self->q, end);
        }
    }
    else if (end != UINT64_MAX && st == PB_OK) {
        out = queue_take_piece_lock_held(self, end);
    }
    queue_unlock(self);
    if (PB_UNLIKELY(st != PB_OK)) {
        return queue_again(self, &st, 0) ? read_until(self, s) : NULL;
    }
    if (end == UINT64_MAX) {
        Py_RETURN_NONE;
    }
    bool taken = at || out || PyErr_Occurred();
    return PB_LIKELY(taken) ? out : take_until(self, s, end);
}

static PyObject *
attempt_until(QueueObject *self, const void *what)
{
    return read_until(self, what);
}

/* The same, but wait: any new byte may complete a separator. */
static PyObject *
wait_until(QueueObject *self, const sought *s, patience *p)
{
    bool ended;
    return PB_LIKELY(p->seconds == 0)
               ? read_until(self, s)
               : queue_take_patiently(self, attempt_until, s, (queue_wish){FOR_NEWS, 0}, p,
                                      &ended);
}

static PyObject *
read_until_one(QueueObject *self, PyObject *sep, patience *p)
{
    return wait_until(self, &(sought){&sep, 1}, p);
}

/* Exact bytes of a bytes-like object: a new reference. */
static PyObject *
separator_of(PyObject *obj)
{
    Py_buffer view;
    if (arg_bytes(obj, &view) < 0) {
        return NULL;
    }
    PyObject *sep =
        view.obj ? PyBytes_FromStringAndSize(view.buf, view.len) : Py_NewRef(obj);
    arg_release(&view);
    if (sep && PyBytes_GET_SIZE(sep) == 0) {
        PyErr_SetString(PyExc_ValueError, "the separator must not be empty");
        Py_CLEAR(sep);
    }
    return sep;
}

static bool
is_separator(PyObject *obj)
{
    return PyBytes_CheckExact(obj) && PyBytes_GET_SIZE(obj);
}

/* Does a tuple name exact bytes only? */
static bool
are_separators(PyObject *tuple)
{
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!is_separator(PyTuple_GET_ITEM(tuple, i))) {
            return false;
        }
    }
    return count > 0;
}

/* A tuple of exact bytes for one of bytes-like objects. */
static PyObject *
separators_of(PyObject *tuple)
{
    if (are_separators(tuple)) {
        return Py_NewRef(tuple);
    }
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    if (count == 0) {
        PyErr_SetString(PyExc_ValueError, "there must be a separator");
        return NULL;
    }
    PyObject *all = PyTuple_New(count);
    for (Py_ssize_t i = 0; all && i < count; i++) {
        PyObject *sep = separator_of(PyTuple_GET_ITEM(tuple, i));
        if (sep == NULL) {
            Py_CLEAR(all);
            break;
        }
        PyTuple_SET_ITEM(all, i, sep);
    }
    return all;
}

static PyObject *
read_until_any(QueueObject *self, PyObject *tuple, patience *p)
{
    PyObject *all = separators_of(tuple);
    if (all == NULL) {
        return NULL;
    }
    sought s = {&PyTuple_GET_ITEM(all, 0), PyTuple_GET_SIZE(all)};
    PyObject *out = wait_until(self, &s, p);
    Py_DECREF(all);
    return out;
}

const char queue_readuntil_doc[] =
    "readuntil($self, separator, /, *, timeout=0)\n--\n\n"
    "Remove and return the oldest bytes up to and including ``separator``; None, and\n"
    "nothing removed, while it is not there.\n\n"
    "Another ``timeout`` waits for it: so many seconds (then TimeoutError, and nothing is\n"
    "removed), or for ever (None).  None when the queue is closed without one: get() has\n"
    "the rest.\n\n"
    "A tuple of separators means any of them, the one that ends first.  Each one remembers\n"
    "how far it has looked, whether they are asked for in turn or together: all calls look\n"
    "at each byte once for each separator (of sixteen, or of as many as a tuple has).\n"
    "O(new bytes + result).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'one\\r\\ntw')\n"
    "True\n"
    ">>> queue.readuntil(b'\\r\\n'), queue.readuntil(b'\\r\\n')\n"
    "(b'one\\r\\n', None)\n"
    ">>> queue.put(b'o\\r\\n')\n"
    "True\n"
    ">>> queue.readuntil((b'\\n', b'\\r\\n'))\n"
    "b'two\\r\\n'\n";

static PyObject *
read_until_object(QueueObject *self, PyObject *arg, patience *p)
{
    if (PyTuple_Check(arg)) {
        return read_until_any(self, arg, p);
    }
    PyObject *sep = separator_of(arg);
    PyObject *out = sep ? read_until_one(self, sep, p) : NULL;
    Py_XDECREF(sep);
    return out;
}

PyObject *
queue_readuntil(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    patience p = NO_PATIENCE;
    if (check_nargs("readuntil", nargs, 1, 1) < 0 ||
        queue_arg_timeout("readuntil", args + nargs, kwnames, &p) < 0) {
        return NULL;
    }
    if (PB_LIKELY(is_separator(args[0]))) {
        return read_until_one(self, args[0], &p); /* the caller keeps it alive */
    }
    return read_until_object(self, args[0], &p);
}

const char queue_readline_doc[] =
    "readline($self, /, *, timeout=0)\n--\n\n"
    "Remove and return a line with its b'\\n'; None while there is no whole one.\n\n"
    "As readuntil(b'\\n').\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'one\\ntwo')\n"
    "True\n"
    ">>> queue.readline(), queue.readline()\n"
    "(b'one\\n', None)\n";

static PyObject *
read_line(QueueObject *self, patience *p)
{
    PyObject *sep = PyBytes_FromStringAndSize("\n", 1); /* CPython keeps one-byte objects */
    PyObject *out = sep ? read_until_one(self, sep, p) : NULL;
    Py_XDECREF(sep);
    return out;
}

PyObject *
queue_readline(QueueObject *self, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    patience p = NO_PATIENCE;
    if (check_nargs("readline", nargs, 0, 0) < 0 ||
        queue_arg_timeout("readline", args + nargs, kwnames, &p) < 0) {
        return NULL;
    }
    return read_line(self, &p);
}

/* ---- iteration ---- */

static PyObject *
attempt_line(QueueObject *self, const void *what)
{
    return read_line(self, &NO_PATIENCE);
}

const char queue_line_doc[] =
    "_line($self, /)\n--\n\nThe next of lines(); None while no whole line is there.";

/* The last line of an ended stream may lack b'\n'. */
PyObject *
queue_line(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    bool ended;
    PyObject *line = queue_take_patiently(self, attempt_line, NULL,
                                          (queue_wish){FOR_NEWS, 0}, &NO_PATIENCE, &ended);
    if (line == Py_None && ended) {
        Py_DECREF(line);
        line = queue_take(self, &(queue_taking){.n = UINT64_MAX, .least = 1, .drop = true});
    }
    return line;
}

const char queue_lines_doc[] =
    "lines($self, /)\n--\n\n"
    "Remove and return the lines that are there, one by one, each with its b'\\n'.\n\n"
    "It ends where no whole line is there, and leaves the rest; of a closed queue the last\n"
    "line may be without its b'\\n'.  A queue itself is no iterable: what takes one for the\n"
    "body of a request would leave the rest behind.  O(what is taken).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'one\\ntwo\\nthr')\n"
    "True\n"
    ">>> list(queue.lines()), queue.peek()\n"
    "([b'one\\n', b'two\\n'], b'thr')\n";

PyObject *
queue_lines(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *next = PyObject_GetAttrString((PyObject *)self, "_line");
    PyObject *lines = next ? PyCallIter_New(next, Py_None) : NULL;
    Py_XDECREF(next);
    return lines;
}
