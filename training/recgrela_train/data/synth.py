"""Synthetic events with a signal whose best possible metrics are known.

Items are on rings of 16 or a few more, and ring c (from 0) has weight w_c proportional to
1 / (c + 1): Zipf's law. A user's first item is drawn by popularity: the ring by weight, then one of
its n_c items. Every later item is, with probability FOLLOWED, one of the next four on the ring of
the item before it, with the probabilities SHARES; otherwise it is drawn by popularity again.

With kinds, every event is of one of KINDS, drawn uniformly, and the kind decides which four items
of the ring may follow: those that come 4 k to 4 k + 3 places after the next one for the k-th kind,
from 0. So the next item depends on the item and the kind.

With gaps, the pause before every event is short (10 to 100 seconds) or long (1 to 4 days), each
with probability 1/2; the one before a first event counts as long. After a long pause, the four
items that may follow an event are those half of RING further on. So the next item depends on the
item and the time since the event before it.

Moving along rings maps the items of a ring onto each other, so the popularity w_c / n_c of an item
is the same at every position of a history. Hence the metrics of a ranking by the true
probabilities, which none can exceed, have a closed form: see `optimum`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import numpy as np

from .errors import DataError

RING = 16  # smallest size of a ring
FOLLOWED = 0.6  # probability that an item depends on the item before it
SHARES = np.array([0.4, 0.3, 0.2, 0.1])  # of the next items on the ring
KINDS = ("view", "cart", "buy")
HALF = RING // 2  # places on the ring by which a long pause moves the next items
SHORT, LONG = (10.0, 100.0), (86_400.0, 4 * 86_400.0)  # seconds; the logarithm is uniform
BLOCK = 500_000  # events generated at a time, on average
GAINS = 1 / np.log2(np.arange(2, 12))  # of NDCG@10, by rank
DRAWS = 20  # for an item that a user has not seen, before a seen one is kept

START = np.datetime64("2024-01-01", "us").astype(np.int64)
DAY = 86_400.0
SESSIONS = 1 / 8  # probability that an event starts a session
PAUSE = 60.0  # mean seconds between events of a session


@dataclass(frozen=True)
class Recipe:
    """What to generate. Equal recipes generate equal events."""

    users: int
    items: int
    events: int
    seed: int = 42
    days: int = 365
    repeats: float | None = None
    """Share of the events after a user's first whose item the user has seen before, drawn
    uniformly from the earlier events. None: whatever the signal yields."""
    kinds: bool = False
    """Events are of KINDS, on which the next item depends."""
    gaps: bool = False
    """The next item depends on the pause before the last event. Users start in the first tenth of
    the days, and continue for as long as their pauses take."""

    def __post_init__(self) -> None:
        if self.items < RING:
            raise DataError(f"{self.items} items: a ring has {RING}; use {RING} or more")
        if self.events < self.users:
            raise DataError(
                f"{self.events:,} events for {self.users:,} users: every user has one or more; "
                "use more events, or fewer users"
            )
        if self.kinds and self.gaps:
            raise DataError("kinds and gaps both decide which items follow: choose one")


class Events(NamedTuple):
    """Events of a block of users, each [n] int64; a user's are consecutive and in time order."""

    users: np.ndarray  # ids, from 1
    items: np.ndarray  # ids, from 1
    times: np.ndarray  # microseconds since 1970, ascending within a user
    repeated: int  # users whose last item they had seen before
    kinds: np.ndarray | None  # places in KINDS; None without kinds


def optimum(items: int, *, kinds: bool = False, gaps: bool = False) -> dict[str, float]:
    """Expected metrics of the ranking by true probabilities, and of the ranking by popularity.

    With `kinds` or `gaps`, also of the ranking by the true probabilities of one that does not know
    them.
    After an item of ring c, its j-th successor has probability FOLLOWED SHARES_j + p_c, any other
    item of ring b has p_b, where p_c = (1 - FOLLOWED) w_c / n_c. Ring 0 has at least ten other
    items. So the best ten are the largest of the four successors and ten times p_0. Seen items
    are not excluded.
    """
    weights, sizes = _rings(items)
    popular = weights[0] / sizes[0]
    found = _best(weights, sizes, SHARES) | {
        "popularity_hr@10": float(10 * popular),
        "popularity_ndcg@10": float(popular * GAINS.sum()),
    }
    for name, count in (("kinds", kinds * len(KINDS)), ("gaps", gaps * 2)):
        if count:  # of equally likely groups of next items
            unknown = _best(weights, sizes, np.tile(SHARES, count) / count)
            found |= {f"without_{name}_{metric}": value for metric, value in unknown.items()}
    return found


def _best(weights: np.ndarray, sizes: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """Metrics of the ranking by true probabilities, for the `shares` of successors."""
    noise = (1 - FOLLOWED) * weights / sizes
    successors = FOLLOWED * shares + noise[:, None]
    candidates = np.hstack([successors, np.full((len(weights), 10), noise[0])])
    best = -np.sort(-candidates)[:, :10]
    return {"hr@10": float(weights @ best.sum(1)), "ndcg@10": float(weights @ (best @ GAINS))}


def generate(recipe: Recipe) -> Iterator[Events]:
    """All events, in blocks of users; memory is one block, and one number per user and ring."""
    lengths = _lengths(recipe)
    per_block = max(1, BLOCK * recipe.users // recipe.events)
    walk = _Walk(recipe)
    for block, first in enumerate(range(0, recipe.users, per_block)):
        random = np.random.default_rng([recipe.seed, 1, block])
        sizes = lengths[first : first + per_block]
        order = np.argsort(-sizes, kind="stable")  # longest first: those still active are a prefix
        sizes = sizes[order]
        history, kinds, long = walk.histories(sizes, random)
        position = np.arange(len(history))
        inside = position < sizes[:, None]  # [users, T]
        before_last = position[:, None] < sizes - 1
        targets = history[sizes - 1, np.arange(len(sizes))]
        span = recipe.days * DAY
        yield Events(
            users=np.repeat(1 + first + order, sizes),
            items=walk.ids(history.T[inside]),
            times=(
                _times(sizes, span, random)
                if long is None
                else _times_of_pauses(long.T[inside], sizes, span, random)
            ),
            repeated=int(((history == targets) & before_last).any(0).sum()),
            kinds=None if kinds is None else kinds.T[inside],
        )


class _Walk:
    """Histories as item indices 0..N-1; indices of a ring are consecutive, rings by weight."""

    def __init__(self, recipe: Recipe):
        self._items, self._repeats = recipe.items, recipe.repeats
        self._kinds, self._gaps = recipe.kinds, recipe.gaps
        self._weights = np.cumsum(_rings(recipe.items)[0])
        self._rings = len(self._weights)
        stride = max(1, int(recipe.items * 0.618))  # ids that do not ascend with popularity
        while gcd(stride, recipe.items) > 1:
            stride += 1
        self._stride = stride

    def ids(self, items: np.ndarray) -> np.ndarray:
        """The ids, 1..N, of indices."""
        ids: np.ndarray = 1 + items * self._stride % self._items
        return ids

    def histories(
        self, sizes: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Items by position and user, [T, users]; padded with -1 after a user's last event.

        `sizes` are in descending order. Also returns the kinds, and whether the pauses before the
        events are long, if these decide.
        """
        history = np.full((sizes[0], len(sizes)), -1, dtype=np.int64)
        kinds: np.ndarray | None = None
        if self._kinds:
            kinds = np.asarray(random.integers(len(KINDS), size=history.shape))
        long: np.ndarray | None = None
        if self._gaps:
            long = np.asarray(random.random(history.shape) < 0.5)
            long[0] = True
        history[0] = self._popular(len(sizes), random)
        active = np.searchsorted(-sizes, -np.arange(sizes[0]))
        for position in range(1, len(history)):
            past = history[:position, : active[position]]
            last = position - 1, slice(active[position])
            further: np.ndarray | int = 0
            if kinds is not None:
                further = kinds[last] * len(SHARES)
            elif long is not None:
                further = long[last] * HALF
            history[position, : active[position]] = (
                self._next(past[-1], further, random)
                if self._repeats is None
                else self._next_or_repeat(past, further, self._repeats, random)
            )
        return history, kinds, long

    def _next(
        self, last: np.ndarray, further: np.ndarray | int, random: np.random.Generator
    ) -> np.ndarray:
        """An item that follows the `last` ones, `further` places on if it depends on them."""
        step = 1 + np.searchsorted(np.cumsum(SHARES)[:-1], random.random(len(last)), side="right")
        step = step + further
        first, size = self._ring(last * self._rings // self._items)
        after = first + (last - first + step) % size
        followed = random.random(len(last)) < FOLLOWED
        return np.where(followed, after, self._popular(len(last), random))

    def _next_or_repeat(
        self,
        past: np.ndarray,
        further: np.ndarray | int,
        repeats: float,
        random: np.random.Generator,
    ) -> np.ndarray:
        """An item of the past [T, users] with probability `repeats`, otherwise one not in it."""
        users = np.arange(past.shape[1])
        repeat = random.random(len(users)) < repeats
        earlier = past[(random.random(len(users)) * len(past)).astype(np.int64), users]
        chosen = np.where(repeat, earlier, self._next(past[-1], further, random))
        again = users[~repeat]
        for _ in range(DRAWS):
            again = again[(past[:, again] == chosen[again]).any(0)]
            if not len(again):
                break
            chosen[again] = self._popular(len(again), random)
        return chosen

    def _popular(self, count: int, random: np.random.Generator) -> np.ndarray:
        ring = np.searchsorted(self._weights[:-1], random.random(count), side="right")
        first, size = self._ring(ring)
        drawn: np.ndarray = first + (random.random(count) * size).astype(np.int64)
        return drawn

    def _ring(self, ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First indices and sizes of rings."""
        first = -(-ring * self._items // self._rings)
        return first, -(-(ring + 1) * self._items // self._rings) - first


def _rings(items: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and sizes of the rings."""
    number = max(1, items // RING)
    weights = 1 / np.arange(1.0, number + 1)
    bounds = -(-np.arange(number + 1) * items // number)
    return weights / weights.sum(), np.diff(bounds)


def _lengths(recipe: Recipe) -> np.ndarray:
    """Events of each user, [U]: at least five if there are enough, the rest exponential."""
    least = min(5, recipe.events // recipe.users)
    shares = np.random.default_rng([recipe.seed, 0]).exponential(size=recipe.users)
    bounds = np.cumsum(shares)
    more = np.round(bounds / bounds[-1] * (recipe.events - least * recipe.users))
    lengths: np.ndarray = least + np.diff(more.astype(np.int64), prepend=0)
    return lengths


def _times(sizes: np.ndarray, span: float, random: np.random.Generator) -> np.ndarray:
    """Times of users' events within `span` seconds: sessions of eight events on average.

    A user starts in the first half of the span. Pauses within sessions have a mean of PAUSE seconds
    (less if they would take more than half of a user's time), and sessions share what remains.
    """
    first = np.zeros(sizes.sum(), dtype=bool)
    first[np.cumsum(sizes) - sizes] = True
    new = (random.random(len(first)) < SESSIONS) & ~first
    within = _running(np.where(new | first, 0, random.exponential(PAUSE, len(first))), sizes)
    between = _running(np.where(new, random.exponential(size=len(first)), 0), sizes)
    starts = random.random(len(sizes)) * span / 2
    last = np.cumsum(sizes) - 1
    shrunk = np.minimum(1, (span - starts) / 2 / np.maximum(within[last], 1))
    rest = span - starts - within[last] * shrunk
    scale = rest / (between[last] + random.exponential(size=len(sizes)))  # time after the last
    starts, shrunk, scale = (np.repeat(x, sizes) for x in (starts, shrunk, scale))
    seconds = starts + within * shrunk + between * scale
    rank = np.arange(len(first)) - np.repeat(last + 1 - sizes, sizes)  # makes times ascend strictly
    times: np.ndarray = START + (seconds * 1e6).astype(np.int64) + rank
    return times


def _times_of_pauses(
    long: np.ndarray, sizes: np.ndarray, span: float, random: np.random.Generator
) -> np.ndarray:
    """Times of users' events after short and long pauses; see `Recipe.gaps`."""
    low, high = np.log(np.where(long, np.array([LONG]).T, np.array([SHORT]).T))
    seconds = _running(np.exp(random.uniform(low, high)), sizes)
    start = np.repeat(random.random(len(sizes)) * span / 10, sizes)
    times: np.ndarray = START + ((seconds + start) * 1e6).astype(np.int64)
    return times


def _running(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sums up to and including each value, per user."""
    sums = np.cumsum(values)
    firsts = np.cumsum(sizes) - sizes
    running: np.ndarray = sums - np.repeat(sums[firsts] - values[firsts], sizes)
    return running
