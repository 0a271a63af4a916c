"""Measures every step from events to recommendations: time and peak memory of each.

    make end-to-end

Synthetic events, `prepare`, one epoch of `fit` on all of them with the sampled softmax, `export`,
and `recgrela batch`, which appends them all and recommends to every user. Each step is the command
that a user would type. The model is small, because one core trains it.
"""

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.prepare_data import make_parser, prepare, synth
from benchmarks.usage import BIN, measured

MODEL = {
    "model.hidden_size": 32, "model.num_heads": 2, "model.num_layers": 1,
    "train.loss": "sampled", "train.negatives": 1024, "train.batch_size": 128,
    "train.max_epochs": 1,
}  # fmt: skip


def steps(options: argparse.Namespace, folder: Path) -> dict[str, list[object]]:
    """The command of each step, in their order."""
    train = BIN / "recgrela-train"
    settings = [f"--set={key}={value}" for key, value in MODEL.items()]
    settings.append(f"--set=data.source={folder / 'prepared'}")
    run = folder / "run"
    return {
        "synth": synth(folder / "events", options),
        "prepare": prepare(folder / "prepared", folder / "events"),
        "fit": [train, "fit", "--all-events", *settings, f"--output={run}"],
        "export": [train, "export", run],
        "batch": [
            BIN / "recgrela", "batch", folder / "events", "--model", run / "model.safetensors",
            "--state", folder / "state", "--out", folder / "recommended",
            "--workers", options.workers,
        ],
    }  # fmt: skip


def written(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> None:
    """Run the steps, and print a row of the table after each."""
    parser = make_parser(__doc__)
    parser.add_argument("--workers", type=int, default=1, help="processes of recgrela batch")
    options = parser.parse_args()
    print(json.dumps(MODEL))
    print("| step | minutes | CPU minutes | peak memory, GiB | written, GB |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, before = Path(name), 0
        for step, command in steps(options, folder).items():
            usage = measured(command, folder / f"{step}.json")
            minutes, cpu = usage["wall_seconds"] / 60, usage["cpu_seconds"] / 60
            size = written(folder)
            print(
                f"| {step} | {minutes:.1f} | {cpu:.1f} | {usage['peak_mib'] / 1024:.2f} "
                f"| {(size - before) / 1e9:.1f} |",
                flush=True,
            )
            before = size


if __name__ == "__main__":
    main()
