"""Sample mutation testing of the core: change one thing in the code and see whether a test fails.

A mutant is the tree with one comparison, constant, condition, operator, call or return changed. Each mutant of a seeded
sample runs in a copy of the checkout against the tests of its package. Those that no test kills are printed as diffs.
Python's ``ast`` locates the changes, so mutants differ from the source in nothing else.

    python scripts/mutants.py --package pyramid/store --sample 14

Exits with 0 even if mutants survive, unless ``--least`` sets the share that must be killed.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TESTS = {
    "colormaps/compiled": ("tests/colormaps/compiled", "tests/pyramid/kernel/test_painting.py"),
    "pyramid/core": ("tests/pyramid/core", "tests/pyramid/render/test_location.py"),
    "pyramid/tiling": ("tests/pyramid/tiling", "tests/pyramid/render/test_location.py"),
    "pyramid/store": ("tests/pyramid/store",),
    "pyramid/resampling": ("tests/pyramid/resampling", "tests/pyramid/render/test_render_maps.py"),
    "pyramid/kernel": ("tests/pyramid/kernel", "tests/pyramid/render/test_render_oracle.py"),
    "pyramid/render": tuple(
        f"tests/pyramid/render/test_{name}.py"
        for name in (
            "location",
            "filters",
            "image",
            "expression",
            "data_tile",
            "renderer",
            "render_oracle",
            "render_maps",
        )
    ),
    "pyramid/catalog": (
        "tests/pyramid/catalog",
        "tests/service/featureinfo",
        "tests/service/protocol",
        "tests/service/wmts",
        "tests/test_api.py",
    ),
    "service/tiles": ("tests/service/tiles", "tests/service/protocol", "tests/service/xyz"),
}
"""The packages of the core and their tests, those that fail soonest first."""
SWAPPED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
SPARED = ("log", "_log", "logging", "warnings")
"""Calls of these inform people and change no result, so they are not removed."""
COPIED = ("colormaps", "pyramid", "service", "lazytile", "scripts", "tests", "docs", "pyproject.toml", "Makefile")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file."""

    path: str
    line: int
    kind: str
    start: int
    """Offset of the first byte that is replaced."""
    end: int
    text: str
    """The replacement."""

    def source(self, original: str) -> str:
        """Return the changed source."""
        data = original.encode()
        return (data[: self.start] + self.text.encode() + data[self.end :]).decode()

    def diff(self, original: str) -> str:
        """Return the change as a unified diff."""
        lines = original.splitlines(keepends=True), self.source(original).splitlines(keepends=True)
        return "".join(difflib.unified_diff(*lines, self.path, f"{self.path} ({self.kind})", n=1))


class _Finder:
    """The mutants of one module."""

    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._data = source.encode()
        starts = [0]
        for line in self._data.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self._starts = starts
        self._tree = ast.parse(source)

    def mutants(self) -> Iterator[Mutant]:
        """Yield every mutant, in the order of the source."""
        yield from self._within(self._tree)

    def _within(self, node: ast.AST) -> Iterator[Mutant]:
        for child in self._children(node):
            yield from self._of(child)
            yield from self._within(child)

    @staticmethod
    def _children(node: ast.AST) -> Iterator[ast.AST]:
        """Yield the parts of a node that decide results: no annotations, decorators, messages or docstrings."""
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params", "exc", "msg"):
                continue
            for child in value if isinstance(value, list) else [value]:
                is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
                is_for_types = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
                if isinstance(child, ast.AST) and not (is_text or is_for_types or isinstance(child, ast.JoinedStr)):
                    yield child

    def _of(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare(ops=ops):
                for at, op in enumerate(ops):
                    changed = [*ops[:at], SWAPPED[type(op)](), *ops[at + 1 :]]
                    yield self._changed(node, "comparison", ast.Compare(node.left, changed, node.comparators))
            case ast.BinOp(op=op) if type(op) in SWAPPED:
                yield self._changed(node, "operator", ast.BinOp(node.left, SWAPPED[type(op)](), node.right))
            case ast.BoolOp(op=op):
                yield self._changed(node, "operator", ast.BoolOp(SWAPPED[type(op)](), node.values))
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                for step in (1, -1):
                    yield self._changed(node, "constant", ast.Constant(value + step))
            case ast.If() | ast.While() | ast.IfExp():
                yield self._changed(node.test, "condition", ast.UnaryOp(ast.Not(), node.test))
            case ast.Expr(value=ast.Call() | ast.Await() as call) if not self._is_spared(call):
                yield self._changed(node, "call", ast.Pass())
            case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
                yield self._changed(node, "return", ast.Return(ast.Constant(None)))

    @staticmethod
    def _is_spared(call: ast.expr) -> bool:
        called = call.func if isinstance(call, ast.Call) else call
        return ast.unparse(called).split(".")[0] in SPARED

    def _changed(self, node: ast.expr | ast.stmt, kind: str, by: ast.expr | ast.stmt) -> Mutant:
        text = ast.unparse(ast.fix_missing_locations(by))
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        if isinstance(by, ast.expr):
            text = f"({text})"
        return Mutant(self._path, node.lineno, kind, start, end, text)


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Return every mutant of a module.

    Args:
        path: Its path from the root, as mutants name it.
        source: Its text.

    Returns:
        The mutants in the order of the source.
    """
    return list(_Finder(path, source).mutants())


def package_mutants(package: str) -> list[Mutant]:
    """Return every mutant of the modules of a package."""
    files = sorted((ROOT / package).glob("*.py"))
    return [
        mutant for file in files for mutant in mutants_of(file.relative_to(ROOT).as_posix(), file.read_text("utf-8"))
    ]


class Copy:
    """A copy of the checkout in which mutants run."""

    def __init__(self, folder: Path) -> None:
        """Copy the tree into ``folder`` and link the reference data beside the checkout."""
        self.root = folder / "tree"
        self.root.mkdir()
        for name in COPIED:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "node_modules")
                shutil.copytree(ROOT / name, self.root / name, symlinks=True, ignore=ignored)
            elif (ROOT / name).exists():
                shutil.copy2(ROOT / name, self.root / name)
        if (ROOT.parent / "shared").exists():
            (folder / "shared").symlink_to(ROOT.parent / "shared")

    def fails(self, tests: tuple[str, ...], timeout_s: float) -> bool:
        """Run tests up to the first that fails.

        Args:
            tests: Their paths.
            timeout_s: A run that takes longer counts as failed.

        Returns:
            Whether one failed.
        """
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *tests]
        environment = {**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                return process.wait(timeout_s) != 0
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                return True

    def kills(self, mutant: Mutant, tests: tuple[str, ...], timeout_s: float) -> bool:
        """Return whether a test fails for a mutant, and restore the copy."""
        path = self.root / mutant.path
        original = path.read_text("utf-8")
        path.write_text(mutant.source(original), "utf-8")
        try:
            return self.fails(tests, timeout_s)
        finally:
            path.write_text(original, "utf-8")


def main() -> None:
    """Run a sample and print the mutants that survive."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--package", action="append", choices=sorted(TESTS), help="package; repeatable [default: all]")
    parser.add_argument("--sample", type=int, default=40, metavar="N", help="mutants to run [default: 40]")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample [default: 0]")
    parser.add_argument("--least", type=float, metavar="SHARE", help="exit with 1 if fewer are killed, such as 0.9")
    options = parser.parse_args()
    packages = options.package or sorted(TESTS)
    population = [(package, mutant) for package in packages for mutant in package_mutants(package)]
    sample = random.Random(options.seed).sample(population, min(options.sample, len(population)))  # noqa: S311
    print(f"{len(sample)} of {len(population)} mutants of {', '.join(packages)}", flush=True)
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Copy(Path(folder))
        limits: dict[str, float] = {}
        for package in sorted({package for package, _ in sample}):
            began = time.monotonic()
            if copy.fails(TESTS[package], 3600):
                raise SystemExit(f"the tests of {package} fail without any mutant")
            limits[package] = 3 * (time.monotonic() - began) + 10
            print(f"{package}: its tests take {time.monotonic() - began:.0f} s", flush=True)
        for package, mutant in sorted(sample, key=lambda one: (one[0], one[1].path, one[1].line)):
            killed = copy.kills(mutant, TESTS[package], limits[package])
            print(f"{'killed  ' if killed else 'SURVIVED'} {mutant.path}:{mutant.line} {mutant.kind}", flush=True)
            if not killed:
                survivors.append(mutant)
        for mutant in survivors:
            print(f"\n{mutant.path}:{mutant.line}\n{mutant.diff((copy.root / mutant.path).read_text('utf-8'))}")
    share = 1 - len(survivors) / max(1, len(sample))
    print(f"killed {len(sample) - len(survivors)} of {len(sample)} ({share:.0%})")
    if options.least is not None and share < options.least:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
