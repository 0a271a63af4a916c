"""The `recgrela-train` command. Subcommands import PyTorch only when they run: help stays fast."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from ..version import __version__
from .ablate import ablate
from .baseline import baseline
from .cold import cold
from .compare import compare
from .console import errors
from .evaluate import evaluate
from .export import export
from .fit import fit
from .prepare import prepare
from .report import report
from .settings import list_settings
from .synth import synth

app = typer.Typer(
    help="Train causal RecGRELA recommenders and export them for the recgrela engine.",
    epilog="Try it: `recgrela-train fit --set train.max_epochs=5`",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"recgrela-train {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Options of the command as a whole."""


for command in (fit, evaluate, baseline, ablate, compare, export, cold, report, prepare, synth):
    app.command()(command)
app.command("settings")(list_settings)


def main() -> None:
    """Entry point. Bad input ends in one message, not a traceback."""
    try:
        app()
    except (ValueError, OSError) as error:
        errors.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
