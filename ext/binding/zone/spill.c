/* zone/spill.c: frames that go to a file, and are read from it.
 *
 * pagebuf._spill opens the file, cuts it into zones, and says when how many pages have to go.  Here pages are
 * chosen, written, and named anew, all while the pool is at rest: with a GIL that thread keeps it. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* fallocate, pwritev */
#endif
#include "zone/spill.h"

#include "lock/lock.h"
#include "spill/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

/* The place of all pages that are zeros: never written, always there. */
#define ZEROS 0

/* So many pages go in one step. */
#define MOST_AT_ONCE 256

/* ---- zones ---- */

const char spill_begin_doc[] =
    "_spill_begin(pool, /)\n--\n\n"
    "From now on pages of the pool may leave memory: nobody keeps an address of one.";

PyObject *
spill_begin(PyObject *module, PyObject *pool)
{
    if (!PyObject_TypeCheck(pool, state_of_module(module)->pool_type)) {
        PyErr_SetString(PyExc_TypeError, "a pool is needed");
        return NULL;
    }
    pb_pool *root = ((PoolObject *)pool)->pool.root;
    pb_lock_take(&root->lock);
    pb_store32(&root->fetched, root->fetched + !root->spills);
    root->spills = true;
    pb_lock_drop(&root->lock);
    Py_RETURN_NONE;
}

/* Read bytes of a zone straight from its file.  No Python code, and no error: the slow way finds out what is
 * wrong. */
static bool
read_file(const pb_zone *zone, uint64_t at, uint64_t n, void *dst)
{
    const pool_zone *z = (const pool_zone *)zone;
    char *to = dst;
    if (locks_of(pool_around(z->root)->state)->forks != z->forks) {
        return false; /* the file is that of another process */
    }
    while (n) {
        ssize_t got = pread(z->fd, to, (size_t)n, (off_t)(z->file_at + at));
        if (got <= 0) {
            return false;
        }
        to += got;
        at += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return true;
}

const char spill_open_doc[] =
    "_spill_open(pool, memory, fetcher, fd, at, /)\n--\n\n"
    "Open a zone of absent pages, whose bytes are in a file from ``at`` on.  Returns the number\n"
    "of its first frame.  ``_spill_close`` ends it while no entry names it.";

PyObject *
spill_open(PyObject *module, PyObject *args)
{
    PyObject *pool, *memory, *fetcher;
    int fd;
    unsigned long long at;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "O!OOiK:_spill_open", state_of_module(module)->pool_type,
                          &pool, &memory, &fetcher, &fd, &at) ||
        PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    PoolObject *self = (PoolObject *)pool;
    uint32_t *named = PyMem_RawCalloc((size_t)view.len >> PB_PAGE_SHIFT, sizeof *named);
    pool_zone *z = named ? pool_open_zone(self, &view, fetcher) : NULL;
    if (z == NULL) {
        PyMem_RawFree(named);
        PyBuffer_Release(&view);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    z->fd = fd;
    z->file_at = at;
    z->forks = locks_of(self->state)->forks;
    Py_INCREF(self);
    z->zone.payer = &self->pool;
    pb_zone_count_names(&self->pool, &z->zone, named, read_file);
    pb_zone_set_here(&z->zone, ZEROS, 1, true);
    return PyLong_FromUnsignedLong(z->zone.first);
}

/* The arguments (pool, frame, fetcher) of a zone.  NULL with an exception, or because it has ended. */
static pool_zone *
zone_given(PyObject *module, PyObject *args, const char *format)
{
    PyObject *pool, *fetcher;
    unsigned long long frame;
    if (!PyArg_ParseTuple(args, format, state_of_module(module)->pool_type, &pool, &frame,
                          &fetcher)) {
        return NULL;
    }
    return pool_fetched_zone((PoolObject *)pool, frame, fetcher);
}

const char spill_close_doc[] =
    "_spill_close(pool, frame, fetcher, /)\n--\n\n"
    "End a zone that no entry names.";

PyObject *
spill_close(PyObject *module, PyObject *args)
{
    pool_zone *z = zone_given(module, args, "O!KO:_spill_close");
    if (z && z->zone.entries == 0) {
        pool_cancel_zone(pool_around(z->root), z);
    }
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* ---- out ---- */

static bool
is_buffer(const pb_buf *b)
{
    return PyObject_TypeCheck(holder_of(b), state_of_buf(b)->buffer_type);
}

static bool
is_zeros(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PB_PAGE_SIZE - 1) == 0;
}

static bool
is_free_place(const pb_zone *z, uint32_t i)
{
    return pb_load32(&z->named[i]) == 0 && !(pb_load64(&z->here[i >> 6]) >> (i & 63) & 1);
}

/* How many of the places of a zone are free: up to `most`. */
static uint32_t
free_places(const pb_zone *z, uint32_t most)
{
    uint32_t n = 0;
    for (uint32_t i = ZEROS + 1; i < z->count && n < most; i++) {
        n += is_free_place(z, i);
    }
    return n;
}

/* Give each page a place, in rising order.  Returns how many have to be written. */
static size_t
give_places(const pool_zone *z, pb_cold *cold, size_t n)
{
    uint32_t place = ZEROS;
    size_t written = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_zeros(pb_frame_address(z->root, cold[i].frame))) {
            cold[i].to = z->zone.first + ZEROS;
            continue;
        }
        do {
            place++;
        } while (!is_free_place(&z->zone, place));
        cold[i].to = z->zone.first + place;
        written++;
    }
    return written;
}

static ssize_t
write_at(int fd, const struct iovec *iov, int n, off_t at)
{
#ifdef __linux__
    return pwritev(fd, iov, n, at);
#else
    (void)n;
    return pwrite(fd, iov->iov_base, iov->iov_len, at);
#endif
}

/* Write all of n pieces, which are used up.  Returns 0 or an errno. */
static int
write_pieces(int fd, struct iovec *iov, int n, off_t at)
{
    while (n) {
        ssize_t done = write_at(fd, iov, n, at);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return done ? errno : ENOSPC;
        }
        at += done;
        while (n && (size_t)done >= iov->iov_len) {
            done -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n) {
            iov->iov_base = (char *)iov->iov_base + done;
            iov->iov_len -= (size_t)done;
        }
    }
    return 0;
}

/* Write the pages to their places: those in neighbouring places together.  Returns 0 or an errno; then nothing
 * counts of what was written. */
static int
write_pages(const pool_zone *z, const pb_cold *cold, size_t n)
{
    struct iovec iov[MOST_AT_ONCE];
    int pieces = 0, error = 0;
    pb_frame first = 0, next = 0; /* places of the pieces */
    for (size_t i = 0; i <= n && error == 0; i++) {
        bool more = i < n;
        if (more && cold[i].to == z->zone.first + ZEROS) {
            continue;
        }
        if (pieces && (!more || cold[i].to != next)) {
            uint64_t at = (uint64_t)(first - z->zone.first) << PB_PAGE_SHIFT;
            error = write_pieces(z->fd, iov, pieces, (off_t)(z->file_at + at));
            pieces = 0;
        }
        if (more) {
            char *from = (char *)pb_frame_address(z->root, cold[i].frame);
            struct iovec *last = &iov[pieces - (pieces > 0)];
            first = pieces ? first : cold[i].to;
            next = cold[i].to + 1;
            if (pieces && (char *)last->iov_base + last->iov_len == from) {
                last->iov_len += PB_PAGE_SIZE;
            }
            else {
                iov[pieces++] = (struct iovec){from, PB_PAGE_SIZE};
            }
        }
    }
    return error;
}

typedef struct {
    size_t moved, written;
    uint32_t left; /* free places, one at most */
    int error;
} outcome;

/* The pool is at rest. */
static outcome
send_out(pool_zone *z, pb_pool *pool, pb_hand *hand, uint64_t want)
{
    pb_cold cold[MOST_AT_ONCE];
    const pb_hand before = *hand;
    uint32_t most = (uint32_t)pb_min(want, MOST_AT_ONCE);
    outcome o = {0};
    most = free_places(&z->zone, most);
    size_t n = most ? pb_spill_choose(pool, hand, is_buffer, cold, most) : 0;
    o.written = give_places(z, cold, n);
    o.error = write_pages(z, cold, n);
    if (o.error) {
        *hand = before;
        return o;
    }
    pb_spill_move(cold, n);
    o.moved = n;
    o.left = free_places(&z->zone, 1);
    return o;
}

const char spill_out_doc[] =
    "_spill_out(pool, frame, fetcher, want, tree, page, /)\n--\n\n"
    "Have pages of the pool go to a zone: ``want`` of them, or fewer.  Where to go on is said\n"
    "by tree and page.  Returns (moved, written, room, tree, page): pages that went, how many of\n"
    "them had to be written, whether the zone has room left.  OSError: none went.";

PyObject *
spill_out(PyObject *module, PyObject *args)
{
    PyObject *pool, *fetcher;
    unsigned long long frame, want, tree, page;
    if (!PyArg_ParseTuple(args, "O!KOKKK:_spill_out", state_of_module(module)->pool_type,
                          &pool, &frame, &fetcher, &want, &tree, &page)) {
        return NULL;
    }
    PoolObject *self = (PoolObject *)pool;
    pb_hand hand = {(const pb_buf *)(uintptr_t)tree, page};
    outcome o = {0};
    rest_begin(self);
    pool_zone *z = pool_fetched_zone(self, frame, fetcher);
    if (z && z->zone.named) {
        o = send_out(z, &self->pool, &hand, want);
    }
    rest_end(self);
    pb_pool_keep(&self->pool);
    if (o.error) {
        errno = o.error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue(
        "nnNKK", (Py_ssize_t)o.moved, (Py_ssize_t)o.written, PyBool_FromLong(o.left != 0),
        (unsigned long long)(uintptr_t)hand.tree, (unsigned long long)hand.page);
}

/* ---- places that nobody names any more (I13) ---- */

static int
add_run(PyObject *list, uint32_t first, uint32_t past)
{
    PyObject *run = Py_BuildValue("II", first, past - first);
    int result = run ? PyList_Append(list, run) : -1;
    Py_XDECREF(run);
    return result;
}

/* Add the runs of places for which that is so, and which have `least` places at least.  -1 with an exception. */
static int
add_runs(PyObject *list, const pb_zone *z, uint32_t least,
         bool (*is_so)(const pb_zone *z, uint32_t i))
{
    uint32_t first = ZEROS + 1;
    for (uint32_t i = first; i <= z->count; i++) {
        if (i < z->count && is_so(z, i)) {
            continue;
        }
        if (i - first >= least && add_run(list, first, i) < 0) {
            return -1;
        }
        first = i + 1;
    }
    return 0;
}

static bool
is_kept_for_nobody(const pb_zone *z, uint32_t i)
{
    return pb_load32(&z->named[i]) == 0 && !is_free_place(z, i);
}

/* So many places side by side are worth a system call. */
#define PUNCHED_LEAST 16

const char spill_given_up_doc[] =
    "_spill_given_up(pool, frame, fetcher, /)\n--\n\n"
    "Two lists of (page, count), and whether many places have become free since the last time:\n"
    "pages of a zone that are in memory, but which no entry names any more; and, if they are\n"
    "many, stretches of the file that nobody needs.";

PyObject *
spill_given_up(PyObject *module, PyObject *args)
{
    pool_zone *z = zone_given(module, args, "O!KO:_spill_given_up");
    PyObject *here = PyErr_Occurred() ? NULL : PyList_New(0);
    PyObject *holes = here ? PyList_New(0) : NULL;
    int result = holes ? 0 : -1;
    bool many = z && pb_load32(&z->zone.given_up) >= pb_zone_many(&z->zone);
    if (result == 0 && z && z->zone.named) {
        result = add_runs(here, &z->zone, 1, is_kept_for_nobody);
        if (result == 0 && many) {
            pb_store32(&z->zone.given_up, 0);
            result = add_runs(holes, &z->zone, PUNCHED_LEAST, is_free_place);
        }
    }
    PyObject *both =
        result == 0 ? PyTuple_Pack(3, here, holes, many ? Py_True : Py_False) : NULL;
    Py_XDECREF(here);
    Py_XDECREF(holes);
    return both;
}

const char spill_punch_doc[] =
    "_spill_punch(fd, at, size, /)\n--\n\n"
    "Give a part of a file back to its file system, if that can be done.";

PyObject *
spill_punch(PyObject *Py_UNUSED(module), PyObject *args)
{
    int fd;
    unsigned long long at, size;
    if (!PyArg_ParseTuple(args, "iKK:_spill_punch", &fd, &at, &size)) {
        return NULL;
    }
#if defined(__linux__) && defined(FALLOC_FL_PUNCH_HOLE)
    int done =
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)size);
    return PyBool_FromLong(done == 0);
#else
    Py_RETURN_FALSE;
#endif
}
