"""Finds the names that a C file defines, declares and uses, from its tokens.

This is not a compiler.  It knows just enough of C's grammar to distinguish names of the file scope
from other names with the same spelling:

- A name after `.` or `->`, or after the comma of `offsetof`, is a member.  It is not a use.
- A name declared in the body of a struct is a member.  A name declared as a parameter or in a block
  hides an outer name of the same spelling, up to the end of the function or block.  So does a
  parameter of a macro.
- Labels do not count.  Tags are separate from other names, as in C: `struct pb_buf` is one name.
- Names of a .c file that others cannot use (static ones, macros, typedefs, enumerators) are local:
  they count only in that file, so many files may define the same name.

Both sides of an `#if` count.  The body of a macro counts where it is written, not where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tools.c_tokens import Directive, Token, divide, pairs, tokens

INCLUDE = re.compile(r"""[ \t]*(?:"(?P<own>[^"]+)"|<(?P<system>[^>]+)>)""")
QUALIFIERS = {
    "auto",
    "const",
    "extern",
    "inline",
    "register",
    "restrict",
    "static",
    "typedef",
    "volatile",
    "_Atomic",
    "_Noreturn",
    "_Thread_local",
}
TYPES = {
    "_Bool",
    "bool",
    "char",
    "double",
    "float",
    "int",
    "long",
    "short",
    "signed",
    "unsigned",
    "void",
}
TAGS = {"struct", "union", "enum"}
WITH_ARGUMENT = {"__attribute__", "_Alignas", "__declspec"}
"""Words of a declaration that have arguments of their own."""
OTHERS = {
    "break",
    "case",
    "continue",
    "default",
    "defined",
    "do",
    "else",
    "for",
    "goto",
    "if",
    "return",
    "sizeof",
    "switch",
    "while",
    "_Alignof",
    "_Static_assert",
    "__VA_ARGS__",
}
WORDS = QUALIFIERS | TYPES | TAGS | WITH_ARGUMENT | OTHERS
DEFINERS = {"PyDoc_STRVAR"}
"""Macros whose first argument is the name of a definition, local to the file."""
WITHOUT_SEMICOLON = {"Py_BEGIN_ALLOW_THREADS", "Py_END_ALLOW_THREADS"}
"""Macros that are a statement without a semicolon."""


class Include(NamedTuple):
    """An included file."""

    path: str
    line: int
    is_system: bool


class Name(NamedTuple):
    """A name where it is defined, declared or used."""

    text: str
    line: int
    kind: str
    is_local: bool = False


@dataclass
class Names:
    """All names of a file."""

    includes: list[Include] = field(default_factory=list)
    defined: list[Name] = field(default_factory=list)
    used: list[Name] = field(default_factory=list)
    """Uses, with prototypes and `extern` declarations."""


def read(text: str, is_header: bool) -> Names:
    """The names of a file.  UnreadableError if its brackets do not match."""
    return _Reader(is_header).read(text)


class _Reader:
    def __init__(self, is_header: bool) -> None:
        self.names = Names()
        self.is_header = is_header
        self.some: list[Token] = []
        self.closed: dict[int, int] = {}
        self.hidden: list[set[str]] = []
        """For each enclosing block or list of parameters, the names that it declares."""

    def read(self, text: str) -> Names:
        directives, rest = divide(text)
        for directive in directives:
            self._directive(directive)
        self._take(rest)
        at = 0
        while at < len(rest):
            at = self._declaration(at)
        return self.names

    def _take(self, some: list[Token]) -> None:
        self.some, self.closed = some, pairs(some)

    # ---- tokens ----

    def _text(self, at: int) -> str:
        return self.some[at].text if 0 <= at < len(self.some) else ""

    def _is_name(self, at: int) -> bool:
        return at < len(self.some) and self.some[at].is_name and self._text(at) not in WORDS

    def _behind(self, at: int) -> int:
        """The place after this token; if it is a bracket, after the closing one."""
        return self.closed.get(at, at) + 1

    def _find(self, signs: set[str], at: int, end: int) -> int:
        """The first of these signs from `at` on that is in no inner bracket, or `end`."""
        while at < end and self._text(at) not in signs:
            at = self._behind(at)
        return at

    def _divided(self, at: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the parts between commas."""
        while at < end:
            comma = self._find({","}, at, end)
            yield at, comma
            at = comma + 1

    # ---- what is found ----

    def _define(self, at: int, kind: str, is_local: bool = False, tag: str = "") -> None:
        text = f"{tag} {self._text(at)}".strip()
        is_local = is_local and not self.is_header
        self.names.defined.append(Name(text, self.some[at].line, kind, is_local))

    def _use(self, at: int, kind: str = "use", tag: str = "") -> None:
        text = f"{tag} {self._text(at)}".strip()
        if not any(text in names for names in self.hidden):
            self.names.used.append(Name(text, self.some[at].line, kind))

    # ---- directives ----

    def _directive(self, directive: Directive) -> None:
        what, rest, line = directive
        if what == "include" and (path := INCLUDE.match(rest)):
            include = Include(path["own"] or path["system"], line, path["own"] is None)
            self.names.includes.append(include)
        elif what == "define":
            self._take(tokens(rest, line))
            self._macro(has_parameters=re.match(r"\s*\w+\(", rest) is not None)
        elif what in {"if", "elif", "ifdef", "ifndef"}:
            self._take(tokens(rest, line))
            self._expression(0, len(self.some))

    def _macro(self, has_parameters: bool) -> None:
        self._define(0, "macro", is_local=True)
        begin = self._behind(1) if has_parameters else 1
        self.hidden.append({token.text for token in self.some[1:begin]})
        self._expression(begin, len(self.some))
        self.hidden.pop()

    # ---- declarations ----

    def _declaration(self, at: int) -> int:
        """Read a declaration of the file scope; return where the next one begins."""
        begin, (name, at) = at, self._specified(at, len(self.some))
        words = {self._text(i) for i in range(begin, at)}
        if self._text(at - 1) in DEFINERS and self._text(at) == "(":
            self._define(at + 1, "variable", is_local=True)
        while name is not None:
            if "typedef" in words:
                self._define(name, "typedef", is_local=True)
            elif self._text(name + 1) == "(":
                at = self._function(name, "static" in words)
                if self._text(at - 1) == "}":
                    return at
            elif "extern" in words:
                self._use(name, "extern")
            else:
                self._define(name, "variable", "static" in words)
            name, at = self._next_declarator(at)
        end = self._find({";"}, at, len(self.some))
        self._expression(at, end)
        return end + 1

    def _specified(self, at: int, end: int) -> tuple[int | None, int]:
        """Read the words of a declaration; return its name, or None, and the place after it.

        The words before the name are uses.  `a * b` counts as a declaration of b.
        """
        names, is_typed = [], False
        while at < end:
            text = self._text(at)
            if text in TAGS:
                at, is_typed = self._tag(at), True
            elif text in WITH_ARGUMENT:
                self._expression(at + 1, self._behind(at + 1))
                at = self._behind(at + 1)
            elif text == "*" or text in QUALIFIERS | TYPES:
                is_typed |= text in TYPES
                at += 1
            elif self._is_name(at):
                names.append(at)
                at += 1
            else:
                break
        name, at = self._declarator(names, is_typed, at, end)
        for used in names:
            self._use(used)
        return name, at

    def _declarator(
        self, names: list[int], is_typed: bool, at: int, end: int
    ) -> tuple[int | None, int]:
        """Find the name among the words of a declaration, or in `type (*name)(...)`."""
        if names and names[-1] == at - 1 and (is_typed or len(names) > 1):
            return names.pop(), at
        if at < end and self._text(at) == "(" and self._text(at + 1) == "*":
            behind = self._behind(at)
            if self._text(behind) == "(" and (is_typed or names):
                inner = [i for i in range(at, behind) if self._is_name(i)]
                self._parameters(behind)
                return inner[-1] if inner else None, self._behind(behind)
        return None, at

    def _next_declarator(self, at: int) -> tuple[int | None, int]:
        """Read up to the name after the next comma, or up to the semicolon."""
        end = self._find({",", ";"}, at, len(self.some))
        self._expression(at, end)
        at = end + 1
        while self._text(end) == "," and self._text(at) in QUALIFIERS | {"*"}:
            at += 1
        return (at, at + 1) if self._text(end) == "," else (None, end)

    def _function(self, name: int, is_static: bool) -> int:
        """Read a function or its prototype; return where it ends."""
        hidden = self._parameters(name + 1)
        at = self._behind(name + 1)
        while self._text(at) in WITH_ARGUMENT:
            at = self._behind(at + 1)
        if self._text(at) != "{":
            if not is_static:
                self._use(name, "prototype")
            return at
        self._define(name, "function", is_static)
        self.hidden.append(hidden)
        self._block(at)
        self.hidden.pop()
        return self._behind(at)

    def _parameters(self, paren: int) -> set[str]:
        """Read parameters; return their names.  Their types are uses."""
        found = set()
        for begin, end in self._divided(paren + 1, self._behind(paren) - 1):
            name, at = self._specified(begin, end)
            self._expression(at, end)
            if name is not None:
                found.add(self._text(name))
        return found

    # ---- struct, union, enum ----

    def _tag(self, at: int) -> int:
        """Read a struct, union or enum, with or without a body; return the place after it."""
        tag, at = self._text(at), at + 1
        while self._text(at) in WITH_ARGUMENT:
            at = self._behind(at + 1)
        has_name = self._is_name(at)
        body = at + 1 if has_name else at
        if self._text(body) != "{":
            self._use(at, tag=tag)
            return body
        if has_name:
            self._define(at, tag, tag=tag)
        if tag == "enum":
            self._enumerators(body)
        else:
            self._members(body)
        return self._behind(body)

    def _enumerators(self, brace: int) -> None:
        for begin, end in self._divided(brace + 1, self.closed[brace]):
            self._define(begin, "enumerator", is_local=True)
            self._expression(begin + 1, end)

    def _members(self, brace: int) -> None:
        at, end = brace + 1, self.closed[brace]
        while at < end:
            name, at = self._specified(at, end)
            while name is not None:
                name, at = self._next_declarator(at)
            at = self._find({";"}, at, end) + 1

    # ---- statements and expressions ----

    def _block(self, brace: int) -> None:
        self._in_scope(brace + 1, self.closed[brace])

    def _in_scope(self, at: int, end: int) -> None:
        self.hidden.append(set())
        while at < end:
            at = self._statement(at, end)
        self.hidden.pop()

    def _statement(self, at: int, end: int) -> int:
        """Read a whole statement; return where the next one begins."""
        text, paren = self._text(at), at + 1
        if text == "{":
            self._block(at)
            return self._behind(at)
        if text in WITHOUT_SEMICOLON:
            return paren
        if text in {"else", "do"}:
            return self._statement(paren, end)
        if self._text(paren) == ":" and (text == "default" or self._is_name(at)):
            return paren + 1
        if text == "case":
            colon = self._find({":"}, at, end)
            self._expression(paren, colon)
            return colon + 1
        if text == "for":
            return self._loop(at, end)
        if text in {"if", "while", "switch"} or self._is_macro_loop(at):
            self._expression(at, self._behind(paren))
            return self._statement(self._behind(paren), end)
        return self._simple_statement(at, end)

    def _is_macro_loop(self, at: int) -> bool:
        """Is it a loop macro: `EACH(x) {` or `EACH(x) if`?  After a call there would be a sign."""
        behind = self._behind(at + 1)
        is_call = self._is_name(at) and self._text(at + 1) == "("
        return is_call and (self._text(behind) == "{" or self._text(behind).isidentifier())

    def _loop(self, at: int, end: int) -> int:
        """Read a loop: names declared in the head of a `for` are visible to the end of its body."""
        self.hidden.append(set())
        begin, close = at + 2, self.closed[at + 1]
        while begin < close:
            begin = self._statement(begin, close)
        at = self._statement(close + 1, end)
        while self._text(at) == "else":
            at = self._statement(at + 1, end)
        self.hidden.pop()
        return at

    def _simple_statement(self, at: int, end: int) -> int:
        if self._text(at) == "goto":
            return at + 3
        if self._is_name(at) or self._text(at) in QUALIFIERS | TYPES | TAGS:
            name, at = self._specified(at, end)
            while name is not None:
                self.hidden[-1].add(self._text(name))
                name, at = self._next_declarator(at)
        stop = self._find({";"}, at, end)
        self._expression(at, stop)
        return stop + 1

    def _expression(self, at: int, end: int) -> None:
        while at < end:
            text = self._text(at)
            if text in TAGS:
                at = self._tag(at)
            elif text in {".", "->"}:
                at += 2
            elif text == "offsetof" and self._text(at + 1) == "(":
                self._expression(at + 2, self._find({","}, at + 2, end))
                at = self._behind(at + 1)
            elif text == "(" and self._text(at + 1) == "{":
                self._block(at + 1)
                at = self._behind(at)
            else:
                if self._is_name(at):
                    self._use(at)
                at += 1
