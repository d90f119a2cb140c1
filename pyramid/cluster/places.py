"""What every process that does some work must have in common: places in the file system, and traits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

MAX_FILES = 64
"""Most files of a series that are compared."""


@dataclass(frozen=True, slots=True)
class Places:
    """What work reads and writes, as absolute paths, and what else decides its results."""

    sources: tuple[str, ...] = ()
    """Files and folders of others, which are only read."""
    folders: tuple[str, ...] = ()
    """Folders of ours, stores and datasets, which are read or written."""
    traits: Callable[[], Mapping[str, str]] | None = None
    """Function that every process can import; what it returns, by name, is equal in all that do the work."""

    @classmethod
    def of(
        cls,
        *,
        sources: Iterable[str | Path] = (),
        folders: Iterable[str | Path] = (),
        traits: Callable[[], Mapping[str, str]] | None = None,
    ) -> Places:
        """Return the places of some work.

        Args:
            sources: Files and folders of others; URLs are left out, and of many files ``MAX_FILES`` are kept, some of
                each folder.
            folders: Stores or datasets, which exist; those in object storage are left out.
            traits: Returns what else is equal in every process that does the work, such as the encoder of its results.

        Returns:
            The places.
        """
        files = [os.path.abspath(each) for each in sources if "://" not in os.fspath(each)]  # noqa: PTH100
        ours = tuple(os.path.abspath(each) for each in folders if "://" not in os.fspath(each))  # noqa: PTH100
        return cls(tuple(_sample(files)), ours, traits)


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
