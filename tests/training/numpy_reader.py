"""Runs a model file with NumPy in float64, implemented from docs/format.md alone.

It shares no code with the exporter, the model or the engine.
"""

import json
from math import erf
from pathlib import Path

import numpy as np
from safetensors import safe_open


class ModelFile:
    """The tensors of a file, and their scores."""

    def __init__(self, path: Path):
        with safe_open(path, framework="np") as file:
            self.metadata = file.metadata()
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        self.config = json.loads(self.metadata["recgrela.config"])

    def rows(self) -> np.ndarray:
        """The embeddings of all rows of the table, padding included: [32 B, D] float32."""
        table = self.tensors["catalog.table"]
        if table.dtype != np.int8:
            return np.concatenate([block.T for block in table]).astype(np.float32)
        quantised = np.concatenate([block.swapaxes(0, 1).reshape(32, -1) for block in table])
        return quantised.astype(np.float32) * self.tensors["catalog.scale"].reshape(-1, 1)

    def scores(self, items: np.ndarray, begin: int = 0) -> np.ndarray:
        """Scores [N] after a history of item indices, event by event from the empty state.

        The kinds, if the file has any, are those of the self-test's events from `begin` on.
        """
        rows = self.rows()[: self.config["num_items"]].astype(np.float64)
        blocks = [_Block(self, f"blocks.{index}.") for index in range(self.config["num_layers"])]
        if not len(items):
            return rows @ self.get("start")
        for position, item in enumerate(items):
            h = rows[item]
            if self.config["kinds"]:
                h = h + self.get("kinds.weight")[self.tensors["selftest.kinds"][begin + position]]
            if self.config["positions"] == "learned":
                learned = self.get("positions.weight")
                h = h + learned[min(position, len(learned) - 1)]
            h = self.norm("input_norm", h)
            for block in blocks:
                h = block(h, position)
        return rows @ (self.norm("final_norm", h) if self.config["final_norm"] else h)

    def get(self, name: str) -> np.ndarray:
        return self.tensors[name].astype(np.float64)

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-12)
        return x * self.get(f"{name}.weight") + self.get(f"{name}.bias")

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        weight = self.tensors[f"{name}.weight"]
        if f"{name}.scale" in self.tensors:
            weight = weight.astype(np.float32) * self.tensors[f"{name}.scale"]
        return x @ weight.astype(float) + self.get(f"{name}.bias")

    def rotate(self, x: np.ndarray, position: int) -> np.ndarray:
        if self.config["positions"] != "rotary":
            return x
        angle = 2 * np.pi * (position * self.get("rotary.frequency"))
        turned = (x[0::2] + 1j * x[1::2]) * np.exp(1j * angle)
        return np.stack([turned.real, turned.imag], axis=1).ravel()


class _Block:
    """One block and its state."""

    def __init__(self, file: ModelFile, name: str):
        self.file, self.name = file, name
        size, self.heads = file.config["hidden_size"], file.config["num_heads"]
        head = size // self.heads
        self.s = np.zeros((self.heads, head, head))
        self.z = np.zeros((self.heads, head))
        self.values = np.zeros((4, size))  # the last four, oldest first

    def __call__(self, h: np.ndarray, position: int) -> np.ndarray:
        file, name = self.file, self.name
        y = file.norm(name + "norm1", h)
        v = file.linear(name + "input", y)
        mixed = self.attend(v, position)
        self.values = np.vstack([self.values[1:], v])
        if file.config["local_conv"]:
            taps = (self.values * file.get(name + "conv.weight")).sum(0)
            mixed = mixed + _silu(taps + file.get(name + "conv.bias"))
        if file.config["gate"]:
            mixed = mixed * _silu(file.linear(name + "gate", y))
        h = h + file.linear(name + "output", mixed)
        inner = file.linear(name + "ffn_in", file.norm(name + "norm2", h))
        inner = inner * np.array([(1 + erf(x / 2**0.5)) / 2 for x in inner])
        return h + file.linear(name + "ffn_out", inner)

    def attend(self, v: np.ndarray, position: int) -> np.ndarray:
        q, k = np.split(self.file.linear(self.name + "query_key", v), 2)
        q, k = (np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))) for x in (q, k))
        turned_q, turned_k = (self.file.rotate(x, position) for x in (q, k))
        q, k, turned_q, turned_k, v = (
            x.reshape(self.heads, -1) for x in (q, k, turned_q, turned_k, v)
        )
        decay = self.file.get(self.name + "decay")
        self.s = decay[:, None, None] * self.s + turned_k[:, :, None] * v[:, None, :]
        self.z = decay[:, None] * self.z + k
        sums = np.einsum("hi,hij->hj", turned_q, self.s)
        return (sums / ((q * self.z).sum(1, keepdims=True) + 1e-6)).ravel()


def _silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))
