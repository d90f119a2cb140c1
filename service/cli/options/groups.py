"""Groups of options: a command takes a dataclass, and each of its fields becomes an option."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command for Typer in which dataclass parameters are replaced by their fields.

    Args:
        command: A command. A parameter annotated with a dataclass is keyword-only and needs no default.

    Returns:
        The command with a flat signature; it builds the dataclasses and calls ``command`` with them.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and dataclasses.is_dataclass(hint)}
    parameters = [
        flat
        for name, parameter in inspect.signature(command).parameters.items()
        for flat in (_fields(groups[name]) if name in groups else [parameter.replace(annotation=hints[name])])
    ]

    @functools.wraps(command)
    def flattened(**values: Any) -> None:
        for name, group in groups.items():
            built = group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})
            values[name] = built
        command(**values)

    flattened.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flattened.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flattened


def _fields(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in dataclasses.fields(group):
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
