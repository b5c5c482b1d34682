/* pool/events.c: callbacks of on_pressure, and damage as an exception, after a call. */
#include "pool/events.h"
#include "inspect/usage.h"

#include "base/args.h"
#include "pool/report.h"

/* ---- pressure ---- */

/* The marks to tell of now, 0 for none: the callbacks do not run already. */
static uint32_t
begin_callback(PoolObject *self)
{
    pb_lock *lock = &self->pool.root->lock;
    pb_lock_take(lock);
    uint32_t crossed = self->in_callback ? 0 : self->pool.crossed;
    if (crossed) {
        self->pool.crossed = 0;
        self->in_callback = true;
    }
    pb_lock_drop(lock);
    return crossed;
}

static void
end_callback(PoolObject *self)
{
    pb_lock *lock = &self->pool.root->lock;
    pb_lock_take(lock);
    self->in_callback = false;
    pb_lock_drop(lock);
}

/* Call the callbacks of one pool; an error in one stays there. */
static void
call_pressed(PoolObject *self, uint32_t crossed)
{
    PyObject *bits = PyLong_FromUnsignedLong(crossed);
    PyObject *result = NULL;
    if (bits) {
        module_state *state = self->state;
        result = PyObject_CallMethodOneArg((PyObject *)self, state->str_pressed, bits);
    }
    if (result == NULL) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_XDECREF(bits);
    Py_XDECREF(result);
    end_callback(self);
}

/* Events raised in a callback run after it, never within it.  A callback that always
 * crosses another mark is not called for ever. */
static void
report_pressure(PoolObject *self)
{
    uint32_t crossed;
    for (int i = 0; i < PB_MARKS && (crossed = begin_callback(self)) != 0; i++) {
        call_pressed(self, crossed);
    }
}

static inline bool
is_waiting(const pb_pool *pool)
{
    return pool->crossed && !pool_around(pool)->in_callback;
}

/* Has a pool of the family crossed a mark in a call that has not ended yet? */
static bool
any_waits(const pb_pool *root)
{
    bool found = is_waiting(root);
    for (unsigned i = 1; root->accounts && i < PB_MOST_POOLS && !found; i++) {
        found = root->accounts[i] && is_waiting(root->accounts[i]);
    }
    return found;
}

/* A call may cross marks of its own pool and of all pools above, which pay for it as
 * well.  Marks are crossed under the lock; the bit stands until none waits: callbacks let other threads
 * run, whose calls end meanwhile and have marks of their own to tell of. */
static void
report_pressure_above(PoolObject *self)
{
    pb_pool *root = self->pool.root;
    Py_INCREF(self); /* Python code runs */
    for (PoolObject *p = self; p; p = p->parent) {
        report_pressure(p);
    }
    pb_lock_take(&root->lock);
    if (!any_waits(root)) {
        pb_clear_bits8(&root->pending, PB_PENDING_PRESSURE);
    }
    pb_lock_drop(&root->lock);
    Py_DECREF(self);
}

/* ---- damage ---- */

static int
report_damage(PoolObject *self)
{
    pb_pool *root = self->pool.root;
    pb_fault found;
    if (!(pb_pending(root) & PB_PENDING_FAULT) || !pb_pool_take_fault(root, &found)) {
        return 0;
    }
    rest_begin(self);
    pb_fault_find_owner(&found);
    PyObject *owner = object_around(pb_buf_of(found.owner));
    rest_end(self);
    raise_fault(pool_around(root), &found, owner);
    return -1;
}

/* Nobody has held anything since the answer that nobody does?  Without a GIL that is not known. */
static bool
nothing_came_between(const PoolObject *self)
{
#ifdef Py_GIL_DISABLED
    return !pb_pool_fetches(&self->pool);
#else
    (void)self;
    return true;
#endif
}

void
pool_let_go(PoolObject *self)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *module = PyImport_ImportModule("pagebuf._remote");
    PyObject *none =
        module ? PyObject_CallMethodNoArgs(module, self->state->str_call_ends) : NULL;
    if (none == NULL) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    else if (none == Py_True && nothing_came_between(self)) {
        pb_clear_bits8(&self->pool.root->pending, PB_PENDING_HELD);
    }
    Py_XDECREF(module);
    Py_XDECREF(none);
    PyErr_Restore(type, value, traceback);
}

int
pool_report_pending_slow(PoolObject *self, bool damage)
{
    Py_INCREF(
        self); /* a callback may call __init__, and so move the buffer to another pool */
    if (pb_pending(&self->pool) & PB_PENDING_PRESSURE) {
        report_pressure_above(self);
    }
    if (pb_pending(&self->pool) & PB_PENDING_ZONE) {
        pool_release_zones(self);
    }
    if (pb_pending(&self->pool) & PB_PENDING_HELD) {
        pool_let_go(self);
    }
    int result = damage ? report_damage(self) : 0;
    if (pb_pool_met_absent(&self->pool) && damage && result == 0) {
        pool_forget_noted(self);
        PyErr_SetString(PyExc_SystemError, "pagebuf: a call met absent pages too late");
        result = -1;
    }
    Py_DECREF(self);
    return result;
}

void
pool_report_unraisable(PoolObject *self)
{
    PyObject *type, *value, *traceback;
    const uint8_t here = PB_PENDING_FAULT | PB_PENDING_ZONE;
    if (PB_LIKELY(!(pb_pending(&self->pool) & here))) {
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    if (pb_pending(&self->pool) & PB_PENDING_ZONE) {
        pool_release_zones(self);
    }
    if (report_damage(self) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    PyErr_Restore(type, value, traceback);
}

/* ---- marks ---- */

const char pool_set_marks_doc[] =
    "_set_marks($self, marks, /)\n--\n\n"
    "Have _pressed() called when so many frames are held: a tuple of rising numbers.";

PyObject *
pool_set_marks(PoolObject *self, PyObject *marks)
{
    uint64_t frames[PB_MARKS];
    if (!PyTuple_Check(marks) || PyTuple_GET_SIZE(marks) > PB_MARKS) {
        PyErr_Format(PyExc_ValueError, "a pool has at most %d marks", PB_MARKS);
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(marks);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (arg_offset(PyTuple_GET_ITEM(marks, i), "mark", &frames[i]) < 0) {
            return NULL;
        }
    }
    pb_pool_set_marks(&self->pool, frames, (uint32_t)n);
    Py_RETURN_NONE;
}
