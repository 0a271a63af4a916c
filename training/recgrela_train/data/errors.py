"""What is said of the user's data: an error where it cannot be used, a warning where it can."""

import warnings
from collections.abc import Callable
from pathlib import Path

TOO_FEW_EVENTS = (
    "no user has the four events that training, validation and test take: use more data"
)
"""What is wrong with data of which nothing can be held out, or nothing is left to train on."""


class DataError(ValueError):
    """Data that cannot be used: the message says what was found, what was expected, what to do."""

    def __init__(self, message: str):
        super().__init__(printable(message))


Fail = Callable[..., DataError]
"""Makes the error for a place in a file: `fail(line, problem)`."""


class DataWarning(UserWarning):
    """Data that was read, perhaps not as it was meant."""


def warn(message: str) -> None:
    """Issues a DataWarning."""
    warnings.warn(printable(message), DataWarning, stacklevel=2)


def printable(text: str) -> str:
    """`text` with control characters escaped: names and values come from files."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def at_line(path: Path, line: int, text: str, problem: str) -> DataError:
    """The error for one line of a file: `line` counts from 1, `text` is what stands there."""
    shown = text if len(text) <= 80 else text[:77] + "..."
    return DataError(f"{path}, line {line}: {problem}\n  found: {shown!r}")
