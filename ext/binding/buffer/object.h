/* buffer/object.h: PageBuffer, and the slots and methods that buffer/type.c lists in its
 * tables. */
#ifndef PAGEBUF_BUFFER_OBJECT_H
#define PAGEBUF_BUFFER_OBJECT_H

#include "transfer/holder.h" /* first: Python.h says which functions there are */

#include "base/args.h"
#include "transfer/source.h"

typedef struct {
    PyObject_HEAD
    pb_buf b; /* a Holder */
    PyObject *weakrefs;
} BufferObject;

_Static_assert(sizeof(BufferObject) <= HEADER_BYTES + 144 + FURTHER_BYTES,
               "50 000 small ones in 80 % of the memory of io.BytesIO's");

/* ---- buffer/type.c ---- */

extern PyType_Spec buffer_spec;

/* An exact PageBuffer or one of a subclass, empty, on `pool`. */
BufferObject *
buffer_new(PyTypeObject *type, PoolObject *pool, unsigned max_levels);

PyObject *
buffer_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

/* ---- buffer/init.c ---- */

int
buffer_init(BufferObject *self, PyObject *args, PyObject *kwargs);

/* Set the vectorcall constructor, which PyType_Spec has no slot for before 3.14. */
void
buffer_type_ready(PyTypeObject *type);

/* ---- buffer/names.c ---- */

/* The name, a new reference, or NULL. */
PyObject *
buffer_name(const BufferObject *self);

/* What it maps, a frozen PageBuffer: a new reference, or NULL. */
PyObject *
buffer_source(const BufferObject *self);

/* Works in tp_dealloc, too; forgets what the buffer maps as well. */
void
buffer_drop_name(BufferObject *self, module_state *state);

/* -1 with an exception.  None of the others can fail. */
int
buffer_set_name(BufferObject *self, PyObject *name);

int
buffer_set_source(BufferObject *self, PyObject *source);

/* Take over name and source of another buffer, even if it has none. */
void
buffer_move_name(BufferObject *self, BufferObject *from);

/* ---- buffer/read.c ---- */

/* Raise TypeError: `call` needs two arguments.  -1. */
int
buffer_refuse_file_call(const char *call, Py_ssize_t nargs, const char *instead);

/* What takes a buffer for a file passes one argument; then -1, and the error says what to do
 * `instead`. */
static inline int
buffer_check_both(Py_ssize_t nargs, const char *call, const char *instead)
{
    return PB_LIKELY(nargs == 2) ? 0 : buffer_refuse_file_call(call, nargs, instead);
}

PyObject *
buffer_item(BufferObject *self, Py_ssize_t i);
PyObject *
buffer_subscript(BufferObject *self, PyObject *key);
PyObject *
buffer_read(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_readinto(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_tobytes(BufferObject *self, PyObject *ignored);
PyObject *
buffer_take(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char buffer_read_doc[], buffer_readinto_doc[], buffer_tobytes_doc[],
    buffer_take_doc[];

/* ---- buffer/write.c ---- */

PyObject *
buffer_write(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);

/* Append the bytes of an object that source_bytes takes.  -1 with an exception. */
int
buffer_extend_from(pb_buf *b, PyObject *obj);

PyObject *
buffer_append(BufferObject *self, PyObject *arg);
PyObject *
buffer_extend(BufferObject *self, PyObject *data);
PyObject *
buffer_prepend(BufferObject *self, PyObject *data);
PyObject *
buffer_inplace_concat(BufferObject *self, PyObject *data);
PyObject *
buffer_truncate(BufferObject *self, PyObject *arg);
PyObject *
buffer_clear(BufferObject *self, PyObject *ignored);
PyObject *
buffer_resize(BufferObject *self, PyObject *arg);
extern const char buffer_write_doc[], buffer_append_doc[], buffer_extend_doc[],
    buffer_prepend_doc[], buffer_truncate_doc[], buffer_clear_doc[], buffer_resize_doc[];

/* ---- buffer/edit.c ---- */

int
buffer_ass_item(BufferObject *self, Py_ssize_t i, PyObject *value);
int
buffer_ass_subscript(BufferObject *self, PyObject *key, PyObject *value);
PyObject *
buffer_insert(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_pop(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_remove(BufferObject *self, PyObject *arg);
PyObject *
buffer_reverse(BufferObject *self, PyObject *ignored);
extern const char buffer_insert_doc[], buffer_pop_doc[], buffer_remove_doc[],
    buffer_reverse_doc[];

/* ---- buffer/info.c ---- */

PyObject *
buffer_repr(BufferObject *self);
extern PyGetSetDef buffer_getset[];

PyObject *
buffer_extents(BufferObject *self, PyObject *ignored);
extern const char buffer_extents_doc[];
PyObject *
buffer_fetched_runs(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char buffer_fetched_runs_doc[];

/* ---- buffer/share.c ---- */

PyObject *
buffer_view(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_views(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_gather(BufferObject *self, PyObject *ignored);
PyObject *
buffer_data_views(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_snapshot(BufferObject *self, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames);
PyObject *
buffer_clone(BufferObject *self, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames);
PyObject *
buffer_list_copy(BufferObject *self, PyObject *ignored);
PyObject *
buffer_copy(BufferObject *self, PyObject *ignored);
PyObject *
buffer_deepcopy(BufferObject *self, PyObject *memo);
PyObject *
buffer_restore(BufferObject *self, PyObject *arg);
PyObject *
buffer_open(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char buffer_view_doc[], buffer_views_doc[], buffer_data_views_doc[],
    buffer_gather_doc[], buffer_snapshot_doc[], buffer_clone_doc[], buffer_copy_doc[],
    buffer_deepcopy_doc[], buffer_list_copy_doc[], buffer_restore_doc[], buffer_open_doc[];

/* ---- buffer/map.c ---- */

PyObject *
buffer_map_memory(PyObject *type, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_map(PyObject *type, PyObject *args, PyObject *kwargs);
PyObject *
buffer_save(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_save_changes(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_detach(BufferObject *self, PyObject *ignored);
PyObject *
buffer_show_source(BufferObject *self, PyObject *source);
PyObject *
buffer_show_again(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_keep_cut(PyObject *type, PyObject *args);
PyObject *
buffer_put_memory(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_neighbours(PyObject *type, PyObject *rows);
PyObject *
buffer_map_absent(PyObject *type, PyObject *const *args, Py_ssize_t nargs);
extern const char buffer_map_memory_doc[], buffer_map_absent_doc[], buffer_map_doc[],
    buffer_save_doc[], buffer_save_changes_doc[], buffer_detach_doc[],
    buffer_show_source_doc[], buffer_show_again_doc[], buffer_keep_cut_doc[],
    buffer_neighbours_doc[], buffer_put_memory_doc[];

/* ---- buffer/range.c ---- */

PyObject *
buffer_copy_range(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_punch(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_collapse(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_insert_hole(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char buffer_copy_range_doc[], buffer_punch_doc[], buffer_collapse_doc[],
    buffer_insert_hole_doc[];

/* ---- buffer/diff.c ---- */

PyObject *
buffer_diff(BufferObject *self, PyObject *args, PyObject *kwargs);
extern const char buffer_diff_doc[];

/* ---- buffer/search.c ---- */

PyObject *
buffer_find(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_rfind(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_index(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_rindex(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_count(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_startswith(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *
buffer_endswith(BufferObject *self, PyObject *const *args, Py_ssize_t nargs);
int
buffer_contains(BufferObject *self, PyObject *arg);
PyObject *
buffer_richcompare(BufferObject *self, PyObject *other, int op);
extern const char buffer_find_doc[], buffer_rfind_doc[], buffer_index_doc[],
    buffer_rindex_doc[], buffer_count_doc[], buffer_startswith_doc[], buffer_endswith_doc[];

/* ---- buffer/iter.c ---- */

extern PyType_Spec buffer_iter_spec;

PyObject *
buffer_iter(BufferObject *self);

/* ---- buffer/python_methods.c ---- */

/* module.name(self, *args, **kwargs) */
PyObject *
buffer_call_python(PyObject *self, const char *module, const char *name, PyObject *args,
                   PyObject *kwargs);
PyObject *
buffer_as_array(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_reduce(BufferObject *self, PyObject *args);
PyObject *
buffer_delta(BufferObject *self, PyObject *arg);
PyObject *
buffer_apply(BufferObject *self, PyObject *arg);
PyObject *
buffer_repr_svg(PyObject *self, PyObject *ignored);
extern const char buffer_as_array_doc[], buffer_reduce_doc[], buffer_delta_doc[],
    buffer_apply_doc[], buffer_repr_svg_doc[];
PyObject *
buffer_remote(PyObject *type, PyObject *args, PyObject *kwargs);
PyObject *
buffer_prefetch(BufferObject *self, PyObject *args, PyObject *kwargs);
PyObject *
buffer_present(BufferObject *self, PyObject *ignored);
PyObject *
buffer_forget(BufferObject *self, PyObject *args, PyObject *kwargs);
extern const char buffer_remote_doc[], buffer_prefetch_doc[], buffer_present_doc[],
    buffer_forget_doc[];

#endif
