"""The timed models, in PyTorch and as files for the engine."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.export.model_file import export_model
from recgrela_train.networks.grela import RecGrela
from recgrela_train.networks.sasrec import SasRec

if TYPE_CHECKING:
    from recgrela import EdgeScorer

SEED = 0
NUM_ITEMS = 3416  # as in MovieLens-1M
CONFIG = ModelConfig(hidden_size=64, num_heads=4, num_layers=4)


class BenchmarkError(RuntimeError):
    """Nothing can be timed; the message says why and what to do."""


@torch.no_grad()
def make_model(num_items: int = NUM_ITEMS, num_kinds: int = 0, gaps: bool = False) -> RecGrela:
    """The benchmark's model, with random weights as large as trained ones.

    Initial weights are so small that a runtime without rotation would hardly differ, and the check
    would miss it.
    """
    torch.manual_seed(SEED)
    config = CONFIG.model_copy(update={"gaps": gaps})
    model = RecGrela(config, num_items, num_kinds).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    model.embedding.weight[0] = 0  # padding
    return model


@torch.no_grad()
def make_softmax_model(
    window: int, num_items: int = NUM_ITEMS, config: ModelConfig = CONFIG
) -> SasRec:
    """A causal softmax model of the same size over a window, also with random weights."""
    changes = {"kind": "sasrec", "max_positions": window}
    model = SasRec(config.model_copy(update=changes), num_items).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def make_scorer(
    model: RecGrela, folder: Path, table: str = "f32", matrices: str = "f32"
) -> "EdgeScorer":
    """The engine on a model with weights of these types; item ids are the indices.

    The file is mapped, so it stays in `folder`, named by `model_file`.
    """
    try:
        from recgrela import EdgeScorer
    except ImportError as error:
        raise BenchmarkError(f"the engine cannot be imported, run 'make setup': {error}") from None
    path = model_file(folder, model.num_items, table, matrices)
    kinds = [f"kind {kind}" for kind in range(model.kinds.num_embeddings if model.kinds else 0)]
    export_model(
        model, np.arange(model.num_items), path, table=table, matrices=matrices, kinds=kinds
    )
    return EdgeScorer.load(path, mmap=True)


def model_file(folder: Path, num_items: int, table: str, matrices: str) -> Path:
    """Path of a model's file."""
    return folder / f"{num_items}-{table}-{matrices}.safetensors"


def tensor_bytes(path: Path, prefix: str = "") -> int:
    """Bytes of a file's tensors whose names start with `prefix`."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__")
    spans = [entry["data_offsets"] for name, entry in header.items() if name.startswith(prefix)]
    return sum(end - begin for begin, end in spans)
