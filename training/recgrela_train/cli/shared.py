"""Functions that subcommands share; imported when a subcommand runs."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.markup import escape

from ..data import SPLITS, DataWarning
from ..distributed import is_main
from ..evaluation.results import Metrics
from .console import console, errors


def show(
    metrics: Metrics,
    output: Path | None,
    *,
    test: bool,
    user_ids: bool = False,
    json: bool = False,
) -> None:
    """Prints validation metrics and, with `test`, test metrics; saves both to `output`.

    With `json` they are printed as an object with the keys of the saved file.
    """
    splits = [split for split in SPLITS[: 1 + test] if split in metrics.splits]
    if json:
        print(metrics.to_json(splits))
    elif splits:
        console.print(*metrics.tables(splits), *metrics.slices(splits[-1]), sep="\n")
    else:
        console.print("there are no validation targets: print test metrics with --test")
    if output is not None and is_main():
        metrics.save(output, user_ids=user_ids)


@contextmanager
def data_warnings() -> Iterator[None]:
    """Prints warnings about the data as messages, in the main process only."""

    def show_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, DataWarning):
            show_other(message, category, filename, lineno, file, line)
        elif is_main():
            warn(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        show_other = warnings.showwarning
        warnings.showwarning = show_warning
        yield


def warn(text: str) -> None:
    """Prints a warning."""
    errors.print(f"[yellow]warning:[/yellow] {escape(text)}", highlight=False, soft_wrap=True)
