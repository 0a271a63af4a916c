"""The service as its own process, which can be killed and started again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.server.redis_process import free_port

GOLDEN = Path(__file__).parents[1] / "golden"
TOKEN = "token-of-the-tests"
ADMIN = "admin-token-of-the-tests"
SERVER = Path(__file__).parents[2] / "examples" / "server"


def settings_in(folder: Path, **changes) -> dict:
    """The settings of a service with its store in a folder."""
    return {
        "model": GOLDEN / "f32.safetensors",
        "tokens": TOKEN,
        "admin_token": ADMIN,
        "store": f"sqlite:{folder / 'events.db'}",
        "user_rate": 1e6,
        "token_rate": 1e6,
        **changes,
    }


def environment(folder: Path, **changes) -> dict[str, str]:
    """The environment variables of a service with these settings."""
    settings = settings_in(folder, **changes)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SERVER), os.environ.get("PYTHONPATH", "")]),
        **{f"RECGRELA_{name.upper()}": str(value) for name, value in settings.items()},
    }


class ServerProcess:
    """`recgrela-server` on a port of its own; on certain cores if given; stderr goes to `log`."""

    def __init__(self, folder: Path, cores: set[int] | None = None, **changes):
        self._cores = cores
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self._environment = environment(folder, port=self.port, **changes)
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "ServerProcess":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.kill()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recgrela_server"], env=self._environment, stderr=log
            )
        if self._cores is not None:
            os.sched_setaffinity(self.process.pid, self._cores)  # before it has threads
        deadline = time.monotonic() + 60
        while not self.ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the service does not answer"
            time.sleep(0.05)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=10) as response:
                return response.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def raw(self, request: bytes) -> bytes:
        """Sends bytes and returns everything until the service closes the connection."""
        with self.connect() as connection:
            connection.sendall(request)
            return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """What arrives until the other side closes."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)
