"""One packing for all files of a series, whose codes may be packed differently in each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.recoding import Recoding, common_packing
from lazytile.pyramid.sources.source_variable import without_packing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.sources.source_variable import SourceVariable


def recoded(variables: Sequence[SourceVariable]) -> tuple[list[SourceVariable], list[str]]:
    """Return one variable of several files in one packing.

    Args:
        variables: The variable as each file has it.

    Returns:
        The variables, all of the packing that holds the values of every file, and what there is to say about it.

    Raises:
        SourceError: Classes are packed differently, so that a code would change its meaning.
    """
    packings = [each.variable.packing for each in variables]
    target = common_packing(packings)
    if all(each == target for each in packings):
        return list(variables), []
    first = variables[0].variable
    if first.time is None:
        return list(variables), []  # it comes from the first file
    if first.is_classes and any((each.scale_factor, each.add_offset) != (1.0, 0.0) for each in packings):
        raise SourceError(f"the packing of {first.name} differs from file to file, and it names classes")
    count = len(set(packings))
    remark = f"{first.name} is packed in {count} ways in its files; stored as {_text(target)}, which loses nothing"
    return [with_packing(each, target) for each in variables], [remark]


def with_packing(variable: SourceVariable, target: Packing) -> SourceVariable:
    """Return a variable whose codes are stored in another packing.

    Args:
        variable: Of a source.
        target: A packing that holds all its values.

    Returns:
        The variable.
    """
    own, placement = variable.variable, variable.placement
    if own.packing == target:
        return variable
    recoding = placement.recodings[0] if placement.recodings else None
    steps = (own.packing,) if recoding is None else recoding.steps
    axis = 0 if recoding is None else recoding.axis
    return replace(
        variable,
        variable=replace(own, packing=target, attributes=without_packing(own.attributes)),
        placement=replace(placement, recodings=(Recoding(target, steps, axis),)),
    )


def _text(packing: Packing) -> str:
    scale = f" x {packing.scale_factor:.10g}" if packing.scale_factor != 1.0 else ""
    offset = f" + {packing.add_offset:.10g}" if packing.add_offset != 0.0 else ""
    return f"{packing.dtype}{scale}{offset}"
