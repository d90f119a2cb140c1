"""Inspecting an MRF: its header, its index, and every page of it, against the checksums beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.modmrf import MAX_TILE_BYTES, onearth_problems, onearth_settings
from lazytile.pyramid.mrf.reader import MrfReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lazytile.pyramid.mrf.model import MrfHeader

MAX_PROBLEMS = 100
"""Problems that are listed: a damaged index has as many as it has records."""


@dataclass(frozen=True, slots=True)
class MrfReport:
    """The findings of an inspection."""

    path: Path
    header: MrfHeader
    pages: int
    empty_pages: int
    shared_pages: int
    """Pages whose bytes another page has too."""
    data_bytes: int
    unused_bytes: int
    """Bytes of the data file that no page points to; OnEarth puts an empty tile there."""
    has_checksums: bool
    """Whether every page was compared with a checksum."""
    problems: tuple[str, ...]
    """One line each; none in a sound MRF."""
    onearth: str
    """The settings for OnEarth, in one line; empty where they were not requested."""


def inspect_mrf(
    path: Path, *, decode: bool = False, onearth: bool = False, progress: Callable[[int, int], None] | None = None
) -> MrfReport:
    """Check every record of an MRF, and every page that has a checksum.

    Args:
        path: Of the .mrf file.
        decode: Whether to decode every page as well.
        onearth: Whether to report what NASA's mod_mrf cannot serve, and how to configure it.
        progress: Called with the number of pages done and of all pages.

    Returns:
        The report, which lists what is wrong inside the MRF.

    Raises:
        MrfError: The files are no MRF.
    """
    with MrfReader(path, inspects=True) as mrf:
        header = mrf.header
        problems = [mrf.damage] if mrf.damage else []
        problems += onearth_problems(header, path) if onearth else ()
        found: dict[int, int] = {}
        empty = shared = 0
        largest = 0
        for done, (level, z, row, col, band) in enumerate(header.pages(), start=1):
            try:
                record = mrf.record(level.number, row, col, z=z, band=band)
                if decode:
                    mrf.pixels(level.number, row, col, z=z, band=band)
                elif mrf.has_checksums:
                    mrf.page(level.number, row, col, z=z, band=band)
            except MrfError as error:
                if len(problems) < MAX_PROBLEMS:
                    problems.append(str(error))
                continue
            finally:
                if progress is not None:
                    progress(done, header.records)
            if record.is_empty:
                empty += 1
                continue
            shared += record.offset in found
            found[record.offset] = max(record.size, found.get(record.offset, 0))
            largest = max(largest, record.size)
        if onearth and largest > MAX_TILE_BYTES:
            problems.append(f"{path}: a page has {largest} bytes, mod_mrf sends at most {MAX_TILE_BYTES}")
        used, overlaps = _used_bytes(found)
        if overlaps:
            problems.append(f"{path}: the bytes of {overlaps} pages overlap those of others")
        return MrfReport(
            path,
            header,
            header.records,
            empty,
            shared,
            mrf.data_bytes,
            mrf.data_bytes - used,
            mrf.has_checksums,
            tuple(problems),
            onearth_settings(header) if onearth else "",
        )


def _used_bytes(found: dict[int, int]) -> tuple[int, int]:
    """Return the number of bytes that pages cover, and how many pages overlap the one before."""
    used = overlaps = end = 0
    for offset in sorted(found):
        stop = offset + found[offset]
        overlaps += offset < end
        used += max(0, stop - max(end, offset))
        end = max(end, stop)
    return used, overlaps


def describe_header(header: MrfHeader) -> dict[str, str]:
    """Describe an MRF for people.

    Args:
        header: Of the MRF.

    Returns:
        Texts by property.
    """
    described = {
        "size": f"{header.size.cols} x {header.size.rows}" + (f" x {header.slices}" if header.slices > 1 else ""),
        "pages": f"{header.page.cols} x {header.page.rows} of {header.page_bands} of {header.bands} bands",
        "levels": ", ".join(f"{level.size.cols} x {level.size.rows}" for level in header.levels),
        "compression": header.compression.name,
        "type": header.dtype,
    }
    if header.nodata:
        described["no data"] = " ".join(f"{value:g}" for value in header.nodata)
    if header.palette:
        described["palette"] = f"{len(header.palette)} colours"
    if header.bounds is not None:
        edges = header.bounds
        described["bounds"] = f"{edges.west:.10g} {edges.south:.10g} {edges.east:.10g} {edges.north:.10g}"
    if header.projection:
        described["projection"] = header.projection.split("\n")[0][:100]
    return described | {name.replace("_", " "): value for name, value in header.notes}
