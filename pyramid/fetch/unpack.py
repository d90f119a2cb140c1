"""Unpacking gzip and bzip2 files, within a limit."""

from __future__ import annotations

import bz2
import gzip
import os
import zlib
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_MAGICS = (b"\x1f\x8b", b"BZh")
_SUFFIXES = (".gz", ".bz2", ".gzip")
_PIECE_BYTES = 1 << 20


def is_packed(path: Path) -> bool:
    """Return whether a file is gzip or bzip2, told by its first bytes."""
    try:
        with path.open("rb") as file:
            magic = file.read(3)
    except OSError:
        return False  # who reads the file says what is wrong with it
    return magic.startswith(_MAGICS)


def unpacked_name(name: str) -> str:
    """Return the name of what is in a packed file."""
    suffix = next((each for each in _SUFFIXES if name.lower().endswith(each)), "")
    return name.removesuffix(name[len(name) - len(suffix) :]) or name if suffix else name


def unpack(packed: Path, target: Path, what: str, limit_bytes: int) -> None:
    """Unpack a file to ``target``, which appears whole or not at all; ``what`` names the file in errors.

    Raises ``SourceError`` where the file is damaged or holds more than ``limit_bytes``.
    """
    part = target.with_name(f".{target.name}.unpacking")
    done = 0
    try:
        with _opened(packed) as source, part.open("wb") as file:
            while piece := source.read(_PIECE_BYTES):
                done += len(piece)
                if done > limit_bytes:
                    raise SourceError(f"{what} holds more than {limit_bytes} bytes unpacked, which is the limit")
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{what} cannot be unpacked, it is damaged or cut short: {error}") from error
    except OSError as error:
        if error.errno is None:  # bz2 says so of bad data
            raise SourceError(f"{what} cannot be unpacked, it is damaged or cut short: {error}") from error
        raise
    finally:
        part.unlink(missing_ok=True)


def _opened(packed: Path) -> gzip.GzipFile | bz2.BZ2File:
    with packed.open("rb") as file:
        is_gzip = file.read(2) == _MAGICS[0]
    return gzip.GzipFile(packed) if is_gzip else bz2.BZ2File(packed)
