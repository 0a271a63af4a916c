"""Runs contenders one after the other, each in a process of its own, and reads their results."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from recgrela_train.config import Config, EvaluateConfig
from recgrela_train.data import Dataset, EvaluationBatches
from recgrela_train.evaluation.evaluate import ranked
from recgrela_train.files import write_atomically
from torch import Tensor

from ..models import BenchmarkError
from .contenders import OURS, Contender
from .exchange import Answer, Histories, Split

PROJECT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
PATIENCE = 10  # epochs; RecBole's default. Ours has its own in the config
LOG_LINES = 15  # of a failed contender's log


@dataclass(frozen=True)
class Contest:
    """What all contenders share."""

    config: Config  # of our contender; its data and evaluation hold for all
    minutes: float  # CPU time of each
    output: Path
    environments: Path  # folder of the other contenders' virtual environments


@dataclass(frozen=True)
class Result:
    """A finished contender."""

    contender: Contender
    ranks: np.ndarray  # [U] of the test targets
    facts: dict[str, Any]  # result.json and usage.json


def split_of(dataset: Dataset, settings: EvaluateConfig) -> Split:
    """The split that contenders get: everything but the test targets."""
    validation, test = dataset.targets("validation"), dataset.targets("test")
    seen = settings.seen_events
    return Split(
        num_items=dataset.num_items,
        excluded_events=int(np.diff(dataset.offsets).max()) if seen is None else seen,
        train=Histories.cut(dataset.items, *dataset.train_bounds()),
        validation=Histories.cut(dataset.items, validation.starts, validation.stops),
        targets=validation.items,
        test=Histories.cut(dataset.items, test.starts, test.stops),
    )


def prepare(contest: Contest, dataset: Dataset) -> None:
    """Write the split, or check that the output folder has results of the same contest."""
    terms = {
        "config": contest.config.model_dump(),
        "data": dataset.fingerprint,
        "minutes": contest.minutes,
    }
    path = contest.output / "contest.json"
    if path.exists() and json.loads(path.read_bytes()) != terms:
        raise BenchmarkError(
            f"{contest.output} has results of another config, data set or budget. Choose another "
            "--output, or delete that folder"
        )
    contest.output.mkdir(parents=True, exist_ok=True)
    split_of(dataset, contest.config.evaluate).write(contest.output / "split.npz")
    write_atomically(path, json.dumps(terms, indent=1).encode())


def run(contender: Contender, contest: Contest) -> None:
    """Train a contender, unless it is finished. Raises BenchmarkError if its process fails."""
    folder = contest.output.absolute() / contender.name
    if finished(folder):
        return
    folder.mkdir(exist_ok=True)
    config = contest.config
    task = {
        "settings": config.model_dump() if contender.name == OURS else contender.settings,
        "seed": config.seed,
        "seconds": 60 * contest.minutes,
        "patience": PATIENCE,
    }
    (folder / "task.json").write_text(json.dumps(task, indent=1))
    python = interpreter(contender, contest.environments)
    command = [sys.executable, "-m", "benchmarks.usage", str(folder / "usage.json")]
    command += [str(python), "-m", contender.module, str(folder)]
    environment = os.environ | dict.fromkeys(THREADS, "1")
    environment |= {"PYTHONPATH": str(PROJECT / "training"), "CUDA_VISIBLE_DEVICES": ""}
    with (folder / "log.txt").open("w") as log:
        status = subprocess.run(
            command, cwd=PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT
        ).returncode
    if status:
        (folder / "usage.json").unlink(missing_ok=True)
        last = (folder / "log.txt").read_text(errors="replace").splitlines()[-LOG_LINES:]
        raise BenchmarkError("\n".join([f"{contender.name} failed, see {folder}/log.txt:", *last]))


def interpreter(contender: Contender, environments: Path) -> Path:
    """The Python of a contender's environment."""
    if contender.environment is None:
        return Path(sys.executable)
    python = environments / contender.environment / "bin" / "python"
    if not python.exists():
        raise BenchmarkError(f"{python} does not exist. Create the environments with: make peers")
    return python.absolute()


def finished(folder: Path) -> bool:
    """Whether a contender's folder has a whole result; its usage is written last."""
    return (folder / "usage.json").exists()


def read_result(contender: Contender, contest: Contest, dataset: Dataset) -> Result:
    """Rank the test targets by a finished contender's answer."""
    folder = contest.output / contender.name
    facts = {}
    for name in ("result.json", "usage.json"):
        facts |= json.loads((folder / name).read_bytes())
    answer = Answer.read(folder / "answer.npz")
    return Result(contender, test_ranks(answer, dataset, contest.config.evaluate), facts)


def test_ranks(answer: Answer, dataset: Dataset, settings: EvaluateConfig) -> np.ndarray:
    """Rank of each user's test target, [U]."""
    targets = dataset.targets("test")
    ranks = np.empty(len(targets), dtype=np.int64)
    for batch in EvaluationBatches(dataset, targets, settings.batch_size):

        def scores(part: slice, items: Tensor, places: np.ndarray = batch.places) -> Tensor:
            return answer.scores(places[part], items)

        ranks[batch.places] = ranked(scores, batch, dataset.num_items, settings)[:, 0]
    return ranks
