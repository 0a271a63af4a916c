"""Errors and warnings about the user's data."""

import warnings
from collections.abc import Callable
from pathlib import Path

TOO_FEW_EVENTS = (
    "no user has the four events that training, validation and test need: use more data"
)

ONLY_FIRST_EVENTS = (
    "each {split} target is the first event of its user, and the network has no start vector to "
    "predict these from: move the cuts of data.split=time, or train with model.kind=grela"
)


class DataError(ValueError):
    """The data cannot be used; the message says what was found, what was expected, what to do."""

    def __init__(self, message: str):
        super().__init__(printable(message))


Fail = Callable[..., DataError]
"""Returns the error for a line of a file: `fail(line, problem)`."""


class DataWarning(UserWarning):
    """The data was read, but perhaps not as intended."""


def warn(message: str) -> None:
    """Issues a DataWarning."""
    warnings.warn(printable(message), DataWarning, stacklevel=2)


def printable(text: str) -> str:
    """`text` with control characters escaped: names and values come from files."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def at_line(path: Path, line: int, text: str, problem: str) -> DataError:
    """The error for line number `line` (from 1) of a file, with the content `text`."""
    shown = text if len(text) <= 80 else text[:77] + "..."
    return DataError(f"{path}, line {line}: {problem}\n  found: {shown!r}")
