"""The settings of object storage, from the environment, where every process that reads a store finds them."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.memory_size import machine_memory_bytes, parse_memory

PREFIX = "LAZYTILE_STORAGE_"


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """How object storage is used. Each field is the environment variable ``LAZYTILE_STORAGE_`` and its name."""

    poll_s: float = 3.0
    """A reader looks for new generations this often."""
    timeout_s: float = 10.0
    """Time limit of one request of a reader."""
    retry_s: float = 15.0
    """A failed request is repeated for this time at most, with growing, random pauses."""
    requests: int = 16
    """Requests that one process makes at the same time where it uploads, copies and removes."""
    unfinished_s: float = 86400.0
    """A generation that was never finished is removed when its newest object has this age."""
    cache: Path | None = None
    """Folder of a cache of chunks; None: none."""
    cache_bytes: int = 10 << 30
    """Size limit of that folder."""
    staging: Path | None = None
    """Folder of unfinished work on this machine: metadata, journals and downloads, and large objects while they are put
    together; None: ``lazytile/staging`` in the user's cache."""
    staging_bytes: int = 4 << 30
    """Size limit of the large objects that one process has there."""

    @staticmethod
    def current() -> StorageOptions:
        """Return the options of this process, read once."""
        return process.current().resource(StorageOptions, StorageOptions.from_environment)

    @classmethod
    def from_environment(cls) -> StorageOptions:
        """Read the options from the environment.

        Returns:
            The options; defaults for what is not set.

        Raises:
            StoreError: A variable has no value that is allowed.
        """
        found = {each.name: os.environ.get(f"{PREFIX}{each.name.upper()}") for each in fields(cls)}
        values: dict[str, Any] = {name: _parsed(name, text) for name, text in found.items() if text}
        return cls(**values)


VARIABLES = tuple(f"{PREFIX}{each.name.upper()}" for each in fields(StorageOptions))
"""The environment variables."""
_LIMITS: dict[str, tuple[float, float]] = {
    "poll_s": (0.05, 3600),
    "timeout_s": (0.1, 3600),
    "retry_s": (0, 3600),
    "requests": (1, 256),
    "unfinished_s": (60, 365 * 86400),
}


def _parsed(name: str, text: str) -> float | int | Path:
    variable = f"{PREFIX}{name.upper()}"
    if name in ("cache", "staging"):
        return Path(text).expanduser()
    if name in ("cache_bytes", "staging_bytes"):
        try:
            return parse_memory(text, machine_memory_bytes())
        except ValueError as error:
            raise StoreError(f"{variable} {error}") from error
    least, greatest = _LIMITS[name]
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= greatest or (name == "requests" and not number.is_integer()):
        kind = "a whole number" if name == "requests" else "a number"
        raise StoreError(f"{variable} is {kind} from {least:g} to {greatest:g}, not {text[:40]!r}")
    return int(number) if name == "requests" else number
