"""Files with rounded weights: the stored values, and a self-test for exactly these."""

import numpy as np
import pytest
import torch
from numpy_reader import ModelFile
from recgrela_train.config import ModelConfig
from recgrela_train.export.model_file import ExportError, export_model
from recgrela_train.networks.grela import RecGrela

MATRICES = ("gate", "input", "query_key", "output", "ffn_in", "ffn_out")
DTYPES = {"int8": np.int8, "f16": np.float16, "f32": np.float32}


def make_model(num_items: int = 70, kinds: int = 0, **settings) -> RecGrela:
    torch.manual_seed(0)
    config = {"hidden_size": 16, "num_heads": 2, "num_layers": 2, **settings}
    model = RecGrela(ModelConfig(**config), num_items, kinds).eval()
    with torch.no_grad():  # of trained magnitude, so that rounding shows
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        model.embedding.weight[0] = 0
    return model


@pytest.fixture
def export(tmp_path):
    def export(model: RecGrela, *types: str, kinds: tuple[str, ...] = ()) -> ModelFile:
        path = tmp_path / "m.safetensors"
        export_model(model, np.arange(model.num_items), path, *types, kinds=kinds)
        return ModelFile(path)

    return export


def largest_difference(file: ModelFile) -> float:
    """Error of the stored self-test scores against NumPy, relative to each history's largest."""
    worst, begin = 0.0, 0
    for row, end in enumerate(file.tensors["selftest.end"]):
        scores = file.scores(file.tensors["selftest.items"][begin:end], begin)
        expected = scores[file.tensors["selftest.candidates"][row]]
        difference = np.abs(file.tensors["selftest.scores"][row] - expected).max()
        worst, begin = max(worst, difference / np.abs(expected).max()), end
    return worst


@pytest.mark.parametrize("matrices", ["int8", "f16", "f32"])
@pytest.mark.parametrize("table", ["int8", "f16", "f32"])
def test_the_selftest_holds_the_scores_of_the_stored_values(export, table, matrices):
    file = export(make_model(), table, matrices)
    assert largest_difference(file) < 1e-7  # the scores are float32
    assert file.tensors["catalog.table"].dtype == DTYPES[table]
    assert ("catalog.scale" in file.tensors) == (table == "int8")
    for name, tensor in file.tensors.items():
        parts = name.split(".")
        if parts[0] == "blocks":
            rounded = parts[2] in MATRICES and parts[3] == "weight"
            assert tensor.dtype == (DTYPES[matrices] if rounded else np.float32), name


@pytest.mark.parametrize(
    "settings",
    [
        {"gate": False, "local_conv": False, "positions": "none", "decay": "none"},
        {"positions": "learned", "max_positions": 10, "final_norm": False},
        {"num_heads": 16, "num_layers": 1},
    ],
)
def test_the_selftest_under_every_switch(export, settings):
    assert largest_difference(export(make_model(**settings), "int8", "f16")) < 1e-7


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_the_selftest_with_kinds(export, positions):
    model = make_model(kinds=3, positions=positions)
    file = export(model, "int8", "f16", kinds=("view", "cart", "buy"))
    assert largest_difference(file) < 1e-7


def test_rounding_changes_the_scores_of_the_selftest(export):
    exact = export(make_model(), "f32", "f32").tensors["selftest.scores"]
    for types in (("int8", "f32"), ("f16", "f32"), ("f32", "int8"), ("f32", "f16")):
        rounded = export(make_model(), *types).tensors["selftest.scores"]
        difference = np.abs(rounded - exact).max() / np.abs(exact).max()
        assert 1e-5 < difference < 0.1, types


def test_f16_matrices_are_the_nearest_values_and_input_major(export):
    model = make_model()
    file = export(model, "f32", "f16")
    for index, block in enumerate(model.blocks):
        for name in MATRICES:
            expected = getattr(block, name).weight.detach().numpy().T.astype(np.float16)
            assert np.array_equal(file.tensors[f"blocks.{index}.{name}.weight"], expected)


def test_int8_matrices_by_the_definition_of_the_format(export):
    model = make_model()
    model.blocks[0].output.weight.data[3] = 0
    tensors = export(model, "f32", "int8").tensors
    for index, block in enumerate(model.blocks):
        for name in MATRICES:
            columns = getattr(block, name).weight.detach().numpy()  # of the file's matrix
            q = tensors[f"blocks.{index}.{name}.weight"]
            scale = tensors[f"blocks.{index}.{name}.scale"]
            assert q.shape == columns.T.shape
            for output, column in enumerate(columns):
                assert scale[output] == np.abs(column).max() / np.float32(127)
                steps = column / (scale[output] or np.float32(1))
                assert q[:, output].tolist() == [round(float(step)) for step in steps]


@pytest.mark.parametrize("items", [1, 31, 32, 33, 70])
def test_an_int8_table_by_the_definition_of_the_format(export, items):
    model = make_model(items)
    rows = model.embedding.weight.detach()[1:].numpy()
    tensors = export(model, "int8").tensors
    table, scale = tensors["catalog.table"], tensors["catalog.scale"]
    blocks = -(-items // 32)
    assert table.shape == (blocks, 4, 32, 4)
    assert scale.shape == (blocks, 32)
    for item in range(blocks * 32):
        block, lane = divmod(item, 32)
        q = [int(table[block, i // 4, lane, i % 4]) for i in range(16)]
        s = scale[block, lane]
        if item >= items:
            assert s == 0
            assert not any(q)
            continue
        assert s == np.float32(max(abs(rows[item]))) / np.float32(127)
        assert max(map(abs, q)) == 127
        assert q == [round(float(value / s)) for value in rows[item]]  # half to even


def test_rows_that_int8_could_trip_over(export):
    model = make_model(6)
    rows = np.zeros((6, 16), np.float32)
    rows[1, 3] = -5.0
    rows[2, :4] = [254, 1, 3, -5]  # scale 2: the halves 0.5, 1.5 and -2.5 go to even
    rows[3, :2] = [1e-45, -1e-45]  # subnormal: a scale of 1e-45 / 127 is zero
    rows[4, :2] = [2.7e-43, 1e-45]  # 193 steps of the smallest number, and the scale is 2 of them
    rows[5, :2] = 1e30, 1
    model.embedding.weight.data[1:] = torch.from_numpy(rows)
    tensors = export(model, "int8").tensors
    q = tensors["catalog.table"][0].swapaxes(0, 1).reshape(32, 16)
    assert not q[0].any()
    assert tensors["catalog.scale"][0, 0] == 0
    assert q[1, 3] == -127
    assert q[2, :4].tolist() == [127, 0, 2, -2]
    assert not q[3].any()
    assert np.abs(q.astype(int)).max() == 127
    assert np.isfinite(tensors["catalog.scale"]).all()
    assert q[5, :2].tolist() == [127, 0]


def test_int8_in_pieces_is_int8_at_once(export, monkeypatch):
    whole = export(make_model(), "int8").tensors
    monkeypatch.setattr("recgrela_train.export.quantize.ROWS", 17)
    pieces = export(make_model(), "int8").tensors
    for name in whole:
        assert np.array_equal(whole[name], pieces[name]), name


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_int8_refuses_what_is_not_finite(export, value, tmp_path):
    model = make_model()
    model.embedding.weight.data[5, 6] = value
    with pytest.raises(ExportError, match=r"catalog\.scale .* diverged"):
        export(model, "int8")
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("error")
def test_an_int8_matrix_that_is_not_finite_is_named(export):
    model = make_model()
    model.blocks[1].ffn_in.weight.data[5, 6] = float("nan")
    with pytest.raises(ExportError, match=r"blocks\.1\.ffn_in\.scale .* diverged"):
        export(model, "f32", "int8")


def test_a_matrix_that_does_not_fit_f16_is_named(export):
    model = make_model()
    model.blocks[1].ffn_in.weight.data[5, 6] = 1e6
    with pytest.raises(ExportError, match=r"blocks\.1\.ffn_in\.weight .* overflow f16"):
        export(model, "f32", "f16")


def test_exporting_leaves_the_model_as_it_was(export):
    model = make_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    export(model, "int8", "f16")
    assert model.num_items == 70
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
