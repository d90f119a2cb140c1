"""The places in the file system that work reads and writes: every process that does the work must see the same ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_FILES = 64
"""Most files of a series that are compared."""


@dataclass(frozen=True, slots=True)
class Places:
    """What work reads and writes, as absolute paths."""

    sources: tuple[str, ...] = ()
    """Files and folders of others, which are only read."""
    folders: tuple[str, ...] = ()
    """Folders of ours, stores and datasets, which are read or written."""

    @classmethod
    def of(cls, *, sources: Iterable[str | Path] = (), folders: Iterable[str | Path] = ()) -> Places:
        """Return the places of some work.

        Args:
            sources: Files and folders of others; URLs are left out, and of many files ``MAX_FILES`` are kept, some of
                each folder.
            folders: Stores or datasets, which exist; those in object storage are left out.

        Returns:
            The places.
        """
        files = [os.path.abspath(each) for each in sources if "://" not in os.fspath(each)]  # noqa: PTH100
        ours = tuple(os.path.abspath(each) for each in folders if "://" not in os.fspath(each))  # noqa: PTH100
        return cls(tuple(_sample(files)), ours)


NOWHERE = Places()
"""Of work that touches no files."""


def _sample(files: list[str]) -> list[str]:
    """Return the first and the last file of each folder, then others, ``MAX_FILES`` in all."""
    if len(files) <= MAX_FILES:
        return files
    folders: dict[str, list[str]] = {}
    for file in files:
        folders.setdefault(os.path.dirname(file), []).append(file)  # noqa: PTH120
    ends = [each for members in folders.values() for each in dict.fromkeys((members[0], members[-1]))]
    step = -(-len(files) // MAX_FILES)
    return list(dict.fromkeys((*ends, *files[::step])))[:MAX_FILES]
