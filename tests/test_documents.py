"""Documents agree with the code: settings and their values, metrics, options, dependencies, make targets, files."""

from __future__ import annotations

import importlib
import pydoc
import re
import tomllib
from pathlib import Path

import pytest
import typer

from lazytile.pyramid.catalog import tile_options
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.store.codec import Codec
from lazytile.service.cli.main import app
from lazytile.service.http.metrics import Metrics
from lazytile.service.http.settings import Settings
from scripts.document_tables import MACHINE_DEFAULTS, TABLES, metrics_table, options_of_settings, with_tables
from tests.import_graph import LAYERS, imports_of, layer_of, own_modules

ROOT = Path(__file__).resolve().parent.parent
SERVING = (ROOT / "docs" / "serving.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    return {re.match(r"[A-Za-z0-9_.-]+", one)[0] for one in listed} - {"lazytile"}


@pytest.mark.parametrize("document", TABLES)
def test_the_tables_are_those_of_the_code(document):
    text = (ROOT / document).read_text()
    assert with_tables(document, text) == text, "python scripts/document_tables.py writes them"


@pytest.mark.parametrize(
    "row",
    [
        "| `port` | `LAZYTILE_PORT` | `--port PORT` | 8080 | 0 to 65535 | Port to listen on; 0 takes a free one. |",
        "| `lazytile_tiles_total` | counter | `tier` | Tiles served, by cache tier. |",
    ],
)
def test_a_changed_value_makes_a_table_stale(row):
    assert row in SERVING
    stale = SERVING.replace(row, row.replace("8080", "8081").replace("counter", "gauge"))
    assert with_tables("docs/serving.md", stale) == SERVING != stale


def test_every_metric_that_is_answered_is_in_the_table():
    answered = re.findall(r"^# TYPE (\w+) (\w+)$", Metrics().exposition().decode(), re.MULTILINE)
    names = {(name, kind) for name, kind in answered if not name.endswith("_created")}
    assert names == set(re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|", metrics_table(), re.MULTILINE))


def test_the_help_of_serve_states_the_defaults_of_the_settings():
    stated = {
        setting: match[1]
        for setting, option in options_of_settings().items()
        if (match := re.search(r"\[default: ([^,\]]+)", getattr(option, "help", "") or ""))
    }
    defaults = {name: field.default for name, field in Settings.model_fields.items() if field.default is not None}
    assert "machine" in MACHINE_DEFAULTS["memory_bytes"]
    defaults["memory_bytes"] = "1/8 of the machine's"
    defaults["memory_watermark_bytes"] = "9/10 of the machine's"
    megabytes = {name: value >> 20 for name, value in defaults.items() if name.endswith("_limit_bytes")}
    expected = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in defaults.items()}
    expected |= {name: str(value) for name, value in megabytes.items()}
    assert {"port", "queue_length", "timeout_s", "cache_limit_bytes"} <= stated.keys()
    assert {name: text for name, text in stated.items() if name in expected} == {
        name: text for name, text in expected.items() if name in stated
    }


def commands(command, path=("lazytile",)):
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))
OPTIONS = {
    path: {"--help"} | {opt for parameter in command.params for opt in (*parameter.opts, *parameter.secondary_opts)}
    for path, command in COMMANDS.items()
}
# "lazytile mrf LAYER FOLDER" is short for "lazytile mrf export LAYER FOLDER".
OPTIONS["lazytile", "mrf"] |= OPTIONS["lazytile", "mrf", "export"]
CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
COMMAND_LINE = re.compile(r"^\s*(?:\$ )?(?:[\w./]*/)?(lazytile (?!is at )[a-z][^\n#|]*)", re.MULTILINE)


def unknown_options(text):
    """Command lines of lazytile in a document that name a command or an option that it has not."""
    code = "\n".join(block for match in CODE.finditer(text) for block in match.groups(""))
    lines = COMMAND_LINE.findall(re.sub(r"\\\n\s*", " ", code))
    wrong = []
    for line in lines:
        words = line.split()
        path = max((path for path in COMMANDS if tuple(words[: len(path)]) == path), key=len, default=())
        if len(path) < 2 and "." in words[1]:
            path = ("lazytile", "view")  # "lazytile FILE" is short for "lazytile view FILE"
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        if len(path) < 2 or not options <= OPTIONS[path]:
            wrong.append(line)
    return wrong


@pytest.mark.parametrize("document", sorted(path.relative_to(ROOT) for path in DOCUMENTS), ids=str)
def test_commands_and_options_that_documents_show_are_there(document):
    assert unknown_options((ROOT / document).read_text()) == []


@pytest.mark.parametrize("document", sorted(path.relative_to(ROOT) for path in DOCUMENTS), ids=str)
def test_options_that_documents_name_are_there(document):
    named = set(re.findall(r"`(--[a-z][a-z-]*)", (ROOT / document).read_text()))
    assert named <= set().union(*OPTIONS.values()) | options_of_scripts()


def options_of_scripts():
    sources = [path.read_text() for path in (ROOT / "scripts").glob("*.py")]
    return {option for source in sources for option in re.findall(r"add_argument\(\s*\"(--[a-z-]+)\"", source)}


@pytest.mark.parametrize(
    "line", ["lazytile serve --stoer x", "bin/lazytile convret a.nc", "lazytile mrf \\\n  export --nil"]
)
def test_a_wrong_command_line_is_seen(line):
    assert len(unknown_options(f"Text.\n```bash\n{line}\n```\n")) == 1
    assert len(unknown_options(f"Text `{line}`.\n")) == ("\n" not in line)


def test_a_right_command_line_is_fine():
    assert unknown_options("```\nlazytile serve --store x\n```\nSee `lazytile mrf --help`.\n") == []


@pytest.mark.parametrize("option", sorted(tile_options.NAMES))
def test_every_option_of_tiles_is_documented(option):
    assert f"| `{option}=" in SERVING


@pytest.mark.parametrize("image_format", list(ImageFormat))
def test_every_format_of_tiles_is_documented(image_format):
    assert f"`{image_format.extension}`" in SERVING


@pytest.mark.parametrize("package", sorted(dependencies()))
def test_every_dependency_has_its_reason(package):
    table = CONTRIBUTING.split("## Dependencies")[1]
    name = re.sub(r"-cuda\d+x$", "", package)
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", table), package


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", ".ci/run"])
def test_make_targets_and_files_that_documents_name_are_there(document):
    text = (ROOT / document).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert [path for path in linked if not (ROOT / path).exists()] == []


PATH = re.compile(r"`((?:\.ci|colormaps|docs|lazytile|pyramid|scripts|service|tests)/[\w./-]*)`")
MODULE = re.compile(r"\blazytile(?:\.[a-z_]\w*)+")


def missing_paths(text):
    """Files and folders that a document names and the project does not have; NAME stands for one to be written."""
    built = "service/viewer/dist/"  # by make setup
    return [
        path for path in PATH.findall(text) if "NAME" not in path and built not in path and not (ROOT / path).exists()
    ]


def missing_modules(text):
    """Dotted names below ``lazytile`` in a document that are neither modules nor attributes of modules."""
    names = MODULE.findall(re.sub(r"https?://\S+", "", text))
    return [name for name in names if pydoc.locate(name) is None]


@pytest.mark.parametrize("document", sorted(path.relative_to(ROOT) for path in DOCUMENTS), ids=str)
def test_paths_and_modules_that_documents_name_are_there(document):
    text = (ROOT / document).read_text()
    assert missing_paths(text) == []
    if document.name != "CHANGELOG.md":  # it also names what is no more
        assert missing_modules(text) == []


def test_a_missing_path_or_module_is_seen():
    assert missing_paths("see `pyramid/nothing.py`, `pyramid/NAME.py` and `pyramid/work.py`") == ["pyramid/nothing.py"]
    assert missing_modules("`lazytile.pyramid.nothing` and `lazytile.pyramid.work.perform`") == [
        "lazytile.pyramid.nothing"
    ]


def changes():
    section = CONTRIBUTING.split("## Where would I change ...")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| a")]


def unknown_symbols(row):
    """Names in backquotes of a row that none of the row's files holds."""
    files = [ROOT / path for path in PATH.findall(row) if (ROOT / path).is_file()]
    text = "\n".join(file.read_text() for file in files)
    names = [name for name in re.findall(r"`([A-Za-z_][\w.-]*)`", row) if not name.endswith(".py")]
    return [name for name in names if re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", text) is None]


def test_there_are_twelve_changes():
    assert len(changes()) == 12


@pytest.mark.parametrize("row", changes(), ids=lambda row: row.split("|")[1].strip())
def test_the_files_of_a_change_hold_what_is_to_be_changed(row):
    assert unknown_symbols(row) == []


def test_a_symbol_that_no_file_of_the_row_holds_is_seen():
    assert unknown_symbols("| x | `perform`, `nothing` in `pyramid/work.py` |") == ["nothing"]


def picture():
    """Packages in the picture of the layout with the number of their line, from the top down."""
    block = CONTRIBUTING.split("A package imports only packages below it:\n\n```\n")[1].split("```")[0]
    folder, found = "", {}
    packages = {layer.removeprefix("lazytile.") for layer in LAYERS}
    for number, line in enumerate(block.splitlines()):
        folder = next((f"{each}." for each in ("service", "pyramid", "colormaps") if line.startswith(each)), folder)
        folder = "" if line.startswith("lazytile/") else folder
        for name in re.findall(r"[a-z_]+", line[12:59]):
            if f"{folder}{name}" in packages:
                found.setdefault(f"{folder}{name}", number)
    return found


def drawn(module):
    """Package in the picture that holds a module: the picture leaves out packages within packages."""
    return ".".join((layer_of(module) or "").removeprefix("lazytile.").split(".")[:2])


def test_the_picture_of_the_layout_has_every_package():
    known = {drawn(layer) for layer in LAYERS} - {"service.__main__"}
    assert picture().keys() == known


def test_every_import_goes_down_in_the_picture_of_the_layout():
    lines = picture()
    edges = {(drawn(one.importer), drawn(one.target)) for one in imports_of(own_modules())}
    between = [(low, high) for low, high in edges if low != high and {low, high} <= lines.keys()]
    assert [(low, high) for low, high in between if lines[low] >= lines[high]] == []


def in_code(name):
    """The value of a constant by its dotted name."""
    module, _, constant = name.rpartition(".")
    return getattr(importlib.import_module(f"lazytile.{module}"), constant)


VALUES = [
    (
        "docs/serving.md",
        r"at most (\d+) characters, ",
        "pyramid.render.expression.MAX_LENGTH",
        1,
    ),
    (
        "docs/serving.md",
        r"characters, (\d+) parts, ",
        "pyramid.render.expression.MAX_NODES",
        1,
    ),
    (
        "docs/serving.md",
        r"parts, (\d+) variables; ",
        "pyramid.render.expression.MAX_VARIABLES",
        1,
    ),
    ("docs/renderer.md", r"have at most (\d+) pixels per side", "pyramid.tiling.registry.MAX_TILE_SIDE", 1),
    ("docs/renderer.md", r"any tile at most (\d+) after `@2x`", "pyramid.render.tile_request.MAX_TILE_SIDE_PX", 1),
    ("docs/renderer.md", r"accurate to ([\d.]+) px", "pyramid.tiling.mesh.MAX_ERROR_PX", 1),
    ("docs/renderer.md", r"more than 2\^(\d+) pixels", "pyramid.render.renderer.MAX_BLOCK_PX", "power"),
    ("docs/converting.md", r"exceeds (\d+) MiB", "pyramid.fetch.nexus_request.RESPONSE_BYTES", 1 << 20),
    ("docs/converting.md", r"fit into (\d+) MiB", "pyramid.store.layout.MAX_BLOCK_BYTES", 1 << 20),
    ("docs/converting.md", r"(\d+) MiB of decompressed", "pyramid.sources.formats.hdf5_chunks.CACHE_BYTES", 1 << 20),
    ("docs/store.md", r"`--shard N` \(2, 4, 8 \.\.\. (\d+)\)", "pyramid.ingest.convert.MAX_SHARD", 1),
    ("docs/serving.md", r"nearest value within (\d+) % of", "pyramid.times.lookup.TOLERANCE", 0.01),
    ("docs/apis.md", r"up to 64 KiB and (\d+) positions", "pyramid.numbers.geojson.MAX_VERTICES", 1),
    ("docs/onearth.md", r"a page over (\d+) MiB", "pyramid.mrf.modmrf.MAX_TILE_BYTES", 1 << 20),
]
"""Where a document states a number: the text round it, the constant of the code, and the unit."""


@pytest.mark.parametrize(("document", "pattern", "name", "unit"), VALUES, ids=lambda value: str(value)[-40:])
def test_the_numbers_in_documents_are_those_of_the_code(document, pattern, name, unit):
    text = " ".join((ROOT / document).read_text().split())
    stated = [float(value) for value in re.findall(pattern, text)]
    assert stated, f"{document} no longer says {pattern}: change the pattern with the text"
    assert {2**value if unit == "power" else value * unit for value in stated} == {in_code(name)}


def test_the_limits_of_fetched_colormaps_are_those_of_the_settings():
    text = " ".join((ROOT / "docs" / "colormaps.md").read_text().split())
    [(seconds, mebibytes)] = re.findall(r"limits of (\d+) s and (\d+) MiB", text)
    defaults = {name: Settings.model_fields[name].default for name in ("colormap_timeout_s", "colormap_limit_bytes")}
    assert defaults == {"colormap_timeout_s": float(seconds), "colormap_limit_bytes": int(mebibytes) << 20}


def test_the_share_of_the_server_process_is_that_of_the_code():
    text = " ".join(SERVING.split())
    [stated] = re.findall(r"the server process keeps (\d+) % and the workers", text)
    server, workers = CacheBudget.server(100_000_000).split()
    assert round(server.memory_bytes / 1e6) == int(stated)
    assert server.memory_bytes + workers.memory_bytes == pytest.approx(1e8)


def test_the_codecs_in_the_document_are_those_of_the_command():
    text = (ROOT / "docs" / "store.md").read_text()
    stated = dict(re.findall(r"`(blosc-lz4|blosc-zstd|zstd|gzip)` \((?:level )?(\d+)\)", text))
    assert stated == {name: str(Codec.parse(name).level) for name in ("blosc-lz4", "blosc-zstd", "zstd", "gzip")}
