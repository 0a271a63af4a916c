"""The golden hash on every instruction set, through Python."""

from functools import partial

import pytest

from tests.bindings.golden import golden_hash, play_python


@pytest.mark.parametrize("format_2", [False, True])
def test_portable_code_gives_the_golden_hash(format_2):
    golden_hash(partial(play_python, isa="scalar"), format_2)


@pytest.mark.parametrize("format_2", [False, True])
def test_every_other_instruction_set_does(isa, format_2):
    golden_hash(partial(play_python, isa=isa), format_2)
