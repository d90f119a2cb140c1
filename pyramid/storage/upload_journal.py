"""The journal of an upload: what is in object storage already, so that a run after a kill goes on there."""

from __future__ import annotations

import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL = ".upload"
"""Name of the file in the folder that is uploaded: the token, then size, CRC-32 and name of each object, by lines."""
_BLOCK_BYTES = 4 << 20

Digest = tuple[int, int]
"""Size and CRC-32 of a file."""


class UploadJournal:
    """The objects of one upload that are there. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Read the journal of a folder; a line that a kill cut short is ignored.

        Args:
            folder: What is uploaded.
        """
        self._path = folder / JOURNAL
        self._done: dict[str, Digest] = {}
        self._lock = threading.Lock()
        self.token: str | None = None
        """Name of the upload; None before it has begun."""
        with suppress(FileNotFoundError):
            whole = self._path.read_bytes()
            lines = whole[: whole.rfind(b"\n") + 1].decode("utf-8", "replace").splitlines()
            self.token = lines[0] if lines else None
            for line in lines[1:]:
                with suppress(ValueError):
                    size, crc, name = line.split(" ", 2)
                    self._done[name] = int(size), int(crc)

    def begin(self, token: str) -> str:
        """Begin a new upload.

        Args:
            token: Its name.

        Returns:
            The token.
        """
        self._path.write_text(f"{token}\n", encoding="utf-8")
        self._done.clear()
        self.token = token
        return token

    def has(self, name: str, digest: Digest) -> bool:
        """Return whether an object was uploaded with this content.

        Args:
            name: Of the object, relative.
            digest: Of its content.

        Returns:
            Whether it was.
        """
        return self._done.get(name) == digest

    def add(self, name: str, digest: Digest) -> None:
        """Record that an object is there.

        Args:
            name: Of the object, relative.
            digest: Of its content.
        """
        with self._lock:
            self._done[name] = digest
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{digest[0]} {digest[1]} {name}\n")

    @staticmethod
    def digest(data: bytes) -> Digest:
        """Return the digest of content.

        Args:
            data: The content.

        Returns:
            The digest.
        """
        return len(data), zlib.crc32(data)

    @staticmethod
    def digest_of(path: Path) -> Digest:
        """Return the digest of a file, read block by block.

        Args:
            path: Of the file.

        Returns:
            The digest.
        """
        size = crc = 0
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                size, crc = size + len(block), zlib.crc32(block, crc)
        return size, crc
