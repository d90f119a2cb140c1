"""Which variables of a source become layers, and what the layers are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_BARRED = re.compile(r"[^A-Za-z0-9_-]+")


def layer_names(members: Sequence[tuple[str, str]], reserved: set[str]) -> dict[tuple[str, str], str]:
    """Return the name of the layer that each variable becomes.

    It is the variable's name in letters, digits, ``_`` and ``-``, preceded by its groups where another layer has it.

    Args:
        members: Group and name of each variable.
        reserved: Names that the store needs for something else; a layer gets a ``_`` after such a name.

    Returns:
        Name of the layer by group and name of the variable.
    """
    names: dict[tuple[str, str], str] = {}
    for path, name in members:
        parts = [*path.strip("/").split("/"), name]
        candidate = ""
        for start in range(len(parts) - 1, -1, -1):
            candidate = _BARRED.sub("_", "_".join(part for part in parts[start:] if part)).strip("_") or "variable"
            if candidate not in names.values():
                break
        while candidate in names.values() or candidate in reserved:
            candidate += "_"
        names[path, name] = candidate
    return names


def selected_members(
    members: Sequence[tuple[str, str]],
    names: Mapping[tuple[str, str], str],
    wanted: Sequence[str] | None,
    refusals: Mapping[str, str],
) -> list[tuple[str, str]]:
    """Return the variables that the user selects.

    Args:
        members: Group and name of each variable on the grid.
        names: Layer of each variable.
        wanted: Names of variables or layers, with or without their group; None or empty for all.
        refusals: Why other variables are left out, by name.

    Returns:
        Group and name of each variable selected, in the order of ``wanted``.

    Raises:
        SourceError: A name fits no variable on the grid.
    """
    if not wanted:
        return list(members)
    taken: list[tuple[str, str]] = []
    for name in dict.fromkeys(wanted):
        match = [
            member for member in members if name in (member[1], names[member], f"{member[0].rstrip('/')}/{member[1]}")
        ]
        if not match:
            reason = f" ({refusals[name]})" if name in refusals else ""
            raise SourceError(
                f"there is no layer {name!r}{reason}; the variables on the grid are {listed(names.values())}"
            )
        taken.append(match[0])
    return taken


def listed(names: Iterable[str]) -> str:
    """Return names as a text for messages.

    Args:
        names: Of variables or layers.

    Returns:
        The names, separated by commas.
    """
    return ", ".join(names)
