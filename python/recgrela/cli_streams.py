"""Standard streams that nobody reads: their reader, such as `head`, is gone, or they are closed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO, cast


@contextmanager
def unread_streams() -> Iterator[None]:
    """Lets a command do its work, with its exit status, whoever reads what it prints.

    Writing to standard error never raises. A stream that was closed when the process started, with
    `2>&-` in a shell, is None in Python; what is written to it is discarded.
    """
    errors = cast(TextIO, _Discarding(sys.stderr or _nothing()))
    with redirect_stdout(sys.stdout or _nothing()), redirect_stderr(errors):
        yield


def discard(stream: TextIO) -> None:
    """Discards what is written to the stream from now on, and what Python flushes when it exits."""
    with _nothing() as nothing:
        os.dup2(nothing.fileno(), stream.fileno())


def _nothing() -> TextIO:
    return Path(os.devnull).open("w")


class _Discarding:
    """A stream that discards what is written to it once a write has failed."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Returns the number of characters."""
        try:
            return self._stream.write(text)
        except OSError:
            discard(self._stream)
            return len(text)

    def flush(self) -> None:
        """Writes what is buffered."""
        try:
            self._stream.flush()
        except OSError:
            discard(self._stream)
