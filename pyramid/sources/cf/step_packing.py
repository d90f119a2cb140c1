"""Packings that differ along a dimension: a scale factor or an offset for each band or step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf.codes import numbers_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = ("scale_factor", "add_offset")


def step_attributes(attributes: Mapping[str, Any], sizes: Mapping[str, int]) -> tuple[str, list[dict[str, Any]]] | None:
    """Return the attributes of each step of the dimension along which the packing differs.

    Args:
        attributes: Of the variable.
        sizes: Length of each leading dimension by name.

    Returns:
        Name of the dimension, and the attributes of each of its steps; None where there is one packing.

    Raises:
        SourceError: The numbers of scales or offsets fit no dimension or several, or they are not numbers.
    """
    lists = {name: numbers_of(attributes, name) for name in _NAMES}
    counts = {len(numbers) for numbers in lists.values() if len(numbers) > 1}
    if not counts:
        return None
    longest = next(name for name in _NAMES if len(lists[name]) > 1)
    what = f"its {longest} has {len(lists[longest])} numbers"
    if len(counts) > 1:
        raise SourceError(f"{what} and its add_offset {len(lists['add_offset'])}")
    (count,) = counts
    dims = [dim for dim, size in sizes.items() if size == count]
    if len(dims) != 1:
        lengths = ", ".join(f"{dim} {size}" for dim, size in sizes.items()) or "none"
        raise SourceError(f"{what}, which fit {'several' if dims else 'no'} dimensions ({lengths})")
    steps: list[dict[str, Any]] = []
    for step in range(count):
        own = {name: numbers[step % len(numbers)] for name, numbers in lists.items() if numbers}
        steps.append({**attributes, **own})
    return dims[0], steps
