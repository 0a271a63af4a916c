"""The forms of the model compute one function: same outputs, state and gradients."""

import pytest
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.networks import make_network
from recgrela_train.networks.attention import (
    MAX_CHUNK,
    float64_device,
    rotary_frequency,
    rotate,
    rotation,
)
from recgrela_train.networks.grela import RecGrela, State

ITEMS = 50
LENGTHS = (1, 2, 3, 7, MAX_CHUNK - 1, MAX_CHUNK, MAX_CHUNK + 1, 2 * MAX_CHUNK + 3, 131)
SWITCHES = {
    "default": {},
    "no gate": {"gate": False},
    "no local conv": {"local_conv": False},
    "no rotary": {"positions": "none"},
    "learned positions": {"positions": "learned", "max_positions": 40},
    "no decay": {"decay": "none"},
    "no final norm": {"final_norm": False},
    "heads = D": {"num_heads": 16},
    "one head": {"num_heads": 1},
}


def make_model(**settings) -> RecGrela:
    torch.manual_seed(3)
    config = {"hidden_size": 16, "num_heads": 2, "num_layers": 2, **settings}
    model = RecGrela(ModelConfig(**config), ITEMS).double().eval()
    with torch.no_grad():  # of trained magnitude, so that differences show
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        model.embedding.weight[0] = 0
    return model


def draw_items(rows: int, length: int) -> torch.Tensor:
    return torch.randint(1, ITEMS + 1, (rows, length), generator=torch.Generator().manual_seed(7))


def tensors(state: State) -> list[torch.Tensor]:
    blocks = [(b.attention.s, b.attention.z, b.conv) for b in state.blocks]
    return [state.position, *(tensor for block in blocks for tensor in block)]


def assert_states_close(a: State, b: State) -> None:
    for x, y in zip(tensors(a), tensors(b), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_chunked_equals_recurrent(switch, length):
    model = make_model(**SWITCHES[switch])
    items = draw_items(3, length)
    outputs, states, gradients = [], [], []
    for form in ("recurrent", "chunked"):
        model.zero_grad()
        # A non-empty state, so that its terms of the formulas are tested too.
        _, before = model(draw_items(3, 5).flip(1), form="recurrent")
        hidden, state = model(items, before.detach(), form=form)
        (hidden.square().sum() + sum(t.double().square().sum() for t in tensors(state))).backward()
        outputs.append(hidden)
        states.append(state)
        gradients.append({n: p.grad for n, p in model.named_parameters()})
    torch.testing.assert_close(*outputs, rtol=1e-10, atol=1e-10)
    assert_states_close(*states)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-8, atol=1e-8, msg=name)


@pytest.mark.parametrize("form", ["recurrent", "chunked"])
@pytest.mark.parametrize("cut", [1, 2, 3, 30, MAX_CHUNK, 130])
def test_a_history_may_be_cut_anywhere(form, cut):
    model = make_model()
    items = draw_items(2, 131)
    whole, whole_state = model(items, form=form)
    first, state = model(items[:, :cut], form=form)
    second, state = model(items[:, cut:], state, form=form)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=1e-10, atol=1e-10)
    assert_states_close(state, whole_state)


@pytest.mark.parametrize("form", ["recurrent", "chunked"])
@pytest.mark.parametrize("changed", [0, 1, 50, 99])
def test_outputs_before_a_changed_event_are_the_same_bits(form, changed):
    model = make_model()
    items = draw_items(2, 100)
    other = items.clone()
    other[:, changed] = other[:, changed] % ITEMS + 1
    a, _ = model(items, form=form)
    b, _ = model(other, form=form)
    assert torch.equal(a[:, :changed], b[:, :changed])
    assert not torch.equal(a[:, changed], b[:, changed])


@pytest.mark.parametrize("form", ["recurrent", "chunked"])
@pytest.mark.parametrize("switch", SWITCHES)
def test_padding_changes_nothing(form, switch):
    model = make_model(**SWITCHES[switch])
    items = draw_items(3, 70)
    lengths = [70, 41, 0]
    for row, length in enumerate(lengths):
        items[row, length:] = 0
    _, before = model(draw_items(3, 9), form=form)
    hidden, state = model(items, before, form=form)
    for row, length in enumerate(lengths):
        alone = make_model(**SWITCHES[switch])
        _, row_state = alone(draw_items(3, 9)[row : row + 1], form=form)
        if length:
            expected, row_state = alone(items[row : row + 1, :length], row_state, form=form)
            got = hidden[row : row + 1, :length]
            torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)
        for got, expected in zip(tensors(state), tensors(row_state), strict=True):
            torch.testing.assert_close(got[row], expected[0], rtol=1e-10, atol=1e-10)


def test_state_rows_can_be_emptied():
    model = make_model()
    _, state = model(draw_items(2, 10))
    kept = state.keep(torch.tensor([True, False]))
    for got, before, empty in zip(
        tensors(kept), tensors(state), tensors(model.empty_state(2)), strict=True
    ):
        assert torch.equal(got[0], before[0])
        assert torch.equal(got[1], empty[1])


def test_gradients_stop_at_a_detached_state():
    model = make_model()
    _, state = model(draw_items(1, 10))
    hidden, _ = model(draw_items(1, 3), state.detach())
    assert all(not t.requires_grad for t in tensors(state.detach()))
    assert hidden.requires_grad


def test_decay_starts_at_the_stated_horizons():
    model = RecGrela(ModelConfig(num_heads=4), ITEMS).double()
    horizons = 1 / (1 - model.blocks[0].gamma())
    expected = torch.tensor([16.0, 64.0, 256.0, 4096.0], dtype=torch.float64)
    torch.testing.assert_close(horizons, expected, rtol=1e-3, atol=0)


def test_rotation_turns_adjacent_pairs_and_only_the_distance_matters():
    frequency = rotary_frequency(4)
    torch.testing.assert_close(frequency * 2 * torch.pi, torch.tensor([1.0, 0.01]).double())
    x = torch.tensor([[[1.0, 0.0, 0.0, 1.0]]], dtype=torch.float64)
    at_one = rotate(x, rotation(torch.tensor([[1]]), frequency, torch.float64))
    one = torch.tensor(1.0, dtype=torch.float64)
    expected = torch.stack([one.cos(), one.sin(), -(one / 100).sin(), (one / 100).cos()])
    torch.testing.assert_close(at_one[0, 0], expected)

    def product(first: int, second: int) -> torch.Tensor:
        a, b = (
            rotate(x, rotation(torch.tensor([[p]]), frequency, x.dtype)) for p in (first, second)
        )
        return (a * b).sum()

    far = 1_000_000_000
    torch.testing.assert_close(product(far, far + 5), product(0, 5), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("kind", "expected"), [("cpu", "cpu"), ("cuda", "cuda"), ("mps", "cpu")])
def test_angles_are_computed_where_there_is_float64(kind, expected):
    assert float64_device(torch.device(kind)).type == expected


def test_forms_agree_in_float32_under_bfloat16_autocast():
    model = make_model().float()
    items = draw_items(2, 90)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, chunked = model(items)
    assert all(t.dtype == torch.float32 for t in tensors(chunked)[1:])


def of_events(model: RecGrela) -> list[torch.nn.Parameter]:
    """The parameters that an event's output depends on: all but the start vector."""
    return [parameter for name, parameter in model.named_parameters() if name != "start"]


def test_compiling_changes_nothing():
    model = make_model()
    items = draw_items(2, 50)
    expected, _ = model(items)
    compiled = torch.compile(model, backend="aot_eager", dynamic=True)
    hidden, _ = compiled(items)
    hidden.sum().backward()
    torch.testing.assert_close(hidden, expected, rtol=1e-12, atol=1e-12)
    assert all(p.grad is not None for p in of_events(model))


def test_a_decay_that_underflows_forgets_all_and_stays_finite():
    model = make_model()
    with torch.no_grad():
        model.blocks[0].decay.fill_(-1000)  # sigmoid is 0, its logarithm -inf
    items = draw_items(2, MAX_CHUNK + 3)
    (one, _), (other, _) = (model(items, form=form) for form in ("recurrent", "chunked"))
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    other.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in of_events(model))


@pytest.mark.parametrize("network", ["grela", "gru4rec"])
def test_a_row_that_starts_anew_does_not_inherit_what_overflowed(network):
    model = make_network(ModelConfig(kind=network, hidden_size=16, num_heads=2), ITEMS)
    full = model.empty_state(3).map(lambda x: x.double() + torch.inf)
    tensors = []
    full.keep(torch.tensor([True, False])).map(tensors.append)
    for x in tensors:
        assert x.shape[0] == 2
        assert x[0].isinf().all()
        assert not x[1].any()


def test_rotation_in_real_arithmetic_is_that_in_complex_numbers():
    by = rotation(torch.arange(1000)[None], rotary_frequency(16), torch.float32)
    x = torch.randn(2, 1000, 32).chunk(2, dim=-1)[1]  # not contiguous, as in the block
    graphs = []

    def keep_graph(graph, _):
        graphs.append(graph)
        return graph.forward

    real = torch.compile(rotate, backend=keep_graph, fullgraph=True)(x, by)
    assert "complex" not in graphs[0].code
    torch.testing.assert_close(real, rotate(x, by), rtol=1e-6, atol=1e-6)
