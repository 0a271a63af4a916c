"""The consoles that the command prints to."""

import os

from rich.console import Console
from rich.status import Status

console = Console()
errors = Console(stderr=True)


def say(line: str, to: Console = console) -> None:
    """Prints a line without wrapping, markup or highlighting: it may name a file."""
    to.print(line, highlight=False, markup=False, soft_wrap=True)


def loading() -> Status:
    """A spinner while PyTorch is imported, which takes seconds; in one of several processes."""
    ranks = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
    others = any(os.environ.get(name, "0") != "0" for name in ranks)
    return Console(stderr=True, quiet=others).status("loading PyTorch")
