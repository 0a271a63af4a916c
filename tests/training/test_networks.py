"""The other networks: each compared with a plain loop, and all through one interface."""

import json

import pytest
import torch
from recgrela_train.cli import app
from recgrela_train.config import Config, ConfigError, ModelConfig, change_config, load_config
from recgrela_train.data import load_dataset
from recgrela_train.export.model_file import ExportError, export_model
from recgrela_train.fitting.checkpoints import best_checkpoint, load_checkpoint
from recgrela_train.fitting.training_module import TrainingModule
from recgrela_train.networks import NETWORKS, make_network
from recgrela_train.networks.gru4rec import Gru4Rec
from recgrela_train.networks.lrurec import CHUNK, LruRec
from recgrela_train.networks.network import Network
from recgrela_train.networks.sasrec import SasRec
from typer.testing import CliRunner

ITEMS = 50
CAUSAL = ["grela", "sasrec", "gru4rec", "lrurec"]


def make(kind: str, **settings) -> Network:
    torch.manual_seed(3)
    size = {"hidden_size": 16, "num_heads": 2, "num_layers": 2}
    if kind == "bidirectional":
        size["decay"] = "none"
    network = make_network(ModelConfig(kind=kind, **size, **settings), ITEMS).double().eval()
    with torch.no_grad():  # of trained magnitude, so that differences show
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        network.embedding.weight[0] = 0
    return network


def draw_items(rows: int, length: int) -> torch.Tensor:
    return torch.randint(1, ITEMS + 1, (rows, length), generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("changed", [0, 1, 30, 69])
def test_outputs_before_a_changed_event_are_the_same_bits(kind, changed):
    network = make(kind).float()
    items = draw_items(2, 70)
    other = items.clone()
    other[:, changed] = other[:, changed] % ITEMS + 1
    (a, _), (b, _) = network(items), network(other)
    assert torch.equal(a[:, :changed], b[:, :changed])
    assert not torch.equal(a[:, changed], b[:, changed])


@pytest.mark.parametrize("kind", NETWORKS)
def test_padding_changes_nothing(kind):
    network = make(kind)
    items = draw_items(3, 40)
    lengths = [40, 17, 0]
    for row, length in enumerate(lengths):
        items[row, length:] = 0
    hidden, _ = network(items)
    for row, length in enumerate(lengths[:2]):
        alone, _ = network(items[row : row + 1, :length])
        torch.testing.assert_close(hidden[row, :length], alone[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", NETWORKS)
def test_scores_are_products_with_the_item_embeddings(kind):
    network = make(kind)
    hidden = torch.randn(2, 16, dtype=torch.float64)
    scores = network.scores(hidden)
    assert scores.shape == (2, ITEMS)
    expected = (hidden[1] * network.embedding.weight[7]).sum()
    torch.testing.assert_close(scores[1, 6], expected)


def test_sasrec_equals_a_plain_loop():
    network = make("sasrec")
    items = draw_items(1, 9)
    steps = range(9)
    h = [network.embedding.weight[items[0, t]] + network.positions.weight[t] for t in steps]
    h = [network.input_norm(x) for x in h]
    for block in network.blocks:
        inputs = [block.norm1(x) for x in h]
        q, k, v = zip(*(block.query_key_value(x).split(16) for x in inputs), strict=True)
        for t in steps:
            parts = []
            for head in (slice(0, 8), slice(8, 16)):
                weights = [torch.exp(q[t][head] @ k[j][head] / 8**0.5) for j in range(t + 1)]
                mixed = sum(w * v[j][head] for j, w in enumerate(weights))
                parts.append(mixed / sum(weights))
            h[t] = h[t] + block.output(torch.cat(parts))
        h = [x + block.feed_forward(block.norm2(x)) for x in h]
    expected = torch.stack([network.final_norm(x) for x in h])
    torch.testing.assert_close(network(items)[0][0], expected, rtol=1e-10, atol=1e-10)


def test_gru4rec_equals_steps_of_the_cell():
    network = make("gru4rec")
    items = draw_items(2, 6)
    cells = []
    for layer in network.layers:
        cell = torch.nn.GRUCell(16, 16).double()
        cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
        cells.append(cell)
    states = [torch.zeros(2, 16, dtype=torch.float64) for _ in cells]
    hidden, after = network(items)
    for t in range(6):
        x = network.input_norm(network.embedding(items[:, t]))
        for index, cell in enumerate(cells):
            x = states[index] = cell(x, states[index])
        expected = network.final_norm(network.output(x))
        torch.testing.assert_close(hidden[:, t], expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(after.layers, torch.stack(states, 1), rtol=1e-10, atol=1e-10)


def test_lrurec_equals_steps_in_complex_numbers():
    network = make("lrurec")
    items = draw_items(1, 2 * CHUNK + 5)
    h = network.input_norm(network.embedding(items))[0]
    states = []
    for block in network.blocks:
        unit, mixed = block.unit, []
        decay = (-unit.nu.exp() + 1j * unit.theta.exp()).exp()
        (b, c), x = (
            (
                torch.view_as_complex(w.unflatten(axis, (16, 2)).movedim(axis + 1, -1).contiguous())
                for w, axis in ((unit.input.weight, 0), (unit.output.weight, 1))
            ),
            0,
        )
        bias = torch.view_as_complex(unit.input.bias.unflatten(0, (16, 2)))
        for u in block.norm1(h):
            x = decay * x + unit.gamma.exp() * (b @ u.to(b.dtype) + bias)
            mixed.append((c.conj() @ x).real + unit.output.bias)
        states.append(x)
        h = h + torch.stack(mixed)
        h = h + block.feed_forward(block.norm2(h))
    hidden, after = network(items)
    torch.testing.assert_close(hidden[0], network.final_norm(h), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(after.blocks[0], torch.stack(states), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["gru4rec", "lrurec"])
@pytest.mark.parametrize("cut", [1, 5, 59])
def test_a_history_may_be_cut_anywhere(kind, cut):
    network = make(kind)
    items = draw_items(3, 60)
    items[1, 12:] = 0  # ends inside or outside of the first piece
    whole, whole_state = network(items)
    first, state = network(items[:, :cut])
    second, state = network(items[:, cut:], state)
    joined = torch.cat([first, second], 1)
    torch.testing.assert_close(joined[items > 0], whole[items > 0], rtol=1e-10, atol=1e-10)
    for one, other in zip(state.tensors(), whole_state.tensors(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_rows_of_a_gru_state_can_be_emptied_and_cut_from_the_graph():
    network = make("gru4rec")
    _, state = network(draw_items(3, 4))
    kept = state.keep(torch.tensor([True, False]))
    assert torch.equal(kept.layers[0], state.layers[0])
    assert torch.equal(kept.layers[1], torch.zeros_like(state.layers[1]))
    assert len(kept.layers) == 2
    assert state.layers.requires_grad
    assert not state.detach().layers.requires_grad


def test_state_bytes_of_a_user():
    size = {"hidden_size": 64, "num_heads": 4, "num_layers": 4}
    grela, sasrec, gru4rec, lrurec = (
        make_network(ModelConfig(kind=kind, **size), ITEMS) for kind in CAUSAL
    )
    assert grela.state_bytes() == 20_480  # docs/model.md
    assert sasrec.state_bytes() == 4 * 2 * 4 * 200 * 64  # keys and values
    assert gru4rec.state_bytes() == 4 * 4 * 64
    assert lrurec.state_bytes() == 8 * 4 * 64


def test_the_readouts_that_are_defined():
    readouts = {kind: network.readouts for kind, network in NETWORKS.items()}
    both, window = ("stream", "window"), ("window",)
    assert readouts == {
        "grela": both, "bidirectional": window, "sasrec": window, "gru4rec": both,
        "lrurec": both,
    }  # fmt: skip


def test_dropout_is_off_in_evaluation():
    for network in (make(kind, dropout=0.5) for kind in CAUSAL):
        items = draw_items(2, 8)
        assert torch.equal(network(items)[0], network(items)[0])
        network.train()
        assert not torch.equal(network(items)[0], network(items)[0])


@pytest.mark.parametrize("network", [SasRec, Gru4Rec, LruRec])
def test_without_final_norm_the_last_layer_is_the_output(network):
    config = ModelConfig(hidden_size=16, num_heads=2, final_norm=False)
    names = dict(network(config, ITEMS).named_parameters())
    assert not any(name.startswith("final_norm") for name in names)


@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if kind != "grela"])
def test_only_the_causal_model_can_be_exported(kind, tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(ExportError, match=f"model.kind={kind} cannot be exported: the engine runs"):
        export_model(make(kind).float(), torch.arange(ITEMS).numpy(), path)
    assert not path.exists()


def test_sasrec_starts_every_window_anew(small_settings):
    config = load_config(None, [*small_settings[1::2], "model.kind=sasrec"])
    assert config.train.carry_state
    module = TrainingModule(config, load_dataset(config.data))
    batches = list(module.train_dataloader())
    assert len(batches) > 1
    assert not any(batch["keep"].any() for batch in batches)


def test_the_paper_s_form_is_trained_and_measured_like_the_others(small_settings, tmp_path):
    words = ["fit", *small_settings, "--set", "train.max_epochs=1", "--output", str(tmp_path)]
    paper = ["--set", "model.kind=bidirectional", "--set", "model.decay=none"]
    result = CliRunner().invoke(app, [*words, *paper])
    assert result.exit_code == 0, result.output
    assert "recgrela-train export" not in result.output
    metrics = json.loads((tmp_path / "metrics.json").read_bytes())
    assert set(metrics["test"]) == set(metrics["validation"]) == {"window"}
    trained = load_checkpoint(best_checkpoint(tmp_path))
    assert isinstance(trained.model, NETWORKS["bidirectional"])
    assert trained.config.model.kind == "bidirectional"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["model.kind=bert"], "'lrurec'; found 'bert'"),
        (["model.kind=bidirectional"], "decay is learned, but the bidirectional form has none"),
        (["model.kind=sasrec", "train.window=300"], "max_positions=200 events at most"),
        (["model.kind=sasrec", "evaluate.window=201"], "windows have up to 201"),
    ],
)
def test_settings_that_no_network_can_have_are_named(settings, says):
    with pytest.raises(ConfigError) as error:
        change_config(Config(), settings)
    assert says in str(error.value)
