"""The checksum that a download must have."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest of the bytes as the server sends them, before anything is unpacked."""

    algorithm: str
    digest: str
    """Hexadecimal, lower case."""

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a checksum.

        Args:
            text: ``md5:HEX``, ``sha1:HEX``, ``sha256:HEX`` or ``sha512:HEX``.

        Returns:
            The checksum.

        Raises:
            SourceError: The text is anything else.
        """
        algorithm, _, digest = text.strip().lower().partition(":")
        if not re.fullmatch(r"[0-9a-f]+", digest) or len(digest) != _DIGITS.get(algorithm):
            raise SourceError(
                f"a checksum is md5:, sha1:, sha256: or sha512: followed by its hexadecimal digits, not {text!r}"
            )
        return cls(algorithm, digest)

    def check(self, path: Path, what: str) -> None:
        """Check that a file has this checksum.

        Args:
            path: Of the file.
            what: Name of the file in errors.

        Raises:
            SourceError: It has another.
        """
        with path.open("rb") as file:
            # Many archives publish md5 and sha1, which reveal damage but not forgery.
            found = hashlib.file_digest(file, lambda: hashlib.new(self.algorithm, usedforsecurity=False)).hexdigest()
        if found != self.digest:
            raise SourceError(
                f"{what} has the checksum {self.algorithm}:{found}, not {self.digest}; the file was discarded"
            )
