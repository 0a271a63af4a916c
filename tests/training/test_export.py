"""Compares the exported file, read with the safetensors library, with its model."""

import json

import numpy as np
import pytest
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.export.model_file import ExportError, export_model, fingerprint
from recgrela_train.networks.grela import RecGrela
from safetensors import safe_open


def make_model(num_items: int = 70, **settings) -> RecGrela:
    torch.manual_seed(0)
    config = {"hidden_size": 16, "num_heads": 2, "num_layers": 2, **settings}
    return RecGrela(ModelConfig(**config), num_items).eval()


def read(path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    with safe_open(path, framework="np") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def test_the_table_is_the_embedding_in_blocks_of_items(tmp_path):
    model = make_model()
    export_model(model, np.arange(70), tmp_path / "m.safetensors")
    _, tensors = read(tmp_path / "m.safetensors")
    table = tensors["catalog.table"]
    assert table.shape == (3, 16, 32)
    rows = table.transpose(0, 2, 1).reshape(-1, 16)
    assert np.array_equal(rows[:70], model.embedding.weight[1:].detach().numpy())
    assert not rows[70:].any()


def test_matrices_are_input_major(tmp_path):
    model = make_model()
    export_model(model, np.arange(70), tmp_path / "m.safetensors")
    _, tensors = read(tmp_path / "m.safetensors")
    x = torch.randn(16)
    layer = model.blocks[1].query_key
    expected = layer(x).detach().numpy()
    got = x.numpy() @ tensors["blocks.1.query_key.weight"] + tensors["blocks.1.query_key.bias"]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    gamma = model.blocks[1].gamma().detach().numpy()
    assert np.array_equal(tensors["blocks.1.decay"], gamma)


def test_data_starts_on_a_cache_line_with_the_table(tmp_path):
    export_model(make_model(), np.arange(70), tmp_path / "m.safetensors")
    content = (tmp_path / "m.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert (8 + length) % 64 == 0
    assert json.loads(content[8 : 8 + length])["catalog.table"]["data_offsets"][0] == 0


def test_metadata_names_the_format_and_fits_the_tensors(tmp_path):
    export_model(make_model(), np.arange(70), tmp_path / "m.safetensors")
    metadata, tensors = read(tmp_path / "m.safetensors")
    assert metadata["recgrela.format"] == "2"
    config = metadata["recgrela.config"]
    assert json.loads(config)["num_items"] == 70
    assert metadata["recgrela.fingerprint"] == fingerprint(config, tensors)


def test_the_start_vector_and_its_empty_history(tmp_path):
    model = make_model()
    model.start.data = torch.randn(16)
    export_model(model, np.arange(70), tmp_path / "m.safetensors")
    metadata, tensors = read(tmp_path / "m.safetensors")
    config = json.loads(metadata["recgrela.config"])
    assert (config["start"], config["kinds"]) == (True, [])
    assert np.array_equal(tensors["start"], model.start.detach().numpy())
    assert tensors["selftest.end"].tolist() == [0, 48, 96, 144, 192]
    scores = tensors["catalog.table"].transpose(0, 2, 1).reshape(-1, 16) @ tensors["start"]
    expected = scores[tensors["selftest.candidates"][0]]
    np.testing.assert_allclose(tensors["selftest.scores"][0], expected, rtol=1e-5, atol=1e-6)
    assert not {"kinds.weight", "selftest.kinds"} & set(tensors)


def test_a_model_of_an_older_version_is_exported_without_a_start_vector(tmp_path):
    model = make_model()
    model.start = None
    export_model(model, np.arange(70), tmp_path / "m.safetensors")
    metadata, tensors = read(tmp_path / "m.safetensors")
    assert json.loads(metadata["recgrela.config"])["start"] is False
    assert "start" not in tensors
    assert tensors["selftest.end"].tolist() == [48, 96, 144, 192]
    assert tensors["selftest.scores"].shape == (4, 64)


def test_kinds_of_events(tmp_path):
    torch.manual_seed(0)
    config = ModelConfig(hidden_size=16, num_heads=2, num_layers=2)
    model = RecGrela(config, 70, 2).eval()
    export_model(model, np.arange(70), tmp_path / "m.safetensors", kinds=("view", "buy"))
    metadata, tensors = read(tmp_path / "m.safetensors")
    assert json.loads(metadata["recgrela.config"])["kinds"] == ["view", "buy"]
    assert np.array_equal(tensors["kinds.weight"], model.kinds.weight.detach().numpy())
    assert tensors["selftest.kinds"].dtype == np.int32
    assert len(tensors["selftest.kinds"]) == len(tensors["selftest.items"]) == 192
    assert set(tensors["selftest.kinds"].tolist()) == {0, 1}


def test_integer_ids_and_their_order(tmp_path):
    ids = np.array([50, -3, 7, *range(100, 167)])
    export_model(make_model(), ids, tmp_path / "m.safetensors")
    _, tensors = read(tmp_path / "m.safetensors")
    assert np.array_equal(tensors["catalog.ids"], ids)
    assert np.array_equal(ids[tensors["catalog.order"]], np.sort(ids))


def test_string_ids_and_their_order(tmp_path):
    ids = ["zebra", "Ähre", "", "apple"]
    export_model(make_model(4), ids, tmp_path / "m.safetensors")
    _, tensors = read(tmp_path / "m.safetensors")
    ends = tensors["catalog.ids_end"]
    text = tensors["catalog.ids_utf8"].tobytes()
    assert [text[b:e].decode() for b, e in zip([0, *ends[:-1]], ends, strict=True)] == ids
    assert [ids[i] for i in tensors["catalog.order"]] == sorted(ids, key=str.encode)


@pytest.mark.parametrize(
    ("settings", "absent"),
    [
        ({"gate": False}, "blocks.0.gate.weight"),
        ({"local_conv": False}, "blocks.0.conv.weight"),
        ({"positions": "none"}, "rotary.frequency"),
        ({"final_norm": False}, "final_norm.weight"),
    ],
)
def test_switches_leave_tensors_out(tmp_path, settings, absent):
    export_model(make_model(), np.arange(70), tmp_path / "default.safetensors")
    export_model(make_model(**settings), np.arange(70), tmp_path / "m.safetensors")
    assert absent in read(tmp_path / "default.safetensors")[1]
    assert absent not in read(tmp_path / "m.safetensors")[1]


def test_values_that_are_not_finite_are_refused_by_name(tmp_path):
    model = make_model()
    model.blocks[0].output.weight.data[3, 4] = float("nan")
    with pytest.raises(ExportError, match=r"blocks\.0\.output\.weight"):
        export_model(model, np.arange(70), tmp_path / "m.safetensors")
    model = make_model()
    model.embedding.weight.data[5, 6] = 1e6  # out of float16's range
    with pytest.raises(ExportError, match=r"catalog\.table .* overflow f16"):
        export_model(model, np.arange(70), tmp_path / "m.safetensors", "f16")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("types", [("int4", "f32"), ("f32", "int4")])
def test_an_unknown_type_is_named(tmp_path, types):
    with pytest.raises(ValueError, match="'int4' is not a valid WeightType"):
        export_model(make_model(), np.arange(70), tmp_path / "m.safetensors", *types)
    assert not list(tmp_path.iterdir())
