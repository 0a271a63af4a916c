"""Small models exported for the engine, with weights of trained magnitude and every switch."""

import functools
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import recgrela.cli
import torch
from recgrela import EdgeScorer
from recgrela_train.config import ModelConfig
from recgrela_train.export.model_file import export_model
from recgrela_train.networks.grela import RecGrela

SWITCHES = {
    "default": {},
    "no gate": {"gate": False},
    "no local conv": {"local_conv": False},
    "no positions": {"positions": "none"},
    "learned positions": {"positions": "learned", "max_positions": 40},
    "no decay": {"decay": "none"},
    "no final norm": {"final_norm": False},
    "heads = D": {"num_heads": 16},
    "one head": {"num_heads": 1},
    "heads of 3": {"hidden_size": 24, "num_heads": 8},
    "heads of 7": {"hidden_size": 56, "num_heads": 8},
    "smallest": {"hidden_size": 8, "num_heads": 2, "num_layers": 1},
    "all off": {
        "gate": False, "local_conv": False, "positions": "none", "decay": "none",
        "final_norm": False,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """A model, its file, and its ids by item index."""

    model: RecGrela
    path: Path
    ids: list
    kinds: tuple[str, ...] = ()

    @property
    def gaps(self) -> bool:
        """Whether it uses the time between events."""
        return self.model.gaps is not None

    def load(self, **options) -> EdgeScorer:
        return EdgeScorer.load(self.path, **options)

    def history(self, events: int, seed: int = 7) -> list:
        """Ids of random events, many repeated."""
        random = np.random.default_rng(seed)
        return [self.ids[i] for i in random.integers(len(self.ids), size=events)]

    def history_kinds(self, events: int, seed: int = 7) -> list[str]:
        """A random kind of each event."""
        random = np.random.default_rng(seed)
        return [self.kinds[i] for i in random.integers(len(self.kinds), size=events)]


def make_model(num_items: int, seed: int, settings: dict, kinds: int = 0) -> RecGrela:
    torch.manual_seed(seed)
    config = {"hidden_size": 16, "num_heads": 2, "num_layers": 2, **settings}
    model = RecGrela(ModelConfig(**config), num_items, kinds).eval()
    with torch.no_grad():  # of trained magnitude, so that differences show
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        model.embedding.weight[0] = 0
    return model


def int_ids(count: int) -> np.ndarray:
    """Unordered integer ids; one is negative and one is the maximum."""
    ids = np.random.default_rng(1).permutation(count).astype(np.int64) * 3 + 100
    ids[:2] = [-5, 2**63 - 1][:count]
    return ids


def str_ids(count: int) -> list[str]:
    """Unordered string ids; one is empty and one is not ASCII."""
    order = np.random.default_rng(1).permutation(count)
    return ["", "Ähre-電影", *(f"movie-{i}" for i in order)][:count]


@pytest.fixture(scope="session")
def export(tmp_path_factory) -> Callable[..., Exported]:
    """Export a model with some settings; the same settings give the same file."""
    folder = tmp_path_factory.mktemp("models")

    @functools.cache
    def cached(key: str) -> Exported:
        settings = json.loads(key)
        ids, items, seed, count = (settings.pop(k) for k in ("ids", "items", "seed", "kinds"))
        start = settings.pop("start")
        kinds = ("view", "cart", "buy")[:count]
        types = settings.pop("table"), settings.pop("matrices")
        vocabulary = int_ids(items) if ids == "int" else str_ids(items)
        model = make_model(items, seed, settings, count)
        if not start:
            model.start = None
        path = folder / f"{len(list(folder.iterdir()))}.safetensors"
        export_model(model, vocabulary, path, *types, kinds=kinds)
        known = list(map(int, vocabulary)) if ids == "int" else vocabulary
        return Exported(model, path, known, kinds)

    def export(
        ids="int",
        table="f32",
        matrices="f32",
        items=70,
        seed=3,
        kinds=0,
        start=False,
        **settings,
    ) -> Exported:
        file = {
            "ids": ids, "table": table, "matrices": matrices, "items": items, "seed": seed,
            "kinds": kinds, "start": start,
        }  # fmt: skip
        return cached(json.dumps({**file, **settings}, sort_keys=True))

    return export


@pytest.fixture(scope="session")
def small(export) -> Exported:
    """The model of most tests: 70 items with integer ids, D = 16, H = 2, L = 2."""
    return export()


@pytest.fixture
def scorer(small) -> EdgeScorer:
    """An empty session on `small`."""
    return small.load()


@pytest.fixture(params=SWITCHES)
def switch(request) -> dict:
    """Settings of a model, one per switch."""
    return SWITCHES[request.param]


def vector_isas() -> list[str]:
    """The instruction sets of this CPU except scalar, as listed by the engine's error."""
    try:
        EdgeScorer.from_bytes(b"", isa="none")
    except ValueError as error:
        available = str(error).partition("available here: ")[2].split(", ")
    return [isa for isa in available if isa != "scalar"]


@pytest.fixture(params=vector_isas())
def isa(request) -> str:
    """Each instruction set of this CPU except scalar."""
    return request.param


@pytest.fixture
def command(capsys, monkeypatch):
    """Run the command in this process; return status, stdout and stderr."""

    def run(*arguments, stdin: str | None = None) -> tuple[int, str, str]:
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            status = recgrela.cli.main([str(a) for a in arguments])
        except SystemExit as exit:
            status = exit.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
