/* store/file.c: what a store asks of its file, as calls of a Python object. */
#include "store/object.h"

#include <errno.h>

void
file_forget_error(StoreObject *self)
{
    Py_CLEAR(self->type);
    Py_CLEAR(self->error);
    Py_CLEAR(self->traceback);
}

/* The errno of the exception that is raised, which is kept: the first one of a call says why. */
static int
note_error(StoreObject *self)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    long number = EIO;
    PyObject *code = error && PyErr_GivenExceptionMatches(type, PyExc_OSError)
                         ? PyObject_GetAttrString(error, "errno")
                         : NULL;
    if (code && PyLong_Check(code)) {
        number = PyLong_AsLong(code);
    }
    Py_XDECREF(code);
    PyErr_Clear();
    if (self->type) {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
    }
    else {
        self->type = type;
        self->error = error;
        self->traceback = traceback;
    }
    return number > 0 && number < INT_MAX ? (int)number : EIO;
}

static int
done(StoreObject *self, PyObject *result)
{
    if (result == NULL) {
        return note_error(self);
    }
    Py_DECREF(result);
    return 0;
}

/* obj.method(a, b), or with less where they are NULL.  The cache of attributes keeps each name that
 * it meets, so the name is the one that the type has. */
static PyObject *
call(PyObject *obj, const char *method, PyObject *a, PyObject *b)
{
    PyObject *name = PyUnicode_InternFromString(method);
    PyObject *result = name ? PyObject_CallMethodObjArgs(obj, name, a, b, NULL) : NULL;
    Py_XDECREF(name);
    return result;
}

/* obj.method(number) */
static PyObject *
call_with_number(PyObject *obj, const char *method, uint64_t number)
{
    PyObject *given = PyLong_FromUnsignedLongLong(number);
    PyObject *result = given ? call(obj, method, given, NULL) : NULL;
    Py_XDECREF(given);
    return result;
}

/* file.method(at, memory): the memory is lent for the length of the call. */
static int
call_with_memory(StoreObject *self, const char *method, uint64_t at, char *bytes, size_t n,
                 int flags)
{
    PyObject *memory = PyMemoryView_FromMemory(bytes, (Py_ssize_t)n, flags);
    PyObject *place = memory ? PyLong_FromUnsignedLongLong(at) : NULL;
    int error = done(self, place ? call(self->file, method, place, memory) : NULL);
    if (memory && done(self, call(memory, "release", NULL, NULL)) && !error) {
        error = EIO;
    }
    Py_XDECREF(place);
    Py_XDECREF(memory);
    return error;
}

static int
file_read(void *arg, uint64_t at, void *bytes, size_t n)
{
    return call_with_memory(arg, "read", at, bytes, n, PyBUF_WRITE);
}

static int
file_read_disk(void *arg, uint64_t at, void *bytes, size_t n)
{
    return call_with_memory(arg, "read_disk", at, bytes, n, PyBUF_WRITE);
}

static int
file_write(void *arg, uint64_t at, const void *bytes, size_t n)
{
    return call_with_memory(arg, "write", at, (char *)(uintptr_t)bytes, n, PyBUF_READ);
}

static int
file_sync(void *arg)
{
    StoreObject *self = arg;
    return done(self, call(self->file, "sync", NULL, NULL));
}

static int
file_resize(void *arg, uint64_t size)
{
    StoreObject *self = arg;
    return done(self, call_with_number(self->file, "resize", size));
}

/* A number that a method returns. */
static int
ask_number(StoreObject *self, const char *method, uint64_t *number)
{
    PyObject *result = call(self->file, method, NULL, NULL);
    *number = result ? PyLong_AsUnsignedLongLong(result) : 0;
    Py_XDECREF(result);
    return PyErr_Occurred() ? note_error(self) : 0;
}

static int
file_size(void *arg, uint64_t *size)
{
    return ask_number(arg, "size", size);
}

/* Who cannot say takes it that somebody reads the first commit. */
static uint64_t
file_oldest_reader(void *arg)
{
    StoreObject *self = arg;
    uint64_t oldest;
    return ask_number(self, "oldest_reader", &oldest) ? 0 : oldest;
}

pb_file
file_operations(StoreObject *self)
{
    return (pb_file){.arg = self,
                     .read = file_read,
                     .read_disk = file_read_disk,
                     .write = file_write,
                     .sync = file_sync,
                     .resize = file_resize,
                     .size = file_size,
                     .oldest_reader = file_oldest_reader};
}
