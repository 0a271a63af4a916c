"""`recgrela-train synth`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import console, say


def synth(
    output: Annotated[Path, typer.Argument(help="New folder to write.", metavar="FOLDER")],
    users: Annotated[int, typer.Option(min=1, help="Number of users.")] = 10_000,
    items: Annotated[int, typer.Option(min=1, help="Number of items, 16 or more.")] = 2_000,
    events: Annotated[int, typer.Option(min=1, help="Number of events.")] = 500_000,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds generate equal events.")] = 42,
    files: Annotated[
        int | None,
        typer.Option(min=1, help="Number of Parquet files; default: one per 2 million events."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Days that the events span.")] = 365,
    repeats: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Share of events whose item the user has seen before; default: whatever the "
            "signal yields. With it, the optimum is not known.",
        ),
    ] = None,
    kinds: Annotated[
        bool,
        typer.Option(
            "--kinds",
            help="Add a column `kind` of view, cart and buy, on which the next item depends.",
        ),
    ] = False,
) -> None:
    """Write synthetic events whose best possible metrics are known, for tutorials and scale tests.

    Popularity follows Zipf's law. With probability 0.6 an item is one of four successors of the
    item before it; otherwise it is drawn by popularity. Hence the optimum of HR@10 and NDCG@10 is
    known, for `evaluate.exclude_seen=none`. It is printed, and written to synth.json beside the
    Parquet files.

    `recgrela-train synth events --users 10000 --items 2000 --events 500000`

    `recgrela-train synth kinds --kinds` and then `recgrela-train fit -s data.source=kinds
    -s data.kind_column=kind -s evaluate.exclude_seen=none`
    """
    from rich.progress import Progress

    from ..data.synth import Recipe
    from ..data.synth_files import write_synthetic

    recipe = Recipe(users, items, events, seed, days, repeats, kinds)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("writing events", total=2 * events)
        about = write_synthetic(recipe, output, files, lambda n: progress.advance(task, n))
    say(f"wrote {output}: {users:,} users, {items:,} items, {events:,} events")
    say(f"{about['repeated_targets']:.1%} of users have seen their last item before")
    if best := about["optimum"]:
        say("with evaluate.exclude_seen=none:")
        rankings = {"best possible": "", "without kinds": "without_kinds_"}
        rankings["by popularity"] = "popularity_"
        for name, prefix in rankings.items():
            if f"{prefix}hr@10" in best:
                hits, ndcg = best[f"{prefix}hr@10"], best[f"{prefix}ndcg@10"]
                say(f"{name}: HR@10 {hits:.4f}, NDCG@10 {ndcg:.4f}")
