"""The tables by which kernels colour codes in a style."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.kernel.code_tables import MAX_STEPS, output_table

if TYPE_CHECKING:
    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.render.style import Style


def make_tables(style: Style, packing: Packing) -> None:
    """Make the tables of a style, so that its first tile finds them in the cache of tables.

    Args:
        style: The style.
        packing: Of the codes that it is to colour; of others than 8- and 16-bit ones nothing is made ahead.
    """
    if packing.has_table and len(style.palette.conversion.steps) <= MAX_STEPS:
        output_table(style.palette, packing)
