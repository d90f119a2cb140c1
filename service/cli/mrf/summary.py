"""What an export as MRF prints at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.mrf.export import ExportedMrf


def print_summaries(summaries: Iterable[ExportedMrf]) -> None:
    """Print a line for each MRF.

    Args:
        summaries: What was written.
    """
    for summary in summaries:
        state = "was there already" if summary.was_complete else f"{summary.seconds:.1f} s"
        shared = f", {summary.shared_tiles} shared" if summary.shared_tiles else ""
        typer.echo(
            f"{summary.path}: {summary.tiles} tiles, {summary.empty_tiles} of them empty{shared}, "
            f"{summary.data_bytes / 1e6:.1f} MB, {state}"
        )
