"""The checksum that a file is known to have."""

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
    """A digest of the bytes as they are served, before anything is unpacked."""

    algorithm: str
    digest: str
    """Hexadecimal, lower case."""

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the checksum that ``sha256:HEX`` names. Raises ``SourceError`` for anything else."""
        algorithm, _, digest = text.strip().lower().partition(":")
        if not re.fullmatch(r"[0-9a-f]+", digest) or len(digest) != _DIGITS.get(algorithm):
            raise SourceError(f"a checksum is md5:, sha1:, sha256: or sha512: and its hexadecimal digits, not {text!r}")
        return cls(algorithm, digest)

    def check(self, path: Path, what: str) -> None:
        """Raise ``SourceError`` where a file has another checksum; ``what`` names the file there."""
        with path.open("rb") as file:
            # md5 and sha1 are what many archives publish. They find damage, not forgery.
            found = hashlib.file_digest(file, lambda: hashlib.new(self.algorithm, usedforsecurity=False)).hexdigest()
        if found != self.digest:
            raise SourceError(f"{what} has the checksum {self.algorithm}:{found}, not {self.digest}; nothing is kept")
