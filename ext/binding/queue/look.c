/* queue/look.c: calls that return, show or search the bytes of a queue, and remove none. */
#include "queue/object.h"
#include "transfer/source.h"
#include "view/object.h"

/* ---- the newest bytes ---- */

const char queue_tail_doc[] = PyDoc_STR(
    "tail($self, n=-1, /)\n--\n\n"
    "The newest bytes, at most ``n`` of them, left where they are.  O(n).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> log = ByteQueue(max_bytes=1000, overflow='drop_oldest')\n"
    ">>> log.put(b'one\\ntwo\\nthree\\n')\n"
    "True\n"
    ">>> log.tail(6)\n"
    "b'three\\n'\n");

PyObject *
queue_tail(QueueObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t n;
    if (queue_arg_size("tail", args, nargs, &n) < 0) {
        return NULL;
    }
    return queue_take(self, &(queue_taking){.n = n, .newest = true});
}

/* ---- searching ---- */

/* What to search for: a byte, or bytes. */
static int
needle_from(PyObject *obj, Py_buffer *view, uint8_t *byte)
{
    if (!PyIndex_Check(obj)) {
        return arg_bytes(obj, view);
    }
    *view = (Py_buffer){.buf = byte, .len = 1};
    return source_byte(obj, byte);
}

/* Set *at to where `sub` begins, or to UINT64_MAX if it occurs nowhere.  -1 with an
 * exception. */
static int
find_between(QueueObject *self, const bounds *given, const Py_buffer *sub, uint64_t *at)
{
    pb_status st;
    do {
        queue_lock(self);
        bounds r = bounds_in(given, pb_queue_len(&self->q));
        st = PB_OK;
        *at = UINT64_MAX;
        if (r.start <= r.end) {
            st = pb_queue_find(&self->q, (uint64_t)r.start, (uint64_t)r.end, sub->buf,
                               (uint64_t)sub->len, at);
        }
        queue_unlock(self);
    } while (queue_again(self, &st, 0));
    return st == PB_OK ? 0 : -1;
}

const char queue_find_doc[] =
    "find($self, sub, start=None, end=None, /)\n--\n\n"
    "The distance from the front to the first ``sub`` in [start, end), -1 when there is\n"
    "none.\n\n"
    "``sub`` is a bytes-like object or an int from 0 to 255; ``start`` and ``end`` are as\n"
    "in a slice of what is in the queue.  Nothing is remembered: readuntil() does that.\n"
    "O(end - start + len(sub)).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'key: value')\n"
    "True\n"
    ">>> queue.find(b': '), queue.find(b': ', 4)\n"
    "(3, -1)\n";

PyObject *
queue_find(QueueObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_buffer sub;
    uint8_t byte;
    bounds given;
    uint64_t at;
    if (check_nargs("find", nargs, 1, 3) < 0 || arg_bounds(args, nargs, &given) < 0 ||
        needle_from(args[0], &sub, &byte) < 0) {
        return NULL;
    }
    int failed = find_between(self, &given, &sub, &at);
    arg_release(&sub);
    return failed < 0 ? NULL : PyLong_FromSsize_t((Py_ssize_t)at); /* UINT64_MAX is -1 */
}

/* ---- all bytes ---- */

const char queue_tobytes_doc[] = PyDoc_STR(
    "tobytes($self, /)\n--\n\n"
    "All that is in the queue, left where it is: peek().  O(len).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'abc')\n"
    "True\n"
    ">>> queue.tobytes(), len(queue)\n"
    "(b'abc', 3)\n");

PyObject *
queue_tobytes(QueueObject *self, PyObject *Py_UNUSED(ignored))
{
    return queue_take(self, &(queue_taking){.n = UINT64_MAX});
}

/* ---- read-only views: of pages, and of objects that the queue keeps ---- */

const char queue_views_doc[] =
    "views($self, /, *, most=None)\n--\n\n"
    "What is in the queue as a list of read-only memoryviews, one per run of pages\n"
    "or object that was put.\n\n"
    "At most ``most`` of them, the oldest: system calls take 1024 at a time\n"
    "(``os.sysconf('SC_IOV_MAX')``).  None: all.\n\n"
    "They show the bytes of this moment, without a copy, whatever happens to the queue:\n"
    "an iovec list for sendmsg() or writev(), and then consume().  O(pages).\n\n"
    ">>> from pagebuf import ByteQueue\n"
    ">>> queue = ByteQueue()\n"
    ">>> queue.put(b'hello')\n"
    "True\n"
    ">>> [bytes(view) for view in queue.views()]\n"
    "[b'hello']\n";

/* A stretch of the queue: `n` bytes of an object from `off` on, or of the tree. */
typedef struct {
    PyObject *owner; /* a reference; NULL: in the tree */
    Py_ssize_t off, n;
} stretch;

/* What there is at one moment.  Other attempts may have left stretches before `first`. */
typedef struct {
    stretch *at;
    size_t first, count, room;
    uint64_t most;
    bool pieces, no_memory;
} listing;

static bool
list_add(listing *l, const pb_queue_stretch *s)
{
    stretch *at = array_with_room(l->at, l->count, &l->room, sizeof *at);
    if (at == NULL) {
        return false;
    }
    l->at = at;
    PyObject *owner = s->owner;
    Py_ssize_t off =
        owner ? (Py_ssize_t)(s->at - (const uint8_t *)PyBytes_AS_STRING(owner)) : 0;
    at[l->count++] = (stretch){Py_XNewRef(owner), off, (Py_ssize_t)s->n};
    return true;
}

/* All bytes in the queue, without a reservation: what lies in the tree is the range, the rest is listed
 * in the same moment. */
static pb_status
find_all(pb_buf *b, view_range *r)
{
    const pb_queue *q = &((QueueObject *)holder_of(b))->q;
    listing *l = r->of;
    uint64_t len = pb_queue_len(q);
    l->first = l->count;
    l->pieces = pb_queue_kept(q) != 0;
    l->no_memory = false;
    for (uint64_t off = 0; off < len && l->count - l->first < l->most && !l->no_memory;) {
        pb_queue_stretch s = pb_queue_stretch_at(q, off);
        l->no_memory = !list_add(l, &s);
        off += s.n;
    }
    r->n = pb_queue_copied(q);
    return PB_OK;
}

static PyObject *
part_of_view(PyObject *view, Py_ssize_t off, Py_ssize_t n, Py_ssize_t all)
{
    return off == 0 && n == all ? Py_NewRef(view) : PySequence_GetSlice(view, off, off + n);
}

static PyObject *
view_of_object(const stretch *s)
{
    PyObject *all = PyMemoryView_FromObject(s->owner);
    PyObject *view =
        all ? part_of_view(all, s->off, s->n, PyBytes_GET_SIZE(s->owner)) : NULL;
    Py_XDECREF(all);
    return view;
}

/* Views of the tree, and how far they are used up. */
typedef struct {
    PyObject *views;
    Py_ssize_t next, off;
} tree_views;

/* The next of them, at most *n bytes; *n: how many. */
static PyObject *
next_of_tree(tree_views *t, Py_ssize_t *n)
{
    PyObject *view = PyList_GET_ITEM(t->views, t->next);
    Py_ssize_t all = PyMemoryView_GET_BUFFER(view)->len, off = t->off;
    *n = *n < all - off ? *n : all - off;
    t->off = off + *n == all ? 0 : off + *n;
    t->next += t->off == 0;
    return part_of_view(view, off, *n, all);
}

/* All views of one stretch.  1; 0: there are no more of the tree (the first `most` runs may be fewer
 * views); -1: an exception. */
static int
append_stretch(PyObject *list, const stretch *s, tree_views *t, uint64_t most)
{
    for (Py_ssize_t left = s->n, n; left && (uint64_t)PyList_GET_SIZE(list) < most;
         left -= n) {
        n = left;
        if (s->owner == NULL && t->next == PyList_GET_SIZE(t->views)) {
            return 0;
        }
        PyObject *view = s->owner ? view_of_object(s) : next_of_tree(t, &n);
        int failed = view == NULL || PyList_Append(list, view) < 0;
        Py_XDECREF(view);
        if (failed) {
            return -1;
        }
    }
    return 1;
}

/* Put views of pages and of objects in their order.  Uses up `tree`. */
static PyObject *
in_order(const listing *l, PyObject *tree)
{
    tree_views t = {tree, 0, 0};
    PyObject *list = PyList_New(0);
    int more = 1;
    for (size_t i = l->first; list && more > 0 && i < l->count; i++) {
        more = append_stretch(list, &l->at[i], &t, l->most);
        if (more < 0) {
            Py_CLEAR(list);
        }
    }
    Py_DECREF(tree);
    return list;
}

static PyObject *
list_views(QueueObject *self, listing *l)
{
    PyObject *views =
        views_stable(&self->q.b, &(view_range){.find = find_all, .of = l}, l->most);
    if (views && l->no_memory) {
        Py_DECREF(views);
        return PyErr_NoMemory();
    }
    return views && l->pieces ? in_order(l, views) : views;
}

PyObject *
queue_views(QueueObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"most", NULL};
    PyObject *given = NULL;
    listing l = {.most = UINT64_MAX};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:views", names, &given) ||
        (given && given != Py_None && arg_offset(given, "most", &l.most) < 0)) {
        return NULL;
    }
    PyObject *views = list_views(self, &l);
    for (size_t i = 0; i < l.count; i++) {
        Py_XDECREF(l.at[i].owner);
    }
    PyMem_Free(l.at);
    return views;
}
