"""The hashes of tests/golden (its README says what is hashed), on every instruction set."""

import hashlib
import json
from pathlib import Path

import numpy as np
from recgrela import EdgeScorer

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN = json.loads((FOLDER / "golden.json").read_text())


def hash_model(name: str, sequences: list[list[int]], isa: str) -> bytes:
    scorer = EdgeScorer.load(FOLDER / name, isa=isa)
    ids = scorer.item_ids
    index = {id: i for i, id in enumerate(ids)}
    sha256 = hashlib.sha256()

    def hash_list(**options) -> None:
        top = scorer.top_k(**options)
        places = np.empty(len(top.ids), [("item", "<u4"), ("score", "<f4")])
        places["item"] = [index[id] for id in top.ids]
        places["score"] = top.scores
        sha256.update(np.uint32(len(places)).tobytes() + places.tobytes())

    for events in sequences:
        scorer.reset()
        for item in events:
            scorer.append(ids[item])
            sha256.update(scorer.score(ids).tobytes())
            hash_list(k=10)
            hash_list(k=len(ids), exclude_seen=False)
    return sha256.digest()


def assert_golden(isa: str) -> None:
    digests = []
    for name, model in sorted(GOLDEN["models"].items()):
        digest = hash_model(name, model["sequences"], isa)
        assert digest.hex() == model["sha256"], name
        digests.append(digest)
    assert hashlib.sha256(b"".join(digests)).hexdigest() == GOLDEN["sha256"]


def test_portable_code_gives_the_golden_hash():
    assert_golden("scalar")


def test_every_other_instruction_set_does(isa):
    assert_golden(isa)
