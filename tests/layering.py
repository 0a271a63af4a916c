"""Rooms of source files, the upper ones standing on the lower: what holds files to their order."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

Graph = Mapping[str, Iterable[str]]
"""For each file, the files that it uses. Names are paths without their suffix: `catalog/scan`."""


def circle(graph: Graph) -> list[str]:
    """Files that use each other in a circle, the first one repeated; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]
    return []


def arrows_up(graph: Graph, rooms: Sequence[Sequence[str]]) -> list[str]:
    """Uses of a file in a higher room. `rooms` are rows from the highest, of files and folders."""
    return [
        f"{file} -> {used}"
        for file in sorted(graph)
        for used in sorted(graph[file])
        if row(used, rooms) < row(file, rooms)
    ]


def row(file: str, rooms: Sequence[Sequence[str]]) -> int:
    """The row of the room that a file is in."""
    rows = [
        index
        for index, names in enumerate(rooms)
        for name in names
        if file == name or file.startswith(name + "/")
    ]
    assert len(rows) == 1, f"{file} is in {len(rows)} rooms, expected one"
    return rows[0]
