"""The command as a whole."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import go
from recgrela_train import __version__
from recgrela_train.cli import app
from typer.testing import CliRunner

SCRIPT = Path(sys.executable).with_name("recgrela-train")


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["export", "--help"]])
def test_help_loads_nothing_slow(words):
    code = (
        "import sys; from recgrela_train.cli import app\n"
        f"try: app({words})\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'lightning', 'polars', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Usage: " in result.stdout, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_version():
    assert go("--version") == f"recgrela-train {__version__}\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [("recgrela-train eva", ["evaluate"]), ("recgrela-train evaluate --js", ["--json"])],
)
def test_bash_completes_commands_and_options(line, expected):
    script = f"""
        export PATH={SCRIPT.parent}:$PATH
        eval "$(_RECGRELA_TRAIN_COMPLETE=source_bash recgrela-train)"
        COMP_WORDS=({line}); COMP_CWORD={len(line.split()) - 1}
        $(complete -p recgrela-train | sed 's/.*-F \\([^ ]*\\).*/\\1/') recgrela-train
        echo "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
    assert result.stdout.split() == expected, result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_completion_script(shell):
    variable = {"_RECGRELA_TRAIN_COMPLETE": f"source_{shell}"}
    result = subprocess.run(
        [SCRIPT], capture_output=True, text=True, timeout=120, env={**os.environ, **variable}
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "complete" in result.stdout and "recgrela-train" in result.stdout


def test_evaluate_prints_json_and_nothing_else(command, finished_run, tmp_path):
    path = tmp_path / "metrics.json"
    result = command("evaluate", finished_run, "--json", "--output", path)
    assert result.returncode == 0, result.stderr
    found, saved = json.loads(result.stdout), json.loads(path.read_bytes())
    assert "walks.txt: 40 users" in result.stderr
    assert "test" in saved and "test" not in found
    for key in ("by_user", "intervals", "other_exclusion", "slices", "targets"):
        assert found[key] == {"validation": saved[key]["validation"]}
    for key in ("config", "data", "validation", "versions"):
        assert found[key] == saved[key]
    assert set(found) == set(saved) - {"test"}


def test_evaluate_prints_test_metrics_as_json_on_request(finished_run):
    result = CliRunner().invoke(app, ["evaluate", str(finished_run), "--json", "--test"])
    found = json.loads(result.stdout)
    assert 0 <= found["test"]["stream"]["ndcg@10"] <= 1
    assert len(found["intervals"]["test"]["window"]["hr@5"]) == 2


def test_an_error_leaves_stdout_empty(command, tmp_path):
    result = command("evaluate", tmp_path / "none", "--json")
    assert (result.returncode, result.stdout) == (1, "")
    assert "there is no such checkpoint" in result.stderr


def on_a_terminal(words: list, **environment: str) -> str:
    """What a command prints on a terminal."""
    ours, theirs = pty.openpty()
    plain = {name: os.environ[name] for name in os.environ if name not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**plain, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    os.close(theirs)
    output = b""
    while True:
        try:
            output += os.read(ours, 65536)
        except OSError:  # the process has closed its end
            break
    os.close(ours)
    process.wait(120)
    return output.decode()


def test_colours_are_for_terminals_and_without_no_color(tmp_path):
    words = [SCRIPT, "synth", tmp_path, "--items", "1"]  # an error, of the folder or the number
    coloured = on_a_terminal(words)
    assert "\x1b[31merror:\x1b[0m" in coloured
    plain = on_a_terminal(words, NO_COLOR="1")
    assert "error:" in plain and "\x1b[31m" not in plain
    piped = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert "error:" in piped.stderr and "\x1b" not in piped.stderr
