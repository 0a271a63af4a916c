"""`recgrela batch` as a user runs it."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import recgrela.batch
import recgrela.cli

from tests.engine.batch_data import InProcess, random_events, read, replayed, write

SCRIPT = Path(sys.executable).with_name("recgrela")


def words(model, events: Path, folder: Path, *more) -> list[str]:
    paths = ["--model", model.path, "--state", folder / "state", "--out", folder / "out"]
    return [str(word) for word in ("batch", events, *paths, "--partitions", 2, *more)]


def test_a_first_day_and_its_repetition(small, tmp_path):
    events = random_events(small, 300, 1)
    path = write(events, tmp_path / "events")
    arguments = words(small, path, tmp_path, "--workers", 2, "-k", 5, "--include-seen")
    results = [
        subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    first, again = (result.stdout.splitlines() for result in results)
    assert first[0] == (
        "generation 1: 300 of 300 events appended, 0 at unknown items and 0 late ones skipped"
    )
    assert again[0] == "these 300 events are in generation 1 already"
    for lines in (first, again):
        assert lines[1].startswith(f"{tmp_path / 'out'}: items for 40 of 40 users, ")
    assert results[0].stderr.splitlines()[-1] == "partitions: 2 of 2"
    assert read(tmp_path / "out") == replayed(small, [events], 5, exclude_seen=False)
    success = json.loads((tmp_path / "out" / "_SUCCESS").read_text())
    assert (success["generation"], success["appended"], success["users"]) == (1, 300, 40)


def test_errors_are_one_line(small, tmp_path, capsys, monkeypatch):
    path = write(random_events(small, 10, 1), tmp_path / "events")
    for more, message in [
        (["--time-column", "when"], "0 columns named 'when' among user_id, item_id, timestamp"),
        (["--model", str(tmp_path / "none.safetensors")], "none.safetensors"),
        (["--overlay", str(path / "0.parquet")], "0.parquet"),
    ]:
        assert recgrela.cli.main([*words(small, path, tmp_path), *more]) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith("recgrela: error: ") and message in captured.err
        assert (captured.out, len(captured.err.splitlines())) == ("", 1)
    assert not (tmp_path / "state").exists()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rich" else name)
    assert recgrela.cli.main(words(small, path, tmp_path)) == 1
    expected = "recgrela: error: rich is not installed: pip install 'recgrela[batch]'\n"
    assert capsys.readouterr().err == expected


def test_a_reader_that_has_seen_enough_does_not_end_the_run(small, tmp_path):
    events = random_events(small, 300, 1)
    arguments = words(small, write(events, tmp_path / "events"), tmp_path, "--workers", 1)
    process = subprocess.Popen(
        [SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout.readline() == "dividing events: 0 of 300\n"
    process.stdout.close()  # as `2>&1 | head -1` does
    assert process.wait() == 0
    assert (tmp_path / "out" / "_SUCCESS").exists()
    assert read(tmp_path / "out") == replayed(small, [events])
    again = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=True)
    assert again.stdout.startswith("these 300 events are in generation 1 already\n")


@pytest.fixture(params=["pipe", "terminal", "none"])
def leave(request, monkeypatch, capsys):
    """Ends the reader of standard error, a pipe or a terminal. Or there is no standard error.

    It comes after `capsys`, which replaces standard error too.
    """
    if request.param == "none":
        monkeypatch.setattr(sys, "stderr", None)
        yield lambda: None
        return
    if request.param == "terminal" and sys.platform == "win32":
        pytest.skip("needs a pseudo-terminal")
    monkeypatch.setenv("TERM", "xterm")  # on a dumb terminal rich shows nothing
    reader, writer = os.openpty() if request.param == "terminal" else os.pipe()
    with os.fdopen(writer, "w", buffering=1) as errors, os.fdopen(reader) as other:
        monkeypatch.setattr(sys, "stderr", errors)
        yield other.close


def test_progress_that_nobody_reads_changes_no_result(leave, small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("recgrela.batch.one_machine._pool", lambda _: leave() or InProcess())
    events = random_events(small, 300, 1)
    arguments = words(small, write(events, tmp_path / "events"), tmp_path)
    assert recgrela.cli.main(arguments) == 0
    assert capsys.readouterr().out.startswith("generation 1: 300 of 300 events appended")
    assert read(tmp_path / "out") == replayed(small, [events])
    assert recgrela.cli.main([*arguments, "--time-column", "when"]) == 1
    monkeypatch.setattr(recgrela.batch, "run", interrupted)
    with pytest.raises(SystemExit) as ended:
        recgrela.cli.main(arguments)
    assert ended.value.code == 130
    assert capsys.readouterr().out == ""


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_closed_streams_do_not_end_the_run(small, tmp_path):
    events = random_events(small, 300, 1)
    arguments = words(small, write(events, tmp_path / "events"), tmp_path, "--workers", 1)
    shell = ["sh", "-c", 'exec "$0" "$@" >&- 2>&-', SCRIPT]
    assert subprocess.run([*shell, *arguments]).returncode == 0
    assert read(tmp_path / "out") == replayed(small, [events])
    assert subprocess.run([*shell, *arguments, "--time-column", "when"]).returncode == 1


def test_help_shows_the_columns_and_a_second_day(capsys):
    with pytest.raises(SystemExit):
        recgrela.cli.main(["batch", "--help"])
    text = capsys.readouterr().out
    assert "today.parquet --model model.safetensors --state state/ --out" in text
    assert "column of the time (default: timestamp)" in text


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_says_how_to_continue(small, tmp_path):
    path = write(random_events(small, 300, 1), tmp_path / "events")
    process = subprocess.Popen(
        [SCRIPT, *words(small, path, tmp_path, "--workers", 1)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    end = time.monotonic() + 30
    while not (tmp_path / "state" / ".scratch").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "recgrela: interrupted: the same command continues"
    assert "Traceback" not in errors
