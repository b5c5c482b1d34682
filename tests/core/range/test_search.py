"""find and similar methods, compared with those of bytes.  Every short needle in every short text,
needles across the edges of pages and levels, holes as zeros, bounds as in a slice."""

from __future__ import annotations

import itertools

import pytest

import pagebuf
from tests.helpers import PAGE, around, reach
from tests.support import FEW, filled, pattern, unchanged

SEARCHES = ["find", "rfind", "count", "index", "rindex"]


def buffer_of(pool, data, lead=0):
    """The bytes in a buffer, behind a bias of `lead` bytes."""
    buf = pagebuf.PageBuffer(bytes(lead) + data, pool=pool)
    if lead:
        buf.take_bytes(lead)
    return buf


def outcome(call, *args):
    try:
        return call(*args)
    except Exception as error:
        return type(error), str(error)


def assert_same(buf, data, *args):
    for name in SEARCHES:
        got, want = (outcome(getattr(obj, name), *args) for obj in (buf, data))
        assert got == want, (name, args)


def words(alphabet, longest):
    for size in range(longest + 1):
        for word in itertools.product(alphabet, repeat=size):
            yield bytes(word)


def test_every_needle_in_every_text(pool):
    """Texts of two letters, across the edge of a page."""
    needles = list(words(b"ab", 3))
    for text in words(b"ab", 7):
        buf = buffer_of(pool, text, lead=PAGE - 3)
        for needle in needles:
            assert (buf.find(needle), buf.rfind(needle)) == (text.find(needle), text.rfind(needle))
            assert buf.count(needle) == text.count(needle)
            assert (needle in buf) == (needle in text)


BOUNDS = [None, -9, -5, -4, -1, 0, 1, 2, 4, 5, 9, 1 << 70, -(1 << 70)]


@pytest.mark.parametrize("needle", [b"", b"a", b"ab", b"abab", b"b" * 9, 97, 98, 0], ids=repr)
def test_every_pair_of_bounds(pool, needle):
    data = b"abab\0"
    buf = buffer_of(pool, data)
    for start, end in itertools.product(BOUNDS, BOUNDS):
        assert_same(buf, data, needle, start, end)
    for start in BOUNDS:
        assert_same(buf, data, needle, start)


EDGES = around(PAGE, 2 * PAGE, reach(1), reach(1) + PAGE)


@pytest.mark.parametrize("at", EDGES)
@pytest.mark.parametrize("size", [1, 2, 3, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 1])
def test_a_needle_over_the_edge(pool, at, size):
    """The needle lies before, across and behind the edge.  One with another end is not found."""
    data = bytearray(pattern(0, reach(1) + 6 * PAGE))
    needle = b"\0" + pattern(5, size - 1, salt=3)
    for start in {max(0, at - size), at - size // 2, at}:
        here = data[:]
        here[start : start + size] = needle
        buf = buffer_of(pool, bytes(here), lead=PAGE // 2)
        for sought in (needle, needle[:-1] + b"\0", b"\0" + needle[:-1]):
            assert_same(buf, bytes(here), sought)
            assert_same(buf, bytes(here), sought, start, start + size)
            assert_same(buf, bytes(here), sought, start + 1)
            assert_same(buf, bytes(here), sought, 0, start + size - 1)


def test_scattered_pages(pool):
    """Two buffers grow in turns, so their pages are no neighbours in memory."""
    buf, other = pagebuf.PageBuffer(pool=pool), pagebuf.PageBuffer(pool=pool)
    for page in range(24):
        buf.extend(pattern(page * PAGE, PAGE))
        other.extend(pattern(page, PAGE))
    data = buf.tobytes()
    for size in (1, 2, 7, PAGE, 2 * PAGE + 3, 9 * PAGE):
        for at in range(0, len(data) - size, PAGE // 2 + 1):
            needle = data[at : at + size]
            assert (buf.find(needle), buf.rfind(needle)) == (data.find(needle), data.rfind(needle))
            wrong = needle[:-1] + b"\0"
            assert (buf.find(wrong), buf.rfind(wrong)) == (-1, -1)


def test_holes_are_zeros(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    for at in (1, 3 * PAGE - 1, reach(1) + PAGE):
        buf.write(at, b"x")
    buf.truncate(reach(1) + 5 * PAGE)
    data = buf.tobytes()
    with unchanged(buf):
        for zeros in (1, 2, PAGE - 1, PAGE, 2 * PAGE, 2 * PAGE + 1, 5 * PAGE):
            for needle in (bytes(zeros), b"x" + bytes(zeros), bytes(zeros) + b"x"):
                assert_same(buf, data, needle)
                assert_same(buf, data, needle, PAGE + 1, -PAGE - 1)
                assert (needle in buf) == (needle in data)


def test_a_search_passes_over_holes_at_once(pool):
    """Reading 2**58 zeros would take years."""
    buf = pagebuf.PageBuffer(pool=pool)
    far = 1 << 58
    buf.write(far, b"x")
    assert buf.find(b"x") == buf.rfind(b"x") == far
    assert buf.find(b"\0x") == far - 1
    assert buf.find(bytes(PAGE)) == 0
    assert buf.rfind(b"\0") == far - 1
    assert buf.find(b"y") == -1
    assert b"yx" not in buf
    assert buf.count(b"x") == 1
    assert buf.count(0) == far
    assert buf.count(b"\0\0\0", 1) == (far - 1) // 3


def test_worst_cases_are_linear(pool):
    """A naive search would compare 2**18 * 2**17 bytes, and pytest-timeout would end it."""
    buf, other = pagebuf.PageBuffer(pool=pool), pagebuf.PageBuffer(pool=pool)
    size = 1 << 18
    while len(buf) < size:
        buf.extend(b"a" * max(PAGE, 1 << 9))
        other.extend(b"b" * PAGE)
    for half in (1 << 5, 1 << 11, 1 << 16):
        for needle in (
            b"a" * half + b"b" + b"a" * half,
            b"b" + b"a" * half,
            b"a" * half + b"b",
        ):
            assert buf.find(needle) == buf.rfind(needle) == -1


SUBS = [b"ab", bytearray(b"ab"), memoryview(b"ab"), memoryview(b"abab")[:2]]


@pytest.mark.parametrize("sub", SUBS, ids=lambda sub: type(sub).__name__)
def test_kinds_of_needles(pool, sub):
    data = b"xxabyyab"
    buf = buffer_of(pool, data)
    assert_same(buf, data, sub)
    assert sub in buf
    assert buf.startswith(sub, 2)
    assert buf.endswith(sub)


def test_a_page_buffer_as_needle(pool):
    buf, sub = buffer_of(pool, b"xxabyyab"), buffer_of(pool, b"ab")
    assert (buf.find(sub), buf.rfind(sub), buf.count(sub)) == (2, 6, 2)
    assert sub in buf
    assert buf in buf
    assert buf.find(buf) == 0
    assert buf.startswith((sub, buf))
    assert buf.endswith(sub)
    assert b"xxabyyab".find(sub) == 2


@pytest.mark.parametrize("bad", ["ab", 1.0, None, [1], ...], ids=repr)
def test_needles_that_are_none(pool, bad):
    buf = buffer_of(pool, b"abc")
    for name in SEARCHES:
        with pytest.raises(TypeError, match="integer or bytes-like"):
            getattr(buf, name)(bad)
    with pytest.raises(TypeError):
        bad in buf  # noqa: B015


@pytest.mark.parametrize("bad", [-1, 256, 1 << 80, -(1 << 80)])
def test_bytes_out_of_range(pool, bad):
    buf = buffer_of(pool, b"abc")
    for name in [*SEARCHES, "__contains__"]:
        with pytest.raises(ValueError, match=r"byte must be in range\(0, 256\)"):
            getattr(buf, name)(bad)


@pytest.mark.parametrize("bad", ["1", 1.0, b"1", []], ids=repr)
def test_bounds_that_are_none(pool, bad):
    buf = buffer_of(pool, b"abc")
    for name in [*SEARCHES, "startswith", "endswith"]:
        for args in ((b"a", bad), (b"a", 0, bad)):
            with pytest.raises(TypeError, match="slice indices must be integers or None"):
                getattr(buf, name)(*args)


@pytest.mark.parametrize("name", [*SEARCHES, "startswith", "endswith"])
def test_wrong_number_of_arguments(pool, name):
    buf = buffer_of(pool, b"abc")
    for args in ((), (b"a", 0, 1, 2)):
        with pytest.raises(TypeError):
            getattr(buf, name)(*args)
        with pytest.raises(TypeError):
            getattr(b"abc", name)(*args)


AFFIXES = [b"", b"a", b"ab", b"b", b"abc", b"abcd", (), (b"x", b"c"), (b"ab", b"x"), (b"",)]


@pytest.mark.parametrize("affix", AFFIXES, ids=repr)
def test_startswith_and_endswith(pool, affix):
    data = b"abc"
    buf = buffer_of(pool, data)
    bounds = [None, -4, -3, -1, 0, 1, 2, 3, 4, 1 << 70]
    for start, end in itertools.product(bounds, bounds):
        for name in ("startswith", "endswith"):
            got, want = (getattr(obj, name)(affix, start, end) for obj in (buf, data))
            assert got is want, (name, start, end)


@pytest.mark.parametrize("edge", [0, *EDGES])
def test_affixes_over_edges(pool, edge):
    data = pattern(0, reach(1) + 5 * PAGE)
    buf = buffer_of(pool, data, lead=3)
    for size in (1, PAGE, 3 * PAGE):
        assert buf.startswith(data[edge : edge + size], edge)
        assert not buf.startswith(data[edge : edge + size - 1] + b"\0", edge)
        assert buf.endswith(data[max(0, edge - size) : edge], 0, edge)
        assert not buf.endswith(b"\0" + data[max(0, edge - size) : edge], 0, edge)


@pytest.mark.parametrize("bad", ["a", 1, None, [b"a"], 1.5], ids=repr)
@pytest.mark.parametrize("name", ["startswith", "endswith"])
def test_affixes_that_are_none(pool, name, bad):
    buf = buffer_of(pool, b"abc")
    with pytest.raises(TypeError, match=f"{name} first arg must be bytes or a tuple of bytes"):
        getattr(buf, name)(bad)
    with pytest.raises(TypeError):
        getattr(buf, name)((b"x", bad))


# ---- comparison ----

COMPARED = ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"]


def variants(data):
    """The same bytes, a shorter and a longer text, and texts with one byte changed by one."""
    yield data
    yield data[:-1]
    yield data + b"\0"
    for at in {0, len(data) // 2, len(data) - 1, *(n for n in EDGES if n < len(data))}:
        for step in (-1, 1):
            other = bytearray(data)
            other[at] = (other[at] + step) % 256
            yield bytes(other)


@pytest.mark.parametrize("size", [1, 2, FEW, PAGE, PAGE + 1, reach(1) + PAGE + 1])
def test_comparison(pool, size):
    data = pattern(0, size)
    buf = buffer_of(pool, data)
    for other in variants(data):
        for name in COMPARED:
            want = getattr(data, name)(other)
            twin = buffer_of(pool, other, lead=1)
            for operand in (other, bytearray(other), memoryview(other), twin):
                assert getattr(buf, name)(operand) is want, name
            assert getattr(bytearray(other), name)(buf) is getattr(other, name)(data)


def test_comparison_with_itself_and_with_holes(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    buf.truncate(reach(2))
    other = pagebuf.PageBuffer(pool=pool)
    other.truncate(reach(2))
    other.write(5, b"\0")
    with unchanged(buf, other):
        assert buf == buf
        assert buf == other
        assert other == bytes(reach(2))
        assert not buf < other
    other.write(reach(2) - 1, b"x")
    assert buf < other
    assert other > bytes(reach(2))
    assert buf != other


def test_lengths_alone_tell_equality(pool):
    """Both buffers are one hole, too long to be read byte by byte."""
    buf, other = pagebuf.PageBuffer(pool=pool), pagebuf.PageBuffer(pool=pool)
    buf.truncate(1 << 58)
    other.truncate((1 << 58) + 1)
    assert buf != other
    assert buf < other
    other.truncate(1 << 58)
    assert buf == other


@pytest.mark.parametrize("other", ["abc", 5, None, [97, 98, 99], (97, 98, 99), 1.5, object()])
def test_others_are_never_equal(pool, other):
    buf = buffer_of(pool, b"abc")
    assert buf != other
    assert not buf == other  # noqa: SIM201
    for name in COMPARED:
        assert getattr(buf, name)(other) is NotImplemented
        if not isinstance(other, str):  # comparing it with bytearray may warn
            assert getattr(bytearray(b"abc"), name)(other) is NotImplemented
    with pytest.raises(TypeError):
        buf < other  # noqa: B015


def test_views_that_are_no_plain_bytes(pool):
    """Comparison returns NotImplemented, as with bytearray.  A released view is never equal."""
    buf, data = buffer_of(pool, b"ace"), bytearray(b"ace")
    released = memoryview(b"ace")
    released.release()
    for other in (memoryview(b"abcdef")[::2], memoryview(b"abcdef")[::-2], released):
        assert buf.__eq__(other) is data.__eq__(other) is NotImplemented
        assert (buf == other) is (data == other)
        assert (other != buf) is (other != data)


def test_unhashable(pool):
    with pytest.raises(TypeError, match="unhashable"):
        hash(filled(pool, 3))
