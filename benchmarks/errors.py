"""The exceptions of participants.  Imports nothing: a child that measures itself loads it."""


class Cannot(Exception):  # noqa: N818
    """A participant cannot do this work; the message says why."""


class ChildError(RuntimeError):
    """A job ended with an error; the message is its last line."""
