"""Where the command prints."""

from rich.console import Console

console = Console()
errors = Console(stderr=True)


def say(line: str, to: Console = console) -> None:
    """Prints a line as it is: it may name a file."""
    to.print(line, highlight=False, markup=False, soft_wrap=True)
