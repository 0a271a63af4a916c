"""Inspect and verify a recgrela model file, and recommend items with it, to one user or to all."""

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Literal

from . import EdgeScorer, __version__, cli_batch
from .cli_streams import discard, unread_streams
from .cli_times import seconds


@unread_streams()
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status. Bad input ends in one message, not a traceback."""
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what may follow
        import argcomplete

        argcomplete.autocomplete(parser)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        discard(sys.stdout)
        return 0
    except KeyboardInterrupt:
        return 130
    except (KeyError, ValueError, OSError) as error:
        # str(KeyError) is the repr of its message.
        message = error.args[0] if isinstance(error, KeyError) else error
        print(f"recgrela: error: {message}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recgrela", description=__doc__)
    parser.add_argument("--version", action="version", version=f"recgrela {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    inspect = commands.add_parser("inspect", help="show the properties of a model file")
    inspect.set_defaults(run=_inspect)

    verify = commands.add_parser(
        "verify", help="recompute the fingerprint and replay the file's self-test on this machine"
    )
    verify.add_argument(
        "--every-isa", action="store_true",
        help="also replay it on every instruction set of this CPU, and compare results bit by bit",
    )  # fmt: skip
    verify.set_defaults(run=_verify)

    recommend = commands.add_parser(
        "recommend",
        help="process a history and recommend the next items",
        description="Process a history, oldest event first, and print the recommended items.",
        usage="recgrela recommend MODEL [--history ITEM ...] [--kinds KIND ...] "
        "[--times TIME ...] [-k K] [--include-seen] [--skip-unknown] "
        "[--titles FILE] [--json] [--isa ISA]",
        epilog="example: recgrela recommend model.safetensors --history 50 172 181 -k 5",
    )
    recommend.add_argument(
        "--history", nargs="*", metavar="ITEM",
        help="item ids, oldest first; by default, or with `-`, read from standard input, one per "
        "line (integers may share a line); without any, the model's start vector ranks the items",
    )  # fmt: skip
    recommend.add_argument(
        "--kinds", nargs="+", metavar="KIND",
        help="the kinds of these events, one per item or one for all, if the model has kinds "
        "(recgrela inspect lists them)",
    )  # fmt: skip
    recommend.add_argument(
        "--times", nargs="+", metavar="TIME",
        help="the times of these events, one per item, if the model uses them (recgrela inspect "
        "says gaps True): seconds since 1970 or ISO 8601, such as 2026-12-01T09:00:00+01:00; UTC "
        "without an offset",
    )  # fmt: skip
    recommend.add_argument(
        "-k", type=cli_batch.positive, default=10, help="number of items (default: %(default)s)"
    )
    recommend.add_argument(
        "--include-seen", action="store_true", help="do not exclude items of the history"
    )
    recommend.add_argument(
        "--skip-unknown",
        action="store_true",
        help="skip unknown items, and print how many",
    )
    recommend.add_argument(
        "--titles", type=Path, metavar="FILE",
        help="prints titles too: a file of item ids and titles, separated by tabs, or CSV with the "
        "columns item_id and title",
    )  # fmt: skip
    recommend.set_defaults(run=_recommend, usage_error=recommend.error)

    cli_batch.add_parser(commands)
    for command in (inspect, verify, recommend):
        command.add_argument(
            "model", type=Path, nargs="?" if command is recommend else None,
            help="a file from `recgrela-train export`",
        )  # fmt: skip
        command.add_argument("--json", action="store_true", help="print one JSON object")
        command.add_argument(
            "--isa", help="instruction set, such as scalar (default: the best one of this CPU)"
        )
    return parser


def _about(options: argparse.Namespace, scorer: EdgeScorer) -> dict[str, str]:
    """Which model and instruction set a JSON object is about."""
    return {"file": str(options.model), "fingerprint": scorer.fingerprint, "isa": scorer.isa}


def _inspect(options: argparse.Namespace) -> None:
    scorer = EdgeScorer.load(options.model, isa=options.isa, verify=False)
    facts = {
        "file": str(options.model),
        "bytes": options.model.stat().st_size,
        "fingerprint": scorer.fingerprint,
        "isa": scorer.isa,
        "table": scorer.table_dtype,
        "state_bytes": scorer.state_bytes,
        "id_type": scorer.id_type,
        "first_ids": scorer.item_ids[:5],
        **scorer.config,
    }
    card = _card(options.model)
    if options.json:
        print(json.dumps({**facts, "card": card}, indent=2))
        return
    for name, value in facts.items():
        print(f"{name:12} {value:,}" if type(value) is int else f"{name:12} {value}")
    for section, values in (card or {}).items():
        print(f"\n{json.dumps(section)[1:-1]}")
        for name, value in values.items() if isinstance(values, dict) else [("", values)]:
            # JSON escapes control characters: text from the file must not control the terminal.
            print(f"  {json.dumps(name)[1:-1]:15} {json.dumps(value)}")


def _card(path: Path) -> dict[str, Any] | None:
    """The model card in the metadata of a file that was loaded; None if it has none.

    Raises ValueError if it is not a JSON object.
    """
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    text = header["__metadata__"].get("recgrela.card")
    try:
        card = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        card = text
    if card is not None and not isinstance(card, dict):
        raise ValueError(f"{path}: recgrela.card is not a JSON object")
    return card


def _verify(options: argparse.Namespace) -> None:
    scorer = EdgeScorer.load(options.model, isa=options.isa, verify=False)
    report = scorer.verify()
    if not options.json:
        print(
            f"{options.model}: fingerprint matches; {report['scores']} scores of "
            f"{report['sequences']} histories replayed on {scorer.isa}, largest relative "
            f"difference {report['max_difference']:.1e}"
        )
    compared = scorer.compare_isas() if options.every_isa else None
    if options.json:
        facts = {**_about(options, scorer), **report, "every_isa": compared}
        print(json.dumps(facts, indent=2))
    elif compared:
        print(
            f"{', '.join(compared['isas'])}: identical bits in the states and lists after each of "
            f"{compared['events']} events and in {compared['scores']} scores"
        )


def _recommend(options: argparse.Namespace) -> None:
    for words in (options.history or [], options.kinds or [], options.times or []):
        if options.model is None and len(words) > 1 and Path(words[-1]).is_file():
            options.model = Path(words.pop())  # the option before it also took the model
    if options.model is None:
        options.usage_error("the model is missing")
    scorer = EdgeScorer.load(options.model, isa=options.isa)
    titles = _read_titles(options.titles) if options.titles else {}
    history = options.history
    if history in (None, ["-"]):
        if sys.stdin.isatty():
            print("item ids, oldest first, one per line; end with Ctrl-D:", file=sys.stderr)
        history = _lines(sys.stdin.read())
    if scorer.id_type == "int":
        history = [_integer(word) for text in history for word in text.replace(",", " ").split()]
    unknown: Literal["skip", "error"] = "skip" if options.skip_unknown else "error"
    kinds = options.kinds
    if kinds is not None and len(kinds) == 1:
        kinds = kinds[0]
    if history and scorer.uses_times and options.times is None:
        raise ValueError(
            "found no times, expected one per item: this model uses the time between events, so "
            "pass their times by --times"
        )
    times = None if options.times is None else list(map(seconds, options.times))
    started = time.perf_counter()
    events = scorer.extend(history, kinds=kinds, times=times, unknown=unknown)
    skipped = len(history) - events
    if events == 0 and not scorer.config["start"]:
        cause = (
            "all items are unknown" if skipped else "pass item ids by --history or standard input"
        )
        raise ValueError(f"no event to recommend from: {cause} (the model has no start vector)")
    elapsed = (time.perf_counter() - started) / max(events, 1) * 1e6
    top = scorer.top_k(options.k, exclude_seen=not options.include_seen)
    if options.json:
        facts = {
            **_about(options, scorer),
            "events": events,
            "skipped": skipped,
            "items": [
                {"item": item, "score": score, "title": titles.get(str(item))}
                for item, score in top
            ],
        }
        print(json.dumps(facts, indent=2))
        return
    for rank, (item, score) in enumerate(top, 1):
        text = f"{item}  {titles.get(str(item), '')}".rstrip()
        # Escape control characters: text from the file must not control the terminal.
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
        print(f"{rank:4}  {score:9.4f}  {text}")
    unknown_items = f"{skipped} unknown items skipped, " if skipped else ""
    print(
        f"{events} events, {unknown_items}{elapsed:.1f} us each on {scorer.isa}; "
        f"state {scorer.state_bytes:,} bytes",
        file=sys.stderr,
    )


def _lines(text: str) -> list[str]:
    """The nonblank lines, stripped, without a byte order mark."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").split("\n"))
    return [line for line in lines if line]


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"this model's item ids are integers, found '{text}'") from None


def _read_titles(path: Path) -> dict[str, str]:
    """Titles by item id, of tab-separated lines or of a CSV file with a header."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text: {error}") from None
    if any("\t" in line for line in lines):
        rows = (line.split("\t") for line in lines)
        return {row[0].strip(): row[1] for row in rows if len(row) >= 2}
    for delimiter in ",;":
        table = csv.DictReader(lines, delimiter=delimiter)
        if {"item_id", "title"} <= set(table.fieldnames or ()):
            return {(row["item_id"] or "").strip(): row["title"] or "" for row in table}
    raise ValueError(
        f"{path}: expected lines of an item id, a tab and a title, or CSV with the columns item_id "
        f"and title; found the first line {lines[0].rstrip()!r}"
    )
