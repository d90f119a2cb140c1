"""What the tests themselves must not do.

A test that imports a limit and compares with it passes whatever the limit is: the number stands in the test.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
ALLOWED = {
    "lazytile.pyramid.core.caches.SHARES": "their sum and their names are what is checked",
    "lazytile.pyramid.engines.cuda.CUDA_ARGUMENTS": "an argument is added to them",
    "lazytile.service.http.reply.CODINGS": "one of them is taken away",
    "lazytile.colormaps.legends.layout.INKS": "each colour of text and lines is checked for its contrast",
    "lazytile.colormaps.library.catalog.BUNDLED": "the folder of the files that are checked",
    "lazytile.colormaps.library.online.DEFAULT_SOURCES": "compared with addresses written in the test",
    "lazytile.pyramid.catalog.tile_options.NAMES": "each name is looked for in the documents, and among reserved ones",
    "lazytile.pyramid.tiling.tms.METRES_PER_DEGREE": "a unit that pixels are asked in; the answers are in the test",
    "lazytile.pyramid.tiling.tms.REGISTERED": "the sets themselves are what is checked",
    "lazytile.service.app.viewer_page.VIEWER": "the folder of the page",
    "lazytile.service.featureinfo.formats.INFO_FORMATS": "each format is fuzzed",
    "lazytile.service.ogcapi.operations.OPERATIONS": "compared with the routes that there are",
    "lazytile.service.protocol.context.APP_CONTEXT": "a key of the application",
    "lazytile.service.protocol.tile_address.KVP_NAMES": "compared with the names that dimensions may not have",
}
"""Constants that tests may import, with the reason."""


def constants(source: str) -> set[str]:
    """Return the constants of lazytile that a source reads: imported by name, or as an attribute of a module."""
    tree = ast.parse(source)
    found: set[str] = set()
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lazytile":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if CONSTANT.fullmatch(alias.name):
                    found.add(full)
                else:
                    modules[alias.asname or alias.name] = full
        elif isinstance(node, ast.Import):
            modules |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        # Assigning to one, as to make a limit small, checks nothing by it.
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and CONSTANT.fullmatch(node.attr):
            value = ast.unparse(node.value)
            if (module := modules.get(value)) and module.rpartition(".")[2].islower():
                found.add(f"{module}.{node.attr}")
            elif value.startswith("lazytile."):
                found.add(f"{value}.{node.attr}")
    return found


SOURCES = sorted(path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))


def test_no_test_imports_the_constant_that_it_checks():
    wrong = {
        f"{path.relative_to(ROOT)} reads {name}: write its value"
        for path in SOURCES
        for name in constants(path.read_text()) - ALLOWED.keys()
    }
    assert sorted(wrong) == []


def test_every_allowed_constant_is_read():
    assert sorted(ALLOWED.keys() - set().union(*(constants(path.read_text()) for path in SOURCES))) == []


@pytest.mark.parametrize(
    "source",
    [
        "from lazytile.pyramid.render.expression import MAX_LENGTH",
        "def test():\n    from lazytile.pyramid.render.expression import MAX_LENGTH as most",
        "from lazytile.pyramid.render import expression\nassert len(text) == expression.MAX_LENGTH",
        "import lazytile.pyramid.render.expression as e\nassert len(text) == e.MAX_LENGTH",
        "import lazytile.pyramid.render.expression\nassert lazytile.pyramid.render.expression.MAX_LENGTH == 256",
    ],
)
def test_a_constant_is_seen_however_it_is_read(source):
    assert constants(source) == {"lazytile.pyramid.render.expression.MAX_LENGTH"}


@pytest.mark.parametrize(
    "source",
    [
        "from lazytile.pyramid.resampling.method import Resampling\nassert Resampling.MODE",
        "from lazytile.pyramid.render import expression\nexpression.MAX_LENGTH = 5",
        "from tests.data import CATALOGUE",
    ],
)
def test_members_of_classes_and_assignments_are_no_such_constants(source):
    assert constants(source) == set()


def cannot_fail(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a test has nothing that could fail, or asserts what is always so."""
    inside = [node for statement in function.body for node in ast.walk(statement)]
    checks = any(isinstance(node, ast.Assert | ast.Call | ast.Raise) for node in inside)
    return not checks or any(isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant) for node in inside)


def never_failing(source: str) -> list[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, functions) and node.name.startswith("test") and cannot_fail(node)
    ]


def test_every_test_can_fail():
    wrong = {str(path.relative_to(ROOT)): never_failing(path.read_text()) for path in SOURCES}
    assert {path: names for path, names in wrong.items() if names} == {}


@pytest.mark.parametrize("body", ["pass", "x = 1 + 1", "assert True", "assert f(), 'x'\n    assert 1"])
def test_a_test_that_cannot_fail_is_seen(body):
    assert never_failing(f"def test():\n    {body}") == ["test"]
    assert never_failing("def test():\n    assert f()") == []
