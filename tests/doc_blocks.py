"""The code blocks of a page, and how they are run: Python, and the project's own commands.

A block that cannot be run has a reason above it, `<!-- not run: REASON -->`. A block of `text` is
not code.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import recgrela.cli
from recgrela_train.cli import app
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n+)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SMALL = [
    "--set", "model.hidden_size=16", "--set", "model.num_heads=2", "--set", "model.num_layers=1",
    "--set", "train.window=16", "--set", "train.max_epochs=4", "--set", "train.accelerator=cpu",
]  # fmt: skip


class Block(NamedTuple):
    """A fenced block; `reason` says why it cannot be run."""

    line: int
    language: str
    code: str
    reason: str | None


def blocks_of(text: str) -> list[Block]:
    """The blocks of code of a page, in order."""
    found = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        if match["language"] != "text":
            found.append(Block(line, match["language"], match["code"], match["reason"]))
    return found


def run_python(code: str, names: dict) -> None:
    """Run a block with the names of the page's earlier blocks."""
    code = re.sub(r'("train\.max_epochs"): \d+', r"\1: 1", code).replace("=0.002", "=1")
    exec(compile(code, "a block of the page", "exec"), names)


def run_shell(code: str) -> None:
    """Run each command in this process; of `make` and `pip`, check what they name."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            COMMANDS[words[0]](words[1:])


def _train(words: list[str]) -> None:
    if words[0] == "fit" and not {"--like", "--from"}.intersection(words):
        words = [*words, *SMALL]
    if "--max-ndcg-drop" in words:  # a few users: one rank is more than the documented loss
        words[words.index("--max-ndcg-drop") + 1] = "1"
    if words[0] == "synth":
        for option, size in (("--users", "60"), ("--items", "40"), ("--events", "1800")):
            words[words.index(option) + 1] = size
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, f"{words}: {result.exception}\n{result.output}"


def _engine(words: list[str]) -> None:
    workers = ["--workers", "1"] if words[0] == "batch" else []
    assert recgrela.cli.main([*words, *workers]) == 0, words


def _make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in words if "=" not in word} <= set(targets), words


def _pip(words: list[str]) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r"recgrela\[(\w+)\]", " ".join(words)):
        assert f"\n{extra} = [" in project, words


COMMANDS = {"recgrela-train": _train, "recgrela": _engine, "make": _make, "pip": _pip}
