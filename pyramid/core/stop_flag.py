"""Stop flags: how a computation that is no longer needed learns of it."""

from __future__ import annotations

import ctypes


class StoppedError(Exception):
    """The computation was stopped: its time is up, or nothing waits for it."""


class StopFlag:
    """A flag that one thread sets and a computation looks at between its steps, compiled code included."""

    __slots__ = ("_flag",)

    def __init__(self) -> None:
        self._flag = ctypes.c_int32(0)

    @property
    def is_set(self) -> bool:
        """Whether the computation is to stop."""
        return self._flag.value != 0

    @property
    def address(self) -> int:
        """Address of the flag: an int32, not 0 once it is set. Valid as long as the object lives."""
        return ctypes.addressof(self._flag)

    def set(self) -> None:
        """Ask the computation to stop. Thread-safe; cannot be undone."""
        self._flag.value = 1

    def check(self) -> None:
        """End the computation where it is to stop.

        Raises:
            StoppedError: The flag is set.
        """
        if self._flag.value:
            raise StoppedError
