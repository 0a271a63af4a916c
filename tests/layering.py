"""Checks that source files import only from their own layer and from lower layers."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

Graph = Mapping[str, Iterable[str]]
"""For each file, the files that it uses. Names are paths without suffix: `catalog/scan`."""


def circle(graph: Graph) -> list[str]:
    """Files of an import cycle, with the first repeated at the end; empty if there is no cycle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def arrows_up(graph: Graph, rooms: Sequence[Sequence[str]]) -> list[str]:
    """Uses of a file in a higher layer. `rooms` are layers of files and folders, highest first."""
    return [
        f"{file} -> {used}"
        for file in sorted(graph)
        for used in sorted(graph[file])
        if row(used, rooms) < row(file, rooms)
    ]


def row(file: str, rooms: Sequence[Sequence[str]]) -> int:
    """The index of a file's layer."""
    rows = [
        index
        for index, names in enumerate(rooms)
        for name in names
        if file == name or file.startswith(name + "/")
    ]
    assert len(rows) == 1, f"{file} is in {len(rows)} rooms, expected one"
    return rows[0]
