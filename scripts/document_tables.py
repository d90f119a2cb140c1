"""Write the tables of settings, metrics, caches and packages in the documents from the code that they describe.

``python scripts/document_tables.py`` writes them; with ``--check`` it exits with 1 if one is out of date.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from prometheus_client.metrics import MetricWrapperBase

from lazytile.pyramid.core.caches import SHARES
from lazytile.service.cli import serve
from lazytile.service.cli.main import app
from lazytile.service.http.metrics import Metrics
from lazytile.service.http.operating.access_settings import AccessSettings
from lazytile.service.http.operating.sharing_settings import SharingSettings
from lazytile.service.http.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for tests.import_graph, which no installation contains

from tests.import_graph import LAYERS, imports_of, layer_of, own_modules  # noqa: E402 - needs the path above

if TYPE_CHECKING:
    from collections.abc import Callable

    from click import Command, Parameter
    from pydantic.fields import FieldInfo

MACHINE_DEFAULTS = {
    "memory_bytes": "1/8 of the machine's memory",
    "memory_watermark_bytes": "9/10 of the machine's memory",
}
"""Defaults that differ from machine to machine."""
_UNITS = ("bytes", "KiB", "MiB", "GiB")


def serve_parameters() -> dict[str, Parameter]:
    """Return the parameters of ``lazytile serve`` by the names that its function has for them."""
    command: Command = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    return {parameter.name: parameter for parameter in command.params if parameter.name}


def options_of_settings() -> dict[str, Parameter]:
    """Return the option of ``lazytile serve`` that sets each setting, read from the call of ``Settings.of``."""
    parameters = serve_parameters()
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(serve)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Settings.of"
    ]
    return {
        keyword.arg: parameters[name.id]
        for call in calls
        for keyword in call.keywords
        for name in ast.walk(keyword.value)
        if keyword.arg and isinstance(name, ast.Name) and name.id in parameters
    }


def meanings() -> dict[str, str]:
    """Return the docstring of each field of ``Settings``."""
    classes = [ast.parse(inspect.getsource(each)).body[0] for each in (AccessSettings, SharingSettings, Settings)]
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for body in classes
        if isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def value_text(name: str, value: Any) -> str:
    """Return a value of a setting as documents show it.

    Args:
        name: The setting's name, whose ending is the unit of a number.
        value: Its value.

    Returns:
        Markdown, empty for None and for empty collections.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, int) and name.endswith("_bytes"):
        power = max(power for power in range(len(_UNITS)) if value % 1024**power == 0) if value else 0
        return f"{value // 1024**power} {_UNITS[power]}"
    if isinstance(value, int | float):
        return f"{value:g} s" if name.endswith("_s") else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{value}`"


def range_text(name: str, field: FieldInfo) -> str:
    """Return the bounds of a setting's values, empty without any.

    Args:
        name: The setting's name, whose ending is the unit of its values.
        field: The field of ``Settings``.
    """
    bounds = {
        bound: getattr(one, bound) for one in field.metadata for bound in ("ge", "gt", "le") if hasattr(one, bound)
    }
    text = {bound: value_text(name, value) for bound, value in bounds.items()}
    if "ge" in text:
        return f"{text['ge']} to {text['le']}" if "le" in text else f"{text['ge']} or more"
    return ", ".join(f"{word} {text[bound]}" for word, bound in (("above", "gt"), ("up to", "le")) if bound in text)


def settings_table() -> str:
    """Return the table of all settings, in the order of ``Settings``."""
    options, texts = options_of_settings(), meanings()
    prefix = Settings.model_config["env_prefix"]
    rows = ["| Setting | Environment variable | Option | Default | Range | Meaning |", "| --- " * 6 + "|"]
    for name, field in Settings.model_fields.items():
        option = options.get(name)
        opts = f"`{option.opts[0]}{f' {option.metavar}' if option.metavar else ''}`" if option else ""
        cells = (
            f"`{name}`",
            f"`{field.validation_alias or f'{prefix}{name.upper()}'}`",
            opts,
            MACHINE_DEFAULTS.get(name) or value_text(name, field.get_default(call_default_factory=True)),
            range_text(name, field),
            " ".join(texts[name].split()).replace("``", "`").replace("|", "\\|"),
        )
        rows.append(_row(cells))
    return "\n".join(rows)


def _row(cells: tuple[str, ...]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def caches_table() -> str:
    """Return the table of the caches in memory, with the share of each in the memory budget."""
    total = sum(share.front + share.worker for share in SHARES)
    rows = ["| Cache | Holds | Share |", "| --- | --- | ---: |"]
    rows += [
        _row((f"`{share.name}`", share.summary, f"{(share.front + share.worker) / total * 100:g} %"))
        for share in SHARES
    ]
    return "\n".join(rows)


def metrics_table() -> str:
    """Return the table of all metrics of ``/metrics``, under the names that it shows."""
    metrics = Metrics()
    found = [*vars(metrics).values(), *vars(metrics.process).values()]
    instruments = [one for one in found if isinstance(one, MetricWrapperBase)]
    rows = ["| Metric | Type | Labels | Meaning |", "| --- " * 4 + "|"]
    for instrument in instruments:
        for metric in instrument.describe():
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            labels = ", ".join(f"`{label}`" for label in instrument._labelnames)  # noqa: SLF001 - no public way
            rows.append(_row((f"`{name}`", metric.type, labels, f"{metric.documentation}.")))
    return "\n".join(rows)


def layout_table() -> str:
    """Return the table of all packages from the bottom up: what each one holds and what it imports."""
    modules = own_modules()
    imports = {(layer_of(one.importer), layer_of(one.target)) for one in imports_of(modules)}
    rows = ["| | Package | What it holds | Imports |", "| ---: | --- | --- | --- |"]
    for number, layer in enumerate(LAYERS, 1):
        folder = f"{'.'.join(layer.split('.')[:2])}."
        targets = [other for other in LAYERS if (layer, other) in imports and other != layer]
        by_folder: dict[str, list[str]] = {}
        for target in targets:
            head, _, tail = target.removeprefix("lazytile.").partition(".")
            by_folder.setdefault("" if target.startswith(folder) else head, []).append(tail or head)
        groups = [f"{head}: {', '.join(tails)}" if head else ", ".join(tails) for head, tails in by_folder.items()]
        summary = (ast.get_docstring(ast.parse(modules[layer])) or "").split("\n\n")[0]
        name = layer.removeprefix("lazytile.")
        rows.append(_row((str(number), f"`{name}`", " ".join(summary.split()).replace("``", "`"), "; ".join(groups))))
    return "\n".join(rows)


TABLES: dict[str, dict[str, Callable[[], str]]] = {
    "docs/serving.md": {"settings": settings_table, "metrics": metrics_table, "caches": caches_table},
    "CONTRIBUTING.md": {"layout": layout_table},
}


def with_tables(name: str, document: str) -> str:
    """Return a document with each table rewritten between its two markers.

    Args:
        name: Path of the document below the project's root, a key of ``TABLES``.
        document: Its Markdown, with ``<!-- TABLE: begin -->`` and ``<!-- TABLE: end -->`` for each of its tables.

    Returns:
        The same document with the tables of the current code.
    """
    for table_name, table in TABLES[name].items():
        begin, end = f"<!-- {table_name}: begin -->\n", f"\n<!-- {table_name}: end -->"
        before, rest = document.split(begin)
        document = before + begin + table() + end + rest.split(end)[1]
    return document


def main() -> None:
    """Write the tables, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 if a table is out of date")
    options = parser.parse_args()
    for name in TABLES:
        document = (ROOT / name).read_text()
        current = with_tables(name, document)
        if options.check and current != document:
            raise SystemExit(f"{name}: a table is out of date; python scripts/document_tables.py writes it")
        if not options.check:
            (ROOT / name).write_text(current)


if __name__ == "__main__":
    main()
