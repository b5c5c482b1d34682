/* view/lists.c: stable views of a range, one for each run that it lies in. */
#include "view/run.h"
#include "view/stable.h"
#include "view/zeros.h"

/* A list of views in the making: what is left of the range, and how a hole is shown. */
typedef struct {
    StableObject *stable;
    uint64_t off, n;  /* in its tree */
    uint64_t ahead;   /* of these offsets are those of the buffer */
    bool data_only;   /* rows of offset and view, without holes */
    pb_stretch known; /* what is left begins with this one; 0 bytes: look it up */
} view_list;

/* What is left begins with a hole of *n bytes: a view of as much of it as there are zeros. */
static PyObject *
hole_view(module_state *state, const view_list *v, uint64_t *n)
{
    zero_run zeros;
    if (zeros_get(state, &zeros) < 0) {
        return NULL;
    }
    pb_stretch next = {.n = *n};
    for (*n = 0; next.at == NULL && next.kind != PB_EXTENT_ABSENT;
         next = pb_buf_stretch(&v->stable->b, v->off + *n, v->n - *n)) {
        *n += next.n;
        if (*n == v->n || *n >= zeros.n) {
            break;
        }
    }
    *n = pb_min(*n, zeros.n);
    return run_view(state, zeros.owner, zeros.address, *n, 1);
}

/* What is left begins with these bytes, or this hole.  Where rows say their offset, one goes on as
 * long as the memory does, whatever leaves and regions it lies in. */
static pb_stretch
next_stretch(view_list *v)
{
    const pb_buf *b = &v->stable->b;
    pb_stretch s = v->known.n ? v->known : pb_buf_stretch(b, v->off, v->n);
    v->known.n = 0;
    while (v->data_only && s.at && s.n < v->n) {
        v->known = pb_buf_stretch(b, v->off + s.n, v->n - s.n);
        if (v->known.at != s.at + s.n) {
            break;
        }
        s.n += v->known.n;
        v->known.n = 0;
    }
    return s;
}

/* Of pages that may leave memory a view is a copy, of so many bytes at most. */
#define COPY_MOST ((uint64_t)1 << 20)

/* Is what is left of pages that may leave memory, or are absent?  Then cut *s to one view of it. */
static bool
is_copied(view_list *v, pb_stretch *s)
{
    const pb_buf *b = &v->stable->b;
    bool may = PB_UNLIKELY(pb_pool_fetches(b->pool));
    if (!may || (s->at && pb_buf_one_run(b, v->off, s->n))) {
        return false;
    }
    if (s->n > COPY_MOST) {
        s->n = COPY_MOST;
        v->known.n = 0;
    }
    return s->at || s->kind == PB_EXTENT_ABSENT;
}

/* Put the next stretch into the list, or a part of a long hole.  false with an
 * exception. */
static bool
list_next(view_list *v, module_state *state, PyObject *list)
{
    pb_stretch s = next_stretch(v);
    bool added = true, copied = is_copied(v, &s);
    pool_forget_noted(v->stable->pool); /* a copy notes for itself what it needs */
    if (s.at || copied || !v->data_only) {
        PyObject *item = copied ? view_copy(&v->stable->b, v->off, s.n)
                         : s.at ? run_view_part(state, v->stable, s.at, v->off, s.n)
                                : hole_view(state, v, &s.n);
        pool_forget_noted(v->stable->pool); /* of what lies behind a hole */
        if (item && v->data_only) {
            item = Py_BuildValue("(KN)", (unsigned long long)(v->off + v->ahead), item);
        }
        added = item && PyList_Append(list, item) == 0;
        Py_XDECREF(item);
    }
    v->off += s.n;
    v->n -= s.n;
    return added;
}

/* All views are there: from now on the tree gives up what they no longer show. */
static void
complete(StableObject *stable)
{
    if (stable->parts.first) {
        buffer_lock(&stable->b);
        pb_parts_complete(&stable->parts, &stable->b, stable->exact);
        buffer_unlock(&stable->b);
        pool_report_unraisable(stable->pool);
    }
}

static PyObject *
list_stable(pb_buf *b, const view_range *asked, uint64_t most, bool data_only)
{
    stable_wish w = {*asked, most, NULL};
    module_state *state = state_of_buf(b);
    StableObject *stable = stable_new(b, &w);
    PyObject *list = stable ? PyList_New(0) : NULL;
    view_list v = {.stable = stable, .n = w.range.n, .data_only = data_only};
    if (list && v.n) {
        v.off = stable->at;
        v.ahead = w.range.off - v.off;
    }
    while (list && v.n && (uint64_t)PyList_GET_SIZE(list) < most) {
        if (!list_next(&v, state, list)) {
            Py_CLEAR(list);
        }
    }
    if (list) {
        complete(stable);
    }
    Py_XDECREF(stable);
    return list;
}

PyObject *
views_stable(pb_buf *b, const view_range *asked, uint64_t most)
{
    return list_stable(b, asked, most, false);
}

PyObject *
views_data(pb_buf *b, const view_range *asked)
{
    return list_stable(b, asked, UINT64_MAX, true);
}
