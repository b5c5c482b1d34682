/* transfer/fetch.c: pages that a call met absent are fetched, and the call is made again.
 *
 * The fetching itself (who asks whom for what, and what goes for it) is the business of
 * pagebuf._remote.  Here no lock is held, so it may take as long as it likes. */
#include "transfer/transfer.h"

/* [(page, count), ...], or NULL with an exception. */
static PyObject *
list_runs(const pb_frames *noted, uint32_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (uint32_t i = 0; list && i < n; i++) {
        PyObject *run = Py_BuildValue("(II)", noted[i].first, noted[i].count);
        if (run) {
            PyList_SET_ITEM(list, (Py_ssize_t)i, run);
        }
        else {
            Py_CLEAR(list);
        }
    }
    return list;
}

int
transfer_fetch(pb_buf *b)
{
    pb_frames noted[PB_ABSENT_RUNS];
    PyObject *fetcher, *list, *done = NULL;
    uint32_t n = pool_noted(pool_object(b), &fetcher, noted);
    if (n == 0) {
        return 1; /* the zone has ended, or another thread was quicker */
    }
    list = list_runs(noted, n);
    if (list) {
        done = PyObject_CallMethodOneArg(fetcher, pool_object(b)->state->str_bring, list);
        Py_DECREF(list);
    }
    Py_DECREF(fetcher);
    Py_XDECREF(done);
    pb_set_bits8(&pb_buf_pool(b)->root->pending, PB_PENDING_HELD);
    return done ? 1 : -1;
}
