/* buffer/type.c: the type PageBuffer: its life and its tables.
 *
 * States of a buffer: empty (no page), or a tree of pages.  It always has a pool. */
#include "buffer/object.h"

#include "base/spares.h"
#include "view/object.h"

/* ---- life ---- */

#ifdef Py_GIL_DISABLED

/* Memory of an exact PageBuffer that is gone; NULL: there is none.  The caller owns a reference to the
 * pool from now on. */
static BufferObject *
take_spare(PyTypeObject *type, PoolObject *pool, unsigned max_levels)
{
    module_state *state = pool->state;
    bool exact = type == state->buffer_type,
         found = (PyObject *)pool == state_seen(&state->default_pool);
    BufferObject *self =
        exact ? (BufferObject *)spare_take(state, SPARE_BUFFER, &found) : NULL;
    if (!exact || !found) {
        Py_INCREF(pool);
    }
    if (self) {
        self->weakrefs = NULL;
        pb_buf_init(&self->b, &pool->pool, max_levels);
        PyObject_GC_Track(self);
    }
    return self;
}

static void
keep_or_free(BufferObject *self, PoolObject *pool)
{
    PyTypeObject *type = Py_TYPE(self);
    module_state *state = pool->state;
    bool exact = type == state->buffer_type,
         kept = (PyObject *)pool == state_seen(&state->default_pool);
    bool keeps = exact && spare_keep(state, SPARE_BUFFER, (PyObject *)self, &kept);
    if (!keeps) {
        object_free(self);
    }
    if (!exact || !kept) {
        Py_DECREF(pool);
    }
}

#else

static BufferObject *
take_spare(PyTypeObject *type, PoolObject *pool, unsigned max_levels)
{
    (void)type;
    (void)max_levels;
    Py_INCREF(pool); /* the collector may run, and free the object that lends it */
    return NULL;
}

static void
keep_or_free(BufferObject *self, PoolObject *pool)
{
    object_free(self);
    Py_DECREF(pool);
}

#endif

BufferObject *
buffer_new(PyTypeObject *type, PoolObject *pool, unsigned max_levels)
{
    BufferObject *self = take_spare(type, pool, max_levels);
    if (self) {
        return self;
    }
    self = (BufferObject *)type->tp_alloc(type, 0);
    if (self) {
        pb_buf_init(&self->b, &pool->pool, max_levels);
    }
    else {
        Py_DECREF(pool);
    }
    return self;
}

PyObject *
buffer_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *module = PyType_GetModuleByDef(type, &pagebuf_module);
    PoolObject *pool = module ? pool_default_seen(state_of_module(module)) : NULL;
    return pool ? (PyObject *)buffer_new(type, pool, PB_MAX_LEVELS) : NULL;
}

static void
buffer_dealloc(BufferObject *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    if (self->b.pool == NULL) { /* tp_alloc ran, and no more */
        object_free(self);
        return;
    }
    PoolObject *pool = pool_object(&self->b);
    holder_end(&self->b);
    pool_report_unraisable(pool); /* needs the name */
    buffer_drop_name(self, pool->state);
    keep_or_free(self, pool);
}

/* ---- the type ---- */

static Py_ssize_t
buffer_length(BufferObject *self)
{
    return (Py_ssize_t)transfer_size_now(&self->b); /* at most 2^59 */
}

PyDoc_STRVAR(bytes_doc, "__bytes__($self, /)\n--\n\nAll bytes, as one bytes object.");

PyDoc_STRVAR(sizeof_doc,
             "__sizeof__($self, /)\n--\n\n"
             "Bytes of the object, its pages and its nodes, shared ones too, but not of memory\n"
             "of others that it maps.  O(nodes).");

PyDoc_STRVAR(stats_doc,
             "stats($self, /)\n--\n\n"
             "How the buffer stands: a BufferStats.  O(pages), of the whole pool where pages are\n"
             "shared.\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> PageBuffer(bytes(1000)).stats().pages\n"
             "1\n");

PyDoc_STRVAR(check_doc,
             "check($self, /)\n--\n\n"
             "Verify the structure; CorruptionError names the first broken rule.  O(pages).\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> PageBuffer(b'abc').check()\n");

static PyMethodDef buffer_methods[] = {
    METHOD("write", buffer_write, METH_FASTCALL, buffer_write_doc),
    METHOD("extend", buffer_extend, METH_O, buffer_extend_doc),
    METHOD("prepend", buffer_prepend, METH_O, buffer_prepend_doc),
    METHOD("append", buffer_append, METH_O, buffer_append_doc),
    METHOD("insert", buffer_insert, METH_FASTCALL, buffer_insert_doc),
    METHOD("pop", buffer_pop, METH_FASTCALL, buffer_pop_doc),
    METHOD("remove", buffer_remove, METH_O, buffer_remove_doc),
    METHOD("copy", buffer_list_copy, METH_NOARGS, buffer_list_copy_doc),
    METHOD("reverse", buffer_reverse, METH_NOARGS, buffer_reverse_doc),
    METHOD("resize", buffer_resize, METH_O, buffer_resize_doc),
    METHOD("find", buffer_find, METH_FASTCALL, buffer_find_doc),
    METHOD("rfind", buffer_rfind, METH_FASTCALL, buffer_rfind_doc),
    METHOD("index", buffer_index, METH_FASTCALL, buffer_index_doc),
    METHOD("rindex", buffer_rindex, METH_FASTCALL, buffer_rindex_doc),
    METHOD("count", buffer_count, METH_FASTCALL, buffer_count_doc),
    METHOD("startswith", buffer_startswith, METH_FASTCALL, buffer_startswith_doc),
    METHOD("endswith", buffer_endswith, METH_FASTCALL, buffer_endswith_doc),
    METHOD("read", buffer_read, METH_FASTCALL, buffer_read_doc),
    METHOD("readinto", buffer_readinto, METH_FASTCALL, buffer_readinto_doc),
    METHOD("tobytes", buffer_tobytes, METH_NOARGS, buffer_tobytes_doc),
    METHOD("__bytes__", buffer_tobytes, METH_NOARGS, bytes_doc),
    METHOD("take_bytes", buffer_take, METH_FASTCALL, buffer_take_doc),
    METHOD("truncate", buffer_truncate, METH_O, buffer_truncate_doc),
    METHOD("punch", buffer_punch, METH_FASTCALL, buffer_punch_doc),
    METHOD("clear", buffer_clear, METH_NOARGS, buffer_clear_doc),
    METHOD("open", buffer_open, METH_FASTCALL, buffer_open_doc),
    METHOD("view", buffer_view, METH_VARARGS | METH_KEYWORDS, buffer_view_doc),
    METHOD("map", buffer_map, METH_VARARGS | METH_KEYWORDS | METH_CLASS, buffer_map_doc),
    METHOD("save", buffer_save, METH_VARARGS | METH_KEYWORDS, buffer_save_doc),
    METHOD("save_changes", buffer_save_changes, METH_VARARGS | METH_KEYWORDS,
           buffer_save_changes_doc),
    METHOD("detach", buffer_detach, METH_NOARGS, buffer_detach_doc),
    METHOD("_map_memory", buffer_map_memory, METH_FASTCALL | METH_CLASS,
           buffer_map_memory_doc),
    METHOD("_map_absent", buffer_map_absent, METH_FASTCALL | METH_CLASS,
           buffer_map_absent_doc),
    METHOD("_fetched_runs", buffer_fetched_runs, METH_FASTCALL, buffer_fetched_runs_doc),
    METHOD("remote", buffer_remote, METH_VARARGS | METH_KEYWORDS | METH_CLASS,
           buffer_remote_doc),
    METHOD("prefetch", buffer_prefetch, METH_VARARGS | METH_KEYWORDS, buffer_prefetch_doc),
    METHOD("present", buffer_present, METH_NOARGS, buffer_present_doc),
    METHOD("forget", buffer_forget, METH_VARARGS | METH_KEYWORDS, buffer_forget_doc),
    METHOD("_show_source", buffer_show_source, METH_O, buffer_show_source_doc),
    METHOD("_show_again", buffer_show_again, METH_FASTCALL, buffer_show_again_doc),
    METHOD("_put_memory", buffer_put_memory, METH_FASTCALL, buffer_put_memory_doc),
    METHOD("_neighbours", buffer_neighbours, METH_O | METH_CLASS, buffer_neighbours_doc),
    METHOD("_keep_cut", buffer_keep_cut, METH_VARARGS | METH_CLASS, buffer_keep_cut_doc),
    METHOD("views", buffer_views, METH_VARARGS | METH_KEYWORDS, buffer_views_doc),
    METHOD("gather", buffer_gather, METH_NOARGS, buffer_gather_doc),
    METHOD("data_views", buffer_data_views, METH_VARARGS | METH_KEYWORDS,
           buffer_data_views_doc),
    METHOD("snapshot", buffer_snapshot, METH_FASTCALL | METH_KEYWORDS, buffer_snapshot_doc),
    METHOD("clone", buffer_clone, METH_FASTCALL | METH_KEYWORDS, buffer_clone_doc),
    METHOD("__copy__", buffer_copy, METH_NOARGS, buffer_copy_doc),
    METHOD("__deepcopy__", buffer_deepcopy, METH_O, buffer_deepcopy_doc),
    METHOD("restore", buffer_restore, METH_O, buffer_restore_doc),
    METHOD("copy_range", buffer_copy_range, METH_VARARGS | METH_KEYWORDS,
           buffer_copy_range_doc),
    METHOD("collapse", buffer_collapse, METH_FASTCALL, buffer_collapse_doc),
    METHOD("insert_hole", buffer_insert_hole, METH_FASTCALL, buffer_insert_hole_doc),
    METHOD("diff", buffer_diff, METH_VARARGS | METH_KEYWORDS, buffer_diff_doc),
    METHOD("delta", buffer_delta, METH_O, buffer_delta_doc),
    METHOD("apply", buffer_apply, METH_O, buffer_apply_doc),
    METHOD("as_array", buffer_as_array, METH_VARARGS | METH_KEYWORDS, buffer_as_array_doc),
    METHOD("__reduce_ex__", buffer_reduce, METH_VARARGS, buffer_reduce_doc),
    METHOD("__sizeof__", holder_sizeof, METH_NOARGS, sizeof_doc),
    METHOD("extents", buffer_extents, METH_NOARGS, buffer_extents_doc),
    METHOD("stats", holder_stats, METH_NOARGS, stats_doc),
    METHOD("walk", holder_walk, METH_O, holder_walk_doc),
    METHOD("check", holder_check, METH_NOARGS, check_doc),
    METHOD("_tree_runs", holder_tree_runs, METH_NOARGS, holder_tree_runs_doc),
    METHOD("_repr_svg_", buffer_repr_svg, METH_NOARGS, buffer_repr_svg_doc),
    {NULL, NULL, 0, NULL},
};

static PyMemberDef buffer_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(BufferObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(buffer_doc,
             "PageBuffer(data=b'', *, pool=None, max_levels=None, name=None)\n--\n\n"
             "A growable run of bytes in pages.\n\n"
             "It grows without moving a byte, has gaps that take no memory, gives memory\n"
             "back page by page, and shares pages with its earlier states.\n\n"
             "at an offset   read(offset, size), write(offset, data), readinto, buf[i:j]\n"
             "at an end      extend(data), append(byte), prepend(data), take_bytes(n)\n"
             "as a file      open(mode), any number of them\n"
             "in place       view(), views(), memoryview(buf), as_array(dtype)\n"
             "earlier states snapshot(), restore(snapshot), clone(), diff(other)\n"
             "gaps           truncate(size), punch(offset, size), extents()\n"
             "of a file      PageBuffer.map(path), save(path), save_changes()\n\n"
             "Args:\n"
             "    data: the first contents, a bytes-like object.\n"
             "    pool: whose pages it takes, a PagePool; by default the one that all share.\n"
             "    max_levels: bounds its size: 3 levels reach 4 GiB, 6 (the most) 2**59 bytes.\n"
             "    name: what reports and errors call it.\n\n"
             "Threads may share it: each call is atomic.\n\n"
             ">>> from pagebuf import PageBuffer\n"
             ">>> buf = PageBuffer(b'hello')\n"
             ">>> buf.extend(b' world')\n"
             ">>> buf.read(6, 5)\n"
             "b'world'\n"
             ">>> len(buf)\n"
             "11\n");

static PyType_Slot buffer_slots[] = {
    {Py_tp_doc, (void *)buffer_doc},
    {Py_tp_new, buffer_tp_new},
    {Py_tp_init, buffer_init},
    {Py_tp_traverse, holder_traverse},
    {Py_tp_dealloc, buffer_dealloc},
    {Py_tp_methods, buffer_methods},
    {Py_tp_members, buffer_members},
    {Py_tp_getset, buffer_getset},
    {Py_tp_repr, buffer_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_bf_getbuffer, holder_getbuffer},
    {Py_bf_releasebuffer, holder_releasebuffer},
    {Py_sq_length, buffer_length},
    {Py_sq_item, buffer_item},
    {Py_sq_ass_item, buffer_ass_item},
    {Py_sq_contains, buffer_contains},
    {Py_sq_inplace_concat, buffer_inplace_concat},
    {Py_mp_length, buffer_length},
    {Py_mp_subscript, buffer_subscript},
    {Py_mp_ass_subscript, buffer_ass_subscript},
    {Py_tp_iter, buffer_iter},
    {Py_tp_richcompare, buffer_richcompare},
    {0, NULL},
};

PyType_Spec buffer_spec = {
    .name = "pagebuf.PageBuffer",
    .basicsize = sizeof(BufferObject),
    .flags = TYPE_FLAGS | Py_TPFLAGS_SEQUENCE,
    .slots = buffer_slots,
};
