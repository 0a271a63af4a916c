"""The trainer's imports follow the order of its folders, including late imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

import recgrela_train

from tests.layering import arrows_up, circle

SOURCE = Path(recgrela_train.__file__).parent

ROOMS = [
    ["__main__", "__init__"],
    ["cli"],  # the command
    ["recommender"],  # the Python API
    ["report", "studies"],  # pages and tables on finished runs; ablations, comparisons
    ["fitting", "export"],  # the training loop and a run's files; the file for the engine
    ["evaluation"],  # ranks, metrics, intervals
    ["distributed", "device"],  # which process this is; CPU or GPU
    ["data", "networks"],  # events in, batches out; every network
    ["config", "files", "version"],
]


def name(file: Path) -> str:
    return file.relative_to(SOURCE).with_suffix("").as_posix()


def imports(file: Path) -> Iterator[str]:
    """The files of the package that a file imports, at any level."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith(SOURCE.name) for alias in node.names), file
        elif isinstance(node, ast.ImportFrom):
            assert node.level or not node.module.startswith(SOURCE.name), f"{file}: absolute import"
            if node.level:
                folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                yield from (imported(folder, alias.name) for alias in node.names)


def imported(folder: Path, what: str) -> str:
    """The file of `from FOLDER import WHAT`: a module of the folder, or what the folder names."""
    places = (folder / what, folder / what / "__init__", folder, folder / "__init__")
    return name(next(p.with_suffix(".py") for p in places if p.with_suffix(".py").is_file()))


def test_no_import_runs_up_or_round():
    graph = {name(file): set(imports(file)) for file in SOURCE.rglob("*.py")}
    assert {"fitting/fit", "config", "cli/console"} <= graph["cli/fit"]
    assert circle(graph) == []
    assert arrows_up(graph, ROOMS) == []
