"""`recgrela-train settings`."""

from rich.markup import escape
from rich.table import Table

from .console import console


def list_settings() -> None:
    """List every setting of config files and `--set`, with its default."""
    from ..config import describe_settings

    table = Table("key", "default", "meaning", box=None, pad_edge=False)
    for key, default, meaning in describe_settings():
        table.add_row(key, str(default), escape(" ".join(meaning.split())))
    console.print(table)
