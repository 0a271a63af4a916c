"""The command as a whole."""

import subprocess
import sys

import pytest


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
