"""``python -m pagebuf demo``: what pagebuf is for, in four scenes of a minute.

A scene yields frames.  On a terminal, with rich, they move; elsewhere the last one of each scene is
printed as text.
"""

from __future__ import annotations

import io
import random
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from pagebuf._core import PAGE_SIZE, PageBuffer
from pagebuf._text import count_text, size_text
from pagebuf.pool import PagePool
from pagebuf.report import top

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from rich.console import Console, RenderableType

PIECE = 16 * PAGE_SIZE
BURST = 768  # pieces that come at once
LEFT = 16  # pieces that are never taken
RING = 256  # pieces that the ring holds
DOCUMENT = 8192 * PAGE_SIZE
EDITS = 100
WIDTH = 40  # of the longest bar


class Bar(NamedTuple):
    """A holder of memory, how much it holds, and a remark."""

    name: str
    nbytes: int
    remark: str = ""


class Frame(NamedTuple):
    """One moment of a scene."""

    title: str
    says: str
    bars: list[Bar]
    seconds: float  # how long it is shown where frames move
    last: bool = False


# ---- the scenes ----


class Ring:
    """A ring buffer, as small as one can be: its size is fixed, and pieces are all of one size."""

    def __init__(self, pieces: int) -> None:
        self.memory = memoryview(bytearray(pieces * PIECE))
        self.pieces = pieces
        self.first = self.count = self.refused = 0

    def put(self, piece: bytes) -> None:
        """Copy a piece in, or refuse it where the ring is full.  O(n)."""
        if self.count == self.pieces:
            self.refused += 1
            return
        at = (self.first + self.count) % self.pieces * PIECE
        self.memory[at : at + PIECE] = piece
        self.count += 1

    def take(self) -> None:
        """Drop the oldest piece.  O(1)."""
        self.first, self.count = (self.first + 1) % self.pieces, max(0, self.count - 1)


class Three:
    """A buffer, a bytearray and a ring, which get and give up the same pieces."""

    def __init__(self) -> None:
        self.pool = PagePool(debug=0, name="demo")
        self.ours, self.theirs, self.ring = PageBuffer(pool=self.pool), bytearray(), Ring(RING)
        self.piece = bytes(range(256)) * (PIECE // 256) or bytes(PIECE)

    def put(self) -> None:
        """Append a piece to each."""
        self.ours.extend(self.piece)
        self.theirs += self.piece
        self.ring.put(self.piece)

    def take(self) -> None:
        """Drop the first piece of each."""
        self.ours.take_bytes(PIECE)
        del self.theirs[:PIECE]
        self.ring.take()

    def frame(self, says: str, seconds: float = 0.1, *, last: bool = False) -> Frame:
        """What each of them holds now."""
        stats = self.pool.stats()
        refused = f"refused {self.ring.refused} of {BURST}" if self.ring.refused else ""
        bars = [
            Bar("PageBuffer", (stats.held + stats.retained) * PAGE_SIZE),
            Bar("bytearray", sys.getsizeof(self.theirs)),
            Bar("ring", RING * PIECE, refused),
        ]
        return Frame("A burst comes and goes", says, bars, seconds, last)


def burst() -> Iterator[Frame]:
    """A buffer, a bytearray and a ring get the same burst."""
    three = Three()
    for number in range(BURST):
        three.put()
        if number % 8 == 0:
            yield three.frame(f"{size_text(len(three.ours))} have come")
    peak = len(three.ours)
    for number in range(BURST - LEFT):
        three.take()
        if number % 8 == 0:
            yield three.frame(f"{size_text(len(three.ours))} are left")
    says = (
        f"{size_text(peak)} came, {size_text(len(three.ours))} are left. "
        "The buffer has given its pages back, but for a MiB that its pool keeps warm; "
        "a ring holds its size, and refuses what is beyond it."
    )
    yield three.frame(says, 5, last=True)


def versions() -> Iterator[Frame]:
    """A document with an earlier state for each edit, what differs, and who holds the memory."""
    pool = PagePool(debug=0, name="demo")
    document = PageBuffer(bytes(DOCUMENT), pool=pool, name="document")
    dice = random.Random(18)
    past: list[PageBuffer] = []

    def bars() -> list[Bar]:
        copies = (len(past) + 1) * DOCUMENT
        held = pool.stats().held * PAGE_SIZE
        return [Bar("snapshots", held), Bar("copies", copies, "if each state were a copy")]

    title = "Every earlier state stays"
    for number in range(EDITS):
        past.append(document.snapshot(name=f"before edit {number + 1}"))
        document.write(dice.randrange(DOCUMENT), b"edit")
        yield Frame(title, f"{count_text(number + 1, 'edit')}", bars(), 0.1)
    says = f"{EDITS + 1} states of {size_text(DOCUMENT)} share all pages that no edit has touched."
    yield Frame(title, says, bars(), 5, last=True)
    yield _difference(document, past[0])
    yield _holders(pool)


def _difference(document: PageBuffer, before: PageBuffer) -> Frame:
    start = time.perf_counter()
    ranges = document.diff(before, exact=True)
    took = (time.perf_counter() - start) * 1e3
    changed = sum(size for _, size in ranges)
    says = (
        f"{count_text(len(ranges), 'place')} with {count_text(changed, 'byte')} differ between "
        f"the first state and now.\nFound in {took:.1f} ms: what both share is not looked at."
    )
    bars = [Bar("differs", changed), Bar("compared", len(ranges) * PAGE_SIZE), Bar("all", DOCUMENT)]
    return Frame("What has changed?", says, bars, 8, last=True)


def _holders(pool: PagePool) -> Frame:
    table = io.StringIO()
    top(pool, file=table, most=5)
    says = f"{table.getvalue()}\nSHARE adds up to what the pool has. A program calls pagebuf.top()."
    return Frame("Who ate the memory?", says, [], 10, last=True)


SCENES: tuple[Callable[[], Iterator[Frame]], ...] = (burst, versions)


# ---- on paper, and on a terminal ----


def demo(out: TextIO, *, fast: bool = False) -> None:
    """Show the scenes: moving on a terminal, if rich is there, else as text."""
    console = _console(out)
    if console is None:
        play_as_text(out)
    else:
        play(console, fast=fast)


def _console(out: TextIO) -> Console | None:
    """The terminal, or None if there is none or no rich."""
    if not out.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        print("bars move where rich is installed: pip install 'pagebuf[demo]'\n", file=out)
        return None
    return Console(file=out)


def play_as_text(out: TextIO) -> None:
    """Print the last frame of each scene."""
    for scene in SCENES:
        for frame in scene():
            if frame.last:
                print(f"{frame.title}\n\n{_indented(frame.says)}", file=out)
                for line in bar_lines(frame.bars):
                    print(f"  {line}", file=out)
                print(file=out)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.rstrip().splitlines()) + "\n"


def bar_lines(bars: list[Bar]) -> list[str]:
    """A line for each bar; the longest has `WIDTH` characters.

    >>> for line in bar_lines([Bar("one", 40), Bar("another", 10, "a remark")]):
    ...     print(line)
    one      ########################################  40 bytes
    another  ##########  10 bytes, a remark
    """
    most = max((bar.nbytes for bar in bars), default=0) or 1
    longest = max((len(bar.name) for bar in bars), default=0)
    lines = []
    for bar in bars:
        drawn = "#" * max(1, round(bar.nbytes * WIDTH / most))
        remark = f", {bar.remark}" if bar.remark else ""
        lines.append(f"{bar.name:<{longest}}  {drawn}  {size_text(bar.nbytes)}{remark}")
    return lines


def play(console: Console, *, fast: bool) -> None:
    """Show all frames, each for its time; the last one of a scene stays on the terminal."""
    from rich.live import Live

    for scene in SCENES:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            for frame in scene():
                live.update(_drawn(frame), refresh=True)
                if not fast:
                    time.sleep(frame.seconds)
                if frame.last:
                    live.console.print(_drawn(frame))


def _drawn(frame: Frame) -> RenderableType:
    from rich.panel import Panel
    from rich.text import Text

    text = Text(frame.says.rstrip(), no_wrap=not frame.bars)
    for bar, line in zip(frame.bars, bar_lines(frame.bars), strict=True):
        ours = bar is frame.bars[0]
        text.append("\n" + line.replace("#", "\u2588"), style="bold magenta" if ours else "dim")
    return Panel(text, title=frame.title, title_align="left")
