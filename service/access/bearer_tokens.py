"""Bearer tokens (RFC 6750) that open datasets to those who have one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HASHED = "sha256:"
"""Begins a token in the settings that is written as its hash."""
SCHEME = "bearer"


def hash_of(token: str) -> str:
    """Return the hash of a token.

    Args:
        token: The token as clients send it, or its hash after ``sha256:``.

    Returns:
        64 hexadecimal digits.
    """
    if token.startswith(HASHED):
        return token.removeprefix(HASHED).lower()
    return hashlib.sha256(token.encode()).hexdigest()


class BearerTokens:
    """Which datasets each token opens. Tokens are compared by their hashes, so that no time tells of their letters."""

    def __init__(self, tokens: Mapping[str, Sequence[str]]) -> None:
        """Take tokens.

        Args:
            tokens: Tokens by dataset.
        """
        self.protected = frozenset(tokens)
        """The datasets that need a token."""
        opened: dict[str, set[str]] = {}
        for dataset, each in tokens.items():
            for token in each:
                opened.setdefault(hash_of(token), set()).add(dataset)
        self._opened = {digest: frozenset(names) for digest, names in opened.items()}

    def views(self) -> set[frozenset[str]]:
        """Return every set of datasets that some token opens."""
        return set(self._opened.values())

    def opened(self, authorization: str | None) -> frozenset[str] | None:
        """Return the datasets that a request opens.

        Args:
            authorization: Its header Authorization.

        Returns:
            The datasets, none without a token; None where the token is unknown.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != SCHEME:
            return frozenset()
        return self._opened.get(hashlib.sha256(token.strip().encode()).hexdigest())
