"""The golden hash on every instruction set, through Python."""

from functools import partial

from tests.bindings.golden import golden_hash, play_python


def test_portable_code_gives_the_golden_hash():
    golden_hash(partial(play_python, isa="scalar"))


def test_every_other_instruction_set_does(isa):
    golden_hash(partial(play_python, isa=isa))
