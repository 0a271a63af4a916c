"""Writes a safetensors file in the engine's preferred order and alignment, and its fingerprint.

The safetensors library orders tensors by type and aligns the data to 8 bytes. The engine scans
fastest with the item table first, on a cache line. Tensors are written one by one, so the file is
never in memory as a whole.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

ALIGNMENT = 64  # bytes; the data section starts on a cache line
_DTYPES = {"f2": "F16", "f4": "F32", "f8": "F64", "u1": "U8", "i1": "I8", "i4": "I32", "i8": "I64"}


def write_safetensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Writes the tensors to `path` in the given order, and fsyncs it."""
    header: dict[str, Any] = {"__metadata__": metadata}
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
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for tensor in tensors.values():
            file.write(_bytes(tensor))
        file.flush()
        os.fsync(file.fileno())


def fingerprint(config: str, tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 over the config and all tensors by name, as docs/format.md defines it."""
    digest = hashlib.sha256(config.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        shape = ",".join(map(str, tensor.shape))
        digest.update(b"\0".join((name.encode(), _dtype(tensor).encode(), shape.encode(), b"")))
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _dtype(tensor: np.ndarray) -> str:
    return _DTYPES[tensor.dtype.str[1:]]


def _bytes(tensor: np.ndarray) -> memoryview:
    """The tensor's bytes, copied only if it is not contiguous."""
    return tensor.reshape(-1).view(np.uint8).data
