"""What a contender reads and writes: the split, and the vectors that score its users.

Contenders run in environments of their own, so this file needs only NumPy and PyTorch.

split.npz     training parts, validation inputs and targets, test inputs; no test target
answer.npz    a vector per test user and per item; an item's score is their product
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

ROWS = 256  # users ranked at a time
MISS = int(np.iinfo(np.int32).max)  # rank of an excluded target


@dataclass(frozen=True)
class Histories:
    """Events in time order, users one after the other."""

    items: np.ndarray  # [events] item indices 1..N
    offsets: np.ndarray  # [U+1], user u has items[offsets[u]:offsets[u+1]]

    @classmethod
    def cut(cls, items: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> Self:
        """The slices `items[start:stop]`, copied."""
        parts = [items[start:stop] for start, stop in zip(starts, stops, strict=True)]
        return cls(np.concatenate(parts), np.concatenate([[0], np.cumsum(stops - starts)]))

    def __len__(self) -> int:
        """U."""
        return len(self.offsets) - 1

    def __getitem__(self, user: int) -> np.ndarray:
        """The events of a user, [n]."""
        if not 0 <= user < len(self):
            raise IndexError(user)
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def last(self, length: int, index: np.ndarray) -> list[np.ndarray]:
        """Each user's last `length` known events, as the contender's indices.

        index [N+1] is the contender's index of each item, 0 for items that it does not know.
        """
        rows = (index[row] for row in self)
        return [row[row > 0][-length:] for row in rows]


@dataclass(frozen=True)
class Split:
    """All that a contender may see."""

    num_items: int
    excluded_events: int  # items of so many last events are not ranked
    train: Histories
    validation: Histories
    targets: np.ndarray  # [U] the item after each validation input
    test: Histories

    def write(self, path: Path) -> None:
        """Write `split.npz`."""
        arrays = {}
        for name in ("train", "validation", "test"):
            histories = getattr(self, name)
            arrays |= {f"{name}.items": histories.items, f"{name}.offsets": histories.offsets}
        numbers = np.array([self.num_items, self.excluded_events])
        np.savez_compressed(path, numbers=numbers, targets=self.targets, **arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `split.npz`."""
        with np.load(path) as file:
            parts = {
                name: Histories(file[f"{name}.items"], file[f"{name}.offsets"])
                for name in ("train", "validation", "test")
            }
            num_items, excluded_events = map(int, file["numbers"])
            return cls(num_items, excluded_events, targets=file["targets"], **parts)


@dataclass(frozen=True)
class Answer:
    """Scores of all items for all users, as products of vectors."""

    users: Tensor  # [U, D]
    items: Tensor  # [N, D]
    known: Tensor  # [N] bool; other items did not occur in training and rank last

    def write(self, path: Path) -> None:
        """Write `answer.npz`."""
        names = ("users", "items", "known")
        np.savez_compressed(path, **{name: getattr(self, name).numpy() for name in names})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `answer.npz`."""
        with np.load(path) as file:
            return cls(*(torch.from_numpy(file[name]) for name in ("users", "items", "known")))

    def scores(self, users: np.ndarray, items: Tensor) -> Tensor:
        """Scores of n items, by item index, for u users: [u, n], a new tensor."""
        result = self.users[torch.from_numpy(users)] @ self.items[items - 1].T
        result[:, ~self.known[items - 1]] = -torch.inf
        return result

    @torch.inference_mode()
    def ranks(self, inputs: Histories, targets: np.ndarray, excluded_events: int) -> np.ndarray:
        """Rank of each user's target, [U], as in `recgrela_train.evaluation.ranking`."""
        everything = torch.arange(1, len(self.items) + 1)
        result = []
        for users in np.array_split(np.arange(len(targets)), -(-len(targets) // ROWS)):
            scores = self.scores(users, everything)
            seen = torch.zeros_like(scores, dtype=torch.bool)
            for row, user in enumerate(users):
                history = inputs[user]
                last = history[max(0, len(history) - excluded_events) :]
                seen[row, torch.from_numpy(last.astype(np.int64)) - 1] = True
            columns = torch.from_numpy(targets[users].astype(np.int64))[:, None] - 1
            before = ~(scores < scores.gather(1, columns)) & ~seen
            rank = before.scatter(1, columns, False).sum(1) + 1
            result.append(rank.masked_fill(seen.gather(1, columns)[:, 0], MISS).numpy())
        return np.concatenate(result)
