"""Getting a file from elsewhere, given up early and never trusted unchecked."""

import hashlib
import http.client
import subprocess
import sys
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

TIMEOUT = 5.0  # seconds without an answer


class FetchError(Exception):
    """A source that did not give the file; another one may."""


def download(url: str, to: Path) -> Path:
    """The file at `url`, written to `to`, with a progress bar; FetchError if it cannot be had."""
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT) as response,
            to.open("wb") as file,
            Progress(console=Console(stderr=True), transient=True) as progress,
        ):
            size = response.headers.get("Content-Length")
            task = progress.add_task(to.name, total=int(size) if size else None)
            while block := response.read(1 << 16):
                file.write(block)
                progress.advance(task, len(block))
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(f"{url}: not reached: {getattr(error, 'reason', error)}") from None
    return to


def download_wheel(requirement: str, folder: Path) -> Path:
    """The wheel of a pinned requirement, by pip, into `folder`; FetchError if pip cannot."""
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet"]
    options = ["--retries=1", "--no-deps", "--only-binary=:all:", f"--dest={folder}"]
    command = [*pip, *options, requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FetchError(f"pip could not get {requirement}: {last}")
    return wheels[0]


def verify(data: bytes, algorithm: str, expected: str, what: str) -> None:
    """FetchError unless `data` has the expected checksum."""
    found = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
    if found != expected:
        raise FetchError(f"{what}: wrong {algorithm} checksum: found {found}, expected {expected}")
