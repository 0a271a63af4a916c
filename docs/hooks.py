"""What the site adds to the pages of docs/: linked files, help texts, docstrings.

A link to a file of the repository outside docs/ leads to a page with that file's text, so the site
is complete without the repository, and a file that has gone is an error.
"""

import html
import importlib
import inspect
import json
import os
import posixpath
import re
import subprocess
from pathlib import Path

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(?<=\]\()[^)\s:#]+(?=[)#])")
LANGUAGES = {".py": "python", ".c": "c", ".h": "c", ".kt": "kotlin", ".mjs": "js"}
IN_NAVIGATION = [
    "CHANGELOG.md",
    "examples/notebooks/quick-start.ipynb",
    "examples/notebooks/own-table-to-phone.ipynb",
]


def on_files(files, config):
    """Add a page for each file outside docs/ that is linked or in the navigation."""
    linked = {
        target
        for file in files.documentation_pages()
        for link in LINK.findall(file.content_string)
        if (target := _outside(file.src_uri, link))
    }
    for path in sorted(linked.union(IN_NAVIGATION)):
        files.append(File.generated(config, _page(path), content=_text(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Lead links outside docs/ to their pages, and fill in help texts."""

    def lead(link: re.Match) -> str:
        target = _outside(page.file.src_uri, link[0])
        if target is None:
            return link[0]
        return posixpath.relpath(_page(target), posixpath.dirname(page.file.src_uri) or ".")

    if not page.file.src_uri.startswith("source/"):
        markdown = LINK.sub(lead, markdown)
    return re.sub(r"<!-- (help|settings) ?(.*) -->", _filled_in, markdown)


class CompiledDocstrings(griffe.Extension):
    """Take the docstrings of the compiled module from the module; its stubs have none."""

    def on_package(self, *, pkg, **_):
        """Document `recgrela._core`."""
        if pkg.path == "recgrela":
            self._document(pkg["_core"], importlib.import_module("recgrela._core"))

    def _document(self, parent: griffe.Object, compiled: object) -> None:
        for name, member in parent.members.items():
            found = getattr(compiled, name, None)
            if member.is_alias or name.startswith("_") or found is None:
                continue
            if text := inspect.getdoc(found):
                member.docstring = griffe.Docstring(text, parent=member)
            self._document(member, found)


def _outside(page: str, link: str) -> str | None:
    """The path, from the root of the repository, of a link that leaves docs/."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return None if path.startswith(("docs/", "../")) else path


def _page(path: str) -> str:
    """The page of a file outside docs/."""
    return f"source/{path}" if path.endswith(".md") else f"source/{path}.md"


def _text(path: str) -> str:
    """The content of that page."""
    text = (ROOT / path).read_text()
    suffix = posixpath.splitext(path)[1]
    if suffix == ".md":
        return text
    if suffix == ".ipynb":
        return _notebook(path, text)
    return f"# {posixpath.basename(path)}\n\n`{path}`\n\n````{LANGUAGES[suffix]}\n{text}````\n"


def _notebook(path: str, text: str) -> str:
    """A notebook as Markdown. It is stored without outputs."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            source = f"```python\n{source}\n```"
        elif not parts:
            source += f"\n\nThis page is the notebook `{path}`, which `make test` runs."
        parts.append(source)
    # Its links start at its own folder, which is as deep below the root as its page below source/.
    return re.sub(r"\]\(\.\./\.\./docs/", "](../../../", "\n\n".join(parts))


def _filled_in(comment: re.Match) -> str:
    kind, name = comment.groups()
    if kind == "settings":
        return _settings()
    command, *words = name.split()
    done = subprocess.run(
        [ROOT / ".venv/bin" / command, *words, "--help"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": "96", "TERM": "dumb", "NO_COLOR": "1"},
    )  # fmt: skip
    lines = [line.rstrip() for line in done.stdout.strip("\n").split("\n")]
    return "\n".join(["```text", *lines, "```"])


def _settings() -> str:
    """Every setting of the trainer, as a table."""
    from recgrela_train.config import describe_settings

    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for key, default, meaning in describe_settings():
        meaning = " ".join(meaning.split()).replace("|", "\\|")
        rows.append(f"| `{key}` | `{default}` | {html.escape(meaning, quote=False)} |")
    return "\n".join(rows)
