"""A request to an SDAP server as a netCDF file, fetched window by window, so that a kill loses at most one window."""

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
    request: NexusRequest, target: Path, source: str, options: HttpOptions, progress: Progress | None = None
) -> None:
    """Write the points that a server has for a request to a netCDF file.

    Windows are stored beside the file until it is complete.

    Args:
        request: Dataset, boxes and times.
        target: The file.
        source: URL of the request, for the file's attributes and errors.
        options: How to fetch.
        progress: Called with the bytes so far and None.

    Raises:
        SourceError: The server refuses, or its points do not lie on a grid.
    """
    folder = target.parent
    fetched = {
        int(match[1]): (int(match[2]), path) for path in folder.iterdir() if (match := _WINDOW.fullmatch(path.name))
    }
    windows: list[Path] = []
    start = request.start
    while start in fetched and fetched[start][0] <= request.end:
        windows.append(fetched[start][1])
        start = fetched[start][0] + 1
    reader = NexusReader(request, options)
    for first, last, points in reader.windows(start):
        path = folder / f".window-{first}-{last}.npz"
        points.save(path)
        windows.append(path)
        if progress is not None:
            progress(reader.done_bytes, None)
    write_grid(windows, target, request.dataset, source)
    discard_windows(folder)


def discard_windows(folder: Path) -> None:
    """Remove the windows of an incomplete file.

    Args:
        folder: Of the file.
    """
    for path in folder.iterdir():
        if _WINDOW.fullmatch(path.name):
            path.unlink()
