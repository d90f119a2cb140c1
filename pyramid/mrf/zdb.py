"""The ``.zdb`` beside an MRF of slices: the time of each slice, as OnEarth looks it up."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import MrfError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_zdb(mrf: Path, keys: Sequence[str]) -> Path:
    """Write ``NAME.zdb``, atomically.

    Args:
        mrf: Path of the MRF.
        keys: ``YYYYMMDDHHMMSS`` of each slice.

    Returns:
        Its path.

    Raises:
        MrfError: It cannot be written.
    """
    path, part = mrf.with_suffix(".zdb"), mrf.with_name(f".{mrf.stem}.zdb.part")
    try:
        part.unlink(missing_ok=True)
        with closing(sqlite3.connect(part)) as database, database:
            database.execute("CREATE TABLE ZINDEX(z INTEGER PRIMARY KEY AUTOINCREMENT, key_str TEXT)")
            database.executemany("INSERT INTO ZINDEX(z, key_str) VALUES (?, ?)", enumerate(keys))
        part.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise MrfError(f"{path} cannot be written: {error}") from error
    return path


def read_zdb(path: Path) -> dict[str, int]:
    """Read a ``.zdb``.

    Args:
        path: Of the file.

    Returns:
        The slice of each key.

    Raises:
        MrfError: The file is no ``.zdb``.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return {str(key): int(z) for z, key in database.execute("SELECT z, key_str FROM ZINDEX")}
    except (OSError, ValueError, sqlite3.Error) as error:
        raise MrfError(f"{path} cannot be read: {error}") from error
