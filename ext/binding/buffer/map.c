/* buffer/map.c: buffers over memory of somebody else.  Files, and saving, are the business of
 * pagebuf._map. */
#include "buffer/object.h"

/* Of less than so many pages the bytes are copied. */
#define LEAST_PAGES 16

/* One attempt after another to show the zone.  -1 with an exception. */
static int
show_zone(pb_buf *b, pool_zone *z)
{
    uint64_t size = (uint64_t)z->memory.len;
    pb_status st;
    do {
        buffer_lock(b);
        st = pb_buf_map(b, &z->zone, size);
        buffer_unlock(b);
    } while (transfer_again(b, &st, 0, size));
    return st == PB_OK ? 0 : -1;
}

/* The buffer, which is empty, takes over the memory.  -1 with an exception; then the memory is
 * released. */
static int
show_memory(BufferObject *self, Py_buffer *memory)
{
    PoolObject *pool = pool_object(&self->b);
    if (memory->len < (Py_ssize_t)(LEAST_PAGES * PB_PAGE_SIZE)) {
        int result = transfer_extend(&self->b, memory->buf, (uint64_t)memory->len);
        PyBuffer_Release(memory);
        return result;
    }
    pool_zone *z = pool_open_zone(pool, memory);
    if (z == NULL) {
        PyBuffer_Release(memory);
        return -1;
    }
    if (show_zone(&self->b, z) < 0) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        pool_cancel_zone(pool, z);
        PyErr_Restore(type, value, traceback);
        return -1;
    }
    return 0;
}

const char buffer_map_memory_doc[] = PyDoc_STR(
    "_map_memory($type, memory, pool, /)\n--\n\n"
    "A frozen buffer over the bytes of a contiguous object, which it keeps as long as any\n"
    "buffer or view shows them.");

PyObject *
buffer_map_memory(PyObject *type, PyObject *const *args, Py_ssize_t nargs)
{
    BufferObject *self = NULL;
    PoolObject *pool;
    Py_buffer memory;
    if (check_nargs("_map_memory", nargs, 2, 2) < 0) {
        return NULL;
    }
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
                 show_memory(self, &memory) < 0)) {
        Py_CLEAR(self);
    }
    if (self) {
        pb_buf_freeze(&self->b, PB_FROZEN_SNAPSHOT); /* nobody else knows it yet */
        pb_buf_remember_tail(&self->b);
    }
    return (PyObject *)self;
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
    "map($type, source, offset=0, size=None, *, pool=None)\n--\n\n"
    "A buffer over ``size`` bytes of ``source`` from ``offset`` on, to its end by default.\n\n"
    "``source`` is a path, an open file or its descriptor, or any C-contiguous buffer:\n"
    "bytes, an mmap, shared memory.  Nothing is copied: pages are read where they lie, and\n"
    "a write copies the page that it changes.  The source never changes, and it is kept as\n"
    "long as a buffer, a snapshot or a view shows it.  Less than 64 KiB are copied at once.\n"
    "Who changes the source otherwise changes what is shown; a file that somebody cuts\n"
    "short meanwhile ends the process when a page is read that is gone (SIGBUS), as with\n"
    "any mmap.  O(1) in the size.\n\n"
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
