"""The least speed of a download, and the error of an attempt that a retry may fix."""

from __future__ import annotations

import time

LEAST_BYTES_PER_S = 100
"""A server that sends more slowly holds the connection for nothing."""


class TransientError(Exception):
    """An attempt failed in a way that a retry may fix. ``wait_s`` is how long the server wants the client to wait."""

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class Pace:
    """The time that a body takes."""

    def __init__(self, patience_s: float) -> None:
        """Begin.

        Args:
            patience_s: How long a body may come too slowly.
        """
        self._patience_s = patience_s
        self._began = time.monotonic()

    def check(self, received_bytes: int) -> None:
        """Check the speed so far.

        Args:
            received_bytes: Since the beginning.

        Raises:
            TransientError: The server sends too slowly.
        """
        passed_s = time.monotonic() - self._began
        if passed_s > self._patience_s and received_bytes < passed_s * LEAST_BYTES_PER_S:
            raise TransientError(f"the server sent {received_bytes} bytes in {passed_s:.0f} s, which is too slow")
