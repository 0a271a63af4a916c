"""Times `top_k(10)` alone against other exact scans, for three catalogue sizes.

Contenders are interleaved and answer for the same users. The others receive the user's vector and
do not exclude seen items. All but one score with the float32 embeddings and are checked to return
the same top 10. usearch is also timed on 8-bit vectors with one scale for the whole table. Its
answer differs and is checked against its own integers. Each contender's roofline is one plain read
of the table that it scans.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from usearch.index import MetricKind, search

from .models import SEED, BenchmarkError, make_model, make_scorer, model_file, tensor_bytes
from .onnx_graph import Bound, Graph, make_session
from .plain_read import PlainRead
from .report import Part, Result
from .timing import Tick, take_turns

K = 10
SIZES = {"3416": 3416, "100k": 100_000, "1m": 1_000_000}
LARGE = 1_000_000  # items; from this size on, a fifth of the rounds
USERS = 20
HISTORY = 20  # events per user
CALLS = 5  # per block
WARM_UP = 2  # blocks
TABLES = ("f32", "f16", "int8")
TOLERANCE = 1e-4  # of the largest score


class Line(NamedTuple):
    """A contender."""

    name: str
    label: str
    step: Callable[[int], Any]  # takes a user's index
    roofline: str | None = None


class EngineScan:
    """The engine with one type of table; each user is a session."""

    def __init__(self, scorer):
        random = np.random.default_rng(SEED)
        self._users = [scorer.new_session() for _ in range(USERS)]
        for user in self._users:
            user.extend(random.integers(scorer.num_items, size=HISTORY).tolist())

    def __call__(self, user: int) -> list[int]:
        """Return the user's top 10 unseen items."""
        return self._users[user].top_k(K).ids

    def hidden(self) -> np.ndarray:
        """The users' vectors, [USERS, D]."""
        return np.stack([user.user_vector() for user in self._users])

    def check(self, name: str) -> None:
        """Raise BenchmarkError unless a user's top k matches the sorted scores of all items."""
        user = self._users[0]
        scores = user.score(range(user.num_items))
        best = np.argsort(-scores, kind="stable")[:K]
        found = user.top_k(K, exclude_seen=False)
        if found.ids != best.tolist() or found.scores.tolist() != scores[best].tolist():
            raise BenchmarkError(
                f"{name}: found top {K} {found}, expected {best.tolist()} by score"
            )


class NumpyScan:
    """Matrix-vector product, argpartition and a sort of the result."""

    def __init__(self, table: np.ndarray, hidden: np.ndarray):
        self._table, self._hidden = table, hidden
        self._scores = np.empty(len(table), np.float32)

    def __call__(self, user: int) -> np.ndarray:
        """Return the top 10."""
        scores = np.dot(self._table, self._hidden[user], out=self._scores)
        best = np.argpartition(scores, len(scores) - K)[-K:]
        return best[np.argsort(-scores[best])]


class TorchScan:
    """Matrix-vector product and topk, eager."""

    def __init__(self, table: np.ndarray, hidden: np.ndarray):
        self._table, self._hidden = torch.from_numpy(table), torch.from_numpy(hidden)

    @torch.inference_mode()
    def __call__(self, user: int) -> torch.Tensor:
        """Return the top 10."""
        return torch.mv(self._table, self._hidden[user]).topk(K).indices


class OnnxScan:
    """MatMul and TopK on ONNX Runtime."""

    def __init__(self, table: np.ndarray, hidden: np.ndarray):
        graph = Graph()
        graph.score_and_top_k(graph.input("hidden", [1, 1, table.shape[1]]), table, K)
        self._all, self._now = hidden, np.zeros((1, 1, table.shape[1]), np.float32)
        self._bound = Bound(make_session(graph.model()), {"hidden": self._now}, K)

    def __call__(self, user: int) -> np.ndarray:
        """Return the top 10, valid until the next call."""
        self._now[0, 0] = self._all[user]
        self._bound.run()
        return self._bound.top_items[0, 0]


class UsearchScan:
    """The exact search of usearch, by inner product."""

    def __init__(self, table: np.ndarray, hidden: np.ndarray):
        self._table, self._hidden = table, hidden

    def __call__(self, user: int) -> np.ndarray:
        """Return the top 10."""
        hidden = self._hidden[user]
        return search(self._table, hidden, K, MetricKind.IP, exact=True, threads=1).keys


def run(folder: Path, rounds: int, tick: Tick = iter, sizes: dict[str, int] = SIZES) -> list[Part]:
    """Time each catalogue size, named by its key; files go to `folder`."""
    return [_run_size(folder, size, count, rounds, tick) for size, count in sizes.items()]


def _run_size(folder: Path, size: str, num_items: int, rounds: int, tick: Tick) -> Part:
    model = make_model(num_items)
    ours, rooflines = [], []
    for table in TABLES:
        engine = EngineScan(make_scorer(model, folder, table, "f16"))
        engine.check(f"{table} table, {num_items:,} items")
        path = model_file(folder, num_items, table, "f16")
        read = PlainRead(tensor_bytes(path, "catalog.table") + tensor_bytes(path, "catalog.scale"))
        roofline = Line(
            f"read_{size}_{table}", f"reading {read.num_bytes:,} bytes", read.append_and_top_k
        )
        rooflines.append(roofline)
        ours.append(Line(f"scan_{size}_{table}", f"recgrela, {table}", engine, roofline.name))
    hidden = ours[0].step.hidden()
    rivals = make_rivals(size, model.embedding.weight[1:].detach().numpy(), hidden)

    lines = [*ours, *rivals, *rooflines]
    rounds = max(1, rounds // 5) if num_items >= LARGE else rounds
    timings = take_turns({line.name: line.step for line in lines}, _blocks(rounds, tick), WARM_UP)
    results = [Result(line.name, line.label, timings[line.name], line.roofline) for line in lines]
    return Part(f"top_k({K}), {num_items:,} items", results, against=f"scan_{size}_int8")


def make_rivals(size: str, table: np.ndarray, hidden: np.ndarray) -> list[Line]:
    """The other scans of table [N, D] for users' vectors [USERS, D]; checked."""
    kinds = {
        "numpy": ("NumPy", NumpyScan),
        "torch": ("PyTorch", TorchScan),
        "onnxruntime": ("ONNX Runtime", OnnxScan),
        "usearch_exact": ("usearch exact", UsearchScan),
    }
    rivals = [
        Line(f"{name}_{size}", f"{label}, f32", scan(table, hidden), f"read_{size}_f32")
        for name, (label, scan) in kinds.items()
    ]
    for rival in rivals:
        check_rival(rival.step, table @ hidden[0], rival.name)
    integers, vectors = _to_int8(table), _to_int8(hidden)
    small = UsearchScan(integers, vectors)
    name = f"usearch_exact_{size}_i8"
    check_rival(small, integers.astype(np.float32) @ vectors[0].astype(np.float32), name)
    return [*rivals, Line(name, "usearch exact, i8", small, f"read_{size}_int8")]


def check_rival(rival, scores: np.ndarray, name: str) -> None:
    """Raise BenchmarkError unless the top k of the first user have the k best scores."""
    found = [int(item) for item in rival(0)]
    best = np.sort(scores)[::-1][:K]
    allowed = TOLERANCE * np.abs(scores).max()
    if len(set(found)) != K or np.abs(scores[found] - best).max() > allowed:
        raise BenchmarkError(
            f"{name}: top {K} {found} have scores {scores[found]}, the best are {best}; "
            "nothing was timed"
        )


def _to_int8(numbers: np.ndarray) -> np.ndarray:
    """Quantise with one common scale: the largest magnitude becomes 127."""
    return np.rint(numbers * (127 / np.abs(numbers).max())).astype(np.int8)


def _blocks(rounds: int, tick: Tick) -> Iterator[list[int]]:
    random = np.random.default_rng(SEED)
    for _ in tick(range(WARM_UP + rounds)):
        yield random.integers(USERS, size=CALLS).tolist()
