"""Lines written in a thread: a slow disk, a full pipe or a stopped terminal delays no request. Bounded in bytes."""

from __future__ import annotations

import os
import queue
import stat
import threading
import time
from typing import TYPE_CHECKING

from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.http.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

CONDITION = "access log"
PIPE_BYTES = 4096
"""What is written to a pipe at once is not mixed with what other processes write (PIPE_BUF of Linux)."""
STANDARD_ERROR = 2
_MODE = 0o640


class LineWriter:
    """Writes lines to a file or to standard error. What does not fit into the queue is lost, and counted.

    ``write`` belongs to one thread; the writes happen in a thread of their own, which ends with the process.
    """

    def __init__(self, path: Path | None, limit_bytes: int, on_lost: Callable[[int], object] = lambda _: None) -> None:
        """Open the file.

        Args:
            path: The file, which is appended to; None for standard error.
            limit_bytes: Most bytes that wait to be written.
            on_lost: Called with a number of lines that are not written, in any thread.

        Raises:
            ServiceError: The file cannot be opened.
        """
        self._owns_file = path is not None
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = STANDARD_ERROR if path is None else os.open(path, flags, _MODE)
            self._step = PIPE_BYTES if _is_pipe(self._file) else 1 << 20
        except OSError as error:
            raise ServiceError(f"the access log cannot be written to {path}: {error.strerror}") from error
        self._limit_bytes = limit_bytes
        self._on_lost = on_lost
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._is_losing = False
        self._thread = threading.Thread(target=self._run, name="lazytile-access-log", daemon=True)
        self._thread.start()

    def write(self, lines: Sequence[str]) -> None:
        """Have lines written. Never waits.

        Args:
            lines: The lines, without their ends.
        """
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        with self._lock:
            fits = self._waiting_bytes + len(data) <= self._limit_bytes
            if fits:
                self._waiting_bytes += len(data)
        if fits:
            self._queue.put(data)
        else:
            self._lose(len(lines), "its file is slower than the requests come")

    def close(self, timeout_s: float) -> None:
        """Write what waits and close the file. Blocks.

        Args:
            timeout_s: How long to write; what waits then is lost.
        """
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            try:
                for part in _parts(data, self._step):
                    self._write_all(part)
            except OSError as error:
                self._lose(data.count(b"\n"), error.strerror or str(error))
            else:
                if self._is_losing and self._queue.empty():
                    self._is_losing = False
                    Conditions.current().clear(CONDITION)
            with self._lock:
                self._waiting_bytes -= len(data)
        if self._owns_file:
            os.close(self._file)

    def _write_all(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._file, left) :]
            except BlockingIOError:  # standard error that another program has made non-blocking
                time.sleep(0.01)

    def _lose(self, count: int, reason: str) -> None:
        self._is_losing = True
        self._on_lost(count)
        Conditions.current().report(CONDITION, f"lines are lost: {reason}", ready=True)


def _is_pipe(file: int) -> bool:
    return not stat.S_ISREG(os.fstat(file).st_mode)


def _parts(data: bytes, step: int) -> Iterator[bytes]:
    """Yield data in pieces that end with lines and, where lines are short enough, fit into a step."""
    begin = 0
    while len(data) - begin > step:
        end = data.rfind(b"\n", begin, begin + step) + 1 or data.find(b"\n", begin) + 1 or len(data)
        yield data[begin:end]
        begin = end
    if begin < len(data):
        yield data[begin:]
