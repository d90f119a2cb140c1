"""The name that a dataset is given where nobody names it: short, from that of its file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.pyramid.fetch.source_url import base_name

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 32
"""Characters of a proposed name at most: it becomes the identifier of layers."""
_SUFFIXES = re.compile(r"(?:\.(?:nc4?|cdf|hdf5?|h5|he5|zarr|tiff?|npy|npz|grib2?|grb2?))+$", re.IGNORECASE)
_PASSING = re.compile(r"[sce]?[0-9]{6,}(?:t[0-9]*z?)?|f?v[0-9]+[a-z]?|[0-9]+", re.IGNORECASE | re.ASCII)
"""Parts of a long file name that differ from file to file: times and versions."""


def dataset_name(path: str | Path) -> str:
    """Derive a dataset's name from a file's.

    Args:
        path: A path or URL.

    Returns:
        Its stem in letters, digits, ``_`` and ``-``. A long one is cut to its first parts, without times and versions.
    """
    stem = _safe(_SUFFIXES.sub("", base_name(path)))
    if len(stem) > LONGEST:
        parts = re.split(r"([-_.]+)", _SUFFIXES.sub("", base_name(path)))
        words = [(parts[at - 1] if at else "", word) for at, word in enumerate(parts) if at % 2 == 0 and word]
        kept = [(mark, word) for mark, word in words if not _PASSING.fullmatch(word)] or words
        stem = ""
        for mark, word in kept:
            longer = _safe(f"{stem}{mark if stem else ''}{word}")
            if len(longer) > LONGEST:
                break
            stem = longer
        stem = stem or _safe(kept[0][1][:LONGEST])
    return stem or "dataset"


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")
