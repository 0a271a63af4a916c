"""The C library: programs that compile without warnings and run clean under valgrind."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from recgrela import EdgeScorer

from tests.bindings.golden import (
    CFLAGS,
    GOLDEN,
    ROOT,
    build_library,
    compile_c,
    golden_hash,
    play_c,
)

# The handle table is still reachable at exit. Everything else is a leak.
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """A folder of programs, linked with a library with debug assertions."""
    library, folder = build_library("dev"), tmp_path_factory.mktemp("c")
    for source in (ROOT / "examples/c/recommend.c", *(ROOT / "tests/bindings").glob("*.c")):
        compile_c(source, library, folder)
    return folder


def run(*command, **options) -> bytes:
    result = subprocess.run(command, capture_output=True, timeout=300, **options)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


@pytest.mark.parametrize("format_2", [False, True])
def test_the_golden_hash(programs, format_2):
    golden_hash(play_c(programs / "golden"), format_2)


def test_kinds_have_the_names_that_python_knows(programs):
    model = GOLDEN / "both.safetensors"
    names = run(programs / "kinds", model, GOLDEN / "f32.safetensors").decode().splitlines()
    assert tuple(names) == EdgeScorer.load(model).kinds


def test_reasons_are_those_of_python(programs):
    model = GOLDEN / "both.safetensors"
    lines = run(programs / "log", model, GOLDEN / "f32.safetensors").decode().splitlines()
    scorer = EdgeScorer.load(model)
    scorer.keep_log(100)
    kinds = [scorer.kinds[i % 3] for i in range(12)]
    scorer.extend([scorer.item_ids[i * 7 % 10] for i in range(12)], kinds=kinds)
    reasons = scorer.why(scorer.item_ids[30], 12)
    assert len(reasons) > 1
    assert lines == [
        f"{position} {scorer.item_ids.index(item)} {position % 3} {drop:.9g}"
        for position, item, drop in reasons
    ]


@pytest.mark.parametrize("name", ["f32", "text-ids", "int8"])
def test_config_vectors_and_half_snapshots_are_those_of_python(programs, name):
    path = GOLDEN / f"{name}.safetensors"
    lines = iter(run(programs / "describe", path).decode().splitlines())
    scorer = EdgeScorer.load(path)
    config = scorer.config
    sizes = ["hidden_size", "num_heads", "num_layers", "inner_size", "num_items"]
    assert next(lines) == " ".join(str(config[size]) for size in sizes)
    flags = [int(config[flag]) for flag in ["gate", "local_conv", "final_norm", "start", "gaps"]]
    assert next(lines) == " ".join(map(str, [config["positions"], *flags]))
    assert [next(lines), next(lines)] == [scorer.table_dtype, scorer.isa]
    scorer.extend([scorer.item_ids[i] for i in [3, 1, 4]])
    vectors = scorer.user_vector(), scorer.item_vectors([scorer.item_ids[5], scorer.item_ids[0]])
    for number in [number for vector in vectors for number in vector.flat]:
        assert next(lines) == f"{number:.9g}"
    assert bytes.fromhex(next(lines)) == scorer.snapshot(precision="f16")
    scorer.keep_undo(4)
    assert [int(line) for line in lines] == [scorer.undo_bytes]


def test_times_give_the_same_bits_in_every_call(programs):
    run(programs / "times", GOLDEN / "gaps.safetensors", GOLDEN / "f32.safetensors")


def test_the_catalogue_changes_and_quotas_apply(programs):
    run(programs / "catalog", GOLDEN / "f32.safetensors", GOLDEN / "text-ids.safetensors")


@pytest.mark.parametrize("name", ["f32", "text-ids"])
def test_the_example_prints_what_python_finds(programs, name):
    path = GOLDEN / f"{name}.safetensors"
    scorer = EdgeScorer.load(path)
    history = scorer.item_ids[:3]
    scorer.extend(history)
    expected = "".join(f"{item}  {score:f}\n" for item, score in scorer.top_k(10))
    assert run(programs / "recommend", path, *map(str, history)).decode() == expected


def test_the_example_says_what_went_wrong(programs, tmp_path):
    result = subprocess.run([programs / "recommend", tmp_path, "1"], capture_output=True)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.decode().startswith(f"recommend: cannot read {tmp_path}: ")


@pytest.fixture
def damaged(tmp_path) -> Path:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes((GOLDEN / "f32.safetensors").read_bytes()[:-1])
    return path


@pytest.mark.parametrize("name", ["f32", "text-ids"])
def test_misuse_is_a_status_and_loads_leave_nothing(programs, damaged, name):
    growth = run(programs / "misuse", GOLDEN / f"{name}.safetensors", damaged)
    # Growth in pages over 900 loads and frees of a model of 11 pages or more. The allocator takes
    # about 40.
    assert int(growth) <= 90


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.parametrize(
    "program", ["misuse", "recommend", "kinds", "times", "log", "catalog", "describe"]
)
def test_valgrind_finds_nothing(programs, damaged, program):
    model = GOLDEN / "f32.safetensors"
    id = str(EdgeScorer.load(model).item_ids[0])
    arguments = {
        "misuse": [model, damaged],
        "recommend": [model, id],
        "kinds": [GOLDEN / "both.safetensors", model],
        "times": [GOLDEN / "gaps.safetensors", model],
        "log": [GOLDEN / "both.safetensors", model],
        "catalog": [model, GOLDEN / "text-ids.safetensors"],
        "describe": [model],
    }
    run(*VALGRIND, programs / program, *arguments[program])


def test_the_installed_library_has_a_soname_and_its_links(tmp_path):
    """A program looks for the version that it was linked with, not for the newest."""
    # A relative PREFIX is one of the caller, and the pkg-config file has an absolute one.
    prefix = os.path.relpath(tmp_path, ROOT)
    make = ["make", "--silent", "install-c", "PROFILE=dev", f"PREFIX={prefix}"]
    subprocess.run(make, cwd=ROOT, check=True, timeout=600)
    lib = tmp_path / "lib"
    assert f"prefix={tmp_path}\n" in (lib / "pkgconfig/recgrela.pc").read_text()
    version = re.search(r"^Version: (.*)$", (lib / "pkgconfig/recgrela.pc").read_text(), re.M)[1]
    soname = f"librecgrela.so.{version.rpartition('.')[0]}"
    assert (lib / soname).readlink() == Path(f"librecgrela.so.{version}")
    assert (lib / "librecgrela.so").readlink() == Path(soname)
    program = compile_c(ROOT / "examples/c/recommend.c", lib, tmp_path)
    (lib / "librecgrela.so").unlink()
    model = GOLDEN / "f32.safetensors"
    item = str(EdgeScorer.load(model).item_ids[0])
    assert run(program, model, item)
    # Linked statically, as docs/c.md says, a program needs no library.
    static = tmp_path / "static"
    source, include = ROOT / "examples/c/recommend.c", tmp_path / "include"
    libraries = [lib / "librecgrela.a", "-lpthread", "-ldl", "-lm"]
    run("cc", *CFLAGS, f"-I{include}", source, *libraries, "-o", static)
    (lib / soname).unlink()
    assert run(static, model, item) and subprocess.run([program, model, item]).returncode != 0
