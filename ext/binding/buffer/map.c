/* buffer/map.c: buffers over memory of somebody else.  Files, and saving, are the business of
 * pagebuf._map. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* mremap */
#endif
#include "buffer/object.h"

#include "buffer/share.h"
#include "transfer/range.h"
#include "view/run.h"

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

/* Of less than so many pages the bytes are copied. */
#define LEAST_PAGES 16

/* One attempt after another to show the zone.  -1 with an exception. */
static int
show_zone(pb_buf *b, pool_zone *z, uint64_t size)
{
    pb_status st;
    do {
        buffer_lock(b);
        st = pb_buf_map(b, &z->zone, size);
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, size));
    return st == PB_OK ? 0 : -1;
}

/* Show the zone, and charge the buffer for it if nobody else has the memory.  The zone goes with an
 * exception, which stays.  -1 with one. */
static int
show_or_cancel(BufferObject *self, pool_zone *z, uint64_t size, bool charged)
{
    PoolObject *pool = pool_object(&self->b);
    PyObject *type, *value, *traceback;
    if ((!charged || pool_charge_zone(pool, z, (uint64_t)z->memory.len, &self->b) == 0) &&
        show_zone(&self->b, z, size) == 0) {
        return 0;
    }
    PyErr_Fetch(&type, &value, &traceback);
    pool_cancel_zone(pool, z);
    PyErr_Restore(type, value, traceback);
    return -1;
}

/* The buffer, which is empty, takes over the memory.  -1 with an exception; then the memory is
 * released. */
static int
show_memory(BufferObject *self, Py_buffer *memory, uint64_t size, PyObject *fetcher,
            bool charged)
{
    PoolObject *pool = pool_object(&self->b);
    if (fetcher == NULL && memory->len < (Py_ssize_t)(LEAST_PAGES * PB_PAGE_SIZE)) {
        int result = transfer_extend(&self->b, memory->buf, (uint64_t)memory->len);
        PyBuffer_Release(memory);
        return result;
    }
    pool_zone *z = pool_open_zone(pool, memory, fetcher);
    if (z == NULL) {
        PyBuffer_Release(memory);
        return -1;
    }
    return show_or_cancel(self, z, size, charged);
}

/* A frozen buffer over the first `size` bytes of an object; NULL with an exception. */
static PyObject *
map_object(PyObject *type, PyObject *const *args, uint64_t size, PyObject *fetcher)
{
    BufferObject *self = NULL;
    PoolObject *pool;
    Py_buffer memory;
    PyObject *made = buffer_tp_new((PyTypeObject *)type, NULL, NULL);
    if (made == NULL) {
        return NULL;
    }
    PoolObject *own = pool_object(&((BufferObject *)made)->b);
    if (arg_pool(own->state, args[1], &pool) == 0) {
        self = buffer_new((PyTypeObject *)type, pool ? pool : own, PB_MAX_LEVELS);
    }
    Py_DECREF(made);
    if (self && (PyObject_GetBuffer(args[0], &memory, PyBUF_SIMPLE) < 0 ||
                 show_memory(self, &memory, pb_min(size, (uint64_t)memory.len), fetcher,
                             false) < 0)) {
        Py_CLEAR(self);
    }
    if (self) {
        pb_buf_freeze(&self->b, PB_FROZEN_SNAPSHOT); /* nobody else knows it yet */
        pb_buf_remember_tail(&self->b);
    }
    return (PyObject *)self;
}

const char buffer_map_memory_doc[] = PyDoc_STR(
    "_map_memory($type, memory, pool, /)\n--\n\n"
    "A frozen buffer over the bytes of a contiguous object, which it keeps as long as any\n"
    "buffer or view shows them.");

PyObject *
buffer_map_memory(PyObject *type, PyObject *const *args, Py_ssize_t nargs)
{
    return check_nargs("_map_memory", nargs, 2, 2) < 0
               ? NULL
               : map_object(type, args, UINT64_MAX, NULL);
}

const char buffer_map_absent_doc[] = PyDoc_STR(
    "_map_absent($type, memory, pool, size, fetcher, /)\n--\n\n"
    "The same of ``size`` > 0 bytes in zeroed memory of whole pages, which are absent until\n"
    "``fetcher.bring([(page, count), ...])`` has put them there and said so (Pool._zone_here).");

PyObject *
buffer_map_absent(PyObject *type, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t size;
    if (check_nargs("_map_absent", nargs, 4, 4) < 0 ||
        arg_offset(args[2], "size", &size) < 0) {
        return NULL;
    }
    return map_object(type, args, size, args[3]);
}

const char buffer_show_source_doc[] = PyDoc_STR(
    "_show_source($self, source, /)\n--\n\n"
    "Hold what a frozen buffer of the same pool holds, and have it as the source.");

PyObject *
buffer_show_source(BufferObject *self, PyObject *source)
{
    PyObject *done = buffer_restore(self, source);
    if (done && buffer_set_source(self, source) < 0) {
        Py_CLEAR(done);
    }
    return done;
}

const char buffer_map_doc[] = PyDoc_STR(
    "map($type, source, offset=0, size=None, *, io='mmap', pool=None)\n--\n\n"
    "A buffer over ``size`` bytes of ``source`` from ``offset`` on, to its end by default.\n\n"
    "``source`` is a path, an open file or its descriptor, or any C-contiguous buffer:\n"
    "bytes, an mmap, shared memory.  Nothing is copied: pages are read where they lie, and\n"
    "a write copies the page that it changes.  The source never changes, and it is kept as\n"
    "long as a buffer, a snapshot or a view shows it.  Less than 64 KiB are copied at once.\n"
    "Who changes the source otherwise changes what is shown; a file that somebody cuts\n"
    "short meanwhile ends the process when a page is read that is gone (SIGBUS), as with\n"
    "any mmap.  O(1) in the size.\n\n"
    "With ``io='read'`` the pages of a file are read when they are touched, 64 KiB at a time,\n"
    "and count against the limit of the pool, where those that came first go first.  A file\n"
    "that is cut short is then an OSError of the call that needed the bytes.\n\n"
    "ValueError when the range does not lie in the source, OSError for what cannot be\n"
    "mapped: a directory, a pipe, a file of /proc.\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> source = bytes(10**6)\n"
    ">>> buf = PageBuffer.map(source)\n"
    ">>> buf.write(5000, b'changed')\n"
    "7\n"
    ">>> buf.stats().pages, buf.stats().mapped  # the other one is the partial last page\n"
    "(2, 243)\n"
    ">>> buf.diff(buf.source, exact=True)\n"
    "[(5000, 7)]\n");

PyObject *
buffer_map(PyObject *type, PyObject *args, PyObject *kwargs)
{
    return buffer_call_python(type, "pagebuf._map", "map_source", args, kwargs);
}

const char buffer_detach_doc[] = PyDoc_STR(
    "detach($self, /)\n--\n\n"
    "Copy all pages that are still memory of somebody else: of the source, or of the objects\n"
    "that the buffer was unpickled from.\n\n"
    "One page that is not copied yet keeps all of such an object.  After this the buffer has no\n"
    "``source``, and shows none of it; its snapshots and clones may.  PoolLimitError: nothing is\n"
    "copied.  O(pages).\n\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> source = bytearray(10**6)\n"
    ">>> buf = PageBuffer.map(source)\n"
    ">>> buf.detach()\n"
    ">>> source.clear()  # nobody has a view of it\n"
    ">>> buf.stats().mapped, buf.source, len(buf)\n"
    "(0, None, 1000000)\n");

PyObject *
buffer_detach(BufferObject *self, PyObject *Py_UNUSED(ignored))
{
    pb_buf *b = &self->b;
    uint64_t size;
    pb_status st;
    do {
        buffer_lock(b);
        size = b->root.size;
        st = pb_buf_detach(b);
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, size));
    if (st != PB_OK || buffer_set_source(self, NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

const char buffer_save_doc[] = PyDoc_STR(
    "save($self, path, *, atomic=True)\n--\n\n"
    "Write the bytes to a file.  Holes become holes of the file, and what the buffer shows\n"
    "of a mapped file as it is goes there without passing through memory, where the system\n"
    "can do that.\n\n"
    "With ``atomic`` they go to a temporary file in the same folder, which takes the place\n"
    "of ``path`` when all is on disk: so a crash leaves the old file or the new one, and\n"
    "``path`` may be the very file that is mapped.  Otherwise they are written over it,\n"
    "which is refused for a mapped file.  OSError where writing fails; then an\n"
    "atomic save has changed nothing.  O(bytes).\n\n"
    ">>> import pathlib, tempfile\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> with tempfile.TemporaryDirectory() as folder:\n"
    "...     path = pathlib.Path(folder, 'saved')\n"
    "...     PageBuffer(b'hello').save(path)\n"
    "...     path.read_bytes()\n"
    "b'hello'\n");

PyObject *
buffer_save(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    return buffer_call_python((PyObject *)self, "pagebuf._map", "save", args, kwargs);
}

const char buffer_save_changes_doc[] = PyDoc_STR(
    "save_changes($self, *, force=False)\n--\n\n"
    "Write to the file that is mapped what differs from it, in place, and have it on disk.\n\n"
    "After it nothing differs from ``source``, which is the source of snapshots and clones,\n"
    "too; they keep their bytes: of the pages that are overwritten those are copied first\n"
    "that any of them shows.  So a snapshot from before can be restored, and saved.\n\n"
    "It is not atomic: a crash leaves some changes in the file and not the others, and who\n"
    "else has mapped the file sees them come.  ``save`` is the atomic one.  OSError, with\n"
    "nothing written, when the file's size or time of change is not what it was, unless\n"
    "``force``, and when it is another file by now, or cannot be written.  ValueError when the\n"
    "source is no file, or the length has changed and the map ends before its file does.\n"
    "An error while it writes leaves a mix, which the next call puts right.  O(changes).\n\n"
    ">>> import pathlib, tempfile\n"
    ">>> from pagebuf import PageBuffer\n"
    ">>> with tempfile.TemporaryDirectory() as folder:\n"
    "...     path = pathlib.Path(folder, 'file')\n"
    "...     _ = path.write_bytes(bytes(10**6))\n"
    "...     buf = PageBuffer.map(path)\n"
    "...     before = buf.snapshot()\n"
    "...     _ = buf.write(5000, b'changed')\n"
    "...     buf.save_changes()\n"
    "...     path.read_bytes()[5000:5007], before.read(5000, 7), buf.diff(buf.source)\n"
    "(b'changed', b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00', [])\n");

PyObject *
buffer_save_changes(BufferObject *self, PyObject *args, PyObject *kwargs)
{
    return buffer_call_python((PyObject *)self, "pagebuf._save_changes", "save_changes",
                              args, kwargs);
}

/* ---- memory that was received ---- */

const char buffer_put_memory_doc[] = PyDoc_STR(
    "_put_memory($self, offset, memory, /)\n--\n\n"
    "Show the bytes of a contiguous object from ``offset`` on instead of a copy.  The buffer\n"
    "is charged for them, as nobody else need keep them.");

PyObject *
buffer_put_memory(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    range_place place = {.where = RANGE_OVER};
    Py_buffer memory;
    if (check_nargs("_put_memory", nargs, 2, 2) < 0 ||
        arg_offset(args[0], "offset", &place.off) < 0 ||
        PyObject_GetBuffer(args[1], &memory, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    uint64_t n = (uint64_t)memory.len;
    PyTypeObject *type = state_of_buf(&self->b)->buffer_type;
    BufferObject *part = buffer_new(type, pool_object(&self->b), PB_MAX_LEVELS);
    if (part == NULL) {
        PyBuffer_Release(&memory);
        return NULL;
    }
    bool put = show_memory(part, &memory, (uint64_t)memory.len, NULL, true) == 0 &&
               range_put(&self->b, &place, &part->b, 0, &n) == 0;
    Py_DECREF(part);
    return put ? Py_NewRef(Py_None) : NULL;
}

/* ---- memory that lies side by side ---- */

typedef struct {
    unsigned long long off;
    const Py_buffer *memory;
} placed;

/* A row (offset, memoryview) of bytes.  -1 with an exception. */
static int
parse_row(PyObject *row, placed *out)
{
    PyObject *view;
    if (!PyTuple_Check(row) ||
        !PyArg_ParseTuple(row, "KO!", &out->off, &PyMemoryView_Type, &view)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "a row must be a tuple");
        }
        return -1;
    }
    out->memory = PyMemoryView_GET_BUFFER(view);
    if (!PyBuffer_IsContiguous(out->memory, 'C')) {
        PyErr_SetString(PyExc_BufferError, "a row must be contiguous");
        return -1;
    }
    return 0;
}

/* Do the bytes of `next` go on where n bytes from `first` on end, in the buffer and in memory? */
static bool
goes_on(const placed *first, uint64_t n, const placed *next)
{
    return next->off == first->off + n &&
           (const char *)next->memory->buf == (const char *)first->memory->buf + n;
}

/* Append the rows [i, j) as one of n bytes.  -1 with an exception. */
static int
append_joined(PyObject *list, module_state *state, PyObject *rows, const Py_ssize_t part[2],
              uint64_t n)
{
    PyObject *row = PyTuple_GET_ITEM(rows, part[0]);
    if (part[1] - part[0] == 1) {
        return PyList_Append(list, row);
    }
    PyObject *keep = PyTuple_GetSlice(rows, part[0], part[1]);
    void *at = PyMemoryView_GET_BUFFER(PyTuple_GET_ITEM(row, 1))->buf;
    PyObject *view = keep ? run_view(state, keep, at, n, 1) : NULL;
    PyObject *made = view ? PyTuple_Pack(2, PyTuple_GET_ITEM(row, 0), view) : NULL;
    int result = made ? PyList_Append(list, made) : -1;
    Py_XDECREF(made);
    Py_XDECREF(view);
    return result;
}

static int
join_rows(PyObject *list, module_state *state, PyObject *rows)
{
    Py_ssize_t part[2] = {0}, count = PyTuple_GET_SIZE(rows);
    while (part[0] < count) {
        placed first, next;
        if (parse_row(PyTuple_GET_ITEM(rows, part[0]), &first) < 0) {
            return -1;
        }
        uint64_t n = (uint64_t)first.memory->len;
        for (part[1] = part[0] + 1; part[1] < count; part[1]++) {
            if (parse_row(PyTuple_GET_ITEM(rows, part[1]), &next) < 0) {
                return -1;
            }
            if (!goes_on(&first, n, &next)) {
                break;
            }
            n += (uint64_t)next.memory->len;
        }
        if (append_joined(list, state, rows, part, n) < 0) {
            return -1;
        }
        part[0] = part[1];
    }
    return 0;
}

const char buffer_neighbours_doc[] = PyDoc_STR(
    "_neighbours($type, rows, /)\n--\n\n"
    "The rows (offset, memoryview of bytes) of a tuple as a list.  Those are one that go on in\n"
    "memory where the one before ends, and have the next offset.");

PyObject *
buffer_neighbours(PyObject *type, PyObject *rows)
{
    PyObject *module = PyType_GetModuleByDef((PyTypeObject *)type, &pagebuf_module);
    if (!PyTuple_Check(rows)) {
        PyErr_SetString(PyExc_TypeError, "_neighbours() takes a tuple");
        return NULL;
    }
    PyObject *list = module ? PyList_New(0) : NULL;
    if (list && join_rows(list, state_of_module(module), rows) < 0) {
        Py_CLEAR(list);
    }
    return list;
}

/* ---- after the source has changed ---- */

const char buffer_show_again_doc[] = PyDoc_STR(
    "_show_again($self, other, before, /)\n--\n\n"
    "Hold what ``other`` holds, a buffer of the same pool and the same bytes.  Where ``before``\n"
    "is a buffer, only if this one still holds what that does, and nobody has a live view.");

PyObject *
buffer_show_again(BufferObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyTypeObject *type = state_of_buf(&self->b)->buffer_type;
    if (check_nargs("_show_again", nargs, 2, 2) < 0) {
        return NULL;
    }
    if (!PyObject_TypeCheck(args[0], type) ||
        !(args[1] == Py_None || PyObject_TypeCheck(args[1], type))) {
        PyErr_SetString(PyExc_TypeError, "_show_again() takes buffers");
        return NULL;
    }
    pb_buf *from = &((BufferObject *)args[0])->b, *b = &self->b;
    const pb_buf *before = args[1] == Py_None ? NULL : &((BufferObject *)args[1])->b;
    pb_status st;
    do {
        buffer_lock_two(b, from);
        bool same = pb_pool_same(from->pool, b->pool) &&
                    (before == NULL || (pb_buf_same_tree(b, before) && !pb_buf_viewed(b)));
        st = same ? pb_buf_show(b, from) : PB_OK;
        buffer_unlock_two(b, from);
    } while (transfer_again(b, &st, 0, 0));
    return st == PB_OK ? Py_NewRef(Py_None) : NULL;
}

typedef struct {
    uint64_t off, n;
} piece;

/* Put memory of its own, with a copy of the pieces, in the place of a part of the memory.  For
 * whoever reads there that happens at once.  -1: errno says why not. */
static int
replace(const Py_buffer *mapped, const piece *part, const piece *keep, size_t n)
{
#ifdef __linux__
    size_t size = (size_t)part->n, start = (size_t)part->off;
    char *there = (char *)mapped->buf + start;
    char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (copy == MAP_FAILED) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        pb_copy((uint8_t *)copy + (keep[i].off - start),
                (const uint8_t *)mapped->buf + keep[i].off, keep[i].n);
    }
    if (mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, there) == MAP_FAILED) {
        int error = errno;
        munmap(copy, size);
        errno = error;
        return -1;
    }
    return 0;
#else
    (void)mapped, (void)part, (void)keep, (void)n;
    errno = ENOTSUP;
    return -1;
#endif
}

static bool
lies_in(const piece *p, uint64_t first, uint64_t past)
{
    return p->off >= first && p->off <= past && p->n <= past - p->off;
}

/* How far an mmap of so many bytes reaches: its last page is whole. */
static uint64_t
reach_of(const Py_buffer *mapped)
{
    uint64_t n = (uint64_t)mapped->len;
#ifdef __linux__
    uint64_t unit = (uint64_t)sysconf(_SC_PAGESIZE);
    n = (n + unit - 1) / unit * unit;
#endif
    return n;
}

/* A list of (offset, size), which lie in a part of the memory.  -1 with an exception. */
static int
parse_pieces(PyObject *list, const piece *part, piece *out)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        unsigned long long off, n;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(list, i), "KK", &off, &n)) {
            return -1;
        }
        out[i] = (piece){off, n};
        if (!lies_in(&out[i], part->off, part->off + part->n)) {
            PyErr_SetString(PyExc_ValueError, "the range is not in what is cut off");
            return -1;
        }
    }
    return 0;
}

const char buffer_keep_cut_doc[] = PyDoc_STR(
    "_keep_cut($type, mapped, offset, size, ranges, /)\n--\n\n"
    "Make a part of the memory of an mmap, of whole pages of the system, independent of the\n"
    "file, which is about to be cut there.  It keeps the bytes of the ranges (offset, size).");

PyObject *
buffer_keep_cut(PyObject *Py_UNUSED(type), PyObject *args)
{
    Py_buffer mapped;
    unsigned long long off, size;
    PyObject *list;
    int failed = -1;
    if (!PyArg_ParseTuple(args, "w*KKO!:_keep_cut", &mapped, &off, &size, &PyList_Type,
                          &list)) {
        return NULL;
    }
    piece part = {off, size};
    size_t n = (size_t)PyList_GET_SIZE(list);
    piece *keep = PyMem_Calloc(n + 1, sizeof *keep);
    if (keep == NULL) {
        PyErr_NoMemory();
    }
    else if (!lies_in(&part, 0, reach_of(&mapped))) {
        PyErr_SetString(PyExc_ValueError, "the part is not in the memory");
    }
    else if (parse_pieces(list, &part, keep) == 0) {
        failed = replace(&mapped, &part, keep, n);
        if (failed) {
            PyErr_SetFromErrno(PyExc_OSError);
        }
    }
    PyMem_Free(keep);
    PyBuffer_Release(&mapped);
    return failed ? NULL : Py_NewRef(Py_None);
}
