"""The rules for docstrings and modules, as functions from source to a list of complaints."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("colormaps", "pyramid", "service", "lazytile")
MAX_LINES = 330
NOT_A_VERB = re.compile(
    r"`|(an?|the|th(is|at|ese|ose)|its?|one|each|every|all|any|both|no|number|what|which|who(se)?|when|where|whether|how"
    r"|why|if|as|for|from|in|of|on|to|with(out)?|there)\b",
    re.IGNORECASE,
)
"""Openings of summaries that describe a thing and command nothing."""
BANNED = re.compile(r"(Tell|Say|Take apart|Give|Bring)s?\b")
SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Attributes|Examples?|Notes?|References?|Warns|See Also|Todo):\s*$")
ITEM = re.compile(r"^( +)(\*{0,2}[A-Za-z_][\w.]*)(?: \([^)]*\))?:(?: |$)")
NOTHING = frozenset({"None", "NoReturn", "Never", "typing.NoReturn", "typing.Never"})


@dataclass(frozen=True, slots=True)
class Function:
    """A public function or method of a module."""

    node: ast.FunctionDef | ast.AsyncFunctionDef
    name: str
    """Dotted within the module: ``Class.method``."""
    implements: bool = False
    """A method of a class whose docstring refers to a ``Protocol``."""


def module_files() -> dict[str, Path]:
    """Return every module of the project by its path from the root."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts]
    # lazytile/ holds symlinks to the other folders, which rglob follows on some versions of Python.
    return {str(path.relative_to(ROOT)): path for path in sorted(files) if not _behind_a_link(path)}


def _behind_a_link(path: Path) -> bool:
    return any(parent.is_symlink() for parent in path.relative_to(ROOT).parents if (ROOT / parent).is_symlink())


def public_functions(tree: ast.AST, prefix: str = "", *, implements: bool = False) -> Iterator[Function]:
    """Yield the public functions and methods of a module, including those of nested classes."""
    for node in getattr(tree, "body", []):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_"):
                yield Function(node, prefix + node.name, implements)
        elif isinstance(node, ast.ClassDef):
            if not node.name.startswith("_"):
                refers = re.search(r"See ``\w+``", ast.get_docstring(node) or "") is not None
                yield from public_functions(node, f"{prefix}{node.name}.", implements=refers)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from public_functions(node, prefix, implements=implements)


def sections(docstring: str) -> dict[str, str]:
    """Return the text of each section of a Google-style docstring by its heading."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in docstring.splitlines():
        if heading := SECTION.match(line):
            current = found.setdefault(heading[1], [])
        elif line and not line.startswith(" "):
            current = None
        elif current is not None:
            current.append(line)
    return {name: "\n".join(lines) for name, lines in found.items() if any(lines)}


def items(section: str) -> set[str]:
    """Return the names that a section explains: its least indented lines of the form ``name: text``."""
    lines = [line for line in section.splitlines() if line.strip()]
    indent = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    matches = [ITEM.match(line) for line in lines]
    return {match[2].lstrip("*") for match in matches if match and len(match[1]) == indent}


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the names of a function's parameters except ``self`` and ``cls``."""
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {one.arg for one in every if one is not None and one.arg not in {"self", "cls"} and one.arg != "_"}


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the last names of a function's decorators: ``cached_property``, ``setter``, ``overload``."""
    return {
        ast.unparse(one.func if isinstance(one, ast.Call) else one).rsplit(".", maxsplit=1)[-1]
        for one in node.decorator_list
    }


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, except those of nested functions and classes."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield child
            yield from own_nodes(child)


def raised(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the exception classes that a function raises by name, except those that it catches itself."""
    caught: set[ast.Raise] = set()
    for one in own_nodes(node):
        if isinstance(one, ast.Try):
            names = {name for handler in one.handlers for name in _class_names(handler.type)}
            for statement in one.body:
                caught |= {inner for inner in _raises(statement) if set(_class_names(inner.exc)) & names}
    return {name for one in _raises(node) if one not in caught for name in _class_names(one.exc)}


def _raises(node: ast.AST) -> list[ast.Raise]:
    inside = [one for one in own_nodes(node) if isinstance(one, ast.Raise)]
    return [*inside, node] if isinstance(node, ast.Raise) else inside


def _class_names(expression: ast.expr | None) -> list[str]:
    if isinstance(expression, ast.Tuple):
        return [name for element in expression.elts for name in _class_names(element)]
    if isinstance(expression, ast.Call):
        expression = expression.func
    if isinstance(expression, ast.Name | ast.Attribute):
        name = ast.unparse(expression).rsplit(".", maxsplit=1)[-1]
        return [name] if name[:1].isupper() else []
    return []


def complaints_about(function: Function, *, is_command: bool = False) -> list[str]:
    """Return what is wrong with the docstring of one public function."""
    node, marks = function.node, decorators(function.node)
    if marks & {"overload", "setter", "deleter"}:
        return []
    where = f"{node.lineno}: {function.name}"
    docstring = ast.get_docstring(node)
    if not docstring:
        return [f"{where} has no docstring"]
    is_property = any(mark.endswith("property") for mark in marks)
    names = parameters(node)
    complaints = _summary(docstring, is_property=is_property)
    if not (is_command or function.implements or names == {"request"}):
        parts = sections(docstring)
        complaints += _raises_section(node, parts)
        if names and not is_property:
            complaints += _args_and_returns(node, names, parts, generates="contextmanager" in " ".join(marks))
    return [f"{where}: {complaint}" for complaint in complaints]


def _summary(docstring: str, *, is_property: bool) -> list[str]:
    lines = docstring.splitlines()
    complaints = []
    if not lines[0].endswith(".") or (len(lines) > 1 and lines[1].strip()):
        complaints.append("the summary is one line that ends with a full stop")
    if not is_property and NOT_A_VERB.match(lines[0]):
        complaints.append(f"the summary begins with {lines[0].split()[0]!r}, no verb in the imperative")
    return complaints


def _raises_section(node: ast.FunctionDef | ast.AsyncFunctionDef, parts: dict[str, str]) -> list[str]:
    missing = raised(node) - {name.rsplit(".", maxsplit=1)[-1] for name in items(parts.get("Raises", ""))}
    return [f"Raises leaves out {name}" for name in sorted(missing)]


def _args_and_returns(
    node: ast.FunctionDef | ast.AsyncFunctionDef, names: set[str], parts: dict[str, str], *, generates: bool
) -> list[str]:
    explained = items(parts.get("Args", ""))
    complaints = [f"Args leaves out {name}" for name in sorted(names - explained)]
    complaints += [f"Args names {name}, which is no parameter" for name in sorted(explained - names)]
    returns = "None" if node.returns is None else ast.unparse(node.returns).strip("'\"")
    generates = generates or any(isinstance(one, ast.Yield | ast.YieldFrom) for one in own_nodes(node))
    if generates and re.search(r"\[(None|None, .*)\]$", returns) and "Generator" not in returns:
        return complaints
    if returns not in NOTHING and not {"Returns", "Yields"} & parts.keys():
        complaints.append("Yields is missing" if generates else "Returns is missing")
    return complaints


def banned_openings(tree: ast.AST) -> list[str]:
    """Return the docstrings, private ones too, that begin with one of the banned words."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [(node, ast.get_docstring(node)) for node in ast.walk(tree) if isinstance(node, documented)]
    return [
        f"{getattr(node, 'lineno', 1)}: {getattr(node, 'name', 'module')}: the docstring begins with {match[0]!r}"
        for node, docstring in found
        if docstring and (match := BANNED.match(docstring))
    ]


def complaints_of(source: str, commands: frozenset[str] = frozenset()) -> list[str]:
    """Return what is wrong with one module, each with its line; ``commands`` are the names of its CLI commands."""
    tree = ast.parse(source)
    lines = source.count("\n")
    found = [f"1: {lines} lines, {MAX_LINES} are allowed"] if lines > MAX_LINES else []
    for function in public_functions(tree):
        found += complaints_about(function, is_command=function.name in commands)
    return found + banned_openings(tree)
