"""Gaps between events: their buckets, the network, batches, training and errors."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from datasets import make_dataset
from recgrela_train.config import Config, ConfigError, ModelConfig, change_config, load_config
from recgrela_train.data import (
    DataError,
    EvaluationBatches,
    Shard,
    ShardedBatches,
    WindowBatches,
    gaps,
)
from recgrela_train.data.gaps import FIRST, SECOND, gap_buckets
from recgrela_train.evaluation import hidden
from recgrela_train.evaluation.hidden import hidden_before
from recgrela_train.export.model_file import export_model
from recgrela_train.fitting.new_items import NewItemBatches, states_before
from recgrela_train.fitting.training_module import GAP_DECAY, TrainingModule
from recgrela_train.networks import NETWORKS, make_network
from recgrela_train.networks.grela import GAP_BUCKETS
from safetensors import safe_open

ITEMS = 20
START = 1_700_000_000 * SECOND


def make(*, with_gaps: bool = True, num_kinds: int = 0, trained: bool = True):
    torch.manual_seed(3)
    config = ModelConfig(hidden_size=16, num_heads=2, num_layers=2, gaps=with_gaps)
    network = make_network(config, ITEMS, num_kinds).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name != "gaps.weight":
                parameter.add_(torch.randn_like(parameter) * 0.3)
        if trained and with_gaps:
            network.gaps.weight.normal_()
        network.embedding.weight[0] = 0
    return network


def test_buckets_are_bit_lengths_of_whole_seconds():
    seconds = [0, 0, 1, 3, 6, 10, 18, 1041, 2065, 2065 + 2**29 - 1, 2065 + 2**30 - 1, 2**35, 7]
    expected = [FIRST, 0, 1, 2, 2, 3, 4, 10, 11, 29, 30, 30, 0]
    times = np.array([*seconds, 5, 9]) * SECOND + START
    assert gap_buckets(times, np.array([0, 13, 15])).tolist() == [*expected, FIRST, 3]
    assert gap_buckets(times[:1], np.array([0, 1])).tolist() == [FIRST]
    assert FIRST == GAP_BUCKETS - 1


def test_a_gap_is_the_difference_of_times_that_were_rounded_down():
    times = np.array([0.9, 1.1, 1.9, 2.0, 4.9, 5.0]) * SECOND
    found = gap_buckets(times.astype(np.int64), np.array([0, 6]))
    assert found.tolist() == [FIRST, 1, 0, 1, 2, 1]
    before_1970 = np.array([-1.5, -1.0, -0.5, 0.5]) * SECOND  # -2, -1, -1, 0
    found = gap_buckets(before_1970.astype(np.int64), np.array([0, 4]))
    assert found.tolist() == [FIRST, 1, 0, 1]


@pytest.mark.parametrize("block", [1, 3, 7])
def test_blocks_of_events_change_no_bucket(monkeypatch, block):
    random = np.random.default_rng(0)
    times = (2 ** random.uniform(-1, 31, 22) * SECOND).astype(np.int64).cumsum()
    offsets = np.array([0, 4, 5, 12, 22])
    expected = gap_buckets(times, offsets)
    monkeypatch.setattr(gaps, "BLOCK", block)
    assert gap_buckets(times, offsets).tolist() == expected.tolist()


def test_a_gap_is_a_vector_added_to_those_of_item_and_kind():
    network = make(num_kinds=3)
    items, kinds, buckets = torch.randint(1, ITEMS, (2, 7)), *torch.randint(3, (2, 2, 7))
    found = network.inputs(items, kinds, buckets)
    parts = network.embedding.weight[items], network.kinds.weight[kinds]
    assert torch.equal(found, sum(parts) + network.gaps.weight[buckets])
    plain = make(with_gaps=False, num_kinds=3)
    assert network.state_dict().keys() - plain.state_dict().keys() == {"gaps.weight"}


def test_training_starts_from_the_network_without_gaps():
    network, plain = make(trained=False), make(with_gaps=False)
    assert network.gaps.weight.shape == (32, 16)
    assert not network.gaps.weight.any()
    items, buckets = torch.randint(1, ITEMS, (3, 50)), torch.randint(32, (3, 50))
    expected, _ = plain(items)
    assert torch.equal(network(items, gaps=buckets)[0], expected)
    assert not torch.allclose(make()(items, gaps=buckets)[0], expected, atol=1e-2)


def test_a_network_wants_gaps_exactly_if_it_has_them():
    items = torch.ones(1, 3).long()
    with pytest.raises(ValueError, match="expected the gap before every event"):
        make()(items)
    for kind in NETWORKS:
        decay = "none" if kind == "bidirectional" else "learned"
        network = make_network(ModelConfig(kind=kind, decay=decay), ITEMS)
        with pytest.raises(ValueError, match="expected no gaps between events"):
            network(items, gaps=items)


def test_forms_and_pieces_agree_with_gaps():
    network = make()
    items, buckets = torch.randint(1, ITEMS + 1, (3, 150)), torch.randint(32, (3, 150))
    whole, state = network(items, gaps=buckets)
    recurrent, _ = network(items, form="recurrent", gaps=buckets)
    torch.testing.assert_close(whole, recurrent, atol=1e-9, rtol=1e-9)
    first, between = network(items[:, :71], gaps=buckets[:, :71])
    rest, after = network(items[:, 71:], between, gaps=buckets[:, 71:])
    torch.testing.assert_close(torch.cat([first, rest], 1), whole, atol=1e-9, rtol=1e-9)
    for a, b in zip(after.tensors(), state.tensors(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


def test_a_gap_changes_nothing_before_it():
    network = make()
    items, buckets = torch.randint(1, ITEMS + 1, (1, 40)), torch.randint(31, (1, 40))
    expected, _ = network(items, form="recurrent", gaps=buckets)
    buckets[0, 25] += 1
    found, _ = network(items, form="recurrent", gaps=buckets)
    assert torch.equal(found[0, :25], expected[0, :25])
    assert not torch.allclose(found[0, 25:], expected[0, 25:], atol=1e-3)


@pytest.fixture(scope="module")
def rows() -> list[tuple]:
    random = np.random.default_rng(4)
    rows = []
    for user, length in enumerate(random.integers(4, 60, 20)):
        pauses = (2 ** random.uniform(-1, 20, length) * SECOND).astype(np.int64)
        times = START + random.integers(10**13) + pauses.cumsum()
        rows += [(user, int(random.integers(ITEMS)), int(time)) for time in times]
    return rows


@pytest.mark.parametrize("split", ["time", "leave_one_out", "none"])
def test_every_split_has_gaps(rows, split):
    data = make_dataset(rows, split=split)
    seconds = [seconds for user in range(data.num_users) for seconds in data.seconds_of(user)]
    assert seconds == (data.times // SECOND).tolist()
    for user in range(data.num_users):
        part = slice(*data.offsets[user : user + 2])
        pauses = np.diff(seconds[part])
        expected = [FIRST, *(int(pause).bit_length() for pause in pauses)]
        assert data.gaps[part].tolist() == expected


def test_a_gap_skips_events_at_unknown_items_as_the_engine_does():
    rows = [(1, "a", START), (1, "rare", START + 3 * SECOND), (1, "a", START + 9 * SECOND)]
    data = make_dataset(rows, split="none", min_events=2)
    assert data.gaps.tolist() == [FIRST, 4]


def rows_of(batches):
    """The events of each row of training batches: items and gaps, without padding."""
    for batch in batches:
        for row, length in enumerate((batch["inputs"] != 0).sum(1).tolist()):
            keep = bool(batch["keep"][row])
            yield batch["inputs"][row, :length], batch["gaps"][row, :length], keep


def checked(rows, data, *, always_real: bool = False) -> int:
    """Asserts that the rows are parts of histories with their gaps; returns the number of inputs.

    A row from the empty state has the gap of a first event first, unless `always_real`.
    """
    found = 0
    for items, buckets, keep in rows:
        parts = torch.from_numpy(data.items).long().unfold(0, len(items), 1)
        real = torch.from_numpy(data.gaps).long().unfold(0, len(items), 1)
        same = (parts == items).all(1)
        if always_real or keep:
            assert (same & (real == buckets).all(1)).any()
        else:
            assert buckets[0] == FIRST
            assert (same & (real[:, 1:] == buckets[1:]).all(1)).any()
        found += len(items)
    return found


@pytest.mark.parametrize("carry_state", [True, False])
def test_training_batches_have_the_gaps_of_their_inputs(rows, carry_state):
    data = make_dataset(rows, split="time")
    batches = WindowBatches(data, 7, 4, carry_state, 0, firsts=True, gaps=True)
    starts, stops = data.train_bounds()
    inputs = np.maximum(stops - starts - 1, 0).sum()
    assert checked(rows_of(batches), data) == inputs
    shards = [ShardedBatches(batches, Shard(rank, 2)) for rank in range(2)]
    parts = [part for shard in shards for part in shard if part["share"]]
    assert checked(rows_of(parts), data) == inputs
    assert next(iter(WindowBatches(data, 7, 4, carry_state, 0)))["gaps"] is None


def test_new_items_are_trained_with_gaps_and_the_state_before_them_has_them(rows):
    data = make_dataset(rows, split="none")
    known = ITEMS - 4
    parts = NewItemBatches(data, known, 8, 4, seed=0, gaps=True)
    assert checked(rows_of(parts), data, always_real=True)
    network = make()
    with torch.inference_mode():
        found = states_before(network, data, parts, torch.device("cpu"))
        for part, (first, start) in enumerate(zip(parts.firsts, parts.starts, strict=True)):
            items, buckets = (torch.from_numpy(x[first:start]) for x in (data.items, data.gaps))
            expected = network.empty_state(1)
            if len(items):
                _, expected = network(items.long()[None], gaps=buckets.long()[None])
            for a, b in zip(found.tensors(), expected.tensors(), strict=True):
                torch.testing.assert_close(a[part], b[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("window", [None, 5])
def test_read_outs_see_gaps_and_a_window_begins_as_a_history(monkeypatch, rows, window):
    monkeypatch.setattr(hidden, "PIECE", 8)
    data = make_dataset(rows, split="time")
    network, targets = make(), data.targets("test")
    targets = targets.take(targets.known & ~targets.first)
    for batch in EvaluationBatches(data, targets, 3, gaps=True):
        found = hidden_before(network, batch, window)
        for place, vector in zip(batch.places, found, strict=True):
            stop = targets.stops[place]
            start = max(targets.starts[place], stop - (window or stop))
            items = torch.from_numpy(data.items[start:stop]).long()[None]
            buckets = torch.from_numpy(data.gaps[start:stop]).long()[None]
            buckets[0, 0] = FIRST
            with torch.inference_mode():
                expected, _ = network(items, gaps=buckets)
            torch.testing.assert_close(vector, expected[0, -1], rtol=1e-9, atol=1e-9)


def test_only_the_table_of_gaps_has_weight_decay(rows):
    data = make_dataset(rows, split="time")
    config = change_config(Config(), {"model.gaps": "true", "train.learning_rate": 0.01})
    module = TrainingModule(config, data)
    with torch.no_grad():
        module.model.gaps.weight.fill_(1)
    before = {name: p.detach().clone() for name, p in module.model.named_parameters()}
    optimizer = module.configure_optimizers()["optimizer"]
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in module.model.named_parameters():
        factor = 1 - 0.01 * GAP_DECAY if name == "gaps.weight" else 1
        torch.testing.assert_close(parameter.detach(), before[name] * factor)
    plain = TrainingModule(Config(), data).configure_optimizers()["optimizer"]
    assert len(plain.param_groups) == 1


def test_gaps_need_dates_and_grela(rows, small_dataset):
    config = change_config(Config(), {"model.gaps": "true"})
    counted = make_dataset([(user, item, (time - START) // SECOND) for user, item, time in rows])
    with pytest.raises(DataError, match=r"found times without a known unit\. Use data whose"):
        TrainingModule(config, counted)
    with pytest.raises(DataError, match=r"found no times\. .* or set model\.gaps=false"):
        TrainingModule(config, small_dataset)  # of sequence lines
    with pytest.raises(ConfigError, match=r"gaps is true, but model\.kind=sasrec does not use"):
        load_config(None, {"model.gaps": "true", "model.kind": "sasrec"})


def test_an_exported_file_has_the_table_and_times(tmp_path):
    network = make(num_kinds=2).float()
    export_model(network, np.arange(ITEMS), tmp_path / "m.safetensors", kinds=("view", "buy"))
    with safe_open(tmp_path / "m.safetensors", framework="np") as file:
        config = file.metadata()["recgrela.config"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert config.endswith('"kinds": ["view", "buy"], "gaps": true}')
    assert np.array_equal(tensors["gaps.weight"], network.gaps.weight.detach().numpy())
    times, ends = tensors["selftest.times"], tensors["selftest.end"].tolist()
    assert times.dtype == np.int64
    assert set(gap_buckets(times * SECOND, np.array(ends)).tolist()) == set(range(32))
    network.double()
    for row, (begin, end) in enumerate(pairwise(ends)):
        assert (np.diff(times[begin:end]) < 0).sum() == 1  # a late event
        state, last = None, None
        for event in range(begin, end):  # one by one, as the engine takes them
            time = int(times[event])
            bucket = FIRST if last is None else min(max(0, time - last).bit_length(), 30)
            last = time
            item, kind = (int(tensors[f"selftest.{name}"][event]) for name in ("items", "kinds"))
            item, kind, gap = (torch.tensor([[code]]) for code in (item + 1, kind, bucket))
            hidden_now, state = network(item, state, kinds=kind, gaps=gap)
        asked = torch.from_numpy(tensors["selftest.candidates"][row + 1]).long()
        found = network.scores(hidden_now[0, -1])[asked].detach().numpy()
        np.testing.assert_allclose(found, tensors["selftest.scores"][row + 1], rtol=1e-5, atol=1e-6)


def test_a_file_without_gaps_says_nothing_of_them(tmp_path):
    path = tmp_path / "m.safetensors"
    export_model(make(with_gaps=False).float(), np.arange(ITEMS), path)
    with safe_open(path, framework="np") as file:
        assert "gaps" not in json.loads(file.metadata()["recgrela.config"])
        assert not {"gaps.weight", "selftest.times"} & set(file.keys())
