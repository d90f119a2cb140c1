"""The imports among our own modules, and their rules.

``LAYERS`` is the order of the packages from the bottom up: a package may import those before it, never one after it,
whether at run time, within functions or for types only. The functions take modules as a mapping from name to source,
so that tests can pass faulty ones.
"""

from __future__ import annotations

import ast
import enum
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("colormaps", "pyramid", "service")
MAX_MODULES = 20
LAYERS = (
    "lazytile.colormaps.core",
    "lazytile.colormaps.synthesis",
    "lazytile.colormaps.compiled",
    "lazytile.colormaps.formats",
    "lazytile.colormaps.legends",
    "lazytile.colormaps.library",
    "lazytile.pyramid.core",
    "lazytile.pyramid.storage",
    "lazytile.pyramid.demo",
    "lazytile.pyramid.cluster",
    "lazytile.pyramid.streams",
    "lazytile.pyramid.engines",
    "lazytile.pyramid.tiling",
    "lazytile.pyramid.resampling",
    "lazytile.pyramid.kernel",
    "lazytile.pyramid.cuda",
    "lazytile.pyramid.chunks",
    "lazytile.pyramid.store",
    "lazytile.pyramid.verification",
    "lazytile.pyramid.times",
    "lazytile.pyramid.fetch",
    "lazytile.pyramid.sources.cf",
    "lazytile.pyramid.sources.overrides",
    "lazytile.pyramid.sources.references",
    "lazytile.pyramid.sources.formats",
    "lazytile.pyramid.sources.grids",
    "lazytile.pyramid.sources.meshes",
    "lazytile.pyramid.sources",
    "lazytile.pyramid.ingest",
    "lazytile.pyramid.linked",
    "lazytile.pyramid.render",
    "lazytile.pyramid.numbers",
    "lazytile.pyramid.subsets",
    "lazytile.pyramid.work",
    "lazytile.pyramid.catalog",
    "lazytile.pyramid.mrf",
    "lazytile.pyramid.mrfgen",
    "lazytile.pyramid.reading",
    "lazytile.pyramid.exports",
    "lazytile.api",
    "lazytile.import_hook",
    "lazytile.async_twin",
    "lazytile.html",
    "lazytile.readable",
    "lazytile.variable",
    "lazytile.dataset",
    "lazytile.opening",
    "lazytile.service.http",
    "lazytile.service.access",
    "lazytile.service.catalogue",
    "lazytile.service.admission",
    "lazytile.service.shared_cache",
    "lazytile.service.claims",
    "lazytile.service.tiles",
    "lazytile.service.admin",
    "lazytile.service.protocol",
    "lazytile.service.featureinfo",
    "lazytile.service.legends",
    "lazytile.service.numbers",
    "lazytile.service.overview",
    "lazytile.service.xyz",
    "lazytile.service.zarr_http",
    "lazytile.service.stac",
    "lazytile.service.wmts",
    "lazytile.service.wms",
    "lazytile.service.ogcapi",
    "lazytile.service.front",
    "lazytile.service.app",
    "lazytile.server",
    "lazytile.accessor",
    "lazytile.service.cli.options",
    "lazytile.service.cli.mrf",
    "lazytile.service.cli.colormap",
    "lazytile.service.cli.doctor",
    "lazytile.service.cli",
    "lazytile.service.__main__",
    "lazytile.__main__",
)


class Kind(enum.Enum):
    """When an import happens."""

    RUN_TIME = "at run time"
    IN_FUNCTION = "within functions"
    TYPE_ONLY = "for types only"


@dataclass(frozen=True, slots=True)
class Import:
    """One module of ours that another imports."""

    importer: str
    line: int
    target: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target} {self.kind.value}"


def own_modules() -> dict[str, str]:
    """Return the source of every module by its name.

    ``lazytile/__init__.py`` is excluded: it imports the public API lazily and holds the version that lower modules
    read.
    """
    found = {f"lazytile.{path.stem}": path for path in (ROOT / "lazytile").glob("*.py") if path.stem != "__init__"}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            if "node_modules" not in path.parts:
                parts = path.relative_to(ROOT).with_suffix("").parts
                found[".".join(("lazytile", *(parts[:-1] if parts[-1] == "__init__" else parts)))] = path
    return {name: path.read_text() for name, path in sorted(found.items())}


def packages_of(modules: Iterable[str]) -> set[str]:
    """Return the packages of modules."""
    return {name.rpartition(".")[0] for name in modules}


def imports_of(modules: Mapping[str, str]) -> list[Import]:
    """Return every import of one of the modules by another, at any nesting."""
    packages = packages_of(modules)
    found = []
    for name, source in modules.items():
        inside = name if name in packages else name.rpartition(".")[0]
        for node, kind in _statements(_tree(source), Kind.RUN_TIME):
            targets = {_known(target, modules) for target in _targets(node, inside)} - {None, name}
            found += [Import(name, node.lineno, target, kind) for target in sorted(targets)]
    return found


@functools.cache
def _tree(source: str) -> ast.Module:
    return ast.parse(source)


def _statements(node: ast.AST, kind: Kind) -> Iterator[tuple[ast.Import | ast.ImportFrom, Kind]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, kind
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for branch, within in ((child.body, Kind.TYPE_ONLY), (child.orelse, kind)):
                yield from _statements(ast.Module(branch, []), within)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _statements(child, Kind.IN_FUNCTION if kind is Kind.RUN_TIME else kind)
        else:
            yield from _statements(child, kind)


def _targets(node: ast.Import | ast.ImportFrom, inside: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = ".".join(inside.split(".")[: len(inside.split(".")) - node.level + 1]) if node.level else ""
    module = ".".join(part for part in (base, node.module) if part)
    return [f"{module}.{alias.name}" for alias in node.names]


def _known(target: str, modules: Mapping[str, str]) -> str | None:
    """Return the module that an imported name denotes or belongs to."""
    if target in modules:
        return target
    within = target.rpartition(".")[0]
    return within if within in modules else None


def layer_of(module: str) -> str | None:
    """Return the most specific layer that holds a module."""
    fits = [layer for layer in LAYERS if module == layer or module.startswith(f"{layer}.")]
    return max(fits, key=len, default=None)


def upward(imports: Iterable[Import]) -> list[str]:
    """Return the imports of a layer above the importer's own."""
    wrong = []
    for one in imports:
        low, high = layer_of(one.importer), layer_of(one.target)
        if low and high and LAYERS.index(high) > LAYERS.index(low):
            wrong.append(str(one))
    return wrong


def undeclared(modules: Mapping[str, str], imports: Iterable[Import]) -> list[str]:
    """Return the imports that the docstring of the importer's package does not allow after ``May import``."""
    wrong = []
    for one in imports:
        low, high = layer_of(one.importer), layer_of(one.target)
        if low and high and low != high and (allowed := _allowed(modules.get(low, ""), low)) is not None:
            wrong += [] if high in allowed else [f"{one}: {low} may not import {high}"]
    return wrong


def _allowed(source: str, layer: str) -> set[str] | None:
    match = re.search(r"^May import: (.+?)\.$", source, re.MULTILINE | re.DOTALL)
    if match is None or match[1] == "everything below it":
        return None
    folder = ".".join(layer.split(".")[:2])
    names = re.split(r",\s+", match[1])
    return {f"lazytile.{name}" if name.partition(".")[0] in FOLDERS else f"{folder}.{name}" for name in names}


def cyclic(imports: Iterable[Import]) -> list[str]:
    """Return the modules on import cycles, and those between two cycles."""
    return _on_cycles({(one.importer, one.target) for one in imports})


def cyclic_packages(imports: Iterable[Import], packages: AbstractSet[str]) -> list[str]:
    """Return the packages on import cycles; a module counts for the package that holds it."""
    return _on_cycles(_package_edges(imports, packages))


def mutual_packages(imports: Iterable[Import], packages: AbstractSet[str]) -> list[tuple[str, str]]:
    """Return the pairs of packages that import each other."""
    edges = _package_edges(imports, packages)
    return sorted((one, other) for one, other in edges if one < other and (other, one) in edges)


def _package_edges(imports: Iterable[Import], packages: AbstractSet[str]) -> set[tuple[str, str]]:
    def package(module: str) -> str:
        # A module that is a layer of its own stands for itself.
        return module if module in packages or module in LAYERS else module.rpartition(".")[0]

    edges = {(package(one.importer), package(one.target)) for one in imports}
    return {(one, other) for one, other in edges if one != other}


def _on_cycles(edges: set[tuple[str, str]]) -> list[str]:
    left = edges
    while True:
        importers, targets = {one for one, _ in left}, {other for _, other in left}
        fewer = {(one, other) for one, other in left if one in targets and other in importers}
        if fewer == left:
            return sorted(importers)
        left = fewer


def crowded(modules: Iterable[str]) -> list[str]:
    """Return the packages with more modules than ``MAX_MODULES``, subpackages not counted."""
    names = list(modules)
    packages = packages_of(names)
    counts = {package: sum(name.rpartition(".")[0] == package for name in names) for package in packages}
    below = {package: sum(name.rpartition(".")[0] == package for name in packages) for package in packages}
    return [
        f"{package}: {counts[package] - below[package]} modules"
        for package in sorted(packages)
        if counts[package] - below[package] > MAX_MODULES
    ]


def layer_listing(modules: Mapping[str, str]) -> str:
    """Return the layers from the top down as text: number of modules, and imported layers."""
    imports = imports_of(modules)
    kinds = [f"{sum(one.kind is kind for one in imports)} {kind.value}" for kind in Kind]
    lines = [f"{len(modules)} modules in {len(LAYERS)} layers; imports of ours: {', '.join(kinds)}"]
    packages = packages_of(modules)
    for number, layer in reversed(list(enumerate(LAYERS))):
        count = sum(layer_of(name) == layer for name in modules if name not in packages)
        imported = {layer_of(one.target) for one in imports if layer_of(one.importer) == layer} - {layer, None}
        below = [_short(other, layer) for other in LAYERS if other in imported]
        lines.append(f"{number + 1:3} {_short(layer):26}{count:3}  {' '.join(below) or '-'}")
    return "\n".join(lines)


def _short(layer: str, seen_from: str = "") -> str:
    folder = ".".join(seen_from.split(".")[:2])
    return layer.removeprefix(f"{folder}.").removeprefix("lazytile.")
