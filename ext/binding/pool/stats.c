/* pool/stats.c: counts of a pool, and what each tree holds of it. */
#include "pool/object.h"

#include "base/structs.h"
#include "buffer/share.h"
#include "inspect/usage.h"

/* ---- stats ---- */

const char pool_stats_doc[] =
    "stats($self, /)\n--\n\n"
    "How the pool stands: a PoolStats, counted in frames.  O(frames).\n\n"
    "``held``, ``nodes``, ``pinned``, ``shared``, ``reserved`` and ``high_water`` are what\n"
    "the pool and its children took; the frames that nobody has are those of the whole\n"
    "family.";

#define STATS 18

/* Pages of the pool and its children that have left memory, as far as entries name them. */
static uint64_t
count_spilled(const pb_pool *pool)
{
    uint64_t n = 0;
    for (const pb_zone *z = pool->root->open_zones; z; z = z->next) {
        bool counts = z->named && z->payer && pb_pool_within(z->payer, pool);
        for (uint32_t i = 0; counts && i < z->count; i++) {
            n += z->named[i] && !(pb_load64(&z->here[i >> 6]) >> (i & 63) & 1);
        }
    }
    return n;
}

/* The pool is at rest. */
static void
stats_at_rest(const PoolObject *self, long long values[STATS])
{
    const pb_pool *p = &self->pool, *root = p->root;
    const long long now[STATS] = {
        (long long)PB_PAGE_SIZE,
        (long long)root->total,
        (long long)p->held,
        (long long)(root->listed + root->untouched),
        (long long)p->nodes,
        (long long)pb_pool_pinned(p),
        (long long)pb_pool_shared(p),
        (long long)p->reserved,
        (long long)p->high_water,
        (long long)root->regions,
        (long long)pb_pool_tables(p),
        p->limit == PB_UNLIMITED ? -1 : (long long)p->limit,
        (long long)pb_pool_warm(root),
        (long long)root->quarantined,
        (long long)root->guards,
        (long long)p->detached,
        (long long)p->lent,
        (long long)count_spilled(p),
    };
    memcpy(values, now, sizeof now);
}

static PyObject *
stats_object(const PoolObject *self, const long long values[STATS])
{
    return struct_of_numbers(self->state->pool_stats_type, values, STATS);
}

PyObject *
pool_stats(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    long long values[STATS];
    rest_begin(self);
    stats_at_rest(self, values);
    rest_end(self);
    return stats_object(self, values);
}

/* ---- the trees ---- */

static bool
is_listed(const PoolObject *self, const pb_buf *b)
{
    return pb_pool_within(b->pool, &self->pool);
}

/* ---- usage: what each holds ---- */

/* One row.  Gather all rows before making any Python object: that may run the collector. */
typedef struct {
    const char *kind;
    PyObject *obj; /* a reference, or NULL */
    bool listed;
    uint64_t size, lent;
    pb_tree_stats use;
    pb_share share;
} row;

static const char *
kind_of(module_state *state, const pb_buf *b, PyObject *obj)
{
    if (obj == NULL) {
        return "view";
    }
    if (PyObject_TypeCheck(obj, state->buffer_type)) {
        return pb_buf_frozen(b) ? "snapshot" : "PageBuffer";
    }
    if (PyObject_TypeCheck(obj, state->store_type)) {
        return "store";
    }
    return PyObject_TypeCheck(obj, state->queue_type) ? "ByteQueue" : "BytesIO";
}

static size_t
count_trees(const PoolObject *self)
{
    size_t n = 0;
    EACH_TREE(self->pool.root, b)
    {
        n++;
    }
    return n;
}

/* Fill a row for each tree of the root.  Trees of other pools count as well: they may
 * share what this pool took. */
static void
fill_rows(PoolObject *self, row *rows, uint32_t *scratch)
{
    module_state *state = self->state;
    pb_usage usage;
    pb_usage_begin(&usage, &self->pool, scratch);
    EACH_TREE(self->pool.root, b)
    {
        PyObject *obj = object_around(b);
        rows->kind = kind_of(state, b, obj);
        rows->obj = obj;
        rows->listed = is_listed(self, b);
        rows->size = b->root.size;
        rows->size += obj ? state->beside(state, obj, &rows->lent) : 0;
        if (pb_buf_is_lent(b)) {
            rows->size = rows->lent = pb_buf_lender(b)->size;
        }
        pb_buf_stats(b, &rows->use);
        pb_usage_of(&usage, b, &rows->share);
        rows++;
    }
}

static PyObject *
row_object(module_state *state, const row *r)
{
    PyObject *name = r->obj ? state->name_of(state, r->obj) : NULL;
    const pb_share *s = &r->share;
    PyObject *tuple = Py_BuildValue(
        "sOOKKKKKKKKKK", r->kind, name ? name : Py_None, r->obj ? r->obj : Py_None,
        (unsigned long long)r->size, (unsigned long long)s->frames << PB_PAGE_SHIFT,
        (unsigned long long)(s->frames - s->uss) << PB_PAGE_SHIFT,
        (unsigned long long)s->uss << PB_PAGE_SHIFT, (unsigned long long)s->pss,
        (unsigned long long)s->nodes, (unsigned long long)r->use.holes,
        (unsigned long long)r->use.pinned, (unsigned long long)r->lent,
        (unsigned long long)r->use.mapped << PB_PAGE_SHIFT);
    Py_XDECREF(name);
    return tuple;
}

/* The rows as tuples; *elsewhere becomes one sum for all trees of other pools. */
static PyObject *
list_rows(module_state *state, const row *rows, size_t n, uint64_t *elsewhere)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < n; i++) {
        *elsewhere += rows[i].listed ? 0 : rows[i].share.pss;
        PyObject *tuple = rows[i].listed ? row_object(state, &rows[i]) : NULL;
        if (rows[i].listed && (tuple == NULL || PyList_Append(list, tuple) < 0)) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

const char pool_usage_doc[] =
    "_usage($self, /)\n--\n\n"
    "A tuple for each tree that draws from the pool or a child (kind, name, object, size,\n"
    "resident, shared, private, proportional, nodes, holes, pinned, lent, mapped), in bytes and\n"
    "pages, the bytes that trees of other pools hold of what this one took, and the stats() of the\n"
    "same moment.";

/* Memory for all rows, had outside of the rest: as often as there are more trees by then. */
typedef struct {
    size_t n, words;
    row *rows;
    uint32_t *scratch;
    long long stats[STATS];
} table;

static int
make_table(const PoolObject *self, table *t)
{
    t->rows = PyMem_Calloc(t->n ? t->n : 1, sizeof *t->rows);
    t->scratch = PyMem_Calloc(t->words, sizeof *t->scratch);
    if (t->rows == NULL || t->scratch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static void
free_table(table *t)
{
    PyMem_Free(t->rows);
    PyMem_Free(t->scratch);
}

/* false: there is more by now than the table has room for. */
static bool
fill_table(PoolObject *self, table *t)
{
    size_t n = count_trees(self), words = pb_usage_words(&self->pool);
    bool fits = t->rows && n <= t->n && words <= t->words;
    if (fits) {
        fill_rows(self, t->rows, t->scratch);
        stats_at_rest(self, t->stats);
    }
    t->n = n;
    t->words = words;
    return fits;
}

static PyObject *
table_object(const PoolObject *self, const table *t)
{
    uint64_t elsewhere = 0;
    PyObject *list = list_rows(self->state, t->rows, t->n, &elsewhere);
    PyObject *stats = list ? stats_object(self, t->stats) : NULL;
    PyObject *all =
        stats ? Py_BuildValue("OKO", list, (unsigned long long)elsewhere, stats) : NULL;
    Py_XDECREF(list);
    Py_XDECREF(stats);
    return all;
}

PyObject *
pool_usage(PoolObject *self, PyObject *Py_UNUSED(ignored))
{
    table t = {0};
    bool filled = false;
    int failed = 0;
    while (!filled && failed == 0) {
        rest_begin(self);
        filled = fill_table(self, &t);
        rest_end(self);
        if (!filled) {
            free_table(&t);
            failed = make_table(self, &t);
        }
    }
    PyObject *result = filled ? table_object(self, &t) : NULL;
    for (size_t i = 0; filled && i < t.n; i++) {
        Py_XDECREF(t.rows[i].obj);
    }
    free_table(&t);
    return result;
}
