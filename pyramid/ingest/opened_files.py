"""The source files that this process keeps open, and letting them go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.fetch.source_url import absolute_source
from lazytile.pyramid.sources.open_files import release
from lazytile.pyramid.sources.series import files_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def release_files(path: str | Path | Sequence[str | Path]) -> None:
    """Let files go that were converted, so that the program may write to them.

    Args:
        path: As for ``convert``.
    """
    for each in files_of(path):
        release(absolute_source(each))
