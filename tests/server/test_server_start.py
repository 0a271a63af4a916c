"""A start that fails says why in one line."""

import logging
import signal
import socket
import subprocess
import sys

import pytest
from recgrela_server.__main__ import main

from tests.server.server_process import GOLDEN, environment


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in this process with some settings, and returns its status."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    interval = sys.getswitchinterval()

    def run(**changes) -> int:
        for name, value in environment(tmp_path, **changes).items():
            if name.startswith("RECGRELA_"):
                monkeypatch.setenv(name, value)
        return main()

    yield run
    sys.setswitchinterval(interval)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("changes", "message", "status"),
    [({"model": "nowhere.safetensors"}, "error: [Errno 2]", 1),
     ({"model": __file__}, f"error: {__file__}", 1),
     ({"groups": __file__}, f"error: {__file__} is not JSON", 1),
     ({"store": "sqlite:/nowhere/events.db"}, "error: cannot open /nowhere/events.db", 1),
     ({"store": "redis://127.0.0.1:9/0"}, "error: cannot use Redis", 1),
     ({"store": "events.db"}, "error: RECGRELA_STORE: String should match", 2),
     ({"tokens": "long-enough-for-all,short"}, "error: RECGRELA_TOKENS: ", 2),
     ({"tokens": ""}, "error: RECGRELA_TOKENS: ", 2),
     ({"admin_token": "with a blank in it"}, "error: RECGRELA_ADMIN_TOKEN: ", 2),
     ({"port": "x"}, "error: RECGRELA_PORT: ", 2)],
)  # fmt: skip
def test_a_bad_setting_is_named(run, capsys, changes, message, status):
    assert run(**changes) == status
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(message)
    assert "short" not in line


def test_a_kind_that_the_model_does_not_have_is_refused(run, capsys):
    assert run(model=GOLDEN / "kinds.safetensors", missing_kind="buy") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: RECGRELA_MISSING_KIND: found 'buy', expected one of the kinds")
    assert line.endswith("kinds.safetensors: view, Kauf 電影, skip, c\x7f")


def test_a_taken_port_is_an_error(run, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit):
        run(port=taken.getsockname()[1])
    assert "address already in use" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]
    assert logging.ERROR in {record.levelno for record in caplog.records}


def test_sigterm_ends_a_start(tmp_path):
    """Redis takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        settings = environment(tmp_path, store=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        process = subprocess.Popen([sys.executable, "-m", "recgrela_server"], env=settings)
        connection, _ = silent.accept()
        with connection:
            process.terminate()
            assert process.wait(60) == -signal.SIGTERM
