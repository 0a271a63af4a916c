"""Writes an overlay: the items that a model has beyond those of a deployed file.

docs/format.md specifies it. It is written here and not by the engine, so that exporting needs no
engine, as for a model; if `recgrela` is installed, it reads the overlay and replays a self-test.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from ..files import replacing
from ..networks.grela import RecGrela
from .errors import ExportError
from .model_file import (
    ItemIds,
    check_finite,
    id_tensors,
    selftest,
    selftest_draw,
    stored_weights,
)
from .quantize import Rows, round_table, rounded_model
from .safetensors_file import fingerprint, write_safetensors
from .weight_types import WeightType

TOLERANCE = 1e-4  # of the largest score, as in a model's self-test
INT8_TOLERANCE = 5e-4  # with 8-bit matrices
WEIGHT_TYPES = {"F32": WeightType.F32, "F16": WeightType.F16, "I8": WeightType.INT8}


class Overlay(NamedTuple):
    """The result of an export."""

    items: int  # that were added
    deployed: Path  # the file that it is for
    verification: str  # a sentence on the engine's verification


class Deployed(NamedTuple):
    """What an overlay needs of the file that it is for."""

    path: Path
    fingerprint: str
    num_items: int
    table: WeightType
    matrices: WeightType


def export_overlay(model: RecGrela, item_ids: ItemIds, deployed: Path, path: Path) -> Overlay:
    """Writes the items of `model` that follow those of the deployed file.

    Raises ExportError if the deployed file has other weights or no fewer items, or if the engine
    refuses the overlay or disagrees with the model; an existing file at `path` then stays.
    """
    base, tensors = _read(deployed)
    count = base.num_items
    if list(tensors["ids"]) != list(item_ids[:count]) or count >= model.num_items:
        raise ExportError(
            f"{deployed} has {count:,} items, which are not the first of the {model.num_items:,} "
            "items here: name the file that was deployed with --deployed"
        )
    vectors = model.embedding.weight.detach()[count + 1 :].numpy()
    exact = round_table(model, WeightType.F32)
    known = rounded_model(model, exact, WeightType.F32, np.arange(count))
    table = round_table(known, base.table)
    _check_weights(base, tensors, known, table)
    overlay = {
        "overlay.vectors": vectors,
        "overlay.replaced": np.empty(0, np.int32),
        "overlay.retired": np.empty(0, np.int32),
        **id_tensors(item_ids[count:], "overlay"),
    }
    check_finite(overlay)
    metadata = {
        "recgrela.overlay": "1",
        "recgrela.model": base.fingerprint,
        "recgrela.fingerprint": fingerprint(base.fingerprint, overlay),
    }
    rows = Rows(np.concatenate([table.dequantized(), vectors]), None)
    with replacing(path) as file:
        write_safetensors(file, overlay, metadata)
        try:
            return Overlay(len(vectors), deployed, _verify(file, base, model, rows, item_ids))
        except ExportError as error:
            raise ExportError(f"{path} was not written: {error}") from None


def _read(path: Path) -> tuple[Deployed, dict[str, Any]]:
    """The facts and tensors of a model file; `ids` has its ids."""
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            places = ("catalog.table", "blocks.0.input.weight")
            types = [WEIGHT_TYPES[file.get_slice(place).get_dtype()] for place in places]
        print_of = metadata["recgrela.fingerprint"]
    except FileNotFoundError:
        raise ExportError(
            f"there is no {path}: name the model file that was deployed with --deployed, or export "
            "the run that it was trained from"
        ) from None
    except (SafetensorError, KeyError, OSError) as error:
        raise ExportError(f"{path}: not a model file of recgrela-train export: {error}") from None
    tensors["ids"] = _ids(tensors)
    return Deployed(path, print_of, len(tensors["ids"]), *types), tensors


def _ids(tensors: dict[str, np.ndarray]) -> ItemIds:
    if "catalog.ids" in tensors:
        return tensors["catalog.ids"]
    text, ends = tensors["catalog.ids_utf8"].tobytes(), tensors["catalog.ids_end"].tolist()
    return [text[begin:end].decode() for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def _check_weights(
    base: Deployed, tensors: dict[str, np.ndarray], model: RecGrela, table: Rows
) -> None:
    """Raises ExportError unless the file has the weights that were frozen, in its types."""
    for name, tensor in stored_weights(model, table, base.matrices).items():
        found = tensors.get(name)
        # Another machine may compute the decay from its logit with another last bit.
        if found is None or found.shape != tensor.shape or not np.allclose(found, tensor, 1e-5):
            raise ExportError(
                f"{base.path} has the same items but other weights, first in {name}: it was not "
                "exported from the run that was frozen. Name the deployed file with --deployed"
            )


def _verify(path: Path, base: Deployed, model: RecGrela, table: Rows, item_ids: ItemIds) -> str:
    """Replays histories with new items in the engine; returns a sentence on the result."""
    try:
        from recgrela import EdgeScorer
    except ImportError:
        return "not verified: install the engine with 'pip install recgrela' and export again"
    num_kinds = 0 if model.kinds is None else model.kinds.num_embeddings
    test = selftest_draw(model.num_items, num_kinds, gaps=model.gaps is not None)
    added = np.arange(base.num_items, model.num_items)
    test.items[:, -1] = np.resize(added, len(test.items))
    more = np.resize(added, (len(test.candidates), min(len(added), 8)))
    candidates = np.concatenate([test.candidates, more], axis=1).astype(np.int32)
    test = test._replace(candidates=candidates)
    rounded = rounded_model(model, table, base.matrices, test.known).double()
    expected = selftest(rounded, test)
    try:
        scorer = EdgeScorer.load(base.path, verify=False, mmap=True)
        scorer.catalog.load(path)
        ids = np.asarray(item_ids, object)
        largest, begin = 0.0, 0
        for row, end in enumerate(expected["selftest.end"]):
            events = slice(begin, begin := end)
            kinds = times = None
            if test.kinds is not None:
                kinds = [scorer.kinds[kind] for kind in expected["selftest.kinds"][events]]
            if test.times is not None:
                times = expected["selftest.times"][events].tolist()
            scorer.reset()
            items = ids[expected["selftest.items"][events]].tolist()
            scorer.extend(items, kinds=kinds, times=times)
            wanted = expected["selftest.scores"][row]
            scores = scorer.score(ids[expected["selftest.candidates"][row]].tolist())
            difference = np.abs(scores - wanted).max() / np.abs(wanted).max()
            largest = max(largest, float(difference))
    except ValueError as error:
        raise ExportError(f"the engine refuses it: {error}") from None
    tolerance = INT8_TOLERANCE if base.matrices == WeightType.INT8 else TOLERANCE
    if not largest <= tolerance:
        raise ExportError(f"the engine disagrees with the model by {largest:.1e} of the scores")
    return (
        f"verified by the engine: {expected['selftest.scores'].size} scores of "
        f"{len(expected['selftest.end'])} histories with new items, "
        f"largest relative difference {largest:.1e}"
    )
