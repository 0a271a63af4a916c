"""Commands of `recgrela-train` in this process, where no process of its own is needed."""

from pathlib import Path

from recgrela_train.cli import app
from recgrela_train.fitting.checkpoints import Checkpoint, best_checkpoint, load_checkpoint
from typer.testing import CliRunner


def changed(*settings: str) -> list[str]:
    """The options that change settings."""
    return [word for setting in settings for word in ("--set", setting)]


def best(run: Path) -> Checkpoint:
    """The best checkpoint of a run."""
    return load_checkpoint(best_checkpoint(run))


def go(*words) -> str:
    """The output of a command that succeeds."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.exception
    return result.output


def error(*words) -> str:
    """The message of a command that fails."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(result.exception, ValueError | OSError), result.output
    return str(result.exception)
