"""Commands of `recgrela-train` in this process, where no process of its own is needed."""

from recgrela_train.cli import app
from typer.testing import CliRunner


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
