"""The `recgrela` command as a user runs it."""

import io
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.export.model_file import export_model
from recgrela_train.networks.grela import RecGrela
from safetensors.numpy import save

SCRIPT = Path(sys.executable).with_name("recgrela")


def run(*arguments, **options) -> subprocess.CompletedProcess:
    """Run the installed command in a process of its own."""
    words = [SCRIPT, *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.run(words, timeout=60, **options)


def items_of(output: str) -> list[str]:
    """The ids in the output of `recommend`."""
    return [line.split()[2] for line in output.splitlines()]


def test_the_installed_command_runs(small):
    result = run("verify", small.path)
    assert (result.returncode, result.stderr) == (0, "")


def test_version(command):
    status, output, _ = command("--version")
    assert (status, output) == (0, f"recgrela {version('recgrela')}\n")


@pytest.mark.parametrize("words", [[], ["inspect"], ["verify"], ["recommend"]])
def test_help(command, words):
    status, output, errors = command(*words, "--help")
    assert (status, errors) == (0, "")
    assert output.startswith(f"usage: {' '.join(['recgrela', *words])} ")
    if words:
        assert "model" in output and "--isa" in output
    else:
        assert all(name in output for name in ("inspect", "verify", "recommend"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("recgrela ver", "verify"),
        ("recgrela verify --ev", "--every-isa"),
        ("recgrela batch --unk", "--unknown"),
    ],
)
def test_a_shell_completes_commands_and_options(line, expected):
    words = f"COMP_LINE='{line}' COMP_POINT={len(line)} COMP_TYPE=9 _ARGCOMPLETE=1"
    script = f"{words} {SCRIPT} 8>&1 9>&2 >/dev/null 2>&1"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == [expected], result


def test_no_command_says_what_there_is(command):
    status, output, errors = command()
    assert (status, output) == (2, "")
    assert errors.startswith("usage: recgrela ") and "command" in errors


def test_inspect_as_text(command, small):
    status, output, _ = command("inspect", small.path)
    facts = dict(line.split(maxsplit=1) for line in output.splitlines())
    assert status == 0
    assert facts["fingerprint"] == small.load().fingerprint
    assert facts["bytes"].replace(",", "") == str(small.path.stat().st_size)
    assert (facts["num_items"], facts["positions"], facts["table"]) == ("70", "rotary", "f32")


@pytest.mark.parametrize("kind", ["int", "str"])
def test_inspect_as_json(command, export, kind):
    file = export(kind, table="f16")
    status, output, _ = command("inspect", "--json", "--isa", "scalar", file.path)
    facts = json.loads(output)
    assert status == 0
    assert facts["id_type"] == kind
    assert facts["first_ids"] == file.ids[:5]
    assert (facts["isa"], facts["table"], facts["file"]) == ("scalar", "f16", str(file.path))
    scorer = file.load()
    assert facts["state_bytes"] == scorer.state_bytes
    assert {key: facts[key] for key in scorer.config} == scorer.config


def test_verify(command, small):
    status, output, errors = command("verify", small.path, "--isa", "scalar")
    assert (status, errors) == (0, "")
    assert "fingerprint matches; 256 scores of 4 histories replayed on scalar" in output


def test_verify_as_json(command, small):
    status, output, errors = command("verify", "--json", small.path, "--isa", "scalar")
    assert (status, errors) == (0, "")
    found = json.loads(output)
    assert found.pop("max_difference") < 1e-4
    assert found == {
        "file": str(small.path),
        "fingerprint": small.load().fingerprint,
        "isa": "scalar",
        "sequences": 4,
        "scores": 256,
        "every_isa": None,
    }
    _, output, _ = command("verify", "--json", "--every-isa", small.path)
    assert json.loads(output)["every_isa"] == small.load().compare_isas()


def test_recommend(command, small):
    history = small.history(12)
    status, output, errors = command("recommend", small.path, "-k", 5, "--history", *history)
    scorer = small.load()
    scorer.extend(history)
    assert status == 0
    expected = [f"{rank:4}  {s:9.4f}  {i}" for rank, (i, s) in enumerate(scorer.top_k(5), 1)]
    assert output.splitlines() == expected
    assert errors.startswith("12 events, ") and len(errors.splitlines()) == 1


def test_recommend_ten_and_what_was_seen_on_request(command, small):
    history = small.history(12)
    _, output, _ = command("recommend", small.path, "--history", *history)
    assert len(items_of(output)) == 10
    assert not set(items_of(output)) & set(map(str, history))
    options = ("--include-seen", "-k", 1000, "--history")
    _, output, _ = command("recommend", small.path, *options, *history)
    assert sorted(items_of(output)) == sorted(map(str, small.ids))


@pytest.mark.parametrize("kind", ["int", "str"])
def test_recommend_as_json(command, export, tmp_path, kind):
    file = export(kind)
    history = file.ids[3:9]
    scorer = file.load()
    scorer.extend(history)
    top = list(scorer.top_k(5))
    titles = tmp_path / "titles.tsv"
    titles.write_text(f"{top[1][0]}\tÄon\n", "utf-8")
    words = ("recommend", "--json", file.path, "-k", "5", "--titles", titles)
    status, output, errors = command(*words, stdin="\n".join(map(str, history)))
    assert (status, errors) == (0, "")
    found = json.loads(output)
    assert [(row["item"], row["score"]) for row in found.pop("items")] == top
    assert [row["title"] for row in json.loads(output)["items"]] == [None, "Äon", None, None, None]
    assert found == {
        "file": str(file.path),
        "fingerprint": scorer.fingerprint,
        "isa": scorer.isa,
        "events": 6,
        "skipped": 0,
    }
    unknown = 4242 if kind == "int" else "none"
    skipping = (*words, "--skip-unknown", "--history", *history, unknown)
    assert json.loads(command(*skipping)[1])["skipped"] == 1
    status, output, errors = command(*words, "--history", unknown)
    assert (status, output) == (1, "")
    assert "is not among the model's 70 items" in errors


@pytest.mark.parametrize("separator", [" ", "\n", ",", ", ", "\t"])
def test_recommend_reads_standard_input(command, small, separator):
    history = small.history(12)
    _, expected, _ = command("recommend", small.path, "--history", *history)
    text = separator.join(map(str, history)) + "\n"
    for words in ([small.path], [small.path, "--history", "-"], ["--history", "-", small.path]):
        status, output, _ = command("recommend", *words, stdin=text)
        assert (status, output) == (0, expected)


def test_recommend_says_that_it_waits_for_ids(command, small, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("100\n"))
    status, output, errors = command("recommend", small.path)
    assert (status, len(output.splitlines())) == (0, 10)
    assert errors.startswith("item ids, oldest first, one per line; end with Ctrl-D:\n1 events, ")


def test_recommend_with_string_ids(command, export):
    file = export("str")
    history = ["movie-3", "Ähre-電影", "movie-17"]
    status, output, _ = command("recommend", file.path, "--history", *history)
    scorer = file.load()
    scorer.extend(history)
    assert (status, items_of(output)) == (0, scorer.top_k().ids)
    assert command("recommend", file.path, stdin="\n".join(history))[1] == output


def test_recommend_prints_titles(command, small, tmp_path):
    titles = tmp_path / "titles.tsv"
    history = small.history(12)
    _, plain, _ = command("recommend", small.path, "--history", *history)
    first, second = items_of(plain)[:2]
    rows = f'{first}\t"Äon", a film\t1999\nshort\n\n'
    arguments = ("recommend", small.path, "--titles", titles, "--history", *history)
    for text in (f"item\ttitle\n{rows}", f"\ufeff{rows}", f" {rows}"):
        titles.write_text(text, encoding="utf-8")
        status, output, _ = command(*arguments)
        lines = output.splitlines()
        assert status == 0
        assert lines[0].endswith(f'  {first}  "Äon", a film')
        assert lines[1].endswith(f"  {second}")


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_recommend_reads_titles_by_the_header_of_a_csv_file(command, small, tmp_path, delimiter):
    titles = tmp_path / "items.csv"
    history = small.history(12)
    _, plain, _ = command("recommend", small.path, "--history", *history)
    first, second = items_of(plain)[:2]
    rows = [("price", "title", "item_id"), ("5", '"Äon; a, film"', first), ("7", "", second)]
    titles.write_text("\r\n".join(delimiter.join(map(str, row)) for row in rows), "utf-8")
    arguments = ("recommend", small.path, "--titles", titles, "--history", *history)
    status, output, _ = command(*arguments)
    assert status == 0
    assert output.splitlines()[0].endswith(f"  {first}  Äon; a, film")
    assert output.splitlines()[1].endswith(f"  {second}")


def test_recommend_skips_unknown_items_on_request(command, small):
    history = small.history(5)
    _, expected, _ = command("recommend", small.path, "--history", *history)
    words = [4242, *history, 4243]
    status, output, errors = command("recommend", small.path, "--skip-unknown", "--history", *words)
    assert (status, output) == (0, expected)
    assert errors.startswith("5 events, 2 unknown items skipped, ")


def test_recommend_takes_the_model_last(command, small, tmp_path):
    history = small.history(5)
    _, expected, _ = command("recommend", small.path, "-k", 3, "--history", *history)
    for words in (["-k", 3, "--history", *history, small.path], ["--history", *history, "-k", 3]):
        if small.path not in words:
            words.append(small.path)
        status, output, _ = command("recommend", *words)
        assert (status, output) == (0, expected)
    for words in ([], ["--history", 100], ["--history", 100, 101], ["--history", small.path]):
        status, output, errors = command("recommend", *words)
        assert (status, output) == (2, "")
        assert errors.startswith("usage: recgrela recommend MODEL [--history ITEM ...]")
        assert errors.endswith("error: the model is missing\n")


@pytest.mark.parametrize("text", ["\ufeff{}\n{}\n", "{} \n\n {}", "{}\r\n\t{}\r\n \r\n"])
@pytest.mark.parametrize("kind", ["int", "str"])
def test_recommend_ignores_marks_and_blanks_around_ids(command, export, kind, text):
    file = export(kind)
    history = file.ids[3:5]
    _, expected, _ = command("recommend", file.path, "--history", *history)
    status, output, _ = command("recommend", file.path, stdin=text.format(*history))
    assert (status, output) == (0, expected)


def no_titles(folder: Path) -> list:
    return ["--titles", folder / "none.tsv"]


def latin_titles(folder: Path) -> list:
    (folder / "latin.tsv").write_bytes(b"1\tAm\xe9lie\n")
    return ["--titles", folder / "latin.tsv"]


def unnamed_titles(folder: Path) -> list:
    (folder / "items.csv").write_text("sku,label\n1,One\n")
    return ["--titles", folder / "items.csv"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--history", "4242"], "item 4242 is not among the model's 70 items"),
        (["--history", "abc"], "this model's item ids are integers, found 'abc'"),
        (["--history", "1.5"], "this model's item ids are integers, found '1.5'"),
        (["--history", "4242", "--skip-unknown"], "recommend from: all items are unknown"),
        (["--history", str(10**40)], f"item {10**40} is not among"),
        (["--history", "100", "--isa", "sse9"], "isa: found 'sse9', expected one of those"),
        (no_titles, "none.tsv"),
        (latin_titles, "latin.tsv: not UTF-8 text"),
        (unnamed_titles, "columns item_id and title; found the first line 'sku,label'"),
    ],
)
def test_an_error_is_one_line(command, small, tmp_path, words, message):
    words = [*words(tmp_path), "--history", "100"] if callable(words) else words
    status, output, errors = command("recommend", small.path, *words)
    assert (status, output) == (1, "")
    assert errors.startswith("recgrela: error: ") and message in errors
    assert len(errors.splitlines()) == 1


def test_an_interrupt_has_no_traceback(command, small, monkeypatch):
    class Interrupted(io.StringIO):
        def read(self, size=-1):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())
    assert command("recommend", small.path) == (130, "", "")


def test_an_empty_standard_input_is_an_error(command, small):
    status, _, errors = command("recommend", small.path, stdin=" \n")
    assert status == 1
    assert errors.startswith("recgrela: error: no event to recommend from: pass item ids by ")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("name", ["inspect", "verify", "recommend"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, command, name):
    (tmp_path / "text.safetensors").write_text("this is no model")
    (tmp_path / "empty.safetensors").touch()
    torch.save({"state_dict": {}}, tmp_path / "last.ckpt")
    for path, message in [
        (tmp_path / "missing.safetensors", "No such file or directory: '"),
        (tmp_path, "it is a folder"),
        (tmp_path / "text.safetensors", "text.safetensors: not a safetensors file"),
        (
            tmp_path / "empty.safetensors",
            "empty.safetensors: not a safetensors file: found 0 bytes",
        ),
        (tmp_path / "last.ckpt", "such as a training checkpoint: run recgrela-train export"),
    ]:
        status, output, errors = command(name, path, stdin="100")
        assert (status, output) == (1, "")
        assert errors.startswith("recgrela: error: ") and message in errors
        assert len(errors.splitlines()) == 1


def test_what_a_file_makes_an_error_say_is_one_line_of_plain_text(command, tmp_path):
    path = tmp_path / "hostile.safetensors"
    config = '{"first\\nsecond\\u001b[31m": 1}'
    entries = {"recgrela.format": "1", "recgrela.config": config}
    path.write_bytes(save({"a": np.zeros(1, np.float32)}, entries))
    status, _, errors = command("inspect", path)
    assert (status, len(errors.splitlines())) == (1, 1)
    assert "unknown field `first\\nsecond\\u{1b}[31m`" in errors


def test_a_damaged_model_is_inspected_but_neither_verified_nor_used(command, small, tmp_path):
    content = bytearray(small.path.read_bytes())
    content[-1] ^= 1
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    assert command("inspect", path)[0] == 0
    for words in (["verify", path], ["recommend", path, "--history", 100]):
        status, output, errors = command(*words)
        assert (status, output) == (1, "")
        assert errors.startswith(
            f"recgrela: error: {path}: damaged: fingerprint of the tensors: found "
        )


@pytest.mark.parametrize("words", [["-k", "0"], ["-k", "-3"], ["-k", "many"], ["--no-such"]])
def test_a_wrong_argument_shows_the_usage(command, small, words):
    status, output, errors = command("recommend", small.path, "--history", "100", *words)
    assert (status, output) == (2, "")
    assert errors.startswith("usage: recgrela ") and words[0] in errors


def test_errors_of_a_real_process_have_no_traceback(small, tmp_path):
    result = run("recommend", small.path, input="100 4242")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "recgrela: error: item 4242 is not among the model's 70 items\n"
    result = run("recommend", small.path, input="\udcff", errors="surrogateescape")
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("items", [70, 5000])
def test_a_reader_that_has_seen_enough_is_no_error(export, items):
    file = export(items=items)
    read, write = os.pipe()
    os.close(read)  # the reader closes the pipe before the first line
    words = ("recommend", file.path, "-k", items, "--history", file.ids[3])
    process = run(*words, stdout=write)
    os.close(write)
    assert process.returncode == 0
    assert not any(word in process.stderr for word in ("Traceback", "BrokenPipe", "Exception"))


def test_the_largest_k(command, small):
    _, output, _ = command("recommend", small.path, "-k", 10**30, "--history", *small.ids[:1])
    scores = [float(line.split()[1]) for line in output.splitlines()]
    assert len(scores) == 69
    assert np.array_equal(scores, sorted(scores, reverse=True))


def test_ids_out_of_the_file_do_not_steer_the_terminal(command, tmp_path):
    ids = [f"item {n}\x1b[31m\nforged" for n in range(40)]
    path = tmp_path / "hostile.safetensors"
    torch.manual_seed(0)
    export_model(RecGrela(ModelConfig(hidden_size=16, num_heads=2), 40), ids, path)
    status, output, _ = command("recommend", path, "--history", ids[0], "-k", "3")
    assert status == 0
    assert len(output.splitlines()) == 3
    assert "\x1b" not in output
