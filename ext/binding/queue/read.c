/* queue/read.c: what parsers ask for: so many bytes, or up to a separator, or nothing. */
#include "queue/object.h"

const char queue_readexactly_doc[] =
    "readexactly($self, n, /)\n--\n\n"
    "Remove and return exactly ``n`` bytes; None, and nothing removed, while there are\n"
    "fewer.  O(n).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'abcde')\n"
    "True\n"
    ">>> queue.readexactly(4), queue.readexactly(4), len(queue)\n"
    "(b'abcd', None, 1)\n";

PyObject *
queue_readexactly(QueueObject *self, PyObject *arg)
{
    uint64_t n;
    if (arg_offset(arg, "n", &n) < 0) {
        return NULL;
    }
    PyObject *out = queue_take_fast(self, n);
    return PB_LIKELY(out || PyErr_Occurred()) ? out : queue_take(self, n, n, true);
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

/* Where to remember one more: at least `most` fit.  NULL when there is no memory for it; then it is
 * searched for anew each time. */
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

/* Take a separator out of the others; one without `sep` where it is not among them. */
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

/* Put the one in use among the others. */
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

/* Bring `sep` into use. */
static void
use_separator(QueueObject *self, PyObject *sep)
{
    PyObject *same = Py_NewRef(sep);
    if (self->sep && is_same(self->sep, sep)) { /* another object with these bytes */
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

/* Where it is remembered how far one of `count` has looked, which are asked for together; NULL for
 * want of memory. */
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
queue_search_anew_lock_held(QueueObject *self)
{
    pb_queue_search_anew(&self->q, 0);
    for (uint32_t i = 0; i < self->other_count; i++) {
        self->others[i].searched = 0;
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

/* *end: where the one that ends first ends. */
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

/* It was found, but the bytes up to it lie in more than one page.  The object is made outside the
 * lock, so another thread may have taken them by then: then search again. */
static PyObject *
take_until(QueueObject *self, const sought *s, uint64_t end)
{
    for (;;) {
        PyObject *out = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)end);
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

/* The caller keeps alive what is sought. */
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
    queue_unlock(self);
    if (PB_UNLIKELY(st != PB_OK)) {
        return queue_again(self, &st, 0) ? read_until(self, s) : NULL;
    }
    if (end == UINT64_MAX) {
        Py_RETURN_NONE;
    }
    return PB_LIKELY(at != NULL) ? out : take_until(self, s, end);
}

static PyObject *
read_until_one(QueueObject *self, PyObject *sep)
{
    return read_until(self, &(sought){&sep, 1});
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

/* A tuple of exact bytes for one of bytes-like objects. */
static PyObject *
separators_of(PyObject *tuple)
{
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
read_until_any(QueueObject *self, PyObject *tuple)
{
    PyObject *all = separators_of(tuple);
    if (all == NULL) {
        return NULL;
    }
    sought s = {&PyTuple_GET_ITEM(all, 0), PyTuple_GET_SIZE(all)};
    PyObject *out = read_until(self, &s);
    Py_DECREF(all);
    return out;
}

const char queue_readuntil_doc[] =
    "readuntil($self, separator, /)\n--\n\n"
    "Remove and return the oldest bytes up to and including ``separator``; None, and\n"
    "nothing removed, while it is not there.\n\n"
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

PyObject *
queue_readuntil(QueueObject *self, PyObject *arg)
{
    if (PB_LIKELY(PyBytes_CheckExact(arg) && PyBytes_GET_SIZE(arg))) {
        return read_until_one(self, arg); /* the caller's reference keeps it alive */
    }
    if (PyTuple_Check(arg)) {
        return read_until_any(self, arg);
    }
    PyObject *sep = separator_of(arg);
    PyObject *out = sep ? read_until_one(self, sep) : NULL;
    Py_XDECREF(sep);
    return out;
}

const char queue_readline_doc[] =
    "readline($self, /)\n--\n\n"
    "Remove and return a line with its b'\\n'; None while there is no whole one.\n\n"
    "As readuntil(b'\\n').\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'one\\ntwo')\n"
    "True\n"
    ">>> queue.readline(), queue.readline()\n"
    "(b'one\\n', None)\n";

static PyObject *
read_line(QueueObject *self)
{
    PyObject *sep = PyBytes_FromStringAndSize("\n", 1); /* CPython has it at hand */
    PyObject *out = sep ? read_until_one(self, sep) : NULL;
    Py_XDECREF(sep);
    return out;
}

PyObject *
queue_readline(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    return read_line(self);
}

PyObject *
queue_next(QueueObject *self)
{
    PyObject *line = read_line(self);
    if (line != Py_None) {
        return line;
    }
    Py_DECREF(line);
    return NULL;
}
