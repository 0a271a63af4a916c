"""Errors of the scripts outside the packages are one-line messages, as for the commands."""

import subprocess
import sys
from pathlib import Path

import pytest
from recgrela_train.fitting.fit import config_path

ROOT = Path(__file__).parent.parent
PARITY = ["-m", "benchmarks.parity"]
DEMO = ["examples/demo.py"]


def complaint(*arguments) -> str:
    """The error message of a failing script."""
    words = [sys.executable, *map(str, arguments)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("script", [PARITY, DEMO])
def test_a_run_that_is_not_there(script, tmp_path):
    assert complaint(*script, tmp_path / "none").startswith(f"error: {tmp_path / 'none'}/")


def test_the_demo_wants_a_run_on_its_films(tmp_path):
    config_path(tmp_path).write_text("data:\n  source: mine.csv\n")
    message = complaint(*DEMO, tmp_path)
    assert f"{tmp_path} was trained on mine.csv" in message
    assert "expected a run on ml-100k" in message
