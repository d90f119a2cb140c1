"""What an export as MRF prints at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lazytile.service.cli.options.common import counted, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.streams.progress import ExportedMrf


def print_summaries(summaries: Iterable[ExportedMrf], *, as_json: bool = False) -> None:
    """Print a line for each MRF, or one JSON object.

    Args:
        summaries: What was written.
        as_json: Whether to print JSON.
    """
    if as_json:
        files = [
            {
                "file": each.path,
                "tiles": each.tiles,
                "empty": each.empty_tiles,
                "shared": each.shared_tiles,
                "data_bytes": each.data_bytes,
                "seconds": round(each.seconds, 3),
                "was_complete": each.was_complete,
            }
            for each in summaries
        ]
        print_json(files=files)
        return
    for summary in summaries:
        state = "was there already" if summary.was_complete else f"{summary.seconds:.1f} s"
        shared = f", {summary.shared_tiles} shared" if summary.shared_tiles else ""
        typer.echo(
            f"{summary.path}: {counted(summary.tiles, 'tile')}, {summary.empty_tiles} of them empty{shared}, "
            f"{summary.data_bytes / 1e6:.1f} MB, {state}"
        )
