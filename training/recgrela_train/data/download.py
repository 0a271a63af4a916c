"""Downloads with a short timeout and a verified checksum."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pooch

TIMEOUT = 5.0  # seconds without an answer


class FetchError(Exception):
    """A source did not provide the file; another one may."""


def download(url: str, known_hash: str, to: Path) -> Path:
    """Downloads `url` to `to`, with a progress bar. Raises FetchError.

    `known_hash` is `algorithm:hexadecimal digest`.
    """
    pooch.get_logger().setLevel("WARNING")
    get = pooch.HTTPDownloader(timeout=TIMEOUT, progressbar=sys.stderr.isatty())
    try:
        return Path(pooch.retrieve(url, known_hash, to.name, to.parent, downloader=get))
    except (OSError, ValueError) as error:
        raise FetchError(textwrap.shorten(f"{url}: {error}", 200, placeholder=" ...")) from None


def download_wheel(requirement: str, folder: Path) -> Path:
    """Downloads the wheel of a pinned requirement to `folder`, by pip. Raises FetchError."""
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet"]
    options = ["--retries=1", "--no-deps", "--only-binary=:all:", f"--dest={folder}"]
    command = [*pip, *options, requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FetchError(f"pip could not get {requirement}: {last}")
    return wheels[0]


def verify(path: Path, sha256: str) -> Path:
    """Returns `path`. Raises FetchError if the file has another checksum."""
    found = pooch.file_hash(str(path))
    if found != sha256:
        raise FetchError(f"{path.name}: wrong sha256 checksum: found {found}, expected {sha256}")
    return path
