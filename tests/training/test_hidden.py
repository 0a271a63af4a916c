"""Compares both read-outs of many targets with the model on each of their histories alone."""

import numpy as np
import pytest
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.data import EvaluationBatch
from recgrela_train.evaluation import hidden
from recgrela_train.evaluation.hidden import hidden_before
from recgrela_train.networks import NETWORKS, make_network
from recgrela_train.networks.network import Network

ITEMS = 20
WINDOW = 6
LENGTHS = (1, 3, 8, 9, 23, 24, 40)
TARGETS = {  # row -> events before each of its targets
    0: [1], 1: [2, 3], 2: [8], 3: [1, 6, 7, 9], 4: [5, 6, 23], 5: [8, 9, 16, 17, 24],
    6: [6, 7, 8, 39, 40],
}  # fmt: skip


@pytest.fixture(scope="module")
def batch() -> EvaluationBatch:
    random = np.random.default_rng(2)
    histories = [random.integers(1, ITEMS + 1, length).astype(np.int32) for length in LENGTHS]
    rows = np.concatenate([np.full(len(stops), row) for row, stops in TARGETS.items()])
    stops = np.concatenate([np.array(stops) for stops in TARGETS.values()])
    places = np.arange(len(rows))
    return EvaluationBatch(histories, rows, stops, torch.ones(len(rows)).long(), places)


def make(kind: str) -> Network:
    torch.manual_seed(3)
    decay = "none" if kind == "bidirectional" else "learned"
    config = ModelConfig(kind=kind, hidden_size=16, num_heads=2, num_layers=2, decay=decay)
    network = make_network(config, ITEMS).double().eval()
    with torch.no_grad():  # of trained magnitude, so that differences show
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        network.embedding.weight[0] = 0
    return network


def assert_close(got, expected: list[torch.Tensor]) -> None:
    torch.testing.assert_close(got, torch.stack(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("piece", [1, 8, 256])
@pytest.mark.parametrize("kind", ["grela", "gru4rec"])
def test_stream_is_one_event_after_the_other(monkeypatch, batch, kind, piece):
    monkeypatch.setattr(hidden, "PIECE", piece)
    network = make(kind)
    expected = []
    with torch.inference_mode():
        for target in range(len(batch.rows)):
            state = None
            for item in torch.from_numpy(batch.prefix(target)).long():
                output, state = network(item.view(1, 1), state)
            expected.append(output[0, 0])
        assert_close(hidden_before(network, batch), expected)


@pytest.mark.parametrize("kind", NETWORKS)
def test_window_is_the_last_events_from_an_empty_state(batch, kind):
    network = make(kind)
    expected = []
    with torch.inference_mode():
        for target in range(len(batch.rows)):
            items = torch.from_numpy(batch.prefix(target)[-WINDOW:]).long()
            expected.append(network(items[None])[0][0, -1])
        assert_close(hidden_before(network, batch, WINDOW), expected)
        late = batch.take(batch.stops > WINDOW)
        assert_close(
            hidden_before(network, late, WINDOW),
            [x for x, stop in zip(expected, batch.stops, strict=True) if stop > WINDOW],
        )
        early = batch.take(batch.stops <= WINDOW)
        assert len(hidden_before(network, early, WINDOW)) == (batch.stops <= WINDOW).sum()


def test_options_reach_the_model(batch):
    network = make("grela")
    chunked, recurrent = (hidden_before(network, batch, form=f) for f in ("chunked", "recurrent"))
    torch.testing.assert_close(chunked, recurrent, rtol=1e-9, atol=1e-9)
    assert not torch.equal(chunked, recurrent)


def shapes_read(monkeypatch, network: Network, batch, window: int | None) -> list[tuple]:
    """The shapes of items that the model reads."""
    shapes, forward = [], network.forward

    def noted(items, *rest, **options):
        shapes.append(tuple(items.shape))
        return forward(items, *rest, **options)

    monkeypatch.setattr(network, "forward", noted)
    hidden_before(network, batch, window)
    return shapes


def test_histories_that_have_ended_are_dropped(monkeypatch, batch):
    monkeypatch.setattr(hidden, "PIECE", 8)
    shapes = shapes_read(monkeypatch, make("grela"), batch, None)
    assert shapes == [(7, 8), (4, 8), (3, 8), (1, 8), (1, 8)]


@pytest.mark.parametrize(("kind", "rows"), [("sasrec", [5, 7, 6]), ("bidirectional", [7, 7, 7])])
def test_a_causal_model_reads_early_targets_of_a_history_once(monkeypatch, batch, kind, rows):
    # Eight targets of five histories are early, thirteen are late. The windows of a model that sees
    # ahead are all read, in as many rows as there are histories.
    shapes = shapes_read(monkeypatch, make(kind), batch, WINDOW)
    assert [shape[0] for shape in shapes] == rows
    assert {shape[1] for shape in shapes} == {WINDOW}
