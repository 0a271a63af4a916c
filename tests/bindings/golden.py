"""Computes the golden hash of tests/golden, defined in its README, in Python and in C.

Run as a program, it prints the name and hash of both, one line each.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from recgrela import EdgeScorer

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden"
CFLAGS = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-O1", "-g"]

Play = Callable[..., bytes]
"""Returns the bytes to hash for a model file, sequences of item indices, the kind of each of these
events as an index, and its time in seconds. The last two are None for models without."""


def golden_hash(play: Play, format_2: bool = False) -> str:
    """The hash of a format's models as hex digits; AssertionError if a model's hash differs."""
    golden = json.loads((GOLDEN / "golden.json").read_text())
    if format_2:
        golden = golden["format_2"]
    digests = []
    for name, model in sorted(golden["models"].items()):
        events = model["sequences"], model.get("kinds"), model.get("times")
        digest = hashlib.sha256(play(GOLDEN / name, *events)).digest()
        assert digest.hex() == model["sha256"], name
        digests.append(digest)
    found = hashlib.sha256(b"".join(digests)).hexdigest()
    assert found == golden["sha256"]
    return found


def play_python(
    path: Path,
    sequences: list[list[int]],
    kinds: list[list[int]] | None = None,
    times: list[list[int]] | None = None,
    isa: str | None = None,
) -> bytes:
    """Replay through EdgeScorer, on the given instruction set or the best one."""
    scorer = EdgeScorer.load(path, isa=isa)
    ids = scorer.item_ids
    index = {id: i for i, id in enumerate(ids)}
    out = bytearray()

    def put_list(**options) -> None:
        top = scorer.top_k(**options)
        places = np.empty(len(top.ids), [("item", "<u4"), ("score", "<f4")])
        places["item"] = [index[id] for id in top.ids]
        places["score"] = top.scores
        out.extend(np.uint32(len(places)).tobytes() + places.tobytes())

    def put_answers() -> None:
        out.extend(scorer.score(ids).tobytes())
        put_list(k=10)
        put_list(k=len(ids), exclude_seen=False)

    for row, items in enumerate(sequences):
        scorer.reset()
        if scorer.config["start"]:
            put_answers()
        for i, item in enumerate(items):
            kind = scorer.kinds[kinds[row][i]] if kinds else None
            scorer.append(ids[item], kind=kind, time=times[row][i] if times else None)
            put_answers()
    return bytes(out)


def build_library(profile: str) -> Path:
    """Build the C library with a cargo profile (dev, release); return its folder."""
    target = ROOT / "target"
    command = ["cargo", "build", "--quiet", "-p", "recgrela-ffi", "--profile", profile]
    subprocess.run([*command, "--target-dir", target], cwd=ROOT, check=True)
    return target / profile.replace("dev", "debug")


def compile_c(source: Path, library: Path, folder: Path) -> Path:
    """Compile a program without warnings, link it with the library and return its path."""
    program = folder / source.stem
    link = [f"-L{library}", f"-Wl,-rpath,{library}", "-lrecgrela", "-pthread"]
    include = f"-I{ROOT / 'rust/ffi/include'}"
    subprocess.run(["cc", *CFLAGS, include, source, *link, "-o", program], check=True)
    return program


def play_c(program: Path) -> Play:
    """Replay through the compiled golden.c."""

    def play(
        path: Path,
        sequences: list[list[int]],
        kinds: list[list[int]] | None = None,
        times: list[list[int]] | None = None,
    ) -> bytes:
        def event(row: int, i: int) -> str:
            kind = f":{kinds[row][i]}" if kinds else ""
            return f"{sequences[row][i]}{kind}" + (f"@{times[row][i]}" if times else "")

        text = ""
        for row, items in enumerate(sequences):
            text += " ".join(event(row, i) for i in range(len(items))) + "\n"
        run = subprocess.run([program, path], input=text.encode(), capture_output=True, check=True)
        return run.stdout

    return play


def main() -> int:
    """Print name and hash of both, and the same with format 2; fail if a hash differs."""
    with tempfile.TemporaryDirectory() as folder:
        source = ROOT / "tests/bindings/golden.c"
        program = compile_c(source, build_library("release"), Path(folder))
        for name, play in (("python", play_python), ("c", play_c(program))):
            print(name, golden_hash(play), flush=True)
            print(f"{name}-format-2", golden_hash(play, format_2=True), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
