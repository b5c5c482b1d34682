/* pool/region.c: who owns an address, and is it safe to touch? */
#include "pool/trace.h" /* first: Python.h says which functions there are */

#include "base/args.h"
#include "base/structs.h"
#include "inspect/usage.h"
#include "pool/poison.h"
#include "pool/guard.h"

/* What is known of one address.  Gather it before making any Python object: that may run
 * the collector, which changes it. */
typedef struct {
    const pb_region *region; /* NULL: of no pool, or of a zone */
    PoolObject *pool;        /* a reference, as is that to the object */
    PyObject *object;        /* around the owner, or NULL */
    pb_frame frame;
    pb_owner owner; /* of this byte */
    pb_kind kind;
    bool readable, writable, in_view;
    pb_trace trace;
} finding;

static const char *const states[PB_KINDS] = {
    [PB_KIND_NONE] = "unused",
    [PB_KIND_DATA] = "page",
    [PB_KIND_NODE] = "node",
    [PB_KIND_DETACHED] = "detached",
    [PB_KIND_QUARANTINED] = "quarantined",
    [PB_KIND_GUARD] = "guard",
    [PB_KIND_FREE] = "free",
};

/* A new reference to a pool, unless it is in its dealloc.  The map is locked, so it is still there. */
static PoolObject *
living_root(pb_pool *root)
{
    PoolObject *pool = pool_around(root);
#ifdef Py_GIL_DISABLED
    return PyUnstable_TryIncRef((PyObject *)pool) ? pool : NULL;
#else
    return Py_REFCNT(pool) > 0 ? (PoolObject *)Py_NewRef(pool) : NULL;
#endif
}

static PoolObject *
living_pool(const pb_region *r)
{
    return living_root(r->pool);
}

/* The region that an address lies in, and a new reference to its pool; NULL: none. */
static const pb_region *
region_at(module_state *state, uintptr_t address, PoolObject **pool)
{
    const void *p = (const void *)address;
    pb_lock_take(&state->map.lock);
    const pb_interval *x = pb_intervals_touching(&state->map.regions, p, 1);
    const pb_region *r = x ? pb_debug_region(x) : NULL;
    *pool = r ? living_pool(r) : NULL;
    pb_lock_drop(&state->map.lock);
    return *pool ? r : NULL;
}

static bool
is_in_view(module_state *state, uintptr_t address)
{
    pb_lock_take(&state->map.lock);
    bool found =
        pb_intervals_containing(&state->map.views, (const void *)address, 1) != NULL;
    pb_lock_drop(&state->map.lock);
    return found;
}

static bool
is_payload(pb_kind kind)
{
    return kind == PB_KIND_DATA || kind == PB_KIND_DETACHED;
}

/* Nobody else may see a write: neither a second entry, nor a shared node above, nor a
 * snapshot. */
static bool
is_writable(const finding *f)
{
    const pb_row *row = f->region->table + (f->frame - f->region->first);
    bool frozen = f->owner.tree && pb_buf_frozen(f->owner.tree);
    return is_payload(f->kind) && pb_guard_of(f->region->pool, f->frame) == PB_OPEN &&
           row->held.count <= 1 && !f->owner.shared && !frozen;
}

/* All that is known of it, with a reference to the owner.  The pool of the region is at rest. */
static void
look(finding *f, uintptr_t address)
{
    const pb_pool *pool = f->region->pool;
    f->frame = pb_debug_frame_at(f->region, address);
    f->kind = pb_frame_kind(f->region, f->frame);
    f->readable = (is_payload(f->kind) || f->kind == PB_KIND_NODE) &&
                  pb_guard_of(pool, f->frame) != PB_CLOSED;
    f->trace = pb_frame_trace(pool, f->frame);
    if (is_payload(f->kind) || f->readable) {
        uint64_t in_page = (address - (uintptr_t)f->region->base) & PB_PAGE_MASK;
        f->owner = pb_owner_of(f->region->pool, f->frame, in_page);
        f->writable = is_writable(f);
        f->object = object_around(f->owner.tree);
    }
}

/* ---- zones ---- */

/* Do n bytes lie in pages of one zone?  Then its pool, a new reference, and the frame and the byte in it
 * that they begin with. */
static bool
zone_at(module_state *state, uintptr_t address, uint64_t n, finding *f, uint64_t *in_page)
{
    pb_lock_take(&state->lists);
    const pb_interval *x =
        n ? pb_intervals_containing(&state->zones, (const void *)address, n) : NULL;
    const pool_zone *z =
        x ? (const pool_zone *)((const char *)x - offsetof(pool_zone, place)) : NULL;
    f->pool = z ? living_root(z->root) : NULL;
    if (f->pool) {
        uint64_t at = address - (uintptr_t)z->zone.base;
        f->frame = z->zone.first + (pb_frame)(at >> PB_PAGE_SHIFT);
        *in_page = at & PB_PAGE_MASK;
    }
    pb_lock_drop(&state->lists);
    return f->pool != NULL;
}

static void
look_in_zone(finding *f, uint64_t in_page)
{
    f->readable = pb_zone_of(&f->pool->pool, f->frame) != NULL;
    if (f->readable) { /* else it has ended meanwhile */
        f->owner = pb_owner_of(&f->pool->pool, f->frame, in_page);
        f->object = object_around(f->owner.tree);
    }
}

static finding
find(module_state *state, uintptr_t address)
{
    finding f = {0};
    uint64_t in_page;
    f.region = region_at(state, address, &f.pool);
    if (f.region == NULL && zone_at(state, address, 1, &f, &in_page)) {
        rest_begin(f.pool);
        look_in_zone(&f, in_page);
        rest_end(f.pool);
    }
    if (f.region) {
        f.in_view = f.region->pool->debug && is_in_view(state, address);
        rest_begin(f.pool);
        look(&f, address);
        rest_end(f.pool);
    }
    return f;
}

static int
arg_address(PyObject *obj, uintptr_t *out)
{
    PyObject *index = PyNumber_Index(obj);
    unsigned long long value = index ? PyLong_AsUnsignedLongLong(index) : 0;
    Py_XDECREF(index);
    if (PyErr_Occurred()) {
        if (index && PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError, "address must lie between 0 and 2**64");
            return -1;
        }
        return arg_refused(obj, "address", "an int");
    }
    *out = (uintptr_t)value;
    return 0;
}

static PyObject *
finding_object(module_state *state, PyObject *address, const finding *f)
{
    PoolObject *pool = f->pool;
    PyObject *fields[] = {
        Py_NewRef(address),
        Py_NewRef(pool),
        PyLong_FromUnsignedLong(f->frame),
        PyUnicode_FromString(f->region ? states[f->kind] : "mapped"),
        Py_NewRef(f->object ? f->object : Py_None),
        f->owner.tree ? PyLong_FromUnsignedLongLong(f->owner.offset) : Py_NewRef(Py_None),
        PyBool_FromLong(f->readable),
        PyBool_FromLong(f->writable),
        PyBool_FromLong(f->in_view),
        trace_text(pool, f->trace.took),
        trace_text(pool, f->trace.freed),
    };
    return struct_of_objects(state->region_type, fields, Py_ARRAY_LENGTH(fields));
}

const char region_of_doc[] =
    "region_of($module, address, /)\n--\n\n"
    "Whose is an address?  A Region, or None when it is of no pool.\n\n"
    "The page walk from the other side: the pool, the frame and its state ('page', 'mapped',\n"
    "'node', 'free', 'unused', 'detached', 'quarantined', 'guard'), the buffer it belongs to and the\n"
    "offset in it, and whether it is safe to read and to write.  A shared page and that of a\n"
    "snapshot are not safe to write.  In debug pools also whether it lies in a view that was\n"
    "handed out, and who took and freed the frame last.  O(log pools + pages of the pool).\n\n"
    ">>> import pagebuf\n"
    ">>> buf = pagebuf.PageBuffer(bytes(3000), pool=pagebuf.PagePool())\n"
    ">>> address = buf.walk(0).steps[-1].address\n"
    ">>> there = pagebuf.region_of(address + 1000)\n"
    ">>> there.owner is buf, there.offset, there.state, there.readable\n"
    "(True, 1000, 'page', True)\n"
    ">>> pagebuf.region_of(id(buf)) is None\n"
    "True\n";

PyObject *
module_region_of(PyObject *module, PyObject *address)
{
    uintptr_t at;
    module_state *state = state_of_module(module);
    if (arg_address(address, &at) < 0) {
        return NULL;
    }
    finding f = find(state, at);
    if (f.pool == NULL) {
        Py_RETURN_NONE; /* of no pool, or of one in its dealloc */
    }
    PyObject *result = finding_object(state, address, &f);
    Py_XDECREF(f.object);
    Py_DECREF(f.pool);
    return result;
}

const char is_valid_doc[] =
    "is_valid($module, address, size=1, /)\n--\n\n"
    "Are all of the ``size`` bytes from ``address`` on in pages that somebody holds, so that\n"
    "reading them is safe?  O(pages of the range + log pools).\n\n"
    ">>> import pagebuf\n"
    ">>> buf = pagebuf.PageBuffer(bytes(3000), pool=pagebuf.PagePool())\n"
    ">>> address = buf.walk(0).steps[-1].address\n"
    ">>> pagebuf.is_valid(address, 3000)\n"
    "True\n"
    ">>> buf.clear()\n"
    ">>> pagebuf.is_valid(address)\n"
    "False\n";

static bool
is_valid_frame(const pb_region *r, pb_frame frame)
{
    bool detached = frame && pb_frame_kind(r, frame) == PB_KIND_DETACHED;
    return frame && (detached || pb_frame_readable(r->pool, frame)) &&
           pb_guard_of(r->pool, frame) != PB_CLOSED;
}

static bool
is_valid_page(module_state *state, uintptr_t address)
{
    PoolObject *pool;
    const pb_region *r = region_at(state, address, &pool);
    if (r == NULL) {
        return false;
    }
    pb_lock_take(&pool->pool.lock);
    bool valid = is_valid_frame(r, pb_debug_frame_at(r, address));
    pb_lock_drop(&pool->pool.lock);
    Py_DECREF(pool);
    return valid;
}

static bool
in_zone(module_state *state, uintptr_t address, uint64_t n)
{
    finding f = {0};
    uint64_t in_page;
    bool found = zone_at(state, address, n, &f, &in_page);
    Py_XDECREF(f.pool);
    return found;
}

PyObject *
module_is_valid(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    uintptr_t at;
    uint64_t n = 1;
    if (check_nargs("is_valid", nargs, 1, 2) < 0 || arg_address(args[0], &at) < 0 ||
        (nargs > 1 && arg_offset(args[1], "size", &n) < 0)) {
        return NULL;
    }
    if (in_zone(state_of_module(module), at, n)) {
        Py_RETURN_TRUE;
    }
    bool valid = n > 0 && n - 1 <= UINTPTR_MAX - at;
    uintptr_t last = valid ? at + (uintptr_t)(n - 1) : at;
    for (uintptr_t page = at & ~(uintptr_t)PB_PAGE_MASK; valid && page <= last;
         page += PB_PAGE_SIZE) {
        valid = is_valid_page(state_of_module(module), page < at ? at : page);
        if (page > UINTPTR_MAX - PB_PAGE_SIZE) {
            break;
        }
    }
    return PyBool_FromLong(valid);
}
