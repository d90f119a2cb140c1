"""The mutants of ``scripts/mutants.py`` differ from the source in one thing each."""

from __future__ import annotations

import ast

import pytest

from scripts.mutants import ROOT, TESTS, mutants_of, package_mutants


def texts(source: str) -> list[str]:
    return [mutant.source(source) for mutant in mutants_of("a.py", source)]


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        ("x = a < b", ["x = (a <= b)"]),
        ("x = a <= b != c", ["x = (a < b != c)", "x = (a <= b == c)"]),
        ("x = a is None", ["x = (a is not None)"]),
        ("x = a + b", ["x = (a - b)"]),
        ("x = a and b", ["x = (a or b)"]),
        ("LIMIT = 96", ["LIMIT = (97)", "LIMIT = (95)"]),
        ("TOLERANCE = 0.5", ["TOLERANCE = (1.5)", "TOLERANCE = (-0.5)"]),
        ("if a:\n    f()", ["if (not a):\n    f()", "if a:\n    pass"]),
        ("def f():\n    return a", ["def f():\n    return None"]),
        ("async def f():\n    await g()", ["async def f():\n    pass"]),
        ("é = 'é'; x = a < b", ["é = 'é'; x = (a <= b)"]),
        ("x = (a <\n     b)", ["x = ((a <= b))"]),
    ],
)
def test_one_thing_is_changed(source, mutants):
    assert texts(source) == mutants


@pytest.mark.parametrize(
    "source",
    [
        '"""2 < 3"""',
        "x: int | None = None",
        "def f(a: int | str) -> int | None: ...",
        "raise ValueError(1 + 2)",
        "if TYPE_CHECKING:\n    import a",
        "_log.warning('x')",
        "def f():\n    return None",
        "flag = True",
    ],
)
def test_what_decides_nothing_is_left_alone(source):
    assert texts(source) == []


@pytest.mark.parametrize("package", TESTS)
def test_every_mutant_of_the_core_is_python(package):
    assert all((ROOT / test).exists() for test in TESTS[package])
    mutants = package_mutants(package)
    assert mutants
    for mutant in mutants[::29]:
        original = (ROOT / mutant.path).read_text()
        ast.parse(mutant.source(original))
        assert mutant.diff(original)
