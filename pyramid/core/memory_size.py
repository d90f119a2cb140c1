"""Sizes of memory: parsing one, how much this machine has, and how much a chunk of a source may take."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from lazytile.pyramid.core.cgroups import MOUNT, cgroup_folders, own_membership
from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST_BYTES = 1 << 20
"""Anything smaller except 0 is more likely a forgotten unit than intended."""
DEFAULT_SHARE = 8
"""Caches take this fraction of the memory by default: one part in so many."""
CHUNK_BYTES = 1 << 30
"""Most bytes of an unpacked chunk of a source, by default. HDF5 allows 4 GiB."""
CHUNK_VARIABLE = "LAZYTILE_MAX_CHUNK"
"""Environment variable of another limit, in every process that reads sources, Dask workers too."""
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY_UNITS = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")


def parse_memory(text: str, total_bytes: int) -> int:
    """Parse a size of memory: ``2GiB``, ``512MB``, ``25%`` or a number of bytes.

    Args:
        text: The size as written. Units are decimal (kB, MB, GB) or binary (KiB, MiB, GiB), in any case.
        total_bytes: What a percentage is of.

    Returns:
        The size in bytes.

    Raises:
        ValueError: The text is no size, or a size under 1 MiB other than 0.
    """
    match = re.fullmatch(r"\s*([0-9]{1,18}(?:\.[0-9]{1,6})?)\s*(%|[kmgt]?i?b?)\s*", text, re.IGNORECASE | re.ASCII)
    unit = "" if match is None else match[2].lower().removesuffix("b")
    factor = total_bytes / 100 if unit == "%" else (_UNITS | _BINARY_UNITS).get(unit)
    if match is None or factor is None or (unit == "%" and float(match[1]) > 100):
        raise ValueError(f"must be a size such as 2GiB, 512MB or 25%, got {text[:40]!r}")
    # Whole numbers stay whole: a float is exact only up to 2**53.
    size = int(float(match[1]) * factor) if "." in match[1] or unit == "%" else int(match[1]) * int(factor)
    if 0 < size < SMALLEST_BYTES:
        raise ValueError(f"must be 0 or at least 1 MiB, got {text[:40]!r}; write the unit, as in 512MB")
    return size


def machine_memory_bytes() -> int:
    """Return the memory that this process may use: the machine's, or its cgroups' where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = cgroup_memory_bytes(own_membership(), MOUNT)
    return machine if limit is None else min(machine, limit)


def cgroup_memory_bytes(membership: str, mount: Path) -> int | None:
    """Return the memory that a process's cgroups allow it.

    Follows the kernel's ``cgroup-v2`` (``memory.max``) and ``cgroup-v1/memory`` (``memory.limit_in_bytes``) documents.

    Args:
        membership: Content of ``/proc/PID/cgroup``.
        mount: Where the cgroup file systems are mounted.

    Returns:
        Bytes, the least limit of the cgroups and their parents; None without any.
    """
    files = (folder / name for folder in cgroup_folders("memory", membership, mount) for name in _LIMIT_FILES)
    return min((limit for limit in map(_limit_of, files) if limit is not None), default=None)


def _limit_of(file: Path) -> int | None:
    """Return the limit that a file states; None for ``max`` and where it cannot be read."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def default_memory_bytes() -> int:
    """Return the memory that caches take by default: one eighth of the machine's."""
    return machine_memory_bytes() // DEFAULT_SHARE


def default_watermark_bytes() -> int:
    """Return the memory above which a server begins no further work by default: nine tenths of the machine's."""
    return machine_memory_bytes() * 9 // 10


def max_chunk_bytes() -> int:
    """Return the most bytes that a chunk of a source may hold: it is unpacked whole, in memory.

    Raises:
        SourceError: The environment variable ``LAZYTILE_MAX_CHUNK`` is no size.
    """
    text = os.environ.get(CHUNK_VARIABLE)
    if text is None:
        return CHUNK_BYTES
    try:
        return parse_memory(text, machine_memory_bytes())
    except ValueError as error:
        raise SourceError(f"{CHUNK_VARIABLE} {error}") from error
