"""Arithmetic over the variables of one dataset: ``a - b``, ``sqrt(u**2 + v**2)``, ``where(mask == 1, sst, nan)``.

``ast`` parses the text, and only a short list of nodes and functions is accepted; nothing is ever evaluated as Python.
Length, number of nodes and depth are bounded, so that an absurd expression is refused before any work.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.array_backend import array_module, to_device_of
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.request_field import RequestField

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

MAX_LENGTH = 256
MAX_NODES = 96
MAX_VARIABLES = 8
MAX_NUMBER = 1e300

_UNARY = {ast.USub: "negative", ast.UAdd: "positive"}
_BINARY = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "pow",
    ast.Mod: "remainder",
}
_COMPARE = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
_FUNCTIONS = {
    "abs": ("abs", 1),
    "sqrt": ("sqrt", 1),
    "exp": ("exp", 1),
    "log": ("log", 1),
    "log10": ("log10", 1),
    "sin": ("sin", 1),
    "cos": ("cos", 1),
    "tan": ("tan", 1),
    "hypot": ("hypot", 2),
    "arctan2": ("atan2", 2),
    "degrees": ("degrees", 1),
    "radians": ("radians", 1),
    "minimum": ("minimum", 2),
    "maximum": ("maximum", 2),
    "where": ("where", 3),
}
_ANGLES = {"degrees": 180.0 / math.pi, "radians": math.pi / 180.0}
_CONSTANTS = {"pi": 3.141592653589793, "nan": float("nan")}


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. Build it with ``parse``."""

    text: str
    """Canonical spelling: equal expressions have equal texts."""
    variables: tuple[str, ...]
    """Names of the variables it uses, sorted."""

    @classmethod
    def parse(cls, text: str, known: frozenset[str]) -> Expression:
        """Parse and check an expression over the variables of a dataset.

        Args:
            text: The expression.
            known: Names of the variables.

        Returns:
            The expression in canonical spelling.

        Raises:
            InvalidParameterError: The text is no expression, or uses what is not allowed.
        """
        if len(text) > MAX_LENGTH:
            raise _refusal(f"an expression has at most {MAX_LENGTH} characters, got {len(text)}")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise _refusal(f"{text!r} is not an expression") from error
        nodes = sum(1 for _ in ast.walk(tree))
        if nodes > MAX_NODES:
            raise _refusal(f"an expression has at most {MAX_NODES} parts, got {nodes}")
        names: set[str] = set()
        _check(tree, known, names)
        if not names:
            raise _refusal(f"an expression uses at least one of the variables {', '.join(sorted(known))}")
        if len(names) > MAX_VARIABLES:
            raise _refusal(f"an expression uses at most {MAX_VARIABLES} variables, got {len(names)}")
        return cls(ast.unparse(tree), tuple(sorted(names)))

    def evaluate(self, values: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Compute the expression on arrays.

        Args:
            values: Arrays of equal shape by name of the variable, float64; NaN where there is no data.

        Returns:
            Same shape, float64; NaN where a variable that counts has no data, or the result is not finite.
        """
        xp = array_module(next(iter(values.values())))
        tree = ast.parse(self.text, mode="eval").body
        result = _value(tree, values, xp)
        some = next(iter(values.values()))
        result = result + xp.zeros_like(some)
        return xp.where(xp.isfinite(result), result, xp.nan)  # type: ignore[no-any-return]


def _refusal(text: str) -> InvalidParameterError:
    return InvalidParameterError(RequestField.EXPRESSION, text)


def _check(node: ast.expr, known: frozenset[str], names: set[str]) -> None:  # noqa: C901 - a case for each node
    match node:
        case ast.Constant(value=int() | float() as number) if (
            not isinstance(number, bool) and abs(number) <= MAX_NUMBER
        ):
            parts: list[ast.expr] = []
        case ast.Name(id=name):
            parts = []
            if name in known:
                names.add(name)
            elif name not in _CONSTANTS:
                raise _refusal(f"an expression knows no {name!r}, it may use {', '.join(sorted(known))}")
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            parts = [operand]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            parts = [left, right]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            parts = [left, right]
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in _FUNCTIONS:
            wanted = _FUNCTIONS[name][1]
            if len(parts) != wanted:
                raise _refusal(f"{name} takes {wanted} values, got {len(parts)}")
        case _:
            allowed = "+ - * / % ** < <= > >= == !=, numbers, pi, nan, " + ", ".join(sorted(_FUNCTIONS))
            raise _refusal(f"{ast.unparse(node)[:60]!r} is not allowed in an expression, allowed are {allowed}")
    for part in parts:
        _check(part, known, names)


def _value(node: ast.expr, values: Mapping[str, NDArray[Any]], xp: Any) -> Any:  # noqa: PLR0911 - a case for each node
    """Compute a node that ``_check`` has passed."""
    match node:
        case ast.Constant(value=number):
            return _constant(number, values)
        case ast.Name(id=name):
            return values[name] if name in values else _constant(_CONSTANTS[name], values)
        case ast.UnaryOp(op=op, operand=operand):
            return _call(_UNARY[type(op)], (operand,), values, xp)
        case ast.BinOp(left=left, op=op, right=right):
            return _call(_BINARY[type(op)], (left, right), values, xp)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            # 1 or 0 as numbers; no data where either side has none.
            sides = _value(left, values, xp), _value(right, values, xp)
            truth = getattr(xp, _COMPARE[type(op)])(*sides)
            return xp.where(xp.isnan(sides[0]) | xp.isnan(sides[1]), xp.nan, xp.astype(xp.asarray(truth), xp.float64))
        case ast.Call(func=ast.Name(id="where"), args=[condition, *choices]):
            test = _value(condition, values, xp)
            yes, no = (_value(choice, values, xp) for choice in choices)
            return xp.where(xp.isnan(test), xp.nan, xp.where(test != 0, yes, no))
        case ast.Call(func=ast.Name(id=name), args=[angle]) if name in _ANGLES:
            return _value(angle, values, xp) * _ANGLES[name]
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(_FUNCTIONS[name][0], tuple(arguments), values, xp)
    raise AssertionError(f"{ast.dump(node)} was not checked")


def _constant(number: Any, values: Mapping[str, NDArray[Any]]) -> Any:
    """Return a number as a float64 of the arrays' library: Python's own numbers overflow with an exception."""
    return to_device_of(np.float64(number), next(iter(values.values())))  # type: ignore[arg-type]


def _call(name: str, arguments: tuple[ast.expr, ...], values: Mapping[str, NDArray[Any]], xp: Any) -> Any:
    function: Callable[..., Any] = getattr(xp, name)
    return function(*(_value(argument, values, xp) for argument in arguments))
