"""How the properties of a layer were understood: what was taken for what, by which evidence, and what was guessed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """How one property of a layer was understood."""

    topic: str
    """The property in one word: ``rows``, ``columns``, ``crs``, ``places``, ``packing``, ``kind``, ``times``."""
    meaning: str
    """What it was taken for, such as ``latitude lat``."""
    evidence: str
    """What says so, such as ``standard_name``."""
    guessed: bool = False
    """Whether nothing in the source states it."""

    @property
    def text(self) -> str:
        """The finding as one line, without its topic."""
        return f"{self.meaning}, by {self.evidence}{' (guessed)' if self.guessed else ''}"
