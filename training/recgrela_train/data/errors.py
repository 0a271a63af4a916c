"""The one error of this package: the user's data is not what it should be."""

from pathlib import Path

TOO_FEW_EVENTS = (
    "no user has the three events that training, validation and test take: use more data"
)
"""What is wrong with data of which nothing can be held out."""


class DataError(ValueError):
    """Data that cannot be used: the message says what was found, what was expected, what to do."""


def at_line(path: Path, line: int, text: str, problem: str) -> DataError:
    """The error for one line of a file: `line` counts from 1, `text` is what stands there."""
    shown = text if len(text) <= 80 else text[:77] + "..."
    return DataError(f"{path}, line {line}: {problem}\n  found: {shown!r}")
