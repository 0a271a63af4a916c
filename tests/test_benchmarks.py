"""The benchmarks' contenders compute what they claim to."""

import json
import os

import numpy as np
import pytest
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.networks.grela import RecGrela

from benchmarks import (
    append,
    catalogue,
    epoch_cost,
    event,
    fleet,
    history,
    latency,
    pictures,
    size,
)
from benchmarks.models import (
    BenchmarkError,
    make_model,
    make_scorer,
    make_softmax_model,
    model_file,
    tensor_bytes,
)
from benchmarks.onnx_recurrent import OnnxRecurrent
from benchmarks.onnx_softmax import OnnxSoftmaxWindow
from benchmarks.plain_read import PlainRead, PlainUpdate
from benchmarks.report import Part, Result, print_part, write
from benchmarks.timing import Timing, take_turns, time_in_turn
from benchmarks.torch_recurrent import TorchRecurrent

ITEMS = 40
EVENTS = 50
K = 10
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model() -> RecGrela:
    torch.manual_seed(5)
    model = RecGrela(ModelConfig(hidden_size=16, num_heads=2, num_layers=2), ITEMS).eval()
    with torch.no_grad():  # of trained magnitude, so that differences show
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def draw_items(count: int) -> np.ndarray:
    return np.random.default_rng(11).integers(ITEMS, size=count)


def assert_same(contender, top, expected: np.ndarray) -> None:
    allowed = TOLERANCE * np.abs(expected).max()
    np.testing.assert_allclose(contender.scores(), expected, rtol=0, atol=allowed)
    best = np.sort(expected)[::-1][:K]
    np.testing.assert_allclose(expected[np.asarray(top)], best, rtol=0, atol=allowed)


@pytest.mark.parametrize("rival", [OnnxRecurrent, TorchRecurrent])
def test_recurrent_rivals_equal_the_model(model, rival):
    items = draw_items(EVENTS)
    with torch.inference_mode():
        hidden, _ = model(torch.from_numpy(items + 1)[None], form="recurrent")
        expected = model.scores(hidden)[0].numpy()
    contender = rival(model, EVENTS, K)
    for _ in range(2):  # the second time after a reset
        for item, scores in zip(items.tolist(), expected, strict=True):
            assert_same(contender, contender.append_and_top_k(item), scores)
        contender.reset()


@pytest.mark.parametrize("rival", [OnnxRecurrent, TorchRecurrent])
def test_recurrent_rivals_refuse_another_architecture(rival):
    other = RecGrela(ModelConfig(hidden_size=16, num_heads=2, num_layers=1, gate=False), ITEMS)
    with pytest.raises(ValueError, match="default architecture"):
        rival(other, EVENTS, K)


def test_softmax_rival_equals_its_model():
    window = 7
    torch.manual_seed(6)
    config = ModelConfig(hidden_size=16, num_heads=2, num_layers=3)
    model = make_softmax_model(window, ITEMS, config)
    contender = OnnxSoftmaxWindow(model, K)
    history = np.concatenate([np.zeros(window, np.int64), draw_items(20)])
    for end in range(window + 1, len(history) + 1):
        top = contender.append_and_top_k(int(history[end - 1]))
        with torch.inference_mode():
            items = torch.from_numpy(history[None, end - window : end]) + 1
            hidden, _ = model(items)
            expected = (model.embedding.weight[1:] @ hidden[0, -1]).numpy()
        assert_same(contender, top, expected)


def test_all_contenders_get_the_same_events():
    class Recorder:
        def __init__(self):
            self.items, self.resets = [], 0

        def append_and_top_k(self, item):
            self.items.append(item)

        def reset(self):
            self.resets += 1

    contenders = {"a": Recorder(), "b": Recorder()}
    timings = time_in_turn(contenders, ITEMS, rounds=3)
    assert contenders["a"].items == contenders["b"].items
    assert len(contenders["a"].items) == (10 + 3) * 20
    assert contenders["a"].resets == 2
    assert all(t.p10 <= t.median <= t.p90 for t in timings.values())


def test_a_call_of_many_parts_is_timed_by_part():
    calls = []
    timings = take_turns({"a": calls.append}, [[1, 2], [3]], warm_up=1, parts=1)
    hundredth = take_turns({"a": lambda _: sum(range(10_000))}, [[1] * 9], warm_up=0, parts=100)
    assert calls == [1, 2, 3]
    assert timings["a"].p10 == timings["a"].p90  # the two warm-up calls are not timed
    assert 0 < hundredth["a"].median < 100  # about 0.1 ms each


def test_plain_read_takes_longer_for_more_bytes():
    """Fails if the search ends early."""
    small, large = PlainRead(1 << 16), PlainRead(1 << 22)
    timings = take_turns({"small": small.each, "large": large.each}, [[(0, 0)] * 20], warm_up=0)
    assert timings["large"].p10 > 4 * timings["small"].p10


def names(parts: list[Part]) -> set[str]:
    return {result.name for part in parts for result in part.results}


def test_event_part(tmp_path):
    parts = event.run(tmp_path, rounds=1)
    assert names(parts) == {
        "engine",
        "engine_f16_int8",
        "engine_int8",
        "onnxruntime_recurrent",
        "onnxruntime_window200_softmax",
        "torch_recurrent",
        "read_once",
    }
    assert parts[0].facts["state_bytes"] == 20_480


def test_append_part(tmp_path):
    parts = append.run(tmp_path, rounds=1)
    expected = {f"{kind}append_{of}" for kind in ("", "roofline_") for of in ("f32", "f16", "int8")}
    assert names(parts) == expected
    matrices = 4 * 13 * 64 * 64  # 4 layers: input, gate, query_key, output and the inner size 4D
    f32, f16 = (
        append.touched_bytes(model_file(tmp_path, 3416, "f32", kind)) for kind in ("f32", "f16")
    )
    assert f32 - f16 == 2 * matrices
    assert 4 * matrices < f32 < 4.5 * matrices


def test_catalogue_part(tmp_path):
    parts = catalogue.run(tmp_path, rounds=1, sizes={"100": 100, "1k": 1000})
    for count in ("100", "1k"):
        assert {f"scan_{count}_{kind}" for kind in catalogue.TABLES} <= names(parts)
        assert {f"read_{count}_{kind}" for kind in catalogue.TABLES} <= names(parts)
        rivals = {"numpy", "torch", "onnxruntime", "usearch_exact"}
        assert {f"{rival}_{count}" for rival in rivals} <= names(parts)
    assert tensor_bytes(model_file(tmp_path, 1000, "int8", "f16"), "catalog.table") == 1024 * 64


def test_the_sizes_of_the_full_run():
    assert catalogue.SIZES == {"3416": 3416, "100k": 100_000, "1m": 1_000_000}
    assert [history.short(n) for n in (10, 1000, 100_000, 1_000_000)] == ["10", "1k", "100k", "1m"]


def test_a_rival_with_another_answer_is_not_timed(tmp_path):
    scores = np.arange(100, dtype=np.float32)
    with pytest.raises(BenchmarkError, match="wrong"):
        catalogue.check_rival(lambda user: range(10), scores, "wrong")
    catalogue.check_rival(lambda user: range(99, 89, -1), scores, "right")
    model = make_model()
    other = make_softmax_model(10)
    engine = event.Engine(make_scorer(model, tmp_path))
    with pytest.raises(BenchmarkError, match="after event 1"):
        event.check_agreement(engine, OnnxSoftmaxWindow(other), "another model")


def test_history_part(tmp_path):
    parts = history.run(tmp_path, rounds=1, lengths=(10, 1000), windows=(10,))
    ours = {"engine_after_10", "engine_after_1k", "append_after_10", "append_after_1k"}
    assert names(parts) == ours | {"window_10_softmax"}


def test_fleet_part(tmp_path):
    parts = fleet.run(tmp_path, rounds=1, users=1500, items=(100,))
    events = {
        f"{kind}fleet_append_{of}" for kind in ("", "roofline_") for of in ("f32", "f16", "int8")
    }
    queries = {f"{who}_top_k_100_{of}" for who in ("fleet", "session") for of in ("f32", "int8")}
    counts = {1, os.cpu_count()}
    threads = {f"fleet_{call}_threads_{count}" for call in ("append", "top_k") for count in counts}
    assert names(parts) == events | queries | threads
    scorer = make_scorer(make_model(), tmp_path)
    scorer.append(1)
    assert fleet.user_bytes() == scorer.state_bytes - 4 + 4 * 64  # no item, a hidden vector


def test_a_plain_update_starts_again_after_the_last_state():
    update = PlainUpdate(5, 16)
    for count in (2, 2, 3):
        update.some(count)
    assert (update.states == 1).all(axis=1).tolist() == [True, True, True, False, True]


def test_history_sessions_go_back_to_their_point(tmp_path):
    sessions = history.after(make_scorer(make_model(), tmp_path), (10, 30))
    for length, session in sessions.items():
        before = session.scorer.user_vector()
        session.append_and_top_k(7)
        session.reset()
        assert session.scorer.events == length
        assert np.array_equal(session.scorer.user_vector(), before)


def test_report_and_pictures(tmp_path, capsys):
    def result(name: str, roofline: str | None = None) -> Result:
        return Result(name, name, Timing(median=4.0, p10=3.0, p90=5.0), roofline)

    sizes = ("3416", "100k", "1m")
    kinds = ("usearch_exact_{}", "numpy_{}", "torch_{}", "onnxruntime_{}", "scan_{}_f32")
    every = [kind.format(size) for kind in (*kinds, "scan_{}_int8") for size in sizes]
    every += ["engine_after_10", "engine_after_1m", "window_10_softmax", "window_200_softmax"]
    reads = [f"read_{size}_int8" for size in sizes]
    results = [result(name, reads[0]) for name in every] + [result(name) for name in reads]
    part = Part("a part", results, against=reads[0], facts={"isa": "none"})
    print_part(part)
    assert "a part" in capsys.readouterr().out
    path = tmp_path / "bench.json"
    write(path, [part], rounds=1)
    report = json.loads(path.read_bytes())
    expected = {"median_us": 4.0, "p10_us": 3.0, "p90_us": 5.0, "roofline_us": 4.0}
    assert report["results"][0] == {"name": every[0], **expected}
    assert report["machine"]["cores"] >= 1
    assert report["engine"] == {"isa": "none"}

    assert pictures.main([str(path), str(tmp_path / "images")]) == 0
    for name in ("latency-history.png", "latency-catalogue.png"):
        assert (tmp_path / "images" / name).read_bytes().startswith(b"\x89PNG")
    write(path, [Part("no results", [])], rounds=1)
    assert pictures.main([str(path), str(tmp_path / "images")]) == 1
    assert "run all parts" in capsys.readouterr().err


def test_command_writes_the_parts_asked_for(tmp_path):
    path = tmp_path / "bench.json"
    assert latency.main(["--parts", "append", "--rounds", "1", "--output", str(path)]) == 0
    found = {result["name"] for result in json.loads(path.read_bytes())["results"]}
    assert found == {
        f"{kind}append_{of}" for kind in ("", "roofline_") for of in ("f32", "f16", "int8")
    }


def test_epoch_cost(tmp_path, capsys):
    data = tmp_path / "walks.txt"
    data.write_text("\n".join(" ".join(str((u + t) % 7) for t in range(12)) for u in range(9)))
    output = tmp_path / "cost.json"
    words = ["--steps", "2", "--prefixes", "4", "--output", str(output)]
    settings = [
        f"data.source={data}",
        "data.split=leave_one_out",
        "model.hidden_size=16",
        "model.num_heads=2",
        "evaluate.exclude_seen=none",  # walks come back to their items
    ]
    epoch_cost.main([*words, *(word for each in settings for word in ("--set", each))])
    report = json.loads(output.read_bytes())
    assert (
        report["epoch_targets"] == 9 * 9
    )  # 12 events: 2 are held out, and the first has no predecessor
    paper, ours, *others = report["results"]
    assert [other["form"] for other in others] == ["sasrec", "gru4rec", "lrurec"]
    assert (paper["steps"], paper["targets"]) == (2, 8)
    # The first two steps are not timed. The next are the first batches of two more epochs.
    assert (ours["steps"], ours["targets"], ours["positions"]) == (2, 2 * 81, 2 * 81)
    assert paper["epoch_seconds"] == pytest.approx(paper["seconds"] / 8 * 81)
    expected = paper["epoch_seconds"] / ours["epoch_seconds"]
    assert report["times_cheaper"] == pytest.approx(expected)
    assert "times cheaper" in capsys.readouterr().out

    assert epoch_cost.main(["--set", "data.source=nowhere.txt"]) == 1
    assert "nowhere.txt" in capsys.readouterr().err


@pytest.mark.parametrize(("library", "status"), [(1.5, 0), (1.6, 1)])
def test_size_is_held_to_its_budget(monkeypatch, capsys, library, status):
    measurements = [size.Measurement("library", library, 1.5, "MB")]
    monkeypatch.setattr(size, "measure", lambda folder: measurements)
    assert size.main() == status
    assert ("over" in capsys.readouterr().out) == bool(status)
