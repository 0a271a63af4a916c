"""Restored snapshots continue with the same bits; damaged ones change nothing."""

import hashlib
import struct

import numpy as np
import pytest

HEADER, CHECKSUM = 120, 32


def signed(body: bytes) -> bytes:
    """A snapshot with its checksum recomputed."""
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 40, 99])
def test_restored_it_goes_on_as_if_never_stored(export, switch, cut):
    file = export(**switch)
    history = file.history(100)
    whole, first, second = (file.load() for _ in range(3))
    first.extend(history[:cut])
    second.extend(file.history(5, seed=1))  # replaces the previous contents
    second.restore(first.snapshot())
    whole.extend(history[:cut])
    for item in history[cut:]:
        whole.append(item)
        second.append(item)
        assert second.score(file.ids).tobytes() == whole.score(file.ids).tobytes()
    assert second.snapshot() == whole.snapshot()
    assert second.user_vector().tobytes() == whole.user_vector().tobytes()
    assert (second.events, second.seen) == (whole.events, whole.seen)
    assert second.top_k(5).ids == whole.top_k(5).ids


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, np.frombuffer])
def test_any_bytes_will_do(scorer, small, form):
    scorer.extend(small.history(9))
    blob = scorer.snapshot()
    other = scorer.new_session()
    other.restore(form(blob, dtype=np.uint8) if form is np.frombuffer else form(blob))
    assert other.snapshot() == blob


def test_what_is_not_bytes_is_a_type_error(scorer):
    for wrong in ("text", None, [1, 2], 7, np.zeros(9, np.float32)):
        with pytest.raises(TypeError, match=f"expected bytes, found {type(wrong).__name__}"):
            scorer.restore(wrong)


def test_between_loads_of_the_same_file(small):
    mapped = small.load()
    mapped.extend(small.history(9))
    loaded = type(mapped).from_bytes(small.path.read_bytes(), verify=False)
    loaded.restore(mapped.snapshot())
    assert loaded.score(small.ids).tobytes() == mapped.score(small.ids).tobytes()


def test_between_instruction_sets(export, isa):
    file = export(hidden_size=56, num_heads=8)
    a, b = file.load(isa="scalar"), file.load(isa=isa)
    a.extend(file.history(50))
    b.restore(a.snapshot())
    assert b.snapshot() == a.snapshot()
    for scorer in (a, b):
        scorer.extend(file.history(20, seed=2))
    assert b.snapshot() == a.snapshot()
    a.reset()
    a.restore(b.snapshot())
    assert a.score(file.ids).tobytes() == b.score(file.ids).tobytes()


def test_the_layout_is_that_of_the_specification(scorer, small):
    history = small.history(9)
    scorer.extend(history)
    blob = scorer.snapshot()
    fields = struct.unpack_from("<8s4IQ2I2Q", blob)
    magic, version, precision, numbers, size, events, seen, added, capacity, log = fields
    d, heads, layers = 16, 2, 2
    assert (magic, version, precision, size, events) == (b"RGRLSESS", 2, 0, d, 9)
    assert (added, capacity, log) == (0, 0, 0)
    assert numbers == layers * (d * (d // heads) + d + 3 * d)
    assert blob[56:88].hex() == scorer.fingerprint
    assert blob[88:HEADER] == bytes(32)
    hidden = np.frombuffer(blob, "<f4", d, HEADER + 4 * numbers)
    assert np.array_equal(hidden, scorer.user_vector())
    items = np.frombuffer(blob, "<u4", seen, HEADER + 4 * (numbers + d))
    assert items.tolist() == sorted({small.ids.index(item) for item in history})
    assert len(blob) == HEADER + 4 * (numbers + d + seen) + CHECKSUM
    assert blob[-CHECKSUM:] == hashlib.sha256(blob[:-CHECKSUM]).digest()


@pytest.fixture
def tiny(export):
    """A session with the smallest possible snapshot, and a snapshot of another history."""
    file = export(items=3, hidden_size=8, num_heads=8, num_layers=1, local_conv=False)
    scorer = file.load(verify=False)
    scorer.extend(file.history(4))
    other = scorer.new_session()
    other.extend(file.history(6, seed=1))
    return scorer, other.snapshot()


def assert_refused(scorer, blob: bytes, match: str = "snapshot: ") -> None:
    before, scores = scorer.snapshot(), scorer.score(scorer.item_ids).tobytes()
    with pytest.raises(ValueError, match=match):
        scorer.restore(blob)
    assert scorer.snapshot() == before
    assert scorer.score(scorer.item_ids).tobytes() == scores


def test_every_flipped_bit_is_refused(tiny):
    scorer, blob = tiny
    before = scorer.snapshot()
    for bit in range(8 * len(blob)):
        damaged = bytearray(blob)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="snapshot: "):
            scorer.restore(damaged)
    assert scorer.snapshot() == before
    scorer.restore(blob)  # it was valid before
    assert scorer.snapshot() == blob


def test_every_cut_is_refused(tiny):
    scorer, blob = tiny
    for length in range(len(blob)):
        assert_refused(scorer, blob[:length])
    assert_refused(scorer, blob + b"\0", "bytes")


def test_one_of_another_model_is_refused_by_name(scorer, small, export):
    scorer.extend(small.history(9))
    other = export(seed=4).load()
    other.extend(small.history(9))
    match = f"snapshot: found model {other.fingerprint}, expected {scorer.fingerprint}"
    assert_refused(scorer, other.snapshot(), match)


def test_what_it_is_not_is_said(scorer, small):
    scorer.extend(small.history(9))
    blob = scorer.snapshot()
    assert_refused(scorer, b"")
    assert_refused(scorer, b"PK\3\4" + blob[4:], "does not start with the magic bytes `RGRLSESS`")
    assert_refused(scorer, blob[:8] + b"\1" + blob[9:], "found version 1, expected 2")
    assert_refused(scorer, blob[:-1] + bytes([blob[-1] ^ 1]), "checksum")


def test_values_that_no_session_has_are_refused_despite_the_checksum(tiny):
    scorer, blob = tiny
    body = blob[:-CHECKSUM]
    seen = body[-4 * struct.unpack_from("<I", body, 32)[0] :]
    for value, name in [(float("nan"), "NaN"), (float("-inf"), "-inf")]:
        broken = body[:HEADER] + struct.pack("<f", value) + body[HEADER + 4 :]
        assert_refused(scorer, signed(broken), f"found {name} at index 0")
    far = body[:-4] + struct.pack("<I", 3)
    assert_refused(scorer, signed(far), "found seen item 3, expected an item index")
    twice = body[: -len(seen)] + seen[:4] + seen[:4] + seen[8:]
    assert_refused(scorer, signed(twice), "expected ascending")
    few = body[:24] + struct.pack("<Q", 1) + body[32:]
    assert_refused(scorer, signed(few), "distinct items in 1 events")
    none = body[:24] + struct.pack("<Q", 0) + body[32:]
    assert_refused(scorer, signed(none), "found a state without events, expected zeros")
    huge = body[:32] + struct.pack("<I", 2**32 - 1) + body[36:]
    assert_refused(scorer, signed(huge), "bytes, expected")
    wide = body[:16] + struct.pack("<I", 2**32 - 1) + body[20:]
    assert_refused(scorer, signed(wide), "state numbers")


def test_the_end_of_the_event_count_is_survived(scorer, small):
    scorer.extend(small.history(9))
    body = scorer.snapshot()[:-CHECKSUM]
    scorer.restore(signed(body[:24] + struct.pack("<Q", 2**64 - 1) + body[32:]))
    scorer.append(small.ids[0])
    assert scorer.events == 2**64 - 1
    assert np.isfinite(scorer.score(small.ids)).all()
