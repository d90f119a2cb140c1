"""The direction in which the packages import each other, and what no module may do while it is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "colormaps": {"colormaps"},
    "pyramid": {"pyramid", "colormaps"},
    "service": {"service", "pyramid", "colormaps"},
}
"""DESIGN, "Layout": data flows downwards, and nothing imports back up."""
AT_MOST_ONE_IMPORTER = ("cupy", "dask_cuda")
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}


@dataclass(frozen=True, slots=True)
class Import:
    module: str
    line: int


def sources(folder: str) -> list[Path]:
    files = (ROOT / folder).rglob("*.py")
    return sorted(f for f in files if "node_modules" not in f.parts)


def imports(tree: ast.AST, package: str) -> list[Import]:
    """Every module that the source names in an import, wherever in it; ``package`` resolves relative ones."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            # "from lazytile import service" names a module, "from lazytile.service import main" perhaps a function.
            found += [Import(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def back_edges(tree: ast.AST, package: str) -> list[Import]:
    """Imports of our packages that ``package`` (colormaps, pyramid or service, or a package below) may not have."""
    allowed = MAY_IMPORT[package.split(".", maxsplit=1)[0]]
    wrong = []
    for found in imports(tree, f"lazytile.{package}"):
        parts = found.module.split(".")
        if (parts[0] == "lazytile" and parts[1:2] and parts[1] in MAY_IMPORT) and parts[1] not in allowed:
            wrong.append(found)
    return wrong


def bare(tree: ast.AST) -> list[Import]:
    """Imports of our folders under their own names, which are other people's packages."""
    return [found for found in imports(tree, "") if found.module.split(".")[0] in MAY_IMPORT]


class _ReadsOfTheEnvironment(ast.NodeVisitor):
    """Lines that read the environment when the module is imported: outside functions, or in their defaults."""

    def __init__(self) -> None:
        self.lines: list[int] = []

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        outside = [*node.args.defaults, *(default for default in node.args.kw_defaults if default)]
        if not isinstance(node, ast.Lambda):
            outside += node.decorator_list
        for part in outside:
            self.visit(part)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_function

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in ENVIRONMENT and isinstance(node.value, ast.Name) and node.value.id == "os":
            self.lines.append(node.lineno)
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        # A bare "environ" could not be told from any other name.
        if node.module == "os" and ENVIRONMENT & {alias.name for alias in node.names}:
            self.lines.append(node.lineno)


def environment_reads(tree: ast.AST) -> list[int]:
    visitor = _ReadsOfTheEnvironment()
    visitor.visit(tree)
    return visitor.lines


def places(path: Path, found: list[Import]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{one.line} imports {one.module}" for one in found]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_import_goes_back_up(package):
    modules = sources(package)
    assert modules
    wrong = []
    for path in modules:
        inside = ".".join(path.parent.relative_to(ROOT).parts)
        wrong += places(path, back_edges(ast.parse(path.read_bytes()), inside))
    assert wrong == []


@pytest.mark.parametrize("folder", [*MAY_IMPORT, "scripts", "tests", "lazytile"])
def test_no_folder_is_imported_under_its_own_name(folder):
    wrong = [place for path in sources(folder) for place in places(path, bare(ast.parse(path.read_bytes())))]
    assert wrong == []


@pytest.mark.parametrize("library", AT_MOST_ONE_IMPORTER)
def test_gpu_libraries_are_imported_in_one_module_each(library):
    importers = {
        str(path.relative_to(ROOT))
        for package in MAY_IMPORT
        for path in sources(package)
        for found in imports(ast.parse(path.read_bytes()), "")
        if found.module.split(".")[0] == library
    }
    assert len(importers) <= 1, importers


def test_nothing_reads_the_environment_at_import():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for folder in MAY_IMPORT
        for path in sources(folder)
        for line in environment_reads(ast.parse(path.read_bytes()))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("colormaps", "import lazytile.pyramid.core.grid"),
        ("colormaps", "from lazytile import pyramid"),
        ("colormaps", "from ..service import settings"),
        ("pyramid", "def late():\n    from lazytile.service.http.settings import Settings"),
        ("pyramid", "from .. import service"),
        ("pyramid.readers", "from ...service import settings"),
    ],
)
def test_a_back_edge_is_seen_however_it_is_written(package, source):
    assert len(back_edges(ast.parse(source), package)) == 1


@pytest.mark.parametrize(
    "source", ["import pyramid", "from colormaps.model import ColorMap", "import service.cli as c"]
)
def test_a_bare_import_is_seen(source):
    assert len(bare(ast.parse(source))) == 1


@pytest.mark.parametrize(
    "source", ["from lazytile.colormaps import gibs", "from . import grid", "from .grid import Grid"]
)
def test_imports_downwards_and_sideways_are_fine(source):
    tree = ast.parse(source)
    assert back_edges(tree, "pyramid") == []
    assert bare(tree) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("import os\nHOME = os.environ['HOME']", 1),
        ("import os\nclass A:\n    home = os.getenv('HOME')", 1),
        ("import os\ndef f(home=os.environ.get('HOME')): ...", 1),
        ("from os import environ", 1),
        ("import os\ndef f():\n    return os.environ['HOME']", 0),
        ("from os import path", 0),
    ],
)
def test_a_read_of_the_environment_is_seen(source, count):
    assert len(environment_reads(ast.parse(source))) == count
