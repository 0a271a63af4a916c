"""The sharded item table: each of W processes keeps and optimises 1/W of its rows.

The table dominates a large model, and with its gradient and Adam's two moments four copies are
kept. Sharding divides the memory of weights and moments by W. Each step gathers the whole table
once, and scatters its gradient (as FSDP: Y. Zhao et al., *PyTorch FSDP*, arXiv 2304.11277).

The networks need no change: `embedding.weight` is a parametrisation that gathers. Gathering is a
collective, so it happens once per step and once per validation. Checkpoints have the whole table
under its usual name, so any number of processes can resume them.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, distributed, nn
from torch.nn.utils import parametrize
from torch.optim import Optimizer

WHOLE = "embedding.weight"
PART = "embedding.parametrizations.weight.original"


class ShardedTable(Callback):
    """Shards the tables of a module's networks, gathers them for each step and for checkpoints.

    `limit` is the maximum gradient norm, 0 for none; the trainer would clip by one shard's norm.
    """

    def __init__(self, limit: float):
        self._limit = limit
        self._gathered = ExitStack()

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Shards the tables before the optimiser and DDP see the parameters."""
        networks = [n for n, child in module.named_children() if hasattr(child, "embedding")]
        for name in networks:
            shard_table(getattr(module, name))
        ignored = [f"{name}.{PART}" for name in networks]
        module._ddp_params_and_buffers_to_ignore = ignored  # type: ignore[assignment]

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Caches the gathered table until the end of the step."""
        self._gathered.enter_context(parametrize.cached())

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Drops the table, which the step has outdated."""
        self._gathered.close()

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Gathers the tables, because processes then rank without synchronising."""
        self._gathered.enter_context(parametrize.cached())
        for network in _sharded(module):
            _ = network.get_submodule("embedding").weight

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Drops the tables."""
        self._gathered.close()

    def on_before_optimizer_step(
        self, trainer: Trainer, module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Clips the gradients by their norm over all shards."""
        if self._limit:
            clip_sharded_gradients(module, self._limit)

    def on_save_checkpoint(
        self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Gathers the optimiser's moments, as the networks' state_dict gathers the weights."""
        (optimizer,) = trainer.optimizers
        _each_moment(module, optimizer, checkpoint, gather_table)

    def on_load_checkpoint(
        self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Takes this process's shard of the moments."""
        # The trainer has no optimiser yet.
        configured = cast("dict[str, Any]", module.configure_optimizers())
        _each_moment(
            module, configured["optimizer"], checkpoint, lambda whole, _: part_of_table(whole)
        )


class _Gather(torch.autograd.Function):
    """Concatenates all shards; a shard's gradient is the mean over processes, as in DDP."""

    @staticmethod
    def forward(context: Any, part: Tensor) -> Tensor:
        whole = part.new_empty(distributed.get_world_size() * part.shape[0], *part.shape[1:])
        distributed.all_gather_into_tensor(whole, part.contiguous())
        return whole

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        count = distributed.get_world_size()
        part = gradient.new_empty(gradient.shape[0] // count, *gradient.shape[1:])
        distributed.reduce_scatter_tensor(part, gradient.contiguous())
        return part / count


class _Parts(nn.Module):
    """The parametrisation of a table [R, D] by this process's rows."""

    def __init__(self, rows: int):
        super().__init__()
        self.rows = rows

    def forward(self, part: Tensor) -> Tensor:
        """[ceil(R / W), D] -> [R, D]."""
        whole: Tensor = _Gather.apply(part)
        return whole[: self.rows]

    def right_inverse(self, whole: Tensor) -> Tensor:
        """[R, D] -> this process's rows."""
        return part_of_table(whole)


def shard_table(network: nn.Module) -> None:
    """Shards `network.embedding`, which has to be equal on all processes."""
    table = network.get_submodule("embedding")
    rows = _Parts(len(table.get_parameter("weight")))
    parametrize.register_parametrization(table, "weight", rows, unsafe=True)
    network.register_state_dict_post_hook(_make_whole)
    network.register_load_state_dict_pre_hook(_take_part)


def part_of_table(whole: Tensor) -> Tensor:
    """A copy of this process's rows of [R, D], padded with zeros in the last process."""
    rank, count = distributed.get_rank(), distributed.get_world_size()
    size = -(-whole.shape[0] // count)
    part = whole[rank * size : (rank + 1) * size]
    return nn.functional.pad(part, (0, 0, 0, size - part.shape[0])).clone()


def gather_table(part: Tensor, rows: int) -> Tensor:
    """The whole table [rows, D] from all processes' shards, on the CPU."""
    with torch.no_grad():
        whole: Tensor = _Gather.apply(part)
        return whole[:rows].cpu()


def clip_sharded_gradients(module: nn.Module, limit: float) -> None:
    """Scales all gradients to a norm of at most `limit`, taken over the shards of all processes."""
    parts = [network.get_parameter(PART) for network in _sharded(module)]
    ours = {id(part) for part in parts}
    split = [part.grad for part in parts if part.grad is not None]
    others = [p.grad for p in module.parameters() if p.grad is not None and id(p) not in ours]
    square = sum((gradient.square().sum() for gradient in split), torch.zeros(()))
    distributed.all_reduce(square)
    square = square + sum(gradient.square().sum() for gradient in others)
    scale = (limit / (square.sqrt() + 1e-6)).clamp(max=1)
    for gradient in (*split, *others):
        gradient.mul_(scale)


def _sharded(module: nn.Module) -> list[nn.Module]:
    """The module's networks with sharded tables."""
    children = [child for child in module.children() if hasattr(child, "embedding")]
    return [c for c in children if parametrize.is_parametrized(c.get_submodule("embedding"))]


def _rows(network: nn.Module) -> int:
    parts = network.get_submodule("embedding.parametrizations.weight.0")
    assert isinstance(parts, _Parts)
    return parts.rows


def _each_moment(
    module: nn.Module,
    optimizer: Optimizer,
    checkpoint: dict[str, Any],
    change: Callable[[Tensor, int], Tensor],
) -> None:
    """Replaces each moment of a table by `change(moment, rows of the table)`."""
    tables = {id(n.get_parameter(PART)): _rows(n) for n in _sharded(module)}
    # Checkpoints number parameters by their order in the optimiser's groups.
    ordered = [p for group in optimizer.param_groups for p in group["params"]]
    (moments,) = checkpoint["optimizer_states"]
    for number, parameter in enumerate(ordered):
        if id(parameter) in tables and number in moments["state"]:
            rows, state = tables[id(parameter)], moments["state"][number]
            changed = {key: change(v, rows) for key, v in state.items() if v.dim() == 2}
            moments["state"][number] = {**state, **changed}


def _make_whole(network: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    part = state.pop(prefix + PART)
    state[prefix + WHOLE] = gather_table(part, _rows(network))


def _take_part(_network: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    state[prefix + PART] = part_of_table(state.pop(prefix + WHOLE))
