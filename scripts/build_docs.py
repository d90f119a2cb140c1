"""Build the documentation's site: ``python scripts/build_docs.py [--out FOLDER]``, or ``make docs``.

Some pages are made from the code: the help of every command, every operation of the OpenAPI definition, SECURITY.md.
They are written into a copy of ``docs/``, from which Zensical builds the site. Then every link and picture of the site
is followed; one that leads nowhere fails the build.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click
import typer

from lazytile.service.app.application import make_app
from lazytile.service.cli.main import app
from lazytile.service.http.settings import Settings
from lazytile.service.ogcapi.openapi import definition

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("lazytile", "colormaps", "pyramid", "service")
HELP_COLUMNS = 100


def main() -> None:
    """Build the site, and exit with 1 if something in it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    out = parser.parse_args().out.resolve()
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder)
        copy_sources(sources)
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        if subprocess.run(command, cwd=sources, check=False).returncode:
            raise SystemExit(1)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(sources / "build" / "site", out)
    if problems := dead_links(out):
        raise SystemExit("\n".join(problems))
    print(out / "index.html")


def copy_sources(folder: Path) -> None:
    """Copy the pages, and write those that are made from the code."""
    docs = folder / "docs"
    shutil.copytree(ROOT / "docs", docs)
    shutil.copy(ROOT / "mkdocs.yml", folder)
    for name in PACKAGES:  # for the docstrings on the page of Python
        (folder / name).symlink_to(ROOT / name)
    (docs / "reference" / "commands.md").write_text(commands_page())
    (docs / "reference" / "http.md").write_text(http_page())
    (docs / "security.md").write_text((ROOT / "SECURITY.md").read_text())


class _Links(HTMLParser):
    """What a page links to, and the names of its places."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.names.add(value)
            if (tag, name) in {("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")} and value:
                self.targets.append(value)


def dead_links(site: Path) -> list[str]:
    """Return a line for each link within the site that leads nowhere, and for each request to another host."""
    pages = {path: _Links(path.read_text()) for path in sorted(site.rglob("*.html"))}
    found = []
    for page, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or page.name == "404.html":
                continue
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            path = path / "index.html" if path.is_dir() else path
            known = pages.get(path)
            if not path.is_file() or (parts.fragment and known and unquote(parts.fragment) not in known.names):
                found.append(f"{page.relative_to(site)}: {target} leads nowhere")
    return found


def commands_page() -> str:
    """Return the help of every command as Markdown."""
    lines = ["# Command line", "", "What `lazytile COMMAND --help` prints, for every command.", ""]
    for names, text in helps(typer.main.get_command(app), ("lazytile",)):
        lines += [f"## {' '.join(names)}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def helps(command: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the words and the help of a command and of all below it."""
    context = click.Context(command, info_name=" ".join(names), max_content_width=HELP_COLUMNS)
    context.terminal_width = HELP_COLUMNS
    yield names, command.get_help(context)
    for name, below in sorted(getattr(command, "commands", {}).items()):
        if not below.hidden:
            yield from helps(below, (*names, name))


def http_page() -> str:
    """Return every operation of the OpenAPI definition as Markdown."""
    settings = Settings.of()
    document = definition("http://127.0.0.1:8080", settings, make_app(settings).router.routes()).members()
    lines = ["# HTTP API", "", "Every address, from the definition that a server offers at `/ogc/api`.", ""]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines += [f"## {method.upper()} `{path}`", "", operation.get("summary", ""), ""]
            lines += [text for text in (operation.get("description"), "") if text is not None]
            lines += parameter_rows([resolved(document, each) for each in operation.get("parameters", [])])
            lines += response_rows({code: resolved(document, each) for code, each in operation["responses"].items()})
    return "\n".join(lines)


def resolved(document: Any, value: Any) -> Any:
    """Return what a value refers to, or the value."""
    while "$ref" in value:
        found = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def parameter_rows(parameters: list[Any]) -> list[str]:
    """Return a table of parameters."""
    if not parameters:
        return []
    rows = ["| parameter | in | required | meaning |", "| --- | --- | --- | --- |"]
    for each in parameters:
        needed = "yes" if each.get("required") else ""
        rows.append(f"| `{each['name']}` | {each['in']} | {needed} | {in_a_cell(each.get('description', ''))} |")
    return [*rows, ""]


def response_rows(responses: dict[str, Any]) -> list[str]:
    """Return a table of responses."""
    rows = ["| status | media types | meaning |", "| --- | --- | --- |"]
    for code, each in responses.items():
        types = ", ".join(f"`{name}`" for name in each.get("content", {}))
        rows.append(f"| {code} | {types} | {in_a_cell(each.get('description', ''))} |")
    return [*rows, ""]


def in_a_cell(text: str) -> str:
    """Return text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
