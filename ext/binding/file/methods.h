/* file/methods.h: the methods that PageFile and BytesIO have in common: rows for the table
 * of one of them.
 *
 * Functions over a tree and a stream do the work (file/stream.h).  A method here has a
 * docstring, and an adapter that finds tree and stream of the object: at fixed offsets, so
 * a method need not ask which kind of file it serves.  Each of the two .c files includes
 * this once, after it has defined
 *
 *    FACE              the object's type
 *    FACE_BUF(self)    its tree
 *    FACE_STREAM(self, b)   its stream over that tree
 *    FACE_NAME         the name in doctests
 *    FACE_OPEN(bytes)  how a doctest opens one over some bytes */

#define FACE_FAST(method)                                                               \
    static PyObject *face_##method(FACE *self, PyObject *const *args, Py_ssize_t nargs) \
    {                                                                                   \
        pb_buf *b = FACE_BUF(self);                                                     \
        return file_##method(b, FACE_STREAM(self, b), args, nargs);                     \
    }

#define FACE_O(method)                                        \
    static PyObject *face_##method(FACE *self, PyObject *arg) \
    {                                                         \
        pb_buf *b = FACE_BUF(self);                           \
        return file_##method(b, FACE_STREAM(self, b), arg);   \
    }

#define FACE_NOARGS(method)                                                  \
    static PyObject *face_##method(FACE *self, PyObject *Py_UNUSED(ignored)) \
    {                                                                        \
        pb_buf *b = FACE_BUF(self);                                          \
        return file_##method(b, FACE_STREAM(self, b));                       \
    }

#define EXAMPLE ">>> from pagebuf import " FACE_NAME ", PageBuffer\n"

/* ---- out ---- */

PyDoc_STRVAR(read_doc,
             "read($self, size=-1, /)\n--\n\n"
             "The next ``size`` bytes; None or a negative size reads to the end.\n\n"
             "Short at the end, empty there and past it.  O(size).\n\n" EXAMPLE
             ">>> f = " FACE_OPEN("b'hello'") "\n"
             ">>> f.read(2), f.read(), f.read()\n"
             "(b'he', b'llo', b'')\n");

FACE_FAST(read)

PyDoc_STRVAR(read1_doc,
             "read1($self, size=-1, /)\n--\n\n"
             "As read: every byte is at hand.  O(size).");

PyDoc_STRVAR(readline_doc,
             "readline($self, size=-1, /)\n--\n\n"
             "The bytes up to and with the next newline, at most ``size`` of them.\n\n"
             "Empty at the end.  O(bytes returned).\n\n" EXAMPLE
             ">>> f = " FACE_OPEN("b'one\\ntwo'") "\n"
             ">>> f.readline(), f.readline(2), f.readline(), f.readline()\n"
             "(b'one\\n', b'tw', b'o', b'')\n");

FACE_FAST(readline)

static PyObject *
face_next(FACE *self)
{
    pb_buf *b = FACE_BUF(self);
    return stream_next(b, FACE_STREAM(self, b));
}

PyDoc_STRVAR(readlines_doc,
             "readlines($self, hint=None, /)\n--\n\n"
             "The lines from here on, as a list.  With a hint no more are read once they\n"
             "have so many bytes.  O(bytes returned).\n\n" EXAMPLE
             ">>> " FACE_OPEN("b'one\\ntwo'") ".readlines()\n"
             "[b'one\\n', b'two']\n");

FACE_FAST(readlines)

PyDoc_STRVAR(readinto_doc,
             "readinto($self, buffer, /)\n--\n\n"
             "Copy the next bytes into ``buffer``, writable and C-contiguous; returns how\n"
             "many.  0 at the end.  O(bytes copied).\n\n" EXAMPLE
             ">>> into = bytearray(3)\n"
             ">>> " FACE_OPEN("b'hello'") ".readinto(into), into\n"
             "(3, bytearray(b'hel'))\n");

FACE_O(readinto)

PyDoc_STRVAR(readinto1_doc, "readinto1($self, buffer, /)\n--\n\nAs readinto.");

FACE_O(readinto1)

PyDoc_STRVAR(peek_doc,
             "peek($self, size=1, /)\n--\n\n"
             "What read(size) would return, but 8192 bytes at most, and 2048 where ``size`` is more\n"
             "than 65536, as pickle asks for; the position stays.\n\n"
             "O(bytes returned).\n\n" EXAMPLE
             ">>> f = " FACE_OPEN("b'hello'") "\n"
             ">>> f.peek(2), f.read()\n"
             "(b'he', b'hello')\n");

FACE_FAST(peek)

PyDoc_STRVAR(read_buffer_doc,
             "read_buffer($self, size=-1, /)\n--\n\n"
             "The next ``size`` bytes as a read-only memoryview that keeps its bytes,\n"
             "whatever is written later.\n\n"
             "No byte is copied where they lie in one run of pages: pages are shared, and\n"
             "copied when they are written to.  None or a negative size reads to the end.\n"
             "O(1), or O(size) where pages are scattered.\n\n" EXAMPLE
             ">>> f = " FACE_OPEN("b'hello'") "\n"
             ">>> view = f.read_buffer(4)\n"
             ">>> f.seek(0), f.write(b'HELLO'), bytes(view)\n"
             "(0, 5, b'hell')\n");

FACE_FAST(read_buffer)

PyDoc_STRVAR(read_at_doc,
             "read_at($self, offset, size, /)\n--\n\n"
             "The ``size`` bytes at ``offset``, fewer at the end; the position stays.  None or -1\n"
             "reads to the end.  O(size).\n\n" EXAMPLE
             ">>> " FACE_OPEN("b'hello'") ".read_at(1, 3)\n"
             "b'ell'\n");

FACE_FAST(read_at)

/* ---- in ---- */

PyDoc_STRVAR(write_doc,
             "write($self, data, /)\n--\n\n"
             "Store the bytes of ``data`` at the position; returns how many.\n\n"
             "What lies between the end and a position past it becomes zeros.  Raises\n"
             "PoolLimitError or MemoryError when pages are short; then nothing has\n"
             "changed.  O(len(data)).\n\n" EXAMPLE
             ">>> f = " FACE_OPEN("b'hello'") "\n"
             ">>> f.seek(1), f.write(b'ipp'), f.seek(0), f.read()\n"
             "(1, 3, 0, b'hippo')\n");

FACE_O(write)

PyDoc_STRVAR(writelines_doc,
             "writelines($self, lines, /)\n--\n\n"
             "Write each item of an iterable.  Those before one that is refused stay\n"
             "written.  O(bytes).\n\n" EXAMPLE
             ">>> f = " FACE_OPEN("") "\n"
             ">>> f.writelines([b'a', b'b'])\n"
             ">>> f.tell()\n"
             "2\n");

FACE_O(writelines)

/* ---- the position and the length ---- */

PyDoc_STRVAR(seek_doc,
             "seek($self, offset, whence=0, /)\n--\n\n"
             "Move the position; returns the new one.\n\n"
             "``offset`` counts from the start (whence 0), the position (1) or the end (2);\n"
             "it may lie past the end.  With pagebuf.SEEK_DATA or pagebuf.SEEK_HOLE the\n"
             "position goes to the first byte at or behind ``offset`` that has a page, or\n"
             "that has none (the end counts as one); OSError with ENXIO when there is no\n"
             "such byte.  O(1), O(pages) with these two.\n\n" EXAMPLE
             ">>> f = " FACE_OPEN("b'hello'") "\n"
             ">>> f.seek(-2, 2), f.read()\n"
             "(3, b'lo')\n");

FACE_FAST(seek)

PyDoc_STRVAR(tell_doc,
             "tell($self, /)\n--\n\n"
             "The position.  O(1).\n\n" EXAMPLE
             ">>> f = " FACE_OPEN("b'hello'") "\n"
             ">>> f.read(2), f.tell()\n"
             "(b'he', 2)\n");

FACE_NOARGS(tell)

FACE_FAST(truncate)

/* ---- what kind of file ---- */

PyDoc_STRVAR(readable_doc, "readable($self, /)\n--\n\nWhether it may be read.");

FACE_NOARGS(readable)

PyDoc_STRVAR(writable_doc, "writable($self, /)\n--\n\nWhether it may be written.");

FACE_NOARGS(writable)

PyDoc_STRVAR(seekable_doc, "seekable($self, /)\n--\n\nTrue.");

FACE_NOARGS(seekable)

PyDoc_STRVAR(isatty_doc, "isatty($self, /)\n--\n\nFalse.");

FACE_NOARGS(isatty)

PyDoc_STRVAR(flush_doc, "flush($self, /)\n--\n\nDoes nothing: every byte is in place.");

FACE_NOARGS(flush)

static PyObject *
face_closed(FACE *self, void *closure)
{
    pb_buf *b = FACE_BUF(self);
    buffer_lock(b);
    bool closed = FACE_STREAM(self, b)->closed;
    buffer_unlock(b);
    return PyBool_FromLong(closed);
}

#define FACE_CLOSED {"closed", (getter)face_closed, NULL, "Whether it is closed.", NULL}

/* All of them but truncate, which has another docstring in each type. */
#define FACE_METHODS                                                             \
    METHOD("read", face_read, METH_FASTCALL, read_doc),                          \
        METHOD("read1", face_read, METH_FASTCALL, read1_doc),                    \
        METHOD("readline", face_readline, METH_FASTCALL, readline_doc),          \
        METHOD("readlines", face_readlines, METH_FASTCALL, readlines_doc),       \
        METHOD("readinto", face_readinto, METH_O, readinto_doc),                 \
        METHOD("readinto1", face_readinto1, METH_O, readinto1_doc),              \
        METHOD("peek", face_peek, METH_FASTCALL, peek_doc),                      \
        METHOD("read_buffer", face_read_buffer, METH_FASTCALL, read_buffer_doc), \
        METHOD("read_at", face_read_at, METH_FASTCALL, read_at_doc),             \
        METHOD("write", face_write, METH_O, write_doc),                          \
        METHOD("writelines", face_writelines, METH_O, writelines_doc),           \
        METHOD("seek", face_seek, METH_FASTCALL, seek_doc),                      \
        METHOD("tell", face_tell, METH_NOARGS, tell_doc),                        \
        METHOD("readable", face_readable, METH_NOARGS, readable_doc),            \
        METHOD("writable", face_writable, METH_NOARGS, writable_doc),            \
        METHOD("seekable", face_seekable, METH_NOARGS, seekable_doc),            \
        METHOD("isatty", face_isatty, METH_NOARGS, isatty_doc),                  \
        METHOD("flush", face_flush, METH_NOARGS, flush_doc)
