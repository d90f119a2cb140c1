"""The most bytes that a chunk of a source may hold: it is unpacked whole, in memory."""

from __future__ import annotations

import os

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.core.memory_size import machine_memory_bytes, parse_memory

DEFAULT_BYTES = 1 << 30
"""HDF5 allows 4 GiB."""
VARIABLE = "LAZYTILE_MAX_CHUNK"
"""Every process that reads sources has it in its environment, Dask workers too."""


def max_chunk_bytes() -> int:
    """Return the most bytes of an unpacked chunk that this process reads.

    Raises:
        SourceError: The environment variable ``LAZYTILE_MAX_CHUNK`` is no size.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return DEFAULT_BYTES
    try:
        return parse_memory(text, machine_memory_bytes())
    except ValueError as error:
        raise SourceError(f"{VARIABLE} {error}") from error
