/* file/getbuffer.c: BytesIO.getbuffer: memoryview -> Export -> file.
 *
 * An export pins all bytes in one run.  While there are exports no call may change the
 * file. */
#include "file/bytesio.h"

#include "view/object.h"

typedef struct {
    PyObject_HEAD
    PyObject *file;
} ExportObject;

/* Count the export first, so that the file stays as it is while the pool grows.  Returns
 * the size of the file, or UINT64_MAX with an exception: it is closed, or has too many
 * exports. */
static uint64_t
count_export(bytesio_part *file)
{
    pb_buf *b = &file->b;
    stream *s = &file->s;
    pb_status st;
    stream_refusal why;
    uint64_t size;
    bool counts;
    do {
        PyObject *owner = NULL;
        buffer_lock(b);
        why = stream_may_use(s);
        counts = !why && s->blocks < STREAM_BLOCKS_MAX;
        size = stream_size_lock_held(b);
        st = counts ? stream_settle_lock_held(b, s, size, &owner) : PB_OK;
        if (counts && st == PB_OK) {
            s->blocks++;
            stream_forget(s); /* pinning may gather scattered pages */
        }
        buffer_unlock(b);
        Py_XDECREF(owner);
    } while (transfer_acquire_again(b, &st, 0, size));
    if (!counts && stream_refuse(why) == 0) {
        PyErr_Format(PyExc_BufferError, "more than %u views of one file",
                     (unsigned)STREAM_BLOCKS_MAX);
    }
    return counts && st == PB_OK ? size : UINT64_MAX;
}

/* What one export keeps, in view->internal. */
typedef struct {
    pb_pin pin;
    mapped_view in_map;
} file_export;

static void
drop_export(bytesio_part *file, file_export *e)
{
    unmap_view(&e->in_map);
    view_unpin(pool_object(&file->b), &e->pin);
    buffer_lock(&file->b);
    file->s.blocks--;
    stream_forget(&file->s);
    buffer_unlock(&file->b);
    PyMem_Free(e);
}

/* The address of all bytes, in one run. */
static int
pin_all(bytesio_part *file, file_export *e, uint8_t **address)
{
    pinning p = {.pin = &e->pin};
    if (view_pin(&file->b, &(view_range){.n = TO_THE_END}, &p) < 0) {
        return -1;
    }
    *address = p.pool ? p.address : (uint8_t *)"";
    Py_XDECREF(p.pool); /* the file keeps it: with exports it cannot begin anew */
    return 0;
}

static int
export_getbuffer(ExportObject *self, Py_buffer *view, int flags)
{
    bytesio_part *file = part_of(self->file);
    uint8_t *address;
    file_export *e = PyMem_Calloc(1, sizeof *e);
    view->obj = NULL;
    if (e == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    uint64_t size = count_export(file);
    if (size == UINT64_MAX) {
        PyMem_Free(e);
        return -1;
    }
    if (pin_all(file, e, &address) < 0 ||
        PyBuffer_FillInfo(view, (PyObject *)self, address, (Py_ssize_t)size, 0, flags) <
            0) {
        drop_export(file, e);
        return -1;
    }
    if (size) {
        map_view(&e->in_map, state_of_buf(&file->b), address, size);
    }
    view->internal = e;
    return 0;
}

static void
export_releasebuffer(ExportObject *self, Py_buffer *view)
{
    drop_export(part_of(self->file), view->internal);
}

static int
export_traverse(ExportObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->file);
    return 0;
}

static void
export_dealloc(ExportObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->file);
    object_free(self);
}

static PyType_Slot export_slots[] = {
    {Py_tp_doc, "What a memoryview from BytesIO.getbuffer holds."},
    {Py_tp_traverse, export_traverse},
    {Py_tp_dealloc, export_dealloc},
    {Py_bf_getbuffer, export_getbuffer},
    {Py_bf_releasebuffer, export_releasebuffer},
    {0, NULL},
};

PyType_Spec bytesio_export_spec = {
    .name = "pagebuf._core._FileExport",
    .basicsize = sizeof(ExportObject),
    .flags = INTERNAL_TYPE_FLAGS,
    .slots = export_slots,
};

const char bytesio_getbuffer_doc[] =
    "getbuffer($self, /)\n--\n\n"
    "All bytes as one writable memoryview; file and view see each other's writes.\n\n"
    "While it is alive, calls that would change the file raise BufferError.\n"
    "Scattered pages are gathered into one run once: O(1) where they are one\n"
    "already, else O(size).\n\n"
    ">>> from pagebuf import BytesIO\n"
    ">>> f = BytesIO(b'hello')\n"
    ">>> with f.getbuffer() as view:\n"
    "...     view[0] = ord('J')\n"
    ">>> f.getvalue()\n"
    "b'Jello'\n";

PyObject *
bytesio_getbuffer(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    bytesio_part *file = part_of(self);
    if (stream_check(&file->b, &file->s, stream_may_use) < 0) {
        return NULL;
    }
    PyTypeObject *type = state_of_buf(&file->b)->bytesio_export_type;
    ExportObject *export = PyObject_GC_New(ExportObject, type);
    if (export == NULL) {
        return NULL;
    }
    export->file = Py_NewRef(self);
    PyObject_GC_Track(export);
    PyObject *view = PyMemoryView_FromObject((PyObject *)export);
    Py_DECREF(export);
    return view;
}
