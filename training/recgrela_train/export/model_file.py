"""Writes the file that the engine runs; docs/format.md specifies it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from ..data.gaps import SECOND, gap_buckets
from ..evaluation.card import Card
from ..files import replacing
from ..networks.grela import Block, RecGrela
from ..networks.network import Network
from .errors import ExportError
from .quantize import Rows, round_matrix, round_table, rounded_model
from .rounding_loss import RoundingLoss
from .safetensors_file import fingerprint, write_safetensors
from .weight_types import WeightType

ItemIds = np.ndarray | Sequence[str]
FORMAT = "2"
LANES = 32  # items per block of the table
GROUP = 4  # consecutive features of an item in an int8 table
SELFTEST_SEQUENCES = 4
SELFTEST_EVENTS = 48
SELFTEST_CANDIDATES = 64
SELFTEST_START = 1_700_000_000  # seconds: the time of the first events, November 2023
SELFTEST_LATE = 24  # the event that is earlier than the one before it


class Exported(NamedTuple):
    """The result of an export."""

    size: int  # bytes
    size_in_f32: int  # bytes of the same model without rounding
    items: int
    table: WeightType
    matrices: WeightType
    fingerprint: str
    verification: str  # a sentence on the engine's verification
    card: Card | None  # in the file
    loss: RoundingLoss | None = None  # if weights were rounded and it was measured
    readme: bool = False  # whether README.md beside the file is its model card


def export_path(checkpoint: Path, output: Path | None, name: str = "model") -> Path:
    """The file to write; by default in the run's folder, or beside the checkpoint."""
    if output is None and not checkpoint.is_dir():
        return checkpoint.with_suffix(".safetensors")
    place = output or checkpoint
    return place / f"{name}.safetensors" if place.is_dir() else place


def check_exportable(model: Network) -> RecGrela:
    """The model itself. Raises ExportError if the engine does not run this kind of network."""
    kind = model.config.kind
    if kind != "grela":
        raise ExportError(
            f"model.kind={kind} cannot be exported: the engine runs only the causal form, "
            "model.kind=grela"
        )
    assert isinstance(model, RecGrela)
    return model


def export_model(
    model: RecGrela,
    item_ids: ItemIds,
    path: Path,
    table: WeightType = WeightType.F32,
    matrices: WeightType = WeightType.F32,
    card: Card | None = None,
    kinds: Sequence[str] = (),
) -> None:
    """Writes `model` with its vocabulary (`item_ids[j]` is item j + 1) to a safetensors file.

    `table` is the type of the item table and `matrices` that of the Linear layers' weights. `card`
    says how the model was measured. `kinds` are the names of its kinds of events, in their order.

    Raises ExportError, ValueError for an unknown type, and OSError if the file cannot be written;
    an existing file at `path` is then unchanged.
    """
    with replacing(path) as file:
        _write(model, item_ids, file, WeightType(table), WeightType(matrices), card, kinds)


def export_verified(
    model: RecGrela,
    item_ids: ItemIds,
    path: Path,
    table: WeightType,
    matrices: WeightType,
    card: Card | None = None,
    kinds: Sequence[str] = (),
) -> Exported:
    """`export_model`, but an existing file is replaced only if the engine verifies the new one."""
    with replacing(path) as file:
        saved, digest = _write(model, item_ids, file, table, matrices, card, kinds)
        size = file.stat().st_size
        try:
            verification = verify(file)
        except ExportError as error:
            raise ExportError(f"{path} was not written: {error}") from None
    whole = size + saved
    return Exported(size, whole, model.num_items, table, matrices, digest, verification, card)


def verify(path: Path) -> str:
    """Replays the file's self-test in the engine; returns a sentence on the result.

    Raises ExportError if the engine's scores differ from the model's.
    """
    try:
        from recgrela import EdgeScorer
    except ImportError:
        return (
            "not verified: install the engine with 'pip install recgrela', then run 'recgrela "
            "verify'"
        )
    try:
        scorer = EdgeScorer.load(path, verify=False, mmap=True)
    except ValueError as error:
        raise ExportError(
            f"the installed engine cannot read it: {error}; is recgrela older than recgrela-train?"
        ) from None
    try:
        report = scorer.verify()
    except ValueError as error:
        raise ExportError(f"the engine disagrees with the model: {error}") from None
    return (
        f"verified by the engine: {report['scores']} scores of {report['sequences']} histories, "
        f"largest relative difference {report['max_difference']:.1e}"
    )


def _write(
    model: RecGrela,
    item_ids: ItemIds,
    path: Path,
    table: WeightType,
    matrices: WeightType,
    card: Card | None,
    kinds: Sequence[str],
) -> tuple[int, str]:
    """Writes the file; returns the bytes that rounding saved, and the fingerprint."""
    check_exportable(model)
    stored = round_table(model, table)
    test = selftest_draw(model.num_items, len(kinds), gaps=model.gaps is not None)
    known = test.known
    # The self-test uses few items, so its float64 model has only these.
    rounded = rounded_model(model, stored, matrices, known)
    tensors = stored_weights(model, stored, matrices)
    tensors |= id_tensors(item_ids, "catalog") | {"catalog.order": _order(item_ids)}
    tensors |= selftest(rounded.double(), test)
    check_finite(tensors)
    config = json.dumps(_config(model, kinds))
    digest = fingerprint(config, tensors)
    metadata = {
        "recgrela.format": FORMAT,
        "recgrela.config": config,
        "recgrela.fingerprint": digest,
    }
    if card is not None:
        metadata["recgrela.card"] = json.dumps(card)
    write_safetensors(path, tensors, metadata)
    return _bytes_saved(tensors), digest


def check_finite(tensors: dict[str, np.ndarray]) -> None:
    """Raises ExportError naming a tensor with values that are not finite."""
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            overflow = ", or they overflow f16" if tensor.dtype == np.float16 else ""
            raise ExportError(f"{name} has values that are not finite: training diverged{overflow}")


def _bytes_saved(tensors: dict[str, np.ndarray]) -> int:
    rounded = [t for t in tensors.values() if t.dtype in (np.float16, np.int8)]
    scales = [t.nbytes for name, t in tensors.items() if name.endswith(".scale")]
    return sum(4 * t.size - t.nbytes for t in rounded) - sum(scales)


def _config(model: RecGrela, kinds: Sequence[str]) -> dict[str, Any]:
    config = model.config
    found = {
        "hidden_size": config.hidden_size,
        "num_heads": config.num_heads,
        "num_layers": config.num_layers,
        "inner_size": config.inner_size,
        "num_items": model.num_items,
        "gate": config.gate,
        "local_conv": config.local_conv,
        "positions": config.positions,
        "final_norm": config.final_norm,
        "start": model.start is not None,
        "kinds": list(kinds),
    }
    return found if model.gaps is None else {**found, "gaps": True}


def _catalog(table: Rows) -> dict[str, np.ndarray]:
    """The table in blocks of 32 items, padded with zeros, so that items fill SIMD lanes."""
    tensors = {"catalog.table": _blocks_of_items(table.values)}
    if table.scale is not None:
        padded = np.pad(table.scale, (0, -len(table.scale) % LANES))
        tensors["catalog.scale"] = padded.reshape(-1, LANES)
    return tensors


def _blocks_of_items(rows: np.ndarray) -> np.ndarray:
    """Rows [N, D] as [B, D, 32], and int8 rows as [B, D/4, 32, 4]."""
    count, size = rows.shape
    group = GROUP if rows.dtype == np.int8 else 1
    blocks = np.zeros((-(-count // LANES), size // group, LANES, group), rows.dtype)
    lanes = blocks.transpose(0, 2, 1, 3)  # [B, 32, D/group, group], a view to fill
    rows = rows.reshape(count, size // group, group)
    full, rest = divmod(count, LANES)
    lanes[:full] = rows[: count - rest].reshape(full, LANES, *rows.shape[1:])
    lanes[full:, :rest] = rows[count - rest :]
    return blocks if group > 1 else blocks[..., 0]


def stored_weights(model: RecGrela, table: Rows, matrices: WeightType) -> dict[str, np.ndarray]:
    """The tensors of a trained model's weights in the types of its file."""
    return _catalog(table) | _weights(model, matrices)


def _weights(model: RecGrela, matrices: WeightType) -> dict[str, np.ndarray]:
    tensors = _layer("input_norm", model.input_norm, matrices)
    if model.start is not None:
        tensors["start"] = _f32(model.start)
    if model.kinds is not None:
        tensors["kinds.weight"] = _f32(model.kinds.weight)
    if model.gaps is not None:
        tensors["gaps.weight"] = _f32(model.gaps.weight)
    if model.frequency is not None:
        tensors["rotary.frequency"] = model.frequency.cpu().numpy()
    if model.positions is not None:
        tensors["positions.weight"] = _f32(model.positions.weight)
    for index, block in enumerate(cast("list[Block]", model.blocks)):
        tensors |= {f"blocks.{index}.{name}": t for name, t in _block(block, matrices).items()}
    if model.final_norm is not None:
        tensors |= _layer("final_norm", model.final_norm, matrices)
    return tensors


def _block(block: Block, matrices: WeightType) -> dict[str, np.ndarray]:
    tensors = {"decay": _f32(block.gamma())}
    for name in (
        "norm1", "gate", "input", "query_key", "conv", "output", "norm2", "ffn_in", "ffn_out",
    ):  # fmt: skip
        layer = getattr(block, name)
        if layer is not None:
            tensors |= _layer(name, layer, matrices)
    return tensors


def _layer(name: str, layer: torch.nn.Module, matrices: WeightType) -> dict[str, np.ndarray]:
    """The tensors of a layer. If it is a matrix, it has the type of all matrices."""
    tensors = {f"{name}.bias": _f32(layer.get_parameter("bias"))}
    if not isinstance(layer, torch.nn.Linear):
        return tensors | {f"{name}.weight": _f32(layer.get_parameter("weight"))}
    rounded = round_matrix(layer, matrices)
    # The file's matrices are input-major; those of torch's Linear are output-major.
    tensors[f"{name}.weight"] = np.ascontiguousarray(rounded.values.T)
    if rounded.scale is not None:
        tensors[f"{name}.scale"] = rounded.scale
    return tensors


def _f32(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().float().numpy())


def id_tensors(item_ids: ItemIds, place: str) -> dict[str, np.ndarray]:
    """The tensors of ids in their order; `place` is the first part of their names."""
    if isinstance(item_ids, np.ndarray):
        return {f"{place}.ids": item_ids.astype(np.int64)}
    encoded = [item.encode() for item in item_ids]
    return {
        f"{place}.ids_utf8": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        f"{place}.ids_end": np.cumsum([len(e) for e in encoded], dtype=np.int64),
    }


def _order(item_ids: ItemIds) -> np.ndarray:
    if isinstance(item_ids, np.ndarray):
        return np.argsort(item_ids, kind="stable").astype(np.int32)
    encoded = [item.encode() for item in item_ids]
    return np.array(sorted(range(len(encoded)), key=encoded.__getitem__), dtype=np.int32)


class SelfTest(NamedTuple):
    """Histories of the self-test and the items that are scored after each; all are indices."""

    items: np.ndarray  # [K, T]
    kinds: np.ndarray | None  # [K, T]; None without kinds
    times: np.ndarray | None  # [K, T] int64, seconds; None without gaps
    candidates: np.ndarray  # [K + 1, C]; the first row is for an empty history

    @property
    def known(self) -> np.ndarray:
        """The distinct items, ascending."""
        return np.union1d(self.items, self.candidates)


def selftest_draw(num_items: int, num_kinds: int, *, gaps: bool) -> SelfTest:
    """A self-test of random histories; with `gaps`, of all lengths from none to decades."""
    random = np.random.default_rng(0)
    shape = (SELFTEST_SEQUENCES, SELFTEST_EVENTS)
    items = random.integers(num_items, size=shape, dtype=np.int32)
    count = min(SELFTEST_CANDIDATES, num_items)
    candidates = [random.permutation(num_items)[:count] for _ in range(SELFTEST_SEQUENCES + 1)]
    kinds = random.integers(num_kinds, size=shape, dtype=np.int32) if num_kinds else None
    times = None
    if gaps:
        exponents = random.permutation(np.linspace(-1, 31, items.size)).reshape(shape)
        seconds = np.floor(2**exponents).astype(np.int64)
        seconds[:, 0] = SELFTEST_START
        seconds[:, SELFTEST_LATE] *= -1
        times = seconds.cumsum(axis=1)
    return SelfTest(items, kinds, times, np.stack(candidates).astype(np.int32))


@torch.inference_mode()
def selftest(model: RecGrela, test: SelfTest) -> dict[str, np.ndarray]:
    """The tensors of a self-test, with the scores of the recurrent form in float64.

    The model's items are those of the test. With a start vector, the first history is empty.
    """
    kinds = None if test.kinds is None else torch.from_numpy(test.kinds).long()
    inputs = torch.from_numpy(np.searchsorted(test.known, test.items) + 1)
    ends = np.arange(1, len(test.items) + 1, dtype=np.int32) * test.items.shape[1]
    gaps = None
    if test.times is not None:
        buckets = gap_buckets(test.times.ravel() * SECOND, np.append(0, ends))
        gaps = torch.from_numpy(buckets.reshape(test.times.shape)).long()
    hidden = model(inputs, form="recurrent", kinds=kinds, gaps=gaps)[0][:, -1]
    candidates = test.candidates[1:]
    if model.start is not None:
        hidden = torch.cat([model.start[None], hidden])
        ends, candidates = np.insert(ends, 0, 0), test.candidates
    scores = model.scores(hidden).numpy()
    scores = np.take_along_axis(scores, np.searchsorted(test.known, candidates), axis=1)
    tensors = {
        "selftest.items": test.items.ravel(),
        "selftest.end": ends,
        "selftest.candidates": candidates,
        "selftest.scores": scores.astype(np.float32),
    }
    if test.kinds is not None:
        tensors["selftest.kinds"] = test.kinds.ravel()
    if test.times is not None:
        tensors["selftest.times"] = test.times.ravel()
    return tensors
