"""The size and checksum of each chunk file as written, stored beside the chunks for ``verify``.

An array's folder has a folder ``checksums`` with one file for each plane (index along the leading dimensions), named by
that index: two little-endian uint32 for each file of the plane's grid, row by row: size in bytes and CRC-32; both 0
where there is no file. Zarr readers ignore it. A plane that is appended adds a file and changes none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.store.chunk_file import FileDigest

FOLDER = "checksums"
_PLANE = re.compile(r"[0-9]+(?:-[0-9]+)*|plane")
_UINT32 = np.dtype("<u4")


def plane_file(array: Path, dim_index: tuple[int, ...]) -> Path:
    """Return the file of a plane's digests.

    Args:
        array: Folder of the array.
        dim_index: Index along each leading dimension.

    Returns:
        The path.
    """
    return array / FOLDER / ("-".join(map(str, dim_index)) or "plane")


def read_plane(array: Path, dim_index: tuple[int, ...], files: tuple[int, int]) -> NDArray[Any] | None:
    """Read the digests of a plane.

    Args:
        array: Folder of the array.
        dim_index: Index along each leading dimension.
        files: Files of the plane in rows and columns.

    Returns:
        Size and checksum of each file, shape (rows, cols, 2), uint32; None where they are unknown.
    """
    try:
        data = plane_file(array, dim_index).read_bytes()
        return np.frombuffer(data, _UINT32).reshape(*files, 2)
    except (FileNotFoundError, ValueError):
        return None


class Manifests:
    """Collects digests in any order, and writes a plane's once it has all of them."""

    def __init__(self) -> None:
        self._open: dict[tuple[Path, tuple[int, ...]], tuple[NDArray[Any], int]] = {}

    def add(self, array: Path, files: tuple[int, int], index: tuple[int, ...], digest: FileDigest) -> None:
        """Add the digest of a file.

        Args:
            array: Folder of the array.
            files: Files of the plane in rows and columns.
            index: Index along each leading dimension, row and column.
            digest: Of the file.
        """
        dim_index, (row, col) = index[:-2], index[-2:]
        digests, missing = self._open.get((array, dim_index)) or (np.zeros((*files, 2), _UINT32), files[0] * files[1])
        digests[row, col] = digest.size, digest.crc
        if missing > 1:
            self._open[array, dim_index] = digests, missing - 1
            return
        self._open.pop((array, dim_index), None)
        path = plane_file(array, dim_index)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(digests.tobytes())


def planes(array: Path) -> Iterator[Path]:
    """List the digest files of all planes of an array.

    Args:
        array: Folder of the array.

    Yields:
        Their paths.
    """
    folder = array / FOLDER
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if _PLANE.fullmatch(path.name))
