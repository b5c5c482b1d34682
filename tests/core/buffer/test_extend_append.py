"""Growth at the end: extend, +=, append, in pieces of the sizes that encoders and sockets make."""

from __future__ import annotations

import itertools

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import filled, pattern, refused, unchanged, written

PIECES = [1, 3, PAGE // 4, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 5 * PAGE + 3]
OLD_SIZES = [0, 1, PAGE - 1, PAGE, PAGE + 1, reach(1) - 1, reach(1), reach(1) + 1]


@pytest.mark.parametrize("piece", PIECES)
def test_growth_in_equal_pieces(pool, piece):
    total = min(reach(1) + 5 * PAGE + 1, 400 * piece)
    buf, data = pagebuf.PageBuffer(pool=pool), pattern(0, total)
    for at in range(0, total, piece):
        assert buf.extend(data[at : at + piece]) is None
    assert buf.tobytes() == data
    written(total).assert_shape(buf)


def test_growth_in_mixed_pieces_checks_after_each(pool):
    buf, model = pagebuf.PageBuffer(pool=pool), bytearray()
    for piece in itertools.islice(itertools.cycle([*PIECES, 0]), 40):
        new = pattern(len(model), piece)
        buf.extend(new)
        model += new
        assert len(buf) == len(model)
        buf.check()
    assert buf.tobytes() == model


@pytest.mark.parametrize("old", OLD_SIZES)
@pytest.mark.parametrize("piece", PIECES)
def test_one_extend(pool, old, piece):
    buf = filled(pool, old)
    buf.extend(pattern(old, piece))
    assert buf.tobytes() == pattern(0, old + piece)


@pytest.mark.parametrize("old", OLD_SIZES)
def test_plus_equals_keeps_the_object(pool, old):
    buf = same = filled(pool, old)
    buf += pattern(old, PAGE + 1)
    assert buf is same
    assert buf.tobytes() == pattern(0, old + PAGE + 1)


@pytest.mark.parametrize("old", OLD_SIZES)
def test_extend_by_nothing(pool, old):
    buf = filled(pool, old)
    with unchanged(buf):
        buf.extend(b"")
        buf += bytearray()
        buf.extend(memoryview(b""))


@pytest.mark.parametrize("old", OLD_SIZES)
def test_append_over_the_page_edge(pool, old):
    buf = filled(pool, old)
    more = pattern(old, 5)
    for byte in more:
        assert buf.append(byte) is None
    assert buf.tobytes() == pattern(0, old) + more


@pytest.mark.parametrize("byte", [0, 1, 127, 128, 255, True])
def test_every_kind_of_byte(pool, byte):
    buf = filled(pool, 3)
    buf.append(byte)
    assert buf[3] == int(byte)


@pytest.mark.parametrize("bad", [-1, 256, 1 << 31, 1 << 64, -(1 << 64)])
def test_append_of_no_byte(pool, bad):
    buf = filled(pool, PAGE)
    with refused(ValueError, buf):
        buf.append(bad)


@pytest.mark.parametrize("bad", ["a", b"a", 1.0, None, [1]])
def test_append_of_no_int(pool, bad):
    buf = filled(pool, PAGE)
    with refused(TypeError, buf):
        buf.append(bad)


def test_extend_after_a_hole_starts_at_the_end(pool):
    buf = filled(pool, 3)
    buf.truncate(2 * PAGE + 5)
    buf.extend(pattern(0, PAGE))
    assert buf.tobytes() == pattern(0, 3) + bytes(2 * PAGE + 2) + pattern(0, PAGE)
    assert buf.extents() == [(0, PAGE), (2 * PAGE, PAGE + 5)]


def test_extend_after_truncate_overwrites_what_was_cut(pool):
    buf = filled(pool, 3 * PAGE)
    buf.truncate(PAGE + 1)
    buf.extend(pattern(7, PAGE, salt=3))
    assert buf.tobytes() == pattern(0, PAGE + 1) + pattern(7, PAGE, salt=3)


def test_writes_between_extends_do_not_mislead_the_tail(pool):
    """The remembered tail page must follow every other call that moves the end."""
    buf, model = filled(pool, 3 * PAGE), bytearray(pattern(0, 3 * PAGE))
    for turn in range(60):
        piece = pattern(turn * 31, 1 + turn * PAGE // 37)
        buf.extend(piece)
        model += piece
        at = (turn * 5 * PAGE // 3) % len(model)
        buf.write(at, piece[:9])
        model[at : at + len(piece[:9])] = piece[:9]
        if turn % 7 == 3:
            buf.truncate(len(model) - PAGE // 2)
            del model[-(PAGE // 2) :]
        if turn % 11 == 5:
            assert buf.take_bytes(PAGE // 3 + 1) == model[: PAGE // 3 + 1]
            del model[: PAGE // 3 + 1]
        if turn % 13 == 6:
            buf.punch(len(model) - PAGE, PAGE)
            model[-PAGE:] = bytes(PAGE)
        assert buf.tobytes() == model
        buf.check()
