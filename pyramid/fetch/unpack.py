"""gzip and bzip2 files, unpacked within a limit."""

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
_CHUNK_BYTES = 1 << 20


def is_packed(path: Path) -> bool:
    """Return whether a file is gzip or bzip2, by its first bytes.

    Args:
        path: Of the file.

    Returns:
        False for a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(3)
    except OSError:
        return False  # opening it will report the error
    return magic.startswith(_MAGICS)


def unpacked_name(name: str) -> str:
    """Return the name of the content of a packed file.

    Args:
        name: Of the packed file.

    Returns:
        The name without its suffix.
    """
    suffix = next((each for each in _SUFFIXES if name.lower().endswith(each)), "")
    return name.removesuffix(name[len(name) - len(suffix) :]) or name if suffix else name


def unpack(packed: Path, target: Path, what: str, limit_bytes: int) -> None:
    """Unpack a file.

    Args:
        packed: The gzip or bzip2 file.
        target: Where its content appears, in one step.
        what: Name of the file in errors.
        limit_bytes: Of the content.

    Raises:
        SourceError: The file is damaged or holds more than the limit.
        OSError: The content cannot be written.
    """
    part = target.with_name(f".{target.name}.unpacking")
    done = 0
    try:
        with _opened(packed) as source, part.open("wb") as file:
            while chunk := source.read(_CHUNK_BYTES):
                done += len(chunk)
                if done > limit_bytes:
                    raise SourceError(f"{what} exceeds the limit of {limit_bytes} bytes when unpacked")
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{what} is damaged or cut short and cannot be unpacked: {error}") from error
    except OSError as error:
        if error.errno is None:  # how bz2 reports bad data
            raise SourceError(f"{what} is damaged or cut short and cannot be unpacked: {error}") from error
        raise
    finally:
        part.unlink(missing_ok=True)


def _opened(packed: Path) -> gzip.GzipFile | bz2.BZ2File:
    with packed.open("rb") as file:
        is_gzip = file.read(2) == _MAGICS[0]
    return gzip.GzipFile(packed) if is_gzip else bz2.BZ2File(packed)
