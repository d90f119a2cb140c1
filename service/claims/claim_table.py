"""Claims as words in shared memory: to take or end one takes a microsecond or two and no system call.

Every process writes only to its own part of each row and reads the parts of the others. It writes its claim first and
looks then: of two that claim the same key at the same time at least one sees the other, and tries again.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from lazytile.service.claims.shared_memory import SHARED_FOLDER, SharedMemory

if TYPE_CHECKING:
    from pathlib import Path

PLACES = 64
"""Processes that share a folder of caches on a machine; further ones claim by locks."""
WAYS = 4
"""Claims of a process in one row."""
ROWS = 1024
"""A claim is found in the row that its key decides. A process with a thousand claims, as when the disk is far behind,
finds a row full for one key of two hundred, which it then renders without a claim."""
_WORD, _ENTRY = 8, 16
"""An entry is a word of the key, and when its claim ended by ``time.monotonic_ns``: 0 while it stands."""
_PART, _ROW = WAYS * _ENTRY, PLACES * WAYS * _ENTRY
SIZE = ROWS * _ROW


class NoPlaceError(OSError):
    """All places are taken."""


class ClaimTable:
    """The claims of this process, and a view of those of all. Thread-safe."""

    def __init__(self, folder: Path, shared_folder: Path = SHARED_FOLDER) -> None:
        """Take a place among the processes that share a folder.

        Args:
            folder: Folder of the caches.
            shared_folder: Where the system keeps shared memory.

        Raises:
            OSError: There is no shared memory, or no place in it.
        """
        self._shared = SharedMemory(folder, SIZE, shared_folder)
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        """The words of the entries of the claims that stand, by key."""
        self._is_open = True
        try:
            self._part = self._free_place(folder) * _PART
        except BaseException:
            self._shared.close()
            raise
        self._memory = self._shared.memory
        self._words = memoryview(self._memory).cast("Q")
        for start in range(self._part, SIZE, _ROW):  # a process that was killed may have had the place
            self._memory[start : start + _PART] = bytes(_PART)

    def _free_place(self, folder: Path) -> int:
        for place in range(PLACES):
            if self._shared.take_place(place):
                return place
        raise NoPlaceError(f"{PLACES} processes use {folder} already")

    def take(self, key: str) -> bool:
        """Claim a key.

        Args:
            key: Hexadecimal digits, 20 or more.

        Returns:
            False where another process has claimed it.
        """
        return self.take_anew(key, None)

    def take_anew(self, key: str, since_ns: int | None) -> bool:
        """Claim a key unless a claim of it has ended lately.

        Args:
            key: Hexadecimal digits, 20 or more.
            since_ns: As for ``was_released``; None: that does not matter.

        Returns:
            False where another process has claimed it, or a claim has ended since.
        """
        name, row = _place_of(key)
        with self._lock:
            may_claim = self._is_open and key not in self._held
            word = self._free_word((row + self._part) // _WORD) if may_claim else None
            if word is not None:
                self._held[key] = word
                self._put(word, int.from_bytes(name, sys.byteorder))
        if word is None:
            return since_ns is None or not self.was_released(key, since_ns)
        # The lock's release is a barrier: what was written is seen by others before theirs is read.
        if self._may_begin(name, row, since_ns):
            return True
        self.give_up(key)
        return False

    def _free_word(self, first: int) -> int | None:
        """Return the word of an entry of this process in a row where no claim stands; None where each has one."""
        words = self._words
        for word in range(first, first + _PART // _WORD, 2):
            if not words[word] or words[word + 1]:
                return word
        return None

    def _put(self, word: int, name: int) -> None:
        """Write an entry. An entry without a name is none, so that nobody takes half of a new one for an old one."""
        self._words[word] = 0
        self._words[word + 1] = 0
        self._words[word] = name

    def _may_begin(self, name: bytes, row: int, since_ns: int | None) -> bool:
        """Return whether no other process has claimed a key, and no claim of it has ended since."""
        for at, ended in self._entries(name, row):
            if ended:
                if since_ns is not None and ended >= since_ns:
                    return False
            elif not self._part <= at - row < self._part + _PART and not self._has_ended(at, row):
                return False
        return True

    def _has_ended(self, at: int, row: int) -> bool:
        """Return whether the process of an entry has ended; then its claim has too."""
        place = (at - row) // _PART
        if not self._shared.take_place(place):
            return False
        with self._lock:
            if self._is_open:
                self._put(at // _WORD, 0)
        self._shared.leave_place(place)
        return True

    def _entries(self, name: bytes, row: int) -> list[tuple[int, int]]:
        """Return position and end of each entry of a key."""
        with self._lock:
            found = self._memory[row : row + _ROW] if self._is_open else b""
        entries = []
        at = found.find(name)
        while at >= 0:
            if at % _ENTRY == 0:
                entries.append((row + at, int.from_bytes(found[at + _WORD : at + _ENTRY], sys.byteorder)))
            at = found.find(name, at + 1)
        return entries

    def release(self, key: str) -> None:
        """End a claim, and note when.

        Args:
            key: As claimed.
        """
        self._end(key, time.monotonic_ns())

    def give_up(self, key: str) -> None:
        """End a claim that has left nothing behind.

        Args:
            key: As claimed.
        """
        self._end(key, None)

    def _end(self, key: str, at_ns: int | None) -> None:
        with self._lock:
            word = self._held.pop(key, None)
            if word is None or not self._is_open:
                return
            if at_ns is None:
                self._words[word] = 0
            else:
                self._words[word + 1] = at_ns

    def was_released(self, key: str, since_ns: int) -> bool:
        """Return whether a claim of a key has ended lately.

        Args:
            key: The key.
            since_ns: By ``time.monotonic_ns``, which all processes of a machine share.

        Returns:
            True where it has.
        """
        return any(ended >= since_ns for _, ended in self._entries(*_place_of(key)) if ended)

    def close(self) -> None:
        """End all claims of this process."""
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
            for word in self._held.values():
                self._words[word] = 0
            self._words.release()
            self._shared.close()


def _place_of(key: str) -> tuple[bytes, int]:
    """Return the word that stands for a key, which is not 0, and where its row begins."""
    return bytes.fromhex(key[:15] + "f"), int(key[15:20], 16) % ROWS * _ROW
