"""Numbers as people read them, for reports and pictures."""

from __future__ import annotations

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size_text(nbytes: int) -> str:
    """A number of bytes in the largest unit of which there is at least one, in three digits.

    >>> size_text(104), size_text(16384), size_text(4 * 2**30 - 1), size_text(1600)
    ('104 bytes', '16 KiB', '4 GiB', '1.56 KiB')
    """
    unit = 0
    value = float(nbytes)
    while unit + 1 < len(_UNITS) and value >= 1023.995:
        value /= 1024
        unit += 1
    if value == 1 and unit == 0:
        return "1 byte"
    return f"{value:.4g} {_UNITS[unit]}" if value >= 1000 else f"{value:.3g} {_UNITS[unit]}"


def count_text(number: int, what: str, many: str = "") -> str:
    """A number with its noun, and spaces between thousands.

    >>> count_text(1, "page"), count_text(262144, "page"), count_text(0, "entry", "entries")
    ('1 page', '262 144 pages', '0 entries')
    """
    return f"{number_text(number)} {what if number == 1 else many or what + 's'}"


def number_text(number: int) -> str:
    """A number with spaces between thousands.

    >>> number_text(1048576)
    '1 048 576'
    """
    return f"{number:,}".replace(",", " ")


def name_text(name: str, most: int) -> str:
    r"""A name for a cell of a table: one line, printable, at most ``most`` characters.

    >>> print(name_text("inbox", 10), name_text("in\nbox", 10), name_text("in" + "b" * 20, 10))
    inbox in\nbox inbbbbb...
    """
    # str.__str__ runs no code of a subclass.
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str.__str__(name))
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."
