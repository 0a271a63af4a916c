"""Hostile and damaged model files: each raises a descriptive ValueError and nothing worse."""

import json
import struct

import numpy as np
import pytest
from recgrela import EdgeScorer
from recgrela_train.export.model_file import fingerprint
from safetensors import safe_open
from safetensors.numpy import save


def read(path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    with safe_open(path, framework="np") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def with_header(text: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + data


def header_and_data(content: bytes) -> tuple[bytes, bytes]:
    end = 8 + struct.unpack_from("<Q", content)[0]
    return content[8:end], content[end:]


@pytest.fixture(scope="session")
def tiny(export):
    """A small file: 5 items with string ids, D = 8."""
    return export("str", items=5, hidden_size=8, num_layers=1)


@pytest.fixture
def changed(tiny):
    """Build the bytes of `tiny` with some tensors, config keys or metadata replaced.

    A tensor of None is omitted. The fingerprint is recomputed unless it is given.
    """

    def build(tensors=None, config=None, metadata=None) -> bytes:
        entries, all_tensors = read(tiny.path)
        all_tensors |= tensors or {}
        all_tensors = {name: t for name, t in all_tensors.items() if t is not None}
        text = json.dumps(json.loads(entries["recgrela.config"]) | (config or {}))
        entries |= {
            "recgrela.config": text,
            "recgrela.fingerprint": fingerprint(text, all_tensors),
            **(metadata or {}),
        }
        return save(all_tensors, {k: v for k, v in entries.items() if v is not None})

    return build


def refused(content: bytes, match: str, **options) -> None:
    with pytest.raises(ValueError, match=match):
        EdgeScorer.from_bytes(content, **options)


def test_one_saved_by_the_safetensors_library_loads(changed, tiny):
    ours, theirs = tiny.load(), EdgeScorer.from_bytes(changed())
    for scorer in (ours, theirs):
        scorer.extend(tiny.ids)
    assert ours.score(tiny.ids).tobytes() == theirs.score(tiny.ids).tobytes()


@pytest.mark.parametrize("table", ["f32", "f16"])
@pytest.mark.parametrize("shift", [1, 2, 3, 8])
def test_the_data_may_begin_anywhere(export, shift, table):
    file = export(items=40, table=table)
    header, data = header_and_data(file.path.read_bytes())
    ours, shifted = file.load(), EdgeScorer.from_bytes(with_header(header + b" " * shift, data))
    for scorer in (ours, shifted):
        scorer.extend(file.history(9))
    assert ours.score(file.ids).tobytes() == shifted.score(file.ids).tobytes()


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such file.*missing\.safetensors") as error:
        EdgeScorer.load(tmp_path / "missing.safetensors")
    assert error.value.filename == str(tmp_path / "missing.safetensors")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        EdgeScorer.load(tmp_path)
    for wrong in (None, 5, 1.5):
        with pytest.raises(TypeError, match=type(wrong).__name__):
            EdgeScorer.load(wrong)
    with pytest.raises(TypeError, match="expected bytes, found str"):
        EdgeScorer.from_bytes("text")


@pytest.mark.parametrize("verify", [True, False])
def test_cut_anywhere(tiny, tmp_path, verify):
    content = tiny.path.read_bytes()
    path = tmp_path / "cut.safetensors"
    for length in [*range(0, 40), *range(40, len(content), 97), len(content) - 1]:
        refused(content[:length], "^not a safetensors file: ", verify=verify)
    for length in (0, 7, 8, 1000, len(content) - 1):  # the same from a file, read or mapped
        path.write_bytes(content[:length])
        for mmap in (False, True):
            with pytest.raises(ValueError, match=f"^{path}: not a safetensors file: "):
                EdgeScorer.load(path, verify=verify, mmap=mmap)


def test_a_file_that_is_not_mapped_may_change(tiny, tmp_path):
    path = tmp_path / "changed.safetensors"
    path.write_bytes(tiny.path.read_bytes())
    scorer, mapped = EdgeScorer.load(path), tiny.load(mmap=True)
    path.write_bytes(b"")
    for each in (scorer, mapped):
        each.extend(tiny.ids[:3])
    assert scorer.score(tiny.ids).tobytes() == mapped.score(tiny.ids).tobytes()


def test_empty_says_so():
    refused(b"", "found 0 bytes, expected at least 8")


def test_trailing_bytes(tiny):
    content = tiny.path.read_bytes()
    size = len(header_and_data(content)[1])
    refused(content + b"\0", f"found {size + 1} bytes of tensors, expected {size} from the header")


@pytest.mark.parametrize("length", [2**18 + 1, 2**32, 2**63, 2**64 - 1])
def test_a_header_length_bomb(length):
    refused(struct.pack("<Q", length) + b"{}" * 50, f"found a header of {length} bytes, expected")


@pytest.mark.parametrize("bomb", [b"[" * 250_000, b'{"a":' * 50_000, b'{"__metadata__":' * 16_000])
def test_deep_nesting(bomb):
    refused(with_header(bomb), "not a safetensors file: header: ")


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"7", b"not json", b"\xff\xfe", b"{", b'{"a": 1}', b'{"a": {}}']
)
def test_a_header_that_is_not_one(text):
    refused(with_header(text), "not a safetensors file: header: ")


@pytest.mark.parametrize(
    "offsets", [[0, 5], [4, 0], [2**63, 2**64 - 1], [0, 2**64 - 4], [4, 8], [-4, 0]]
)
def test_offsets_that_do_not_fit(offsets):
    entry = {"dtype": "F32", "shape": [1], "data_offsets": offsets}
    refused(with_header(json.dumps({"a": entry}).encode(), bytes(4)), "not a safetensors file: ")


@pytest.mark.parametrize("shape", [[2**32, 2**32], [2**63, 2], [2**64 - 1], [2**31, 2**31, 4]])
def test_shapes_that_overflow(shape):
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    refused(with_header(json.dumps({"a": entry}).encode()), "not a safetensors file: ")


def test_a_safetensors_file_of_something_else():
    refused(save({"weight": np.zeros(3, np.float32)}), "`recgrela.format`: found nothing, expected")


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        ({"recgrela.format": "3"}, '`recgrela.format`: found "3", expected "1" or "2"'),
        ({"recgrela.format": "1.0"}, '`recgrela.format`: found "1.0", expected "1"'),
        ({"recgrela.format": None}, "`recgrela.format`: found nothing"),
        ({"recgrela.config": None}, "`recgrela.config`: found nothing, expected a JSON object"),
        ({"recgrela.config": "{"}, "`recgrela.config`: "),
        ({"recgrela.config": "[" * 200_000}, "`recgrela.config`: "),
        ({"recgrela.fingerprint": None}, "found nothing, expected 64 lowercase hex digits"),
        ({"recgrela.fingerprint": "AB" * 32}, '"ABAB.*expected 64 lowercase hex digits'),
        ({"recgrela.fingerprint": "0" * 64}, f"fingerprint.*: found .*, expected {'0' * 64}"),
    ],
)
def test_wrong_metadata_is_named(changed, metadata, match):
    refused(changed(metadata=metadata), match)


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"window": 200}, "`recgrela.config`: unknown field `window`"),
        ({"hidden_size": 12}, "`hidden_size`: found 12, expected a multiple of 8"),
        ({"hidden_size": 0}, "`hidden_size`: found 0"),
        ({"hidden_size": 2**62}, "`hidden_size`: found"),
        ({"num_heads": 3}, "`num_heads`: found 3, expected a divisor of hidden_size"),
        ({"num_heads": 0}, "`num_heads`: found 0"),
        ({"num_layers": 65}, "`num_layers`: found 65, expected 1 to 64"),
        ({"num_layers": -1}, "`recgrela.config`: .*-1"),
        ({"inner_size": 2**63}, "inner_size|blocks.0.ffn_in.weight"),
        ({"num_items": 0}, "`num_items`: found 0"),
        ({"num_items": 2**31}, "`num_items`: found 2147483648"),
        ({"num_items": 2**31 - 1}, "`catalog.table`: found shape"),
        ({"num_items": 4}, "`catalog.table`"),
        ({"positions": "sine"}, "`recgrela.config`: unknown variant `sine`"),
        ({"gate": 1}, "`recgrela.config`: .*expected a boolean"),
        ({"gate": False}, r"`blocks\.0\.gate\.bias` is unknown: this config does not use it"),
        ({"num_layers": 2}, r"`blocks\.1\.\w+\.weight` is missing"),
        ({"positions": "learned"}, r"`positions\.weight` is missing"),
    ],
)
def test_a_wrong_config_is_named(changed, config, match):
    refused(changed(config=config), match)


def test_every_missing_tensor_is_named(changed, tiny):
    for name in read(tiny.path)[1]:
        # Without `catalog.ids_utf8` the engine expects integer ids, which are missing.
        missing = "catalog.ids" if name == "catalog.ids_utf8" else name
        refused(changed({name: None}), f"tensor `{missing}` is missing")


def test_every_wrong_dtype_is_named(changed, tiny):
    for name, tensor in read(tiny.path)[1].items():
        wrong, found = (np.int64, "I64") if tensor.dtype.kind == "f" else (np.float32, "F32")
        match = f"`{name}`: found dtype {found}, expected"
        refused(changed({name: tensor.astype(wrong)}), match)


def test_every_wrong_shape_is_named(changed, tiny):
    for name, tensor in read(tiny.path)[1].items():
        refused(changed({name: tensor[None]}), f"`{name}`: found shape .*, expected")


def test_every_wrong_length_is_named(changed, tiny):
    for name, tensor in read(tiny.path)[1].items():
        longer = np.concatenate([tensor, tensor[-1:]])
        # One more end requires one more row of candidates, or is not ascending.
        match = r"selftest\.(end|candidates)" if name == "selftest.end" else name
        refused(changed({name: longer}), f"tensor `{match}`")


@pytest.mark.parametrize("name", ["extra", "blocks.1.decay", "catalog.ids", "final_norm.scale"])
def test_an_unexpected_tensor_is_named(changed, name):
    refused(changed({name: np.zeros(2, np.float32)}), f"tensor `{name}`")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(changed, tiny, value):
    for name, tensor in read(tiny.path)[1].items():
        if tensor.dtype.kind == "f":
            broken = tensor.copy()
            broken.flat[1 if tensor.size > 1 else 0] = value
            shown = "NaN" if np.isnan(value) else str(value)
            match = f"`{name}`, element [01]: found {shown}, expected"
            refused(changed({name: broken}), match, verify=False)


def i32(*values) -> np.ndarray:
    return np.array(values, np.int32)


def i64(*values) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("catalog.order", i32(0, 0, 1, 2, 3)),
        ("catalog.order", i32(4, 3, 2, 1, 0)),
        ("catalog.order", i32(0, 1, 2, 3, 5)),
        ("catalog.order", i32(0, 1, 2, 3, -1)),
        ("catalog.ids_end", i64(-1, 2, 3, 4, 5)),
        ("catalog.ids_end", i64(5, 4, 3, 2, 1)),
        ("catalog.ids_end", i64(0, 1, 1, 1, 2**62)),
        ("catalog.ids_end", i64(0, 1, 1, 1, 2)),
        ("catalog.ids_utf8", np.full(38, 0xFF, np.uint8)),
        ("blocks.0.decay", np.array([1.5, 0.5], np.float32)),
        ("blocks.0.decay", np.array([0.0, 0.5], np.float32)),
        ("selftest.items", np.full(192, 5, np.int32)),
        ("selftest.items", np.full(192, -1, np.int32)),
        ("selftest.end", i32(48, 96, 144, 2**31 - 1)),
        ("selftest.end", i32(48, 48, 144, 192)),
        ("selftest.end", i32(-1, 96, 144, 192)),
        ("selftest.candidates", np.full((4, 5), 7, np.int32)),
    ],
)
def test_values_that_the_format_forbids_are_named(changed, name, values):
    refused(changed({name: values}), f"tensor `{name}`", verify=False)


def test_lanes_past_the_last_item_are_zero(changed, tiny):
    table = read(tiny.path)[1]["catalog.table"].copy()
    table[0, 3, 5] = 1.0
    refused(changed({"catalog.table": table}), "`catalog.table`, element 101: found 1, expected")


def test_a_flipped_bit_is_seen_by_verify_only(tiny):
    content = bytearray(tiny.path.read_bytes())
    _, data = header_and_data(bytes(content))
    content[-len(data)] ^= 1  # the lowest bit of the table's first weight
    refused(bytes(content), "fingerprint of the tensors: found .*, expected ")
    scorer = EdgeScorer.from_bytes(content, verify=False)
    scorer.extend(tiny.ids)
    assert np.isfinite(scorer.score(tiny.ids)).all()
    with pytest.raises(ValueError, match="fingerprint of the tensors"):
        scorer.verify()


def test_a_wrong_self_test_is_seen_by_verify_only(changed, tiny):
    scores = read(tiny.path)[1]["selftest.scores"].copy()
    scores[2, 1] += 2e-4 * np.abs(scores[2]).max()
    content = changed({"selftest.scores": scores})
    refused(content, r"self-test sequence 2, item \d: found score .*, expected ")
    assert EdgeScorer.from_bytes(content, verify=False).num_items == 5


def test_damaged_bytes_are_refused_or_change_nothing(tiny):
    content = tiny.path.read_bytes()
    whole = tiny.load()
    whole.extend(tiny.ids)
    scores = whole.score(tiny.ids).tobytes()
    random = np.random.default_rng(5)
    header = 8 + len(header_and_data(content)[0])
    # The same number of bytes in the header as in the longer data.
    places = [*random.integers(header, size=300), *random.integers(header, len(content), 300)]
    outcomes = {"refused": 0, "same": 0}
    for place in places:
        damaged = bytearray(content)
        damaged[place] = (damaged[place] + random.integers(1, 256)) % 256
        try:
            scorer = EdgeScorer.from_bytes(damaged)
        except ValueError as error:
            assert str(error)
            outcomes["refused"] += 1
            continue
        scorer.extend(tiny.ids)
        assert scorer.score(tiny.ids).tobytes() == scores
        outcomes["same"] += 1
    assert outcomes["refused"] > 550  # a flip in the header's padding may leave a valid file


def test_damaged_weights_never_crash_unverified(tiny):
    content = tiny.path.read_bytes()
    header = 8 + len(header_and_data(content)[0])
    random = np.random.default_rng(6)
    loaded = 0
    for place in random.integers(header, len(content), 300):
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.integers(8)
        try:
            scorer = EdgeScorer.from_bytes(damaged, verify=False)
        except ValueError:
            continue
        scorer.extend(scorer.item_ids)
        assert len(scorer.score(scorer.item_ids)) == 5
        assert len(scorer.top_k(5, exclude_seen=False)) <= 5
        loaded += 1
    assert loaded > 200
