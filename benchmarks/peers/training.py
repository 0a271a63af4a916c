"""A contender's side: its task, validation after each epoch, and its result.

task.json      settings, seed, budget and patience
result.json    what the training took
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from recgrela_train.evaluation.metrics import summarize

from .exchange import Answer, Histories, Split

METRIC = "ndcg@10"
Encode = Callable[[Histories], Answer]


@dataclass
class Task:
    """What a contender has to do; its clock starts when the task has been read."""

    folder: Path
    settings: dict[str, Any]
    seed: int
    seconds: float  # budget of CPU time: data preparation, training and validation
    patience: int  # epochs without a better validation NDCG@10
    split: Split
    started: float = field(default_factory=time.process_time)

    @property
    def elapsed(self) -> float:
        """CPU seconds since the task was read: on one thread of an idle core, wall-clock time."""
        return time.process_time() - self.started


def read_task() -> Task:
    """The task in the folder that the command line names."""
    folder = Path(sys.argv[1])
    values = json.loads((folder / "task.json").read_bytes())
    return Task(folder=folder, split=Split.read(folder.parent / "split.npz"), **values)


class Training:
    """Keeps the weights of the epoch with the best validation NDCG@10."""

    def __init__(self, task: Task, model: torch.nn.Module, encode: Encode):
        self._task = task
        self._model = model
        self._encode = encode
        self._best: dict[str, torch.Tensor] = {}
        self._best_ndcg = -1.0
        self._best_epoch = 0
        self._seconds_to_best = 0.0
        self._epochs = 0
        self._stopped = "epochs"

    def out_of_time(self) -> bool:
        """Whether the budget is used up."""
        return self._task.elapsed >= self._task.seconds

    def end_epoch(self) -> bool:
        """Validate; return whether to stop. An epoch that the budget cut short counts as one."""
        self._epochs += 1
        ndcg = validation_ndcg(self._encode, self._task.split)
        if ndcg > self._best_ndcg:
            self._best = {k: v.clone() for k, v in self._model.state_dict().items()}
            self._best_ndcg = ndcg
            self._best_epoch = self._epochs
            self._seconds_to_best = self._task.elapsed
        print(f"epoch {self._epochs}  {METRIC} {ndcg:.4f}  {self._task.elapsed:.0f} s", flush=True)
        if self.out_of_time():
            self._stopped = "budget"
        elif self._epochs - self._best_epoch >= self._task.patience:
            self._stopped = "patience"
        return self._stopped != "epochs"

    def finish(self, *packages: str) -> None:
        """Score the test users with the best weights, and write the result."""
        seconds = self._task.elapsed
        self._model.load_state_dict(self._best)
        write_result(
            self._task,
            self._encode(self._task.split.test),
            validation=self._best_ndcg,
            best_epoch=self._best_epoch,
            epochs=self._epochs,
            stopped=self._stopped,
            seconds_to_best=self._seconds_to_best,
            seconds=seconds,
            parameters=sum(p.numel() for p in self._model.parameters()),
            versions={name: version(name) for name in (*packages, "torch", "numpy")},
        )


def validation_ndcg(encode: Encode, split: Split) -> float:
    """NDCG@10 of the validation users."""
    rank = encode(split.validation).ranks(split.validation, split.targets, split.excluded_events)
    return summarize(rank)[METRIC]


def write_result(task: Task, answer: Answer, **facts: Any) -> None:
    """Write `answer.npz` and `result.json`."""
    answer.write(task.folder / "answer.npz")
    (task.folder / "result.json").write_text(json.dumps(facts, indent=1))
