"""The order in which our packages import each other, and what no module does while it is imported.

``pytest -s tests/test_imports.py`` prints the layers: the number of modules of each and what it imports.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.import_graph import (
    FOLDERS,
    LAYERS,
    ROOT,
    Kind,
    crowded,
    cyclic,
    cyclic_packages,
    imports_of,
    layer_listing,
    layer_of,
    mutual_packages,
    own_modules,
    packages_of,
    undeclared,
    upward,
)

if TYPE_CHECKING:
    from pathlib import Path

MODULES = own_modules()
PACKAGES = packages_of(MODULES)
IMPORTS = imports_of(MODULES)
AT_MOST_ONE_IMPORTER = ("cupy", "dask_cuda")
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}


@dataclass(frozen=True, slots=True)
class Named:
    module: str
    line: int


def sources(folder: str) -> list[Path]:
    files = (ROOT / folder).rglob("*.py")
    return sorted(f for f in files if "node_modules" not in f.parts)


def imports(tree: ast.AST, package: str) -> list[Named]:
    """Every module that the source names in an import, wherever in it; ``package`` resolves relative ones."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Named(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            # "from lazytile import service" names a module, "from lazytile.service import main" perhaps a function.
            found += [Named(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def bare(tree: ast.AST) -> list[Named]:
    """Imports of our folders under their own names, which are other people's packages."""
    return [found for found in imports(tree, "") if found.module.split(".")[0] in FOLDERS]


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
        # A bare "environ" cannot be distinguished from any other name.
        if node.module == "os" and ENVIRONMENT & {alias.name for alias in node.names}:
            self.lines.append(node.lineno)


def environment_reads(tree: ast.AST) -> list[int]:
    visitor = _ReadsOfTheEnvironment()
    visitor.visit(tree)
    return visitor.lines


def places(path: Path, found: list[Named]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{one.line} imports {one.module}" for one in found]


def test_every_module_has_a_layer():
    assert [name for name in MODULES if layer_of(name) is None and name.rpartition(".")[0] != "lazytile"] == []


def test_every_layer_is_there():
    assert [layer for layer in LAYERS if layer not in MODULES] == []


def test_no_import_goes_up():
    assert upward(IMPORTS) == []


def test_no_modules_import_each_other_in_a_cycle():
    assert cyclic(IMPORTS) == []


def test_no_packages_import_each_other_in_a_cycle():
    assert cyclic_packages(IMPORTS, PACKAGES) == []


def test_no_two_packages_import_each_other():
    assert mutual_packages(IMPORTS, PACKAGES) == []


def test_no_package_imports_more_than_its_first_docstring_allows():
    assert undeclared(MODULES, IMPORTS) == []


def test_no_package_runs_code_when_it_is_imported():
    assert [name for name in sorted(PACKAGES & MODULES.keys()) if len(ast.parse(MODULES[name]).body) > 1] == []


def test_no_package_holds_more_modules_than_one_reads_at_once():
    assert crowded(MODULES) == []


def test_the_layers():
    text = layer_listing(MODULES)
    print(f"\n{text}")  # noqa: T201 - with -s it is read
    assert all(f"{kind.value}" in text for kind in Kind)


@pytest.mark.parametrize("folder", [*FOLDERS, "scripts", "tests", "lazytile"])
def test_no_folder_is_imported_under_its_own_name(folder):
    wrong = [place for path in sources(folder) for place in places(path, bare(ast.parse(path.read_bytes())))]
    assert wrong == []


@pytest.mark.parametrize("library", AT_MOST_ONE_IMPORTER)
def test_gpu_libraries_are_imported_in_one_module_each(library):
    importers = {
        str(path.relative_to(ROOT))
        for package in FOLDERS
        for path in sources(package)
        for found in imports(ast.parse(path.read_bytes()), "")
        if found.module.split(".")[0] == library
    }
    assert len(importers) <= 1, importers


def test_nothing_reads_the_environment_at_import():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for folder in FOLDERS
        for path in sources(folder)
        for line in environment_reads(ast.parse(path.read_bytes()))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "source", ["import pyramid", "from colormaps.model import ColorMap", "import service.cli as c"]
)
def test_a_bare_import_is_seen(source):
    assert len(bare(ast.parse(source))) == 1


@pytest.mark.parametrize(
    "source", ["from lazytile.colormaps import gibs", "from . import grid", "from .grid import Grid"]
)
def test_an_import_under_its_full_name_is_fine(source):
    assert bare(ast.parse(source)) == []


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
