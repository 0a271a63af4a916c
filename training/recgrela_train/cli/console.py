"""The consoles that the command prints to."""

from rich.console import Console

console = Console()
errors = Console(stderr=True)


def say(line: str, to: Console = console) -> None:
    """Prints a line without wrapping, markup or highlighting: it may name a file."""
    to.print(line, highlight=False, markup=False, soft_wrap=True)
