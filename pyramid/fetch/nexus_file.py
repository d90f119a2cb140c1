"""Bringing a request to an SDAP server to a netCDF file, window by window, so that a kill loses one window at most."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.pyramid.fetch.nexus_grid import write_grid
from lazytile.pyramid.fetch.nexus_request import NexusReader, NexusRequest

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.fetch.http_client import HttpOptions
    from lazytile.pyramid.fetch.transfer import Progress

_WINDOW = re.compile(r"\.window-(-?\d+)-(-?\d+)\.npz")


def fetch_grid(
    request: NexusRequest, target: Path, source: str, fetching: HttpOptions, progress: Progress | None = None
) -> None:
    """Write what a server has for a request to ``target``; windows are kept beside it until it is finished.

    Raises ``SourceError`` where the server refuses or its points make no grid.
    """
    folder = target.parent
    kept = {
        int(match[1]): (int(match[2]), path) for path in folder.iterdir() if (match := _WINDOW.fullmatch(path.name))
    }
    windows: list[Path] = []
    start = request.start
    while start in kept and kept[start][0] <= request.end:
        windows.append(kept[start][1])
        start = kept[start][0] + 1
    reader = NexusReader(request, fetching)
    for first, last, points in reader.windows(start):
        path = folder / f".window-{first}-{last}.npz"
        points.save(path)
        windows.append(path)
        if progress is not None:
            progress(reader.done_bytes, None)
    write_grid(windows, target, request.dataset, source)
    discard_windows(folder)


def discard_windows(folder: Path) -> None:
    """Remove what was begun."""
    for path in folder.iterdir():
        if _WINDOW.fullmatch(path.name):
            path.unlink()
