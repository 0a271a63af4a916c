"""The LightningModule: loss, optimiser, validation, and what a checkpoint saves."""

import math
from functools import cached_property
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import Optimizer

from ..config import Config, TrainConfig
from ..data import (
    ONLY_FIRST_EVENTS,
    Batches,
    DataError,
    Dataset,
    EvaluationBatch,
    EvaluationBatches,
    PrefixBatches,
    ShardedBatches,
    TrainBatch,
    WindowBatches,
    sampled,
    saved_columns,
)
from ..distributed import (
    first_process,
    gathered,
    interleaved,
    mean_rows,
    own_rows,
    this_shard,
)
from ..evaluation.evaluate import rank_targets
from ..evaluation.metrics import summarize
from ..evaluation.ranking import MISS
from ..networks import make_network
from ..networks.item_embedding import FeatureEmbedding
from ..networks.network import CarriedState
from .checkpoints import VERSION
from .item_features import feature_embedding
from .loss import full_softmax_loss
from .negatives import negative_sampler
from .row_gradients import RowAdam, clip_gradients
from .sampled_loss import sampled_softmax_loss
from .seen import Histories

MONITOR = "validation/ndcg@10"
GAP_DECAY = 1.0
"""Decoupled weight decay of the table of gaps: a step also multiplies it by 1 - learning rate *
GAP_DECAY. Its value was chosen in docs/experiments.md, "Time between events"."""


class NonFiniteLossError(ArithmeticError):
    """The loss of a batch is not finite; the weights are those before its step.

    All processes raise it. `here` is True on the lowest rank with such a loss.
    """

    def __init__(self, loss: Tensor, batch: TrainBatch, state: CarriedState | None, rank: int):
        self.here = rank == this_shard().rank
        super().__init__(
            f"the loss is {loss.item() if self.here else f'not finite in rank {rank}'}"
        )
        self.batch = batch
        self.state = state


class TrainingModule(lightning.LightningModule):
    """Next-item prediction at every position with full or sampled softmax cross-entropy.

    The model's state is carried from batch to batch: `WindowBatches` puts the next window of a
    history in the row of its last one, and marks rows that start anew. Gradients stop at the border
    between windows.
    """

    rate_factor = 1.0
    """Factor of `train.learning_rate`."""
    sums_features = True
    """Whether the vectors of items have those of their features as a part, where there are any."""

    def __init__(self, config: Config, dataset: Dataset):
        super().__init__()
        self.config = config
        self.dataset = dataset
        self.model = make_network(config.model, dataset.num_items, len(dataset.kind_names))
        if dataset.item_features is not None and self.sums_features:
            self.model.embedding = feature_embedding(
                dataset.item_features, config.model.hidden_size, config.model.feature_only
            )
        self.started_from: int | None = None  # the time of the last event of train.start_from
        self.sampler = negative_sampler(config.train, dataset.num_items)
        if self.sampler is not None:
            self.model.embedding.sparse = True  # its gradient
        # DDP would send features, which all processes have, before each step.
        names = [f"model.embedding.{name}" for name, _ in self.model.embedding.named_buffers()]
        if self.sampler is not None:
            names.append("model.embedding.weight")  # on_after_backward averages its gradient
        self._ddp_params_and_buffers_to_ignore = names
        self._batches = self._train_batches()
        self._steps_per_epoch = len(self._batches)  # in the first epoch; others differ slightly
        self._state: CarriedState | None = None  # after the last carried batch of the epoch
        validation = dataset.targets("validation")
        targets = sampled(
            validation, config.evaluate.max_users, firsts=self.model.start is not None
        )
        if len(validation) and not len(targets):
            raise DataError(ONLY_FIRST_EVENTS.format(split="validation"))
        self._targets = targets.take(targets.known)
        self._unknown = len(targets) - len(self._targets)
        # Allocated once: small arrays kept from each batch would fragment the heap.
        self._ranks = np.empty(len(self._targets), np.int64)
        self._ranked = 0

    @property
    def loss_name(self) -> str:
        """The loss, for the log."""
        items = f"{self.dataset.num_items:,} items"
        if self.sampler is None:
            return f"full softmax over {items}"
        return f"sampled softmax over {self.sampler.count:,} of {items} per step"

    def train_dataloader(self) -> ShardedBatches:
        """This process's shard of the next epoch's batches; called before each epoch."""
        self._batches.set_epoch(self.current_epoch)
        return ShardedBatches(self._batches, this_shard())

    @cached_property
    def _train_dataset(self) -> Dataset:
        """The events to train on; those whose items training excludes are no targets."""
        return self.dataset.without_repeats(self.config.seen_events)

    def _train_batches(self) -> Batches:
        train, seed, seen = self.config.train, self.config.seed, self.config.seen_events
        dataset = self._train_dataset
        if self.model.prefixes:
            return PrefixBatches(dataset, train.window, train.batch_size, seed, seen=seen)
        carry_state = train.carry_state and "stream" in self.model.readouts
        return WindowBatches(
            dataset,
            train.window,
            train.batch_size,
            carry_state,
            seed,
            firsts=self.model.start is not None,
            gaps=self.model.gaps is not None,
            seen=seen,
        )

    def val_dataloader(self) -> EvaluationBatches:
        """This process's shard of the validation users."""
        size, gaps = self.config.evaluate.batch_size, self.model.gaps is not None
        return EvaluationBatches(self.dataset, self._targets, size, this_shard(), gaps=gaps)

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Evaluation batches stay on the CPU, where ranking cuts them into pieces."""
        if isinstance(batch, EvaluationBatch):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def on_train_batch_start(self, batch: TrainBatch, index: int) -> None:
        """Seeds the steps after a checkpoint, so that a resumed run draws the same numbers."""
        part, step = divmod(index, self.config.train.checkpoint_steps)
        if step == 0:
            words = (self.config.seed, self.current_epoch, self.global_rank, part)
            torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))

    def on_train_epoch_end(self) -> None:
        """Drops the state: each epoch starts from empty states."""
        self._state = None

    def training_step(self, batch: TrainBatch, index: int) -> Tensor:
        """Mean cross-entropy of the batch, weighted by its share. Raises NonFiniteLossError."""
        before = self._state_before(batch, index)
        hidden, state = self.model(
            batch["inputs"], before, kinds=batch["kinds"], gaps=batch["gaps"]
        )
        if batch["carried"]:
            self._state = state.detach()
        valid = batch["targets"] != 0
        hidden, targets = hidden[valid], batch["targets"][valid]
        firsts = 0
        if self.model.start is not None:
            firsts = len(batch["firsts"])
            starts = self.model.start.to(hidden.dtype).expand(firsts, -1)
            hidden = torch.cat([hidden, starts])
            targets = torch.cat([targets, batch["firsts"]])
        histories = Histories.of(batch, valid, firsts, self.config.seen_events)
        loss = self._loss(hidden, targets, histories)
        if (rank := first_process(~loss.isfinite())) is not None:
            raise NonFiniteLossError(loss, batch, before, rank)
        # The mean over all processes' events. A float, because the trainer would round integers.
        events: Any = float(len(targets)) if batch["share"] else 0.0
        self.log(
            "train/loss", loss, on_step=False, on_epoch=True, batch_size=events, sync_dist=True
        )
        self.log("loss", loss, prog_bar=True, logger=False)
        return loss * batch["share"]

    def _state_before(self, batch: TrainBatch, _index: int) -> CarriedState | None:
        """The state of each row before a batch of the epoch; None is the empty state."""
        before = self._state if batch["carried"] else None
        return before and before.keep(batch["keep"])

    def _loss(self, hidden: Tensor, targets: Tensor, histories: Histories | None) -> Tensor:
        """Mean cross-entropy: hidden [M, D], targets [M] -> a scalar."""
        embedding = self.model.embedding
        if self.sampler is None:
            return full_softmax_loss(hidden, embedding.table(), targets, histories)
        return sampled_softmax_loss(hidden, embedding, targets, self.sampler, histories)

    def validation_step(self, batch: EvaluationBatch, _index: int) -> None:
        """Ranks by the stream read-out, which is the deployed one, if the model has it."""
        readout = self.model.readouts[0]
        part = slice(self._ranked, self._ranked + len(batch.stops))
        self._ranks[part] = rank_targets(self.model, batch, readout, self.config.evaluate)
        self._ranked = part.stop

    def on_validation_epoch_end(self) -> None:
        """Logs NDCG@10 and HR@10 over all targets."""
        ranks = np.append(gathered(self._ranks[: self._ranked]), [MISS] * self._unknown)
        # Sorting makes the sums independent of how users were sharded.
        metrics = summarize(np.sort(ranks))
        self._ranked = 0
        self.log(MONITOR, metrics["ndcg@10"])
        self.log("validation/hr@10", metrics["hr@10"])

    def on_after_backward(self) -> None:
        """Averages a sparse gradient of the table over processes; DDP has averaged the others."""
        table = self.model.embedding.weight
        if self.sampler is not None and table.grad is not None:
            table.grad = mean_rows(table.grad)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips by the norm over all gradients, including a sparse one of the table."""
        if gradient_clip_val is not None:
            clip_gradients(self.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam with linear warm-up followed by the schedule; the table of gaps has weight decay."""
        train, gaps = self.config.train, self.model.gaps
        table = None if gaps is None else gaps.weight
        others = [p for p in self.model.parameters() if p is not table]
        optimizer = RowAdam(others, lr=train.learning_rate * self.rate_factor)
        if table is not None:
            optimizer.add_param_group(
                {"params": [table], "weight_decay": GAP_DECAY, "decoupled_weight_decay": True}
            )
        steps = train.max_epochs * self._steps_per_epoch
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, steps, train)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the config, the item ids, the kinds, facts of the data, and the state."""
        ids, cuts = self.dataset.item_ids, self.dataset.cuts
        until = [t for t in (self.started_from, self.dataset.trained_until) if t is not None]
        checkpoint["recgrela"] = {
            "version": VERSION,
            "config": self.config.model_dump(),
            "item_ids": torch.tensor(ids) if isinstance(ids, np.ndarray) else ids,
            "kinds": list(self.dataset.kind_names),
            "data": self.dataset.fingerprint,
            "cuts": cuts and list(cuts),
            "trained_until": max(until, default=None),
        }
        if isinstance(self.model.embedding, FeatureEmbedding):
            assert self.dataset.item_features is not None
            checkpoint["recgrela"]["item_features"] = {
                "columns": saved_columns(self.dataset.item_features.columns),
                "digest": self.dataset.item_features.digest,
                "table": self.model.embedding.folded(),
            }
        if self._state is not None:
            checkpoint["recgrela"]["state"] = [interleaved(x) for x in self._state.tensors()]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores this process's rows of the state, if saved in the middle of an epoch."""
        if rows := checkpoint["recgrela"].get("state"):
            remaining = iter(rows)
            self._state = self.model.empty_state(0).map(lambda _: own_rows(next(remaining)))

    def on_train_start(self) -> None:
        """Moves the restored state to the device of the weights."""
        self._state = self._state and self._state.map(lambda x: x.to(self.device))


def learning_rate_factor(step: int, steps: int, train: TrainConfig) -> float:
    """The factor of `train.learning_rate` at a step (from 0) of a run of `steps`."""
    if step < train.warmup_steps:
        return (step + 1) / train.warmup_steps
    if train.schedule == "constant":
        return 1.0
    done = (step - train.warmup_steps) / max(1, steps - train.warmup_steps)
    return (1 + math.cos(math.pi * min(1.0, done))) / 2
