"""Writing the one file that the engine runs; docs/format.md is its specification."""

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .files import write_atomically
from .model import Block, RecGrela

FORMAT = "1"
LANES = 32  # items of a catalogue block
ALIGNMENT = 64  # bytes; the data section starts on a cache line
SELFTEST_SEQUENCES = 4
SELFTEST_EVENTS = 48
SELFTEST_CANDIDATES = 64
TABLE_TYPES = {"f32": np.float32, "f16": np.float16}
_DTYPES = {"f2": "F16", "f4": "F32", "f8": "F64", "u1": "U8", "i4": "I32", "i8": "I64"}


class ExportError(ValueError):
    """A model that cannot be exported, or a file that failed its verification."""


def export_model(model: RecGrela, item_ids, path: Path, table: str = "f32") -> None:
    """Write `model` with its vocabulary (`item_ids[j]` is item j + 1) to a safetensors file.

    `table` is the type of the catalogue's table, "f32" or "f16"; the input embeddings are the
    same table. Raises ExportError, and OSError where the file cannot be written.
    """
    if table not in TABLE_TYPES:
        raise ExportError(f"--table takes {' or '.join(TABLE_TYPES)}; found '{table}'")
    model = _reference(model, TABLE_TYPES[table])
    tensors = {"catalog.table": _blocks_of_items(model).astype(TABLE_TYPES[table])}
    tensors |= _weights(model) | _vocabulary(item_ids) | _selftest(model)
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ExportError(
                f"{name} holds values that are not finite: the training diverged, or the table "
                f"does not fit {table}"
            )
    config = json.dumps(_config(model))
    metadata = {
        "recgrela.format": FORMAT,
        "recgrela.config": config,
        "recgrela.fingerprint": fingerprint(config, tensors),
    }
    write_atomically(path, _safetensors(tensors, metadata))


def verify(path: Path) -> str:
    """Replay the file's self-test in the Rust engine; a sentence on how it went.

    Raises ExportError if the engine's scores are not those of the model.
    """
    if importlib.util.find_spec("recgrela") is None:
        return (
            "not verified: install the engine with 'pip install recgrela', then 'recgrela verify'"
        )
    from recgrela import EdgeScorer

    try:
        report = EdgeScorer.load(path).verify()
    except ValueError as error:
        raise ExportError(f"{path}: the engine does not agree with the model: {error}") from None
    return (
        f"verified by the engine: {report['scores']} scores of {report['sequences']} histories, "
        f"largest relative difference {report['max_difference']:.1e}"
    )


def fingerprint(config: str, tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 over the config and all tensors by name, as docs/format.md defines it."""
    digest = hashlib.sha256(config.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        shape = ",".join(map(str, tensor.shape))
        digest.update(b"\0".join((name.encode(), _dtype(tensor).encode(), shape.encode(), b"")))
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def _reference(model: RecGrela, table: type) -> RecGrela:
    """A float64 copy whose table holds just the values that the file will hold."""
    copy = RecGrela(model.config, model.num_items)
    copy.load_state_dict(model.state_dict())
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused later
        rounded = copy.embedding.weight.detach().numpy().astype(table).astype(np.float32)
    copy.embedding.weight.data = torch.from_numpy(rounded)
    return copy.double().eval()


def _config(model: RecGrela) -> dict:
    config = model.config
    return {
        "hidden_size": config.hidden_size,
        "num_heads": config.num_heads,
        "num_layers": config.num_layers,
        "inner_size": config.inner_size,
        "num_items": model.num_items,
        "gate": config.gate,
        "local_conv": config.local_conv,
        "positions": config.positions,
        "final_norm": config.final_norm,
    }


def _blocks_of_items(model: RecGrela) -> np.ndarray:
    """The table [N, D] as blocks of 32 items, [B, D, 32], so that items fill SIMD lanes."""
    rows = model.embedding.weight[1:].detach().numpy()
    rows = np.pad(rows, ((0, -len(rows) % LANES), (0, 0)))
    return rows.reshape(-1, LANES, rows.shape[1]).transpose(0, 2, 1)


def _weights(model: RecGrela) -> dict[str, np.ndarray]:
    tensors = _layer("input_norm", model.input_norm)
    if model.frequency is not None:
        tensors["rotary.frequency"] = model.frequency.numpy()
    if model.positions is not None:
        tensors["positions.weight"] = _f32(model.positions.weight)
    for index, block in enumerate(model.blocks):
        tensors |= {f"blocks.{index}.{name}": t for name, t in _block(block).items()}
    if model.final_norm is not None:
        tensors |= _layer("final_norm", model.final_norm)
    return tensors


def _block(block: Block) -> dict[str, np.ndarray]:
    tensors = {"decay": _f32(block.gamma())}
    for name in (
        "norm1",
        "gate",
        "input",
        "query_key",
        "conv",
        "output",
        "norm2",
        "ffn_in",
        "ffn_out",
    ):
        layer = getattr(block, name)
        if layer is not None:
            tensors |= _layer(name, layer)
    return tensors


def _layer(name: str, layer: torch.nn.Module) -> dict[str, np.ndarray]:
    # The engine wants matrices input-major; torch's Linear holds them output-major.
    weight = layer.weight.T if isinstance(layer, torch.nn.Linear) else layer.weight
    return {f"{name}.weight": _f32(weight), f"{name}.bias": _f32(layer.bias)}


def _f32(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().float().numpy())


def _vocabulary(item_ids) -> dict[str, np.ndarray]:
    if isinstance(item_ids, np.ndarray):
        order = np.argsort(item_ids, kind="stable").astype(np.int32)
        return {"catalog.ids": item_ids.astype(np.int64), "catalog.order": order}
    encoded = [item.encode() for item in item_ids]
    order = sorted(range(len(encoded)), key=encoded.__getitem__)
    return {
        "catalog.ids_utf8": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "catalog.ids_end": np.cumsum([len(e) for e in encoded], dtype=np.int64),
        "catalog.order": np.array(order, dtype=np.int32),
    }


@torch.inference_mode()
def _selftest(model: RecGrela) -> dict[str, np.ndarray]:
    """A few drawn histories and the scores that the float64 recurrent form gives after them."""
    random = np.random.default_rng(0)
    shape = (SELFTEST_SEQUENCES, SELFTEST_EVENTS)
    items = random.integers(model.num_items, size=shape, dtype=np.int32)
    count = min(SELFTEST_CANDIDATES, model.num_items)
    candidates = np.stack(
        [random.permutation(model.num_items)[:count] for _ in range(SELFTEST_SEQUENCES)]
    ).astype(np.int32)
    hidden, _ = model(torch.from_numpy(items.astype(np.int64) + 1), form="recurrent")
    scores = model.scores(hidden[:, -1]).numpy()
    return {
        "selftest.items": items.ravel(),
        "selftest.end": np.arange(1, len(items) + 1, dtype=np.int32) * SELFTEST_EVENTS,
        "selftest.candidates": candidates,
        "selftest.scores": np.take_along_axis(scores, candidates, axis=1).astype(np.float32),
    }


def _safetensors(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """The file's bytes, tensors in the order given.

    The safetensors library orders tensors by type and aligns the data to 8 bytes; the engine
    scans the mapped table fastest when it comes first, on a cache line.
    """
    header: dict = {"__metadata__": metadata}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _dtype(tensor),
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return b"".join(
        [len(text).to_bytes(8, "little"), text, *(t.tobytes() for t in tensors.values())]
    )


def _dtype(tensor: np.ndarray) -> str:
    return _DTYPES[tensor.dtype.str[1:]]
