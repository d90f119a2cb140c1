"""Public functions document what they take, return and raise; modules stay short."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lazytile.service.cli.main import app
from tests.docstring_rules import ROOT, banned_openings, complaints_of, module_files

if TYPE_CHECKING:
    import typer

FILES = module_files()


def _callbacks(group: typer.Typer) -> list:
    below = [callback for one in group.registered_groups for callback in _callbacks(one.typer_instance)]
    return [*(command.callback for command in group.registered_commands), *below]


COMMANDS = {(callback.__module__, callback.__qualname__) for callback in _callbacks(app)}


def complaints(name: str) -> list[str]:
    module = ".".join(("lazytile", *Path(name).with_suffix("").parts))
    commands = frozenset(function for home, function in COMMANDS if home == module)
    return [f"{name}:{complaint}" for complaint in complaints_of(FILES[name].read_text(), commands)]


@pytest.mark.parametrize("name", FILES)
def test_the_module_follows_the_rules(name):
    assert complaints(name) == []


def test_no_docstring_of_tests_and_scripts_begins_with_a_banned_word():
    files = [path for folder in ("tests", "scripts") for path in (ROOT / folder).rglob("*.py")]
    wrong = [
        f"{path.relative_to(ROOT)}:{one}" for path in files for one in banned_openings(ast.parse(path.read_text()))
    ]
    assert wrong == []


def test_no_file_holds_a_note_of_work_to_do():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout: which files are the project's is unknown")
    marks = re.compile("|".join(rf"\b{first + last}\b" for first, last in (("TO", "DO"), ("FIX", "ME"), ("X", "XX"))))
    found = []
    for name in tracked.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if b"\0" in content[:8000]:
                continue  # as Git tells pictures from text: compressed bytes may spell anything
            text = content.decode("utf-8", "ignore")
            found += [f"{name}:{text.count(chr(10), 0, match.start()) + 1}" for match in marks.finditer(text)]
    assert found == []


GOOD = '''
def scaled(values, factor: float) -> list[float]:
    """Return the values times a factor.

    Args:
        values: Any numbers.
        factor: What each
            is multiplied with: a finite number.

    Returns:
        As many numbers.

    Raises:
        ValueError: The factor is not finite.
    """
    if factor != factor:
        raise ValueError(factor)
    return [value * factor for value in values]
'''


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (GOOD.split('"""')[1], "", "has no docstring"),
        ("Return the values times", "The values times", "no verb in the imperative"),
        ("Return the values", "Tell the values", "begins with 'Tell'"),
        ("factor.\n\n    Args", "factor\n\n    Args", "full stop"),
        ("        values: Any numbers.\n", "", "Args leaves out values"),
        ("def scaled(values", "def scaled(numbers", "Args leaves out numbers"),
        ("def scaled(values", "def scaled(numbers", "Args names values"),
        ("    Returns:\n        As many numbers.\n", "", "Returns is missing"),
        ("        ValueError: The", "        TypeError: The", "Raises leaves out ValueError"),
        ("raise ValueError(factor)", "raise core.ShapeError(factor)", "Raises leaves out ShapeError"),
        ("\ndef", "\n" * 320 + "def", "330 are allowed"),
    ],
)
def test_a_fault_is_seen(old, new, complaint):
    assert old in GOOD
    assert complaints_of(GOOD) == []
    assert any(complaint in line for line in complaints_of(GOOD.replace(old, new, 1)))


@pytest.mark.parametrize(
    "source",
    [
        'async def tile(request) -> Response:\n    """Answer a tile."""',
        'def _scaled(values) -> list:\n    """Scale."""',
        'class A:\n    def __eq__(self, other) -> bool:\n        """Compare."""',
        'class A:\n    """An engine. See ``Engine``."""\n\n    def run(self, task) -> int:\n        """Run a task."""',
        'class A:\n    @property\n    def size(self) -> int:\n        """The number of bytes."""',
        'class A:\n    def size(self) -> int:\n        """Return the number of bytes."""',
        'def f(a) -> None:\n    """Do.\n\n    Args:\n        a: It.\n    """\n    def g():\n        raise ValueError',
        'def f() -> None:\n    """Do."""\n    try:\n        raise ValueError\n    except ValueError:\n        pass',
    ],
)
def test_what_is_exempt_needs_only_a_summary(source):
    assert complaints_of(source) == []


def test_a_command_of_the_cli_is_exempt():
    source = 'def serve(port) -> None:\n    """Serve."""\n    raise ValueError'
    assert complaints_of(source, frozenset({"serve"})) == []
    assert len(complaints_of(source)) == 2


@pytest.mark.parametrize("name", ["size", "property"])
def test_what_is_exempt_from_arguments_still_names_what_it_raises(name):
    mark = "    @property\n" if name == "property" else ""
    source = f'class A:\n{mark}    def {name}(self) -> int:\n        """Return it."""\n        raise KeyError'
    assert len(complaints_of(source)) == 1


def test_the_openings_of_private_docstrings_count_too():
    assert (
        len(banned_openings(ast.parse('"""Says it."""\ndef _f():\n    """Take apart."""\ndef g():\n    """Givens."""')))
        == 2
    )
