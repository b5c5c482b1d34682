"""reverse() under live views: they go on showing what is at their offsets, and holes stay holes."""

import random

import pytest

import pagebuf
from tests.helpers import PAGE


def holed(chance, pool):
    """Some pages, some holes, a bias; and the same bytes in a bytearray."""
    buf, plain = pagebuf.PageBuffer(pool=pool), bytearray()
    buf.resize(chance.randrange(1, 40 * PAGE))
    plain.extend(bytes(len(buf)))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(buf))
        data = chance.randbytes(min(len(buf) - at, chance.randrange(1, 3 * PAGE)))
        buf.write(at, data)
        plain[at : at + len(data)] = data
    front = chance.randrange(min(len(buf), 2 * PAGE))
    buf.take_bytes(front)
    del plain[:front]
    return buf, plain


@pytest.mark.parametrize("debug", [0, 1, 2])
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_views_show_their_offsets(debug, shared):
    chance, pool = random.Random(debug * 2 + shared), pagebuf.PagePool(debug=debug)
    for _ in range(60):
        buf, plain = holed(chance, pool)
        kept = buf.snapshot() if shared else None
        before = bytes(plain)
        views = []
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(buf))
            n = min(len(buf) - at, chance.randrange(1, 3 * PAGE))
            try:
                views.append((at, n, buf.view(at, n)))
            except BufferError:
                continue  # another view lies in the way
        pages, pinned, runs = buf.stats().pages, buf.stats().pinned, len(buf.extents())
        for _ in range(2):
            buf.reverse()
            plain.reverse()
            at, n, view = chance.choice(views)
            view[-1] = plain[at + n - 1] = chance.randrange(256)
            assert buf.tobytes() == plain
            assert all(bytes(v) == plain[at : at + n] for at, n, v in views)
            buf.check()
        # a run may reach into one page more, and pages under views stay
        assert buf.stats().pages <= pages + 2 * (runs + pinned)
        assert kept is None or kept.tobytes() == before
        pool.check()


def test_a_limit_refuses_it_before_anything_changes():
    pool = pagebuf.PagePool(20 * PAGE)
    buf = pagebuf.PageBuffer(pool=pool)
    buf.resize(100 * PAGE)
    buf.write(PAGE, b"data" * (2 * PAGE))
    before = buf.extents()
    view = buf.view(3 * PAGE, 4)
    pool.limit = pool.stats().held * PAGE
    with pytest.raises(MemoryError):
        buf.reverse()
    assert buf.extents() == before
    pool.limit = None
    buf.reverse()
    assert bytes(view) == bytes(4)
    assert buf.read(100 * PAGE - PAGE - 4, 4) == b"atad"
    pool.check()
