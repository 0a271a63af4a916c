"""Compares the engine with the specification, the recurrent form in float64."""

import numpy as np
import pytest
import torch
from recgrela_train.data.gaps import SECOND, gap_buckets
from recgrela_train.export.quantize import round_table, rounded_model

EVENTS = 300
POINTS = (1, 2, 3, 4, 5, 17, 40, 41, 128, EVENTS)  # events after which all items are scored
# Relative to the largest score. At most 1.8e-6 was measured; the requirement is 1e-4.
TOLERANCE = 1e-5
# With 8-bit matrices, whose inputs are rounded to 16 bits. At most 2.4e-4 was measured on these
# random weights; the tolerance is that of the self-test.
INT8_TOLERANCE = 5e-4
K = 10


def reference_scores(file, history: list, table: str, matrices: str) -> np.ndarray:
    """Scores [T, N] of the recurrent form in float64, with the values in the file."""
    model = rounded_model(file.model, round_table(file.model, table), matrices).double()
    items = torch.tensor([[file.ids.index(item) + 1 for item in history]])
    with torch.inference_mode():
        hidden, _ = model(items, form="recurrent")
        return model.scores(hidden[0]).numpy()


def top(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, kind="stable")[:K]


@pytest.mark.parametrize(
    ("table", "matrices", "tolerance"),
    [
        ("f32", "f32", TOLERANCE),
        ("f16", "f16", TOLERANCE),
        ("int8", "f16", TOLERANCE),
        ("int8", "int8", INT8_TOLERANCE),
    ],
)
def test_every_score_for_every_switch(export, switch, table, matrices, tolerance):
    file = export(table=table, matrices=matrices, **switch)
    history = file.history(EVENTS)
    expected = reference_scores(file, history, table, matrices)
    scorer, largest = file.load(), 0.0
    for point in POINTS:
        scorer.extend(history[scorer.events : point])
        found, wanted = scorer.score(file.ids), expected[point - 1]
        scale = np.abs(wanted).max()
        largest = max(largest, np.abs(found - wanted).max() / scale)
        assert_same_top(scorer.top_k(K, exclude_seen=False), file, wanted, scale * tolerance)
    assert largest <= tolerance


@pytest.mark.parametrize(("table", "matrices"), [("f32", "f32"), ("f16", "f16"), ("int8", "f16")])
@pytest.mark.parametrize("kinds", [0, 1, 3])
def test_every_score_with_kinds_and_before_the_first_event(export, kinds, table, matrices):
    file = export(kinds=kinds, start=True, table=table, matrices=matrices, positions="learned")
    model = rounded_model(file.model, round_table(file.model, table), matrices).double()
    history = file.history(EVENTS)
    named = file.history_kinds(EVENTS) if kinds else None
    codes = torch.tensor([[file.kinds.index(kind) for kind in named]]) if named else None
    items = torch.tensor([[file.ids.index(item) + 1 for item in history]])
    with torch.inference_mode():
        hidden, _ = model(items, form="recurrent", kinds=codes)
        expected = model.scores(torch.cat([model.start[None], hidden[0]])).numpy()
    scorer, largest = file.load(), 0.0
    assert scorer.kinds == file.kinds
    for point in (0, *POINTS):
        part = slice(scorer.events, point)
        scorer.extend(history[part], kinds=named and named[part])
        found, wanted = scorer.score(file.ids), expected[point]
        scale = np.abs(wanted).max()
        largest = max(largest, np.abs(found - wanted).max() / scale)
        assert_same_top(scorer.top_k(K, exclude_seen=False), file, wanted, scale * TOLERANCE)
    assert largest <= TOLERANCE


@pytest.mark.parametrize(("table", "matrices"), [("f32", "f32"), ("f16", "f16"), ("int8", "f16")])
@pytest.mark.parametrize("kinds", [0, 3])
@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_every_score_with_gaps(export, kinds, table, matrices, positions):
    settings = {"kinds": kinds, "table": table, "matrices": matrices, "positions": positions}
    file = export(gaps=True, **settings)
    model = rounded_model(file.model, round_table(file.model, table), matrices).double()
    history, named = file.history(EVENTS), file.history_kinds(EVENTS) if kinds else None
    random = np.random.default_rng(1)
    pauses = np.floor(2 ** random.uniform(-1, 31, EVENTS)).astype(np.int64)
    pauses[random.random(EVENTS) < 0.1] *= -1  # late events
    times = (1_700_000_000 + pauses.cumsum()).tolist()
    buckets = gap_buckets(np.array(times) * SECOND, np.array([0, EVENTS]))
    assert set(buckets.tolist()) == set(range(32))
    codes = torch.tensor([[file.kinds.index(kind) for kind in named]]) if named else None
    items = torch.tensor([[file.ids.index(item) + 1 for item in history]])
    with torch.inference_mode():
        gaps = torch.from_numpy(buckets).long()[None]
        hidden, _ = model(items, form="recurrent", kinds=codes, gaps=gaps)
        expected = model.scores(hidden[0]).numpy()
    scorer, largest = file.load(), 0.0
    assert scorer.uses_times
    for point in POINTS:
        part = slice(scorer.events, point)
        scorer.extend(history[part], kinds=named and named[part], times=times[part])
        found, wanted = scorer.score(file.ids), expected[point - 1]
        scale = np.abs(wanted).max()
        largest = max(largest, np.abs(found - wanted).max() / scale)
        assert_same_top(scorer.top_k(K, exclude_seen=False), file, wanted, scale * TOLERANCE)
    assert largest <= TOLERANCE


def assert_same_top(found, file, wanted: np.ndarray, near: float) -> None:
    """Assert the same top 10, except for items whose true scores differ by less than `near`."""
    for item, best in zip(found.ids, top(wanted), strict=True):
        assert abs(wanted[file.ids.index(item)] - wanted[best]) <= near


def test_a_long_history_at_the_published_size(export):
    file = export(items=300, hidden_size=64, num_heads=4, num_layers=4)
    history = file.history(1500)
    wanted = reference_scores(file, history, "f32", "f32")[-1]
    scorer = file.load()
    scorer.extend(history)
    scale = np.abs(wanted).max()
    largest = np.abs(scorer.score(file.ids) - wanted).max() / scale
    assert largest <= TOLERANCE
    assert_same_top(scorer.top_k(K, exclude_seen=False), file, wanted, scale * TOLERANCE)
