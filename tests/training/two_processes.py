"""Starts two processes that train together."""

import os
import socket
import subprocess
import sys


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def torchrun(*arguments, check: bool = True) -> subprocess.CompletedProcess:
    """Two processes on this machine, one thread each. With `check`, they have to succeed."""
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    result = subprocess.run(
        [*words, f"--master-port={free_port()}", *map(str, arguments)],
        capture_output=True, text=True, timeout=600, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert not check or result.returncode == 0, result.stderr
    return result
