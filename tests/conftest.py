"""Hypothesis profiles, the `pool` fixture, and a line that says which build is under test."""

import gc
import importlib.util
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

import pagebuf
from tests.aio.certificates import make_certificate, tls_contexts

settings.register_profile("moderate", max_examples=100, stateful_step_count=50, deadline=None)
settings.register_profile("quick", max_examples=20, stateful_step_count=25, deadline=None)
settings.register_profile("long", max_examples=2000, stateful_step_count=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "moderate"))

FAILED = pytest.StashKey[bool]()

# Names of the doctests that draw pictures, in docs/ and in docstrings.
WITH_MATPLOTLIB = {
    "command-line.md",
    "pagebuf.picture",
    "pagebuf.picture.pool_figure",
    "pagebuf.picture.tree_figure",
}


def pytest_configure() -> None:
    """Stop if PYTHONPATH leads to another build than the one that the caller meant to test."""
    expected = int(os.environ.get("PAGEBUF_EXPECT", pagebuf.PAGE_SIZE))
    if expected != pagebuf.PAGE_SIZE:
        found = f"{pagebuf.__file__} has pages of {pagebuf.PAGE_SIZE} bytes"
        raise pytest.UsageError(f"{found}, not {expected}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_pictures(items)
    alone = [test.nodeid for test in items if test.get_closest_marker("alone")]
    hidden = [name for name in alone if "_oom.py" not in name]
    if hidden:  # make would not find them there
        raise pytest.UsageError(f"tests marked alone in a file that is not *_oom.py: {hidden}")


def skip_pictures(items: list[pytest.Item]) -> None:
    """Skip doctests that draw if matplotlib is missing: they cannot call importorskip."""
    if importlib.util.find_spec("matplotlib") is None:
        skip = pytest.mark.skip(reason="matplotlib is not installed: no pictures")
        for item in items:
            if item.name in WITH_MATPLOTLIB:
                item.add_marker(skip)


def pytest_report_header() -> str:
    return f"pagebuf: {pagebuf.PAGE_SIZE}-byte pages, {pagebuf.__file__}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def freeze() -> None:
    """Hide what there is from the garbage collector: pytest's own objects, the modules.  Fixtures
    and many tests collect, and to visit all these objects takes longer than most tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def frozen_heap() -> None:
    freeze()


@pytest.fixture
def pool(request: pytest.FixtureRequest) -> Iterator[pagebuf.PagePool]:
    """A fresh pool.  After the test it must be consistent (I10).  After a passed test it must also
    have no frame in use."""
    yield from _watched(pagebuf.PagePool(), request)


@pytest.fixture
def plain_pool(request: pytest.FixtureRequest) -> Iterator[pagebuf.PagePool]:
    """As `pool`, at debug level 0, for tests of behaviour that other levels change."""
    yield from _watched(pagebuf.PagePool(debug=0), request)


def _watched(pool: pagebuf.PagePool, request: pytest.FixtureRequest) -> Iterator[pagebuf.PagePool]:
    freeze()  # what the tests before have left with pytest: reports, parameters
    yield pool
    pool.check()
    if request.node.stash.get(FAILED, False):
        return  # the traceback keeps the test's buffers alive
    request.node.funcargs.clear()  # pytest would keep the buffers of other fixtures alive
    gc.collect()
    pool.check()
    assert pool.stats().held == 0, f"frames still in use, by {pool.buffers()}"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A folder with a certificate for 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["plain", "tls"])
def contexts(request):
    """The options of a server and of a client, without TLS and with it."""
    if request.param == "plain":
        return {}, {}
    server, client = tls_contexts(request.getfixturevalue("certificate"))
    return {"ssl": server}, {"ssl": client}
