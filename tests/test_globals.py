"""No state at import: caches, pools, locks and registries belong to ``pyramid.core.process``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    path
    for folder in ("colormaps", "pyramid", "service", "lazytile")
    for path in (ROOT / folder).rglob("*.py")
    if "node_modules" not in path.parts and not (folder == "lazytile" and path.parent.name != "lazytile")
)

GLOBALS = {"pyramid/core/process.py:_lock", "pyramid/core/process.py:_process"}
"""The variables of the one module with state."""
REGISTERS = {
    "lazytile/__init__.py": "register_accessor()",  # of xarray objects
    "lazytile/__main__.py": "main()",
    "service/__main__.py": "main()",
}
"""What the other modules call at import that do."""
STATEFUL = {
    "BytesLru", "Caches", "Process", "SingleFlight", "OrderedDict", "defaultdict", "Counter", "deque", "ChainMap",
    "WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "LRUCache", "TTLCache", "ThreadPoolExecutor",
    "ProcessPoolExecutor", "Pool", "Thread", "Timer", "Queue", "SimpleQueue", "Lock", "RLock", "Semaphore",
    "BoundedSemaphore", "Condition", "Event", "local", "ContextVar", "Store", "Styles", "StyleCatalog",
    "CollectorRegistry",
}  # fmt: skip
EMPTY = {"dict", "list", "set", "bytearray"}
MUTATORS = {
    "append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear",
    "move_to_end", "appendleft", "__setitem__",
}  # fmt: skip


def name_of(node: ast.AST) -> str:
    """The last name of ``a.b.c`` or ``a``, also where it is called or indexed."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    if isinstance(node, ast.Subscript):
        return name_of(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def memos(tree: ast.AST) -> list[str]:
    """Functions whose results are cached by a decorator or a wrapper."""
    found = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(name_of(each) in {"lru_cache", "cache", "cached", "memoize"} for each in node.decorator_list)
    ]
    for statement in assignments(tree):
        if any(name_of(call) in {"lru_cache", "cache"} for call in calls_of(statement.value)):
            found += targets(statement)
    return found


def calls_of(value: ast.AST | None) -> list[ast.Call]:
    """Calls that run when a value is made: not those inside functions and lambdas."""
    found, waiting = [], [value]
    while waiting:
        node = waiting.pop()
        if node is None or isinstance(node, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Call):
            found.append(node)
        waiting += ast.iter_child_nodes(node)
    return found


def at_import(tree: ast.AST) -> list[ast.stmt]:
    """Statements that run at import, those of class bodies and branches too."""
    found, waiting = [], list(tree.body)
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        found.append(statement)
        for field in ("body", "orelse", "finalbody", "handlers"):
            waiting += getattr(statement, field, None) or []
    return found


def assignments(tree: ast.AST) -> list[ast.Assign | ast.AnnAssign]:
    return [each for each in at_import(tree) if isinstance(each, ast.Assign | ast.AnnAssign)]


def targets(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    nodes = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name)]


def classes_with_state(tree: ast.Module) -> set[str]:
    """Classes of the module whose instances change: of a base that does, or with an initializer of their own."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {
        node.name
        for node in classes
        if any(name_of(base) in STATEFUL for base in node.bases)
        or any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in node.body)
    }


def made_at_import(tree: ast.AST) -> list[str]:
    """Variables of modules and classes that hold something to be filled, locked or run."""
    found, stateful = [], STATEFUL | classes_with_state(tree)
    for statement in assignments(tree):
        value = statement.value
        is_empty = (isinstance(value, ast.Dict) and not value.keys) or (isinstance(value, ast.List) and not value.elts)
        is_empty = is_empty or (isinstance(value, ast.Call) and name_of(value) in EMPTY and not value.args)
        if is_empty or any(name_of(call) in stateful for call in calls_of(value)):
            found += targets(statement)
    return found


def changed_in_functions(tree: ast.Module) -> list[str]:
    """Return the variables of a module that its functions rebind or change in place."""
    names = {name for each in tree.body if isinstance(each, ast.Assign | ast.AnnAssign) for name in targets(each)}
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        bound = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
        bound |= {
            node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                found += node.names
            changed = None
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
                changed = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
                changed = node.func.value
            if isinstance(changed, ast.Name) and changed.id in names - bound:
                found.append(changed.id)
    return found


def run_at_import(tree: ast.Module) -> list[str]:
    """Calls at import for what they do, not for what they return. Those of ``if __name__`` do not run at import."""
    return [
        ast.unparse(each) for each in at_import(tree) if isinstance(each, ast.Expr) and isinstance(each.value, ast.Call)
    ]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nothing_is_made_or_run_at_import(path):
    name, tree = relative(path), ast.parse(path.read_text("utf-8"))
    state = {f"{name}:{each}" for each in (*made_at_import(tree), *changed_in_functions(tree))}
    assert state <= GLOBALS, "state belongs to pyramid.core.process"
    assert memos(tree) == [], "caches belong to the budget: process.cache and process.memo"
    registers = "app." if name.startswith("service/cli/") else REGISTERS.get(name)
    unexpected = [call for call in run_at_import(tree) if registers is None or not call.startswith(registers)]
    assert unexpected == [], "only commands are registered at import, as typer wants it"


def test_every_exception_is_needed():
    process = ast.parse((ROOT / "pyramid/core/process.py").read_text("utf-8"))
    assert {f"pyramid/core/process.py:{each}" for each in changed_in_functions(process)} < GLOBALS


@pytest.mark.parametrize(
    "source",
    [
        "cache = BytesLru(10, len)",
        "cache: BytesLru[bytes] = byte_lru.BytesLru(10, len)",
        "class A:\n    cache = BytesLru(10, len)",
        "if True:\n    lock = threading.Lock()",
        "registry: dict[str, int] = {}",
        "class A(threading.local): ...\nseen = A()",
        "class A:\n    def __init__(self):\n        self.seen = {}\nseen = A()",
        "names = []",
        "seen = set()",
        "table = {'a': 1}\ndef add(k):\n    table[k] = 2",
        "table = {'a'}\ndef add(k):\n    table.add(k)",
        "table = {'a': 1}\ndef drop(k):\n    del table[k]",
        "value = None\ndef change():\n    global value\n    value = 1",
        "pool = make(ThreadPoolExecutor(4))",
        "@functools.lru_cache(maxsize=1)\ndef f(): ...",
        "@cache\ndef f(): ...",
        "f = functools.lru_cache(g)",
        "class A:\n    @lru_cache\n    def f(self): ...",
        "use_one_thread()",
        "try:\n    start()\nexcept OSError:\n    pass",
    ],
)
def test_the_walk_sees_state(source):
    tree = ast.parse(source)
    assert made_at_import(tree) or changed_in_functions(tree) or memos(tree) or run_at_import(tree)


@pytest.mark.parametrize(
    "source",
    [
        "table = {'a': 1}\ndef read(k):\n    return table[k]",
        "names = ['a']\ndef f():\n    names = []\n    names.append(1)",
        "@dataclass\nclass A:\n    known: dict[str, int] = field(default_factory=dict)",
        "def f():\n    return BytesLru(10, len)",
        "make = lambda: BytesLru(10, len)",
        "size = len(frozenset({'a'}))",
    ],
)
def test_the_walk_leaves_constants_and_functions_alone(source):
    tree = ast.parse(source)
    assert [*made_at_import(tree), *changed_in_functions(tree), *memos(tree), *run_at_import(tree)] == []
