"""Splits C into tokens: drops comments, separates directives, and empties strings."""

from __future__ import annotations

import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<name>[A-Za-z_]\w*)
      | (?P<space>(?:[ \t\r\f\v]|\\\n)+)
      | (?P<line>\n)
      | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
      | (?P<sign>->|\.\.\.|.)""",
    re.DOTALL | re.VERBOSE,
)
COMMENT = re.compile(
    r"""(?P<keep>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|//[^\n]*|/\*.*?\*/""", re.DOTALL
)
DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(?P<what>\w+)(?P<rest>(?:\\\n|[^\n])*)", re.MULTILINE)
OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}


class Token(NamedTuple):
    """A word or a sign, and its line."""

    text: str
    line: int
    is_name: bool


class Directive(NamedTuple):
    """A line that begins with #: its word, and the rest."""

    what: str
    rest: str
    line: int


class UnreadableError(ValueError):
    """Brackets do not match; most likely an `#if` divides a statement."""


def divide(text: str) -> tuple[list[Directive], list[Token]]:
    """The directives of a file, and the tokens of the rest."""
    text = COMMENT.sub(lambda match: match["keep"] or _blank(match), text)
    directives = [
        Directive(match["what"], match["rest"], text.count("\n", 0, match.start()) + 1)
        for match in DIRECTIVE.finditer(text)
    ]
    return directives, tokens(DIRECTIVE.sub(_blank, text))


def _blank(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n") or " "


def tokens(text: str, line: int = 1) -> list[Token]:
    """The names, numbers, signs and strings of a text that begins on this line."""
    found = []
    for match in TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "name":
            found.append(Token(match.group(), line, True))
        elif kind in {"number", "sign"}:
            found.append(Token(match.group(), line, False))
        else:
            if kind == "string":
                found.append(Token('""', line, False))
            line += match.group().count("\n")
    return found


def pairs(some: list[Token]) -> dict[int, int]:
    """For each opening bracket, the place of the closing one."""
    closed, waiting = {}, []
    for at, token in enumerate(some):
        if token.text in OPEN:
            waiting.append(at)
        elif token.text in CLOSE:
            if not waiting or OPEN[some[waiting[-1]].text] != token.text:
                raise UnreadableError(f"line {token.line}: {token.text!r} closes nothing")
            closed[waiting.pop()] = at
    if waiting:
        raise UnreadableError(f"line {some[waiting[-1]].line}: a bracket is not closed")
    return closed
